"""Enhanced fan-out: consumers, and the subscriptions that push records to them."""

from __future__ import annotations

import re
from typing import Any

import anyio
import pytest

from eventbus import EventBus, VirtualClock
from eventbus.errors import BusNotRunning, ConfigurationError, InvalidParameterValue, ValidationFailed
from eventbus.testing import Recorder
from triggers.kinesis import Consumer, ConsumerNotFound, Kinesis, ResourceInUse, Stream, StreamNotFound, Subscription
from triggers.kinesis.errors import InvalidArgument, LimitExceeded, ShardNotFound
from triggers.kinesis.subscriptions import MOST_BYTES, may_take_over

pytestmark = pytest.mark.anyio

FIRST = "shardId-000000000000"


@pytest.fixture
def consumer(stream: Stream) -> Consumer:
    return stream.register_consumer("reader")


def data(event: Any) -> list[str]:
    return [record.data.decode() for record in event.records]


async def pushed(events: Subscription, count: int) -> list[list[str]]:
    return [data(await anext(events)) for _ in range(count)]


# -- consumers --------------------------------------------------------------------------------------------------------


async def test_a_consumer_is_registered_described_listed_and_deregistered(stream: Stream, bus: EventBus) -> None:
    """Active at once, with an ARN below its stream's; the stream counts it."""
    one, other = stream.register_consumer("b"), stream.register_consumer("a")
    assert re.fullmatch(re.escape(stream.arn) + r"/consumer/b:\d{10}", one.arn)
    assert one.describe() == {
        "ConsumerName": "b",
        "ConsumerARN": one.arn,
        "ConsumerStatus": "ACTIVE",
        "ConsumerCreationTimestamp": bus.clock.now(),
        "StreamARN": stream.arn,
    }
    assert [found["ConsumerName"] for found in stream.list_consumers()] == ["a", "b"]
    assert stream.describe_stream_summary()["StreamDescriptionSummary"]["ConsumerCount"] == 2
    other.deregister()
    assert list(stream.consumers) == ["b"]
    assert repr(one) == "<Consumer b of orders: 0 subscriptions>"
    with pytest.raises(ConsumerNotFound):
        stream.deregister_consumer("a")


async def test_names_are_taken_once_and_twenty_are_the_most(stream: Stream) -> None:
    """With AWS's errors."""
    for n in range(20):
        stream.register_consumer(f"c{n}")
    with pytest.raises(ResourceInUse, match="already exists"):
        stream.register_consumer("c1")
    with pytest.raises(LimitExceeded):
        stream.register_consumer("c20")
    for name in ("", "a b", "x" * 129, None):
        with pytest.raises(ValidationFailed):
            stream.register_consumer(name)  # type: ignore[arg-type]


async def test_a_stream_with_consumers_is_deleted_only_with_them(
    kinesis: Kinesis, stream: Stream, consumer: Consumer, bus: EventBus
) -> None:
    """Their subscriptions hear that the stream is gone."""
    async with bus:
        events = consumer.subscribe_to_shard(FIRST, "LATEST")
        with pytest.raises(ResourceInUse, match="enforce_consumer_deletion"):
            kinesis.delete_stream(stream)
        kinesis.delete_stream(stream, enforce_consumer_deletion=True)
        with pytest.raises(StreamNotFound):
            await anext(events)
        with pytest.raises(ConsumerNotFound):
            consumer.subscribe_to_shard(FIRST, "LATEST")


# -- subscriptions ----------------------------------------------------------------------------------------------------


async def test_records_are_pushed_as_they_come(stream: Stream, consumer: Consumer, bus: EventBus) -> None:
    """The first event comes at once, even without a record; each goes on where the one before has ended."""
    seen: list[list[str]] = []

    async def read(events: Subscription) -> None:
        async for event in events:
            seen.append(data(event))

    async with bus, anyio.create_task_group() as tasks:
        await stream.put_record("before", "k")
        with consumer.subscribe_to_shard(FIRST, "LATEST") as events:
            tasks.start_soon(read, events)
            await anyio.wait_all_tasks_blocked()
            assert seen == [[]]
            await stream.put_records([{"data": text, "partition_key": "k"} for text in ("1", "2")])
            await anyio.wait_all_tasks_blocked()
            await stream.put_record("3", "k")
            await anyio.wait_all_tasks_blocked()
            assert seen == [[], ["1", "2"], ["3"]]


async def test_every_starting_position(stream: Stream, consumer: Consumer, bus: EventBus, clock: VirtualClock) -> None:
    """All five, in AWS's meaning."""
    numbers: list[str] = []
    async with bus:
        for text in ("0", "1", "2"):
            numbers.append((await stream.put_record(text, "k")).sequence_number)
            await clock.advance(10)
        for position, given, found in (
            ("TRIM_HORIZON", {}, ["0", "1", "2"]),
            ("LATEST", {}, []),
            ("AT_SEQUENCE_NUMBER", {"sequence_number": numbers[1]}, ["1", "2"]),
            ("AFTER_SEQUENCE_NUMBER", {"sequence_number": numbers[1]}, ["2"]),
            ("AT_TIMESTAMP", {"timestamp": clock.now() - 20}, ["1", "2"]),
        ):
            with consumer.subscribe_to_shard(FIRST, position, **given) as events:
                assert data(await anext(events)) == found, position


async def test_a_subscription_goes_on_where_another_one_has_ended(
    stream: Stream, consumer: Consumer, bus: EventBus
) -> None:
    """The continuation number does it, also from a shard without records."""
    async with bus:
        for text in ("1", "2"):
            with consumer.subscribe_to_shard(FIRST, "TRIM_HORIZON") as events:
                number = (await anext(events)).continuation_sequence_number
            await stream.put_record(text, "k")
            for kind in ("AFTER_SEQUENCE_NUMBER", "AT_SEQUENCE_NUMBER"):
                with consumer.subscribe_to_shard(FIRST, kind, sequence_number=number) as events:
                    assert data(await anext(events))[-1:] == [text]


async def test_a_quiet_shard_sends_signs_of_life_for_five_minutes(
    consumer: Consumer, bus: EventBus, clock: VirtualClock
) -> None:
    """An empty event every five seconds; after five minutes the loop ends and nothing is left."""
    times: list[float] = []

    async def read(events: Subscription) -> None:
        async for event in events:
            assert (event.records, event.millis_behind_latest) == ((), 0)
            times.append(clock.elapsed)
        times.append(clock.elapsed)

    async with bus, anyio.create_task_group() as tasks:
        events = consumer.subscribe_to_shard(FIRST, "LATEST")
        tasks.start_soon(read, events)
        await anyio.wait_all_tasks_blocked()
        await clock.advance(400)
        assert times == [*range(0, 300, 5), 300]
        assert clock.next_due() is None
        assert repr(events) == f"<Subscription of reader to {FIRST}: closed>"


async def test_a_large_backlog_comes_in_pieces(
    stream: Stream, consumer: Consumer, bus: EventBus, clock: VirtualClock
) -> None:
    """At most 2 MiB in one event, and each says how far it is behind."""
    async with bus:
        for _ in range(5):
            await stream.put_record(bytes(MOST_BYTES // 2), "k")
        await clock.advance(2)
        with consumer.subscribe_to_shard(FIRST, "TRIM_HORIZON") as events:
            found = [await anext(events) for _ in range(3)]
        assert [(len(event.records), event.millis_behind_latest) for event in found] == [(2, 2000), (2, 2000), (1, 0)]


async def test_a_shard_that_was_split_ends_with_its_children(stream: Stream, consumer: Consumer, bus: EventBus) -> None:
    """The last event has no number to go on from, and names the children."""
    async with bus:
        await stream.put_record("last", "k")
        events = consumer.subscribe_to_shard(FIRST, "TRIM_HORIZON")
        stream.split_shard(FIRST, str(1 << 127))
        (event,) = [event async for event in events]
        assert data(event) == ["last"]
        assert event.continuation_sequence_number is None
        assert [child["ShardId"][-1] for child in event.child_shards] == ["1", "2"]


@pytest.mark.parametrize(("age", "gives_way"), [(0, False), (4.999, False), (5, True), (200, True)])
async def test_a_subscription_is_protected_for_five_seconds(age: float, gives_way: bool) -> None:
    """From then on another one takes over."""
    assert may_take_over(1000, 1000 + age) is gives_way


async def test_a_newer_subscription_takes_over(consumer: Consumer, bus: EventBus, clock: VirtualClock) -> None:
    """It is refused at first; later the earlier one gets the error. Another consumer is not concerned."""
    other = consumer.stream.register_consumer("other")
    async with bus:
        first = consumer.subscribe_to_shard(FIRST, "LATEST")
        with pytest.raises(ResourceInUse):
            consumer.subscribe_to_shard(FIRST, "LATEST")
        with other.subscribe_to_shard(FIRST, "LATEST") as events:
            assert await pushed(events, 1) == [[]]
        assert await pushed(first, 1) == [[]]
        await clock.advance(5)
        second = consumer.subscribe_to_shard(FIRST, "LATEST")
        with pytest.raises(ResourceInUse):
            await anext(first)
        assert [event async for event in first] == []
        assert await pushed(second, 1) == [[]]
        assert repr(consumer) == "<Consumer reader of orders: 1 subscriptions>"


async def test_one_that_was_closed_makes_room_at_once(consumer: Consumer, bus: EventBus) -> None:
    """Nothing of it is left: no timer, no watcher."""
    async with bus:
        for _ in range(3):
            with consumer.subscribe_to_shard(FIRST, "LATEST") as events:
                await anext(events)
        assert [event async for event in events] == []
        assert bus.clock.next_due() is None
        assert not consumer.stream._watchers
        assert len(consumer.stream._service.subscriptions) == 0


async def test_a_reader_hears_when_its_consumer_or_the_bus_goes(stream: Stream, bus: EventBus) -> None:
    """An error for the one, the end of the loop for the other."""
    ended: list[str] = []

    async def read(name: str, events: Subscription) -> None:
        try:
            async for _ in events:
                pass
        except ConsumerNotFound:
            name += " not found"
        ended.append(name)

    async with anyio.create_task_group() as tasks:
        async with bus:
            for name in ("deregistered", "left"):
                events = stream.register_consumer(name).subscribe_to_shard(FIRST, "LATEST")
                tasks.start_soon(read, name, events)
            await anyio.wait_all_tasks_blocked()
            stream.deregister_consumer("deregistered")
            await anyio.wait_all_tasks_blocked()
            assert ended == ["deregistered not found"]
        await anyio.wait_all_tasks_blocked()
        assert ended == ["deregistered not found", "left"]


async def test_a_handler_that_is_subscribed_lets_virtual_time_move(
    consumer: Consumer, bus: EventBus, clock: VirtualClock
) -> None:
    """It waits for records or time, and its role needs the permission on the consumer."""
    times: list[float] = []

    @bus.function
    async def reads(event: Any, context: Any) -> None:
        with consumer.subscribe_to_shard(FIRST, "LATEST") as events:
            for _ in range(3):
                await anext(events)
                times.append(clock.elapsed)

    reads.allow("events.amazonaws.com")
    async with bus:
        denied = await bus.invoke(reads)
        assert "kinesis:SubscribeToShard" in denied.payload["errorMessage"]
        reads.role.allow("kinesis:SubscribeToShard", consumer)
        await bus.push(reads, {}, source="events.amazonaws.com")
        await bus.wait_idle()
    assert times == [0, 5, 10]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (("shardId-000000000009", "LATEST"), ShardNotFound),
        ((FIRST, "SOMEWHERE"), ValidationFailed),
        ((FIRST, "AT_TIMESTAMP"), InvalidArgument),
        ((FIRST, "AT_SEQUENCE_NUMBER"), ConfigurationError),
    ],
)
async def test_what_is_refused(consumer: Consumer, bus: EventBus, given: Any, error: type[Exception]) -> None:
    """Nothing is reserved by it, and it needs a running bus."""
    with pytest.raises(BusNotRunning):
        consumer.subscribe_to_shard(*given)
    async with bus:
        with pytest.raises(error):
            consumer.subscribe_to_shard(*given)
        with pytest.raises(InvalidArgument, match="used in SubscribeToShard on shard"):
            consumer.subscribe_to_shard(FIRST, "AT_SEQUENCE_NUMBER", sequence_number="1")
        consumer.subscribe_to_shard(FIRST, "LATEST").close()


async def test_with_a_store_records_are_pushed_when_they_are_safe(tmp_path: Any) -> None:
    """And whoever put one of them has waited for the same."""
    bus = EventBus(clock=VirtualClock(), store=tmp_path / "bus.db")
    stream = Kinesis(bus).create_stream("orders")
    consumer = stream.register_consumer("reader")
    async with bus:
        with consumer.subscribe_to_shard(FIRST, "TRIM_HORIZON") as events:
            assert await pushed(events, 1) == [[]]
            stream.put_record_nowait("1", "k")
            assert await pushed(events, 1) == [["1"]]


# -- functions --------------------------------------------------------------------------------------------------------


async def test_a_function_polls_a_consumer(stream: Stream, consumer: Consumer, bus: EventBus) -> None:
    """Under the consumer's ARN, with the permission to subscribe; it ends with the consumer."""
    recorder = Recorder()
    function = bus.add_function("f", recorder)
    with pytest.raises(InvalidParameterValue, match=re.escape('role.allow(["kinesis:SubscribeToShard"]')):
        function.poll(consumer.arn, starting_position="TRIM_HORIZON")
    mapping = function.poll(consumer.arn, starting_position="TRIM_HORIZON", grant=True)
    assert mapping.describe()["EventSourceArn"] == consumer.arn
    async with bus:
        await stream.put_record("1", "k")
        await bus.wait_idle()
        consumer.deregister()
        await stream.put_record("2", "k")
        await bus.wait_idle()
    records = [record for event in recorder.events for record in event["Records"]]
    assert [record["eventSourceARN"] for record in records] == [consumer.arn]
    with pytest.raises(InvalidParameterValue):
        function.poll(consumer.arn, starting_position="LATEST")
