"""One SQLite file: a table per space, one thread that writes, write-ahead logging, a sync per batch.

`synchronous="FULL"` syncs at every commit: what was accepted survives the loss of power. `"NORMAL"` survives the death
of the process, and may lose the last transactions with the power. Every row carries a CRC-32 of its content, so that
what a disk has changed is noticed when it is read.

A second file, `bus.db-lock`, is held for as long as the bus has the store open: SQLite releases it however the process
ends.
"""

from __future__ import annotations

import os
import queue
import sqlite3
import threading
import zlib
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import anyio.lowlevel

from eventbus.errors import ConfigurationError
from eventbus.storage.batches import BatchLog, Change, Key, Space
from eventbus.storage.errors import StoreDamaged, StoreError, StoreInUse, StoreTooNew

MIGRATIONS: Final[tuple[Callable[[sqlite3.Connection], None], ...]] = ()
"""What brings a file from schema 1 to 2, from 2 to 3, …; run in one transaction when an older file is opened."""
SCHEMA: Final = 1 + len(MIGRATIONS)
"""Counts up with every change of the tables; older files are migrated, newer ones refused."""
APPLICATION_ID = 0x65766273  # "evbs": tells our files from other SQLite files

Synchronous: TypeAlias = Literal["FULL", "NORMAL"]
Rows: TypeAlias = "dict[Change, bytes | None]"
Done: TypeAlias = Callable[[BaseException | None], None]

ROWS = 400
"""Rows of one statement; SQLite took 999 values in a statement for most of its life."""
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
        self._identities: dict[str, tuple[int, int]] = {}
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
        opened: list[sqlite3.Connection] = [self._lock]
        try:
            opened.append(self._connect())
            self._prepare(opened[1])
            opened.append(self._connect())
            self._prepare(opened[2])
        except BaseException as error:
            for connection in reversed(opened):
                connection.close()
            self._lock = None
            if isinstance(error, sqlite3.Error):
                raise self.problem(error) from None
            raise
        self._reader = opened[1]
        self._identities = {path: identity for path in self._files() if (identity := _identity(path)) is not None}
        self._spaces.clear()
        self._writer = _WriterThread(self, opened[2])
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
        """Write what is left, and let go of the file; raises StoreError if it cannot be written. Never waits."""
        if self._lock is None:
            return
        try:
            self._writer.stop()
            self.log.write_out(self._writer.deliver)
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the file; what was not written is lost."""
        if self._lock is None:
            return
        self._writer.stop()
        self._writer.connection.close()
        self._reader.close()
        self._lock.close()
        self._lock = None

    # -- the file ---------------------------------------------------------------------------------------------------

    def _files(self) -> tuple[str, str, str]:
        return f"{self.path}", f"{self.path}-wal", f"{self.path}-lock"

    def _take_lock(self) -> sqlite3.Connection:
        if self.path.is_dir():
            raise StoreError(f"{self.path} cannot be opened: it is a directory")
        if not self.path.parent.is_dir():
            raise StoreError(f"{self.path} cannot be opened: {self.path.parent} is not a directory")
        lock = None
        try:
            lock = sqlite3.connect(f"{self.path}-lock", isolation_level=None, timeout=0)
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            if lock is not None:
                lock.close()
            if "locked" in str(error):
                raise StoreInUse(self.path) from None
            raise StoreError(f"{self.path}-lock, which keeps other buses out, cannot be opened: {error}") from None
        return lock

    def _connect(self) -> sqlite3.Connection:
        try:
            return sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=10)
        except sqlite3.Error as error:
            raise self.problem(error) from None

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Make a new file ours, bring an older one up to date, or leave what is not ours as it is."""
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        is_new = not tables and not application
        if not is_new and application != APPLICATION_ID:
            raise StoreError(f"{self.path} is an SQLite file of another program; give the bus a file of its own")
        if found > SCHEMA:
            raise StoreTooNew(self.path, found, SCHEMA)
        if is_new:
            self._migrate(connection, SCHEMA)  # before there is a log: a file whose log is lost still is known as ours
        if connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
            raise StoreError(f"{self.path} is on a file system without write-ahead logging; choose another place")
        connection.execute(f"PRAGMA synchronous={self.synchronous}")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # opens the log
        if not is_new and found < SCHEMA:
            self._migrate(connection, max(found, 1))

    def _migrate(self, connection: sqlite3.Connection, found: int) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            for migrate in MIGRATIONS[found - 1 :]:
                migrate(connection)
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={SCHEMA}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def check_identity(self) -> None:
        """Raise OSError if a file that is open is not the one that its name stands for any more.

        SQLite would go on writing to the deleted file, and everything that is accepted from then on would be lost.
        """
        for path, identity in self._identities.items():
            if _identity(path) != identity:
                raise FileNotFoundError(f"{path} was deleted or replaced while the bus has it open")

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
        rows = self._ask(f'SELECT value FROM "{space}" WHERE key = ?', key)
        return self._checked(space, key, rows[0][0]) if rows else None

    def read_many(self, space: str, after: Key | None, limit: int) -> list[tuple[Key, bytes]]:
        """Rows in the order of their keys."""
        where, values = ("", ()) if after is None else ("WHERE key > ?", (after,))
        rows = self._ask(f'SELECT key, value FROM "{space}" {where} ORDER BY key LIMIT ?', *values, limit)
        return [(key, self._checked(space, key, value)) for key, value in rows]

    def _ask(self, statement: str, *values: Any) -> list[Any]:
        try:
            return self._reader.execute(statement, values).fetchall()
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


def _identity(path: str) -> tuple[int, int] | None:
    """What tells a file from another one of the same name."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


class _WriterThread:
    """Writes batches, one transaction each, in a thread of its own."""

    def __init__(self, store: SQLiteStore, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._store = store
        self._inbox: queue.SimpleQueue[tuple[Rows, Done] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._has_stopped = False
        self._post: Callable[..., Any] | None = None
        self._ended: deque[tuple[Done, BaseException | None]] = deque()
        self._has_ended = anyio.Event()

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
            self.deliver()

    def deliver(self) -> None:
        """Say of the batches that have ended by now how they did."""
        while self._ended:
            done, error = self._ended.popleft()
            done(error)

    def stop(self) -> None:
        """End the thread, when it has written what it was given; from then on `write` writes at once."""
        if self._has_stopped:
            return
        self._has_stopped = True
        self._inbox.put(None)
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        while not self._inbox.empty() and (order := self._inbox.get()) is not None:  # it never began
            self._ended.append((order[1], self._commit(order[0])))

    def write(self, rows: Rows, done: Done) -> None:
        if self._has_stopped:
            self._ended.append((done, self._commit(rows)))
        else:
            self._inbox.put((rows, done))

    def read(self, space: str, key: Key) -> bytes | None:
        return self._store.read(space, key)

    def read_many(self, space: str, after: Key | None, limit: int) -> list[tuple[Key, bytes]]:
        return self._store.read_many(space, after, limit)

    def _serve(self) -> None:
        assert self._post is not None
        while (order := self._inbox.get()) is not None:
            rows, done = order
            self._ended.append((done, self._commit(rows)))
            try:
                self._post(self._note_end)
            except RuntimeError:  # the loop has ended; what was committed stays committed
                return

    def _note_end(self) -> None:
        self._has_ended.set()

    def _commit(self, rows: Rows) -> Exception | None:
        try:
            self._store.check_identity()
            _commit(self.connection, rows)
        except Exception as error:  # whatever it is: a thread that ended silently would be the end of all publishing
            return error
        return None


def _commit(connection: sqlite3.Connection, rows: Rows) -> None:
    """Write one batch as one transaction."""
    puts: dict[str, list[tuple[Key, bytes]]] = {}
    deletes: dict[str, list[Key]] = {}
    for (space, key), value in rows.items():
        if value is None:
            deletes.setdefault(space, []).append(key)
        else:
            puts.setdefault(space, []).append((key, sealed(value)))
    connection.execute("BEGIN IMMEDIATE")
    try:
        for space, changed in puts.items():
            _put(connection, space, changed)
        for space, keys in deletes.items():
            _delete(connection, space, keys)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _put(connection: sqlite3.Connection, space: str, rows: list[tuple[Key, bytes]]) -> None:
    # Many rows a statement: between two statements the event loop's thread takes the interpreter, and keeps it.
    for first in range(0, len(rows), ROWS):
        some = rows[first : first + ROWS]
        places = ", ".join(["(?, ?)"] * len(some))
        values = [value for row in some for value in row]
        connection.execute(f'INSERT OR REPLACE INTO "{space}" (key, value) VALUES {places}', values)


def _delete(connection: sqlite3.Connection, space: str, keys: list[Key]) -> None:
    first, last = min(keys), max(keys)
    if isinstance(first, int) and isinstance(last, int) and last - first + 1 == len(keys):
        connection.execute(f'DELETE FROM "{space}" WHERE key BETWEEN ? AND ?', (first, last))
    else:
        for start in range(0, len(keys), ROWS):
            some = keys[start : start + ROWS]
            connection.execute(f'DELETE FROM "{space}" WHERE key IN ({", ".join("?" * len(some))})', some)
