"""A table under everything that chance does to it, against a dict; and its stream, replayed, against the table."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventbus import EventBus, VirtualClock
from eventbus.storage.errors import StoreUnavailable
from eventbus.storage.memory import MemoryStore
from tests.dynamodb.strategies import plain_values
from triggers.dynamodb import ConditionalCheckFailed, Delete, DynamoDB, Put, TransactionCanceled
from triggers.dynamodb.actions import WriteAction
from triggers.dynamodb.plain import from_item

Operation = tuple[Any, ...]
START = 1_767_225_600.0
FULL = OSError(28, "No space left on device")
KEYS = st.tuples(st.sampled_from("ab"), st.integers(0, 2))
BODIES = st.dictionaries(st.sampled_from(["n", "x"]), plain_values(), max_size=2)
OPERATIONS: st.SearchStrategy[Operation] = st.one_of(
    st.tuples(st.just("put"), KEYS, BODIES),
    st.tuples(st.just("put once"), KEYS, BODIES),
    st.tuples(st.just("add"), KEYS, st.integers(-3, 3)),
    st.tuples(st.just("delete"), KEYS),
    st.tuples(st.just("swap"), KEYS, KEYS),
    st.tuples(st.just("pass"), st.integers(1, 30)),
    st.tuples(st.just("put until"), KEYS, st.integers(1, 40)),
    st.tuples(st.just("fail"), KEYS, BODIES),
    st.tuples(st.just("restart")),
    st.tuples(st.just("crash")),
    st.tuples(st.just("roll")),
)


class World:
    """A bus with one table on a store that survives it."""

    def __init__(self, store: MemoryStore, now: float) -> None:
        self.store = store
        self.clock = VirtualClock(start=now)
        self.bus = EventBus(clock=self.clock, seed=5, store=store)
        self.dynamodb = DynamoDB(self.bus)
        self.table = self.dynamodb.create_table(
            "things",
            {"pk": "S", "sk": "N"},
            stream="NEW_AND_OLD_IMAGES",
            stream_shards=2,
            time_to_live="until",
            local_indexes={"by-until": {"until": "N"}},
        )


def in_order(items: dict[Any, Any], pk: str) -> list[Any]:
    return [items[key] for key in sorted(items) if key[0] == pk]


async def act(world: World, model: dict[Any, Any], operation: Operation) -> None:
    """Do something to the table, and to the model what it should be to that."""
    table = world.table
    match operation:
        case ("put", (pk, sk) as key, body):
            await table.put_item({"pk": pk, "sk": sk, **body})
            model[key] = {"pk": pk, "sk": sk, **body}
        case ("put once", (pk, sk) as key, body):
            try:
                await table.put_item({"pk": pk, "sk": sk, **body}, condition="attribute_not_exists(pk)")
            except ConditionalCheckFailed:
                assert key in model
            else:
                assert key not in model
                model[key] = {"pk": pk, "sk": sk, **body}
        case ("add", (pk, sk) as key, number):
            await table.update_item({"pk": pk, "sk": sk}, "REMOVE x SET i = if_not_exists(i, :z) + :n",
                                    values={":z": 0, ":n": number})  # fmt: skip
            before = model.get(key, {"pk": pk, "sk": sk})
            model[key] = {**{k: v for k, v in before.items() if k != "x"}, "i": before.get("i", 0) + number}
        case ("delete", (pk, sk) as key):
            await table.delete_item({"pk": pk, "sk": sk})
            model.pop(key, None)
        case ("swap", (pk, sk) as one, other) if one != other:
            target = {"pk": other[0], "sk": other[1]}
            gone = Delete(table, {"pk": pk, "sk": sk}, condition="attribute_exists(pk)")
            actions: list[WriteAction] = [gone, Put(table, target)]
            try:
                await world.dynamodb.transact_write_items(actions)
            except TransactionCanceled:
                assert one not in model
            else:
                del model[one]
                model[other] = target
        case ("put until", (pk, sk) as key, seconds):
            item = {"pk": pk, "sk": sk, "until": int(world.clock.now()) + seconds}
            await table.put_item(item)
            model[key] = item
        case ("pass", seconds):
            await world.clock.advance(seconds)
            for key, item in list(model.items()):
                if item.get("until", 1e15) + 1 <= world.clock.now():
                    del model[key]
        case ("fail", (pk, sk), body):
            world.store.failing = FULL
            table.put_item_nowait({"pk": pk, "sk": sk, **body, "never": 1})
            with pytest.raises(StoreUnavailable):
                await table.put_item({"pk": pk, "sk": sk, "never": 2})
            world.store.failing = None
        case ("roll",):
            assert table.stream is not None
            table.stream.roll_shards()
            await world.bus.synced()


def check(world: World, model: dict[Any, Any]) -> None:
    """What the table shows in every way, and what its stream adds up to."""
    table = world.table
    assert table.stream is not None
    for pk in "ab":
        shown = table.query_nowait("pk = :p", values={":p": pk}).items
        assert shown == in_order(model, pk)
        by_until = table.query_nowait("pk = :p", values={":p": pk}, index="by-until").items
        dated = [item for item in in_order(model, pk) if "until" in item]
        assert by_until == sorted(dated, key=lambda item: (item["until"], item["sk"]))
    assert {(i["pk"], int(i["sk"])) for i in table.scan_nowait()} == model.keys()
    replayed: dict[Any, Any] = {}
    records = [record for shard in table.stream.shards() for record in shard.after(0, 10_000)]
    for record in sorted(records, key=lambda record: record.sequence):
        key = tuple(from_item(record.keys).values())
        assert replayed.pop(key, None) == (None if record.old is None else from_item(record.old))
        if record.new is not None:
            replayed[key] = from_item(record.new)
    assert replayed == model


@settings(max_examples=80, deadline=None)
@given(st.lists(OPERATIONS, max_size=25))
def test_a_table_is_what_was_done_to_it_and_its_stream_tells_how(operations: list[Operation]) -> None:
    """Nothing that failed is in either, whatever restarts and crashes come between."""

    async def run() -> None:
        store = MemoryStore()
        model: dict[Any, Any] = {}
        now, left = START, list(operations)
        while True:
            world = World(store, now)
            async with world.bus:
                await world.clock.advance(0)
                check(world, model)
                while left and left[0][0] not in ("restart", "crash"):
                    await act(world, model, left.pop(0))
                    await world.bus.synced()
                    check(world, model)
                now = world.clock.now()
                if left and left[0][0] == "crash":
                    store.crash()
            if not left:
                return
            left.pop(0)

    anyio.run(run)
