"""A queue on a running bus: sending, receiving, waiting, dead letters, permissions."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import anyio
import pytest

from eventbus.bus import EventBus
from eventbus.clock import SystemClock, VirtualClock
from eventbus.errors import AccessDenied, BusNotRunning, ConfigurationError
from triggers.sqs import (
    SQS,
    InvalidParameterValue,
    Queue,
    QueueDoesNotExist,
    QueueNameExists,
    ReceiptHandleIsInvalid,
    ReceivedMessage,
)

pytestmark = pytest.mark.anyio


async def bodies(queue: Queue, count: int = 10, **options: Any) -> list[str]:
    return [message.body for message in await queue.receive(count, **options)]


async def test_a_message_is_hidden_until_its_time_out_and_gone_when_deleted(
    bus: EventBus, sqs: SQS, clock: VirtualClock
) -> None:
    queue = sqs.create_queue("q", visibility_timeout=10)
    async with bus:
        sent = await queue.send('{"n": 1}', attributes={"size": 3})
        [message] = await queue.receive(10)
        assert message.message_id == sent.message_id
        assert message.json() == {"n": 1}
        assert message.md5_of_body == hashlib.md5(b'{"n": 1}').hexdigest() == sent.md5_of_body
        assert message.message_attributes == {"size": {"DataType": "Number", "StringValue": "3"}}
        assert dict(message.attributes) == {
            "SenderId": sqs.owner_id,
            "SentTimestamp": "1767225600000",
            "ApproximateReceiveCount": "1",
            "ApproximateFirstReceiveTimestamp": "1767225600000",
        }
        assert await queue.receive(10) == []
        assert repr(queue) == "<Queue q: 0 visible, 1 in flight, 0 delayed>"
        await clock.advance(9.9)
        assert await queue.receive(10) == []
        await clock.advance(0.1)
        [again] = await queue.receive(10)
        assert again.receive_count == 2
        assert again.receipt_handle != message.receipt_handle
        await queue.delete(message)  # an old handle deletes nothing
        assert queue.statistics().in_flight == 1
        await queue.delete(again.receipt_handle)
        await queue.delete(again)  # gone already: fine
        assert queue.statistics().total == 0


async def test_a_delayed_message_is_not_seen_before_its_time(bus: EventBus, sqs: SQS, clock: VirtualClock) -> None:
    queue = sqs.create_queue("q", delay_seconds=5)
    async with bus:
        await queue.send("by the queue")
        await queue.send("by itself", delay_seconds=1)
        await queue.send("now", delay_seconds=0)
        assert await bodies(queue) == ["now"]
        assert queue.statistics().delayed == 2
        await clock.advance(5)
        assert await bodies(queue) == ["by itself", "by the queue"]


async def test_messages_are_handed_out_in_the_order_in_which_they_became_visible(
    bus: EventBus, sqs: SQS, clock: VirtualClock
) -> None:
    queue = sqs.create_queue("q", visibility_timeout=10)
    async with bus:
        await queue.send("back at 10")
        await queue.receive()
        await clock.advance(12)
        await queue.send("sent at 12")
        assert await bodies(queue) == ["back at 10", "sent at 12"]


async def test_a_message_that_was_kept_too_long_is_dropped(bus: EventBus, sqs: SQS, clock: VirtualClock) -> None:
    queue = sqs.create_queue("q", message_retention=60)
    async with bus:
        await queue.send("old")
        await clock.advance(30)
        await queue.send("young")
        assert queue.statistics().oldest_age == 30
        await clock.advance(30)
        assert await bodies(queue) == ["young"]


async def test_a_waiting_receiver_wakes_when_something_is_sent(bus: EventBus, sqs: SQS, clock: VirtualClock) -> None:
    queue = sqs.create_queue("q")
    found: list[tuple[float, str]] = []

    async def wait() -> None:
        for body in await bodies(queue, wait=20):
            found.append((clock.elapsed, body))

    async with bus, anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        await clock.advance(3)
        await queue.send("hello")
        await anyio.wait_all_tasks_blocked()
        assert found == [(3, "hello")]


async def test_a_waiting_receiver_wakes_when_a_time_out_ends(bus: EventBus, sqs: SQS, clock: VirtualClock) -> None:
    """Also if the one who would have known of it has left meanwhile."""
    queue = sqs.create_queue("q", visibility_timeout=10)
    found: list[tuple[str, float, list[str]]] = []

    async def wait(name: str, seconds: int) -> None:
        got = await bodies(queue, wait=seconds)
        found.append((name, clock.elapsed, got))

    async with bus, anyio.create_task_group() as tasks:
        await queue.send("m")
        await queue.receive()
        tasks.start_soon(wait, "short", 4)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(wait, "long", 20)
        await anyio.wait_all_tasks_blocked()
        for _ in range(12):
            await clock.advance(1)
            await anyio.wait_all_tasks_blocked()
        assert found == [("short", 4, []), ("long", 10, ["m"])]


async def test_no_wake_up_is_lost_with_a_cancelled_receiver(bus: EventBus, sqs: SQS) -> None:
    queue = sqs.create_queue("q")
    found: list[str] = []

    async def wait() -> None:
        found.extend(await bodies(queue, wait=20))

    async with bus, anyio.create_task_group() as tasks:
        first = anyio.CancelScope()

        async def doomed() -> None:
            with first:
                await queue.receive(wait=20)

        tasks.start_soon(doomed)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        first.cancel()
        queue.send_nowait("m")  # wakes the first, who is still in line and will not look any more
        await anyio.wait_all_tasks_blocked()
        assert found == ["m"]


async def test_a_receiver_that_waits_in_vain_gets_nothing_in_the_end(
    sqs: SQS, bus: EventBus, clock: VirtualClock
) -> None:
    queue = sqs.create_queue("q", receive_wait=20)
    async with bus, anyio.create_task_group() as tasks:
        answers: list[list[ReceivedMessage]] = []

        async def wait() -> None:
            answers.append(await queue.receive())

        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        await clock.advance(19)
        await anyio.wait_all_tasks_blocked()
        assert answers == []
        await clock.advance(1)
        await anyio.wait_all_tasks_blocked()
        assert answers == [[]]


async def test_real_time_works_as_well() -> None:
    bus = EventBus(clock=SystemClock())
    queue = SQS(bus).create_queue("q")
    async with bus, anyio.create_task_group() as tasks:
        tasks.start_soon(queue.send, "m")
        with anyio.fail_after(5):
            assert await bodies(queue, wait=20) == ["m"]


async def test_a_message_received_too_often_moves_to_the_dead_letter_queue(bus: EventBus, sqs: SQS) -> None:
    dead = sqs.create_queue("dead")
    queue = sqs.create_queue("q", visibility_timeout=0, dead_letter=dead, max_receive_count=2)
    async with bus:
        sent = await queue.send("poison")
        assert await bodies(queue) == ["poison"]
        assert await bodies(queue) == ["poison"]
        assert await bodies(queue) == []
        [letter] = await dead.receive()
        assert letter.message_id == sent.message_id
        assert letter.attributes["DeadLetterQueueSourceArn"] == queue.arn
        assert letter.receive_count == 1
        assert queue.statistics().total == 0
        assert "received 2 times from q" in str(bus.trace)


async def test_without_its_dead_letter_queue_a_message_stays(bus: EventBus, sqs: SQS) -> None:
    dead = sqs.create_queue("dead")
    queue = sqs.create_queue("q", visibility_timeout=0, dead_letter=dead, max_receive_count=1)
    async with bus:
        await queue.send("m")
        sqs.delete_queue("dead")
        for _ in range(3):
            assert await bodies(queue) == ["m"]


async def test_a_fifo_queue_keeps_the_order_of_each_group(bus: EventBus, sqs: SQS) -> None:
    queue = sqs.create_queue("q.fifo", fifo=True, content_based_deduplication=True)
    async with bus:
        for group, body in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("a", "a3")]:
            await queue.send(body, group_id=group)
        [first] = await queue.receive()
        assert first.body == "a1"
        assert await bodies(queue) == ["b1"]  # a is locked
        await queue.delete(first)
        assert await bodies(queue) == ["a2", "a3"]
        sequence = first.attributes["SequenceNumber"]
        assert (len(sequence), sequence.isdigit()) == (20, True)
        assert first.attributes["MessageDeduplicationId"] == hashlib.sha256(b"a1").hexdigest()


async def test_a_waiting_receiver_gets_the_next_of_a_group_when_the_lock_ends(bus: EventBus, sqs: SQS) -> None:
    queue = sqs.create_queue("q.fifo", fifo=True, content_based_deduplication=True)
    found: list[str] = []

    async def wait() -> None:
        found.extend(await bodies(queue, wait=20))

    async with bus, anyio.create_task_group() as tasks:
        await queue.send("1", group_id="g")
        await queue.send("2", group_id="g")
        [first] = await queue.receive()
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        await queue.delete(first)
        await anyio.wait_all_tasks_blocked()
        assert found == ["2"]


async def test_a_duplicate_within_five_minutes_is_accepted_and_not_delivered(
    bus: EventBus, sqs: SQS, clock: VirtualClock
) -> None:
    queue = sqs.create_queue("q.fifo", fifo=True)
    async with bus:
        first = await queue.send("x", group_id="g", deduplication_id="d")
        await queue.delete((await queue.receive())[0])
        await clock.advance(299.9)
        again = await queue.send("other text", group_id="h", deduplication_id="d")
        assert (again.message_id, again.sequence_number) == (first.message_id, first.sequence_number)
        assert await bodies(queue) == []
        await clock.advance(0.1)
        await queue.send("x", group_id="g", deduplication_id="d")
        assert await bodies(queue) == ["x"]


async def test_deduplication_can_be_by_group(bus: EventBus, sqs: SQS) -> None:
    queue = sqs.create_queue("q.fifo", fifo=True, deduplication_scope="messageGroup")
    async with bus:
        for group in "ghg":
            await queue.send(group, group_id=group, deduplication_id="d")
        assert await bodies(queue) == ["g", "h"]


async def test_a_handle_of_a_fifo_queue_expires(bus: EventBus, sqs: SQS, clock: VirtualClock) -> None:
    queue = sqs.create_queue("q.fifo", fifo=True, visibility_timeout=5)
    async with bus:
        await queue.send("x", group_id="g", deduplication_id="d")
        [message] = await queue.receive()
        await clock.advance(5)
        with pytest.raises(InvalidParameterValue, match=r"Reason: The receipt handle has expired\.$"):
            await queue.delete(message)
        assert queue.statistics().visible == 1


async def test_visibility_can_be_changed_up_to_twelve_hours(bus: EventBus, sqs: SQS, clock: VirtualClock) -> None:
    queue = sqs.create_queue("q")
    async with bus:
        await queue.send("m")
        [message] = await queue.receive()
        await queue.change_visibility(message, 100)
        await clock.advance(99)
        assert await bodies(queue) == []
        with pytest.raises(InvalidParameterValue, match=r"Total VisibilityTimeout .* limit \[43200 seconds\]"):
            await queue.change_visibility(message, 43_200)
        await queue.change_visibility(message, 0)
        assert await bodies(queue) == ["m"]
        with pytest.raises(InvalidParameterValue, match="not available for visibility timeout change"):
            await queue.change_visibility(message, 5)


async def test_a_handle_of_another_queue_or_of_nobody_is_refused(bus: EventBus, sqs: SQS) -> None:
    one, other = sqs.create_queue("one"), sqs.create_queue("other")
    async with bus:
        await one.send("m")
        [message] = await one.receive()
        for handle in (message.receipt_handle, "nonsense", "AQEB", "AQEB!!!!", "AQEBYTpiOmM=", ""):
            with pytest.raises(ReceiptHandleIsInvalid) as refused:
                await other.delete(handle)
            assert str(refused.value) == f'The input receipt handle "{handle}" is not a valid receipt handle.'


async def test_a_batch_is_checked_as_a_whole_and_then_one_by_one(bus: EventBus, sqs: SQS) -> None:
    queue = sqs.create_queue("q", maximum_message_size=1024)
    async with bus:
        result = await queue.send_batch([{"id": "a", "body": "1"}, {"body": ""}, {"body": "3", "delay_seconds": 1}])
        assert (list(result.successful), [(f.id, f.code) for f in result.failed]) == (
            ["a", "2"],
            [("1", "MissingParameter")],
        )
        with pytest.raises(
            InvalidParameterValue.__mro__[1], match=r"cannot be longer than 1024 bytes\. You have sent 1200"
        ):
            await queue.send_batch([{"body": "x" * 600}] * 2)
        with pytest.raises(ConfigurationError, match="an entry is a mapping with 'body'"):
            await queue.send_batch([{"Body": "x"}])
        assert queue.statistics().total == 2
        deleted = await queue.delete_batch([*await queue.receive(), "nonsense"])
        assert deleted.successful == ("0",)
        assert [f.code for f in deleted.failed] == ["ReceiptHandleIsInvalid"]


async def test_purge_empties_the_queue_once_a_minute(bus: EventBus, sqs: SQS, clock: VirtualClock) -> None:
    queue = sqs.create_queue("q")
    async with bus:
        for _ in range(3):
            await queue.send("m")
        await queue.receive()
        await queue.purge()
        assert queue.statistics().total == 0
        with pytest.raises(Exception, match=r"^Only one PurgeQueue operation on q is allowed every 60 seconds\.$"):
            await queue.purge()
        await clock.advance(60)
        await queue.purge()


async def test_a_deleted_queue_is_gone_for_everybody(bus: EventBus, sqs: SQS) -> None:
    queue = sqs.create_queue("q")
    refused: list[str] = []

    async def wait() -> None:
        with pytest.raises(QueueDoesNotExist) as error:
            await queue.receive(wait=20)
        refused.append(str(error.value))

    async with bus, anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        sqs.delete_queue(queue)
        with pytest.raises(QueueDoesNotExist):
            await queue.send("m")
        with pytest.raises(KeyError):
            sqs["q"]
        with pytest.raises(LookupError):
            bus.resource(queue.arn)
    assert refused == ["The specified queue does not exist."]


async def test_a_handler_needs_the_permissions_of_its_role(bus: EventBus, sqs: SQS) -> None:
    queue = sqs.create_queue("q")
    seen: list[Any] = []

    @bus.function(retries=0)
    async def worker(event: Any, context: Any) -> None:
        try:
            seen.append((await queue.send(json.dumps(event))).message_id)
        except AccessDenied as error:
            seen.append(error.mend)

    async with bus:
        await bus.invoke(worker, {"n": 1})
        worker.role.allow("sqs:SendMessage", queue)
        await bus.invoke(worker, {"n": 2})
        [message] = await queue.receive(10)
        assert message.json() == {"n": 2}
        assert message.cause is not None
        assert message.cause.cause is not None  # the event that the handler worked on
    assert seen == ['call bus.functions["worker"].role.allow("sqs:SendMessage", sqs["q"])', message.message_id]


async def test_a_queue_needs_a_running_bus(bus: EventBus, sqs: SQS) -> None:
    queue = sqs.create_queue("q")
    with pytest.raises(BusNotRunning, match="send needs a running bus"):
        await queue.send("m")
    with pytest.raises(BusNotRunning):
        queue.receive_nowait()
    assert queue.statistics().total == 0


def test_the_same_queue_again_is_the_same_and_a_different_one_is_refused(sqs: SQS, bus: EventBus) -> None:
    queue = sqs.create_queue("q", visibility_timeout=5)
    assert sqs.create_queue("q", visibility_timeout=5) is queue is sqs["q"] is bus.resource(queue.arn)
    assert ("q" in sqs, len(sqs), list(sqs)) == (True, 1, [queue])
    with pytest.raises(QueueNameExists) as refused:
        sqs.create_queue("q")
    assert str(refused.value) == (
        "A queue already exists with the same name and a different value for attribute VisibilityTimeout"
    )
    with pytest.raises(ConfigurationError, match=r"make SQS\(bus\) once"):
        SQS(bus)


def test_a_dead_letter_queue_must_exist_and_be_of_the_same_type(sqs: SQS) -> None:
    dead = sqs.create_queue("dead")
    with pytest.raises(InvalidParameterValue, match="Dead-letter queue must be same type of queue as the source"):
        sqs.create_queue("q.fifo", fifo=True, dead_letter=dead)
    with pytest.raises(InvalidParameterValue, match="Dead letter target does not exist"):
        sqs.create_queue("q", dead_letter=dead.arn + "x")
    assert len(sqs) == 1


def test_attributes_have_awss_names_and_can_be_set(sqs: SQS) -> None:
    dead = sqs.create_queue("dead.fifo", fifo=True)
    queue = sqs.create_queue("q.fifo", fifo=True, dead_letter=dead.arn)
    queue.set_attributes({"VisibilityTimeout": "7", "ContentBasedDeduplication": "true"})
    shown = queue.attributes
    assert shown["VisibilityTimeout"] == "7"
    assert shown["ContentBasedDeduplication"] == shown["FifoQueue"] == "true"
    assert json.loads(shown["RedrivePolicy"]) == {"deadLetterTargetArn": dead.arn, "maxReceiveCount": 10}
    with pytest.raises(Exception, match="Invalid value for the parameter DelaySeconds"):
        queue.set_attributes({"VisibilityTimeout": "8", "DelaySeconds": "901"})
    assert queue.attributes["VisibilityTimeout"] == "7"
