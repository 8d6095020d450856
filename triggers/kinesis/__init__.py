"""Kinesis: streams of records in shards, which functions poll."""

from triggers.kinesis.consumers import Consumer
from triggers.kinesis.errors import (
    ConsumerNotFound,
    ExpiredIterator,
    InvalidArgument,
    KinesisError,
    ProvisionedThroughputExceeded,
    ResourceInUse,
    StreamNotFound,
)
from triggers.kinesis.results import (
    GetRecordsResult,
    PutFailure,
    PutRecordResult,
    PutRecordsResult,
    Record,
    SubscribeToShardEvent,
)
from triggers.kinesis.service import Kinesis
from triggers.kinesis.stream import Stream
from triggers.kinesis.subscriptions import Subscription

__all__ = [
    "Consumer",
    "ConsumerNotFound",
    "ExpiredIterator",
    "GetRecordsResult",
    "InvalidArgument",
    "Kinesis",
    "KinesisError",
    "ProvisionedThroughputExceeded",
    "PutFailure",
    "PutRecordResult",
    "PutRecordsResult",
    "Record",
    "ResourceInUse",
    "Stream",
    "StreamNotFound",
    "SubscribeToShardEvent",
    "Subscription",
]
