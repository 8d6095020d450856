"""Where ended events go: destinations and dead-letter queues."""

from __future__ import annotations

import logging
import math
from typing import Any

import anyio
import pytest

from eventbus import EventBus, Function
from eventbus.errors import AccessDenied
from eventbus.testing import Recorder
from tests.engine.support import ARN, S3, Box, QueueIsFull, make_bus, virtual

pytestmark = pytest.mark.anyio


def wired(bus: EventBus, recorder: Recorder, **options: Any) -> tuple[Function, Box, Box, Box]:
    """A function with an on-success destination, an on-failure destination and a dead-letter queue."""
    function = bus.add_function("f", recorder, **options)
    function.allow(S3)
    boxes = Box(bus, "succeeded"), Box(bus, "failed"), Box(bus, "dead")
    function.on_success(boxes[0], grant=True)
    function.on_failure(boxes[1], grant=True)
    function.dead_letter(boxes[2], grant=True)
    return function, *boxes


async def test_the_record_of_a_success() -> None:
    """Exactly AWS's document, sent once, to the on-success destination alone, as the function's role."""
    bus = make_bus()
    function, succeeded, failed, dead = wired(bus, Recorder(fail=1, result={"done": [1]}))
    async with bus:
        receipt = await bus.push(function, {"key": "é"}, source=S3)
        await bus.wait_idle()
    assert succeeded.documents == [
        {
            "version": "1.0",
            "timestamp": "2026-01-01T00:01:00.000Z",
            "requestContext": {
                "requestId": receipt.request_id,
                "functionArn": f"{ARN}f:$LATEST",
                "condition": "Success",
                "approximateInvokeCount": 2,
            },
            "requestPayload": {"key": "é"},
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
            "responsePayload": {"done": [1]},
        }
    ]
    assert succeeded.senders == [function.source]
    assert failed.messages == dead.messages == []


async def test_the_record_of_a_failure() -> None:
    """Condition, count, functionError and the error document of the last attempt."""
    bus = make_bus()
    function, succeeded, failed, _ = wired(bus, Recorder(fail="always", error=KeyError("k")))
    async with bus:
        receipt = await bus.push(function, [1], source=S3)
        await bus.wait_idle()
        letter = bus.dead_letters[0]
    assert succeeded.messages == []
    assert failed.documents == [
        {
            "version": "1.0",
            "timestamp": "2026-01-01T00:03:00.000Z",
            "requestContext": {
                "requestId": receipt.request_id,
                "functionArn": f"{ARN}f:$LATEST",
                "condition": "RetriesExhausted",
                "approximateInvokeCount": 3,
            },
            "requestPayload": [1],
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "responsePayload": letter.error_document,
        }
    ]
    assert letter.error_document is not None
    assert list(letter.error_document) == ["errorMessage", "errorType", "requestId", "stackTrace"]


async def test_the_message_of_a_dead_letter_queue() -> None:
    """The original event, unchanged, with what went wrong in its attributes."""
    bus = make_bus()
    function, _, _, dead = wired(bus, Recorder(fail="always", error=KeyError("k")))
    async with bus:
        receipt = await bus.push(function, {"key": "é", "n": [1, 2.5, None]}, source=S3)
        await bus.wait_idle()
    (message,) = dead.messages
    assert message.body == '{"key":"é","n":[1,2.5,null]}'
    assert message.attributes == {
        "RequestID": {"DataType": "String", "StringValue": receipt.request_id},
        "ErrorCode": {"DataType": "Number", "StringValue": "200"},
        "ErrorMessage": {"DataType": "String", "StringValue": "'k'"},
    }
    assert message.subject is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x" * 2000, "x" * 1024),
        ("é" * 600, "é" * 512),
        ("a" + "é" * 600, "a" + "é" * 511),
        ("", " "),
        ("\ud800!", "?!"),
    ],
    ids=["long", "not ASCII", "cut between characters", "empty", "lone surrogate"],
)
async def test_the_error_message_of_a_dead_letter_is_cut_at_one_kilobyte(text: str, expected: str) -> None:
    """Bytes count, characters stay whole, and no text of an exception can break anything."""
    bus = make_bus()
    function, _, _, dead = wired(bus, Recorder(fail="always", error=ValueError(text)), retries=0)
    async with bus:
        await bus.push(function, 1, source=S3)
        await bus.wait_idle()
    assert dead.messages[0].attributes["ErrorMessage"]["StringValue"] == expected


async def test_a_switched_off_function_gives_up_at_once() -> None:
    """Reserved concurrency 0: count 0, no response parts in the record, no error of a handler."""
    bus, recorder = make_bus(), Recorder()
    function, _, failed, dead = wired(bus, recorder, reserved_concurrency=0)
    async with bus:
        receipt = await bus.push(function, 1, source=S3)
        await bus.wait_idle()
        assert virtual(bus).elapsed == 0
        assert failed.documents == [
            {
                "version": "1.0",
                "timestamp": "2026-01-01T00:00:00.000Z",
                "requestContext": {
                    "requestId": receipt.request_id,
                    "functionArn": f"{ARN}f:$LATEST",
                    "condition": "ZeroReservedConcurrency",
                    "approximateInvokeCount": 0,
                },
                "requestPayload": 1,
            }
        ]
        assert dead.messages[0].attributes["ErrorCode"]["StringValue"] == "429"
        (letter,) = bus.dead_letters
        assert (letter.reason, letter.attempts) == ("ZeroReservedConcurrency", 0)
        assert letter.error == "reserved_concurrency is 0, which switches the function off"
        assert recorder.events == []


async def test_a_function_as_a_destination_is_invoked_with_the_record() -> None:
    """Asynchronously, as the failing function's role, and the trace shows it below its cause."""
    bus, audit = make_bus(), Recorder()
    function = bus.add_function("f", Recorder(fail="always"), retries=0)
    function.allow(S3)
    function.on_failure(bus.add_function("audit", audit), grant=True)
    async with bus:
        await bus.push(function, {"n": 1}, source=S3)
        await bus.wait_idle()
        (record,) = audit.events
        assert record["requestPayload"] == {"n": 1}
        assert str(bus.trace) == (
            "s3.amazonaws.com → λ f  ✗ RetriesExhausted\n"
            "├─ attempt 1 after 0 s: ValueError: recorder was told to fail\n"
            "└─ λ audit  ✓ finished"
        )
        assert bus.dead_letters[0].payload == {"n": 1}


async def test_a_loop_of_destinations_is_stopped_like_any_other() -> None:
    """Two functions that are each other's on-failure destination end after sixteen."""
    bus = make_bus()
    a, b = Recorder(fail="always"), Recorder(fail="always")
    first, second = bus.add_function("a", a, retries=0), bus.add_function("b", b, retries=0)
    first.allow(S3)
    first.on_failure(second, grant=True)
    second.on_failure(first, grant=True)
    async with bus:
        await bus.push(first, 1, source=S3)
        await bus.wait_idle()
        assert len(a.events) + len(b.events) == 16
        reasons = [str(letter.reason) for letter in bus.dead_letters]
        assert (reasons.count("RetriesExhausted"), reasons.count("RecursiveInvocation")) == (16, 2)


async def test_a_denied_event_goes_to_no_destination() -> None:
    """On AWS the source would have been refused at the door."""
    bus = make_bus()
    function, succeeded, failed, dead = wired(bus, Recorder())
    async with bus:
        await bus.push(function, 1, source="sns.amazonaws.com")
        await bus.wait_idle()
        assert [letter.reason for letter in bus.dead_letters] == ["AccessDenied"]
    assert succeeded.messages == failed.messages == dead.messages == []


@pytest.mark.parametrize(
    ("fail", "metric", "box"),
    [(0, "DestinationDeliveryFailures", 0), (9, "DestinationDeliveryFailures", 1), (9, "DeadLetterErrors", 2)],
)
@pytest.mark.parametrize("how", ["denied", "refused"])
async def test_a_destination_that_fails_is_counted_and_logged(
    fail: int, metric: str, box: int, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether the role lost its permission or the queue refuses; the event ends all the same."""
    bus = make_bus()
    function, *boxes = wired(bus, Recorder(fail=fail), retries=0)
    chosen = boxes[box]
    if how == "denied":
        function.role.deny(chosen.send_action, chosen)
        problem = "with an explicit deny in an identity-based policy"
        mend = f'call bus.functions["f"].role.allow(\'sqs:SendMessage\', sqs["{chosen.name}"])'
    else:
        chosen.refusal = QueueIsFull("the queue is full", mend="empty it")
        problem, mend = "the queue is full", "empty it"
    with caplog.at_level(logging.WARNING):
        async with bus:
            await bus.push(function, 1, source=S3)
            await bus.wait_idle()
            s = bus.statistics()
            assert (s.finished, s.dead_lettered) == ((0, 1) if fail else (1, 0))
            assert bus.metrics.query(metric, function).sum == 1
            node = bus.trace.tree()[0]
            assert node["note"].startswith(f"queue {chosen.name} did not take it: ")
            assert problem in node["note"]
    assert chosen.messages == []
    (record,) = (r for r in caplog.records if "destination_failed" in r.getMessage())
    assert problem in record.getMessage()
    assert f"metric='{metric}'" in record.getMessage()
    assert repr(mend) in record.getMessage()


async def test_a_record_that_is_too_large_for_a_function_is_counted_as_a_failed_delivery() -> None:
    """An event of nearly one megabyte has a record of more."""
    bus, audit = make_bus(), Recorder()
    function = bus.add_function("f", Recorder())
    function.allow(S3)
    function.on_success(bus.add_function("audit", audit), grant=True)
    async with bus:
        await bus.push(function, "x" * 1_048_400, source=S3)
        await bus.wait_idle()
        assert audit.events == []
        assert bus.metrics.query("DestinationDeliveryFailures", function).sum == 1
        assert bus.statistics().finished == 1


async def test_a_result_of_nan_reaches_a_queue_and_not_a_function() -> None:
    """A queue takes any text; a function takes JSON, so that this delivery fails and is counted."""
    bus, audit = make_bus(), Recorder()
    function = bus.add_function("f", Recorder(result=math.nan))
    function.allow(S3)
    box = Box(bus)
    function.on_success(box, grant=True)
    async with bus:
        await bus.push(function, 1, source=S3)
        await bus.wait_idle()
        assert '"responsePayload":NaN' in str(box.messages[0].body)
        function.on_success(bus.add_function("audit", audit), grant=True)
        await bus.push(function, 1, source=S3)
        await bus.wait_idle()
        assert audit.events == []
        assert bus.metrics.query("DestinationDeliveryFailures", function).sum == 1


@pytest.mark.parametrize("depth", [250, 253, 254, 499, 500])
async def test_the_deepest_payload_has_a_record_or_a_counted_failure(depth: int) -> None:
    """The record goes around the payload, so it is nested deeper; where that is too deep, nothing crashes."""
    bus = make_bus()
    function, succeeded, _, _ = wired(bus, Recorder())
    payload: list[Any] = []
    for _ in range(depth - 1):
        payload = [payload]
    async with bus:
        await bus.push(function, payload, source=S3)
        await bus.wait_idle()
        failures = bus.metrics.query("DestinationDeliveryFailures", function).sum
        assert len(succeeded.messages) + failures == 1
        assert bool(failures) is (depth == 500)
        assert bus.statistics().finished == 1


async def test_a_destination_can_be_taken_away() -> None:
    """None removes it, for events that end from then on."""
    bus = make_bus()
    function, succeeded, failed, dead = wired(bus, Recorder(fail=1), retries=0)
    function.on_success(None)
    function.on_failure(None)
    function.dead_letter(None)
    async with bus:
        await bus.push(function, 1, source=S3)
        await bus.push(function, 2, source=S3)
        await bus.wait_idle()
        assert bus.statistics().finished == bus.statistics().dead_lettered == 1
    assert succeeded.messages == failed.messages == dead.messages == []


async def test_a_destination_set_while_the_handler_runs_is_used() -> None:
    """What counts is the wiring at the event's end."""
    bus = make_bus()
    box, go, entered = Box(bus), anyio.Event(), anyio.Event()

    @bus.function
    async def f(event: Any, context: Any) -> str:
        entered.set()
        await go.wait()
        return "done"

    f.allow(S3)
    async with bus:
        await bus.push(f, 1, source=S3)
        await entered.wait()
        f.on_success(box, grant=True)
        go.set()
        await bus.wait_idle()
    assert [record["responsePayload"] for record in box.documents] == ["done"]


async def test_direct_calls_use_no_destination() -> None:
    """Their caller has the answer."""
    bus = make_bus()
    function, *boxes = wired(bus, Recorder(fail=1))
    async with bus:
        assert (await bus.invoke(function)).function_error == "Unhandled"
        assert (await bus.invoke(function)).function_error is None
        assert not bus.dead_letters
    assert all(not box.messages for box in boxes)


async def test_what_a_handler_does_is_done_as_its_role() -> None:
    """Inside a handler a call is refused until the execution role allows it; the error names the mending call."""
    bus = make_bus()
    inner = bus.add_function("inner", Recorder(result="inner"))
    errors: list[str] = []

    @bus.function
    async def outer(event: Any, context: Any) -> Any:
        try:
            return (await bus.invoke(inner)).payload
        except AccessDenied as error:
            errors.append(str(error))
            return None

    async with bus:
        assert (await bus.invoke(outer)).payload is None
        outer.role.allow("lambda:InvokeFunction", inner)
        assert (await bus.invoke(outer)).payload == "inner"
    assert errors == [
        "User: arn:aws:sts::123456789012:assumed-role/outer-role/outer is not authorized to perform: "
        f"lambda:InvokeFunction on resource: {ARN}inner because no identity-based policy allows the "
        'lambda:InvokeFunction action; call bus.functions["outer"].role.allow("lambda:InvokeFunction", '
        'bus.functions["inner"])'
    ]
