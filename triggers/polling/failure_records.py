"""What an on-failure destination of a stream's mapping gets: the metadata of the batch, never its data.

Source: recorded messages; Lambda developer guide, "Retaining discarded batch records" (2026). A bucket gets the
original batch as text too.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from eventbus.answers import InvocationResult
from eventbus.delivery.destinations import checked_destination
from eventbus.delivery.payload import encode
from eventbus.delivery.targets import Message, Target
from eventbus.errors import AWSError, InvalidParameterValue
from eventbus.telemetry.trace import counted
from eventbus.timestamps import iso_time
from triggers.polling.decisions import RECORD_AGE_EXCEEDED, Batch

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from triggers.polling.mapping import EventSourceMapping
    from triggers.polling.source import Shard, StreamSource

KINDS = ("queue", "topic", "bucket")


def failure_destination(bus: EventBus, function: Any, target: object, *, grant: bool) -> Target:
    """The destination that an object or ARN stands for, if the function's role may send there.

    Raises InvalidParameterValue with the mending call, with nothing granted.
    """
    accepted = "on_failure takes a standard queue or topic, or a bucket"
    return checked_destination(bus, function, target, KINDS, accepted, grant=grant)


def failure_record(
    mapping: EventSourceMapping, source: StreamSource, shard: Shard, batch: Batch, condition: str
) -> dict[str, Any]:
    """The document about a batch that was given up."""
    bus = mapping.bus
    first, last = batch.records[0], batch.records[-1]
    is_kinesis = source.stream_kind == "kinesis"
    result = batch.report if isinstance(batch.report, InvocationResult) else None
    record: dict[str, Any] = {
        "requestContext": {
            "requestId": bus.ids.uuid() if result is None else result.request_id,
            "functionArn": mapping.function.arn,
            "condition": condition,
            "approximateInvokeCount": max(1, batch.attempts),
        }
    }
    if condition != RECORD_AGE_EXCEEDED and result is not None:
        record["responseContext"] = {
            "statusCode": 200,
            "executedVersion": result.executed_version,
            "functionError": result.function_error,
        }
    record |= {"version": "1.0", "timestamp": iso_time(bus.clock.now())}
    record["KinesisBatchInfo" if is_kinesis else "DDBStreamBatchInfo"] = {
        "shardId": shard.shard_id,
        "startSequenceNumber": str(first.sequence),
        "endSequenceNumber": str(last.sequence),
        "approximateArrivalOfFirstRecord": _arrival(first.at, is_kinesis),
        "approximateArrivalOfLastRecord": _arrival(last.at, is_kinesis),
        "batchSize": len(batch.records),
        "streamArn": source.arn,
    }
    return record


def _arrival(at: float, with_milliseconds: bool) -> str:
    text = iso_time(at)
    return text if with_milliseconds else f"{text[:-5]}Z"


def report_given_up(
    mapping: EventSourceMapping, source: StreamSource, shard: Shard, batch: Batch, condition: str
) -> None:
    """Tell the log, the metrics, the trace and the on-failure destination that a batch is given up. Never raises."""
    bus = mapping.bus
    bus.log.warning(
        "batch_given_up",
        mapping=mapping.uuid,
        function=mapping.function.arn,
        shard=shard.shard_id,
        records=len(batch.records),
        reason=condition,
    )
    mapping.count("DroppedEventCount", len(batch.records))
    action = bus.note("give up", source, counted(len(batch.records), "record"), batch.records[-1].cause)
    action.hops, action.note = 0, condition
    target = mapping.on_failure
    if target is None:
        return
    record = failure_record(mapping, source, shard, batch, condition)
    key = None
    if target.kind == "bucket":
        key = _key(mapping, shard.shard_id)
        payload = {"Records": [source.lambda_record(shard, one, mapping.function.role.arn) for one in batch.records]}
        record["payload"] = json.dumps(payload, separators=(",", ":"))
    sender = mapping.function.source
    try:
        if not bus.authority.may_send(sender, target).is_allowed:
            raise InvalidParameterValue(f"the execution role may not {target.send_action}")
        with bus.facts():
            target.accept(Message(encode(record), action, key=key), sender)
    except AWSError as error:
        action.note = f"{condition}; on_failure destination {target.name}: {error}"
        bus.count("DestinationDeliveryFailures", mapping.function.arn)
        bus.log.warning("destination_failed", mapping=mapping.uuid, destination=target.arn, reason=str(error))
    else:
        mapping.count("OnFailureDestinationDeliveredEventCount", len(batch.records))


def _key(mapping: EventSourceMapping, shard_id: str) -> str:
    """`aws/lambda/<UUID>/<shard>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<UUID>` (Lambda developer guide, 2026)."""
    now = iso_time(mapping.bus.clock.now())
    stamp = now[:19].replace(":", ".")
    return f"aws/lambda/{mapping.uuid}/{shard_id}/{now[:10].replace('-', '/')}/{stamp}-{mapping.bus.ids.uuid()}"
