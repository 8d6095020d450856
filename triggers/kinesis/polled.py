"""A stream as the pollers of event source mappings see it, and its records as functions get them.

Source of the event: Lambda developer guide, "Using Lambda with Kinesis" (2026), and recorded events.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from eventbus.arn import Arn
from eventbus.delivery.payload import parse

if TYPE_CHECKING:
    from triggers.kinesis.consumers import Consumer
    from triggers.kinesis.core import StreamCore
    from triggers.kinesis.shards import Shard, StoredRecord


class PolledStream:
    """One stream, for one mapping."""

    stream_kind = "kinesis"

    def __init__(self, stream: StreamCore) -> None:
        self.stream = stream
        self.origin: Any = stream
        self.arn = stream.arn
        self.name = stream.name
        self.label = stream.label
        self._region = Arn.parse(stream.arn).region

    def __repr__(self) -> str:
        return repr(self.stream)

    @property
    def is_deleted(self) -> bool:
        return self.stream.is_deleted

    @property
    def retention(self) -> float:
        return self.stream.retention

    def shards(self) -> Sequence[Shard]:
        """The shards that may still hold records, parents before children."""
        return tuple(self.stream.current_shards())

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call something when there are new records, or the shards have changed. Returns how to stop."""
        return self.stream.watch(wake)

    def poll_actions(self) -> Sequence[str]:
        """What the function's role must be allowed."""
        return (
            "kinesis:GetRecords",
            "kinesis:GetShardIterator",
            "kinesis:DescribeStream",
            "kinesis:ListShards",
            "kinesis:ListStreams",
        )

    def lambda_record(self, shard: Shard, record: StoredRecord, role_arn: str) -> dict[str, Any]:
        """The record as functions get it."""
        return {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": record.group,
                "sequenceNumber": str(record.sequence),
                "data": b64encode(record.data).decode(),
                "approximateArrivalTimestamp": round(record.at, 3),
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{shard.shard_id}:{record.sequence}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": role_arn,
            "awsRegion": self._region,
            "eventSourceARN": self.arn,
        }

    def filter_view(self, shard: Shard, record: StoredRecord) -> dict[str, Any]:
        """What filters see: the data as JSON, if it is some, and what stands around it."""
        view: dict[str, Any] = {
            "partitionKey": record.group,
            "sequenceNumber": str(record.sequence),
            "eventSource": "aws:kinesis",
            "eventName": "aws:kinesis:record",
            "eventID": f"{shard.shard_id}:{record.sequence}",
            "awsRegion": self._region,
            "eventSourceARN": self.arn,
        }
        try:
            view["data"] = parse(record.data)
        except ValueError:
            pass  # it matches no pattern for data
        return view


class PolledConsumer(PolledStream):
    """A stream that a mapping reads as one of its consumers, and under that consumer's ARN."""

    def __init__(self, consumer: Consumer) -> None:
        super().__init__(consumer.stream)
        self.origin = self._consumer = consumer
        self.arn, self.name, self.label = consumer.arn, consumer.name, consumer.label

    @property
    def is_deleted(self) -> bool:
        return self._consumer.is_gone

    def poll_actions(self) -> Sequence[str]:
        """What the function's role must be allowed, on the consumer."""
        return ("kinesis:SubscribeToShard",)
