"""What a shard takes and gives in a second, for those who want to meet these limits. Pure.

Source: Kinesis developer guide, "Quotas and limits" (2026).
"""

from __future__ import annotations

import attrs

RECORDS, BYTES = 1000, 2**20
"""In, per shard and second."""
READS = 5
"""GetRecords calls, per shard and second."""


@attrs.define
class _Second:
    number: int = -1
    records: int = 0
    size: int = 0
    reads: int = 0


class Throughput:
    """Counts by shard and by whole second of the bus's clock."""

    def __init__(self) -> None:
        self._by_shard: dict[str, _Second] = {}

    def may_write(self, shard_id: str, size: int, now: float) -> bool:
        """Whether the shard takes a record of this size now; it is counted if so."""
        second = self._second(shard_id, now)
        if second.records >= RECORDS or (second.size and second.size + size > BYTES):
            return False
        second.records += 1
        second.size += size
        return True

    def may_read(self, shard_id: str, now: float) -> bool:
        """Whether the shard answers now; it is counted if so."""
        second = self._second(shard_id, now)
        if second.reads >= READS:
            return False
        second.reads += 1
        return True

    def _second(self, shard_id: str, now: float) -> _Second:
        second = self._by_shard.get(shard_id)
        if second is None or second.number != int(now):
            second = self._by_shard[shard_id] = _Second(int(now))
        return second
