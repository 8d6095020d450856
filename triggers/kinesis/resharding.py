"""Splitting and merging shards. The parent takes no more records; its children are read when it is drained."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from triggers.kinesis.core import FIRST_HASH, StreamCore
from triggers.kinesis.errors import InvalidArgument, LimitExceeded, ResourceInUse
from triggers.kinesis.hashing import boundaries, explicit, is_whole
from triggers.kinesis.shards import Shard, sequence_of

MOST_BY_COUNT = 10_000
"""Shards of a stream to which UpdateShardCount goes (API_UpdateShardCount, 2026)."""


class Resharding(StreamCore):
    """SplitShard, MergeShards and UpdateShardCount. All of them take effect at once."""

    def split_shard(self, shard_to_split: str, new_starting_hash_key: str | int) -> None:
        """Make two shards of one: SplitShard. The second begins at this hash key, which lies inside the first.

        Raises ShardNotFound, ResourceInUse for a shard that is closed, InvalidArgument, LimitExceeded.
        """
        self._allowed("kinesis:SplitShard")
        shard = self._open_shard(shard_to_split)
        key = explicit(new_starting_hash_key)
        if key is None or not shard.first_hash < key <= shard.last_hash:
            raise InvalidArgument(
                f"NewStartingHashKey {new_starting_hash_key} used in SplitShard() on shard {shard.shard_id} in stream "
                f"{self.name} under account {self.account_id} is not both greater than one plus the shard's "
                f"StartingHashKey {shard.first_hash} and less than the shard's EndingHashKey {shard.last_hash}."
            )
        self._service._check_room(1)
        self._split(shard, key)
        self._resharded()

    def merge_shards(self, shard_to_merge: str, adjacent_shard_to_merge: str) -> None:
        """Make one shard of two whose ranges touch: MergeShards. Raises as `split_shard` does."""
        self._allowed("kinesis:MergeShards")
        one, other = self._open_shard(shard_to_merge), self._open_shard(adjacent_shard_to_merge)
        if one.last_hash + 1 != other.first_hash and other.last_hash + 1 != one.first_hash:
            raise InvalidArgument(
                f"Shards {one.shard_id} and {other.shard_id} in stream {self.name} under account {self.account_id} "
                "are not an adjacent pair of shards eligible for merging"
            )
        self._merge(one, other)
        self._resharded()

    def update_shard_count(self, target_shard_count: int) -> None:
        """Have so many shards of equal ranges: UpdateShardCount, by splits and merges as AWS does it.

        At most twice and at least half as many as there are, and 10,000; raises InvalidArgument or LimitExceeded.
        """
        self._allowed("kinesis:UpdateShardCount")
        target, current = target_shard_count, self.open_shard_count
        if not is_whole(target) or target < 1:
            raise InvalidArgument(f"TargetShardCount {target} is not a whole number from 1")
        if target > 2 * current or 2 * target < current:
            raise LimitExceeded(
                f"UpdateShardCount cannot scale up more than double or down below half of the current {current} "
                f"open shards; requested: {target}"
            )
        if target > MOST_BY_COUNT:
            raise LimitExceeded(
                f"UpdateShardCount cannot scale up to more than {MOST_BY_COUNT} shards; requested: {target}"
            )
        self._service._check_room(target - current)
        starts = boundaries(target)
        for start in starts:
            holder = self._open[bisect_right(self._open, start, key=FIRST_HASH) - 1]
            if holder.first_hash != start:
                self._split(holder, start)
        wanted = set(starts)
        for start in starts:
            while (one := self._beginning_at(start)) and (behind := self._beginning_at(one.last_hash + 1)):
                if behind.first_hash in wanted:
                    break
                self._merge(one, behind)
        self._resharded()

    def _open_shard(self, shard_id: str) -> Shard:
        shard = self._shard(shard_id)
        if not shard.is_open:
            raise ResourceInUse(
                f"Shard {shard_id} in stream {self.name} under account {self.account_id} has already been merged or "
                "split, and thus is not eligible for merging or splitting."
            )
        return shard

    def _split(self, shard: Shard, key: int) -> None:
        self._close(shard)
        self._new_shard(shard.first_hash, key - 1, (shard.shard_id,))
        self._new_shard(key, shard.last_hash, (shard.shard_id,))

    def _merge(self, one: Shard, other: Shard) -> None:
        self._close(one)
        self._close(other)
        first, last = min(one.first_hash, other.first_hash), max(one.last_hash, other.last_hash)
        self._new_shard(first, last, (one.shard_id, other.shard_id))

    def _close(self, shard: Shard) -> None:
        del self._open[bisect_left(self._open, shard.first_hash, key=FIRST_HASH)]
        shard.close(sequence_of(self._service.next_number(), shard.number), self._bus.clock.now())

    def _resharded(self) -> None:
        self._topology_changed()
        self._bus.note("reshard", self, f"{self.open_shard_count} open shards")
        self._notify()
