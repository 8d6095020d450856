"""Examines a store file without changing it, and without the code of the bus that uses it.

A file that no bus has open, and whose last bus did not close it, is copied to a temporary directory first: reading what
its write-ahead log holds would write to the file. A file that is in use is read through SQLite, as far as the last
commit.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import attrs
import orjson

from eventbus.delivery.retry import Reason
from eventbus.storage.batches import Key
from eventbus.storage.errors import StoreError, StoreTooNew
from eventbus.storage.objects import BLOCK
from eventbus.storage.sqlite import APPLICATION_ID, SCHEMA, unsealed
from eventbus.storage.wal import lost_from

CHUNK = 500
NAME = re.compile("[0-9a-f]{16}")
"""What the name of a file of a large body looks like."""
FILES = "_files"
"""A space whose name ends so has the names of files as its keys."""


class NotAStore(StoreError):
    """There is nothing that the doctor could examine."""


@attrs.frozen
class Row:
    """One row that could be read. `content` is without the checksum."""

    space: str
    key: Key
    content: bytes
    is_damaged: bool


@attrs.define
class Waiting:
    """The events of one function."""

    count: int = 0
    oldest: float = 0.0
    newest: float = 0.0
    next_due: float | None = None

    def add(self, at: float, due_at: float) -> None:
        self.oldest = min(self.oldest, at) if self.count else at
        self.newest = max(self.newest, at)
        self.count += 1
        if due_at:
            self.next_due = due_at if self.next_due is None else min(self.next_due, due_at)


@attrs.define
class Findings:
    """What the doctor says of a file."""

    path: Path
    size: int
    schema: int = 0
    is_in_use: bool = False
    spaces: dict[str, int] = attrs.field(factory=dict)
    """Readable rows by space."""
    functions: dict[str, Waiting] = attrs.field(factory=dict)
    reasons: Counter[str] = attrs.field(factory=Counter)
    files: int = 0
    damage: list[str] = attrs.field(factory=list)
    notes: list[str] = attrs.field(factory=list)
    """What is worth knowing and does no harm."""


def examine(path: Path, visit: Callable[[Row], None] = lambda row: None) -> Findings:
    """Look at everything in a store file; `visit` gets every row that can be read.

    Raises NotAStore, StoreTooNew, or StoreError for a file that cannot be read at all.
    """
    if not path.is_file():
        raise NotAStore(f"{path} is a directory" if path.is_dir() else f"{path} does not exist")
    found = Findings(path, path.stat().st_size, is_in_use=_is_in_use(path))
    log, index = Path(f"{path}-wal"), Path(f"{path}-shm")
    if not found.is_in_use and (lost := lost_from(log, index)) is not None:
        found.damage.append(lost)
    try:
        with _opened(path, log, is_in_use=found.is_in_use) as connection:
            found.schema = _schema(connection, path)
            _check_pages(connection, found)
            examination = _Examination(connection, found, visit)
            examination.rows()
    except sqlite3.Error as error:
        if "not a database" in str(error):
            raise NotAStore(f"{path} is not a store: it is no SQLite file, or its beginning is damaged") from None
        raise StoreError(f"{path} cannot be read: {error}") from None
    if found.is_in_use:
        found.notes.append("it is in use: what was written since this began, and files of objects, were not looked at")
    else:
        examination.files()
    return found


def _is_in_use(path: Path) -> bool:
    lock = Path(f"{path}-lock")
    if not lock.is_file():
        return False
    with closing(sqlite3.connect(f"{lock.absolute().as_uri()}?mode=ro", uri=True, timeout=0)) as connection:
        try:
            connection.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.Error as error:
            return "locked" in str(error)
    return False


@contextmanager
def _opened(path: Path, log: Path, *, is_in_use: bool) -> Iterator[sqlite3.Connection]:
    with tempfile.TemporaryDirectory(prefix="eventbus-doctor-") as folder:
        how = "mode=ro" if is_in_use else "mode=ro&immutable=1"
        if not is_in_use and log.is_file() and log.stat().st_size:
            path = Path(shutil.copyfile(path, Path(folder, "copy.db")))
            shutil.copyfile(log, f"{path}-wal")
            how = "mode=rw"
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, isolation_level=None)) as opened:
            opened.text_factory = lambda text: text.decode(errors="backslashreplace")
            opened.execute("PRAGMA writable_schema=ON")  # reads what there is of a file that was cut off
            yield opened


def _schema(connection: sqlite3.Connection, path: Path) -> int:
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise NotAStore(f"{path} is not a store: it is an SQLite file of another program, or empty")
    schema: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if schema > SCHEMA:
        raise StoreTooNew(path, schema, SCHEMA)
    return schema


def _check_pages(connection: sqlite3.Connection, found: Findings) -> None:
    try:
        problems = [row[0] for row in connection.execute("PRAGMA integrity_check(10)")]
    except sqlite3.DatabaseError as error:
        problems = [str(error)]
    found.damage += [
        f"SQLite: {line}"
        for text in problems
        for line in text.splitlines()
        if line != "ok" and not line.startswith("***")
    ]


class _Examination:
    """Goes through the rows, and remembers what one row says about others."""

    def __init__(self, connection: sqlite3.Connection, found: Findings, visit: Callable[[Row], None]) -> None:
        self._connection = connection
        self._found = found
        self._visit = visit
        self._damage = found.damage.append
        self._events: set[Key] = set()
        self._letters: set[Key] = set()
        self._next_number: int | None = None
        self._places: dict[str, tuple[str, list[int]]] = {}
        """Files by name: the row that names each, and size and checksum where the row knows them."""

    def rows(self) -> None:
        """Read every row of every space."""
        spaces = self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        for (name,) in spaces.fetchall():
            if name.startswith("sqlite_"):
                continue
            count = 0
            for key, value in _Reader(self._connection, name, self._damage).rows():
                self._row(name, key, value)
                count += 1
            self._found.spaces[name] = count
        if "events" in self._found.spaces and self._next_number is None:
            self._damage("bus: there is no row 'next_number', so numbers would be used twice")
        for number in sorted(self._events & self._letters):
            self._damage(f"events: row {number!r} is queued, and a dead letter as well")
        if self._next_number is not None:
            for number in sorted(self._events | self._letters):
                if not isinstance(number, int) or number > self._next_number:
                    self._damage(f"events: row {number!r} has a number that was never given out")

    def _row(self, space: str, key: Key, value: object) -> None:
        content = unsealed(value)
        if content is None:
            self._damage(f"{space}: row {key!r} does not match its checksum")
            if isinstance(value, bytes):
                self._visit(Row(space, key, value[4:], is_damaged=True))
            return
        self._visit(Row(space, key, content, is_damaged=False))
        if space.endswith(FILES):
            self._places.setdefault(str(key), (f"{space}: row {key!r}", []))
        check = {"events": self._event, "dead_letters": self._letter, "bus": self._fact}.get(space, self._thing)
        try:
            check(space, key, content)
        except (ValueError, TypeError, KeyError) as error:
            self._damage(f"{space}: row {key!r} is not what a bus writes there ({_first_line(error)})")

    def _event(self, space: str, key: Key, content: bytes) -> None:
        head, _, body = content.partition(b"\n")
        name, at, _hops, _attempts, _throttles, due_at, (_principal, _arn, _account, _label, _actor), _ = orjson.loads(
            head
        )
        orjson.loads(body)
        self._found.functions.setdefault(str(name), Waiting()).add(float(at), float(due_at))
        self._events.add(key)

    def _letter(self, space: str, key: Key, content: bytes) -> None:
        head, _, body = content.partition(b"\n")
        fields = orjson.loads(head)
        for field in ("attempts", "error", "error_document", "source", "target", "accepted_at", "dead_at", "is_text"):
            fields[field]
        _principal, _arn, _account, _label, _actor = fields["sender"]
        orjson.loads(body)
        self._found.reasons[Reason(fields["reason"]).value] += 1
        self._letters.add(key)

    def _fact(self, space: str, key: Key, content: bytes) -> None:
        value = int(content)
        if key == "next_number":
            self._next_number = value

    def _thing(self, space: str, key: Key, content: bytes) -> None:
        """A row of a source: nothing is known of it but how it names a file, `[name, size, checksum]` in its head."""
        try:
            head = orjson.loads(content.partition(b"\n")[0])
        except ValueError:
            return  # not in lines
        for item in head if isinstance(head, list) else ():
            match item:
                case [str(name), int(size), int(checksum)] if NAME.fullmatch(name):
                    self._places[name] = (f"{space}: row {key!r}", [size, checksum])

    def files(self) -> None:
        """Compare the rows with the files of large bodies beside the store."""
        folder = self._found.path.with_name(f"{self._found.path.name}-objects")
        there = {file.name: file for file in folder.iterdir()} if folder.is_dir() else {}
        self._found.files = len(there)
        for name, (row, expected) in sorted(self._places.items()):
            if name not in there:
                self._damage(f"{row} names {folder.name}/{name}, which is missing")
            elif expected and _measured(there[name]) != expected:
                self._damage(f"{row} names {folder.name}/{name}, which is not what was written")
        if orphans := sorted(set(there) - set(self._places)):
            self._found.notes.append(
                f"{folder.name} holds {len(orphans)} files that no row names ({', '.join(orphans[:3])}"
                f"{', …' if len(orphans) > 3 else ''}): a crash leaves them, and the next start removes them"
            )


class _Reader:
    """Reads the rows of one space, around what cannot be read."""

    def __init__(self, connection: sqlite3.Connection, space: str, damage: Callable[[str], None]) -> None:
        self._connection = connection
        self._space = space
        self._damage = damage
        self._is_cut = False
        self._problem: sqlite3.Error | None = None

    def rows(self) -> Iterator[tuple[Key, object]]:
        """Forwards up to the first gap, then backwards down to it; of several gaps, what lies between is lost."""
        after: Key | None = None
        for key, value in self._way(None, "ASC"):
            after = key
            yield key, value
        if not self._is_cut:
            return
        behind = list(self._way(after, "DESC"))
        until = f" and before {behind[-1][0]!r}" if behind else ""
        since = "" if after is None else f" after {after!r}"
        where = f"rows{since}{until}" if since or until else "no row"
        verb = "can be read" if where == "no row" else "cannot be read"
        self._damage(f"{self._space}: {where} {verb} ({self._problem})")
        yield from reversed(behind)

    def _way(self, end: Key | None, order: str) -> Iterator[tuple[Key, object]]:
        """Rows from one end of the space to the first place that cannot be read, or to a key."""
        here: Key | None = None
        limit = CHUNK
        self._is_cut = False
        while True:
            try:
                rows = self._ask("key, value", here, end, order, limit)
            except sqlite3.DatabaseError as error:
                self._problem = error
                if limit > 1:
                    limit = 1
                    continue
                try:
                    keys = self._ask("key", here, end, order, 1)
                except sqlite3.DatabaseError:
                    self._is_cut = True
                    return
                if not keys or not self._is_further(keys[0][0], here, order):
                    self._is_cut = True
                    return
                here, limit = keys[0][0], CHUNK
                self._damage(f"{self._space}: row {here!r} cannot be read ({error})")
                continue
            for key, value in rows:
                if not self._is_further(key, here, order):  # else a damaged page could lead in circles
                    self._problem, self._is_cut = sqlite3.DatabaseError("keys are out of order"), True
                    return
                here = key
                yield key, value
            if len(rows) < limit:
                return

    def _is_further(self, key: Any, here: Any, order: str) -> bool:
        if here is None:
            return isinstance(key, int | str)
        return type(key) is type(here) and bool(key > here if order == "ASC" else key < here)

    def _ask(self, columns: str, here: Key | None, end: Key | None, order: str, limit: int) -> list[tuple[Any, ...]]:
        conditions, values = [], []
        if here is not None:
            conditions.append("key > ?" if order == "ASC" else "key < ?")
            values.append(here)
        if end is not None:
            conditions.append("key > ?" if order == "DESC" else "key < ?")
            values.append(end)
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        space = self._space.replace('"', '""')
        statement = f'SELECT {columns} FROM "{space}" {where} ORDER BY key {order} LIMIT ?'
        return self._connection.execute(statement, (*values, limit)).fetchall()


def _measured(file: Path) -> list[int]:
    size = checksum = 0
    with file.open("rb") as stream:
        while block := stream.read(BLOCK):
            size += len(block)
            checksum = zlib.crc32(block, checksum)
    return [size, checksum]


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
