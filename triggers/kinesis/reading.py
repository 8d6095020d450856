"""Reading a stream by hand: shard iterators and GetRecords. Functions need none of this: `function.poll(stream)`."""

from __future__ import annotations

import math
from typing import Any

from eventbus.errors import ConfigurationError, ValidationFailed
from triggers.kinesis import iterators
from triggers.kinesis.core import StreamCore
from triggers.kinesis.errors import InvalidArgument, ProvisionedThroughputExceeded
from triggers.kinesis.hashing import is_whole
from triggers.kinesis.iterators import ShardIterator
from triggers.kinesis.results import GetRecordsResult, fitting, shown
from triggers.kinesis.shards import Shard

MOST_RECORDS = 10_000
MOST_BYTES = 10 * 2**20
"""Of one answer (API_GetRecords, 2026)."""


class Reading(StreamCore):
    """Iterators, records and descriptions."""

    def get_shard_iterator(
        self,
        shard_id: str,
        shard_iterator_type: str,
        *,
        starting_sequence_number: str | None = None,
        timestamp: float | None = None,
    ) -> str:
        """A place to read from, good for five minutes: GetShardIterator.

        `shard_iterator_type` is `TRIM_HORIZON`, `LATEST`, `AT_SEQUENCE_NUMBER` or `AFTER_SEQUENCE_NUMBER` with
        `starting_sequence_number`, or `AT_TIMESTAMP` with `timestamp` in seconds since the epoch. Raises ShardNotFound,
        InvalidArgument or ValidationFailed.
        """
        self._allowed("kinesis:GetShardIterator")
        shard = self._shard(shard_id)
        sequence = starting_point(
            self, shard, shard_iterator_type, starting_sequence_number, timestamp, call="GetShardIterator"
        )
        return str(ShardIterator(self.arn, shard_id, sequence, self._bus.clock.now()))

    async def get_records(self, shard_iterator: str, limit: int = MOST_RECORDS) -> GetRecordsResult:
        """Read up to 10,000 records or 10 MB, and learn where to go on: GetRecords.

        Raises ExpiredIterator after five minutes, InvalidArgument for a foreign iterator, and with throughput limits
        ProvisionedThroughputExceeded from the sixth call in a second on.
        """
        self._bus.accepting("get_records")
        await self._bus.room(lambda arn: False)
        return self.get_records_nowait(shard_iterator, limit)

    def get_records_nowait(self, shard_iterator: str, limit: int = MOST_RECORDS) -> GetRecordsResult:
        """The synchronous twin of `get_records`."""
        self._enter("get_records", "kinesis:GetRecords")
        if not is_whole(limit) or not 1 <= limit <= MOST_RECORDS:
            raise ValidationFailed(limit, "limit", f"Member must have value between 1 and {MOST_RECORDS}")
        now = self._bus.clock.now()
        iterator = iterators.read(shard_iterator, self.arn, now)
        shard = self._shard(iterator.shard_id)
        if self._throughput is not None and not self._throughput.may_read(shard.shard_id, now):
            self._bus.count("ReadProvisionedThroughputExceeded", self.arn)
            raise ProvisionedThroughputExceeded(shard.shard_id, self.name, self.account_id)
        records = fitting(shard.after(iterator.sequence, limit), MOST_BYTES)
        sequence = records[-1].sequence if records else iterator.sequence
        left = shard.after(sequence, 1)
        is_at_end = shard.is_closed and not left
        behind = 0 if not left else max(0, round((now - left[0].at) * 1000))
        return GetRecordsResult(
            records=tuple(map(shown, records)),
            next_shard_iterator=None if is_at_end else str(ShardIterator(self.arn, shard.shard_id, sequence, now)),
            millis_behind_latest=behind,
            child_shards=tuple(self._children(shard)) if is_at_end else (),
        )

    def _children(self, parent: Shard) -> list[dict[str, Any]]:
        return [
            {"ShardId": shard.shard_id, "ParentShards": list(shard.parents), "HashKeyRange": shard.hash_key_range()}
            for shard in self.current_shards()
            if parent.shard_id in shard.parents
        ]

    def list_shards(self, *, exclusive_start_shard_id: str | None = None, limit: int | None = None) -> dict[str, Any]:
        """Every shard, open ones and those that are closed but whose records are kept: ListShards, in AWS's shape.

        With a `limit`, up to 10,000, at most so many behind `exclusive_start_shard_id`; what is left begins after
        `NextToken`, which stands for such a shard.
        """
        self._allowed("kinesis:ListShards")
        shards, has_more = self._page_of_shards(exclusive_start_shard_id, limit, 10_000)
        return {"Shards": shards} | ({"NextToken": shards[-1]["ShardId"]} if has_more else {})

    def describe_stream(
        self, *, exclusive_start_shard_id: str | None = None, limit: int | None = None
    ) -> dict[str, Any]:
        """The stream with its shards: DescribeStream, in AWS's shape; instants are seconds since the epoch.

        `limit` (1 to 10,000) and `exclusive_start_shard_id` choose a page of the shards.
        """
        self._allowed("kinesis:DescribeStream")
        shards, has_more = self._page_of_shards(exclusive_start_shard_id, limit, 10_000)
        return {"StreamDescription": {**self._summary(), "Shards": shards, "HasMoreShards": has_more}}

    def _page_of_shards(self, after: str | None, limit: int | None, most: int) -> tuple[list[dict[str, Any]], bool]:
        """Shards behind one, in AWS's shape, and whether there are more."""
        if limit is not None and (not is_whole(limit) or not 1 <= limit <= most):
            raise ValidationFailed(limit, "limit", f"Member must have value between 1 and {most}")
        shards = [shard for shard in self.describe_shards() if after is None or shard["ShardId"] > after]
        shown = shards[:limit]
        return shown, len(shown) < len(shards)

    def describe_stream_summary(self) -> dict[str, Any]:
        """The stream without its shards: DescribeStreamSummary, in AWS's shape."""
        self._allowed("kinesis:DescribeStreamSummary")
        counts = {"OpenShardCount": self.open_shard_count, "ConsumerCount": len(self._consumers)}
        return {"StreamDescriptionSummary": {**self._summary(), **counts}}

    def _summary(self) -> dict[str, Any]:
        return {
            "StreamName": self.name,
            "StreamARN": self.arn,
            "StreamStatus": "ACTIVE",
            "StreamModeDetails": {"StreamMode": "PROVISIONED"},
            "RetentionPeriodHours": self.retention // 3600,
            "StreamCreationTimestamp": self.created_at,
            "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
            "EncryptionType": "NONE",
        }


def starting_point(
    stream: StreamCore, shard: Shard, kind: str, number: str | None, timestamp: float | None, *, call: str
) -> int:
    """The position just before the first record to read."""
    if kind not in iterators.TYPES:
        listed = ", ".join(iterators.TYPES)
        raise ValidationFailed(kind, "shardIteratorType", f"Member must satisfy enum value set: [{listed}]")
    if kind == "TRIM_HORIZON":
        return 0
    if kind == "LATEST":
        return shard.latest
    if kind == "AT_TIMESTAMP":
        given: object = timestamp
        if not isinstance(given, int | float) or timestamp is None or not math.isfinite(timestamp):
            raise InvalidArgument("Timestamp must be specified for AT_TIMESTAMP.", mend="pass timestamp= in seconds")
        return shard.position_at(timestamp)
    if not isinstance(number, str):
        raise ConfigurationError(f"starting_sequence_number={number!r}: {kind} needs a sequence number, as text")
    if not (number.isascii() and number.isdigit()) or not _is_of(shard, int(number)):
        raise InvalidArgument(
            f"StartingSequenceNumber {number} used in {call} on shard {shard.shard_id} in stream {stream.name} under "
            f"account {stream.account_id} is invalid."
        )
    return int(number) - (kind == "AT_SEQUENCE_NUMBER")


def _is_of(shard: Shard, sequence: int) -> bool:
    end = shard.ending_sequence
    return shard.starting_sequence <= sequence and (end is None or sequence <= end)
