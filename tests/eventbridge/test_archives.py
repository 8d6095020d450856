"""Archives keep events, and replays put them in again."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from eventbus import EventBus, VirtualClock
from eventbus.errors import AWSError
from tests.eventbridge.doubles import START
from tests.eventbridge.test_putting import EVERYTHING, recorded
from triggers import SQS, EventBridge, Schedule
from triggers.eventbridge import AlreadyExists, NotFound, NotValid

pytestmark = pytest.mark.anyio


async def test_a_replay_puts_archived_events_in_again(bus: EventBus, eb: EventBridge, clock: VirtualClock) -> None:
    """Those of its time, in the order of their time, with replay-name; the archive does not keep them again."""
    archive = eb.default.create_archive("all")
    seen = recorded(eb.default)
    async with bus:
        for minute in (3, 1, 2, 9):
            await eb.default.put("t", {"minute": minute}, "me", time=START + 60 * minute)
        await bus.wait_idle()
        seen.clear()
        replay = eb.start_replay("again", archive, START + 60, START + 180)
        assert replay.state == "STARTING"
        await bus.wait_idle()
    assert [event["detail"]["minute"] for event in seen] == [1, 2, 3]
    assert {event["replay-name"] for event in seen} == {"again"}
    assert (replay.state, replay.last_replayed_at, archive.event_count) == ("COMPLETED", START + 180, 4)
    assert repr(replay) == "<Replay again of all: COMPLETED>"
    assert repr(archive) == "<Archive all of default: 4 events>"


async def test_an_archive_keeps_what_its_pattern_wants(bus: EventBus, eb: EventBridge) -> None:
    archive = eb.default.create_archive("paid", event_pattern={"detail-type": ["paid"]})
    async with bus:
        await eb.default.put("paid", {}, "me")
        await eb.default.put("sent", {}, "me")
    assert archive.event_count == 1
    assert archive.size_bytes > 100


async def test_a_replay_may_be_for_some_rules(bus: EventBus, eb: EventBridge) -> None:
    archive = eb.default.create_archive("all")
    one, other = recorded(eb.default, name="one"), recorded(eb.default, name="other")
    new_only = recorded(eb.default, {"replay-name": [{"exists": False}]}, name="new")
    async with bus:
        await eb.default.put("t", {}, "me")
        eb.start_replay("r1", archive.arn, START - 1, START + 1, rules=[eb.default.rule("one")])
        await bus.wait_idle()
        assert (len(one), len(other), len(new_only)) == (2, 1, 1)
        eb.start_replay("r2", archive, START - 1, START + 1)
        await bus.wait_idle()
    assert (len(one), len(other), len(new_only)) == (3, 2, 1)


async def test_what_is_too_old_is_dropped(bus: EventBus, eb: EventBridge, clock: VirtualClock) -> None:
    archive = eb.default.create_archive("week", retention_days=7)
    async with bus:
        await eb.default.put("t", {}, "me")
        await clock.advance(7 * 86_400)
        await eb.default.put("t", {}, "me")
        assert archive.event_count == 2
        await clock.advance(1)
        assert archive.event_count == 1


async def test_a_replay_can_be_cancelled(bus: EventBus, eb: EventBridge) -> None:
    archive = eb.default.create_archive("all")
    async with bus:
        await eb.default.put("t", {}, "me")
        seen = recorded(eb.default)
        replay = eb.start_replay("r", archive, START - 1, START + 1)
        replay.cancel()
        assert replay.state == "CANCELLING"
        await bus.wait_idle()
        assert (replay.state, seen) == ("CANCELLED", [])
        with pytest.raises(NotValid):
            replay.cancel()


async def test_what_cannot_be_is_refused(bus: EventBus, eb: EventBridge) -> None:
    archive, orders = eb.default.create_archive("all"), eb.create_event_bus("orders")
    with pytest.raises(AlreadyExists, match=r"^Archive all already exists\.$"):
        orders.create_archive("all")
    for name, days in (("a b", 0), ("x" * 49, 0), ("ok", -1)):
        with pytest.raises(NotValid):
            orders.create_archive(name, retention_days=days)
    with pytest.raises(AWSError, match="Event pattern is not valid"):
        orders.create_archive("ok", event_pattern={})
    async with bus:
        with pytest.raises(NotValid) as crossed:
            eb.start_replay("r", archive, 0, 1, destination=orders)
        assert crossed.value.message.endswith("Reason: Cross event bus replay is not permitted.")
        with pytest.raises(NotValid) as reversed_:
            eb.start_replay("r", archive, 1, 1)
        assert reversed_.value.message.endswith("Reason: EventStartTime must be before EventEndTime.")
        with pytest.raises(NotValid):
            eb.start_replay("r", archive, "soon", 1)
        wrong: Any
        for wrong in (["nope"], "arn", 5, [orders.put_rule("x", event_pattern={"source": ["a"]})]):
            with pytest.raises(NotValid, match=r"Parameter Destination\.FilterArns is not valid"):
                eb.start_replay("r", archive, 0, 1, rules=wrong)
        eb.start_replay("r", archive, 0, 1)
        with pytest.raises(AlreadyExists, match=r"^Replay r already exists\.$"):
            eb.start_replay("r", archive, 0, 1)
        archive.delete()
        with pytest.raises(NotFound):
            archive.delete()
        with pytest.raises(NotFound, match=r"^Archive all does not exist\.$"):
            eb.start_replay("s", "all", 0, 1)
    assert list(eb.replays) == ["r"]


async def test_a_replay_whose_archive_was_deleted_has_failed(bus: EventBus, eb: EventBridge) -> None:
    """If that was before it began: no event is put in, and it says why."""
    archive = eb.default.create_archive("all")
    seen = recorded(eb.default)
    async with bus:
        await eb.default.put("d", {}, "a")
        replay = eb.start_replay("r", archive, 0, bus.clock.now() + 1)
        archive.delete()
        await bus.wait_idle()
    assert (replay.state, replay.state_reason) == ("FAILED", "Archive all does not exist.")
    assert replay.describe()["StateReason"] == "Archive all does not exist."
    assert len(seen) == 1


async def test_answers_have_boto3_s_shapes(bus: EventBus, eb: EventBridge, schedule: Schedule, sqs: SQS) -> None:
    """Judged by botocore's own model of the two services."""
    loader = Loader()
    events = ServiceModel(loader.load_service_model("events", "service-2"))
    scheduler = ServiceModel(loader.load_service_model("scheduler", "service-2"))
    queue = sqs.create_queue("q")
    rule = eb.default.put_rule("r", event_pattern=EVERYTHING, schedule="rate(1 day)", description="d")
    transformer = {"InputPathsMap": {"a": "$.source"}, "InputTemplate": "<a>"}
    rule.target(queue, input_transformer=transformer, dead_letter=queue, maximum_retry_attempts=1, grant=True)
    made = schedule.create(
        "s", "rate(1 day)", queue, input="x", start=START, end=START + 1e6, flexible_window=5, description="d",
        dead_letter=queue, grant=True, group_id="g",
    )  # fmt: skip
    async with bus:
        archive = eb.default.create_archive("a", event_pattern=EVERYTHING, retention_days=1, description="d")
        put = await eb.default.put_events([{"Source": "s", "DetailType": "t", "Detail": "{}"}, {"Source": "s"}])
        replay = eb.start_replay("p", archive, START - 1, START + 1, rules=[rule])
        await bus.wait_idle()
        answers: list[tuple[ServiceModel, str, Any]] = [
            (events, "PutEvents", put.as_document()),
            (events, "DescribeRule", rule.describe()),
            (events, "ListTargetsByRule", {"Targets": rule.list_targets()}),
            (events, "PutTargets", rule.put_targets(rule.list_targets())),
            (events, "DescribeArchive", archive.describe() | {"CreationTime": 0}),
            (events, "DescribeReplay", replay.describe()),
            (events, "DescribeEventBus", eb.default.describe()),
            (scheduler, "GetSchedule", made.describe()),
        ]
    for model, operation, document in answers:
        shape = model.operation_model(operation).output_shape
        assert shape is not None
        assert set(document) <= set(shape.members), operation
        report = ParamValidator().validate(document, shape)
        assert not report.has_errors(), report.generate_report()
