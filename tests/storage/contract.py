"""What the stores under the contract have in common: how each is made, broken, mended and killed."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import anyio

from eventbus.storage.memory import MemoryStore
from eventbus.storage.port import Store
from eventbus.storage.sqlite import SQLiteStore, Synchronous

DISK_FULL = OSError(28, "No space left on device")


class Bench(Protocol):
    """One store, and what can happen to it."""

    @property
    def store(self) -> Store:
        """The store, of this life."""

    def another(self) -> Store:
        """A second opener of the same thing."""

    def break_(self) -> None:
        """From now on nothing can be written."""

    def mend(self) -> None:
        """Everything can be written again."""

    def crash(self) -> None:
        """The process dies: what was not safe is lost, and `store` can be opened again."""


class MemoryBench:
    def __init__(self) -> None:
        self.store = MemoryStore()

    def another(self) -> Store:
        return self.store

    def break_(self) -> None:
        self.store.failing = DISK_FULL

    def mend(self) -> None:
        self.store.failing = None

    def crash(self) -> None:
        self.mend()
        self.store.close()


class FileBench:
    def __init__(self, folder: Path, synchronous: Synchronous) -> None:
        self._folder = folder
        self._synchronous = synchronous
        self._lives = 0
        self.store = self._made("life0.db")

    def _made(self, name: str) -> SQLiteStore:
        return SQLiteStore(self._folder / name, synchronous=self._synchronous)

    def another(self) -> Store:
        return SQLiteStore(self.store.path, synchronous=self._synchronous)

    def break_(self) -> None:
        self.store.path.rename(f"{self.store.path}.away")

    def mend(self) -> None:
        away = Path(f"{self.store.path}.away")
        if away.exists():
            away.rename(self.store.path)

    def crash(self) -> None:
        """What the files hold at this moment is what the next life finds."""
        self.mend()
        self._lives += 1
        before, self.store = self.store, self._made(f"life{self._lives}.db")
        shutil.copyfile(before.path, self.store.path)
        log = Path(f"{before.path}-wal")
        if log.exists():
            shutil.copyfile(log, f"{self.store.path}-wal")
        before.close()


KINDS = ("memory", "FULL", "NORMAL")


def bench_of(kind: str, folder: Path) -> Bench:
    """A fresh store of a kind."""
    return MemoryBench() if kind == "memory" else FileBench(folder, "FULL" if kind == "FULL" else "NORMAL")


@asynccontextmanager
async def running(store: Store) -> AsyncIterator[Store]:
    """The store, open and writing; at the end it is closed without writing what is left."""
    store.open()
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.run)
            yield store
            tasks.cancel_scope.cancel()
    finally:
        store.close()


class Batches:
    """Counts the batches that are handed to the writer; put into `store.log.faults`."""

    def __init__(self) -> None:
        self.begun = self.safe = 0
        self.first_is_safe = anyio.Event()

    def store_error(self) -> BaseException | None:
        return None

    def pass_by(self, point: str) -> None:
        self.begun += point == "before commit"
        if point == "after commit":
            self.safe += 1
            self.first_is_safe.set()
