"""Kinesis: how streams are found, their registered consumers, and what is pushed to them."""

from __future__ import annotations

from triggers.aws.services import JSONServiceMap, page
from triggers.aws.services.deeds import Deed, Input, Result, opening
from triggers.aws.streaming import Live
from triggers.kinesis import (
    Consumer,
    ConsumerNotFound,
    InvalidArgument,
    Kinesis,
    Record,
    Stream,
    SubscribeToShardEvent,
    Subscription,
)
from triggers.kinesis.errors import DryRunOperation, StreamNotFound


class Consumers(JSONServiceMap):
    """The operations on consumers."""

    service = "kinesis"

    @property
    def _kinesis(self) -> Kinesis:
        found = self.bus.service("Kinesis")
        return found if found is not None else Kinesis(self.bus)

    def _stream(self, wanted: Input, action: str | None = None) -> Stream:
        arn, name = wanted.get("StreamARN") or wanted.get("ResourceARN"), wanted.get("StreamName")
        if arn is None and name is None:
            raise InvalidArgument("Either StreamName or StreamARN must be provided.")
        short = str(name if arn is None else arn.rpartition("/")[2])
        if short not in self._kinesis or arn not in (None, self._kinesis[short].arn):
            raise StreamNotFound(short, self.bus.account_id)
        stream = self._kinesis[short]
        if action is not None:
            self.allow(f"kinesis:{action}", stream)
        return stream

    def register_stream_consumer(self, wanted: Input) -> Result:
        consumer = self._stream(wanted).register_consumer(wanted["ConsumerName"])
        consumer.tags |= wanted.get("Tags") or {}
        return {"Consumer": consumer.summary()}

    def deregister_stream_consumer(self, wanted: Input) -> Result:
        self._consumer(wanted).deregister()
        return {}

    def describe_stream_consumer(self, wanted: Input) -> Result:
        return {"ConsumerDescription": self._consumer(wanted).describe()}

    def list_stream_consumers(self, wanted: Input) -> Result:
        found = self._stream(wanted).list_consumers()
        shown, token = page(
            found, wanted.get("NextToken"), wanted.get("MaxResults", 100), key=lambda one: one["ConsumerName"]
        )
        return {"Consumers": shown, "NextToken": token}

    def subscribe_to_shard(self, wanted: Input) -> Deed:
        consumer, start = self._consumer(wanted), wanted["StartingPosition"]
        at = start.get("Timestamp")
        options = {
            "sequence_number": start.get("SequenceNumber"),
            "timestamp": None if at is None else at.timestamp(),
        }

        def call() -> Subscription:
            if wanted.get("DryRun"):
                consumer.check_subscription(wanted["ShardId"], start["Type"], **options)
                raise DryRunOperation
            return consumer.subscribe_to_shard(wanted["ShardId"], start["Type"], **options)

        def shape(subscription: Subscription) -> Result:
            return {"EventStream": Live(subscription, _pushed, self.refusal)}

        mend = f"{consumer.label}.subscribe_to_shard({wanted['ShardId']!r}, {start['Type']!r}) with `async for`"
        return opening(self.bus, call, mend).then(shape)

    def _consumer(self, wanted: Input) -> Consumer:
        """The consumer that a request names by its ARN, or by its stream and its name."""
        arn = wanted.get("ConsumerARN")
        if arn is None:
            if wanted.get("StreamARN") is None or wanted.get("ConsumerName") is None:
                raise InvalidArgument("Either ConsumerARN or both StreamARN and ConsumerName must be provided.")
            return self._stream(wanted).consumer(wanted["ConsumerName"])
        stream_arn, _, name = arn.partition("/consumer/")
        consumer = self._stream({"StreamARN": stream_arn}).consumers.get(name.partition(":")[0])
        if consumer is None or consumer.arn != arn:
            raise ConsumerNotFound(arn, self.bus.account_id)
        return consumer


def record_shown(record: Record) -> Result:
    return {
        "SequenceNumber": record.sequence_number,
        "ApproximateArrivalTimestamp": record.approximate_arrival_timestamp,
        "Data": record.data,
        "PartitionKey": record.partition_key,
    }


def _pushed(event: SubscribeToShardEvent) -> Result:
    return {
        "SubscribeToShardEvent": {
            "Records": list(map(record_shown, event.records)),
            "ContinuationSequenceNumber": event.continuation_sequence_number,
            "MillisBehindLatest": event.millis_behind_latest,
            "ChildShards": list(event.child_shards) or None,
        }
    }
