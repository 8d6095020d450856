"""With a store, positions and records survive: records are delivered at least once, and not all over again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eventbus import VirtualClock
from eventbus.faults import Faults
from eventbus.storage.errors import StoreUnavailable
from tests.polling.support import World, put, raises_on

pytestmark = pytest.mark.anyio


def world(path: Path, start: float = 0.0, **options: Any) -> World:
    """One process after another, with the same file."""
    return World(store=path / "bus.db", clock=VirtualClock(1_767_225_600.0 + start), **options)


async def test_a_mapping_goes_on_where_it_was(tmp_path: Path) -> None:
    """What was dealt with is not delivered again; what came after is."""
    one = world(tmp_path)
    stream = one.stream()
    one.function().poll(stream, starting_position="TRIM_HORIZON", grant=True)
    async with one.bus:
        await stream.put_record("a", "k")
        await stream.put_record("b", "k")
        await one.bus.wait_idle()
    two = world(tmp_path, 60)
    stream = two.stream()
    two.function().poll(stream, starting_position="TRIM_HORIZON", grant=True)
    async with two.bus:
        await stream.put_record("c", "k")
        await two.bus.wait_idle()
    assert (one.carried, two.carried) == (["a", "b"], ["c"])


async def test_what_was_not_dealt_with_is_delivered_after_a_restart(tmp_path: Path) -> None:
    """Also by a mapping that began at LATEST: its beginning was noted when it was made."""
    one = world(tmp_path)
    stream = one.stream()
    one.function(raises_on("a")).poll(stream, starting_position="LATEST", grant=True)
    async with one.bus:
        await stream.put_record("a", "k")
        await stream.put_record("b", "k")
        await one.advance(10)
    two = world(tmp_path, 60)
    two.function().poll(two.stream(), starting_position="LATEST", grant=True)
    async with two.bus:
        await two.bus.wait_idle()
    assert two.carried == ["a", "b"]


async def test_resharding_and_the_shards_survive(tmp_path: Path) -> None:
    """Parents before children, also across a restart."""
    one = world(tmp_path)
    stream = one.stream()
    async with one.bus:
        await stream.put_record("1", "k")
        stream.split_shard("shardId-000000000000", 2**127)
        await stream.put_record("2", "k")
    two = world(tmp_path, 60)
    stream = two.stream()
    two.function().poll(stream, starting_position="TRIM_HORIZON", grant=True)
    async with two.bus:
        assert stream.open_shard_count == 2
        await stream.put_record("3", "k")
        await two.bus.wait_idle()
    assert two.carried == ["1", "2", "3"]


async def test_the_state_of_a_window_survives(tmp_path: Path) -> None:
    """It belongs to the checkpoint."""

    def counting(world: World) -> Any:
        def behave(carried: list[str]) -> Any:
            return {"state": {"count": world.events[-1]["state"].get("count", 0) + len(carried)}}

        return behave

    one = world(tmp_path)
    stream = one.stream()
    one.function(counting(one)).poll(stream, starting_position="TRIM_HORIZON", tumbling_window=600, grant=True)
    async with one.bus:
        await stream.put_record("a", "k")
        await one.advance(1)
    two = world(tmp_path, 60)
    stream = two.stream()
    two.function(counting(two)).poll(stream, starting_position="TRIM_HORIZON", tumbling_window=600, grant=True)
    async with two.bus:
        await stream.put_record("b", "k")
        await two.bus.wait_idle()
    assert [(event["state"], event["isFinalInvokeForWindow"]) for event in two.events] == [
        ({"count": 1}, False),
        ({"count": 2}, True),
    ]


async def test_deleting_a_mapping_forgets_its_position(tmp_path: Path) -> None:
    """A new one begins where it is told to."""
    one = world(tmp_path)
    stream = one.stream()
    mapping = one.function().poll(stream, starting_position="TRIM_HORIZON", grant=True)
    async with one.bus:
        await stream.put_record("a", "k")
        await one.bus.wait_idle()
        mapping.delete()
        await one.bus.wait_idle()
    two = world(tmp_path, 60)
    two.function().poll(two.stream(), starting_position="TRIM_HORIZON", grant=True)
    async with two.bus:
        await two.bus.wait_idle()
    assert two.carried == ["a"]


async def test_records_whose_retention_has_ended_are_gone_after_a_restart(tmp_path: Path) -> None:
    """Nobody delivers them."""
    one = world(tmp_path)
    async with one.bus:
        stream = one.stream()
        await stream.put_record("a", "k")
    two = world(tmp_path, 24 * 3600 + 1)
    two.function().poll(two.stream(), starting_position="TRIM_HORIZON", grant=True)
    async with two.bus:
        await two.bus.wait_idle()
    assert two.carried == []


async def test_a_record_that_could_not_be_written_is_never_delivered(tmp_path: Path) -> None:
    """Whoever put it was told so."""
    one = world(tmp_path, faults=Faults(store_error=1.0))
    stream = one.stream()
    one.function().poll(stream, starting_position="LATEST", grant=True)
    refused = False
    try:
        async with one.bus:
            with pytest.raises(StoreUnavailable):
                await stream.put_record("a", "k")
            refused = True
            await one.advance(1)
    except Exception:
        pass  # nothing can be written at the end either
    assert refused
    assert one.carried == []


async def test_messages_of_a_queue_survive_their_poller(tmp_path: Path) -> None:
    """One that was not dealt with is delivered when it is visible again."""
    one = world(tmp_path)
    queue = one.sqs.create_queue("q")
    one.function(raises_on("a")).poll(queue, batch_size=1, grant=True)
    async with one.bus:
        await queue.send("a")
        await queue.send("b")
        await one.advance(10)
    two = world(tmp_path, 15)
    two.function().poll(two.sqs.create_queue("q"), grant=True)
    async with two.bus:
        await two.bus.wait_idle()
    assert (one.carried, two.calls) == (["a", "b"], [(15.0, ["a"])])


async def test_puts_before_others_are_written_keep_their_order(tmp_path: Path) -> None:
    """A record is read when it is safe, in the order of the puts, and a split waits for it."""
    one = world(tmp_path)
    stream = one.stream()
    one.function().poll(stream, starting_position="TRIM_HORIZON", batch_size=1, grant=True)
    async with one.bus:
        put(stream, "1", "2")
        stream.split_shard("shardId-000000000000", 2**127)
        put(stream, "3")
        await one.bus.synced()
        await one.bus.wait_idle()
    assert one.carried == ["1", "2", "3"]
