"""Kinesis on one bus: its streams by name."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from eventbus.errors import ConfigurationError, ValidationFailed
from triggers.kinesis import iterators
from triggers.kinesis.errors import LimitExceeded, ResourceInUse, StreamNotFound
from triggers.kinesis.hashing import is_whole
from triggers.kinesis.keeping import Keeping
from triggers.kinesis.reading import MOST_RECORDS
from triggers.kinesis.results import GetRecordsResult
from triggers.kinesis.stream import SHORTEST, Stream, check_retention
from triggers.kinesis.subscriptions import Subscriptions
from triggers.looking_up import named

if TYPE_CHECKING:
    from eventbus.bus import EventBus

SHARDS = 20_000
"""Open shards of an account in the largest regions (Kinesis quotas, 2026)."""
_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}")


class Kinesis:
    """The streams of a bus; make it once. `kinesis["orders"]` looks one up; `in`, iteration and `len` work too.

    With `throughput_limits=True` a shard takes 1,000 records or 1 MiB in a second of the bus's clock and answers five
    reads, and refuses more with ProvisionedThroughputExceeded, as on AWS; by default it takes everything.

    On a bus with a store, records and resharding survive; streams are declared again at start, and what the store has
    of one that isn't waits there until it is.
    """

    name = "kinesis"

    def __init__(self, bus: EventBus, *, throughput_limits: bool = False) -> None:
        bus.claim("Kinesis", self)
        self.bus = bus
        self.throughput_limits = throughput_limits
        self.subscriptions = Subscriptions(bus)
        self._streams: dict[str, Stream] = {}
        # One counter for all streams, begun at the time, so that no sequence number is used twice.
        self.next_number: Callable[[], int] = itertools.count(int(bus.clock.now()) << 32 | 1).__next__
        self._keeping: Keeping | None = None
        bus.when_started(self._take_up)

    def __repr__(self) -> str:
        return f"<Kinesis: {len(self._streams)} streams>"

    def __getitem__(self, name: str) -> Stream:
        try:
            return self._streams[name]
        except KeyError:
            raise named(StreamNotFound(name, self.bus.account_id), "stream", name, self._streams) from None

    def __contains__(self, name: object) -> bool:
        return name in self._streams

    def __iter__(self) -> Iterator[Stream]:
        return iter(list(self._streams.values()))

    def __len__(self) -> int:
        return len(self._streams)

    def __bool__(self) -> bool:
        return True

    def create_stream(self, name: str, shards: int = 1, *, retention: int = SHORTEST) -> Stream:
        """Make a stream with so many shards: CreateStream. It can be used at once.

        The name has 1 to 128 letters, digits, `_`, `.` and `-`. `retention` is in seconds, whole hours from 24 (the
        default) to 8,760. Raises ResourceInUse if there is a stream of this name, LimitExceeded where all streams would
        have more than 20,000 open shards, ValidationFailed or InvalidArgument.
        """
        arn = f"arn:{self.bus.partition}:kinesis:{self.bus.region}:{self.bus.account_id}:stream/{name}"
        self.bus.authorize("kinesis:CreateStream", arn, None, f'"{arn}"')
        if not _is_name(name):
            raise ValidationFailed(
                name, "streamName", "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
            )
        if not is_whole(shards):
            raise ConfigurationError(f"shards={shards!r}: a whole number is needed")
        if shards < 1:
            raise ValidationFailed(shards, "shardCount", "Member must have value greater than or equal to 1")
        check_retention(retention)
        if name in self._streams:
            raise ResourceInUse(f"Stream {name} under account {self.bus.account_id} already exists.")
        self._check_room(shards)
        stream = self._streams[name] = Stream(self, name, shards, retention)
        self.bus.register(stream)
        if self._keeping is not None:
            stream.keep(self._keeping)
        self.bus.pollables.add(stream)
        return stream

    def _check_room(self, shards: int) -> None:
        """Refuse so many more open shards than the account may have."""
        current = sum(stream.open_shard_count for stream in self._streams.values())
        if shards > 0 and current + shards > SHARDS:
            raise LimitExceeded(
                f"This request would exceed the shard limit for the account {self.bus.account_id} in {self.bus.region}."
                f" Current shard count for the account: {current}. Limit: {SHARDS}. Number of additional shards that "
                f"would have resulted from this request: {shards}. Refer to the AWS Service Limits page "
                "(http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to "
                "request higher limits."
            )

    def delete_stream(self, stream: Stream | str, *, enforce_consumer_deletion: bool = False) -> None:
        """Delete a stream, given it or its name, and its records: DeleteStream.

        Raises StreamNotFound, and ResourceInUse for a stream with consumers unless they are to go too.
        """
        doomed = self[stream if isinstance(stream, str) else stream.name]
        self.bus.authorize("kinesis:DeleteStream", doomed.arn, None, doomed.label)
        if doomed.consumers and not enforce_consumer_deletion:
            raise ResourceInUse(
                f"Stream {doomed.name} under account {doomed.account_id} has registered consumers.",
                mend="deregister them, or pass enforce_consumer_deletion=True",
            )
        del self._streams[doomed.name]
        self.bus.pollables.remove(doomed)
        self.bus.unregister(doomed)
        doomed.close()

    async def get_records(self, shard_iterator: str, limit: int = MOST_RECORDS) -> GetRecordsResult:
        """Read from the stream that an iterator belongs to: GetRecords. Raises InvalidArgument if none does."""
        return await self._stream_of(shard_iterator).get_records(shard_iterator, limit)

    def get_records_nowait(self, shard_iterator: str, limit: int = MOST_RECORDS) -> GetRecordsResult:
        """The synchronous twin of `get_records`."""
        return self._stream_of(shard_iterator).get_records_nowait(shard_iterator, limit)

    def _stream_of(self, shard_iterator: str) -> Stream:
        arn = iterators.stream_arn(shard_iterator)
        name = arn.rpartition("/")[2]
        if name not in self._streams or self._streams[name].arn != arn:
            raise StreamNotFound(name, self.bus.account_id)
        return self._streams[name]

    def _take_up(self) -> None:
        """The bus is entered: load what its store has of the streams that are declared."""
        if self.bus.store is None:
            return
        self._keeping = Keeping(self.bus, self.bus.store, self.next_number())
        self.next_number = self._keeping.numbers.draw
        for stream in self._streams.values():
            stream.keep(self._keeping)
        self._keeping.warn(self._streams)


def _is_name(name: object) -> bool:
    return isinstance(name, str) and _NAME.fullmatch(name) is not None
