"""Bodies of more than 64 KiB on a bus with a store: files that are there exactly as long as a row names them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from eventbus.storage.errors import StoreDamaged, StoreUnavailable
from eventbus.storage.sqlite import SQLiteStore
from tests.storage.world import LARGE, running
from triggers.s3.errors import NoSuchKey

pytestmark = pytest.mark.anyio

FULL = OSError(28, "No space left on device")


def files(path: Path) -> list[bytes]:
    directory = path.with_name(path.name + "-objects")
    return sorted(file.read_bytes() for file in directory.iterdir()) if directory.exists() else []


async def test_large_bodies_lie_in_files_for_as_long_as_a_row_names_them(tmp_path: Path) -> None:
    path = tmp_path / "bus.db"
    async with running(SQLiteStore(path)) as world:
        await world.plain.put_object("small", bytes(64 * 1024))
        assert files(path) == []
        await world.plain.put_object("a", LARGE)
        assert files(path) == [LARGE]
        await world.plain.copy_object("plain/a", "b")
        assert files(path) == [LARGE, LARGE]
        ranged = await world.plain.get_object("a", range="bytes=70000-70004")
        assert ranged.body == LARGE[70000:70005]
        await world.plain.put_object("a", LARGE + b"!")
        await world.plain.delete_object("b")
        await world.bus.wait_idle()
        assert files(path) == [LARGE + b"!"]
        (path.with_name("bus.db-objects") / "stray").write_bytes(b"from a crash")
    async with running(SQLiteStore(path)) as world:
        assert files(path) == [LARGE + b"!"]
        assert [entry["event"] for entry in world.logs] == ["orphaned_objects_removed"]
        assert (await world.plain.get_object("a")).body == LARGE + b"!"
        assert not isinstance(world.plain._store.heads["a"].body, bytes)


async def test_a_file_goes_with_the_row_that_could_not_be_written(tmp_path: Path) -> None:
    path = tmp_path / "bus.db"
    async with running(SQLiteStore(path)) as world:
        upload = await world.plain.create_multipart_upload("u")
        await world.plain.put_object("a", LARGE)
        await world.bus.wait_idle()
        before = await world.observe()
        original = world.bus.store.log._writer.write  # type: ignore[union-attr]
        world.bus.store.log._writer.write = lambda rows, done: done(FULL)  # type: ignore[union-attr,method-assign]
        for attempt in (
            lambda: world.plain.put_object("a", LARGE + b"!"),
            lambda: world.plain.copy_object("plain/a", "b"),
            lambda: world.plain.upload_part("u", upload, 1, LARGE),
            lambda: world.plain.delete_object("a"),
        ):
            with pytest.raises(StoreUnavailable):
                await attempt()
            assert files(path) == [LARGE]
            assert await world.observe() == before
        with pytest.raises(NoSuchKey):
            await world.plain.put_object("b", LARGE, if_match="x")  # refused when the file was written already
        assert files(path) == [LARGE]
        world.bus.store.log._writer.write = original  # type: ignore[union-attr,method-assign]
    async with running(SQLiteStore(path)) as world:
        assert await world.observe() == before


async def test_a_directory_that_cannot_be_written_refuses_the_object(tmp_path: Path) -> None:
    path = tmp_path / "bus.db"
    path.with_name("bus.db-objects").write_text("no directory")
    async with running(SQLiteStore(path)) as world:
        before = await world.observe()
        with pytest.raises(StoreUnavailable, match="Not a directory"):
            await world.plain.put_object("a", LARGE)
        with pytest.raises(StoreUnavailable, match="Not a directory"):
            world.plain.put_object_nowait("a", LARGE)
        await world.plain.put_object("b", b"small")
        await world.plain.delete_object("b")
        assert await world.observe() == before


async def test_an_upload_of_large_parts_becomes_one_file(tmp_path: Path) -> None:
    path = tmp_path / "bus.db"
    part = bytes(5 * 1024 * 1024)
    async with running(SQLiteStore(path)) as world:
        upload = await world.plain.create_multipart_upload("u")
        parts = [
            await world.plain.upload_part("u", upload, 1, part),
            await world.plain.upload_part("u", upload, 2, b"e"),
        ]
        await world.plain.upload_part("u", upload, 3, LARGE)
        await world.plain.upload_part("u", upload, 3, LARGE + b"!")
        await world.bus.wait_idle()
        assert sorted(files(path), key=len) == [LARGE + b"!", part]
        await world.plain.complete_multipart_upload("u", upload, parts)
        await world.bus.wait_idle()
        assert files(path) == [part + b"e"]
        assert (await world.plain.get_object("u", part_number=2)).body == b"e"


class Gate:
    """Holds up what works on files, in its thread, until it is opened."""

    def __init__(self, files: Any, name: str) -> None:
        self._work: Callable[..., Any] = getattr(files, name)
        self._open = threading.Event()
        self.arrived = threading.Event()
        setattr(files, name, self._held_up)

    def _held_up(self, *args: Any) -> Any:
        self.arrived.set()
        self._open.wait(10)
        return self._work(*args)

    async def meanwhile(self, call: Callable[[], Any]) -> None:
        """Do something while somebody is held up."""
        await anyio.to_thread.run_sync(self.arrived.wait, 10)
        try:
            await call()
        finally:
            self._open.set()


async def test_a_body_is_read_to_its_end_although_the_object_is_deleted_meanwhile(tmp_path: Path) -> None:
    async with running(SQLiteStore(tmp_path / "bus.db")) as world:
        await world.plain.put_object("a", LARGE)
        assert world.plain._kept is not None
        gate = Gate(world.plain._kept.bodies._files, "read")  # type: ignore[union-attr]
        bodies: list[bytes] = []

        async def read() -> None:
            bodies.append((await world.plain.get_object("a")).body)

        async def delete() -> None:
            await world.plain.delete_object("a")
            await world.bus.wait_idle()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            tasks.start_soon(read)
            await gate.meanwhile(delete)
        assert bodies == [LARGE] * 2
        assert files(tmp_path / "bus.db") == []


async def test_a_copy_is_of_what_is_there_when_it_is_made(tmp_path: Path) -> None:
    """The source is replaced while its body is being copied ahead."""
    async with running(SQLiteStore(tmp_path / "bus.db")) as world:
        await world.plain.put_object("a", LARGE)
        assert world.plain._kept is not None
        gate = Gate(world.plain._kept.bodies._files, "write")  # type: ignore[union-attr]

        async def replace() -> None:
            await world.plain.put_object("a", b"small", tags={"new": "1"})
            await world.bus.wait_idle()  # for the file to go

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(world.plain.copy_object, "plain/a", "b")
            await gate.meanwhile(replace)
        assert (await world.plain.get_object("b")).body == b"small"
        assert await world.plain.get_object_tagging("b") == {"new": "1"}
        await world.bus.wait_idle()
        assert files(tmp_path / "bus.db") == []


async def test_a_put_that_is_cancelled_leaves_no_file(tmp_path: Path) -> None:
    async with running(SQLiteStore(tmp_path / "bus.db")) as world:
        assert (await world.plain.put_object("a", b"")) is not None
        assert world.plain._kept is not None
        gate = Gate(world.plain._kept.bodies._files, "write")  # type: ignore[union-attr]

        async def cancel() -> None:
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(world.plain.put_object, "a", LARGE)
            with anyio.CancelScope(shield=True):
                await gate.meanwhile(cancel)
        body = world.plain.get_object_nowait("a").body
        await world.bus.wait_idle()
        assert (body, files(tmp_path / "bus.db")) in [(b"", []), (LARGE, [LARGE])]


async def test_a_body_that_has_changed_on_disk_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "bus.db"
    async with running(SQLiteStore(path)) as world:
        await world.plain.put_object("a", LARGE)
        [file] = path.with_name("bus.db-objects").iterdir()
        file.write_bytes(b"?" + LARGE[1:])
        with pytest.raises(StoreDamaged, match="does not match its checksum"):
            await world.plain.get_object("a")
        with pytest.raises(StoreDamaged, match="does not match its checksum"):
            await world.plain.copy_object("plain/a", "b")
        file.unlink()
        with pytest.raises(StoreDamaged, match="is missing"):
            world.plain.get_object_nowait("a")
        assert world.plain.list_objects_nowait().keys == ["a"]
        assert world.plain.list_objects_nowait().contents[0].size == len(LARGE)
