"""Kinesis: streams of records in shards, which functions poll."""

from triggers.kinesis.errors import (
    ExpiredIterator,
    InvalidArgument,
    KinesisError,
    ProvisionedThroughputExceeded,
    ResourceInUse,
    StreamNotFound,
)
from triggers.kinesis.results import GetRecordsResult, PutFailure, PutRecordResult, PutRecordsResult, Record
from triggers.kinesis.service import Kinesis
from triggers.kinesis.stream import Stream

__all__ = [
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
]
