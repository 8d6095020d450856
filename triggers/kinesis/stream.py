"""A stream: what callers do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from triggers.kinesis.consumers import FanOut
from triggers.kinesis.core import FIRST_HASH
from triggers.kinesis.errors import InvalidArgument, StreamNotFound
from triggers.kinesis.keeping import KeptStream
from triggers.kinesis.polled import PolledStream
from triggers.kinesis.resharding import Resharding
from triggers.kinesis.writing import Writing
from triggers.polling import poll_stream

if TYPE_CHECKING:
    from triggers.kinesis.keeping import Keeping
    from triggers.polling import EventSourceMapping

SHORTEST, LONGEST = 24 * 3600, 8760 * 3600
"""Seconds of retention (Kinesis quotas, 2026)."""


class Stream(Writing, FanOut, Resharding):
    """A Kinesis stream, made by `Kinesis.create_stream`.

    Records are put with `put_record` and `put_records`, coroutines that need a running bus and have synchronous twins
    ending in `_nowait`. They are read by functions (`function.poll(stream, ...)`), by hand, with shard iterators, or by
    registered consumers, to whom they are pushed.
    Inside a handler the function's role needs the permission (`kinesis:PutRecord`, ...).
    """

    def __repr__(self) -> str:
        records = sum(shard.record_count for shard in self._shards.values())
        return f"<Stream {self.name}: {self.open_shard_count} open shards, {records} records>"

    def poll_into(self, function: Any, **options: Any) -> EventSourceMapping:
        """Called by `Function.poll`: have the records of this stream delivered to the function in batches."""
        if self.is_deleted:
            raise StreamNotFound(self.name, self.account_id)
        return poll_stream(self._bus, self.polled(), function, **options)

    def polled(self) -> PolledStream:
        """Called by mappings: this stream as pollers see it."""
        return PolledStream(self)

    def increase_retention(self, retention: int) -> None:
        """Keep records for longer: IncreaseStreamRetentionPeriod. Seconds, whole hours up to 8,760 hours."""
        self._allowed("kinesis:IncreaseStreamRetentionPeriod")
        if check_retention(retention) < self._retention:
            raise InvalidArgument(
                f"Requested retention period ({retention // 3600} hours) for stream {self.name} can not be shorter "
                f"than existing retention period ({self._retention // 3600} hours). Use DecreaseRetentionPeriod API.",
                mend="call decrease_retention(...)",
            )
        self._retention = retention

    def decrease_retention(self, retention: int) -> None:
        """Keep records for a shorter time: DecreaseStreamRetentionPeriod. Seconds, whole hours from 24 hours.

        Records that are older are gone at once.
        """
        self._allowed("kinesis:DecreaseStreamRetentionPeriod")
        if check_retention(retention) > self._retention:
            raise InvalidArgument(
                f"Requested retention period ({retention // 3600} hours) for stream {self.name} can not be longer than "
                f"existing retention period ({self._retention // 3600} hours). Use IncreaseRetentionPeriod API.",
                mend="call increase_retention(...)",
            )
        self._retention = retention

    def keep(self, keeping: Keeping) -> None:
        """Called by the service: take up what the store has of this stream, and keep there what comes."""
        self._kept = KeptStream(keeping, self.name)
        stored = self._kept.load_shards()
        if stored is None:
            self._topology_changed()
            return
        self.created_at, shards = stored
        self._shards.clear()
        self._next_number = 0
        for number, first, last, start, parents, end, closed_at in shards:
            shard = self._make_shard(number, first, last, start, parents)
            if end is not None:
                shard.close(end, closed_at)
        self._open = sorted((shard for shard in self._shards.values() if shard.is_open), key=FIRST_HASH)
        by_number = {shard.number: shard for shard in self._shards.values()}
        for shard_number, record in self._kept.load_records():
            by_number[shard_number].add(record)

    def close(self) -> None:
        """Called by the service when the stream is deleted: its records are gone."""
        self.is_deleted = True
        if self._kept is not None:
            self._kept.delete()
        for shard in self._shards.values():
            shard.clear()
        self._shards.clear()
        self._open.clear()
        self._forget_consumers()
        self._notify()


def check_retention(retention: object) -> int:
    """Refuse what is not a whole number of hours from 24 to 8,760, in seconds."""
    if not isinstance(retention, int) or isinstance(retention, bool) or retention % 3600:
        raise InvalidArgument(f"retention={retention!r}: a whole number of hours is needed, in seconds")
    if not SHORTEST <= retention <= LONGEST:
        raise InvalidArgument(
            f"Retention period must be between 24 and 8760 hours, not {retention // 3600}",
            mend="it is given in seconds",
        )
    return retention
