"""Streams: putting, reading by iterator, retention, limits, permissions."""

from __future__ import annotations

import hashlib
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from eventbus import EventBus, VirtualClock
from eventbus.delivery.targets import Message
from eventbus.errors import AccessDenied, ConfigurationError, EventBusError
from triggers import Schedule
from triggers.kinesis import Kinesis, PutFailure, PutRecordResult, Stream, errors
from triggers.kinesis.hashing import HASH_KEYS, boundaries, explicit, hash_key

pytestmark = pytest.mark.anyio

SERVICE = botocore.session.get_session().get_service_model("kinesis")
FIRST = "shardId-000000000000"
DAY = 24 * 3600


def data(result: Any) -> list[str]:
    return [record.data.decode() for record in result.records]


# -- shards and keys --------------------------------------------------------------------------------------------------


@given(st.text(min_size=1, max_size=20))
def test_a_partition_keys_hash_is_its_md5(key: str) -> None:
    """As a number of 128 bits."""
    assert hash_key(key) == int(hashlib.md5(key.encode()).hexdigest(), 16) < HASH_KEYS


@given(st.integers(1, 300))
def test_equal_shards_cover_every_hash_key(count: int) -> None:
    """From 0 on, without a gap, and none is more than one larger than another."""
    starts = boundaries(count)
    sizes = [behind - start for start, behind in zip(starts, [*starts[1:], HASH_KEYS], strict=True)]
    assert (starts[0], len(starts), sum(sizes)) == (0, count, HASH_KEYS)
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("text", ["", "-1", "01", "1.0", str(HASH_KEYS), "9" * 5000, "x", True, None])
def test_what_spells_no_hash_key(text: Any) -> None:
    """Out of range, or no whole number."""
    assert explicit(text) is None


async def test_one_key_goes_to_one_shard_and_an_explicit_hash_key_chooses_it(kinesis: Kinesis, bus: EventBus) -> None:
    """The last hash key belongs to the last shard."""
    stream = kinesis.create_stream("s", shards=4)
    async with bus:
        assert len({(await stream.put_record("x", "key")).shard_id for _ in range(5)}) == 1
        assert (await stream.put_record("x", "key", explicit_hash_key="0")).shard_id == FIRST
        last = await stream.put_record("x", "key", explicit_hash_key=str(HASH_KEYS - 1))
    assert last.shard_id == "shardId-000000000003"


async def test_sequence_numbers_grow_and_have_56_digits(stream: Stream, bus: EventBus) -> None:
    """Compared as integers."""
    async with bus:
        numbers = [(await stream.put_record("x", str(n))).sequence_number for n in range(20)]
    assert sorted(numbers, key=int) == numbers
    assert {len(number) for number in numbers} == {56}


# -- reading ----------------------------------------------------------------------------------------------------------


async def test_iterators_of_every_type(stream: Stream, bus: EventBus, clock: VirtualClock) -> None:
    """Each begins where its name says."""
    async with bus:
        stream.put_record_nowait("a", "k")
        await clock.advance(10)
        second = stream.put_record_nowait("b", "k").sequence_number
        at = clock.now()
        latest = stream.get_shard_iterator(FIRST, "LATEST")
        await clock.advance(10)
        stream.put_record_nowait("c", "k")

        async def read(kind: str, **options: Any) -> list[str]:
            return data(await stream.get_records(stream.get_shard_iterator(FIRST, kind, **options)))

        assert await read("TRIM_HORIZON") == ["a", "b", "c"]
        assert await read("AT_SEQUENCE_NUMBER", starting_sequence_number=second) == ["b", "c"]
        assert await read("AFTER_SEQUENCE_NUMBER", starting_sequence_number=second) == ["c"]
        assert await read("AT_TIMESTAMP", timestamp=at) == ["b", "c"]
        assert await read("AT_TIMESTAMP", timestamp=at + 1) == ["c"]
        assert data(await stream.get_records(latest)) == ["c"]


async def test_an_iterator_leads_to_the_next_and_says_how_far_behind_it_is(
    stream: Stream, bus: EventBus, clock: VirtualClock
) -> None:
    """In milliseconds; 0 at the tip, where answers are empty."""
    async with bus:
        stream.put_records_nowait([{"data": text, "partition_key": "k"} for text in "abc"])
        await clock.advance(5)
        first = await stream.get_records(stream.get_shard_iterator(FIRST, "TRIM_HORIZON"), limit=2)
        assert (data(first), first.millis_behind_latest) == (["a", "b"], 5000)
        assert first.next_shard_iterator is not None
        second = await stream.get_records(first.next_shard_iterator)
        assert (data(second), second.millis_behind_latest) == (["c"], 0)
        assert second.next_shard_iterator is not None
        assert data(await stream.get_records(second.next_shard_iterator)) == []


async def test_an_iterator_lives_for_five_minutes(stream: Stream, bus: EventBus, clock: VirtualClock) -> None:
    """Then it is refused with AWS's code."""
    async with bus:
        iterator = stream.get_shard_iterator(FIRST, "LATEST")
        await clock.advance(300)
        await stream.get_records(iterator)
        await clock.advance(1)
        with pytest.raises(errors.ExpiredIterator, match="tolerated delay of 300000 milliseconds"):
            await stream.get_records(iterator)


@pytest.mark.parametrize("text", ["", "AAAAAAAAAA", "AAAAAAAAAAAAAA", "x", None, 7, "AAAAAAAAAAé"])
async def test_a_text_that_is_no_iterator(stream: Stream, bus: EventBus, text: Any) -> None:
    """Is refused."""
    async with bus:
        with pytest.raises(errors.InvalidArgument, match=r"Invalid ShardIterator\."):
            await stream.get_records(text)


async def test_an_iterator_of_another_stream(kinesis: Kinesis, stream: Stream, bus: EventBus) -> None:
    """Is refused, naming whose it is."""
    other = kinesis.create_stream("other")
    async with bus:
        with pytest.raises(errors.InvalidArgument, match="stream/other"):
            await stream.get_records(other.get_shard_iterator(FIRST, "LATEST"))


@pytest.mark.parametrize(
    ("shard", "kind", "options", "error"),
    [
        ("shardId-000000000007", "LATEST", {}, errors.ShardNotFound),
        (FIRST, "NEWEST", {}, EventBusError),
        (FIRST, "AT_TIMESTAMP", {}, errors.InvalidArgument),
        (FIRST, "AT_SEQUENCE_NUMBER", {}, ConfigurationError),
        (FIRST, "AT_SEQUENCE_NUMBER", {"starting_sequence_number": "12"}, errors.InvalidArgument),
        (FIRST, "AT_SEQUENCE_NUMBER", {"starting_sequence_number": "abc"}, errors.InvalidArgument),
    ],
)
def test_iterators_that_cannot_be(stream: Stream, shard: str, kind: str, options: Any, error: type[Exception]) -> None:
    """Each is refused at once."""
    with pytest.raises(error):
        stream.get_shard_iterator(shard, kind, **options)


# -- retention --------------------------------------------------------------------------------------------------------


async def test_records_are_kept_for_the_retention(stream: Stream, bus: EventBus, clock: VirtualClock) -> None:
    """A day; longer when it is increased, and shorter at once when it is decreased."""
    async with bus:
        stream.put_record_nowait("a", "k")
        await clock.advance(DAY - 1)
        stream.increase_retention(2 * DAY)
        await clock.advance(3600)
        stream.put_record_nowait("b", "k")
        iterator = stream.get_shard_iterator(FIRST, "TRIM_HORIZON")
        assert data(await stream.get_records(iterator)) == ["a", "b"]
        stream.decrease_retention(DAY)
        assert data(await stream.get_records(iterator)) == ["b"]
        assert repr(stream) == "<Stream orders: 1 open shards, 1 records>"


@pytest.mark.parametrize("retention", [0, 3600, DAY + 1, 8761 * 3600, True, 1.5])
def test_retentions_that_cannot_be(kinesis: Kinesis, retention: Any) -> None:
    """Whole hours from 24 to 8,760."""
    with pytest.raises(errors.InvalidArgument):
        kinesis.create_stream("s", retention=retention)
    assert len(kinesis) == 0


def test_retention_is_increased_and_decreased_by_their_own_calls(stream: Stream) -> None:
    """The error names the other one."""
    with pytest.raises(errors.InvalidArgument, match=r"call increase_retention"):
        stream.decrease_retention(2 * DAY)
    stream.increase_retention(2 * DAY)
    with pytest.raises(errors.InvalidArgument, match=r"call decrease_retention"):
        stream.increase_retention(DAY)


# -- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "key", "explicit_hash_key"),
    [
        (b"x" * (2**20 + 1), "k", None),
        (b"x", "", None),
        (b"x", "k" * 257, None),
        (b"x", "k", str(HASH_KEYS)),
        ({"a": 1}, "k", None),
        (b"x", 7, None),
    ],
)
async def test_records_that_are_refused(
    stream: Stream, bus: EventBus, content: Any, key: Any, explicit_hash_key: Any
) -> None:
    """And nothing is put."""
    async with bus:
        with pytest.raises(EventBusError):
            await stream.put_record(content, key, explicit_hash_key=explicit_hash_key)
        entries = [{"data": "fine", "partition_key": "k"}, {"data": content, "partition_key": key}]
        if explicit_hash_key is None:
            with pytest.raises(EventBusError):
                await stream.put_records(entries)
        assert repr(stream).endswith(" 0 records>")


async def test_the_largest_record_is_taken(stream: Stream, bus: EventBus) -> None:
    """One MiB of data under a key of 256 characters."""
    async with bus:
        await stream.put_record(b"x" * 2**20, "k" * 256)


@pytest.mark.parametrize("entries", [[], [{"data": "x", "partition_key": "k"}] * 501, [{"data": "x"}], ["x"]])
async def test_batches_that_are_refused(stream: Stream, bus: EventBus, entries: Any) -> None:
    """None, more than 500, an entry without a key, something else."""
    async with bus:
        with pytest.raises(EventBusError):
            await stream.put_records(entries)


async def test_everything_is_taken_unless_throughput_limits_are_wanted(stream: Stream, bus: EventBus) -> None:
    """5,000 records at one instant of virtual time."""
    async with bus:
        for _ in range(10):
            result = await stream.put_records([{"data": "x", "partition_key": "k"}] * 500)
            assert result.failed_record_count == 0


async def test_throughput_limits(clock: VirtualClock) -> None:
    """1,000 records or 1 MiB in a second, and five reads; the next second takes more."""
    bus = EventBus(clock=clock, seed=7)
    stream = Kinesis(bus, throughput_limits=True).create_stream("s", shards=2)
    async with bus:
        for _ in range(2):
            await stream.put_records([{"data": "x", "partition_key": "k", "explicit_hash_key": "0"}] * 500)
        both = await stream.put_records(
            [
                {"data": "x", "partition_key": "k", "explicit_hash_key": "0"},
                {"data": "x", "partition_key": "k", "explicit_hash_key": HASH_KEYS - 1},
            ]
        )
        assert [type(record) for record in both.records] == [PutFailure, PutRecordResult]
        assert both.failed_record_count == 1
        with pytest.raises(errors.ProvisionedThroughputExceeded, match=f"^Rate exceeded for shard {FIRST} in stream s"):
            await stream.put_record("x", "k", explicit_hash_key=0)
        await clock.advance(1)
        await stream.put_record(b"x" * 2**20, "k", explicit_hash_key=0)
        with pytest.raises(errors.ProvisionedThroughputExceeded):
            await stream.put_record("x", "k", explicit_hash_key=0)
        iterator = stream.get_shard_iterator(FIRST, "TRIM_HORIZON")
        for _ in range(5):
            await stream.get_records(iterator, 1)
        with pytest.raises(errors.ProvisionedThroughputExceeded):
            await stream.get_records(iterator, 1)


# -- the service ------------------------------------------------------------------------------------------------------


def test_streams_by_name(kinesis: Kinesis, stream: Stream) -> None:
    """As in a mapping; a look-up that fails says what there is."""
    assert kinesis["orders"] is stream
    assert ("orders" in kinesis, list(kinesis), len(kinesis)) == (True, [stream], 1)
    with pytest.raises(errors.StreamNotFound, match=r"^Stream nope under account 123456789012 not found\.") as caught:
        kinesis["nope"]
    assert isinstance(caught.value, KeyError)
    with pytest.raises(errors.ResourceInUse, match="already exists"):
        kinesis.create_stream("orders")
    with pytest.raises(ConfigurationError, match="make Kinesis"):
        Kinesis(kinesis.bus)


@pytest.mark.parametrize(("name", "shards"), [("", 1), ("a b", 1), ("x" * 129, 1), (None, 1), ("s", 0), ("s", True)])
def test_streams_that_cannot_be(kinesis: Kinesis, name: Any, shards: Any) -> None:
    """And nothing is made."""
    with pytest.raises(EventBusError):
        kinesis.create_stream(name, shards)
    assert len(kinesis) == 0


async def test_a_deleted_stream_is_gone(kinesis: Kinesis, stream: Stream, bus: EventBus) -> None:
    """For writers, readers and mappings; the name can be used again."""
    async with bus:
        await stream.put_record("x", "k")
        kinesis.delete_stream("orders")
        with pytest.raises(errors.StreamNotFound):
            await stream.put_record("x", "k")
        with pytest.raises(errors.StreamNotFound):
            kinesis.delete_stream(stream)
        assert repr(kinesis.create_stream("orders")) == "<Stream orders: 1 open shards, 0 records>"


async def test_handlers_need_the_permission(kinesis: Kinesis, stream: Stream, bus: EventBus) -> None:
    """The error names the call that gives it."""

    async def handler(event: Any, context: Any) -> Any:
        return (await stream.put_record("x", "k")).shard_id

    function = bus.add_function("f", handler)
    async with bus:
        refused = await bus.invoke(function)
        assert refused.payload["errorType"] == AccessDenied.__name__
        assert (
            'bus.functions["f"].role.allow("kinesis:PutRecord", kinesis["orders"])' in refused.payload["errorMessage"]
        )
        function.role.allow("kinesis:PutRecord", stream)
        assert (await bus.invoke(function)).payload == FIRST


@pytest.mark.parametrize(
    ("operation", "call"),
    [
        ("ListShards", "list_shards"),
        ("DescribeStream", "describe_stream"),
        ("DescribeStreamSummary", "describe_stream_summary"),
    ],
)
def test_descriptions_have_the_shape_of_aws(kinesis: Kinesis, operation: str, call: str) -> None:
    """botocore's models accept them, also after resharding."""
    stream = kinesis.create_stream("s", shards=2)
    stream.merge_shards(FIRST, "shardId-000000000001")
    stream.split_shard("shardId-000000000002", 5)
    shape = SERVICE.operation_model(operation).output_shape
    assert shape is not None
    answer = getattr(stream, call)()
    for description in answer.values():
        if isinstance(description, dict):  # AWS itself answers an empty list where its model asks for one entry
            assert description.pop("EnhancedMonitoring") == [{"ShardLevelMetrics": []}]
            description["EnhancedMonitoring"] = []
    report = ParamValidator().validate(answer, shape)
    assert not report.has_errors(), report.generate_report()
    assert set(answer) <= set(shape.members)


def test_errors_have_codes_that_the_service_model_knows() -> None:
    """botocore raises what callers catch."""
    codes = {shape.name for name in SERVICE.operation_names for shape in SERVICE.operation_model(name).error_shapes}
    ours = {
        kind.code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.KinesisError)
    }
    assert ours <= codes


# -- as a target ------------------------------------------------------------------------------------------------------


async def test_a_schedule_puts_records(stream: Stream, bus: EventBus, clock: VirtualClock) -> None:
    """Under the key that it was given; without one records are spread."""
    Schedule(bus).create("tick", "rate(1 hour)", stream, partition_key="k", input={"n": 1}, grant=True)
    async with bus:
        await clock.advance(3600)
        sender = bus.source_of("events.amazonaws.com")
        for _ in range(2):
            stream.accept(Message("text", None), sender)
        records = stream.get_records_nowait(stream.get_shard_iterator(FIRST, "TRIM_HORIZON")).records
    assert (records[0].partition_key, records[0].data) == ("k", b'{"n": 1}')
    assert len({record.partition_key for record in records}) == 3


async def test_a_stream_lets_nobody_in_without_a_role(stream: Stream, kinesis: Kinesis, bus: EventBus) -> None:
    """It has no policy of its own; and one that is deleted takes nothing."""
    with pytest.raises(ConfigurationError, match=r'role\.allow\("kinesis:PutRecord", kinesis\["orders"\]\)'):
        stream.allow("events.amazonaws.com")
    assert bus.resource(stream.arn) is stream
    kinesis.delete_stream(stream)
    assert bus.find(stream.arn) is None
    with pytest.raises(errors.StreamNotFound):
        stream.accept(Message("text", None), bus.source_of("events.amazonaws.com"))
