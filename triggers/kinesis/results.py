"""What a stream answers: values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from eventbus.delivery import payload
from eventbus.telemetry.trace import Cause


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
