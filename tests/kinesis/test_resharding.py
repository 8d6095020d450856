"""Splitting and merging: hash keys stay covered, parents are named, records keep their order."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventbus import EventBus, VirtualClock
from triggers.kinesis import Kinesis, Stream, errors
from triggers.kinesis.hashing import HASH_KEYS, boundaries

FIRST, SECOND = "shardId-000000000000", "shardId-000000000001"


def open_ranges(stream: Stream) -> list[tuple[int, int]]:
    """The ranges of the open shards."""
    ranges = []
    for shard in stream.list_shards()["Shards"]:
        if "EndingSequenceNumber" not in shard["SequenceNumberRange"]:
            ranges.append((int(shard["HashKeyRange"]["StartingHashKey"]), int(shard["HashKeyRange"]["EndingHashKey"])))
    return sorted(ranges)


def is_complete(ranges: list[tuple[int, int]]) -> bool:
    """Whether every hash key belongs to exactly one of them."""
    ends = [-1, *(last for _, last in ranges)]
    return [first for first, _ in ranges] == [end + 1 for end in ends[:-1]] and ends[-1] == HASH_KEYS - 1


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.lists(st.integers(0, 100), max_size=8))
def test_any_resharding_leaves_every_hash_key_covered(shards: int, choices: list[int]) -> None:
    """By splits, merges and new counts in any order."""
    stream = Kinesis(EventBus(clock=VirtualClock(), seed=7)).create_stream("s", shards)
    for choice in choices:
        count = stream.open_shard_count
        if choice % 3 == 0:
            stream.update_shard_count(min(max(1, choice % 12 or 1, (count + 1) // 2), 2 * count))
        elif choice % 3 == 1 and count > 1:
            one, other = stream._open[choice % (count - 1)], stream._open[choice % (count - 1) + 1]
            stream.merge_shards(other.shard_id, one.shard_id)
        else:
            shard = stream._open[choice % count]
            stream.split_shard(shard.shard_id, (shard.first_hash + shard.last_hash + 1) // 2)
        assert is_complete(open_ranges(stream))
        assert stream.open_shard_count == len(open_ranges(stream))


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (3, 4), (4, 3), (5, 10), (10, 5), (7, 9), (4, 4)])
def test_a_new_count_makes_equal_shards(kinesis: Kinesis, before: int, after: int) -> None:
    """Whatever the old ranges were."""
    stream = kinesis.create_stream("s", before)
    stream.update_shard_count(after)
    assert [first for first, _ in open_ranges(stream)] == boundaries(after)


@pytest.mark.parametrize(("target", "error"), [(0, errors.InvalidArgument), (9, errors.LimitExceeded),
                                               (1, errors.LimitExceeded), (True, errors.InvalidArgument)])  # fmt: skip
def test_counts_that_cannot_be(kinesis: Kinesis, target: Any, error: type[Exception]) -> None:
    """More than double, less than half."""
    stream = kinesis.create_stream("s", 4)
    with pytest.raises(error):
        stream.update_shard_count(target)
    assert stream.open_shard_count == 4


def test_an_account_has_a_limit_of_open_shards(kinesis: Kinesis) -> None:
    """Of all its streams together, however they come about; what is refused has made nothing."""
    with pytest.raises(errors.LimitExceeded, match="this request: 1000000"):
        kinesis.create_stream("s", 1_000_000)
    assert "s" not in kinesis
    kinesis.create_stream("large", 19_990)
    stream = kinesis.create_stream("s", 9)
    with pytest.raises(errors.LimitExceeded, match=r"for the account: 19999\. Limit: 20000"):
        stream.update_shard_count(11)
    stream.update_shard_count(10)
    with pytest.raises(errors.LimitExceeded, match="this request: 1"):
        stream.split_shard(stream._open[0].shard_id, stream._open[0].first_hash + 5)
    assert stream.open_shard_count == 10
    stream.update_shard_count(5)


def test_a_count_goes_to_ten_thousand(kinesis: Kinesis) -> None:
    """Beyond that a stream is made so, or its shards are split one by one."""
    stream = kinesis.create_stream("s", 10_001)
    with pytest.raises(errors.LimitExceeded, match="cannot scale up to more than 10000 shards"):
        stream.update_shard_count(10_002)
    assert stream.open_shard_count == 10_001


def calls_of(work: Callable[[], object]) -> int:
    """How many calls and lines of a generator a piece of work is made of."""
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("work", ["create", "double", "halve"])
def test_twice_the_shards_are_twice_the_work(kinesis: Kinesis, work: str) -> None:
    """So that nobody stops the bus with a number."""

    def calls(name: str, shards: int) -> int:
        if work == "create":
            return calls_of(lambda: kinesis.create_stream(name, shards))
        stream = kinesis.create_stream(name, shards)
        return calls_of(lambda: stream.update_shard_count(2 * shards if work == "double" else shards // 2))

    assert calls("twice", 400) < 2.5 * calls("once", 200)


def test_children_name_their_parents(kinesis: Kinesis) -> None:
    """One after a split, two after a merge; the parents have an end."""
    stream = kinesis.create_stream("s", 2)
    stream.merge_shards(FIRST, SECOND)
    merged = stream.list_shards()["Shards"][2]
    assert (merged["ParentShardId"], merged["AdjacentParentShardId"]) == (FIRST, SECOND)
    stream.split_shard(merged["ShardId"], "77")
    left, right = stream.list_shards()["Shards"][3:]
    assert left["ParentShardId"] == right["ParentShardId"] == merged["ShardId"]
    assert (left["HashKeyRange"]["EndingHashKey"], right["HashKeyRange"]["StartingHashKey"]) == ("76", "77")
    assert all("EndingSequenceNumber" in shard["SequenceNumberRange"] for shard in stream.list_shards()["Shards"][:3])


def test_what_cannot_be_split_or_merged(kinesis: Kinesis) -> None:
    """A closed shard, an unknown one, a key outside, and two that do not touch."""
    stream = kinesis.create_stream("s", 3)
    with pytest.raises(errors.InvalidArgument, match="NewStartingHashKey 0 used in SplitShard"):
        stream.split_shard(FIRST, 0)
    with pytest.raises(errors.InvalidArgument, match="not an adjacent pair"):
        stream.merge_shards(FIRST, "shardId-000000000002")
    with pytest.raises(errors.InvalidArgument, match="not an adjacent pair"):
        stream.merge_shards(FIRST, FIRST)
    stream.split_shard(FIRST, 5)
    with pytest.raises(errors.ResourceInUse):
        stream.split_shard(FIRST, 5)
    with pytest.raises(errors.ShardNotFound):
        stream.split_shard("shardId-000000000099", 5)


@pytest.mark.anyio
async def test_the_end_of_a_shard_names_its_children(kinesis: Kinesis, bus: EventBus) -> None:
    """And there is no further iterator."""
    stream = kinesis.create_stream("s")
    async with bus:
        await stream.put_record("a", "k")
        iterator = stream.get_shard_iterator(FIRST, "TRIM_HORIZON")
        stream.split_shard(FIRST, 5)
        result = await stream.get_records(iterator)
    assert [record.data for record in result.records] == [b"a"]
    assert result.next_shard_iterator is None
    assert [(child["ShardId"], child["ParentShards"]) for child in result.child_shards] == [
        (SECOND, [FIRST]),
        ("shardId-000000000002", [FIRST]),
    ]


@pytest.mark.anyio
async def test_closed_shards_are_forgotten_when_their_records_are(
    kinesis: Kinesis, bus: EventBus, clock: VirtualClock
) -> None:
    """A day after they were closed."""
    stream = kinesis.create_stream("s")
    async with bus:
        await stream.put_record("a", "k")
        stream.split_shard(FIRST, 5)
        await clock.advance(24 * 3600 - 1)
        assert len(stream.list_shards()["Shards"]) == 3
        await clock.advance(1)
        assert [shard["ShardId"] for shard in stream.list_shards()["Shards"]] == [SECOND, "shardId-000000000002"]
