"""From rules to every kind of target, and what happens when one does not take it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import S3EventBridgeNotificationEvent

from eventbus import EventBus, VirtualClock
from eventbus.delivery.targets import Message
from eventbus.errors import AWSError, InvalidParameterValue
from eventbus.iam.roles import Role
from eventbus.testing import Recorder
from tests.eventbridge.doubles import Moody, Refused, Throttled
from tests.eventbridge.test_putting import EVERYTHING, recorded
from triggers import S3, SNS, SQS, EventBridge, Kinesis
from triggers.eventbridge import MalformedDetail, Rule
from triggers.sqs import Queue

pytestmark = pytest.mark.anyio

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture
def rule(eb: EventBridge) -> Rule:
    return eb.default.put_rule("r", event_pattern=EVERYTHING)


def texts(message: Any) -> dict[str, str]:
    return {name: value["StringValue"] for name, value in message.message_attributes.items()}


async def letters(queue: Queue) -> list[dict[str, str]]:
    return [texts(message) for message in await queue.receive(10)]


async def test_queues_and_topics_get_the_event_as_json_text(
    bus: EventBus, eb: EventBridge, sqs: SQS, sns: SNS, rule: Rule
) -> None:
    queue, inbox, topic = sqs.create_queue("q"), sqs.create_queue("inbox"), sns.create_topic("t")
    topic.subscribe(inbox, grant=True)
    rule.target(queue, grant=True)
    rule.target(topic, grant=True)
    async with bus:
        event_id = await eb.default.put("t", {"n": 1}, "me")
        [message] = await queue.receive()
        assert message.json()["id"] == event_id
        [envelope] = await inbox.receive()
        assert json.loads(envelope.json()["Message"])["id"] == event_id
        assert "Subject" not in envelope.json()


async def test_fifo_queues_get_their_message_group(bus: EventBus, eb: EventBridge, sqs: SQS, rule: Rule) -> None:
    queue = sqs.create_queue("q.fifo", fifo=True, content_based_deduplication=True)
    rule.target(queue, group_id="orders", grant=True)
    async with bus:
        await eb.default.put("t", {}, "me")
        [message] = await queue.receive()
    assert message.attributes["MessageGroupId"] == "orders"


async def test_streams_get_a_partition_key_and_need_a_role(bus: EventBus, eb: EventBridge, rule: Rule) -> None:
    """By default the key is the event's id; grant=True makes the role."""
    stream = Moody(bus, "stream")
    rule.target(stream, id="by-id", grant=True)
    role = Role("mine", bus.account_id, trust_policy=TRUST)
    rule.target(stream, id="by-path", role=role, partition_key_path="$.detail.customer")
    async with bus:
        event_id = await eb.default.put("t", {"customer": "c1"}, "me")
        assert stream.options == [{"partition_key": event_id}]
        assert bus.metrics.query("FailedInvocations", rule).sum == 1
        role.allow("kinesis:PutRecord", stream)
        await eb.default.put("t", {"customer": "c2"}, "me")
    assert stream.options[-1] == {"partition_key": "c2"}


async def test_a_real_stream_takes_events_and_is_tried_again_when_it_is_throttled(
    bus: EventBus, eb: EventBridge, rule: Rule
) -> None:
    """Kinesis says with status 400 that a shard takes no more in this second."""
    stream = Kinesis(bus, throughput_limits=True).create_stream("readings")
    rule.target(stream, partition_key_path="$.detail.sensor", grant=True)
    async with bus:
        for n in range(1001):
            await eb.default.put("t", {"sensor": "attic", "n": n}, "me")
        assert bus.metrics.query("SuccessfulInvocationAttempts", rule).sum == 1000
        await bus.wait_idle()
        assert bus.metrics.query("RetryInvocationAttempts", rule).sum >= 1
        assert bus.metrics.query("FailedInvocations", rule).sum == 0
        iterator = stream.get_shard_iterator("shardId-000000000000", "TRIM_HORIZON")
        records = stream.get_records_nowait(iterator).records
    assert {record.partition_key for record in records} == {"attic"}
    assert sorted(json.loads(record.data)["detail"]["n"] for record in records) == list(range(1001))


async def test_another_event_bus_gets_the_same_event(bus: EventBus, eb: EventBridge, rule: Rule) -> None:
    """With id, time and source; without the permission it does not."""
    orders = eb.create_event_bus("orders")
    seen = recorded(orders)
    rule.target(orders)
    async with bus:
        await eb.default.put("t", {}, "denied")
        orders.allow(rule)
        event_id = await eb.default.put("t", {"n": 1}, "me", time="2026-01-01T12:00:00+02:00")
        await bus.wait_idle()
    assert [(event["id"], event["source"], event["time"]) for event in seen] == [
        (event_id, "me", "2026-01-01T10:00:00Z")
    ]


async def test_a_loop_of_event_buses_ends(bus: EventBus, eb: EventBridge, rule: Rule, logs: list[Any]) -> None:
    orders = eb.create_event_bus("orders")
    back = orders.put_rule("back", event_pattern=EVERYTHING)
    rule.target(orders, grant=True)
    back.target(eb.default, grant=True)
    seen = recorded(orders)
    async with bus:
        await eb.default.put("t", {}, "me")
        await bus.wait_idle()
    assert len(seen) == 1
    assert [log["event"] for log in logs] == ["event_bus_loop"]
    assert not eb.default.reaches("nobody")
    assert eb.default.reaches(bus.functions["seen"].arn)


@pytest.mark.parametrize("body", ["no JSON", "[]", "{}", '{"detail": {}}', b'{"detail":1}'])
async def test_an_event_bus_takes_whole_events_only(bus: EventBus, eb: EventBridge, rule: Rule, body: Any) -> None:
    async with bus:
        with pytest.raises(MalformedDetail):
            eb.default.accept(Message(body, None), rule.source)


async def test_one_target_s_failure_is_its_own(bus: EventBus, eb: EventBridge, rule: Rule) -> None:
    moody = Moody(bus, failures=10**9)
    rule.target(moody, grant=True)
    seen = recorded(eb.default)
    async with bus:
        await eb.default.put("t", {}, "me")
        await bus.clock.advance(1)  # type: ignore[attr-defined]
        assert len(seen) == 1


async def test_a_function_gets_an_asynchronous_event_of_its_own(bus: EventBus, eb: EventBridge, rule: Rule) -> None:
    """Delivered means accepted: what the function does with it is not the rule's affair."""
    flaky = Recorder(fail="always", name="flaky")
    rule.target(bus.function(flaky), grant=True)
    async with bus:
        await eb.default.put("t", {}, "me")
        await bus.wait_idle()
    assert len(flaky.events) == 3
    assert bus.metrics.query("FailedInvocations", rule).sum == 0
    assert bus.dead_letters[0].source == rule.arn


async def test_without_permission_nothing_is_retried(bus: EventBus, eb: EventBridge, sqs: SQS, rule: Rule) -> None:
    dead, function = sqs.create_queue("dead"), bus.add_function("f", Recorder())
    rule.target(function, dead_letter=dead)
    dead.allow(rule)
    async with bus:
        event_id = await eb.default.put("t", {"n": 1}, "me")
        [message] = await dead.receive()
        assert message.json()["id"] == event_id
        assert texts(message) == {
            "RULE_ARN": rule.arn,
            "TARGET_ARN": function.arn,
            "ERROR_CODE": "NO_PERMISSIONS",
            "ERROR_MESSAGE": "User: events.amazonaws.com is not authorized to perform: lambda:InvokeFunction on "
            f"resource: {function.arn} because no resource-based policy allows the lambda:InvokeFunction action",
        }
    for metric in ("InvocationAttempts", "Invocations", "FailedInvocations", "InvocationsSentToDlq"):
        assert bus.metrics.query(metric, rule).sum == 1, metric
    assert 'call bus.functions["f"].allow(eb["default"].rule("r"))' in str(bus.trace)


@pytest.mark.parametrize(
    ("error", "code"), [(Refused("no"), "INVALID_PARAMETER"), (None, "NO_RESOURCE")], ids=["refused", "gone"]
)
async def test_what_time_cannot_mend_is_not_retried(
    bus: EventBus, eb: EventBridge, sqs: SQS, rule: Rule, error: AWSError | None, code: str
) -> None:
    dead, moody = sqs.create_queue("dead"), Moody(bus, failures=1, error=error)
    rule.target(moody, dead_letter=dead, grant=True)
    if error is None:
        bus.unregister(moody)
    async with bus:
        await eb.default.put("t", {}, "me")
        [attributes] = await letters(dead)
    assert attributes["ERROR_CODE"] == code
    assert "EXHAUSTED_RETRY_CONDITION" not in attributes


async def test_what_is_no_json_does_not_reach_a_function(bus: EventBus, eb: EventBridge, sqs: SQS, rule: Rule) -> None:
    """A text with quotes, pasted into quotes, spoils the template's JSON."""
    seen, dead = Recorder(name="f"), sqs.create_queue("dead")
    transformer = {"InputPathsMap": {"t": "$.detail.text"}, "InputTemplate": '{"text": "<t>"}'}
    rule.target(bus.function(seen), input_transformer=transformer, dead_letter=dead, grant=True)
    async with bus:
        await eb.default.put("t", {"text": "plain"}, "me")
        await eb.default.put("t", {"text": 'a "quoted" word'}, "me")
        await bus.wait_idle()
        [attributes] = await letters(dead)
    assert seen.events == [{"text": "plain"}]
    assert attributes["ERROR_CODE"] == "INVALID_PARAMETER"


@pytest.mark.parametrize(
    ("error", "code"), [(Throttled("slow down"), "THROTTLING"), (AWSError("down"), "ERROR_FROM_TARGET")]
)
async def test_throttling_and_faults_are_retried_until_they_pass(
    bus: EventBus, eb: EventBridge, rule: Rule, error: AWSError, code: str
) -> None:
    moody = Moody(bus, failures=3, error=error)
    rule.target(moody, grant=True)
    async with bus:
        await eb.default.put("t", {}, "me")
        await bus.wait_idle()
    first, second, third, fourth = moody.attempts
    assert first == 0
    assert 0.5 <= second <= 1
    assert 1 <= third - second <= 2
    assert 2 <= fourth - third <= 4
    assert len(moody.bodies) == 1
    for metric, count in (("InvocationAttempts", 4), ("RetryInvocationAttempts", 3),
                          ("SuccessfulInvocationAttempts", 1),
                          ("Invocations", 1), ("FailedInvocations", 0)):  # fmt: skip
        assert bus.metrics.query(metric, rule).sum == count, metric


@pytest.mark.parametrize(
    ("options", "condition", "retries"),
    [
        ({"maximum_retry_attempts": 2}, "MaximumRetryAttempts", "2"),
        ({"maximum_retry_attempts": 0}, "MaximumRetryAttempts", "0"),
        ({}, "MaximumRetryAttempts", "185"),
        ({"maximum_event_age": 60}, "MaximumEventAgeInSeconds", None),
    ],
)
async def test_retries_run_out(
    bus: EventBus, eb: EventBridge, sqs: SQS, clock: VirtualClock, options: Any, condition: str, retries: str | None
) -> None:
    dead, moody = sqs.create_queue("dead"), Moody(bus, failures=10**9, error=Throttled("slow down"))
    rule = eb.default.put_rule("r", event_pattern=EVERYTHING)
    rule.target(moody, dead_letter=dead, grant=True, **options)
    async with bus:
        await eb.default.put("t", {}, "me")
        await bus.wait_idle()
        [attributes] = await letters(dead)
    assert attributes["ERROR_CODE"] == "THROTTLING"
    assert attributes["EXHAUSTED_RETRY_CONDITION"] == condition
    assert attributes["RETRY_ATTEMPTS"] == str(len(moody.attempts) - 1)
    assert retries is None or attributes["RETRY_ATTEMPTS"] == retries
    assert clock.elapsed <= options.get("maximum_event_age", 86_400)


async def test_the_same_seed_gives_the_same_retries() -> None:
    runs = []
    for _ in range(2):
        bus = EventBus(clock=VirtualClock(), seed=3)
        eb, moody = EventBridge(bus), Moody(bus, failures=6)
        eb.default.put_rule("r", event_pattern=EVERYTHING).target(moody, grant=True)
        async with bus:
            await eb.default.put("t", {}, "me")
            await bus.wait_idle()
        runs.append(moody.attempts)
    assert runs[0] == runs[1]


async def test_a_removed_target_is_not_tried_again(bus: EventBus, eb: EventBridge, rule: Rule) -> None:
    moody = Moody(bus, failures=10**9)
    rule.target(moody, grant=True)
    async with bus:
        await eb.default.put("t", {}, "me")
        rule.remove_targets(["moody"])
        await bus.wait_idle()
    assert moody.attempts == [0]


async def test_what_nobody_takes_is_logged(bus: EventBus, eb: EventBridge, sqs: SQS, logs: list[Any]) -> None:
    rule = eb.default.put_rule("r", event_pattern=EVERYTHING)
    rule.target(bus.add_function("f", Recorder()), dead_letter=sqs.create_queue("closed"))
    rule.target(bus.functions["f"], id="none")
    logs.clear()
    async with bus:
        await eb.default.put("t", {}, "me")
    dropped = [log for log in logs if log["event"] == "event_dropped"]
    assert ["dead_letter_error" in log for log in dropped] == [True, False]
    assert dropped[0]["mend"] == 'call bus.functions["f"].allow(eb["default"].rule("r"))'
    assert bus.metrics.query("InvocationsFailedToBeSentToDlq", rule).sum == 1


# -- who else sends to an event bus -----------------------------------------------------------------------------------


async def test_a_bucket_sends_to_the_default_event_bus(bus: EventBus, eb: EventBridge) -> None:
    bucket = S3(bus).create_bucket("photos")
    bucket.put_notification_configuration({"EventBridgeConfiguration": {}})
    seen = recorded(eb.default, {"source": ["aws.s3"], "detail": {"object": {"key": [{"suffix": ".jpg"}]}}})
    async with bus:
        await bucket.put_object("my cat.jpg", b"meow")
        await bucket.put_object("my cat.txt", b"meow")
        await bus.wait_idle()
    [event] = seen
    parsed = S3EventBridgeNotificationEvent(event)
    assert (parsed.detail_type, parsed.detail.bucket.name) == ("Object Created", "photos")
    assert (parsed.detail.object.key, parsed.detail.reason) == ("my cat.jpg", "PutObject")
    assert bucket.reaches(bus.functions["seen"].arn)
    assert not bucket.reaches("nobody")


@pytest.mark.parametrize(("fail", "outcome"), [(0, "Success"), ("always", "Failure")])
async def test_a_function_s_destination_may_be_an_event_bus(
    bus: EventBus, eb: EventBridge, fail: Any, outcome: str
) -> None:
    function = bus.add_function("worker", Recorder(fail=fail, result="done"), retries=0)
    function.allow("events.amazonaws.com")
    with pytest.raises(InvalidParameterValue, match="events:PutEvents"):
        function.on_success(eb.default)
    function.on_success(eb.default, grant=True)
    function.on_failure(eb.default, grant=True)
    seen = recorded(eb.default, {"source": ["lambda"]})
    async with bus:
        await bus.push(function, {"n": 1}, source="events.amazonaws.com")
        await bus.wait_idle()
    [event] = seen
    assert event["detail-type"] == f"Lambda Function Invocation Result - {outcome}"
    assert event["resources"] == [eb.default.arn, f"{function.arn}:$LATEST"]
    assert (event["account"], event["region"], event["time"]) == ("123456789012", "us-east-1", "2026-01-01T00:00:00Z")
    assert event["detail"]["requestPayload"] == {"n": 1}
    assert event["detail"]["version"] == "1.0"
    assert event["detail"]["requestContext"]["condition"] == ("Success" if fail == 0 else "RetriesExhausted")
