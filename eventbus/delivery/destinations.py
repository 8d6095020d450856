"""Where ended events go: on-success and on-failure destinations and dead-letter queues, with AWS's exact documents.

Source: recorded destination messages and Lambda developer guide, "Capturing records of Lambda asynchronous invocations"
(2026). A delivery is done as the function's execution role. One that fails is not retried, as on AWS; it is counted,
logged and noted in the trace, never silent.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from eventbus.delivery.payload import as_text, decode, encode, encode_result
from eventbus.delivery.targets import Message, MessageAttributes
from eventbus.errors import AWSError, InvalidParameterValue, NotJSON
from eventbus.execution.outcome import Failed, Succeeded
from eventbus.options import check_flag
from eventbus.timestamps import iso_time

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.delivery.event import Event
    from eventbus.delivery.settling import Settling
    from eventbus.delivery.targets import Target
    from eventbus.functions.invocable import Invocable

ERROR_MESSAGE_LIMIT = 1024
"""Bytes of ErrorMessage on a dead-letter message."""


def checked_destination(
    bus: EventBus, function: Invocable, target: object, kinds: Collection[str], accepted: str, *, grant: bool
) -> Target:
    """The destination that an object or ARN stands for, if it is one of these kinds and the role may send there.

    Raises InvalidParameterValue with what is `accepted`, or with the mending call.
    """
    chosen = bus.resource(target)
    if chosen.kind not in kinds or chosen.is_fifo:
        raise InvalidParameterValue(f"The destination ARN {chosen.arn} is invalid.", mend=accepted)
    check_flag("grant", grant)
    with function.role.all_or_nothing():
        if grant:
            function.role.allow(chosen.send_action, chosen)
        if not bus.authority.may_send(function.source, chosen).is_allowed:
            service, action = chosen.send_action.split(":")
            raise InvalidParameterValue(
                f"The provided execution role does not have permissions to call {action} on {service.upper()}",
                mend=f'call {function.label}.role.allow("{chosen.send_action}", {chosen.label}) or pass grant=True',
            )
    return chosen


def destination_record(
    event: Event, condition: str, outcome: Succeeded | Failed | None, now: float, executed_version: str
) -> dict[str, Any]:
    """The document that a destination gets; without response parts when the function never ran."""
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": iso_time(now),
        "requestContext": {
            "requestId": event.request_id,
            "functionArn": _qualified(event.addressed),
            "condition": condition,
            "approximateInvokeCount": event.attempts,
        },
        "requestPayload": event.payload(),
    }
    if outcome is not None:
        record["responseContext"] = {"statusCode": 200, "executedVersion": executed_version}
        if isinstance(outcome, Failed):
            record["responseContext"]["functionError"] = "Unhandled"
            record["responsePayload"] = outcome.document
        else:
            record["responsePayload"] = decode(outcome.result)
    return record


def _qualified(addressed: Invocable) -> str:
    """The ARN of what was invoked, always with a qualifier."""
    return addressed.arn if addressed.qualifier is not None else f"{addressed.arn}:$LATEST"


def event_bus_event(lane: Settling, target: Target, condition: str, record: dict[str, Any]) -> dict[str, Any]:
    """What an event bus gets as destination: the record as the detail of an event."""
    bus = lane.bus
    return {
        "version": "0",
        "id": bus.ids.uuid(),
        "detail-type": f"Lambda Function Invocation Result - {'Success' if condition == 'Success' else 'Failure'}",
        "source": "lambda",
        "account": bus.account_id,
        "time": f"{iso_time(bus.clock.now())[:19]}Z",
        "region": bus.region,
        "resources": [target.arn, record["requestContext"]["functionArn"]],
        "detail": record,
    }


def send_to_destination(
    lane: Settling, target: Target, event: Event, condition: str, outcome: Succeeded | Failed | None
) -> None:
    """Deliver the record of an ended event."""
    record = destination_record(event, condition, outcome, lane.bus.clock.now(), lane.version)
    if target.kind == "event bus":
        record = event_bus_event(lane, target, condition, record)
    try:
        body = encode_result(record)
    except NotJSON as error:  # payload or result fill the nesting that is allowed, and the record goes around them
        _failed(lane, target, event, str(error), "", "DestinationDeliveryFailures")
        return
    _deliver(lane, target, event, Message(body, event), "DestinationDeliveryFailures")


def send_to_dead_letter_queue(lane: Settling, target: Target, event: Event, failure: Failed | None) -> None:
    """Deliver the original event, unchanged, with what went wrong in its attributes."""
    message = failure.error_message if failure is not None else (event.reason.value if event.reason is not None else "")
    attributes: MessageAttributes = {
        "RequestID": {"DataType": "String", "StringValue": event.request_id},
        "ErrorCode": {"DataType": "Number", "StringValue": "200" if failure is not None else "429"},
        "ErrorMessage": {
            "DataType": "String",
            "StringValue": message.encode(errors="replace")[:ERROR_MESSAGE_LIMIT].decode(errors="ignore") or " ",
        },
    }
    body = as_text(encode(event.payload()))
    _deliver(lane, target, event, Message(body, event, attributes=attributes), "DeadLetterErrors")


def _deliver(lane: Settling, target: Target, event: Event, message: Message, failures: str) -> None:
    found = lane.bus.find(target.arn)
    if found is None:
        what = "Function not found: " if target.kind == "function" else ""
        _failed(lane, target, event, f"{what}{target.arn}{'' if what else ' does not exist'}", "", failures)
        return
    source, target = lane.target.source, found
    decision = lane.bus.authority.may_send(source, target)
    if not decision.is_allowed:
        problem = decision.reason
        mend = f"call {lane.target.label}.role.allow({target.send_action!r}, {target.label})"
    else:
        try:
            with lane.bus.facts():
                target.accept(message, source)
            return
        except AWSError as error:
            problem, mend = error.message, error.mend or ""
    _failed(lane, target, event, problem, mend, failures)


def _failed(lane: Settling, target: Target, event: Event, problem: str, mend: str, failures: str) -> None:
    bus, function = lane.bus, lane.function
    bus.count(failures, function.arn)
    event.note = f"{target.kind} {target.name} did not take it: {problem}"
    bus.log.warning(
        "destination_failed",
        function=function.name,
        destination=target.arn,
        problem=problem,
        mend=mend,
        metric=failures,
    )
