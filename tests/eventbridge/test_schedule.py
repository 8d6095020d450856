"""The Scheduler: when schedules run, what they send, and as whom."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from eventbus import EventBus, VirtualClock
from eventbus.errors import AccessDenied, AWSError, ConfigurationError
from eventbus.iam.roles import Role
from eventbus.testing import Recorder
from tests.eventbridge.doubles import START, Moody, Throttled
from tests.eventbridge.test_putting import recorded
from triggers import SQS, EventBridge, Schedule
from triggers.eventbridge import ScheduleConflict, ScheduleNotFound, ScheduleNotValid

pytestmark = pytest.mark.anyio

QUEUE = "arn:aws:sqs:us-east-1:123456789012:q"


def ticking(schedule: Schedule, expression: str, name: str = "tick", **options: Any) -> list[Any]:
    """What a function gets that runs by this schedule: the scheduled times."""
    recorder = Recorder(name=name)
    schedule.on(expression, input={"at": "<aws.scheduler.scheduled-time>"}, **options)(recorder)
    return recorder.events


def times(events: list[Any]) -> list[str]:
    return [event["at"][8:16] for event in events]


async def test_a_month_of_schedules(bus: EventBus, schedule: Schedule, clock: VirtualClock) -> None:
    nightly = ticking(schedule, "cron(0 3 * * ? *)")
    async with bus:
        await clock.advance(30 * 86_400)
    assert len(nightly) == 30
    assert nightly[0] == {"at": "2026-01-01T03:00:00Z"}
    assert bus.statistics().finished == 30


async def test_cron_follows_the_clock_of_its_time_zone(bus: EventBus, schedule: Schedule) -> None:
    """Over the change to summer time, at which 02:30 is skipped."""
    clock = VirtualClock(start=datetime(2026, 3, 27, 12, tzinfo=UTC).timestamp())
    other = EventBus(clock=clock, seed=1)
    seen = ticking(Schedule(other), "cron(30 2 * * ? *)", timezone="Europe/Berlin")
    async with other:
        await clock.advance(4 * 86_400)
    assert times(seen) == ["28T01:30", "30T00:30", "31T00:30"]


async def test_at_runs_once_and_may_go_then(bus: EventBus, schedule: Schedule, clock: VirtualClock) -> None:
    for action in ("NONE", "DELETE"):
        schedule.create(
            action, "at(2026-01-01T12:00:00)", Moody(bus) if action == "NONE" else QUEUE,
            action_after_completion=action, timezone="Asia/Tokyo", grant=True,
        )  # fmt: skip
    first = schedule["NONE"].next_at
    assert first == START + 3 * 3600
    async with bus:
        await clock.advance(86_400)
    assert [one.name for one in schedule] == ["NONE"]
    assert schedule["NONE"].next_at is None
    assert bus.metrics.query("InvocationAttemptCount").sum == 2


async def test_a_rate_counts_elapsed_time(bus: EventBus, schedule: Schedule, clock: VirtualClock) -> None:
    seen = ticking(schedule, "rate(6 hours)")
    async with bus:
        await clock.advance(86_400)
    assert times(seen) == ["01T06:00", "01T12:00", "01T18:00", "02T00:00"]


async def test_there_is_no_run_before_the_start_and_after_the_end(
    bus: EventBus, schedule: Schedule, clock: VirtualClock
) -> None:
    """A run at the start, or at the end, counts; a rate counts from the start."""
    limits: dict[str, Any] = {"start": START + 7200, "end": datetime(2026, 1, 1, 4, tzinfo=UTC)}
    hourly = ticking(schedule, "cron(0 * * * ? *)", "hourly", **limits)
    rate = ticking(schedule, "rate(45 minutes)", "rate", **limits)
    once = ticking(schedule, "at(2026-01-01T06:00:00)", "once", **limits)
    async with bus:
        await clock.advance(86_400)
    assert times(hourly) == ["01T02:00", "01T03:00", "01T04:00"]
    assert times(rate) == ["01T02:00", "01T02:45", "01T03:30"]
    assert once == []


async def test_a_schedule_that_ends_may_go_then(bus: EventBus, schedule: Schedule, clock: VirtualClock) -> None:
    schedule.create(
        "s", "rate(1 hour)", Moody(bus), end="2026-01-01T03:00:00Z", action_after_completion="DELETE", grant=True
    )
    async with bus:
        await clock.advance(2 * 3600)
        assert len(schedule) == 1
        await clock.advance(3600)
        assert len(schedule) == 0


async def test_a_flexible_window_makes_runs_late_by_chance(
    bus: EventBus, schedule: Schedule, clock: VirtualClock
) -> None:
    moody = Moody(bus)
    schedule.create("s", "rate(1 hour)", moody, input="<aws.scheduler.scheduled-time>", flexible_window=30, grant=True)
    async with bus:
        await clock.advance(10 * 3600 + 1800)
    delays = [attempt - 3600 * hour for hour, attempt in enumerate(moody.attempts, 1)]
    assert len(delays) == len(set(delays)) == 10
    assert all(0 <= delay < 1800 for delay in delays)
    assert max(delays) > 600
    assert [body[11:] for body in moody.bodies[:2]] == ["01:00:00Z", "02:00:00Z"]


async def test_a_schedule_is_no_pending_work_and_what_it_triggers_is(
    bus: EventBus, schedule: Schedule, clock: VirtualClock
) -> None:
    flaky = Recorder(fail=2, name="flaky")
    schedule.on("rate(1 hour)")(flaky)
    async with bus:
        await bus.wait_idle()
        assert clock.elapsed == 0
        await clock.advance(3600)
        await bus.wait_idle()
        assert (clock.elapsed, len(flaky.events)) == (3780, 3)


async def test_the_input_says_what_the_run_is(bus: EventBus, schedule: Schedule) -> None:
    seen = Recorder(name="f")
    names = ("schedule-arn", "scheduled-time", "execution-id", "attempt-number")
    schedule.on("rate(1 hour)", input={name: f"<aws.scheduler.{name}>" for name in names} | {"x": "<aws.other>"})(seen)
    async with bus:
        await bus.clock.advance(3600)  # type: ignore[attr-defined]
    [event] = seen.events
    assert len(event.pop("execution-id")) == 36
    assert event == {
        "schedule-arn": "arn:aws:scheduler:us-east-1:123456789012:schedule/default/f",
        "scheduled-time": "2026-01-01T01:00:00Z",
        "attempt-number": "1",
        "x": "<aws.other>",
    }


async def test_without_an_input_there_is_a_notification(bus: EventBus, schedule: Schedule) -> None:
    seen = Recorder(name="f")
    schedule.on("rate(1 hour)")(seen)
    async with bus:
        await bus.clock.advance(3600)  # type: ignore[attr-defined]
    [event] = seen.events
    assert (event["source"], event["detail-type"], event["detail"]) == ("aws.scheduler", "Scheduled Event", "{}")
    assert event["resources"] == [schedule["f"].arn]


async def test_an_event_bus_gets_an_event(bus: EventBus, eb: EventBridge, schedule: Schedule) -> None:
    seen = recorded(eb.default)
    schedule.create(
        "s", "rate(1 hour)", eb.default, input={"n": 1}, detail_type="tick", source="my.schedule", grant=True
    )
    async with bus:
        await bus.clock.advance(3600)  # type: ignore[attr-defined]
    [event] = seen
    assert (event["source"], event["detail-type"], event["detail"]) == ("my.schedule", "tick", {"n": 1})


async def test_throttling_is_retried_and_then_dead_lettered(bus: EventBus, schedule: Schedule, sqs: SQS) -> None:
    dead, moody = sqs.create_queue("dead"), Moody(bus, failures=10**9, error=Throttled("slow"))
    schedule.create(
        "s", "at(2026-01-01T01:00:00)", moody, input="run <aws.scheduler.attempt-number>", dead_letter=dead,
        maximum_retry_attempts=3, grant=True,
    )  # fmt: skip
    async with bus:
        await bus.clock.advance(3600)  # type: ignore[attr-defined]
        await bus.wait_idle()
        [message] = await dead.receive()
    assert len(moody.attempts) == 4
    attributes = {name: value["StringValue"] for name, value in message.message_attributes.items()}
    assert attributes["SCHEDULE_ARN"] == schedule["s"].arn
    assert (attributes["EXHAUSTED_RETRY_CONDITION"], attributes["RETRY_ATTEMPTS"]) == ("MaximumRetryAttempts", "3")
    assert message.body == "run 4"
    assert bus.metrics.query("InvocationDroppedCount", schedule["s"]).sum == 1


async def test_the_role_has_to_allow_it(bus: EventBus, schedule: Schedule, logs: list[Any]) -> None:
    """The function's resource policy does not matter; without the permission nothing is retried."""
    seen = Recorder(name="f")
    function = bus.function(seen)
    function.allow("scheduler.amazonaws.com")
    schedule.create("s", "rate(1 hour)", function)
    [warning] = logs
    assert warning["event"] == "target_not_permitted"
    assert "call schedule.role.allow('lambda:InvokeFunction', bus.functions[\"f\"])" in warning["mend"]
    async with bus:
        await bus.clock.advance(3600)  # type: ignore[attr-defined]
        assert seen.events == []
        schedule.role.allow("lambda:InvokeFunction", function)
        await bus.clock.advance(3600)  # type: ignore[attr-defined]
    assert len(seen.events) == 1
    assert bus.metrics.query("InvocationDroppedCount", schedule["s"]).sum == 1


async def test_a_schedule_can_have_a_role_of_its_own(bus: EventBus, schedule: Schedule) -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = Role("mine", bus.account_id, trust_policy={"Version": "2012-10-17", "Statement": [trust]})
    moody = Moody(bus)
    made = schedule.create("s", "rate(1 hour)", moody, role=role, grant=True)
    assert made.describe()["Target"]["RoleArn"] == role.arn
    assert schedule.role.policies == ()
    async with bus:
        await bus.clock.advance(3600)  # type: ignore[attr-defined]
    assert len(moody.bodies) == 1
    with pytest.raises(ScheduleNotValid, match="must allow AWS EventBridge Scheduler to assume the role"):
        schedule.create("t", "rate(1 hour)", moody, role=Role("other", bus.account_id))


async def test_a_handler_may_create_schedules_if_its_role_allows_it(bus: EventBus, schedule: Schedule) -> None:
    @bus.function
    async def handler(event: Any, context: Any) -> None:
        schedule.create("later", "at(2026-01-02T00:00:00)", QUEUE)

    async with bus:
        assert (await bus.invoke(handler)).payload["errorType"] == AccessDenied.__name__
        handler.role.allow("scheduler:CreateSchedule", "*")
        assert (await bus.invoke(handler)).function_error is None
        assert schedule["later"].next_at == START + 86_400


async def test_schedules_are_updated_disabled_and_deleted(
    bus: EventBus, schedule: Schedule, clock: VirtualClock
) -> None:
    moody = Moody(bus)
    made = schedule.create("s", "rate(1 hour)", moody, input="first", description="d", grant=True)
    async with bus:
        await clock.advance(3600)
        schedule.update("s", "rate(2 hours)", moody, input="second", maximum_retry_attempts=1)
        assert (made.describe().get("Description"), made.settings.retry_policy.maximum_retry_attempts) == (None, 1)
        await clock.advance(2 * 3600)
        made.disable()
        await clock.advance(86_400)
        made.enable()
        await clock.advance(2 * 3600)
        made.delete()
        await clock.advance(86_400)
    assert moody.bodies == ["first", "second", "second"]
    assert ("s" in schedule, made.next_at) == (False, None)
    with pytest.raises(ScheduleNotFound, match=r"^Schedule s does not exist\.") as missing:
        schedule.delete("s")
    assert missing.value.status == 404


def test_groups_hold_schedules(bus: EventBus, schedule: Schedule) -> None:
    schedule.create_group("reports")
    one = schedule.create("s", "rate(1 hour)", QUEUE, group="reports")
    schedule.create("s", "rate(1 hour)", QUEUE)
    assert one.arn == "arn:aws:scheduler:us-east-1:123456789012:schedule/reports/s"
    assert (schedule.groups, len(schedule), schedule.get("s", "reports")) == (("default", "reports"), 2, one)
    with pytest.raises(ScheduleConflict):
        schedule.create_group("reports")
    with pytest.raises(ScheduleNotValid):
        schedule.delete_group("default")
    schedule.delete_group("reports")
    assert (len(schedule), one.is_deleted) == (1, True)
    with pytest.raises(ScheduleNotFound):
        schedule.create("s", "rate(1 hour)", QUEUE, group="reports")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"name": "a b"}, "Name 'a b' is not valid."),
        ({"expression": "rate(10 secondss)"}, "Invalid Schedule Expression rate(10 secondss)."),
        ({"expression": "cron(0 1 * * * *)"}, "Invalid Schedule Expression cron(0 1 * * * *)."),
        ({"timezone": "Mars/Olympus"}, "The ScheduleExpressionTimezone is not valid."),
        ({"target": "q"}, "Provided Arn q is not in correct format."),
        ({"target": QUEUE + ".fifo"}, "SqsParameters must be specified for a FIFO queue."),
        ({"target": "arn:aws:kinesis:us-east-1:1:stream/s"}, "KinesisParameters must be specified for a stream."),
        ({"target": "arn:aws:events:us-east-1:1:event-bus/b"},
         "EventBridgeParameters must be specified for an event bus."),
        ({"target": "arn:aws:lambda:us-east-1:1:function:f", "input": "text"}, "Invalid JSON Input."),
        ({"flexible_window": 0}, "MaximumWindowInMinutes is not valid: 0."),
        ({"flexible_window": 1441}, "MaximumWindowInMinutes is not valid: 1441."),
        ({"state": "ON"}, "State is not valid: 'ON'."),
        ({"action_after_completion": "GO"}, "ActionAfterCompletion is not valid: 'GO'."),
        ({"start": "soon"}, "StartDate is not valid: 'soon'."),
        ({"start": 2, "end": 1}, "The EndDate you specify must come after the StartDate."),
        ({"maximum_retry_attempts": 186}, "MaximumRetryAttempts is 186; a whole number from 0 to 185 is accepted."),
        ({"expression": 5}, "Invalid Schedule Expression 5."),
        ({"timezone": None}, "The ScheduleExpressionTimezone is not valid."),
        ({"description": "x" * 513}, "Description is longer than 512 characters."),
        ({"description": None}, "description is not valid: None."),
        ({"group_id": 5}, "group_id is not valid: 5."),
        ({"input": {1}}, "Input is not valid"),
        ({"dead_letter": QUEUE + ".fifo"}, f"{QUEUE}.fifo is not the ARN of a standard queue."),
    ],
)  # fmt: skip
def test_a_schedule_is_refused(schedule: Schedule, changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ScheduleNotValid) as refused:
        schedule.create(**{"name": "s", "expression": "rate(1 hour)", "target": QUEUE, **changes})
    assert refused.value.message == text
    assert len(schedule) == 0


def test_a_schedules_role_is_a_role(schedule: Schedule) -> None:
    role: Any = "scheduler-role"
    with pytest.raises(ConfigurationError, match="role='scheduler-role': a role is needed"):
        schedule.create("s", "rate(1 hour)", QUEUE, role=role)
    assert len(schedule) == 0


def test_a_name_is_taken_once(bus: EventBus, schedule: Schedule) -> None:
    schedule.create("s", "rate(1 hour)", QUEUE)
    with pytest.raises(ScheduleConflict, match=r"^Schedule s already exists;") as taken:
        schedule.create("s", "rate(1 hour)", QUEUE)
    assert (taken.value.code, taken.value.status) == ("ConflictException", 409)
    assert repr(schedule) == "<Schedule: 1 schedules>"
    assert repr(schedule["s"]) == "<NamedSchedule s: rate(1 hour), ENABLED>"
    with pytest.raises(ConfigurationError):
        Schedule(bus)


def test_a_schedule_that_never_runs_is_warned_about(schedule: Schedule, logs: list[Any]) -> None:
    schedule.create("s", "at(2025-01-01T00:00:00)", QUEUE)
    assert "schedule_never_runs" in [log["event"] for log in logs]


def test_the_decorator_leaves_nothing_behind_when_it_is_refused(bus: EventBus, schedule: Schedule) -> None:
    schedule.create("taken", "rate(1 hour)", QUEUE)
    cases: list[tuple[type[Exception], str, dict[str, Any]]] = [
        (ScheduleConflict, "rate(1 hour)", {"schedule": "taken"}),
        (ScheduleNotValid, "rate(1 second)", {}),
        (ScheduleNotValid, "rate(1 hour)", {"input": "no JSON"}),
        (ConfigurationError, "rate(1 hour)", {"memory": 1}),
    ]
    for error, expression, options in cases:
        with pytest.raises(error):
            schedule.on(expression, **options)(Recorder())
    with pytest.raises(ConfigurationError, match=r"write @schedule\.on\("):
        schedule.on(Recorder())  # type: ignore[arg-type]
    assert len(bus.functions) == 0
    assert len(schedule) == 1


async def test_two_runs_with_the_same_seed_are_the_same() -> None:
    runs = []
    for _ in range(2):
        bus = EventBus(clock=(clock := VirtualClock()), seed=5)
        schedule, moody = Schedule(bus), Moody(bus, failures=3, error=AWSError("down"))
        schedule.create("s", "rate(1 hour)", moody, flexible_window=20, grant=True)
        async with bus:
            await clock.advance(86_400)
            await bus.wait_idle()
        runs.append((moody.attempts, [json.loads(body)["id"] for body in moody.bodies]))
    assert runs[0] == runs[1]


def test_next_at_is_when_it_is_due(schedule: Schedule) -> None:
    made = schedule.create("s", "cron(0 9 ? * MON *)", QUEUE, timezone="America/New_York")
    assert made.next_at is not None
    assert datetime.fromtimestamp(made.next_at, ZoneInfo("America/New_York")).isoformat() == "2026-01-05T09:00:00-05:00"
