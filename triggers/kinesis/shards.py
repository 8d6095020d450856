"""A shard: records in their order, and where it came from."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import attrs

from eventbus.telemetry.trace import Cause

FIRST_SEQUENCE = 496 * 10**53
"""Sequence numbers have 56 digits, as AWS's have."""
_BASE64_RATIO = 4 / 3
_ENVELOPE = 512
"""Bytes that a record has in a function's event beside its data, roughly."""

_SEQUENCE = attrgetter("sequence")
_AT = attrgetter("at")


def sequence_of(number: int, shard: int) -> int:
    """The sequence number that one of the service's growing numbers stands for, in one shard."""
    return FIRST_SEQUENCE + (number << 24 | (shard & 0xFFFFF) << 4 | 2)


@attrs.define(eq=False, weakref_slot=False)
class StoredRecord:
    """One record of a shard."""

    number: int
    sequence: int
    at: float
    group: str
    """The partition key."""
    data: bytes
    cause: Cause | None

    @property
    def size(self) -> int:
        """Bytes in a function's event: the data is base64 there."""
        return int(len(self.data) * _BASE64_RATIO) + len(self.group) + _ENVELOPE


class Shard:
    """Records with hash keys from `first_hash` to `last_hash`, oldest first; those past the retention are dropped.

    `kept_since` says from which arrival on records are kept; it is asked at every look. `dropped` is told of what goes.
    """

    def __init__(
        self,
        number: int,
        first_hash: int,
        last_hash: int,
        starting_sequence: int,
        parents: Sequence[str] = (),
        *,
        kept_since: Callable[[], float],
        dropped: Callable[[list[StoredRecord]], None],
    ) -> None:
        self.number = number
        self.shard_id = f"shardId-{number:012d}"
        self.first_hash = first_hash
        self.last_hash = last_hash
        self.starting_sequence = starting_sequence
        self.parents = tuple(parents)
        self.ending_sequence: int | None = None
        self.closed_at: float | None = None
        self.unsafe = 0
        """Records that were put and that the store has not written yet: nobody sees them."""
        self.latest = 0
        """The sequence of the newest record that could ever be read."""
        self._records: list[StoredRecord] = []
        self._kept_since = kept_since
        self._dropped = dropped

    @property
    def record_count(self) -> int:
        """How many records are kept."""
        self._trim()
        return len(self._records)

    @property
    def is_open(self) -> bool:
        """Whether it takes records."""
        return self.ending_sequence is None

    @property
    def is_closed(self) -> bool:
        """Whether no record will come any more, nor become readable."""
        return self.ending_sequence is not None and not self.unsafe

    def add(self, record: StoredRecord) -> None:
        """A record can be read from now on."""
        self._records.append(record)
        self.latest = record.sequence

    def close(self, sequence: int, at: float) -> None:
        """Take no more records."""
        self.ending_sequence, self.closed_at = sequence, at

    def after(self, sequence: int, limit: int) -> Sequence[StoredRecord]:
        """Kept records with a greater sequence number, oldest first."""
        self._trim()
        begin = bisect_right(self._records, sequence, key=_SEQUENCE)
        return self._records[begin : begin + limit]

    def position_at(self, timestamp: float) -> int:
        """The position just before the first record that arrived at or after this instant."""
        self._trim()
        begin = bisect_left(self._records, timestamp, key=_AT)
        return self._records[begin].sequence - 1 if begin < len(self._records) else self.latest

    def clear(self) -> None:
        """The stream is deleted."""
        self._records.clear()

    def _trim(self) -> None:
        oldest = self._kept_since()
        records = self._records
        if records and records[0].at <= oldest:
            count = bisect_right(records, oldest, key=_AT)
            gone = records[:count]
            del records[:count]
            self._dropped(gone)

    def describe(self) -> dict[str, Any]:
        """AWS's answer about it."""
        answer: dict[str, Any] = {"ShardId": self.shard_id}
        if self.parents:
            answer["ParentShardId"] = self.parents[0]
        if len(self.parents) > 1:
            answer["AdjacentParentShardId"] = self.parents[1]
        answer["HashKeyRange"] = self.hash_key_range()
        answer["SequenceNumberRange"] = {"StartingSequenceNumber": str(self.starting_sequence)}
        if self.ending_sequence is not None:
            answer["SequenceNumberRange"]["EndingSequenceNumber"] = str(self.ending_sequence)
        return answer

    def hash_key_range(self) -> dict[str, str]:
        """The range in AWS's form."""
        return {"StartingHashKey": str(self.first_hash), "EndingHashKey": str(self.last_hash)}
