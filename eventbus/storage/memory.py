"""A store in memory: what the file does, without the file.

It survives the bus that used it, so a test can restart a bus, or crash one: whatever was not safe yet is lost then, as
it would be with the process. It also fails on demand.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel

from eventbus.storage.batches import BatchLog, Change, Key, Space
from eventbus.storage.errors import StoreInUse


class MemoryStore:
    """A store for tests. `crash()` loses what is not safe; `failing` makes every write fail with that error."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[Key, bytes]] = {}
        self._orders: list[tuple[dict[Change, bytes | None], Callable[[BaseException | None], None]]] = []
        self._ordered = anyio.Event()
        self._is_open = self._has_crashed = False
        self.failing: BaseException | None = None
        self.log = BatchLog(self)

    def __repr__(self) -> str:
        return f"MemoryStore({', '.join(f'{name}: {len(rows)}' for name, rows in self._rows.items())})"

    def open(self) -> None:
        """Take the store for one bus. Raises StoreInUse if another bus has it."""
        if self._is_open:
            raise StoreInUse(Path("this memory store"))
        self._is_open = True
        self._has_crashed = False
        self.log = BatchLog(self)

    def integers(self, name: str) -> Space[int]:
        """The space of this name, with integer keys."""
        self._rows.setdefault(name, {})
        return Space(self.log, name)

    def texts(self, name: str) -> Space[str]:
        """The space of this name, with text keys."""
        self._rows.setdefault(name, {})
        return Space(self.log, name)

    async def run(self) -> None:
        """Write until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.log.run, 0.0)
            while True:
                while self._orders:
                    order = self._orders[0]
                    await anyio.lowlevel.checkpoint()
                    if self._orders[:1] == [order]:  # it has neither crashed nor been closed meanwhile
                        rows, done = self._orders.pop(0)
                        done(self._commit(rows))
                self._ordered = anyio.Event()
                await self._ordered.wait()

    async def aclose(self) -> None:
        """Write what is left; the store can be opened again. Raises StoreError if it could not be written."""
        try:
            if self._is_open and not self._has_crashed:
                self.log.write_out(self._deliver)
        finally:
            self.close()

    def close(self) -> None:
        """Forget what was not written."""
        self.crash()
        self._is_open = False

    def crash(self) -> None:
        """Lose everything that is not safe, as the death of the process would, and whatever its bus still does."""
        self._orders.clear()
        self._has_crashed = True
        self.log = BatchLog(self)

    def write(self, rows: dict[Change, bytes | None], done: Callable[[BaseException | None], None]) -> None:
        if not self._has_crashed:
            self._orders.append((rows, done))
            self._ordered.set()

    def read(self, space: str, key: Key) -> bytes | None:
        return self._rows[space].get(key)

    def read_many(self, space: str, after: Key | None, limit: int) -> list[tuple[Key, bytes]]:
        keys: list[Any] = sorted(self._rows[space])
        start = 0 if after is None else bisect_right(keys, after)
        return [(key, self._rows[space][key]) for key in keys[start : start + limit]]

    def _deliver(self) -> None:
        while self._orders:
            rows, done = self._orders.pop(0)
            done(self._commit(rows))

    def _commit(self, rows: dict[Change, bytes | None]) -> BaseException | None:
        if self.failing is not None:
            return self.failing
        for (space, key), value in rows.items():
            if value is None:
                self._rows[space].pop(key, None)
            else:
                self._rows[space][key] = value
        return None
