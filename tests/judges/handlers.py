"""Handlers as users of Powertools write them: loggers, metrics and processors belong to the module."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes import (
    APIGatewayProxyEventV2,
    DynamoDBStreamEvent,
    EventBridgeEvent,
    KinesisStreamEvent,
    S3Event,
    SNSEvent,
    SQSEvent,
)
from aws_lambda_powertools.utilities.data_classes.common import DictWrapper
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.idempotency import BasePersistenceLayer, IdempotencyConfig, idempotent
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyItemAlreadyExistsError,
    IdempotencyItemNotFoundError,
)
from aws_lambda_powertools.utilities.idempotency.persistence.datarecord import DataRecord

logger = Logger(service="judged", level="INFO", use_rfc3339=True)  # the level of other lines counts as INFO
child = Logger(service="judged", child=True)
metrics = Metrics(namespace="shop", service="orders")
processor = BatchProcessor(event_type=EventType.SQS)
plain = logging.getLogger("plain")
plain.addHandler(logging.StreamHandler(sys.stdout))
charged: list[str] = []


@logger.inject_lambda_context(log_event=False)
def log(event: Any, context: Any) -> None:
    """One record of each logger."""
    logger.info("sold", extra={"order": event})
    child.warning("few left")
    plain.warning("a line of its own")
    logging.getLogger("bare").warning("by the root")


@metrics.log_metrics(capture_cold_start_metric=True)
def measure(event: Any, context: Any) -> None:
    """Two values of one metric, in the embedded metric format."""
    metrics.add_metric(name="Sold", unit="Count", value=event)
    metrics.add_metric(name="Sold", unit="Count", value=event)


def batch(event: dict[str, Any], context: Any) -> Any:
    """Fails for the messages that are odd."""

    def one(record: SQSRecord) -> None:
        if int(record.body) % 2:
            raise ValueError(record.body)

    return process_partial_response(event=event, record_handler=one, processor=processor, context=context)


class InMemory(BasePersistenceLayer):
    """Where Powertools keeps what was done already."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.records: dict[str, DataRecord] = {}

    def _get_record(self, idempotency_key: str) -> DataRecord:
        if idempotency_key not in self.records:
            raise IdempotencyItemNotFoundError
        return self.records[idempotency_key]

    def _put_record(self, data_record: DataRecord) -> None:
        if data_record.idempotency_key in self.records:
            raise IdempotencyItemAlreadyExistsError
        self.records[data_record.idempotency_key] = data_record

    def _update_record(self, data_record: DataRecord) -> None:
        self.records[data_record.idempotency_key] = data_record

    def _delete_record(self, data_record: DataRecord) -> None:
        self.records.pop(data_record.idempotency_key, None)


@idempotent(persistence_store=InMemory(), config=IdempotencyConfig(event_key_jmespath="order"))
def charge(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Charges an order once, however often the event comes."""
    charged.append(event["order"])
    return {"order": event["order"], "charges": len(charged), "request": context.aws_request_id}


READERS: dict[str, Callable[[dict[str, Any]], DictWrapper]] = {
    "aws:s3": S3Event,
    "aws:sns": SNSEvent,
    "aws:sqs": SQSEvent,
    "aws:dynamodb": DynamoDBStreamEvent,
    "aws:kinesis": KinesisStreamEvent,
}


def read(event: dict[str, Any], context: Any) -> None:
    """Reads every property that the data class of an event has, and prints how many had a value."""
    if "Records" in event:
        record = event["Records"][0]
        source = record.get("eventSource") or record["EventSource"]
        parsed = READERS[source](event)
    elif "detail-type" in event:
        source, parsed = "events", EventBridgeEvent(event)
    else:
        source, parsed = "http", APIGatewayProxyEventV2(event)
    print(json.dumps({"source": source, "values": sum(value is not None for value in values(parsed))}))


def values(parsed: Any) -> Iterator[Any]:
    """All properties of a data class, and of those that it is made of; not other events that a body may contain."""
    for name in dir(type(parsed)):
        if not name.startswith(("_", "decoded_nested")) and isinstance(getattr(type(parsed), name), property):
            value = getattr(parsed, name)
            parts = list(value) if isinstance(value, Iterator | list) else [value]
            for part in parts:
                yield part
                if isinstance(part, DictWrapper):
                    yield from values(part)
