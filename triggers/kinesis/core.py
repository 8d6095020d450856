"""What a stream is: its shards, who watches it, and what it keeps. What callers do with it is in the other modules."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from eventbus.errors import ConfigurationError
from eventbus.iam.access import AccessPolicy
from triggers.kinesis.errors import ShardNotFound, StreamNotFound
from triggers.kinesis.hashing import HASH_KEYS, boundaries
from triggers.kinesis.shards import Shard, StoredRecord, sequence_of
from triggers.kinesis.throughput import Throughput

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from triggers.kinesis.consumers import Consumer
    from triggers.kinesis.keeping import KeptStream
    from triggers.kinesis.service import Kinesis

FIRST_HASH = attrgetter("first_hash")


class StreamCore:
    """Identity and shards of a stream. For the engine it is a target, which EventBridge and its schedules send to."""

    kind = "stream"
    send_action = "kinesis:PutRecord"
    is_fifo = False

    def __init__(self, service: Kinesis, name: str, shards: int, retention: int) -> None:
        bus = service.bus
        self._service = service
        self._bus: EventBus = bus
        self.name = name
        self.account_id = bus.account_id
        self.arn = f"arn:{bus.partition}:kinesis:{bus.region}:{bus.account_id}:stream/{name}"
        self.label = f'kinesis["{name}"]'
        self.access = AccessPolicy(self.arn)
        self.created_at = bus.clock.now()
        self.tags: dict[str, str] = {}
        self.is_deleted = False
        self._retention = retention
        self._shards: dict[str, Shard] = {}
        self._open: list[Shard] = []
        """Those that take records, in the order of their hash keys."""
        self._next_number = 0
        self._consumers: dict[str, Consumer] = {}
        self._kept: KeptStream | None = None
        self._watchers: dict[Callable[[], None], None] = {}
        self._throughput = Throughput() if service.throughput_limits else None
        starts = boundaries(shards)
        for first, behind in zip(starts, [*starts[1:], HASH_KEYS], strict=True):
            self._new_shard(first, behind - 1)

    def allow(self, source: Any) -> None:
        """Refused: a stream lets in nobody but those whose role may put records. Raises ConfigurationError."""
        raise ConfigurationError(
            f"a stream has no policy of its own: let the sender act as a role, and call "
            f'role.allow("{self.send_action}", {self.label})'
        )

    @property
    def retention(self) -> int:
        """Seconds for which records are kept."""
        return self._retention

    @property
    def open_shard_count(self) -> int:
        """How many shards take records."""
        return len(self._open)

    def _new_shard(self, first: int, last: int, parents: Sequence[str] = ()) -> Shard:
        number = self._next_number
        shard = self._make_shard(number, first, last, sequence_of(self._service.next_number(), number), parents)
        insort(self._open, shard, key=FIRST_HASH)
        return shard

    def _beginning_at(self, key: int) -> Shard | None:
        """The open shard whose range begins at this hash key."""
        index = bisect_left(self._open, key, key=FIRST_HASH)
        return self._open[index] if index < len(self._open) and self._open[index].first_hash == key else None

    def _make_shard(self, number: int, first: int, last: int, sequence: int, parents: Sequence[str]) -> Shard:
        shard = Shard(
            number, first, last, sequence, parents, kept_since=self._kept_since, dropped=self._records_dropped
        )
        self._shards[shard.shard_id] = shard
        self._next_number = max(self._next_number, number + 1)
        return shard

    def _kept_since(self) -> float:
        return self._bus.clock.now() - self._retention

    def _records_dropped(self, records: list[StoredRecord]) -> None:
        if self._kept is not None:
            self._kept.dropped(records)

    def current_shards(self) -> Iterator[Shard]:
        """The shards that may still hold records, parents before children; closed ones are forgotten in time."""
        self._forget_expired()
        yield from self._shards.values()

    def _forget_expired(self) -> None:
        oldest = self._kept_since()
        expired = [
            shard.shard_id
            for shard in self._shards.values()
            if shard.closed_at is not None and shard.closed_at <= oldest and not shard.record_count
        ]
        for shard_id in expired:
            del self._shards[shard_id]
        if expired:
            self._topology_changed()

    def _shard(self, shard_id: object) -> Shard:
        self._forget_expired()
        if not isinstance(shard_id, str) or shard_id not in self._shards:
            raise ShardNotFound(shard_id, self.name, self.account_id)
        return self._shards[shard_id]

    def _topology_changed(self) -> None:
        if self._kept is not None:
            self._kept.shards_changed(self.created_at, self._shards.values())

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call something when there are new records to read, or the shards have changed. Returns how to stop."""
        self._watchers[wake] = None
        return partial(self._watchers.pop, wake, None)

    def _notify(self) -> None:
        for watcher in tuple(self._watchers):
            watcher()

    def _enter(self, call: str, action: str) -> None:
        self._bus.accepting(call)
        self._allowed(action)

    def _allowed(self, action: str) -> None:
        if self.is_deleted:
            raise StreamNotFound(self.name, self.account_id)
        self._bus.authorize(action, self.arn, None, self.label)

    def describe_shards(self) -> list[dict[str, Any]]:
        """Every shard, as AWS describes it."""
        return [shard.describe() for shard in self.current_shards()]
