"""The part that every store shares: changes are collected into batches, and a batch is written whole or not at all.

Whatever is changed in one synchronous step ends up in one batch, because batches change hands only between steps. That
is how an object and the events that it causes become one transaction without anybody opening one.

    put · delete ──► open batch ──► in flight (being written) ──► safe: `then` is called, waiters wake
                                            └──► failed: undone, newest first, and everything after it as well

While a batch is being written the next one fills: many publishers share one sync, with nothing to tune. A change that
states a fact (an event has ended, and what followed from that) has nobody who could be told that it failed: it is not
undone but carried over, and written with the next batch, at longer and longer intervals while nothing can be written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeAlias, TypeVar

import anyio
import attrs

from eventbus.storage.errors import StoreNotWrittenOut, StoreUnavailable

Key: TypeAlias = int | str
K = TypeVar("K", int, str)
Change: TypeAlias = "tuple[str, Key]"

LONGEST_PAUSE = 1.0
"""Seconds between two tries while nothing can be written; whoever waits for a batch starts one at once."""
TRIES_AT_CLOSE = 5
"""How often what is left is tried to be written when the store is closed."""


@attrs.define(eq=False)
class Batch:
    """Changes that become safe together. A value of None deletes the row."""

    rows: dict[Change, bytes | None] = attrs.field(factory=dict)
    undo: list[Callable[[], None]] = attrs.field(factory=list)
    facts: dict[Change, bytes | None] = attrs.field(factory=dict)
    """Rows as the latest fact about them left them: what is still true when everything else has been undone."""
    new: set[Change] = attrs.field(factory=set)
    """Rows that did not exist before this batch: deleting them again leaves nothing to write."""
    then: list[Callable[[], None]] = attrs.field(factory=list)
    then_for_facts: list[Callable[[], None]] = attrs.field(factory=list)
    waiters: int = 0
    ended: anyio.Event | None = None
    error: BaseException | None = None

    @property
    def is_empty(self) -> bool:
        return not (self.rows or self.then or self.then_for_facts)


class FaultPoints(Protocol):
    """Where faults on demand come in."""

    def store_error(self) -> BaseException | None: ...
    def pass_by(self, point: str) -> None: ...


class Writer(Protocol):
    """Where batches go: calls `done(error)` on the event loop when one is safe, or has failed."""

    def write(self, rows: dict[Change, bytes | None], done: Callable[[BaseException | None], None]) -> None: ...
    def read(self, space: str, key: Key) -> bytes | None: ...
    def read_many(self, space: str, after: Key | None, limit: int) -> list[tuple[Key, bytes]]: ...


class Space(Generic[K]):
    """One named set of rows; keys are all integers or all texts."""

    def __init__(self, log: BatchLog, name: str) -> None:
        self._log = log
        self.name = name

    def put(self, key: K, value: bytes, *, undo: Callable[[], None] | None = None, is_new: bool = False) -> None:
        """Write a row. `undo` takes the change back in memory if it cannot be written."""
        self._log.change((self.name, key), value, undo, is_new)

    def delete(self, key: K, *, undo: Callable[[], None] | None = None) -> None:
        """Remove a row, if it is there."""
        self._log.change((self.name, key), None, undo, False)

    def get(self, key: K) -> bytes | None:
        """The row as it stands now, safe or not; None if there is none."""
        return self._log.get((self.name, key))

    def scan(self, after: K | None = None, chunk: int = 1000) -> Iterator[tuple[K, bytes]]:
        """All rows in the order of their keys, read in chunks; changes that are not safe yet are seen too.

        What is changed while it is under way may or may not be seen.
        """
        return self._log.scan(self.name, after, chunk)  # type: ignore[return-value]


class BatchLog:
    """Collects changes and hands batches to a writer, one at a time."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._open = Batch()
        self._in_flight: Batch | None = None
        self._dirty: anyio.Event | None = None
        self._states_facts = 0
        self._failures = 0
        """Batches in a row that could not be written."""
        self._latest_error: BaseException | None = None
        self.faults: FaultPoints | None = None

    @contextmanager
    def facts(self) -> Iterator[None]:
        """Within the block every change is a fact, whoever makes it."""
        self._states_facts += 1
        try:
            yield
        finally:
            self._states_facts -= 1

    def change(self, change: Change, value: bytes | None, undo: Callable[[], None] | None, is_new: bool) -> None:
        """Add one change to the open batch."""
        batch = self._open
        if value is None and change in batch.new:
            batch.new.discard(change)
            del batch.rows[change]  # came and went before anybody wrote it down
        else:
            if is_new and change not in batch.rows:  # if it is, an older row of this key may still be in the file
                batch.new.add(change)
            batch.rows[change] = value
        if undo is not None and not self._states_facts:
            batch.undo.append(undo)
        else:
            batch.facts[change] = value
        self._notice()

    def when_safe(self, then: Callable[[], None]) -> None:
        """Call something when everything changed so far is safe."""
        (self._open.then_for_facts if self._states_facts else self._open.then).append(then)
        self._notice()

    def _notice(self) -> None:
        """Let `run` know that there is something to write."""
        if self._dirty is not None:
            self._dirty.set()

    def get(self, change: Change) -> bytes | None:
        for batch in (self._open, self._in_flight):
            if batch is not None and change in batch.rows:
                return batch.rows[change]
        return self._writer.read(*change)

    def scan(self, space: str, after: Key | None, chunk: int) -> Iterator[tuple[Key, bytes]]:
        pending: dict[Key, bytes | None] = {}
        for batch in (self._in_flight, self._open):
            if batch is not None:
                pending |= {key: value for (name, key), value in batch.rows.items() if name == space}
        fresh = sorted((key, value) for key, value in pending.items() if value is not None)
        if after is not None:
            fresh = [row for row in fresh if row[0] > after]  # type: ignore[operator]
        yield from _merged(self._stored(space, after, chunk, pending), iter(fresh))

    def _stored(
        self, space: str, after: Key | None, chunk: int, pending: dict[Key, bytes | None]
    ) -> Iterator[tuple[Key, bytes]]:
        while rows := self._writer.read_many(space, after, chunk):
            after = rows[-1][0]
            yield from (row for row in rows if row[0] not in pending)
            if len(rows) < chunk:
                return

    async def synced(self) -> None:
        """Wait until everything changed so far is safe; done at once if it is.

        Raises StoreUnavailable if it could not be written: it was undone then.
        """
        batch = self._open if not self._open.is_empty else self._in_flight
        if batch is None:
            return
        if batch.ended is None:
            batch.ended = anyio.Event()
        batch.waiters += 1
        self.flush()
        await batch.ended.wait()
        if batch.error is not None:
            raise StoreUnavailable(batch.error) from batch.error

    @property
    def has_followers(self) -> bool:
        """Whether something is about to begin, as soon as something else is safe. Nobody knows when, and the answer is
        no, while nothing can be written."""
        return not self._failures and self._followed() is not None

    async def followed(self) -> None:
        """Wait until all of that has begun, or was taken back because it could not be written."""
        while not self._failures and (batch := self._followed()) is not None:
            if batch.ended is None:
                batch.ended = anyio.Event()
            self.flush()
            await batch.ended.wait()

    def _followed(self) -> Batch | None:
        for batch in (self._in_flight, self._open):
            if batch is not None and (batch.then or batch.then_for_facts):
                return batch
        return None

    def flush(self) -> None:
        """Hand the open batch over, if the writer is free."""
        if self._in_flight is not None or self._open.is_empty:
            return
        batch, self._open = self._open, Batch()
        self._in_flight = batch
        if self.faults is not None:
            self.faults.pass_by("before commit")
            if (error := self.faults.store_error()) is not None:
                self._ended(error)
                return
        self._writer.write(batch.rows, self._ended)

    def _ended(self, error: BaseException | None) -> None:
        batch, self._in_flight = self._in_flight, None
        assert batch is not None
        if self.faults is not None and error is None:
            self.faults.pass_by("after commit")
        self._failures = 0 if error is None else self._failures + 1
        self._latest_error = error
        if error is None:
            for then in (*batch.then, *batch.then_for_facts):
                then()
            _finish(batch, None)
        else:
            self._take_back(batch, error)
        if self._open.waiters or (error is None and (self._open.then or self._open.then_for_facts)):
            self.flush()

    def _take_back(self, batch: Batch, error: BaseException) -> None:
        """Undo what could not be written, and what was built on it; keep the facts for the next batch."""
        later, self._open = self._open, Batch()
        for lost in (batch, later):
            self._open.rows |= lost.facts
            self._open.facts |= lost.facts
            self._open.then_for_facts += lost.then_for_facts
        for undo in [*reversed(later.undo), *reversed(batch.undo)]:
            undo()  # it may state facts of its own, which are newer than those
        for lost in (batch, later):
            _finish(lost, error)
        if not self._open.is_empty:
            self._notice()

    async def run(self, lazily: float) -> None:
        """Write what nobody waits for, `lazily` seconds after it was changed, until cancelled."""
        while True:
            if self._open.is_empty:
                self._dirty = anyio.Event()
                await self._dirty.wait()
                self._dirty = None
            batch = self._open
            await anyio.sleep(min(lazily * 2 ** min(self._failures, 30), max(lazily, LONGEST_PAUSE)))
            if self._open is batch:  # else somebody who waited has taken it along
                self.flush()

    def write_out(self, deliver: Callable[[], None]) -> None:
        """Write what is left, in one go, when the store is closed; `deliver` reports every batch that has ended.

        Raises StoreError if it cannot be written, after a few tries.
        """
        for _ in range(TRIES_AT_CLOSE):
            while not self.is_at_rest:
                self.flush()
                deliver()
                if self._failures:
                    break
            else:
                return
        raise StoreNotWrittenOut(len(self._open.rows), self._latest_error)

    @property
    def is_at_rest(self) -> bool:
        return self._in_flight is None and self._open.is_empty


def _finish(batch: Batch, error: BaseException | None) -> None:
    batch.error = error
    if batch.ended is not None:
        batch.ended.set()


def _merged(
    stored: Iterable[tuple[Key, bytes]], fresh: Iterator[tuple[Key, bytes | None]]
) -> Iterator[tuple[Key, bytes]]:
    """Two runs of rows, each in the order of its keys, as one."""
    upcoming = next(fresh, None)
    for row in stored:
        while upcoming is not None and upcoming[0] < row[0]:  # type: ignore[operator]
            yield upcoming  # type: ignore[misc]
            upcoming = next(fresh, None)
        yield row
    while upcoming is not None:
        yield upcoming  # type: ignore[misc]
        upcoming = next(fresh, None)
