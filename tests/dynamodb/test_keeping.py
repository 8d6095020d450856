"""Tables on a bus with a store: what a restart keeps, and what a write that fails takes back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from eventbus import EventBus, VirtualClock
from eventbus.errors import ConfigurationError
from eventbus.storage.errors import StoreUnavailable
from eventbus.storage.memory import MemoryStore
from eventbus.storage.port import Store
from eventbus.storage.sqlite import SQLiteStore
from triggers.dynamodb import Delete, DynamoDB, Put, Stream, Table

pytestmark = pytest.mark.anyio

FULL = OSError(28, "No space left on device")
START = 1_767_225_600.0


class World:
    """A bus with one table, declared anew at every start."""

    def __init__(self, store: Store, now: float = START, **options: Any) -> None:
        self.clock = VirtualClock(start=now)
        self.bus = EventBus(clock=self.clock, seed=3, store=store)
        capture = LogCapture()
        self.bus.log = structlog.wrap_logger(None, processors=[capture])
        self.logs: list[Any] = capture.entries
        self.dynamodb = DynamoDB(self.bus)
        settings: dict[str, Any] = {
            "key": {"pk": "S", "sk": "B"},
            "stream": "NEW_AND_OLD_IMAGES",
            "stream_shards": 2,
            "indexes": {"by-n": {"n": "N"}},
            "time_to_live": "until",
            **options,
        }
        self.table: Table = self.dynamodb.create_table("things", **settings)

    @property
    def stream(self) -> Stream:
        """The table's, which has one."""
        assert self.table.stream is not None
        return self.table.stream

    def observe(self) -> dict[str, Any]:
        """Everything that a user can find out."""
        stream = self.table.stream
        return {
            "items": self.table.scan_nowait().items,
            "index": self.table.scan_nowait(index="by-n").items,
            "stream": stream
            and (
                stream.arn,
                stream.describe(),
                [[stream.lambda_record(s, r, "") for r in s.after(0, 1000)] for s in stream.shards()],
            ),
        }


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Makes the same store again for every process."""
    memory = MemoryStore()
    return lambda: memory if request.param == "memory" else SQLiteStore(tmp_path / "bus.db")


async def work(w: World) -> None:
    for n in range(5):
        await w.table.put_item(
            {"pk": f"p{n}", "sk": bytes([n, 0]), "n": n, "s": {b"\xff", b"\x00"}, "m": {"ü\0": [None]}}
        )
    await w.table.update_item({"pk": "p1", "sk": b"\x01\x00"}, "SET n = n + :one", values={":one": 10})
    await w.table.delete_item({"pk": "p2", "sk": b"\x02\x00"})
    await w.dynamodb.transact_write_items(
        [Put(w.table, {"pk": "t", "sk": b"x"}), Delete(w.table, {"pk": "p3", "sk": b"\x03\x00"})]
    )


async def test_items_and_records_survive(store: Any) -> None:
    """Byte for byte, with the stream's ARN, shards and sequence numbers; what comes later has greater ones."""
    world = World(store())
    async with world.bus:
        await work(world)
        world.stream.roll_shards()
        await work(world)
        before = world.observe()
        newest = max(shard.latest for shard in world.stream.shards())
    world = World(store(), START + 60)
    async with world.bus:
        assert world.observe() == before
        await world.table.put_item({"pk": "new", "sk": b"1"})
        assert max(shard.latest for shard in world.stream.shards()) > newest


async def test_what_was_not_waited_for_is_written_when_the_bus_is_left(store: Any) -> None:
    world = World(store())
    async with world.bus:
        world.table.put_item_nowait({"pk": "a", "sk": b"1"})
    world = World(store())
    async with world.bus:
        assert world.observe()["items"] == [{"pk": "a", "sk": b"1"}]
        assert sum(len(shard.after(0, 9)) for shard in world.stream.shards()) == 1


async def test_an_item_and_its_record_fail_together() -> None:
    """Whatever the operation: the publisher hears of it, and nothing has happened, in the indexes neither."""
    store = MemoryStore()
    world = World(store)
    async with world.bus:
        await work(world)
        safe = world.observe()
        key = {"pk": "p1", "sk": b"\x01\x00"}
        operations: list[Callable[[], Awaitable[Any]]] = [
            lambda: world.table.put_item({**key, "n": 99}),
            lambda: world.table.put_item({"pk": "new", "sk": b"1", "n": 1}),
            lambda: world.table.update_item(key, "REMOVE n"),
            lambda: world.table.delete_item(key),
            lambda: world.dynamodb.batch_write_item(
                [Delete(world.table, key), Put(world.table, {"pk": "n", "sk": b"1"})]
            ),
            lambda: work(world),
        ]
        for operation in operations:
            store.failing = FULL
            with pytest.raises(StoreUnavailable):
                await operation()
            assert world.observe() == safe
            store.failing = None
        await world.bus.synced()
        await world.table.put_item({**key, "n": 5})
        after = world.observe()
        assert after != safe
        store.crash()
    world = World(store)
    async with world.bus:
        assert world.observe() == after


async def test_several_changes_of_one_item_are_taken_back_together() -> None:
    store = MemoryStore()
    world = World(store)
    async with world.bus:
        await world.table.put_item({"pk": "a", "sk": b"1", "n": 0})
        safe = world.observe()
        store.failing = FULL
        for n in range(1, 4):
            world.table.put_item_nowait({"pk": "a", "sk": b"1", "n": n})
        world.table.delete_item_nowait({"pk": "a", "sk": b"1"})
        world.table.put_item_nowait({"pk": "a", "sk": b"1", "n": 9})
        with pytest.raises(StoreUnavailable):
            await world.bus.synced()
        assert world.observe() == safe
        store.failing = None


async def test_no_record_is_seen_before_it_is_safe() -> None:
    """What might be taken back is handed to nobody; watchers hear of it when it is safe."""
    store = MemoryStore()
    world = World(store, stream_shards=1)
    stream = world.table.stream
    assert stream is not None
    seen: list[int] = []
    async with world.bus:
        [shard] = stream.shards()
        stream.watch(lambda: seen.append(len(shard.after(0, 10))))
        world.table.put_item_nowait({"pk": "a", "sk": b"1"})
        assert (list(shard.after(0, 10)), seen) == ([], [])
        await world.bus.synced()
        assert (len(shard.after(0, 10)), seen) == (1, [1])


async def test_a_deletion_by_time_that_cannot_be_written_is_tried_again() -> None:
    store = MemoryStore()
    world = World(store)
    async with world.bus:
        await world.table.put_item({"pk": "a", "sk": b"1", "until": int(START) + 10})
        store.failing = FULL
        await world.clock.advance(20)
        with pytest.raises(StoreUnavailable):
            await world.bus.synced()
        assert len(world.table.scan_nowait()) == 1
        store.failing = None
        await world.clock.advance(1)
        await world.bus.synced()
        assert len(world.table.scan_nowait()) == 0
        store.crash()
    world = World(store, START + 20)
    async with world.bus:
        assert len(world.table.scan_nowait()) == 0


async def test_what_expires_while_the_bus_is_away_goes_when_it_is_back(store: Any) -> None:
    world = World(store())
    async with world.bus:
        await world.table.put_item({"pk": "a", "sk": b"1", "until": int(START) + 10})
    world = World(store(), START + 100)
    async with world.bus:
        await world.clock.advance(0)
        assert len(world.table.scan_nowait()) == 0
        await world.bus.synced()
        [event] = [e for shard in world.stream.shards() for e in shard.after(0, 9) if e.is_expiry]
        assert event.at == START + 100


async def test_records_that_are_trimmed_are_gone_from_the_store(store: Any) -> None:
    world = World(store())
    async with world.bus:
        await work(world)
    world = World(store(), START + 90_000)
    async with world.bus:
        assert [list(shard.after(0, 9)) for shard in world.stream.shards()] == [[], []]
    made = store()
    world = World(made, START + 10)  # back in time, to see that nothing is left
    async with world.bus:
        assert [list(shard.after(0, 9)) for shard in world.stream.shards()] == [[], []]
        assert len(world.table.scan_nowait()) == 4


async def test_a_deleted_table_leaves_nothing(store: Any) -> None:
    """Not even what was on its way to the store."""
    world = World(store())
    async with world.bus:
        await work(world)
        world.table.put_item_nowait({"pk": "late", "sk": b"1"})
        world.dynamodb.delete_table("things")
        await world.bus.synced()
    world = World(store(), key="id", stream=None, indexes={"by-n": {"n": "N"}})
    async with world.bus:
        assert world.table.scan_nowait().items == []


async def test_a_table_deleted_while_the_store_fails_stays_deleted() -> None:
    store = MemoryStore()
    world = World(store)
    async with world.bus:
        await work(world)
        store.failing = FULL
        world.table.put_item_nowait({"pk": "late", "sk": b"1"})
        world.table.delete_item_nowait({"pk": "p1", "sk": b"\x01\x00"})
        world.dynamodb.delete_table("things")
        with pytest.raises(StoreUnavailable):
            await world.bus.synced()
        store.failing = None
        await world.bus.synced()
        store.crash()
    world = World(store)
    async with world.bus:
        assert world.table.scan_nowait().items == []
        assert [list(shard.after(0, 9)) for shard in world.stream.shards()] == [[], []]


async def test_a_table_declared_with_another_key_is_refused(store: Any) -> None:
    """Before anything of it is read wrongly."""
    world = World(store())
    async with world.bus:
        await work(world)
    bus = EventBus(store=store())
    dynamodb = DynamoDB(bus)
    async with bus:
        with pytest.raises(ConfigurationError, match="declare it as it was, or delete_table it first"):
            dynamodb.create_table("things", "id", stream="KEYS_ONLY")
        assert (len(dynamodb), dynamodb.streams) == (0, [])
    world = World(store(), key="id")
    with pytest.raises(ConfigurationError, match="the store holds items of table 'things' with key="):
        async with world.bus:
            pass


async def test_a_streams_arn_is_known_before_the_store_is_read(store: Any) -> None:
    """So that what is granted on it, and how far it was read, holds at every start."""
    arns = set()
    for start in (START, START + 60):
        world = World(store(), start)
        arns.add(world.stream.arn)
        async with world.bus:
            arns.add(world.stream.arn)
            assert world.stream.describe()["CreationRequestDateTime"] == START
    assert len(arns) == 1


async def test_another_view_type_is_another_stream(store: Any) -> None:
    """And none is none: its records do not come back."""
    world = World(store())
    async with world.bus:
        await work(world)
    world = World(store(), START + 5, stream="KEYS_ONLY")
    async with world.bus:
        assert all(not shard.after(0, 9) for shard in world.stream.shards())
        await world.table.put_item({"pk": "a", "sk": b"1"})
    world = World(store(), START + 6, stream=None)
    async with world.bus:
        pass
    world = World(store(), START + 7, stream="KEYS_ONLY")
    async with world.bus:
        assert all(not shard.after(0, 9) for shard in world.stream.shards())


async def test_items_of_an_undeclared_table_wait(store: Any) -> None:
    """A warning names the call that takes them up."""
    world = World(store())
    async with world.bus:
        await world.table.put_item({"pk": "a", "sk": b"1"})
    clock = VirtualClock()
    bus = EventBus(clock=clock, store=store())
    capture = LogCapture()
    bus.log = structlog.wrap_logger(None, processors=[capture])
    dynamodb = DynamoDB(bus)
    async with bus:
        [entry] = [e for e in capture.entries if e["event"] == "items_of_undeclared_table"]
        assert (entry["table"], entry["mend"]) == ("things", 'call dynamodb.create_table("things", ...)')
        table = dynamodb.create_table("things", {"pk": "S", "sk": "B"})
        assert table.scan_nowait().items == [{"pk": "a", "sk": b"1"}]
