"""Shards of a stream: records in order, kept for 24 hours, seen once they are safe."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise

from triggers.dynamodb.collection import HASHES
from triggers.dynamodb.records import StreamRecord

RETENTION = 86_400.0
"""Seconds that a record is kept (developer guide, DynamoDB Streams)."""
FIRST_SEQUENCE = 10**20
"""Sequence numbers have at least 21 digits (service model)."""


class Shard:
    """The records of a range of hashed partition keys.

    A record is in `after` once the store has it: what might be taken back is never handed to a function.
    """

    def __init__(
        self,
        shard_id: str,
        low: int,
        high: int,
        starts_at: int,
        *,
        parents: Sequence[str] = (),
        ends_at: int | None = None,
        closed_at: float | None = None,
    ) -> None:
        self.shard_id = shard_id
        self.parents = tuple(parents)
        self.low, self.high = low, high
        self.starts_at = starts_at
        """No record of this shard has a smaller sequence."""
        self.ends_at = ends_at
        self.closed_at = closed_at
        self.trimmed = 0
        """The greatest sequence that is gone."""
        self._records: list[StreamRecord] = []
        self._safe = 0
        self._latest = 0

    def __repr__(self) -> str:
        state = "closed" if self.is_closed else "open"
        return f"<Shard {self.shard_id}: {state}, {len(self._records)} records>"

    @property
    def is_closed(self) -> bool:
        """Whether no record will come any more."""
        return self.ends_at is not None

    @property
    def latest(self) -> int:
        """The sequence of the newest record ever, 0 if there was none: the position LATEST."""
        return self._latest

    def holds(self, key_hash: int) -> bool:
        """Whether the changes of this partition key come here."""
        return self.low <= key_hash < self.high

    def after(self, sequence: int, limit: int) -> Sequence[StreamRecord]:
        """At most `limit` kept records behind this sequence, oldest first."""
        start = bisect_right(self._records, sequence, key=_sequence)
        end = bisect_right(self._records, self._safe, key=_sequence)
        return self._records[start : min(end, start + limit)]

    def position_at(self, timestamp: float) -> int:
        """The position just before the first record that arrived at or after this instant."""
        index = bisect_left(self._records, timestamp, key=lambda record: record.at)
        if index < len(self._records):
            return self._records[index].sequence - 1
        return self._latest

    def add(self, record: StreamRecord) -> None:
        """One more record, to be seen when `reveal` says so."""
        self._records.append(record)
        self._latest = record.sequence

    def reveal(self, sequence: int) -> None:
        """Records up to this one are safe."""
        self._safe = max(self._safe, sequence)

    def take_back(self, record: StreamRecord) -> None:
        """A record could not be written: the change never happened."""
        index = bisect_left(self._records, record.sequence, key=_sequence)
        if index < len(self._records) and self._records[index] is record:
            del self._records[index]

    def trim(self, now: float) -> list[StreamRecord]:
        """Forget records that are older than 24 hours; returns them."""
        count = bisect_left(self._records, now - RETENTION, key=lambda record: record.at)
        gone = self._records[:count]
        if gone:
            self.trimmed = gone[-1].sequence
            del self._records[:count]
        return gone

    @property
    def oldest_at(self) -> float | None:
        """When the oldest kept record arrived."""
        return self._records[0].at if self._records else None


def _sequence(record: StreamRecord) -> int:
    return record.sequence


def first_shards(count: int, starts_at: int, name: Callable[[], str]) -> list[Shard]:
    """So many open shards, which share the hashes evenly."""
    edges = [HASHES * n // count for n in range(count + 1)]
    return [Shard(name(), low, high, starts_at) for low, high in pairwise(edges)]
