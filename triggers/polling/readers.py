"""One shard on its way to the function: it is read into lanes, and it has a checkpoint.

With a parallelisation factor of n a shard has n lanes, and records of one partition key (or item) always take the same
one. The checkpoint is just before the first record of any lane that isn't dealt with.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from triggers.polling.lanes import Lane
from triggers.polling.positions import Position

if TYPE_CHECKING:
    from triggers.polling.source import Shard, StreamRecord
    from triggers.polling.streams import StreamPoller

_CHUNK = 1000
"""Records that are read at a time."""


class ShardReader:
    """Reads one shard."""

    def __init__(self, poller: StreamPoller, shard: Shard, position: Position) -> None:
        settings = poller.mapping.settings
        self.poller = poller
        self.shard = shard
        self.read = position.sequence
        """Everything up to here has been handed to the lanes."""
        self.is_open = False
        """The parents are drained."""
        self.is_dropped = False
        """The stream was deleted: nothing is tried again, and there is no position."""
        count = 1 if settings.tumbling_window else settings.parallelization_factor  # the state is one for the shard
        self.lanes = [Lane(self, position.window if settings.tumbling_window else None) for _ in range(count)]

    @property
    def is_drained(self) -> bool:
        """No record will come any more, and all are dealt with, those of its parents too."""
        is_read = self.is_open and self.shard.is_closed and self.read >= self.shard.latest
        return is_read and all(lane.is_done for lane in self.lanes)

    def wake(self) -> None:
        """There may be new records."""
        if len(self.lanes) > 1:
            self.fill(_CHUNK)
        is_behind = self.shard.latest > self.read
        for lane in self.lanes:
            lane.wake(is_behind=is_behind)

    def fill(self, wanted: int, lane: Lane | None = None) -> None:
        """Hand records to the lanes, until this one has as many as it wants or the shard has no more."""
        poller, mapping = self.poller, self.poller.mapping
        chunk = min(wanted, _CHUNK)
        while self.shard.latest > self.read and (lane is None or len(lane.todo) < wanted):
            if not poller.may_read():
                return
            records = self.shard.after(self.read, chunk)
            if not records:
                if self.shard.is_closed:
                    self.read = self.shard.latest  # the rest has been trimmed
                break
            passed = 0
            for record in records:
                if not mapping.filters or mapping.filters.match_stream(poller.source.filter_view(self.shard, record)):
                    self._lane_of(record).todo.append(record)
                    passed += 1
            self.read = records[-1].sequence
            mapping.count("PolledEventCount", len(records))
            mapping.count("FilteredOutEventCount", len(records) - passed)
        for other in self.lanes:
            if other is not lane and other.todo and lane is not None:
                other.wake(is_behind=False)
        self.save()

    def _lane_of(self, record: StreamRecord) -> Lane:
        lanes = self.lanes
        return lanes[0] if len(lanes) == 1 else lanes[zlib.crc32(record.group.encode()) % len(lanes)]

    def save(self) -> None:
        """Write the checkpoint down, if it has moved."""
        if self.is_dropped:
            return
        pending = [first.sequence for lane in self.lanes if (first := lane.first_pending()) is not None]
        sequence = min(pending) - 1 if pending else self.read
        self.poller.positions.put(self.shard.shard_id, Position(sequence, self.lanes[0].window))
