"""Kinesis: operations and streams."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from triggers.aws.services import page, tag_list
from triggers.aws.services.deeds import Deed, Input, Result, deed, given
from triggers.aws.services.kinesis_consumers import Consumers, record_shown
from triggers.kinesis import (
    Consumer,
    GetRecordsResult,
    InvalidArgument,
    PutFailure,
    PutRecordResult,
    Stream,
)
from triggers.kinesis.service import SHARDS

_HOUR = 3600


class KinesisMap(Consumers):
    """Streams are found by their names or ARNs."""

    # -- streams ------------------------------------------------------------------------------------------------------

    def create_stream(self, wanted: Input) -> Result:
        mode = (wanted.get("StreamModeDetails") or {}).get("StreamMode", "PROVISIONED")
        shards = wanted.get("ShardCount", _ON_DEMAND_SHARDS if mode == "ON_DEMAND" else 1)
        stream = self._kinesis.create_stream(wanted["StreamName"], shards)
        stream.tags |= wanted.get("Tags") or {}
        return {}

    def delete_stream(self, wanted: Input) -> Result:
        enforced = bool(wanted.get("EnforceConsumerDeletion"))
        self._kinesis.delete_stream(self._stream(wanted), enforce_consumer_deletion=enforced)
        return {}

    def describe_stream(self, wanted: Input) -> Result:
        start = wanted.get("ExclusiveStartShardId")
        return self._stream(wanted).describe_stream(exclusive_start_shard_id=start, limit=wanted.get("Limit", 100))

    def describe_stream_summary(self, wanted: Input) -> Result:
        return self._stream(wanted).describe_stream_summary()

    def list_streams(self, wanted: Input) -> Result:
        self.allow("kinesis:ListStreams", None, "*")
        after = wanted.get("NextToken") or wanted.get("ExclusiveStartStreamName")
        names, token = page(sorted(s.name for s in self._kinesis), after, wanted.get("Limit", 100))
        summaries = [_summary(self._kinesis[name]) for name in names]
        return {
            "StreamNames": names,
            "HasMoreStreams": token is not None,
            "NextToken": token,
            "StreamSummaries": summaries,
        }

    def list_shards(self, wanted: Input) -> Result:
        token = wanted.get("NextToken")
        name, _, after = (token or "").partition("/")
        stream = self._stream(wanted if token is None else {"StreamName": name})
        start = wanted.get("ExclusiveStartShardId") if token is None else after
        found = stream.list_shards(exclusive_start_shard_id=start, limit=wanted.get("MaxResults", 1000))
        if "NextToken" in found:
            found["NextToken"] = f"{stream.name}/{found['NextToken']}"
        return found

    def describe_limits(self, wanted: Input) -> Result:
        self.allow("kinesis:DescribeLimits", None, "*")
        counts = {"OpenShardCount": sum(stream.open_shard_count for stream in self._kinesis)}
        return {"ShardLimit": SHARDS, **counts, "OnDemandStreamCount": 0, "OnDemandStreamCountLimit": 50}

    def split_shard(self, wanted: Input) -> Result:
        self._stream(wanted).split_shard(wanted["ShardToSplit"], wanted["NewStartingHashKey"])
        return {}

    def merge_shards(self, wanted: Input) -> Result:
        self._stream(wanted).merge_shards(wanted["ShardToMerge"], wanted["AdjacentShardToMerge"])
        return {}

    def update_shard_count(self, wanted: Input) -> Result:
        stream = self._stream(wanted)
        before, target = stream.open_shard_count, wanted["TargetShardCount"]
        stream.update_shard_count(target)
        counts = {"CurrentShardCount": before, "TargetShardCount": target}
        return {"StreamName": stream.name, "StreamARN": stream.arn, **counts}

    def increase_stream_retention_period(self, wanted: Input) -> Result:
        self._stream(wanted).increase_retention(wanted["RetentionPeriodHours"] * _HOUR)
        return {}

    def decrease_stream_retention_period(self, wanted: Input) -> Result:
        self._stream(wanted).decrease_retention(wanted["RetentionPeriodHours"] * _HOUR)
        return {}

    # -- records ------------------------------------------------------------------------------------------------------

    def put_record(self, wanted: Input) -> Deed:
        key = wanted.get("ExplicitHashKey")
        stream = self._stream(wanted)
        return deed(stream.put_record, wanted["Data"], _partition_key(wanted), explicit_hash_key=key).then(_put)

    def put_records(self, wanted: Input) -> Deed:
        entries = [
            {"data": entry["Data"], "partition_key": _partition_key(entry)}
            | given(explicit_hash_key=entry.get("ExplicitHashKey"))
            for entry in wanted["Records"]
        ]

        def shape(result: Any) -> Result:
            return {"FailedRecordCount": result.failed_record_count, "Records": list(map(_put, result.records))}

        return deed(self._stream(wanted).put_records, entries).then(shape)

    def get_shard_iterator(self, wanted: Input) -> Result:
        at = wanted.get("Timestamp")
        iterator = self._stream(wanted).get_shard_iterator(
            wanted["ShardId"],
            wanted["ShardIteratorType"],
            starting_sequence_number=wanted.get("StartingSequenceNumber"),
            timestamp=None if at is None else at.timestamp(),
        )
        return {"ShardIterator": iterator}

    def get_records(self, wanted: Input) -> Deed:
        return deed(self._kinesis.get_records, wanted["ShardIterator"], limit=wanted.get("Limit")).then(_read)

    # -- tags ---------------------------------------------------------------------------------------------------------

    def add_tags_to_stream(self, wanted: Input) -> Result:
        self._stream(wanted, "AddTagsToStream").tags |= wanted["Tags"]
        return {}

    def remove_tags_from_stream(self, wanted: Input) -> Result:
        _without(self._stream(wanted, "RemoveTagsFromStream"), wanted["TagKeys"])
        return {}

    def list_tags_for_stream(self, wanted: Input) -> Result:
        tags = tag_list(self._stream(wanted, "ListTagsForStream").tags)
        shown, token = page(
            tags, wanted.get("ExclusiveStartTagKey"), wanted.get("Limit", len(tags) or 1), key=lambda tag: tag["Key"]
        )
        return {"Tags": shown, "HasMoreTags": token is not None}

    def tag_resource(self, wanted: Input) -> Result:
        self._tagged(wanted, "TagResource").tags |= wanted["Tags"]
        return {}

    def untag_resource(self, wanted: Input) -> Result:
        _without(self._tagged(wanted, "UntagResource"), wanted["TagKeys"])
        return {}

    def list_tags_for_resource(self, wanted: Input) -> Result:
        return {"Tags": tag_list(self._tagged(wanted, "ListTagsForResource").tags)}

    def _tagged(self, wanted: Input, action: str) -> Stream | Consumer:
        """The stream or the consumer that an operation on tags is about."""
        if "/consumer/" not in wanted["ResourceARN"]:
            return self._stream(wanted, action)
        consumer = self._consumer({"ConsumerARN": wanted["ResourceARN"]})
        self.allow(f"kinesis:{action}", consumer)
        return consumer


_ON_DEMAND_SHARDS = 4
"""Shards that a stream in on-demand mode begins with (Kinesis developer guide, 2026)."""


def _partition_key(entry: Input) -> str:
    if "PartitionKey" not in entry:
        raise InvalidArgument("PartitionKey must be provided.")
    return str(entry["PartitionKey"])


def _without(tagged: Stream | Consumer, keys: Iterable[str]) -> None:
    for key in keys:
        tagged.tags.pop(key, None)


def _summary(stream: Stream) -> Result:
    return {
        "StreamName": stream.name,
        "StreamARN": stream.arn,
        "StreamStatus": "ACTIVE",
        "StreamModeDetails": {"StreamMode": "PROVISIONED"},
        "StreamCreationTimestamp": stream.created_at,
    }


def _put(result: PutRecordResult | PutFailure) -> Result:
    if isinstance(result, PutFailure):
        return {"ErrorCode": result.code, "ErrorMessage": result.message}
    return {"ShardId": result.shard_id, "SequenceNumber": result.sequence_number}


def _read(result: GetRecordsResult) -> Result:
    return {
        "Records": list(map(record_shown, result.records)),
        "NextShardIterator": result.next_shard_iterator,
        "MillisBehindLatest": result.millis_behind_latest,
        "ChildShards": list(result.child_shards) or None,
    }
