"""What PutEvents takes, refuses and answers, and what the event looks like that comes out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent
from hypothesis import given
from hypothesis import strategies as st

from eventbus import EventBus
from eventbus.errors import AccessDenied, AWSError, BusNotRunning, ConfigurationError
from eventbus.testing import Recorder
from triggers import EventBridge
from triggers.eventbridge import EventBridgeBus, NotFound, NotValid
from triggers.eventbridge.events import entry_size

pytestmark = pytest.mark.anyio

EVERYTHING: dict[str, Any] = {"source": [{"prefix": ""}]}


def entry(**changes: Any) -> dict[str, Any]:
    return {"Source": "shop", "DetailType": "paid", "Detail": '{"total": 300}', **changes}


def recorded(event_bus: EventBridgeBus, pattern: Any = None, name: str = "seen", **options: Any) -> list[Any]:
    """What a function gets that a rule of this event bus sends to."""
    recorder = Recorder(name=name)
    event_bus.on(EVERYTHING if pattern is None else pattern, **options)(recorder)
    return recorder.events


async def test_the_event_has_aws_s_envelope(bus: EventBus, eb: EventBridge) -> None:
    seen = recorded(eb.default)
    async with bus:
        event_id = await eb.default.put(
            "order.paid", {"total": 300}, "shop.orders", resources=["r1"], time=datetime(2026, 3, 2, 10, 11, 12, 9, UTC)
        )
        await bus.wait_idle()
    [event] = seen
    assert list(event) == [
        "version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"
    ]  # fmt: skip
    assert event == {
        "version": "0",
        "id": event_id,
        "detail-type": "order.paid",
        "source": "shop.orders",
        "account": "123456789012",
        "time": "2026-03-02T10:11:12Z",
        "region": "us-east-1",
        "resources": ["r1"],
        "detail": {"total": 300},
    }
    parsed = EventBridgeEvent(event)
    assert (parsed.get_id, parsed.detail_type, parsed.detail["total"]) == (event_id, "order.paid", 300)


async def test_the_time_is_that_of_arrival_and_there_may_be_no_resources(bus: EventBus, eb: EventBridge) -> None:
    seen = recorded(eb.default)
    async with bus:
        await eb.default.put("paid", {}, "shop")
        await bus.wait_idle()
    assert (seen[0]["time"], seen[0]["resources"]) == ("2026-01-01T00:00:00Z", [])


async def test_good_entries_are_taken_when_others_are_not(bus: EventBus, eb: EventBridge) -> None:
    """In request order, each with an id or an error; the codes and texts are AWS's."""
    seen = recorded(eb.default)
    entries = [
        entry(),
        entry(Source=""),
        {"Source": "shop", "Detail": "{}"},
        entry(Detail=None),
        entry(Detail="no JSON"),
        entry(Detail="[1]"),
        entry(Detail='{"n": NaN}'),
        entry(Source="aws.s3"),
        entry(DetailType="x" * 129),
        entry(Detail='{"last": true}'),
    ]
    async with bus:
        result = await eb.default.put_events(entries)
        await bus.wait_idle()
    answer = result.as_document()
    assert answer["FailedEntryCount"] == 8
    assert [one.get("ErrorCode") for one in answer["Entries"]] == [
        None, "InvalidArgument", "InvalidArgument", "InvalidArgument", "MalformedDetail", "MalformedDetail",
        "MalformedDetail", "NotAuthorizedForSourceException", "InvalidArgument", None,
    ]  # fmt: skip
    assert (
        answer["Entries"][1]["ErrorMessage"] == "Parameter Source is not valid. Reason: Source is a required argument."
    )
    assert answer["Entries"][2]["ErrorMessage"].startswith("Parameter DetailType is not valid.")
    assert answer["Entries"][4]["ErrorMessage"] == "Detail is malformed."
    assert [event["id"] for event in seen] == [answer["Entries"][0]["EventId"], answer["Entries"][-1]["EventId"]]
    assert bus.metrics.query("PutEventsEntriesCount", eb.default).sum == 10
    assert bus.metrics.query("PutEventsFailedEntriesCount", eb.default).sum == 8


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ([], "Member must have length greater than or equal to 1"),
        ([entry()] * 11, "Member must have length less than or equal to 10"),
        ([entry(Detail='"' + "x" * 1_048_576 + '"')], "Total size of the entries in the request is over the limit."),
        ([entry(Detail='"' + "é" * 60_000 + '"')] * 9, "Total size of the entries in the request is over the limit."),
        ([{"source": "shop"}], "Entry 0 is not valid"),
        (["text"], "Entry 0 is not valid"),
        ("text", "Parameter Entries is not valid."),
        (entry(), "Parameter Entries is not valid."),
        (5, "Parameter Entries is not valid."),
        ([entry(Detail={"a": 1})], "Entry 0 is not valid: Detail is {'a': 1}, and not a text"),
        ([entry(), entry(Source=5)], "Entry 1 is not valid: Source is 5, and not a text."),
        ([entry(EventBusName=5)], "Entry 0 is not valid: EventBusName is 5, and not a text."),
    ],
)
async def test_a_request_is_refused_as_a_whole(bus: EventBus, eb: EventBridge, entries: Any, text: str) -> None:
    seen = recorded(eb.default)
    async with bus:
        with pytest.raises(NotValid) as refused:
            await eb.put_events(entries)
        await bus.wait_idle()
    assert text in refused.value.message
    assert seen == []


async def test_a_detail_may_be_as_deep_as_its_envelope_can_be_carried(bus: EventBus, eb: EventBridge) -> None:
    seen = recorded(eb.default)
    async with bus:
        for depth, failed in ((499, 0), (500, 1), (100_000, 1)):
            detail = '{"a":' * depth + "1" + "}" * depth
            assert (await eb.put_events([entry(Detail=detail)])).failed_entry_count == failed
        await bus.wait_idle()
    assert len(seen) == 1


async def test_a_request_just_below_the_limit_is_taken(bus: EventBus, eb: EventBridge) -> None:
    big = entry(Detail='{"x": ""}')
    big["Detail"] = '{"x": "' + "y" * (1_048_575 - entry_size(big)) + '"}'
    assert entry_size(big) == 1_048_575
    async with bus:
        assert (await eb.put_events([big])).failed_entry_count == 0


@given(text=st.text(), resources=st.lists(st.text(), max_size=3), has_time=st.booleans())
def test_the_size_of_an_entry_is_that_of_its_texts(text: str, resources: list[str], has_time: bool) -> None:
    one = entry(Source=text, Resources=resources, **({"Time": 0} if has_time else {}))
    expected = len(("paid" + '{"total": 300}' + text + "".join(resources)).encode(errors="replace"))
    assert entry_size(one) == expected + 14 * has_time


async def test_entries_go_where_they_say(bus: EventBus, eb: EventBridge, logs: list[Any]) -> None:
    """By name or ARN; for an unknown event bus the entry is accepted and vanishes."""
    orders = eb.create_event_bus("orders")
    at_default, at_orders = recorded(eb.default), recorded(orders, name="other")
    async with bus:
        result = await eb.put_events(
            [
                entry(EventBusName="orders"),
                entry(EventBusName=orders.arn),
                entry(),
                entry(EventBusName="nope"),
                entry(EventBusName=orders.arn.replace("us-east-1", "eu-west-1")),
            ]
        )
        await orders.put_events([entry()])
        await bus.wait_idle()
    assert all(one.event_id for one in result.entries)
    assert (len(at_default), len(at_orders)) == (1, 3)
    assert [log["event_bus"] for log in logs][:1] == ["nope"]


async def test_inside_a_handler_the_role_has_to_allow_it(bus: EventBus, eb: EventBridge) -> None:
    seen = recorded(eb.default, {"source": ["handler"]})
    denials = []

    @bus.function
    async def handler(event: Any, context: Any) -> None:
        try:
            await eb.default.put("t", {}, "handler")
        except AccessDenied as error:
            denials.append(str(error))

    async with bus:
        await bus.invoke(handler)
        handler.role.allow("events:PutEvents", eb.default)
        await bus.invoke(handler)
        await bus.wait_idle()
    assert len(seen) == len(denials) == 1
    assert denials[0].endswith('call bus.functions["handler"].role.allow("events:PutEvents", eb["default"])')
    assert "is not authorized to perform: events:PutEvents on resource: " + eb.default.arn in denials[0]


async def test_conditions_may_ask_for_source_and_detail_type(bus: EventBus, eb: EventBridge) -> None:
    """Each entry is judged by itself, and one that is refused refuses them all."""
    outcomes: list[str] = []

    @bus.function
    async def handler(event: Any, context: Any) -> None:
        entries = [{"Source": source, "DetailType": kind, "Detail": "{}"} for source, kind in event]
        try:
            await eb.default.put_events(entries)
        except AccessDenied:
            outcomes.append("denied")
        else:
            outcomes.append("put")

    condition = {"StringEquals": {"events:source": "shop", "events:detail-type": ["paid", "sent"]}}
    handler.role.allow("events:PutEvents", eb.default, condition=condition)
    asked = [[("shop", "paid"), ("shop", "sent")], [("shop", "paid"), ("bank", "paid")], [("shop", "lost")]]
    async with bus:
        for entries in asked:
            await bus.invoke(handler, entries)
        assert outcomes == ["put", "denied", "denied"]
        assert bus.metrics.query("PutEventsEntriesCount", eb.default).sum == 2


async def test_a_policy_can_forbid_what_the_role_allows(bus: EventBus, eb: EventBridge) -> None:
    eb.default.set_policy(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Deny", "Principal": "*", "Action": "events:PutEvents", "Resource": eb.default.arn}
            ],
        }
    )
    async with bus:
        with pytest.raises(AccessDenied):
            await eb.default.put("t", {}, "me")


async def test_putting_needs_a_running_bus(bus: EventBus, eb: EventBridge) -> None:
    with pytest.raises(BusNotRunning):
        await eb.default.put("t", {}, "me")
    with pytest.raises(BusNotRunning):
        eb.put_events_nowait([entry()])


async def test_the_twins_do_the_same_at_once(bus: EventBus, eb: EventBridge) -> None:
    seen = recorded(eb.default)
    async with bus:
        eb.default.put_nowait("t", {"n": 1}, "me")
        eb.default.put_events_nowait([entry()])
        assert bus.statistics().accepted == 2
        await bus.wait_idle()
    assert [event["detail"] for event in seen] == [{"n": 1}, {"total": 300}]


async def test_put_raises_what_put_events_answers(bus: EventBus, eb: EventBridge) -> None:
    async with bus:
        for detail_type, detail, source in (
            ("", {}, "me"),
            ("t", {}, "aws.mine"),
            ("t", [1], "me"),
            ("t", {"a": {1}}, "me"),
        ):
            with pytest.raises(NotValid):
                await eb.default.put(detail_type, detail, source)  # type: ignore[arg-type]
        with pytest.raises(NotValid, match="Time is no instant"):
            await eb.default.put("t", {}, "me", time="soon")


async def test_a_handler_has_its_own_copy_of_the_event(bus: EventBus, eb: EventBridge) -> None:
    @eb.default.on(EVERYTHING)
    async def spoils(event: Any, context: Any) -> None:
        event["detail"]["list"].append("spoiled")

    seen = recorded(eb.default)
    detail = {"list": ["fresh"]}
    async with bus:
        await eb.default.put("t", detail, "me")
        await bus.wait_idle()
    assert seen[0]["detail"] == detail == {"list": ["fresh"]}


async def test_explain_says_why_nothing_happened(bus: EventBus, eb: EventBridge) -> None:
    assert eb.default.explain("paid", {}, "shop") == 'eb["default"] has no rules.'
    recorded(eb.default, {"detail": {"total": [{"numeric": [">", 100]}]}}, rule="big")
    eb.default.put_rule("off", event_pattern=EVERYTHING, state="DISABLED")
    eb.default.put_rule("empty", event_pattern=EVERYTHING)
    eb.default.put_rule("hourly", schedule="rate(1 hour)")
    denied = bus.add_function("denied", Recorder())
    rule = eb.default.put_rule("denied", event_pattern=EVERYTHING)
    rule.target(denied)
    rule.target("arn:aws:sqs:us-east-1:123456789012:gone", id="gone")
    assert eb.default.explain("paid", {"total": 3}, "shop").split("\n") == [
        'big: does not match: "detail.total" is 3, but must match [{"numeric": [">", 100]}].',
        'off: is disabled; call eb["default"].rule("off").enable().',
        'empty: matches, but has no targets; call eb["default"].rule("empty").target(...).',
        "hourly: has a schedule and no event pattern.",
        "denied: matches.",
        "  denied: can't get it: the rule may not send there; "
        'call bus.functions["denied"].allow(eb["default"].rule("denied")).',
        "  gone: can't get it: arn:aws:sqs:us-east-1:123456789012:gone does not exist on this bus.",
    ]
    assert "  seen: gets it." in eb.default.explain("paid", {"total": 300}, "shop")


async def test_the_trace_shows_where_an_event_went(bus: EventBus, eb: EventBridge) -> None:
    recorded(eb.default)
    async with bus:
        await eb.default.put("order.paid", {}, "shop")
        await bus.wait_idle()
    assert str(bus.trace) == "put_events default/order.paid  (1 of 1 rules matched)\n└─ λ seen  ✓ finished"


ENVELOPE = {
    "id": "1", "account": "1", "source": "s", "time": "2026-01-01T00:00:00Z", "region": "r", "resources": [],
    "detail-type": "t", "detail": {"n": 300.0},
}  # fmt: skip


def test_a_pattern_can_be_tried(eb: EventBridge) -> None:
    assert eb.test_event_pattern({"detail": {"n": [300]}}, ENVELOPE)
    assert eb.test_event_pattern('{"source": ["s"]}', json.dumps(ENVELOPE))
    assert not eb.test_event_pattern({"source": ["other"]}, ENVELOPE)


@pytest.mark.parametrize("event", ["no JSON", "[]", {}, {k: v for k, v in ENVELOPE.items() if k != "region"}])
def test_only_a_whole_event_can_be_tried(eb: EventBridge, event: Any) -> None:
    with pytest.raises(NotValid) as refused:
        eb.test_event_pattern({"source": ["s"]}, event)
    assert refused.value.message == "Parameter Event is not valid."


def test_event_buses_are_made_and_found(bus: EventBus, eb: EventBridge) -> None:
    orders = eb.create_event_bus("orders", description="all orders")
    assert orders.arn == "arn:aws:events:us-east-1:123456789012:event-bus/orders"
    assert (eb["orders"], "orders" in eb, len(eb), [one.name for one in eb]) == (orders, True, 2, ["default", "orders"])
    assert orders.describe()["Description"] == "all orders"
    assert repr(eb) == "<EventBridge: 2 event buses>"
    assert repr(orders) == "<EventBridgeBus orders: 0 rules>"
    with pytest.raises(NotFound, match="Event bus nope does not exist") as missing:
        eb["nope"]
    assert "default, orders" in missing.value.__notes__[0]
    with pytest.raises(AWSError, match=r"^Event bus orders already exists\.$"):
        eb.create_event_bus("orders")
    with pytest.raises(AWSError, match=r"^Cannot delete event bus default\.$"):
        eb.delete_event_bus("default")
    with pytest.raises(ConfigurationError):
        EventBridge(bus)
    orders.put_rule("r", event_pattern=EVERYTHING)
    eb.delete_event_bus(orders)
    eb.delete_event_bus("orders")
    assert ("orders" in eb, bus.find(orders.arn), orders.rules) == (False, None, ())


@pytest.mark.parametrize("name", ["", "a/b", "a b", "x" * 257, "ä"])
def test_a_name_is_refused(eb: EventBridge, name: str) -> None:
    with pytest.raises(NotValid):
        eb.create_event_bus(name)


async def test_a_deleted_event_bus_takes_nothing(bus: EventBus, eb: EventBridge) -> None:
    orders = eb.create_event_bus("orders")
    eb.delete_event_bus(orders)
    async with bus:
        with pytest.raises(NotFound):
            await orders.put("t", {}, "me")


def test_there_are_a_hundred_event_buses_at_most(eb: EventBridge) -> None:
    for n in range(99):
        eb.create_event_bus(f"b{n}")
    with pytest.raises(AWSError, match="exceeds the maximum number allowed") as refused:
        eb.create_event_bus("one-more")
    assert refused.value.code == "LimitExceededException"


def test_permissions_are_put_and_removed(eb: EventBridge) -> None:
    event_bus = eb.default
    event_bus.put_permission("partner", "111122223333")
    event_bus.put_permission(
        "org", "*", condition={"Type": "StringEquals", "Key": "aws:PrincipalOrgID", "Value": "o-1234567890"}
    )
    event_bus.put_permission("partner", "444455556666")
    granted = event_bus.policy or {}
    assert [(s["Sid"], s["Principal"]) for s in granted["Statement"]] == [
        ("org", "*"),
        ("partner", {"AWS": "arn:aws:iam::444455556666:root"}),
    ]
    event_bus.remove_permission("org")
    with pytest.raises(NotFound, match="Statement with the provided id does not exist"):
        event_bus.remove_permission("org")
    event_bus.remove_permission(remove_all_permissions=True)
    assert event_bus.policy is None
    for statement_id, principal in (("a b", "*"), ("ok", "somebody")):
        with pytest.raises(NotValid):
            event_bus.put_permission(statement_id, principal)
