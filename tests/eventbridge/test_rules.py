"""Rules: what PutRule and PutTargets take, and what a rule's states mean."""

from __future__ import annotations

from typing import Any

import pytest

from eventbus import EventBus, VirtualClock
from eventbus.errors import AccessDenied, AWSError, ConfigurationError
from eventbus.iam.roles import Role
from eventbus.testing import Recorder
from tests.eventbridge.test_putting import EVERYTHING, recorded
from triggers import SQS, EventBridge, Kinesis
from triggers.eventbridge import AlreadyExists, InvalidEventPattern, LimitExceeded, NotFound, NotValid

pytestmark = pytest.mark.anyio


async def test_a_rule_decides_by_its_pattern(bus: EventBus, eb: EventBridge) -> None:
    big = recorded(eb.default, {"detail": {"total": [{"numeric": [">", 100]}]}}, name="big")
    shop = recorded(eb.default, '{"source": ["shop"]}', name="shop")
    async with bus:
        await eb.default.put("paid", {"total": 300}, "shop")
        await eb.default.put("paid", {"total": 3}, "shop")
        await eb.default.put("paid", {"total": 300}, "other")
        await bus.wait_idle()
    assert (len(big), len(shop)) == (2, 2)
    rule = eb.default.rule("big")
    for metric, expected in (("MatchedEvents", 2), ("TriggeredRules", 2), ("Invocations", 2), ("FailedInvocations", 0)):
        assert bus.metrics.query(metric, rule).sum == expected, metric


async def test_a_disabled_rule_rests_and_an_enabled_one_works(bus: EventBus, eb: EventBridge) -> None:
    seen = recorded(eb.default)
    async with bus:
        for change in (eb.default.disable_rule, eb.default.enable_rule):
            change("seen")
            await eb.default.put("t", {}, change.__name__)
        await bus.wait_idle()
    assert [event["source"] for event in seen] == ["enable_rule"]


async def test_putting_a_rule_again_replaces_all_but_its_targets(bus: EventBus, eb: EventBridge) -> None:
    seen = recorded(eb.default)
    first = eb.default.rule("seen")
    again = eb.default.put_rule("seen", event_pattern={"source": ["b"]}, description="new")
    assert again is first
    assert again.arn == "arn:aws:events:us-east-1:123456789012:rule/seen"
    assert len(again.targets) == 1
    async with bus:
        await eb.default.put("t", {}, "a")
        await eb.default.put("t", {}, "b")
        await bus.wait_idle()
    assert [event["source"] for event in seen] == ["b"]


def test_rules_are_described_in_boto3_s_shape(eb: EventBridge) -> None:
    orders = eb.create_event_bus("orders")
    orders.put_rule("paid", event_pattern={"source": ["é"]}, state="DISABLED", description="d")
    eb.default.put_rule("nightly", schedule="cron(0 3 * * ? *)")
    assert orders.describe_rule("paid") == {
        "Name": "paid",
        "Arn": "arn:aws:events:us-east-1:123456789012:rule/orders/paid",
        "EventPattern": '{"source":["é"]}',
        "State": "DISABLED",
        "Description": "d",
        "EventBusName": "orders",
        "CreatedBy": "123456789012",
    }
    assert [rule["ScheduleExpression"] for rule in eb.default.list_rules("night")] == ["cron(0 3 * * ? *)"]
    assert eb.default.list_rules("other") == []
    assert repr(orders.rule("paid")) == "<Rule paid: DISABLED, 0 targets>"


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ({}, "ValidationException", "Parameter(s) EventPattern or ScheduleExpression must be specified."),
        ({"schedule": "rate(1 minutes)"}, "ValidationException", "Parameter ScheduleExpression is not valid."),
        ({"event_pattern": {}}, "InvalidEventPatternException",
         "Event pattern is not valid. Reason: Empty objects are not allowed"),
        ({"event_pattern": {"a": "b"}}, "InvalidEventPatternException",
         'Event pattern is not valid. Reason: "a" must be an object or an array'),
        ({"event_pattern": {"a": [{"foo": 1}]}}, "InvalidEventPatternException",
         "Event pattern is not valid. Reason: Unrecognized match type foo"),
        ({"event_pattern": EVERYTHING, "state": "ON"}, "ValidationException", None),
        ({"event_pattern": EVERYTHING, "description": "x" * 513}, "ValidationException", None),
        ({"event_pattern": EVERYTHING, "description": None}, "ValidationException", None),
        ({"schedule": 5}, "ValidationException", "Parameter ScheduleExpression is not valid."),
        ({"event_pattern": EVERYTHING, "name": "a/b"}, "ValidationException", None),
        ({"event_pattern": EVERYTHING, "name": "x" * 65}, "ValidationException", None),
    ],
)  # fmt: skip
def test_a_rule_is_refused(eb: EventBridge, arguments: dict[str, Any], code: str, text: str | None) -> None:
    with pytest.raises(AWSError) as refused:
        eb.default.put_rule(**{"name": "r", **arguments})
    assert refused.value.code == code
    assert text is None or refused.value.message == text
    assert eb.default.rules == ()


def test_only_the_default_event_bus_has_schedules(eb: EventBridge) -> None:
    orders = eb.create_event_bus("orders")
    with pytest.raises(NotValid, match="ScheduleExpression is supported only on the default event bus"):
        orders.put_rule("r", schedule="rate(1 hour)")


def test_unknown_rules_are_not_found(eb: EventBridge) -> None:
    for call in (eb.default.rule, eb.default.describe_rule, eb.default.enable_rule, eb.default.list_targets_by_rule):
        with pytest.raises(NotFound, match=r"^Rule nope does not exist on EventBus default\.$"):
            call("nope")
    eb.default.delete_rule("nope")


def test_a_rule_with_targets_cannot_be_deleted(bus: EventBus, eb: EventBridge) -> None:
    recorded(eb.default)
    rule = eb.default.rule("seen")
    with pytest.raises(NotValid, match="Rule can't be deleted since it has targets"):
        rule.delete()
    assert eb.default.remove_targets("seen", ["seen"]) == {"FailedEntryCount": 0, "FailedEntries": []}
    assert rule.remove_targets(["seen"])["FailedEntryCount"] == 1
    rule.delete()
    assert eb.default.rules == ()


def test_there_are_three_hundred_rules_at_most(eb: EventBridge) -> None:
    for n in range(300):
        eb.default.put_rule(f"r{n}", event_pattern=EVERYTHING)
    eb.default.put_rule("r7", event_pattern={"source": ["a"]})
    with pytest.raises(LimitExceeded):
        eb.default.put_rule("one-more", event_pattern=EVERYTHING)


# -- targets ----------------------------------------------------------------------------------------------------------

QUEUE = "arn:aws:sqs:us-east-1:123456789012:q"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"


def test_targets_are_put_in_boto3_s_shape(eb: EventBridge) -> None:
    rule = eb.default.put_rule("r", event_pattern=EVERYTHING)
    targets: list[dict[str, Any]] = [
        {"Id": "a", "Arn": QUEUE, "InputPath": "$.detail", "RetryPolicy": {"MaximumRetryAttempts": 3,
                                                                           "MaximumEventAgeInSeconds": 60}},
        {"Id": "b", "Arn": QUEUE + ".fifo", "SqsParameters": {"MessageGroupId": "g"},
         "DeadLetterConfig": {"Arn": QUEUE}},
        {"Id": "c", "Arn": QUEUE, "InputTransformer": {"InputPathsMap": {"s": "$.source"}, "InputTemplate": "<s>"}},
    ]  # fmt: skip
    assert eb.default.put_targets("r", targets) == {"FailedEntryCount": 0, "FailedEntries": []}
    assert eb.default.list_targets_by_rule("r") == targets
    assert eb.default.list_rule_names_by_target(QUEUE) == ["r"]
    assert rule.targets[0].retry_policy.maximum_event_age == 60


def test_the_same_id_replaces_the_target(eb: EventBridge) -> None:
    rule = eb.default.put_rule("r", event_pattern=EVERYTHING)
    for path in ("$.source", "$.id"):
        rule.target(QUEUE, id="t", input_path=path)
    assert [target["InputPath"] for target in rule.list_targets()] == ["$.id"]


def test_a_rule_has_five_targets_at_most(eb: EventBridge) -> None:
    rule = eb.default.put_rule("r", event_pattern=EVERYTHING)
    rule.put_targets({"Id": str(n), "Arn": QUEUE} for n in range(5))
    rule.put_targets([{"Id": "3", "Arn": QUEUE}])
    with pytest.raises(LimitExceeded, match="The requested resource exceeds the maximum number allowed"):
        rule.target(QUEUE, id="5")
    assert len(rule.targets) == 5


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"Id": "a b"}, "failed to satisfy constraint"),
        ({"Id": "x" * 65}, "failed to satisfy constraint"),
        ({"Arn": None}, "Parameter Arn of target t is not valid."),
        ({"Arn": "q"}, "Provided Arn is not in correct format."),
        ({"Arn": "arn:aws:s3:::bucket"}, "Provided Arn is not in correct format."),
        ({"Arn": QUEUE + ".fifo"}, "Parameter(s) SqsParameters must be specified for target: t."),
        ({"Arn": "arn:aws:sns:us-east-1:123456789012:t.fifo"}, "FIFO topic"),
        ({"Arn": "arn:aws:kinesis:us-east-1:123456789012:stream/s"}, "RoleArn is required for target"),
        ({"RoleArn": "arn:aws:iam::123456789012:role/r"}, "is not known here"),
        ({"Arn": "arn:aws:events:us-east-1:123456789012:event-bus/b", "Input": "{}"}, "takes the event as it is"),
        ({"RetryPolicy": {"MaximumRetryAttempts": 186}}, "MaximumRetryAttempts is 186"),
        ({"RetryPolicy": {"MaximumEventAgeInSeconds": 59}}, "MaximumEventAgeInSeconds is 59"),
        ({"DeadLetterConfig": {"Arn": QUEUE + ".fifo"}}, "Parameter DeadLetterConfig.Arn is not valid."),
        ({"DeadLetterConfig": {"Arn": "arn:aws:sns:us-east-1:123456789012:t"}}, "Parameter DeadLetterConfig.Arn"),
        (
            {"KinesisParameters": {"PartitionKeyPath": "$.id"}},
            "Parameter(s) KinesisParameters not valid for target: t.",
        ),
        ({"Arn": FUNCTION, "SqsParameters": {"MessageGroupId": "g"}}, "Parameter(s) SqsParameters not valid"),
        ({"SqsParameters": {"MessageGroupId": 5}}, "Parameter SqsParameters is not valid"),
        ({"Nope": 1}, "Target is not valid"),
        ({"RetryPolicy": {"MaxRetry": 3}}, "Parameter RetryPolicy is not valid: {'MaxRetry': 3}."),
        ({"DeadLetterConfig": {"arn": QUEUE}}, "Parameter DeadLetterConfig is not valid"),
        ({"DeadLetterConfig": QUEUE}, "Parameter DeadLetterConfig is not valid"),
        ({"SqsParameters": {"GroupId": "g"}}, "Parameter SqsParameters is not valid"),
        ({"KinesisParameters": {"Path": "$.id"}}, "Parameter KinesisParameters is not valid"),
        ({"InputTransformer": {"InputTemplate": "{}", "InputPathMap": {}}}, "Parameter InputTransformer is not valid"),
        ({"InputTransformer": {"InputTemplate": "{}", "InputPathsMap": ["a"]}}, "InputPathsMap for target t is not"),
        ({"InputTransformer": {"InputTemplate": "{}", "InputPathsMap": {"a": 5}}}, "InputPathsMap for target t is not"),
    ],
)
def test_a_target_is_refused(eb: EventBridge, changes: dict[str, Any], text: str) -> None:
    """And so are the good ones that were put with it."""
    rule = eb.default.put_rule("r", event_pattern=EVERYTHING)
    with pytest.raises(NotValid) as refused:
        rule.put_targets([{"Id": "good", "Arn": QUEUE}, {"Id": "t", "Arn": QUEUE, **changes}])
    assert text in refused.value.message
    assert rule.targets == ()


@pytest.mark.parametrize("path", ["x", 5])
def test_a_partition_key_path_is_refused(bus: EventBus, eb: EventBridge, path: Any) -> None:
    rule = eb.default.put_rule("r", event_pattern=EVERYTHING)
    stream = Kinesis(bus).create_stream("s")
    with pytest.raises(NotValid, match="PartitionKeyPath"):
        rule.target(stream, partition_key_path=path, grant=True)
    assert rule.targets == ()


def test_lists_are_lists(eb: EventBridge) -> None:
    """A text or a mapping is not taken apart."""
    rule = eb.default.put_rule("r", event_pattern=EVERYTHING)
    rule.target(QUEUE, id="q")
    wrong: Any
    for wrong in ({"Id": "t", "Arn": QUEUE}, "t", None):
        with pytest.raises(NotValid, match="Parameter Targets is not valid; give a list of targets"):
            rule.put_targets(wrong)
    for wrong in ("q", None):
        with pytest.raises(NotValid, match="Parameter Ids is not valid; give a list of ids"):
            rule.remove_targets(wrong)
    assert [target.id for target in rule.targets] == ["q"]


@pytest.mark.parametrize(("options", "error", "text"), [
    ({"role": "x"}, ConfigurationError, "role='x': a role is needed"),
    ({"input": {1}}, NotValid, "Input is not valid"),
])  # fmt: skip
def test_options_of_a_target_are_refused(
    eb: EventBridge, options: dict[str, Any], error: type[Exception], text: str
) -> None:
    rule = eb.default.put_rule("r", event_pattern=EVERYTHING)
    with pytest.raises(error, match=text):
        rule.target(FUNCTION, **options)
    assert rule.targets == ()


def test_a_permission_has_a_whole_condition(eb: EventBridge) -> None:
    wrong: Any
    for wrong in ({"Type": "StringEquals"}, "aws:PrincipalOrgID"):
        with pytest.raises(NotValid, match="Parameter Condition is not valid"):
            eb.default.put_permission("a", "*", condition=wrong)
    assert eb.default.policy is None


def test_a_role_has_to_trust_eventbridge(bus: EventBus, eb: EventBridge) -> None:
    rule = eb.default.put_rule("r", event_pattern=EVERYTHING)
    with pytest.raises(NotValid, match="cannot be assumed by principal"):
        rule.target(QUEUE, role=Role("r", bus.account_id))


def test_a_target_without_an_id_is_called_after_what_it_is(eb: EventBridge) -> None:
    """An alias after its function too, so that the aliases of two functions are two targets."""
    rule = eb.default.put_rule("r", event_pattern=EVERYTHING)
    function = "arn:aws:lambda:us-east-1:123456789012:function"
    for arn in (f"{function}:f:prod", f"{function}:g:prod", f"{function}:h", QUEUE, eb.create_event_bus("b").arn):
        rule.target(arn)
    assert [target.id for target in rule.targets] == ["f-prod", "g-prod", "h", "q", "b"]


def test_a_deleted_rule_takes_nothing(eb: EventBridge) -> None:
    rule = eb.default.put_rule("r", event_pattern=EVERYTHING)
    rule.delete()
    for call in (rule.enable, rule.disable, lambda: rule.target(QUEUE)):
        with pytest.raises(NotFound):
            call()
    orders = eb.create_event_bus("orders")
    eb.delete_event_bus(orders)
    for name in ("put_rule", "create_archive"):
        with pytest.raises(NotFound):
            getattr(orders, name)("x", event_pattern=EVERYTHING)


def test_what_is_missing_is_warned_about(bus: EventBus, eb: EventBridge, sqs: SQS, logs: list[Any]) -> None:
    """AWS lets it pass; the warnings name the mending calls."""
    queue = sqs.create_queue("q")
    rule = eb.default.put_rule("r", event_pattern=EVERYTHING)
    rule.target(queue, dead_letter="arn:aws:sqs:us-east-1:123456789012:gone")
    assert [log["event"] for log in logs] == ["target_not_permitted", "target_missing"]
    assert logs[0]["mend"] == 'call sqs["q"].allow(eb["default"].rule("r")) or pass grant=True'
    logs.clear()
    rule.target(queue, dead_letter=queue, grant=True)
    assert logs == []
    assert queue.policy is not None
    [statement] = queue.policy["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Condition"]["ArnLike"] == {"aws:SourceArn": rule.arn}


def test_the_decorator_leaves_nothing_behind_when_it_is_refused(bus: EventBus, eb: EventBridge) -> None:
    eb.default.put_rule("taken", event_pattern=EVERYTHING)
    cases: list[tuple[type[Exception], dict[str, Any]]] = [
        (AlreadyExists, {"rule": "taken"}),
        (NotValid, {"input": "{"}),
        (NotValid, {"maximum_retry_attempts": 200}),
        (NotValid, {"input": "1", "input_path": "$"}),
        (ConfigurationError, {"memory": 1}),
    ]
    for error, options in cases:
        with pytest.raises(error):
            eb.default.on(EVERYTHING, **options)(Recorder())
    with pytest.raises(InvalidEventPattern):
        eb.default.on({})
    with pytest.raises(NotValid):
        eb.default.on()
    with pytest.raises(ConfigurationError, match=r"write @event_bus\.on\("):
        eb.default.on(Recorder())  # type: ignore[arg-type]
    assert len(bus.functions) == 0
    assert [rule.name for rule in eb.default.rules] == ["taken"]


async def test_a_handler_needs_permission_to_change_rules(bus: EventBus, eb: EventBridge) -> None:
    @bus.function
    async def handler(event: Any, context: Any) -> None:
        eb.default.put_rule("made", event_pattern=EVERYTHING)

    async with bus:
        result = await bus.invoke(handler)
        assert result.payload["errorType"] == AccessDenied.__name__
        handler.role.allow("events:PutRule", "*")
        await bus.invoke(handler)
    assert eb.default.rule("made").is_enabled


# -- schedules --------------------------------------------------------------------------------------------------------


async def test_a_rate_runs_from_when_the_rule_was_put(bus: EventBus, eb: EventBridge, clock: VirtualClock) -> None:
    seen = recorded(eb.default, schedule="rate(5 minutes)", pattern=None)
    eb.default.put_rule("seen", schedule="rate(5 minutes)")
    async with bus:
        await clock.advance(900)
        assert [event["time"][11:] for event in seen] == ["00:05:00Z", "00:10:00Z", "00:15:00Z"]
        [first, *_] = seen
        assert {**first, "id": ""} == {
            "version": "0",
            "id": "",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "123456789012",
            "time": "2026-01-01T00:05:00Z",
            "region": "us-east-1",
            "resources": [eb.default.rule("seen").arn],
            "detail": {},
        }


async def test_only_the_rule_s_own_targets_get_the_scheduled_event(
    bus: EventBus, eb: EventBridge, clock: VirtualClock
) -> None:
    other = recorded(eb.default, name="other")
    tick = Recorder(name="tick")
    eb.default.on(schedule="cron(0 3 * * ? *)")(tick)
    async with bus:
        await clock.advance(30 * 86_400)
    assert len(tick.events) == 30
    assert {event["time"][11:] for event in tick.events} == {"03:00:00Z"}
    assert other == []


async def test_a_schedule_is_no_pending_work(bus: EventBus, eb: EventBridge, clock: VirtualClock) -> None:
    tick = Recorder(name="tick")
    eb.default.on(schedule="rate(1 minute)")(tick)
    async with bus:
        await bus.wait_idle()
        assert (clock.elapsed, tick.events) == (0, [])


async def test_a_rule_that_is_disabled_changed_or_deleted_keeps_its_schedule_no_more(
    bus: EventBus, eb: EventBridge, clock: VirtualClock
) -> None:
    tick = Recorder(name="tick")
    eb.default.on(schedule="rate(1 hour)")(tick)
    rule = eb.default.rule("tick")
    async with bus:
        await clock.advance(3600)
        rule.disable()
        resting = rule.next_at
        assert resting is None
        await clock.advance(5400)
        rule.enable()  # a rate counts from here
        assert rule.next_at == clock.now() + 3600
        await clock.advance(3600)
        eb.default.put_rule("tick", schedule="rate(10 minutes)")
        await clock.advance(600)
        rule.remove_targets(["tick"])
        rule.delete()
        await clock.advance(86_400)
    assert [event["time"][11:16] for event in tick.events] == ["01:00", "03:30", "03:40"]


async def test_a_rate_goes_on_when_the_rule_is_put_again_with_the_same_schedule(
    bus: EventBus, eb: EventBridge, clock: VirtualClock
) -> None:
    tick = Recorder(name="tick")
    eb.default.on(schedule="rate(1 hour)")(tick)
    async with bus:
        await clock.advance(1800)
        eb.default.put_rule("tick", schedule="rate(1 hour)", description="the same")
        await clock.advance(1800)
    assert len(tick.events) == 1


async def test_a_rule_may_have_a_schedule_and_a_pattern(bus: EventBus, eb: EventBridge, clock: VirtualClock) -> None:
    both = Recorder(name="both")
    eb.default.on({"source": ["shop"]}, schedule="rate(1 hour)")(both)
    async with bus:
        await eb.default.put("paid", {}, "shop")
        await clock.advance(3600)
    assert [event["source"] for event in both.events] == ["shop", "aws.events"]
