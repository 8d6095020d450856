"""`eventbus doctor`: what it says of a good file, which damage it finds, and what it can still export."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eventbus.storage.sqlite import SQLiteStore, sealed
from tests.cli.command import ENVIRONMENT, eventbus
from triggers.cli import main

BUS = """
import os, sys
import anyio
from eventbus import EventBus, VirtualClock
from triggers import S3

async def fail(event, context):
    raise ValueError("boom")

async def life(store, ends):
    async with EventBus(store=store, clock=VirtualClock(), seed=1) as bus:
        photos = S3(bus).create_bucket("photos")
        strict, patient = bus.add_function("strict", fail, retries=0), bus.add_function("patient", fail)
        for function in (strict, patient):
            function.allow("s3.amazonaws.com")
        for number in range(60):
            function = patient if number % 3 else strict
            await bus.push(function, {"number": number, "text": "some payload " * 20}, source="s3.amazonaws.com")
        await bus.push(patient, "the last one", source="s3.amazonaws.com")
        await photos.put_object("big.bin", b"a body in a file " * 10_000)
        await bus.clock.advance(1)
        await bus.push(patient, "later", source="s3.amazonaws.com")
        await bus.durable.synced()
        if ends == "killed":
            os._exit(9)

anyio.run(life, *sys.argv[1:])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two stores with events, dead letters and a large object: one that was left, one whose process was killed."""
    folder = tmp_path_factory.mktemp("stores")
    for ends in ("left", "killed"):
        command = [sys.executable, "-c", BUS, str(folder / f"{ends}.db"), ends]
        assert subprocess.run(command, env=ENVIRONMENT, timeout=60).returncode == (9 if ends == "killed" else 0)
    return folder


@pytest.fixture
def stores(folder: Path, tmp_path: Path) -> Path:
    """Copies of them, to be spoiled."""
    return Path(shutil.copytree(folder, tmp_path / "stores"))


def doctor(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str], str]:
    """The exit status, the lines of its output, and of its complaints."""
    status = main(["doctor", *map(str, arguments)])
    out, err = capsys.readouterr()
    return status, out.splitlines(), err


def flip(path: Path, what: bytes, by: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[content.rindex(what) + len(what) + by] ^= 1
    path.write_bytes(content)


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file, with its content and when it was changed."""
    return {
        str(file.relative_to(folder)): (file.read_bytes(), file.stat().st_mtime_ns)
        for file in folder.rglob("*")
        if file.is_file()
    }


@pytest.mark.parametrize("name", ["left.db", "killed.db"])
def test_a_good_file(stores: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is in it, and nothing wrong; also of a file whose process was killed. Nothing is changed."""
    before = snapshot(stores)
    status, lines, err = doctor(stores / name, capsys=capsys)
    assert (status, err) == (0, "")
    size = (stores / name).stat().st_size
    assert lines == [
        f"{stores / name}: a store of schema 1, {size:,} bytes, not in use",
        "  bus              3 rows",
        "  dead_letters     20 rows: RetriesExhausted 20",
        "  events           42 rows",
        "    patient: 42, accepted 2026-01-01T00:00:00.000Z to 2026-01-01T00:00:01.000Z, next retry due "
        "2026-01-01T00:01:00.000Z",
        "  s3               2 rows",
        "  s3_buckets       0 rows",
        "  s3_destinations  0 rows",
        "  s3_files         1 row",
        "  s3_objects       1 row",
        "  s3_parts         0 rows",
        "  s3_uploads       0 rows",
        "  files beside it: 1",
        "nothing wrong found",
    ]
    assert snapshot(stores) == before


def test_an_export_has_every_row(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As lines of JSON; what is no text is in base64."""
    store = SQLiteStore(stores / "left.db")
    store.open()
    store._reader.execute('CREATE TABLE "mine" (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID')
    store._reader.execute('INSERT INTO "mine" VALUES (?, ?)', ("a", sealed(b"\xff\xfe")))
    store.close()
    out = stores / "out.jsonl"
    status, lines, _ = doctor(stores / "left.db", "--export", out, capsys=capsys)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert (status, lines[-1]) == (0, f"exported to {out}: {len(rows)} rows")
    assert len(rows) == 3 + 20 + 42 + 2 + 1 + 1 + 1
    events = [row for row in rows if row["space"] == "events"]
    assert [row["key"] for row in events] == sorted(row["key"] for row in events)
    numbers = [json.loads(row["body"])["number"] for row in events[:40]]
    assert numbers == [number for number in range(60) if number % 3]
    assert events[0]["head"][0] == "patient"
    assert [row for row in rows if row["space"] == "mine"] == [
        {"space": "mine", "key": "a", "head": None, "body_base64": "//4="}
    ]
    key = next(row for row in rows if row["key"] == "request_id_key")
    assert key["body"] == store_key(stores / "left.db")


def store_key(path: Path) -> str:
    with sqlite3.connect(path) as connection:
        value: bytes = connection.execute("SELECT value FROM bus WHERE key = 'request_id_key'").fetchone()[0]
    connection.close()
    return value[4:].decode()


def test_an_export_never_overwrites(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And leaves no empty file where there was no store."""
    out = stores / "out.jsonl"
    assert doctor(stores / "none.db", "--export", out, capsys=capsys)[0] == 2
    out.write_text("precious")
    status, lines, err = doctor(stores / "left.db", "--export", out, capsys=capsys)
    assert (status, lines) == (2, [])
    assert err.startswith("eventbus doctor: [Errno 17] File exists")
    assert out.read_text() == "precious"


# -- damage -----------------------------------------------------------------------------------------------------------


def rewrite(space: str, key: object, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Give a row another content, with the right checksum."""

    def spoil(path: Path) -> None:
        with sqlite3.connect(path) as connection:
            value = connection.execute(f'SELECT value FROM "{space}" WHERE key = ?', (key,)).fetchone()[0]
            connection.execute(f'UPDATE "{space}" SET value = ? WHERE key = ?', (sealed(change(value[4:])), key))
        connection.close()

    return spoil


def run(statement: str, *values: Any) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        with sqlite3.connect(path) as connection:
            connection.execute(statement, values)
        connection.close()

    return spoil


LETTER = sealed(
    b'{"reason":"RetriesExhausted","attempts":1,"error":"","error_document":null,"source":"","target":"",'
    b'"accepted_at":1.0,"dead_at":1.0,"sender":["s3.amazonaws.com",null,"1","",null],"is_text":true}\n1'
)


@pytest.mark.parametrize(
    ("spoil", "finding"),
    [
        (lambda path: flip(path, b'the last one"', -2), "events: row 61 does not match its checksum"),
        (
            rewrite("events", 2, lambda content: b"[1]\n" + content),
            "events: row 2 is not what a bus writes there (not enough values to unpack (expected 8, got 1))",
        ),
        (
            rewrite("events", 2, lambda content: content[:-1]),
            "events: row 2 is not what a bus writes there (unexpected end of data: line 1 column ",
        ),
        (
            rewrite("dead_letters", 1, lambda content: content.replace(b"RetriesExhausted", b"Boredom")),
            "dead_letters: row 1 is not what a bus writes there ('Boredom' is not a valid Reason)",
        ),
        (
            rewrite("bus", "starts", lambda content: b"many"),
            "bus: row 'starts' is not what a bus writes there (invalid literal for int() with base 10: b'many')",
        ),
        (run("INSERT INTO dead_letters VALUES (2, ?)", LETTER), "events: row 2 is queued, and a dead letter as well"),
        (
            run("UPDATE events SET key = 5000000 WHERE key = 2"),
            "events: row 5000000 has a number that was never given out",
        ),
        (
            run("DELETE FROM bus WHERE key = 'next_number'"),
            "bus: there is no row 'next_number', so numbers would be used twice",
        ),
    ],
)
def test_a_row_that_is_wrong_is_named(
    stores: Path, spoil: Callable[[Path], None], finding: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each alone."""
    spoil(stores / "left.db")
    status, lines, _ = doctor(stores / "left.db", capsys=capsys)
    assert (status, lines[-2]) == (1, "DAMAGED: 1 finding")
    assert lines[-1].startswith(f"  {finding}")


def test_a_row_with_a_wrong_checksum_is_exported_all_the_same(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Marked, and counted."""
    flip(stores / "left.db", b'the last one"', -2)
    out = stores / "out.jsonl"
    status, lines, _ = doctor(stores / "left.db", "--export", out, capsys=capsys)
    assert (status, lines[-1]) == (1, f"exported to {out}: 69 rows, 1 of them with a wrong checksum")
    (row,) = [row for row in map(json.loads, out.read_text().splitlines()) if "damaged" in row]
    assert (row["key"], row["body"], row["damaged"]) == (61, '"the last ond"', True)


@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_a_file_that_was_cut_off_gives_what_is_left(
    stores: Path, part: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pages that are missing are found, and what they do not hold is exported."""
    path, out = stores / "left.db", stores / "out.jsonl"
    os.truncate(path, int(path.stat().st_size * part))
    status, lines, err = doctor(path, "--export", out, capsys=capsys)
    assert (status, err) == (1, "")
    assert any(line.startswith("  SQLite: ") for line in lines)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert 0 < len(rows) < 69
    assert len({(row["space"], row["key"]) for row in rows}) == len(rows)


def test_whatever_page_is_damaged_it_is_found_and_the_rest_exported(
    stores: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Zeros, ones or what another page holds, in each page in turn: never a crash, never an endless loop."""
    path, spoilt, out = stores / "left.db", stores / "spoilt.db", stores / "out.jsonl"
    content = path.read_bytes()
    shutil.copytree(f"{path}-objects", f"{spoilt}-objects")
    for page in range(1, len(content) // 4096):
        for junk in (bytes(4096), b"\xff" * 4096, content[4096:8192], content[-4096:]):
            place = page * 4096
            if content[place : place + 4096] == junk:
                continue
            spoilt.write_bytes(content[:place] + junk + content[place + 4096 :])
            out.unlink(missing_ok=True)
            status, lines, err = doctor(spoilt, "--export", out, capsys=capsys)
            assert (status, err) == (1, ""), (page, junk[:4])
            assert "DAMAGED: " in "\n".join(lines)


def test_what_is_behind_a_damaged_page_is_exported_too(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From both ends, up to the gap."""
    path, out = stores / "left.db", stores / "out.jsonl"
    content = bytearray(path.read_bytes())
    page = content.index(b'"number":31,') // 4096 * 4096
    content[page : page + 4096] = bytes(4096)
    path.write_bytes(content)
    status, lines, _ = doctor(path, "--export", out, capsys=capsys)
    events = [row["key"] for row in map(json.loads, out.read_text().splitlines()) if row["space"] == "events"]
    assert status == 1
    assert (events[0], events[-1], 32 in events) == (2, 62, False)
    assert 20 < len(events) < 42
    assert any(line.startswith("  events: rows after ") and " cannot be read (" in line for line in lines)


def test_a_log_that_was_cut_off_is_found(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its index remembers how much of it was committed."""
    log = stores / "killed.db-wal"
    os.truncate(log, log.stat().st_size // 2)
    status, lines, _ = doctor(stores / "killed.db", capsys=capsys)
    assert status == 1
    assert "  killed.db-wal is torn: " in "\n".join(lines)
    assert lines[lines.index(next(line for line in lines if "torn" in line))].endswith("committed frames are lost")


def test_a_log_that_is_damaged_in_the_middle_is_found(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also without its index."""
    (stores / "killed.db-shm").unlink()
    flip(stores / "killed.db-wal", b"some payload ")
    status, lines, _ = doctor(stores / "killed.db", capsys=capsys)
    assert status == 1
    (line,) = [line for line in lines if "killed.db-wal is damaged at frame" in line]
    assert line.endswith("committed transactions behind it are lost")


@pytest.mark.parametrize("place", [0, 9, 16, 31])
def test_a_log_with_a_damaged_header_is_found(stores: Path, place: int, capsys: pytest.CaptureFixture[str]) -> None:
    """SQLite would take it for none at all."""
    log = stores / "killed.db-wal"
    content = bytearray(log.read_bytes())
    content[place] ^= 1
    log.write_bytes(content)
    status, lines, _ = doctor(stores / "killed.db", capsys=capsys)
    assert status == 1
    assert f"  killed.db-wal has a damaged header: none of its {len(content):,} bytes can be read" in lines


def test_an_unfinished_transaction_is_what_a_crash_leaves(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody was told that it is safe: nothing is wrong."""
    with (stores / "killed.db-wal").open("ab") as log:
        log.write(os.urandom(1000))
    assert doctor(stores / "killed.db", capsys=capsys)[0] == 0


@pytest.mark.parametrize("what", ["missing", "changed", "longer"])
def test_the_file_of_an_object(stores: Path, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Missing, or not what was written."""
    (body,) = (stores / "left.db-objects").iterdir()
    if what == "missing":
        body.unlink()
    elif what == "changed":
        flip(body, b"a body")
    else:
        body.write_bytes(body.read_bytes() + b"!")
    status, lines, _ = doctor(stores / "left.db", capsys=capsys)
    problem = "is missing" if what == "missing" else "is not what was written"
    assert (status, lines[-2]) == (1, "DAMAGED: 1 finding")
    assert lines[-1].startswith("  s3_objects: row 'photos\\x00")
    assert lines[-1].endswith(f" names left.db-objects/{body.name}, which {problem}")


def test_files_that_no_row_names_do_no_harm(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A crash leaves them."""
    for name in "abcd":
        (stores / "left.db-objects" / name).touch()
    status, lines, _ = doctor(stores / "left.db", capsys=capsys)
    assert status == 0
    assert (
        "note: left.db-objects holds 4 files that no row names (a, b, c, …): a crash leaves them, and the next start "
        "removes them" in lines
    )


# -- what is no store -------------------------------------------------------------------------------------------------


def test_what_is_not_a_store(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line each, and exit status 2."""
    text, empty, foreign, newer = (stores / name for name in ("text", "empty", "foreign.db", "left.db"))
    text.write_text("no pages " * 1000)
    empty.touch()
    run("CREATE TABLE bookmarks (url TEXT)")(foreign)
    run("PRAGMA user_version=7")(newer)
    for path, sentence in (
        (stores / "none", f"{stores / 'none'} does not exist"),
        (stores, f"{stores} is a directory"),
        (text, f"{text} is not a store: it is no SQLite file, or its beginning is damaged"),
        (empty, f"{empty} is not a store: it is an SQLite file of another program, or empty"),
        (foreign, f"{foreign} is not a store: it is an SQLite file of another program, or empty"),
        (newer, f"{newer} has schema 7, and this version of eventbus knows 1: use a newer eventbus"),
    ):
        assert doctor(path, capsys=capsys) == (2, [], f"eventbus doctor: {sentence}\n")


def test_a_file_that_is_in_use_is_read_beside_the_bus(stores: Path) -> None:
    """It says so, and does not disturb the bus."""
    store = SQLiteStore(stores / "left.db")
    store.open()
    try:
        done = eventbus("doctor", stores / "left.db")
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[0].endswith("bytes, in use by a bus")
        assert done.stdout.splitlines()[-2:] == [
            "note: it is in use: what was written since this began, and files of objects, were not looked at",
            "nothing wrong found",
        ]
        assert len(list(store.integers("events").scan())) == 42
    finally:
        store.close()
