"""The file and the disk: what cannot be opened, what is damaged, a disk that is full, a file that vanishes."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest

from eventbus import EventBus, VirtualClock
from eventbus.storage import sqlite as sqlite_store
from eventbus.storage.errors import (
    StoreDamaged,
    StoreError,
    StoreInUse,
    StoreNotWrittenOut,
    StoreTooNew,
    StoreUnavailable,
)
from eventbus.storage.sqlite import SQLiteStore
from eventbus.testing import Recorder
from tests.engine.support import S3
from tests.storage.contract import running

ROOT = Path(__file__).parents[2]


def leaves(error: BaseException) -> Iterator[BaseException]:
    """What a group of exceptions is made of."""
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from leaves(part)
    else:
        yield error


async def fill(path: Path, rows: int = 2000) -> None:
    """Make a store of many pages."""
    async with running(SQLiteStore(path)) as store:
        for number in range(rows):
            store.integers("numbers").put(number, b"value %d" % number * 5)
        await store.log.synced()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with rows in it."""
    anyio.run(fill, tmp_path / "bus.db")
    return tmp_path / "bus.db"


# -- opening ----------------------------------------------------------------------------------------------------------


def no_database(path: Path) -> None:
    path.write_text("these are not the pages you are looking for\n" * 100)


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def of_another_program(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()


def newer(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()


@pytest.mark.parametrize(
    ("damage", "kind", "sentence"),
    [
        (
            no_database,
            StoreDamaged,
            "{path} is damaged: file is not a database; `eventbus doctor {path}` reports and exports what can be read",
        ),
        (
            cut,
            StoreDamaged,
            "{path} is damaged: database disk image is malformed; `eventbus doctor {path}` reports and exports what "
            "can be read",
        ),
        (
            of_another_program,
            StoreError,
            "{path} is an SQLite file of another program; give the bus a file of its own",
        ),
        (newer, StoreTooNew, "{path} has schema 99, and this version of eventbus knows 1: use a newer eventbus"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_left_as_it_is(
    path: Path, damage: Callable[[Path], None], kind: type[StoreError], sentence: str
) -> None:
    """Twice, since a refusal must not keep the lock."""
    damage(path)
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(StoreError) as raised:
            SQLiteStore(path).open()
        assert type(raised.value) is kind
        assert str(raised.value) == sentence.format(path=path)
    assert path.read_bytes() == before


def test_a_place_where_no_file_can_be(tmp_path: Path) -> None:
    """A directory, a directory that is missing, a file for a directory, a directory where nothing can be made."""
    file = tmp_path / "file"
    file.touch()
    for path, reason in (
        (tmp_path, "it is a directory"),
        (tmp_path / "missing" / "bus.db", f"{tmp_path / 'missing'} is not a directory"),
        (file / "bus.db", f"{file} is not a directory"),
    ):
        with pytest.raises(StoreError) as raised:
            SQLiteStore(path).open()
        assert str(raised.value) == f"{path} cannot be opened: {reason}"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="a directory where even root can make no file")
def test_a_directory_where_no_file_can_be_made() -> None:
    """It is the lock that cannot be made."""
    with pytest.raises(StoreError) as raised:
        SQLiteStore("/proc/self/bus.db").open()
    assert (
        str(raised.value)
        == "/proc/self/bus.db-lock, which keeps other buses out, cannot be opened: unable to open database file"
    )


def test_a_lock_that_is_no_lock(path: Path) -> None:
    """Somebody has written to it."""
    Path(f"{path}-lock").write_text("hello " * 200)
    with pytest.raises(StoreError) as raised:
        SQLiteStore(path).open()
    assert str(raised.value) == f"{path}-lock, which keeps other buses out, cannot be opened: file is not a database"


HOLDER = """
import sys, time
from eventbus.storage.sqlite import SQLiteStore
SQLiteStore(sys.argv[1]).open()
print("open", flush=True)
time.sleep(60)
"""


def test_a_file_is_open_in_one_process_at_a_time_and_free_when_that_is_killed(path: Path) -> None:
    """However the process ends."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, cwd=ROOT) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"open\n"
            for _ in range(2):
                with pytest.raises(StoreInUse) as raised:
                    SQLiteStore(path).open()
                assert str(raised.value) == (
                    f"{path} is open in another bus; one bus at a time may use it, so leave that one first"
                )
        finally:
            holder.send_signal(signal.SIGKILL)
    store = SQLiteStore(path)
    store.open()
    assert store.integers("numbers").get(0) is not None
    store.close()


# -- schemas ----------------------------------------------------------------------------------------------------------


def double_values(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE more (key INTEGER PRIMARY KEY, value BLOB NOT NULL)")
    connection.execute("INSERT INTO more SELECT key, value FROM numbers")


def drop_old(connection: sqlite3.Connection) -> None:
    connection.execute("DROP TABLE numbers")


def test_a_file_of_an_older_schema_is_migrated_step_by_step(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step once; afterwards an older version refuses the file."""
    monkeypatch.setattr(sqlite_store, "MIGRATIONS", (double_values, drop_old))
    monkeypatch.setattr(sqlite_store, "SCHEMA", 3)
    for _ in range(2):
        store = SQLiteStore(path)
        store.open()
        assert [key for key, _ in store.integers("more").scan()] == list(range(2000))
        assert list(store.integers("numbers").scan()) == []
        store.close()
    monkeypatch.undo()
    with pytest.raises(StoreTooNew):
        SQLiteStore(path).open()


def test_a_migration_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of its steps are one transaction."""

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("SELECT * FROM nowhere")

    monkeypatch.setattr(sqlite_store, "MIGRATIONS", (double_values, drop_old, fail))
    monkeypatch.setattr(sqlite_store, "SCHEMA", 4)
    with pytest.raises(StoreError, match="cannot be used: no such table: nowhere"):
        SQLiteStore(path).open()
    monkeypatch.undo()
    store = SQLiteStore(path)
    store.open()
    assert len(list(store.integers("numbers").scan())) == 2000
    store.close()
    with sqlite3.connect(path) as connection:
        assert [row[0] for row in connection.execute("SELECT name FROM sqlite_master")] == ["numbers"]
    connection.close()


def test_a_new_file_has_the_newest_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No migration is run on it."""
    monkeypatch.setattr(sqlite_store, "MIGRATIONS", (drop_old,))
    monkeypatch.setattr(sqlite_store, "SCHEMA", 2)
    store = SQLiteStore(tmp_path / "bus.db")
    store.open()
    store.close()
    with sqlite3.connect(tmp_path / "bus.db") as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    connection.close()


# -- damage -----------------------------------------------------------------------------------------------------------


def flip(path: Path, what: bytes) -> None:
    """Change one bit of the first place in the file where this is."""
    content = bytearray(path.read_bytes())
    content[content.index(what) + len(what) - 1] ^= 1
    path.write_bytes(content)


def test_a_row_that_the_disk_has_changed_is_named(path: Path) -> None:
    """When it is read, alone or in a scan; other rows can be read."""
    flip(path, b"value 1234value 1234")
    store = SQLiteStore(path)
    store.open()
    numbers = store.integers("numbers")
    sentence = (
        f"{path} is damaged: row 1234 of numbers does not match its checksum; `eventbus doctor {path}` reports and "
        "exports what can be read"
    )
    for read in (lambda: numbers.get(1234), lambda: list(numbers.scan())):
        with pytest.raises(StoreDamaged) as raised:
            read()
        assert str(raised.value) == sentence
    assert numbers.get(1235) == b"value 1235" * 5
    store.close()


def test_a_damaged_page_is_named_wherever_the_scan_is(path: Path) -> None:
    """Also in the middle of a chunk."""
    content = bytearray(path.read_bytes())
    content[4096 * 9 : 4096 * 10] = bytes(4096)
    path.write_bytes(content)
    store = SQLiteStore(path)
    store.open()
    with pytest.raises(StoreDamaged, match="database disk image is malformed"):
        list(store.integers("numbers").scan())
    store.close()


@pytest.mark.anyio
@pytest.mark.parametrize("space", ["events", "dead_letters", "bus"])
async def test_a_bus_refuses_to_start_on_a_damaged_row(tmp_path: Path, space: str) -> None:
    """Loudly, naming the row, with nothing changed but what is not damaged."""
    path = tmp_path / "bus.db"
    async with EventBus(store=path, clock=VirtualClock()) as bus:
        function = bus.add_function("f", Recorder(fail="always"))
        await bus.push(function, "letter", source=S3)
        await bus.wait_idle()
        function.allow(S3)
        await bus.push(function, "waits for a retry", source=S3)
        await bus.clock.advance(1)  # type: ignore[attr-defined]
    assert isinstance(bus.store, SQLiteStore)
    flip(path, {"events": b"waits for", "dead_letters": b'"letter', "bus": b"1000000"}[space])
    recorder = Recorder()
    with pytest.raises(BaseException) as raised:  # noqa: PT012
        async with EventBus(store=path, clock=VirtualClock()) as bus:
            bus.add_function("f", recorder).allow(S3)
            await bus.wait_idle()
    (error,) = leaves(raised.value)
    assert isinstance(error, StoreDamaged)
    assert f"of {space} does not match its checksum" in str(error)
    assert recorder.events == []


# -- a disk that is full, a file that vanishes ------------------------------------------------------------------------


class Disk:
    """Ways in which the disk of a running bus fails and recovers."""

    def __init__(self, kind: str, store: SQLiteStore) -> None:
        self._kind = kind
        self._store = store
        self._away = store.path.with_name("away.db")

    def fail(self) -> str:
        """Break it; returns what publishers are told."""
        if self._kind == "full":
            connection = self._store._writer.connection
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count={pages}")
            return "database or disk is full"
        self._store.path.rename(self._away)
        if self._kind == "replaced":
            shutil.copyfile(self._away, self._store.path)
        return f"{self._store.path} was deleted or replaced while the bus has it open"

    def recover(self) -> None:
        if self._kind == "full":
            self._store._writer.connection.execute("PRAGMA max_page_count=1000000")
        else:
            self._away.rename(self._store.path)


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["full", "deleted", "replaced"])
async def test_a_bus_outlives_its_disk(tmp_path: Path, kind: str) -> None:
    """Publishers are refused, what is queued stays and runs; when the disk works again, so does everything."""
    path = tmp_path / "bus.db"
    big = "x" * 20_000
    good, bad = Recorder(), Recorder(fail=1)
    async with EventBus(store=path, clock=VirtualClock()) as bus:
        functions = {name: bus.add_function(name, handler) for name, handler in (("good", good), ("bad", bad))}
        for function in functions.values():
            function.allow(S3)
        await bus.push(functions["bad"], "retried", source=S3)
        await bus.clock.advance(1)  # type: ignore[attr-defined]
        await bus.durable.synced()  # type: ignore[union-attr]
        assert isinstance(bus.store, SQLiteStore)
        disk = Disk(kind, bus.store)
        reason = disk.fail()
        for _ in range(3):
            with pytest.raises(StoreUnavailable) as raised:
                await bus.push(functions["good"], big, source=S3)
            assert str(raised.value) == (
                f"the store could not write this down ({reason}): nothing of it was accepted; try again later"
            )
        statistics = bus.statistics()
        assert (statistics.accepted, statistics.waiting) == (1, 1)
        await bus.wait_idle()
        assert bad.events == ["retried", "retried"]
        assert good.events == []
        disk.recover()
        await bus.push(functions["good"], big, source=S3)
        await bus.wait_idle()
        assert good.events == [big]
        statistics = bus.statistics()
        assert (statistics.accepted, statistics.finished) == (2, 2)
    async with EventBus(store=path, clock=VirtualClock()) as bus:
        assert (bus.statistics().undeclared, len(bus.dead_letters)) == ({}, 0)


@pytest.mark.anyio
async def test_leaving_a_bus_whose_file_is_gone_is_loud(tmp_path: Path) -> None:
    """An event has ended, and the file will not know."""
    path = tmp_path / "bus.db"
    recorder = Recorder(fail=1)
    with pytest.raises(BaseException) as raised:  # noqa: PT012
        async with EventBus(store=path, clock=VirtualClock()) as bus:
            function = bus.add_function("f", recorder)
            function.allow(S3)
            await bus.push(function, 1, source=S3)
            await bus.clock.advance(1)  # type: ignore[attr-defined]
            await bus.durable.synced()  # type: ignore[union-attr]
            path.rename(tmp_path / "away.db")
            await bus.wait_idle()
    (error,) = leaves(raised.value)
    assert isinstance(error, StoreNotWrittenOut)
    (tmp_path / "away.db").rename(path)
    async with EventBus(store=path, clock=VirtualClock()) as bus:
        bus.add_function("f", recorder).allow(S3)
        await bus.wait_idle()
    assert recorder.events == [1, 1, 1]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte, where one may be mounted."""
    place = tmp_path / "small"
    place.mkdir()
    try:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if mounted.returncode:
        pytest.skip("nothing may be mounted")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.anyio
async def test_a_file_system_that_is_full(small_disk: Path) -> None:
    """A real one: what was accepted runs, what was not never does, and room that is made is used."""
    recorder = Recorder()
    ballast = small_disk / "ballast"
    async with EventBus(store=small_disk / "bus.db", clock=VirtualClock()) as bus:
        function = bus.add_function("f", recorder)
        function.allow(S3)
        accepted = []
        ballast.write_bytes(bytes(700_000))
        for number in range(100):
            try:
                await bus.push(function, [number, "x" * 20_000], source=S3)
            except StoreUnavailable:
                break
            accepted.append(number)
        assert 0 < len(accepted) < 100
        ballast.unlink()
        await bus.push(function, [1000, ""], source=S3)
        await bus.wait_idle()
        assert [event[0] for event in recorder.events] == [*accepted, 1000]
    async with EventBus(store=small_disk / "bus.db", clock=VirtualClock()) as bus:
        assert bus.statistics().undeclared == {}


@pytest.mark.anyio
async def test_what_no_file_can_hold_ends_one_batch_and_nothing_else(tmp_path: Path) -> None:
    """A key that is no Unicode text, a number that is too large: the writer goes on."""
    async with running(SQLiteStore(tmp_path / "bus.db")) as store:
        store.texts("names").put("\ud800", b"", undo=lambda: None)
        with pytest.raises(StoreUnavailable, match="surrogates not allowed"):
            await store.log.synced()
        store.integers("numbers").put(2**64, b"", undo=lambda: None)
        with pytest.raises(StoreUnavailable, match="too large"):
            await store.log.synced()
        store.texts("names").put("fine", b"")
        await store.log.synced()


@pytest.mark.anyio
async def test_a_bus_that_is_cancelled_with_everything_around_it_ends(tmp_path: Path) -> None:
    """And what it knew about ended events is in the file."""
    recorder = Recorder()
    with anyio.fail_after(10), anyio.move_on_after(0.1):
        async with EventBus(store=tmp_path / "bus.db") as bus:
            function = bus.add_function("f", recorder)
            function.allow(S3)
            while True:
                await bus.push(function, 1, source=S3)
    store = SQLiteStore(tmp_path / "bus.db")
    store.open()
    left = len(list(store.integers("events").scan()))
    store.close()
    assert left <= 1
