"""One SQLite file: a table per space, one thread that writes, write-ahead logging, a sync per batch.

`synchronous="FULL"` syncs at every commit: what was accepted survives the loss of power. `"NORMAL"` survives the death
of the process, and may lose the last transactions with the power. Every row carries a CRC-32 of its content, so that
what a disk has changed is noticed when it is read.

A second file, `bus.db-lock`, is held for as long as the bus has the store open: SQLite releases it however the process
ends.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeAlias

import anyio.lowlevel

from eventbus.errors import ConfigurationError
from eventbus.storage.batches import BatchLog, Change, Key, Space
from eventbus.storage.errors import StoreDamaged, StoreError, StoreInUse, StoreTooNew

SCHEMA = 1
"""Counts up with every change of the tables; older files are migrated, newer ones refused."""
APPLICATION_ID = 0x65766273  # "evbs": tells our files from other SQLite files

Synchronous: TypeAlias = Literal["FULL", "NORMAL"]
Rows: TypeAlias = "dict[Change, bytes | None]"
Done: TypeAlias = Callable[[BaseException | None], None]

LAZILY = 0.005
"""Seconds that a change waits for company when nobody waits for it."""


class SQLiteStore:
    """A store in one file. Made by `EventBus(store="bus.db")`, or by hand to choose `synchronous`."""

    def __init__(self, path: str | Path, *, synchronous: Synchronous = "FULL") -> None:
        if synchronous not in ("FULL", "NORMAL"):
            raise ConfigurationError(f"synchronous={synchronous!r}: a store syncs FULL or NORMAL")
        self.path = Path(path)
        self.synchronous = synchronous
        self._spaces: dict[str, type[int] | type[str]] = {}
        self._lock: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection
        self._writer: _WriterThread
        self.log: BatchLog

    def __repr__(self) -> str:
        return f"SQLiteStore({str(self.path)!r}, synchronous={self.synchronous!r})"

    def open(self) -> None:
        """Open the file for one bus.

        Raises StoreInUse if another bus has it, StoreDamaged, StoreTooNew, or StoreError for a place where no file can
        be.
        """
        if self._lock is not None:
            raise StoreInUse(self.path)
        self._lock = self._take_lock()
        try:
            self._reader = self._connect()
            self._prepare(self._reader)
        except BaseException:
            self._lock.close()
            self._lock = None
            raise
        self._spaces.clear()
        self._writer = _WriterThread(self)
        self.log = BatchLog(self._writer)

    def integers(self, name: str) -> Space[int]:
        """The space of this name, with integer keys; its table is made if it is not there."""
        return self._space(name, int)

    def texts(self, name: str) -> Space[str]:
        """The space of this name, with text keys; its table is made if it is not there."""
        return self._space(name, str)

    async def run(self) -> None:
        """Write until cancelled. The bus runs this as one task."""
        async with anyio.create_task_group() as tasks:
            self._writer.start()
            tasks.start_soon(self._writer.report)
            await self.log.run(LAZILY)

    async def aclose(self) -> None:
        """Write what is left, and let go of the file."""
        try:
            if self._lock is not None and self._writer.is_running:
                with anyio.CancelScope(shield=True):
                    while not self.log.is_at_rest:
                        await self.log.synced()
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the file; what was not written is lost."""
        if self._lock is None:
            return
        self._writer.stop()
        self._reader.close()
        self._lock.close()
        self._lock = None

    # -- the file ---------------------------------------------------------------------------------------------------

    def _take_lock(self) -> sqlite3.Connection:
        try:
            lock = sqlite3.connect(f"{self.path}-lock", isolation_level=None, timeout=0)
        except sqlite3.Error as error:
            raise StoreError(f"{self.path} cannot be opened: {error}") from None
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            lock.close()
            if "locked" in str(error):
                raise StoreInUse(self.path) from None
            raise StoreError(f"{self.path} cannot be opened: {error}") from None
        return lock

    def _connect(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=10)
            if connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
                raise StoreError(f"{self.path} is on a file system without write-ahead logging; choose another place")
            connection.execute(f"PRAGMA synchronous={self.synchronous}")
        except sqlite3.DatabaseError as error:
            raise self.problem(error) from None
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Make a new file ours, or check that it is."""
        try:
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            if not tables and not application:
                connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version={SCHEMA}")
            elif application != APPLICATION_ID:
                raise StoreError(f"{self.path} is an SQLite file of another program; give the bus a file of its own")
            elif found > SCHEMA:
                raise StoreTooNew(self.path, found, SCHEMA)
        except sqlite3.DatabaseError as error:
            raise self.problem(error) from None

    def problem(self, error: sqlite3.Error) -> StoreError:
        """What an SQLite error means."""
        text = str(error)
        if "not a database" in text or "malformed" in text or "corrupt" in text:
            return StoreDamaged(self.path, text)
        return StoreError(f"{self.path} cannot be used: {text}")

    def _space(self, name: str, kind: type[int] | type[str]) -> Space[Any]:
        if name not in self._spaces:
            if not name.replace("_", "").isalnum():
                raise ConfigurationError(f"{name!r} is not a name for a space: letters, digits and underscores only")
            key = "INTEGER PRIMARY KEY" if kind is int else "TEXT PRIMARY KEY"
            tail = "" if kind is int else " WITHOUT ROWID"
            try:
                self._reader.execute(f'CREATE TABLE IF NOT EXISTS "{name}" (key {key}, value BLOB NOT NULL){tail}')
            except sqlite3.DatabaseError as error:
                raise self.problem(error) from None
            self._spaces[name] = kind
        return Space(self.log, name)

    # -- reading ----------------------------------------------------------------------------------------------------

    def read(self, space: str, key: Key) -> bytes | None:
        """One row, as it was last written."""
        row = self._ask(f'SELECT value FROM "{space}" WHERE key = ?', key).fetchone()
        return None if row is None else self._checked(space, key, row[0])

    def read_many(self, space: str, after: Key | None, limit: int) -> list[tuple[Key, bytes]]:
        """Rows in the order of their keys."""
        where, values = ("", ()) if after is None else ("WHERE key > ?", (after,))
        rows = self._ask(f'SELECT key, value FROM "{space}" {where} ORDER BY key LIMIT ?', *values, limit).fetchall()
        return [(key, self._checked(space, key, value)) for key, value in rows]

    def _ask(self, statement: str, *values: Any) -> sqlite3.Cursor:
        try:
            return self._reader.execute(statement, values)
        except sqlite3.DatabaseError as error:
            raise self.problem(error) from None

    def _checked(self, space: str, key: Key, value: bytes) -> bytes:
        content = unsealed(value)
        if content is None:
            raise StoreDamaged(self.path, f"row {key!r} of {space} does not match its checksum")
        return content


def sealed(content: bytes) -> bytes:
    """A row's content with its CRC-32 in front."""
    return zlib.crc32(content).to_bytes(4, "big") + content


def unsealed(row: object) -> bytes | None:
    """The content of a row, or None if it does not match its checksum."""
    if not isinstance(row, bytes) or len(row) < 4 or zlib.crc32(row[4:]) != int.from_bytes(row[:4], "big"):
        return None
    return row[4:]


class _WriterThread:
    """Writes batches, one transaction each, in a thread of its own."""

    def __init__(self, store: SQLiteStore) -> None:
        self._store = store
        self._inbox: queue.SimpleQueue[tuple[Rows, Done] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._post: Callable[..., Any] | None = None
        self._ended: list[tuple[Done, BaseException | None]] = []
        self._has_ended = anyio.Event()

    @property
    def is_running(self) -> bool:
        return self._thread is not None

    def start(self) -> None:
        """Begin; must be called on the event loop that the batches come from."""
        # the one call that both loops have for "soon, from another thread", under their own names
        loop: Any = anyio.lowlevel.current_token().native_token
        self._post = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon
        self._has_ended = anyio.Event()
        self._thread = threading.Thread(target=self._serve, name=f"eventbus store {self._store.path}", daemon=True)
        self._thread.start()

    async def report(self) -> None:
        """Say of every batch how it ended, in a task, since what follows may start tasks."""
        while True:
            await self._has_ended.wait()
            self._has_ended = anyio.Event()
            ended, self._ended = self._ended, []
            for done, error in ended:
                done(error)

    def _note_end(self, done: Done, error: BaseException | None) -> None:
        self._ended.append((done, error))
        self._has_ended.set()

    def stop(self) -> None:
        if self._thread is not None:
            self._inbox.put(None)
            self._thread.join()
            self._thread = None

    def write(self, rows: Rows, done: Done) -> None:
        self._inbox.put((rows, done))

    def read(self, space: str, key: Key) -> bytes | None:
        return self._store.read(space, key)

    def read_many(self, space: str, after: Key | None, limit: int) -> list[tuple[Key, bytes]]:
        return self._store.read_many(space, after, limit)

    def _serve(self) -> None:
        connection = self._store._connect()
        try:
            while (order := self._inbox.get()) is not None:
                rows, done = order
                error = _commit(connection, rows)
                assert self._post is not None
                try:
                    self._post(self._note_end, done, error)
                except RuntimeError:  # the loop has ended; what was committed stays committed
                    return
        finally:
            connection.close()


def _commit(connection: sqlite3.Connection, rows: Rows) -> BaseException | None:
    """Write one batch as one transaction; return what went wrong."""
    puts: dict[str, list[tuple[Key, bytes]]] = {}
    deletes: dict[str, list[Key]] = {}
    for (space, key), value in rows.items():
        if value is None:
            deletes.setdefault(space, []).append(key)
        else:
            puts.setdefault(space, []).append((key, sealed(value)))
    try:
        connection.execute("BEGIN IMMEDIATE")
        for space, changed in puts.items():
            connection.executemany(f'INSERT OR REPLACE INTO "{space}" (key, value) VALUES (?, ?)', changed)
        for space, keys in deletes.items():
            _delete(connection, space, keys)
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        return error
    return None


def _delete(connection: sqlite3.Connection, space: str, keys: list[Key]) -> None:
    first, last = min(keys), max(keys)
    if isinstance(first, int) and isinstance(last, int) and last - first + 1 == len(keys):
        connection.execute(f'DELETE FROM "{space}" WHERE key BETWEEN ? AND ?', (first, last))
    else:
        connection.executemany(f'DELETE FROM "{space}" WHERE key = ?', [(key,) for key in keys])
