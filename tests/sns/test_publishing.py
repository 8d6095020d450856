"""From `publish` to functions and queues, on a running bus."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from eventbus.bus import EventBus
from eventbus.clock import VirtualClock
from eventbus.delivery.targets import Message, Source
from eventbus.errors import AccessDenied, AWSError, BusNotRunning
from tests.sns.doubles import Moody
from triggers.sns import SNS, InvalidParameter, NotFound, Topic
from triggers.sqs import SQS, Queue

pytestmark = pytest.mark.anyio


async def drained(queue: Queue) -> list[Any]:
    return [message.json() for message in await queue.receive(10)]


def seen_by(topic: Topic, **options: Any) -> list[str]:
    """The messages that a subscribed function has seen."""
    messages: list[str] = []

    async def handler(event: Any, context: Any) -> None:
        messages.append(event["Records"][0]["Sns"]["Message"])

    topic.on(name=f"f{len(topic.subscriptions)}", **options)(handler)
    return messages


def failures(bus: EventBus, topic: Topic, name: str = "NumberOfNotificationsFailed") -> float:
    return bus.metrics.query(name, topic.arn).sum


async def test_a_message_reaches_functions_and_queues(bus: EventBus, sns: SNS, sqs: SQS) -> None:
    topic, queue, raw = sns.create_topic("t"), sqs.create_queue("q"), sqs.create_queue("raw")
    seen = seen_by(topic)
    topic.subscribe(queue, grant=True)
    topic.subscribe(raw, raw=True, grant=True)
    async with bus:
        result = await topic.publish("hello", subject="s", attributes={"n": 3, "b": b"\x00"})
        await bus.wait_idle()
        assert seen == ["hello"]
        [envelope] = await drained(queue)
        assert (envelope["MessageId"], envelope["Subject"], envelope["Message"]) == (result.message_id, "s", "hello")
        [bare] = await raw.receive(10)
        assert bare.body == "hello"
        assert bare.message_attributes == {
            "n": {"DataType": "Number", "StringValue": "3"},
            "b": {"DataType": "Binary", "BinaryValue": b"\x00"},
        }
        assert bare.cause is not None
        assert bare.cause.cause is not None  # the publish
        assert failures(bus, topic, "NumberOfNotificationsDelivered") == 3


async def test_filters_decide_who_gets_it(bus: EventBus, sns: SNS) -> None:
    topic = sns.create_topic("t")
    pears = seen_by(topic, filter_policy={"fruit": ["pear"]})
    bodies = seen_by(topic, filter_policy={"n": [{"numeric": [">", 1]}]}, filter_policy_scope="MessageBody")
    everything = seen_by(topic)
    async with bus:
        await topic.publish('{"n": 2}')
        await topic.publish('{"n": 1}', attributes={"fruit": "pear"})
        await topic.publish("no JSON", attributes={"fruit": "fig"})
        await bus.wait_idle()
        assert pears == ['{"n": 1}']
        assert bodies == ['{"n": 2}']
        assert len(everything) == 3
        assert failures(bus, topic, "NumberOfNotificationsFilteredOut") == 4
        assert "2 of 3 subscriptions matched" in str(bus.trace)


async def test_a_changed_filter_holds_at_once(bus: EventBus, sns: SNS, sqs: SQS) -> None:
    topic, queue = sns.create_topic("t"), sqs.create_queue("q")
    subscription = topic.subscribe(queue, raw=True, filter_policy={"a": ["b"]}, grant=True)
    async with bus:
        await topic.publish("1")
        subscription.set_filter_policy({"x": [1]}, "MessageBody")
        await topic.publish('{"x": 1}')
        subscription.set_filter_policy(None)
        await topic.publish("3")
        subscription.unsubscribe()
        await topic.publish("4")
        assert [m.body for m in await queue.receive(10)] == ['{"x": 1}', "3"]


async def test_a_structured_message_is_filtered_by_what_each_protocol_gets(bus: EventBus, sns: SNS, sqs: SQS) -> None:
    topic, queue = sns.create_topic("t"), sqs.create_queue("q")
    wanted: dict[str, Any] = {"filter_policy": {"for": ["sqs"]}, "filter_policy_scope": "MessageBody"}
    function = seen_by(topic, **wanted)
    topic.subscribe(queue, raw=True, grant=True, **wanted)
    async with bus:
        await topic.publish(json.dumps({"default": '{"for": "all"}', "sqs": '{"for": "sqs"}'}), structure="json")
        await bus.wait_idle()
        assert function == []
        assert [m.body for m in await queue.receive(10)] == ['{"for": "sqs"}']


async def test_subscribers_are_served_in_the_order_of_subscribing(bus: EventBus, sns: SNS, sqs: SQS) -> None:
    """Whatever their filters, and also after one has moved to another scope."""
    topic = sns.create_topic("t")
    scopes = ["MessageBody", "MessageAttributes", "MessageBody", "MessageAttributes"]
    for number, scope in enumerate(scopes):
        topic.subscribe(
            sqs.create_queue(f"q{number}"), filter_policy={"a": [1]}, filter_policy_scope=scope, grant=True, raw=True
        )
    first, *_ = topic.subscriptions
    first.set_filter_policy({"a": [1]}, "MessageAttributes")
    async with bus:
        await topic.publish('{"a": 1}', attributes={"a": 1})
        text = str(bus.trace)
        places = [text.index(f"send q{number}") for number in range(4)]
        assert places == sorted(places)
        assert [text.count(f"send q{number}") for number in range(4)] == [1, 1, 1, 1]


async def test_without_permission_the_message_goes_to_the_dead_letter_queue(
    bus: EventBus, sns: SNS, sqs: SQS, logs: list[Any]
) -> None:
    topic, dead = sns.create_topic("t"), sqs.create_queue("dead")
    dead.allow(topic)

    @bus.function
    async def f(event: Any, context: Any) -> None:
        raise AssertionError("it may not be invoked")

    topic.subscribe(f, dead_letter=dead)
    async with bus:
        await topic.publish("m", attributes={"a": "b"})
        await bus.wait_idle()
        [letter] = await drained(dead)
        assert (letter["Type"], letter["Message"]) == ("Notification", "m")
        assert letter["MessageAttributes"] == {"a": {"Type": "String", "Value": "b"}}
        assert "SigningCertURL" in letter
        assert failures(bus, topic) == 1
        assert failures(bus, topic, "NumberOfNotificationsRedrivenToDlq") == 1
        [logged] = [entry for entry in logs if entry["event"] == "notification_dead_lettered"]
        assert logged["mend"] == f'call {f.label}.allow(sns["t"])'
        assert bus.clock.now() == 1_767_225_600.0  # no retry


async def test_without_permission_and_dead_letter_queue_it_is_dropped_and_logged(
    bus: EventBus, sns: SNS, sqs: SQS, logs: list[Any]
) -> None:
    topic, queue, dead = sns.create_topic("t"), sqs.create_queue("q"), sqs.create_queue("dead")
    topic.subscribe(queue)
    topic.subscribe(sqs.create_queue("q2"), dead_letter=dead)
    async with bus:
        await topic.publish("m")
        assert failures(bus, topic) == 2
        assert failures(bus, topic, "NumberOfNotificationsFailedToRedriveToDlq") == 1
        dropped = [entry for entry in logs if entry["event"] == "notification_dropped"]
        assert [entry["mend"] for entry in dropped] == [f'call sqs["{name}"].allow(sns["t"])' for name in ("q", "q2")]
        assert dropped[1]["dead_letter_queue"] == dead.arn
        queue.allow(topic)
        await topic.publish("again")
        assert [letter["Message"] for letter in await drained(queue)] == ["again"]


async def test_an_endpoint_that_is_gone_or_refuses_is_not_retried(bus: EventBus, sns: SNS, sqs: SQS) -> None:
    topic, dead = sns.create_topic("t"), sqs.create_queue("dead")
    topic.subscribe(sqs.create_queue("gone"), dead_letter=dead, grant=True)
    topic.subscribe(sqs.create_queue("small", maximum_message_size=1024), dead_letter=dead, grant=True)
    sqs.delete_queue("gone")
    async with bus:
        await topic.publish("x" * 1500)
        assert len(await drained(dead)) == 2
        assert bus.statistics().accepted == 0


async def test_raw_delivery_drops_what_has_too_many_attributes(bus: EventBus, sns: SNS, sqs: SQS) -> None:
    topic, raw, queue = sns.create_topic("t"), sqs.create_queue("raw"), sqs.create_queue("q")
    topic.subscribe(raw, raw=True, grant=True)
    topic.subscribe(queue, grant=True)
    async with bus:
        await topic.publish("m", attributes={f"a{n}": "x" for n in range(11)})
        assert await raw.receive(10) == []
        assert len((await drained(queue))[0]["MessageAttributes"]) == 11
        assert failures(bus, topic) == 1


async def test_a_fault_of_the_endpoint_is_retried_and_a_group_keeps_its_order(
    bus: EventBus, sns: SNS, sqs: SQS
) -> None:
    topic = sns.create_topic("t.fifo", fifo=True, content_based_deduplication=True)
    moody = Moody(sqs.create_queue("q.fifo", fifo=True), failures=7)
    bus.register(moody)
    topic.subscribe(moody, raw=True, grant=True)
    async with bus:
        for body in ("1", "2", "3"):
            await topic.publish(body, group_id="g")
        assert moody.attempts == [0]
        await bus.wait_idle()
        assert [m.body for m in await moody.queue.receive(10)] == ["1", "2", "3"]
        assert moody.attempts[:6] == [0, 0, 0, 0, 1, 2]
        assert len(moody.attempts) == 10
        assert failures(bus, topic, "NumberOfNotificationsDelivered") == 3
        await topic.publish("4", group_id="g")  # the group is free again
        assert len(moody.attempts) == 11


async def test_a_group_id_is_a_hint_that_only_queues_get(bus: EventBus, sns: SNS, sqs: SQS) -> None:
    topic, queue = sns.create_topic("t"), sqs.create_queue("q")
    topic.subscribe(queue, grant=True)
    async with bus:
        await topic.publish("m", group_id="tenant")
        [message] = await queue.receive()
        assert message.attributes["MessageGroupId"] == "tenant"


async def test_a_fifo_topic_keeps_order_and_drops_duplicates(
    bus: EventBus, sns: SNS, sqs: SQS, clock: VirtualClock
) -> None:
    topic = sns.create_topic("t.fifo", fifo=True, content_based_deduplication=True)
    fifo, standard = sqs.create_queue("q.fifo", fifo=True), sqs.create_queue("q")
    topic.subscribe(fifo, grant=True)
    topic.subscribe(standard, grant=True)
    async with bus:
        first = await topic.publish("1", group_id="g")
        assert await topic.publish("1", group_id="g") == first
        await topic.publish("2", group_id="g", deduplication_id="own")
        await clock.advance(300)
        third = await topic.publish("1", group_id="g")
        assert first.sequence_number is not None
        assert third.sequence_number is not None
        assert first.sequence_number < third.sequence_number
        assert (len(first.sequence_number), first.sequence_number.isdigit()) == (20, True)
        messages = await fifo.receive(10)
        assert [m.json()["Message"] for m in messages] == ["1", "2", "1"]
        assert messages[0].json()["SequenceNumber"] == first.sequence_number
        assert messages[0].attributes["MessageGroupId"] == "g"
        assert messages[0].attributes["MessageDeduplicationId"] == hashlib.sha256(b"1").hexdigest()
        assert [m["Message"] for m in await drained(standard)] == ["1", "2", "1"]


async def test_deduplication_can_be_by_group(bus: EventBus, sns: SNS, sqs: SQS) -> None:
    topic = sns.create_topic("t.fifo", fifo=True, throughput_scope="MessageGroup")
    queue = sqs.create_queue("q")
    topic.subscribe(queue, raw=True, grant=True)
    async with bus:
        for group in "ghg":
            await topic.publish(group, group_id=group, deduplication_id="d")
        assert [m.body for m in await queue.receive(10)] == ["g", "h"]


async def test_a_batch_is_checked_as_a_whole_and_then_one_by_one(bus: EventBus, sns: SNS, sqs: SQS) -> None:
    topic, queue = sns.create_topic("t"), sqs.create_queue("q")
    topic.subscribe(queue, raw=True, grant=True)
    async with bus:
        result = await topic.publish_batch([{"id": "a", "message": "1"}, {"message": ""}, {"message": "3"}])
        assert list(result.successful) == ["a", "2"]
        assert [(f.id, f.code, f.message) for f in result.failed] == [
            ("1", "InvalidParameter", "Invalid parameter: Empty message")
        ]
        with pytest.raises(AWSError) as refused:
            await topic.publish_batch([{"message": "x" * 200_000}] * 2)
        assert str(refused.value) == "The length of all the messages put together is more than the limit."
        with pytest.raises(AWSError) as refused:
            await topic.publish_batch([])
        assert refused.value.code == "EmptyBatchRequest"
        assert [m.body for m in await queue.receive(10)] == ["1", "3"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"message": ""}, "Invalid parameter: Empty message"),
        ({"message": "x" * 262_145}, "Invalid parameter: Message too long"),
        ({"message": "x" * 262_140, "attributes": {"a": "b"}}, "Invalid parameter: Message too long"),
        ({"message": "\ud800"}, "Invalid parameter: Message Reason: the message is not valid UTF-8"),
        ({"message": "m", "subject": "a\nb"}, "Invalid parameter: Subject"),
        ({"message": "m", "structure": "xml"}, "Invalid parameter: MessageStructure; the only message structure is"),
    ],
)
async def test_a_refused_message_reaches_nobody(
    bus: EventBus, sns: SNS, sqs: SQS, options: dict[str, Any], text: str
) -> None:
    topic, queue = sns.create_topic("t"), sqs.create_queue("q")
    topic.subscribe(queue, grant=True)
    async with bus:
        with pytest.raises(InvalidParameter) as refused:
            await topic.publish(**options)
        assert str(refused.value).startswith(text)
        assert queue.statistics().total == 0
        assert "publish" not in str(bus.trace)


async def test_what_a_bucket_sends_has_its_subject(bus: EventBus, sns: SNS, sqs: SQS) -> None:
    topic, queue = sns.create_topic("t"), sqs.create_queue("q")
    topic.subscribe(queue, grant=True)
    bucket = Source("s3.amazonaws.com", "arn:aws:s3:::photos", "123456789012", 's3["photos"]')
    async with bus:
        topic.accept(Message(b'{"Records":[]}', None), bucket)
        [envelope] = await drained(queue)
        assert (envelope["Subject"], envelope["Message"]) == ("Amazon S3 Notification", '{"Records":[]}')


async def test_a_handler_needs_the_permission_of_its_role(bus: EventBus, sns: SNS) -> None:
    topic = sns.create_topic("t")
    mends: list[str | None] = []

    @bus.function
    async def f(event: Any, context: Any) -> None:
        with pytest.raises(AccessDenied) as refused:
            await topic.publish("m")
        mends.append(refused.value.mend)

    async with bus:
        await bus.invoke(f, {})
    assert mends == ['call bus.functions["f"].role.allow("sns:Publish", sns["t"])']


async def test_publishing_needs_a_running_bus_and_a_topic(bus: EventBus, sns: SNS) -> None:
    topic = sns.create_topic("t")
    with pytest.raises(BusNotRunning, match="publish needs a running bus"):
        await topic.publish("m")
    async with bus:
        sns.delete_topic(topic)
        with pytest.raises(NotFound, match=r"^Topic does not exist$"):
            await topic.publish("m")


async def test_a_topic_explains_who_gets_a_message_and_why_not(bus: EventBus, sns: SNS, sqs: SQS) -> None:
    topic = sns.create_topic("t")
    assert topic.explain("m") == 'sns["t"] has no subscriptions.'
    queues = [sqs.create_queue(name) for name in ("all", "pears", "bodies", "denied")]
    topic.subscribe(queues[0], grant=True)
    topic.subscribe(queues[1], filter_policy={"fruit": ["pear"]}, grant=True)
    topic.subscribe(queues[2], filter_policy={"n": [1]}, filter_policy_scope="MessageBody", grant=True)
    topic.subscribe(queues[3])
    lines = [line.split(": ", 1)[1] for line in topic.explain("m", {"fruit": "fig"}).splitlines()]
    assert lines == [
        "gets every message.",
        'is filtered out: "fruit" is "fig", but must match ["pear"].',
        "is filtered out: the message is not a JSON object, which no filter on the body lets through.",
        'wants it, but the topic may not send there; call sqs["denied"].allow(sns["t"]).',
    ]
    assert "pears: matches its filter policy." in topic.explain("m", {"fruit": "pear"})
