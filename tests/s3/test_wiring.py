"""Notifying: permissions, validation, the test event, delivery and what is dropped."""

from __future__ import annotations

from typing import Any

import pytest

from eventbus import EventBus, Reason
from eventbus.errors import ConfigurationError, ResourceConflict
from tests.s3.doubles import Recorder
from triggers.s3 import S3, Bucket
from triggers.s3.errors import InvalidArgument, S3Error

pytestmark = pytest.mark.anyio

CREATED = "s3:ObjectCreated:*"
UNABLE = "Unable to validate the following destination configurations"


async def nothing(event: Any, context: Any) -> None: ...


def prefixed(prefix: str) -> dict[str, Any]:
    return {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}}


async def test_a_put_on_a_matching_key_calls_the_function_once(bus: EventBus, photos: Bucket) -> None:
    seen: list[Any] = []

    @photos.on(CREATED, prefix="raw/", suffix=".jpg", id="thumbs", memory=256)
    async def thumbnail(event: Any, context: Any) -> None:
        seen.append(event)

    assert thumbnail.configuration.memory == 256
    async with bus:
        await photos.put_object("raw/cat.jpg", b"meow")
        await photos.put_object("raw/cat.png", b"meow")
        await photos.put_object("cat.jpg", b"meow")
        await bus.wait_idle()
    assert len(seen) == 1
    assert seen[0]["Records"][0]["s3"]["configurationId"] == "thumbs"
    assert str(bus.trace).count("no notification matches this event and key") == 2


async def test_every_delivery_gets_a_fresh_equal_record(bus: EventBus, photos: Bucket) -> None:
    seen: list[Any] = []

    @photos.on(CREATED, retries=2)
    async def fails(event: Any, context: Any) -> None:
        seen.append(dict(event["Records"][0]))
        event["Records"].clear()
        raise ValueError

    async with bus:
        await photos.put_object("a", b"")
        await bus.wait_idle()
    assert len(seen) == 3
    assert seen[0] == seen[1] == seen[2]


async def test_a_function_without_permission_is_refused_with_the_mending_call(bus: EventBus, photos: Bucket) -> None:
    function = bus.add_function("thumb", nothing)
    with pytest.raises(InvalidArgument) as caught:
        photos.notify(function, CREATED)
    assert caught.value.message == UNABLE
    assert caught.value.fields == {
        "ArgumentName1": f"{function.arn}, null",
        "ArgumentValue1": f"Not authorized to invoke function [{function.arn}]",
    }
    assert 'call bus.functions["thumb"].allow(s3["photos"]) or pass grant=True' in str(caught.value)
    assert photos.get_notification_configuration() == {}
    function.add_permission("s3", "s3.amazonaws.com", source_arn=photos.arn, source_account=bus.account_id)
    photos.notify(function.arn, CREATED)
    assert len(photos.get_notification_configuration()["LambdaFunctionConfigurations"]) == 1


def test_every_bad_destination_is_named(bus: EventBus, photos: Bucket) -> None:
    closed_topic, closed_queue = Recorder(bus, "topic", "closed"), Recorder(bus, "queue", "closed")
    missing = [f"arn:aws:{s}:us-east-1:123456789012:missing" for s in ("sns", "sqs")]
    function = "arn:aws:lambda:us-east-1:123456789012:function:missing"
    arns = {"Topic": [closed_topic.arn, missing[0]], "Queue": [closed_queue.arn, missing[1]]}
    document: dict[str, Any] = {
        f"{kind}Configurations": [
            {f"{kind}Arn": arn, "Events": [CREATED], "Filter": prefixed(f"{kind}{n}")} for n, arn in enumerate(many)
        ]
        for kind, many in arns.items()
    }  # fmt: skip
    document["LambdaFunctionConfigurations"] = [{"LambdaFunctionArn": function, "Events": ["s3:ObjectRemoved:*"]}]
    with pytest.raises(InvalidArgument) as caught:
        photos.put_notification_configuration(document)
    permissions = "Permissions on the destination {} do not allow S3 to publish notifications from this bucket"
    assert list(caught.value.fields.values()) == [
        f"{function}, null",
        f"Not authorized to invoke function [{function}]",
        closed_topic.arn,
        permissions.format("topic"),
        missing[0],
        "The destination topic does not exist",
        closed_queue.arn,
        permissions.format("queue"),
        missing[1],
        "The destination queue does not exist",
    ]
    assert list(caught.value.fields)[:3] == ["ArgumentName1", "ArgumentValue1", "ArgumentName2"]
    assert photos.get_notification_configuration() == {}
    assert not closed_topic.messages
    photos.put_notification_configuration(document, skip_destination_validation=True)
    assert len(photos.get_notification_configuration()["QueueConfigurations"]) == 2
    assert not closed_topic.messages, "no validation, no test event"


async def test_a_queue_and_a_topic_get_the_test_event_first(bus: EventBus, photos: Bucket, queue: Recorder) -> None:
    topic = Recorder(bus, "topic", "news")
    photos.notify(queue, "s3:ObjectCreated:Put", prefix="a/")
    photos.notify(topic, "s3:ObjectCreated:Put", prefix="b/", grant=True)
    async with bus:
        await photos.put_object("a/1", b"x")
        await photos.put_object("b/1", b"x")
    for target in (queue, topic):
        first, second = target.bodies
        assert list(first) == ["Service", "Event", "Time", "Bucket", "RequestId", "HostId"]
        assert first["Service"] == "Amazon S3"
        assert first["Event"] == "s3:TestEvent"
        assert first["Bucket"] == "photos"
        assert first["Time"] == "2026-01-01T00:00:00.000Z"
        assert len(second["Records"]) == 1
        assert {message.subject for message in target.messages} == {"Amazon S3 Notification"}


def test_replacing_sends_one_test_event_to_each_destination(photos: Bucket, queue: Recorder) -> None:
    rules = [{"QueueArn": queue.arn, "Events": [event]} for event in ("s3:ObjectCreated:*", "s3:ObjectRemoved:*")]
    photos.put_notification_configuration({"QueueConfigurations": rules})
    assert len(queue.messages) == 1
    photos.put_notification_configuration({})
    assert len(queue.messages) == 1


async def test_an_empty_document_switches_everything_off(bus: EventBus, photos: Bucket, queue: Recorder) -> None:
    photos.notify(queue, CREATED)
    photos.put_notification_configuration({})
    async with bus:
        await photos.put_object("a", b"x")
    assert not queue.records
    assert "the bucket has no notifications" in str(bus.trace)


async def test_a_topic_that_closes_later_loses_the_event_and_that_is_seen(bus: EventBus, photos: Bucket) -> None:
    topic = Recorder(bus, "topic", "news")
    photos.notify(topic, CREATED, grant=True)
    topic.access.set(None)
    async with bus:
        result = await photos.put_object("a", b"x")
    assert result.size == 1
    assert not topic.records
    assert bus.metrics.query("NotificationsDropped", photos).sum == 1
    assert 'call sns["news"].allow(s3["photos"])' in str(bus.trace)


async def test_a_function_that_closes_later_loses_the_event_to_the_dead_letters(bus: EventBus, photos: Bucket) -> None:
    function = photos.on(CREATED)(nothing)
    for statement in function.policy["Statement"]:  # type: ignore[index]
        function.remove_permission(statement["Sid"])
    async with bus:
        await photos.put_object("a", b"x")
        await bus.wait_idle()
    (letter,) = bus.dead_letters
    assert letter.reason is Reason.ACCESS_DENIED
    assert letter.payload["Records"][0]["s3"]["object"]["key"] == "a"


async def test_a_destination_that_is_gone_or_refuses_loses_the_event(bus: EventBus, photos: Bucket) -> None:
    gone, full = Recorder(bus, "queue", "gone"), Recorder(bus, "queue", "full")
    photos.notify(gone, CREATED, prefix="gone", grant=True)
    photos.notify(full, CREATED, prefix="full", grant=True)
    bus.unregister(gone)
    full.refuses = True
    async with bus:
        await photos.put_object("gone", b"x")
        await photos.put_object("full", b"x")
    assert bus.metrics.query("NotificationsDropped", photos).sum == 2
    assert "the queue does not exist" in str(bus.trace)
    assert "it refused the message: no more room" in str(bus.trace)


def test_a_destination_that_refuses_the_test_event_is_refused(photos: Bucket, queue: Recorder) -> None:
    queue.refuses = True
    with pytest.raises(InvalidArgument) as caught:
        photos.notify(queue, CREATED)
    assert caught.value.message == UNABLE
    assert caught.value.fields == {"ArgumentName1": queue.arn, "ArgumentValue1": "no more room"}
    assert photos.get_notification_configuration() == {}


def test_a_filter_that_s3_would_never_match_is_logged(
    photos: Bucket, queue: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    photos.notify(queue, CREATED, prefix="my photos/")
    assert "filter_not_encoded" in caplog.text
    assert "my+photos/" in caplog.text


async def test_a_missing_function_is_dropped_when_validation_was_skipped(bus: EventBus, photos: Bucket) -> None:
    entry = {"LambdaFunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:later", "Events": [CREATED]}
    photos.put_notification_configuration({"LambdaFunctionConfigurations": [entry]}, skip_destination_validation=True)
    async with bus:
        await photos.put_object("a", b"x")
    assert "the function does not exist" in str(bus.trace)
    assert bus.metrics.query("NotificationsDropped", photos).sum == 1


def test_grant_changes_nothing_when_the_configuration_is_refused(bus: EventBus, photos: Bucket) -> None:
    topic = Recorder(bus, "topic", "news")
    photos.notify(topic, CREATED, grant=True)
    other = Recorder(bus, "topic", "other")
    with pytest.raises(InvalidArgument, match="ambiguously"):
        photos.notify(other, CREATED, grant=True)
    assert other.access.document is None


def test_on_makes_no_function_when_the_notification_is_refused(bus: EventBus, photos: Bucket) -> None:
    photos.on(CREATED, name="first")(nothing)
    with pytest.raises(InvalidArgument, match="ambiguously"):
        photos.on("s3:ObjectCreated:Put", name="second")(nothing)
    with pytest.raises(InvalidArgument, match="not supported"):
        photos.on("s3:Nothing", name="third")(nothing)
    assert list(bus.functions) == ["first"]
    with pytest.raises(ResourceConflict):
        photos.on("s3:ObjectRemoved:*", name="first")(nothing)
    assert len(photos.get_notification_configuration()["LambdaFunctionConfigurations"]) == 1


def test_what_cannot_be_notified_is_refused(bus: EventBus, s3: S3, photos: Bucket) -> None:
    for target in (nothing, s3.create_bucket("other"), "nonsense"):
        with pytest.raises((ConfigurationError, S3Error)):
            photos.notify(target, CREATED)
    with pytest.raises(ConfigurationError, match="at least one event"):
        photos.notify(bus.add_function("f", nothing), [])


async def test_event_bridge_gets_every_event_in_its_own_form(bus: EventBus, photos: Bucket) -> None:
    photos.put_notification_configuration({"EventBridgeConfiguration": {}})
    async with bus:
        await photos.put_object("lost", b"x")
        assert "there is no default event bus" in str(bus.trace)
        default = Recorder(bus, "event bus", "default")
        photos.put_versioning("Enabled")
        put = await photos.put_object("été/a b+c.txt", b"meow!")
        marker = await photos.delete_object("été/a b+c.txt")
    created, deleted = default.bodies
    assert list(created) == [
        "version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"
    ]  # fmt: skip
    assert created["detail-type"] == "Object Created"
    assert created["source"] == "aws.s3"
    assert created["time"] == "2026-01-01T00:00:00Z"
    assert created["resources"] == ["arn:aws:s3:::photos"]
    item = created["detail"].pop("object")
    assert item.pop("sequencer") < deleted["detail"]["object"].pop("sequencer")
    assert item == {"key": "été/a b+c.txt", "size": 5, "etag": put.etag, "version-id": put.version_id}
    request_id = created["detail"].pop("request-id")
    assert len(request_id) == 16
    assert created["detail"] == {
        "version": "0",
        "bucket": {"name": "photos"},
        "requester": "123456789012",
        "source-ip-address": "127.0.0.1",
        "reason": "PutObject",
    }
    assert deleted["detail-type"] == "Object Deleted"
    assert deleted["detail"]["deletion-type"] == "Delete Marker Created"
    assert deleted["detail"]["reason"] == "DeleteObject"
    assert deleted["detail"]["object"] == {
        "key": "été/a b+c.txt",
        "etag": "d41d8cd98f00b204e9800998ecf8427e",
        "version-id": marker.version_id,
    }


async def test_event_bridge_and_a_rule_both_get_the_event(bus: EventBus, photos: Bucket, queue: Recorder) -> None:
    default = Recorder(bus, "event bus", "default")
    photos.put_notification_configuration(
        {"QueueConfigurations": [{"QueueArn": queue.arn, "Events": [CREATED]}], "EventBridgeConfiguration": {}}
    )
    async with bus:
        await photos.put_object("a", b"x")
    assert len(queue.records) == len(default.bodies) == 1
    sequencer = default.bodies[0]["detail"]["object"]["sequencer"]
    assert queue.records[0]["s3"]["object"]["sequencer"] == sequencer


async def test_a_put_does_not_cost_what_all_rules_cost(bus: EventBus, s3: S3) -> None:
    s3.max_notifications = None
    many = s3.create_bucket("many")
    queue = Recorder(bus, "queue", "q")
    queue.allow(many)
    document = {
        "QueueConfigurations": [
            {"Id": str(n), "QueueArn": queue.arn, "Events": [CREATED], "Filter": prefixed(f"{n:04}/")}
            for n in range(2000)
        ]
    }
    many.put_notification_configuration(document)
    compared = 0

    class Key(str):
        def startswith(self, *args: Any) -> bool:
            nonlocal compared
            compared += 1
            return super().startswith(*args)

        def __getitem__(self, part: Any) -> str:
            nonlocal compared
            compared += 1
            return super().__getitem__(part)

    async with bus:
        await many.put_object(Key("1234/x"), b"")
    assert [record["s3"]["configurationId"] for record in queue.records] == ["1234"]
    assert compared <= 4
