"""What a stream answers: values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from eventbus.delivery import payload
from eventbus.telemetry.trace import Cause

if TYPE_CHECKING:
    from triggers.kinesis.shards import StoredRecord


@attrs.frozen
class PutRecordResult:
    """Where a record was put."""

    shard_id: str
    sequence_number: str


@attrs.frozen
class PutFailure:
    """A record of `put_records` that was refused while others were taken."""

    code: str
    message: str


@attrs.frozen
class PutRecordsResult:
    """What `put_records` answers, in the order of its entries."""

    records: tuple[PutRecordResult | PutFailure, ...]

    @property
    def failed_record_count(self) -> int:
        return sum(isinstance(record, PutFailure) for record in self.records)


@attrs.frozen
class Record:
    """A record that was read."""

    sequence_number: str
    approximate_arrival_timestamp: float
    """Seconds since the epoch."""
    data: bytes
    partition_key: str
    cause: Cause | None = attrs.field(default=None, repr=False, eq=False)
    """Who wrote it, for the trace."""

    def json(self) -> Any:
        """The data as a JSON value; raises ValueError if it isn't JSON."""
        return payload.parse(self.data)


@attrs.frozen
class GetRecordsResult:
    """What `get_records` answers."""

    records: tuple[Record, ...]
    next_shard_iterator: str | None
    """None when the shard is closed and everything was read."""
    millis_behind_latest: int
    child_shards: tuple[Mapping[str, Any], ...] = ()
    """At the end of a shard: what was made of it, as AWS describes it."""


@attrs.frozen
class SubscribeToShardEvent:
    """What a subscription pushes: records, or none to say that it lives."""

    records: tuple[Record, ...]
    continuation_sequence_number: str | None
    """After which another subscription goes on; None when the shard is closed and everything was read."""
    millis_behind_latest: int
    child_shards: tuple[Mapping[str, Any], ...] = ()
    """At the end of a shard: what was made of it, as AWS describes it."""


def fitting(records: Iterable[StoredRecord], most_bytes: int) -> list[StoredRecord]:
    """The first of these records, with so many bytes of data at most; at least one."""
    size = 0
    found: list[StoredRecord] = []
    for record in records:
        size += len(record.data)
        if size > most_bytes and found:
            break
        found.append(record)
    return found


def shown(record: StoredRecord) -> Record:
    """A record as it is read."""
    return Record(str(record.sequence), record.at, record.data, record.group, record.cause)
