"""StartLiveTail and SubscribeToShard with boto3: in process from every kind of thread, and through the application."""

from __future__ import annotations

import gc
from collections.abc import MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import boto3
import pytest
from botocore.eventstream import EventStream, EventStreamBuffer
from botocore.exceptions import ClientError, EventStreamError

from eventbus import EventBus, VirtualClock
from tests.aws.test_services import refusal
from triggers import Kinesis
from triggers.aws import AWS, App
from triggers.aws.http import Request
from triggers.kinesis import Stream

GROUP = "arn:aws:logs:us-east-1:123456789012:log-group:app"
FIRST = "shardId-000000000000"
LATEST = {"Type": "LATEST"}


@pytest.fixture
def stream(bus: EventBus) -> Stream:
    bus.logs.create_log_group("app")
    bus.logs.create_log_stream("app", "web")
    return Kinesis(bus).create_stream("clicks")


@pytest.fixture
def clock(bus: EventBus) -> VirtualClock:
    assert isinstance(bus.clock, VirtualClock)
    return bus.clock


def texts(event: Any) -> list[str]:
    return [record["Data"].decode() for record in event["SubscribeToShardEvent"]["Records"]]


def write(bus: EventBus, *messages: str) -> None:
    bus.logs.put_log_events("app", "web", [(bus.clock.now(), message) for message in messages])


def sessions(bus: EventBus) -> int:
    return len(bus.logs._sessions)


# -- a plain test, whose bus runs in a thread of its own ---------------------------------------------------------------


class TestPlain:
    @pytest.fixture
    def logs(self, stream: Stream, aws: AWS) -> Any:
        return boto3.client("logs", region_name="us-east-1")

    @pytest.fixture
    def kinesis(self, stream: Stream, aws: AWS) -> Any:
        return boto3.client("kinesis", region_name="us-east-1")

    def test_a_live_tail_starts_and_shows_what_is_written(self, logs: Any, bus: EventBus, clock: VirtualClock) -> None:
        answer = logs.start_live_tail(logGroupIdentifiers=[GROUP], logEventFilterPattern="ERROR")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
        events = iter(answer["responseStream"])
        start = next(events)["sessionStart"]
        assert start["logGroupIdentifiers"] == [GROUP]
        assert start["logEventFilterPattern"] == "ERROR"
        assert start["sessionId"] != start["requestId"]
        at = int(clock.now() * 1000)
        written = [{"timestamp": at, "message": text} for text in ("INFO 1", "ERROR 2")]
        logs.put_log_events(logGroupName="app", logStreamName="web", logEvents=written)
        bus.from_thread(clock.advance, 2)
        event = {"logStreamName": "web", "logGroupIdentifier": GROUP, "message": "ERROR 2"}
        assert [next(events)["sessionUpdate"] for _ in range(2)] == [
            {
                "sessionMetadata": {"sampled": False},
                "sessionResults": [{**event, "timestamp": at, "ingestionTime": at}],
            },
            {"sessionMetadata": {"sampled": False}, "sessionResults": []},
        ]
        answer["responseStream"].close()
        assert list(events) == []
        assert logs.describe_log_groups()["logGroups"]
        assert sessions(bus) == 0

    def test_a_live_tail_times_out_with_an_exception_in_the_stream(
        self, logs: Any, bus: EventBus, clock: VirtualClock
    ) -> None:
        answer = logs.start_live_tail(logGroupIdentifiers=[GROUP])
        bus.from_thread(clock.advance, 3 * 3600)
        with pytest.raises(EventStreamError, match="SessionTimeoutException"):
            list(answer["responseStream"])

    def test_a_live_tail_that_is_refused_has_awss_code(self, logs: Any) -> None:
        start, invalid = logs.start_live_tail, ("InvalidParameterException", 400)
        for wrong in ("app", f"{GROUP}:*", "arn:aws:s3:::app"):
            assert refusal(start, logGroupIdentifiers=[wrong]) == invalid
        for missing in (f"{GROUP}2", GROUP.replace("us-east-1", "eu-west-1")):
            assert refusal(start, logGroupIdentifiers=[missing]) == ("ResourceNotFoundException", 400)
        assert refusal(start, logGroupIdentifiers=[GROUP] * 11) == invalid
        assert refusal(start, logGroupIdentifiers=[GROUP], logEventFilterPattern='"') == invalid
        both = {"logStreamNames": ["a"], "logStreamNamePrefixes": ["b"]}
        assert refusal(start, logGroupIdentifiers=[GROUP], **both) == invalid
        open_ones = [start(logGroupIdentifiers=[GROUP]) for _ in range(15)]
        assert refusal(start, logGroupIdentifiers=[GROUP]) == ("LimitExceededException", 400)
        open_ones[0]["responseStream"].close()
        start(logGroupIdentifiers=[GROUP])

    def test_a_stream_that_nobody_holds_any_more_is_closed(self, logs: Any, bus: EventBus) -> None:
        logs.start_live_tail(logGroupIdentifiers=[GROUP])
        gc.collect()
        logs.describe_log_groups()
        assert sessions(bus) == 0

    def test_consumers_are_registered_described_listed_and_deregistered(self, kinesis: Any, stream: Stream) -> None:
        made = kinesis.register_stream_consumer(StreamARN=stream.arn, ConsumerName="b", Tags={"team": "blue"})
        arn = made["Consumer"]["ConsumerARN"]
        kinesis.register_stream_consumer(StreamARN=stream.arn, ConsumerName="a")
        for named in ({"ConsumerARN": arn}, {"StreamARN": stream.arn, "ConsumerName": "b"}):
            found = kinesis.describe_stream_consumer(**named)["ConsumerDescription"]
            assert found == {**made["Consumer"], "StreamARN": stream.arn}
        assert kinesis.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "team", "Value": "blue"}]
        pages = kinesis.get_paginator("list_stream_consumers").paginate(
            StreamARN=stream.arn, PaginationConfig={"PageSize": 1}
        )
        assert [one["ConsumerName"] for page in pages for one in page["Consumers"]] == ["a", "b"]
        assert refusal(kinesis.delete_stream, StreamName="clicks") == ("ResourceInUseException", 400)
        kinesis.deregister_stream_consumer(ConsumerARN=arn)
        missing = ("ResourceNotFoundException", 400)
        assert refusal(kinesis.describe_stream_consumer, ConsumerARN=arn) == missing
        assert refusal(kinesis.describe_stream_consumer) == ("InvalidArgumentException", 400)
        again = {"StreamARN": stream.arn, "ConsumerName": "a"}
        assert refusal(kinesis.register_stream_consumer, **again) == ("ResourceInUseException", 400)
        kinesis.delete_stream(StreamName="clicks", EnforceConsumerDeletion=True)

    def test_records_are_pushed(self, kinesis: Any, stream: Stream, bus: EventBus, clock: VirtualClock) -> None:
        arn = stream.register_consumer("reader").arn
        put = kinesis.put_record(StreamName="clicks", Data=b"1", PartitionKey="p")
        bus.from_thread(clock.advance, 1)
        answer = kinesis.subscribe_to_shard(ConsumerARN=arn, ShardId=FIRST, StartingPosition={"Type": "TRIM_HORIZON"})
        events = iter(answer["EventStream"])
        event = next(events)["SubscribeToShardEvent"]
        (record,) = event["Records"]
        assert (record["Data"], record["PartitionKey"]) == (b"1", "p")
        assert record["SequenceNumber"] == event["ContinuationSequenceNumber"] == put["SequenceNumber"]
        assert record["ApproximateArrivalTimestamp"].timestamp() == clock.now() - 1
        assert event["MillisBehindLatest"] == 0
        kinesis.put_record(StreamName="clicks", Data=b"2", PartitionKey="p")
        assert texts(next(events)) == ["2"]
        bus.from_thread(clock.advance, 300)
        assert [texts(event) for event in events] in ([], [[]])

    def test_every_starting_position_over_the_wire(self, kinesis: Any, stream: Stream, clock: VirtualClock) -> None:
        puts = [kinesis.put_record(StreamName="clicks", Data=text, PartitionKey="p") for text in (b"1", b"2")]
        arn, number = stream.register_consumer("reader").arn, puts[0]["SequenceNumber"]
        for position, found in (
            ({"Type": "TRIM_HORIZON"}, ["1", "2"]),
            ({"Type": "LATEST"}, []),
            ({"Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": number}, ["1", "2"]),
            ({"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": number}, ["2"]),
            ({"Type": "AT_TIMESTAMP", "Timestamp": clock.now()}, ["1", "2"]),
        ):
            answer = kinesis.subscribe_to_shard(ConsumerARN=arn, ShardId=FIRST, StartingPosition=position)
            assert texts(next(iter(answer["EventStream"]))) == found
            answer["EventStream"].close()

    def test_a_takeover_ends_the_earlier_stream(
        self, kinesis: Any, stream: Stream, bus: EventBus, clock: VirtualClock
    ) -> None:
        wanted = {"ConsumerARN": stream.register_consumer("reader").arn, "ShardId": FIRST, "StartingPosition": LATEST}
        first = kinesis.subscribe_to_shard(**wanted)["EventStream"]
        assert refusal(kinesis.subscribe_to_shard, **wanted) == ("ResourceInUseException", 400)
        bus.from_thread(clock.advance, 5)
        second = kinesis.subscribe_to_shard(**wanted)["EventStream"]
        with pytest.raises(EventStreamError, match="ResourceInUseException"):
            list(first)
        assert texts(next(iter(second))) == []

    def test_a_subscription_that_is_refused_has_awss_code(self, kinesis: Any, stream: Stream) -> None:
        arn = stream.register_consumer("reader").arn
        start = partial(kinesis.subscribe_to_shard, StartingPosition=LATEST)
        missing = ("ResourceNotFoundException", 400)
        assert refusal(start, ConsumerARN=f"{arn}0", ShardId=FIRST) == missing
        assert refusal(start, ConsumerARN=arn.replace("clicks", "none"), ShardId=FIRST) == missing
        assert refusal(start, ConsumerARN=arn, ShardId=f"{FIRST[:-1]}7") == missing
        assert refusal(start, ConsumerARN=arn, ShardId=FIRST, DryRun=True) == ("DryRunOperationException", 400)
        start(ConsumerARN=arn, ShardId=FIRST)

    def test_leaving_the_block_ends_what_is_open(self, bus: EventBus, stream: Stream) -> None:
        with AWS(bus):
            logs = boto3.client("logs", region_name="us-east-1")
            events = iter(logs.start_live_tail(logGroupIdentifiers=[GROUP])["responseStream"])
            next(events)
        assert list(events) == []

    def test_leaving_the_block_ends_what_another_thread_waits_for(self, bus: EventBus, stream: Stream) -> None:
        wanted = {"ConsumerARN": stream.register_consumer("reader").arn, "ShardId": FIRST, "StartingPosition": LATEST}
        with ThreadPoolExecutor() as threads:
            with AWS(bus):
                answers = opened("start_live_tail", logGroupIdentifiers=[GROUP]), opened("subscribe_to_shard", **wanted)
                begun = [iter(answer) for answer in answers]
                for events in begun:
                    next(events)
                ends = [threads.submit(list, events) for events in begun]
            assert [end.result() for end in ends] == [[], []]


# -- on the event loop, in a thread beside it, and in handlers ---------------------------------------------------------


def opened(operation: str, **wanted: Any) -> Any:
    service = "logs" if operation == "start_live_tail" else "kinesis"
    answer = getattr(boto3.client(service, region_name="us-east-1"), operation)(**wanted)
    return answer["responseStream" if service == "logs" else "EventStream"]


@pytest.mark.anyio
async def test_a_thread_iterates_while_the_bus_runs_in_its_loop(
    bus: EventBus, aws: AWS, stream: Stream, clock: VirtualClock
) -> None:
    consumer = stream.register_consumer("reader")
    seen: list[list[str]] = []
    started = anyio.Event()

    def read() -> None:
        events = opened("subscribe_to_shard", ConsumerARN=consumer.arn, ShardId=FIRST, StartingPosition=LATEST)
        for event in events:
            seen.append(texts(event))
            bus.from_thread(tell)
            if len(seen) == 2:
                events.close()

    async def tell() -> None:
        started.set()

    async with bus:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, read)
            await started.wait()
            await stream.put_record("1", "k")
        assert seen == [[], ["1"]]
        assert repr(consumer) == "<Consumer reader of clicks: 0 subscriptions>"


@pytest.mark.anyio
async def test_on_the_event_loops_own_thread_the_error_says_what_to_do(bus: EventBus, aws: AWS, stream: Stream) -> None:
    consumer = stream.register_consumer("reader")
    async with bus:
        with pytest.raises(ClientError, match=r"anyio\.to_thread\.run_sync.*bus\.logs\.live_tail\(\['app'\]\)"):
            opened("start_live_tail", logGroupIdentifiers=[GROUP])
        wanted = {"ConsumerARN": consumer.arn, "ShardId": FIRST, "StartingPosition": LATEST}
        with pytest.raises(ClientError, match=r"kinesis\[\"clicks\"\]\.consumers\[\"reader\"\]\.subscribe_to_shard"):
            opened("subscribe_to_shard", **wanted)
        assert sessions(bus) == 0
        events = await anyio.to_thread.run_sync(partial(opened, "subscribe_to_shard", **wanted))
        with pytest.raises(Exception, match="cannot wait for the events of a stream"):
            next(iter(events))


@pytest.mark.anyio
async def test_a_handler_in_a_thread_tails_as_its_role(bus: EventBus, aws: AWS, stream: Stream) -> None:
    seen: list[str] = []

    @bus.function
    def tails(event: Any, context: Any) -> None:
        answer = opened("start_live_tail", logGroupIdentifiers=[GROUP])
        events = iter(answer)
        seen.extend(kind for _ in range(4) for kind in next(events))
        answer.close()

    tails.allow("events.amazonaws.com")
    async with bus:
        denied = await bus.invoke(tails)
        assert "AccessDeniedException" in denied.payload["errorMessage"]
        tails.role.allow("logs:StartLiveTail", f"{GROUP}:*")
        await bus.push(tails, {}, source="events.amazonaws.com")
        await bus.wait_idle()
        assert seen == ["sessionStart", *["sessionUpdate"] * 3]
        assert sessions(bus) == 0


# -- through the application, without a socket -------------------------------------------------------------------------


def head_of(target: str) -> dict[str, str]:
    """The headers that make a request one for an operation."""
    scope = f"Credential=test/20260101/us-east-1/{target.partition('_')[0].lower()}/aws4_request"
    signed = f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature={'0' * 64}"
    return {"x-amz-target": target, "authorization": signed}


class Client:
    """One request to an ASGI application, whose answer is taken piece by piece, and which can hang up."""

    def __init__(self, app: App, target: str, body: bytes) -> None:
        self._app = app
        headers = {"host": "stream-localhost", **head_of(target)}
        self._head = [(name.encode(), value.encode()) for name, value in headers.items()]
        self._body = body
        self._has_gone = anyio.Event()
        self._was_read = False
        self._buffer: Any = EventStreamBuffer()
        self._messages: list[Any] = []
        self._send_pieces, self._pieces = anyio.create_memory_object_stream[bytes](0)
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.is_done = False
        self.fault: type[Exception] | None = None

    async def run(self) -> None:
        scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/", "query_string": b""}
        with self._send_pieces:
            try:
                await self._app({**scope, "headers": self._head}, self._receive, self._send)
            except ArithmeticError as fault:
                self.fault = type(fault)
        self.is_done = True

    async def _receive(self) -> MutableMapping[str, Any]:
        if not self._was_read:
            self._was_read = True
            return {"type": "http.request", "body": self._body}
        await self._has_gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        elif message["body"]:
            await self._send_pieces.send(message["body"])

    def hang_up(self) -> None:
        self._has_gone.set()
        self._pieces.close()

    async def message(self) -> tuple[str, bytes]:
        """The next message as botocore's parser reads it: its kind, and its payload. Raises EndOfStream."""
        while not self._messages:
            piece = await self._pieces.receive()
            assert self.status == 200, piece
            self._buffer.add_data(piece)
            self._messages.extend(self._buffer)
        message = self._messages.pop(0)
        return message.headers.get(":event-type") or message.headers[":exception-type"], message.payload


TAIL = b'{"logGroupIdentifiers": ["' + GROUP.encode() + b'"]}'


@pytest.mark.anyio
async def test_a_client_that_hangs_up_ends_the_session_at_once(
    bus: EventBus, stream: Stream, clock: VirtualClock
) -> None:
    async with bus, anyio.create_task_group() as tasks:
        client = Client(App(bus), "Logs_20140328.StartLiveTail", TAIL)
        tasks.start_soon(client.run)
        assert [(await client.message())[0] for _ in range(2)] == ["initial-response", "sessionStart"]
        assert (client.status, client.headers[b"Content-Type"]) == (200, b"application/vnd.amazon.eventstream")
        assert b"Content-Length" not in client.headers
        await anyio.wait_all_tasks_blocked()
        assert sessions(bus) == 1
        client.hang_up()
        await anyio.wait_all_tasks_blocked()
        assert (client.is_done, sessions(bus), clock.next_due()) == (True, 0, None)


@pytest.mark.anyio
async def test_an_answer_that_nobody_takes_is_closed(bus: EventBus, stream: Stream) -> None:
    request = Request("POST", "/", "", head_of("Logs_20140328.StartLiveTail"), TAIL)
    async with bus:
        response = await App(bus).front.answer(request)
        assert (response.status, sessions(bus)) == (200, 1)
        del response
        await anyio.wait_all_tasks_blocked()
        assert sessions(bus) == 0


@pytest.mark.anyio
async def test_a_client_that_does_not_read_costs_no_more_than_ten_updates(
    bus: EventBus, stream: Stream, clock: VirtualClock
) -> None:
    async with bus, anyio.create_task_group() as tasks:
        client = Client(App(bus), "Logs_20140328.StartLiveTail", TAIL)
        tasks.start_soon(client.run)
        for _ in range(2):
            await client.message()
        await anyio.wait_all_tasks_blocked()
        for n in range(100):
            write(bus, str(n))
            await clock.advance(1)
            await anyio.wait_all_tasks_blocked()
        (session,) = bus.logs._sessions
        assert repr(session) == "<LiveTail of app: open, 10 updates waiting>"
        seen = [await client.message() for _ in range(11)]  # the one that is being sent, and those that wait
        assert [b'"%d"' % n in payload for n, (_, payload) in zip([0, *range(90, 100)], seen, strict=True)] == [
            True
        ] * 11
        client.hang_up()


@pytest.mark.anyio
async def test_a_fault_in_the_middle_breaks_the_answer_off_and_leaves_nothing(
    bus: EventBus, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = stream.register_consumer("reader")

    def fails(*given: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr("triggers.aws.services.kinesis_consumers._pushed", fails)
    body = b'{"ConsumerARN": "%s", "ShardId": "%s", "StartingPosition": {"Type": "LATEST"}}'
    client = Client(App(bus), "Kinesis_20131202.SubscribeToShard", body % (consumer.arn.encode(), FIRST.encode()))
    async with bus:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.run)
            assert (await client.message())[0] == "initial-response"
            with pytest.raises(anyio.EndOfStream):
                await client.message()
            client.hang_up()
        assert client.fault is ZeroDivisionError
        assert repr(consumer) == "<Consumer reader of clicks: 0 subscriptions>"


def test_what_botocore_calls_a_stream_is_one(stream: Stream, aws: AWS) -> None:
    assert isinstance(opened("start_live_tail", logGroupIdentifiers=[GROUP]), EventStream)
