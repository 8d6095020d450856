"""The stream of a table: what changed, for 24 hours, in the order of each item."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from triggers.dynamodb.errors import StreamNotFound, TrimmedDataAccess, ValidationError
from triggers.dynamodb.iterators import TYPES, Iterator, read_iterator
from triggers.dynamodb.records import StreamRecord, api_record, lambda_record, record_of
from triggers.dynamodb.shards import FIRST_SEQUENCE, RETENTION, Shard, first_shards
from triggers.polling import poll_stream

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.clock import Timer
    from eventbus.telemetry.trace import Cause
    from triggers.dynamodb.collection import Stored
    from triggers.dynamodb.keeping import KeptTable
    from triggers.dynamodb.schema import TableSchema
    from triggers.dynamodb.values import Item
    from triggers.polling import EventSourceMapping

MAX_RECORDS = 1000
MAX_BYTES = 1_048_576
"""What one GetRecords answers (API_streams_GetRecords)."""
POLL_ACTIONS = (
    "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:DescribeStream", "dynamodb:ListStreams",
)  # fmt: skip
_HEX = "0123456789abcdef"


class Stream:
    """A table's stream, at `table.stream`; it never blocks, so its calls are plain.

    Inside a handler they need the permission of the function's role on the stream's ARN (`dynamodb:GetRecords`, ...).
    """

    stream_kind = "dynamodb"
    retention = RETENTION
    is_deleted = False
    """No stream is: what is in it can be read until it is 24 hours old, and another one has another ARN."""

    def __init__(
        self,
        bus: EventBus,
        table_label: str,
        table_arn: str,
        schema: TableSchema,
        view_type: str,
        draw: Callable[[], int],
    ) -> None:
        self._bus = bus
        self._schema = schema
        self._table_arn = table_arn
        self.table_name = self.name = schema.name
        self.label = f"{table_label}.stream"
        self.view_type = view_type
        self.created_at = bus.clock.now()
        self.status = "ENABLED"
        self.disabled_at: float | None = None
        self._draw = draw
        self._shards: list[Shard] = []
        self._watchers: list[Callable[[], None]] = []
        self._trimming: Timer | None = None
        self.kept: KeptTable | None = None

    def __repr__(self) -> str:
        return f"<Stream of {self.table_name}: {self.status}, {self.view_type}, {len(self._shards)} shards>"

    # -- identity -----------------------------------------------------------------------------------------------------

    def begin(self, stream_label: str, shards: int) -> None:
        """A new stream, with so many open shards."""
        self.stream_label = stream_label
        self._shards = first_shards(shards, FIRST_SEQUENCE, self._shard_id)

    def take_up(self, created_at: float, shards: list[Shard]) -> None:
        """Go on as what a store has of this stream."""
        self.created_at, self._shards = created_at, shards

    @property
    def arn(self) -> str:
        """The stream's ARN; every time that a stream is enabled gives another."""
        return f"{self._table_arn}/stream/{self.stream_label}"

    def _shard_id(self) -> str:
        return f"shardId-{int(self._bus.clock.now() * 1000):020d}-{self._bus.ids.text(8, _HEX)}"

    # -- writing ------------------------------------------------------------------------------------------------------

    def append(
        self, key_hash: int, keys: Item, old: Stored | None, new: Stored | None, *, is_expiry: bool, cause: Cause | None
    ) -> tuple[Shard, StreamRecord]:
        """Add the record of a change, in the step of the change."""
        record = record_of(
            self.view_type,
            FIRST_SEQUENCE + self._draw(),
            self._bus.clock.now(),
            keys,
            old,
            new,
            is_expiry=is_expiry,
            cause=cause,
        )
        shard = next(shard for shard in reversed(self._shards) if not shard.is_closed and shard.holds(key_hash))
        shard.add(record)
        if self._trimming is None:
            self.trim_later()
        if self.kept is None:
            self.reveal(shard, record.sequence)
        return shard, record

    def reveal(self, shard: Shard, sequence: int) -> None:
        """Records of a shard are safe: whoever watches may read them."""
        shard.reveal(sequence)
        self._wake()

    def roll_shards(self) -> None:
        """Close every open shard and go on in a child of each, as DynamoDB does every few hours."""
        for shard in [shard for shard in self._shards if not shard.is_closed]:
            now = self._bus.clock.now()
            starts_at = FIRST_SEQUENCE + self._draw()
            shard.ends_at, shard.closed_at = shard.latest or shard.starts_at, now
            self._shards.append(Shard(self._shard_id(), shard.low, shard.high, starts_at, parents=[shard.shard_id]))
        self._shards_changed()

    def disable(self) -> None:
        """No record will come any more; what is there can be read until it is 24 hours old."""
        self.status, self.disabled_at = "DISABLED", self._bus.clock.now()
        for shard in self._shards:
            if not shard.is_closed:
                shard.ends_at, shard.closed_at = shard.latest or shard.starts_at, self.disabled_at
        self._wake()

    def _shards_changed(self) -> None:
        if self.kept is not None:
            self.kept.stream_changed(self)
        self._wake()

    def _wake(self) -> None:
        for wake in tuple(self._watchers):
            wake()

    def trim_later(self) -> None:
        """Forget records when they are 24 hours old: a plain timer, nobody waits for it."""
        oldest = min((at for shard in self._shards if (at := shard.oldest_at) is not None), default=None)
        self._trimming = None if oldest is None else self._bus.clock.call_at(oldest + RETENTION + 1, self._trim)

    def _trim(self) -> None:
        self._trim_now()
        self.trim_later()

    def _trim_now(self) -> None:
        now = self._bus.clock.now()
        for shard in self._shards:
            gone = shard.trim(now)
            if gone and self.kept is not None:
                self.kept.trimmed(gone)
        old = [s for s in self._shards if s.closed_at is not None and now - s.closed_at > RETENTION]
        if old:
            self._shards = [shard for shard in self._shards if shard not in old]
            self._shards_changed()

    # -- for event source mappings ------------------------------------------------------------------------------------

    def shards(self) -> Sequence[Shard]:
        """All shards whose records may still be read, parents before children."""
        self._trim_now()
        return tuple(self._shards)

    def all_shards(self) -> Sequence[Shard]:
        """The same without looking at the clock, for the store."""
        return tuple(self._shards)

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake`, synchronously, when records are there to be read or shards have changed; returns how to stop."""
        watcher = partial(wake)  # each with an identity of its own
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher) if watcher in self._watchers else None

    def lambda_record(self, shard: Shard, record: StreamRecord, role_arn: str) -> dict[str, Any]:
        """The record as a function gets it, fresh each time."""
        return lambda_record(self.arn, self._bus.region, self.view_type, record)

    def filter_view(self, shard: Shard, record: StreamRecord) -> dict[str, Any]:
        """What filters of an event source mapping see: the record as it is."""
        return lambda_record(self.arn, self._bus.region, self.view_type, record)

    def poll_actions(self) -> Sequence[str]:
        """What the role of a function that reads the stream must be allowed to do."""
        return POLL_ACTIONS

    def poll_into(self, function: Any, **options: Any) -> EventSourceMapping:
        """For `function.poll(table.stream)`: create the event source mapping."""
        return poll_stream(self._bus, self, function, **options)

    def polled(self) -> Stream:
        """Called by mappings: the stream as pollers see it."""
        return self

    # -- DynamoDB Streams' own operations -----------------------------------------------------------------------------

    def describe(self, *, limit: int = 100, exclusive_start_shard_id: str | None = None) -> dict[str, Any]:
        """StreamDescription, in AWS's form: DescribeStream. `limit` is for its shards, 1 to 100."""
        self._allowed("DescribeStream")
        check_limit(limit, 100)
        shards = [*self.shards()]
        if exclusive_start_shard_id is not None:
            shards = shards[
                [shard.shard_id for shard in shards].index(self._shard(exclusive_start_shard_id).shard_id) + 1 :
            ]
        description: dict[str, Any] = {
            "StreamArn": self.arn,
            "StreamLabel": self.stream_label,
            "StreamStatus": self.status,
            "StreamViewType": self.view_type,
            "CreationRequestDateTime": self.created_at,
            "TableName": self.table_name,
            "KeySchema": self._schema.key.description,
            "Shards": [_description(shard) for shard in shards[:limit]],
        }
        if len(shards) > limit:
            description["LastEvaluatedShardId"] = shards[limit - 1].shard_id
        return description

    def get_shard_iterator(
        self,
        shard_id: str,
        iterator_type: str = "TRIM_HORIZON",
        *,
        sequence_number: str | None = None,
        timestamp: float | None = None,
    ) -> str:
        """Where to begin to read a shard: GetShardIterator. It can be used for 15 minutes.

        `sequence_number` goes with `AT_SEQUENCE_NUMBER` and `AFTER_SEQUENCE_NUMBER`, `timestamp` (seconds since the
        epoch) with `AT_TIMESTAMP`. Raises TrimmedDataAccess for a record that is gone.
        """
        self._allowed("GetShardIterator")
        if iterator_type not in TYPES:
            allowed = f"Member must satisfy enum value set: [{', '.join(TYPES)}]"
            raise ValidationError.member(iterator_type, "shardIteratorType", allowed)
        self._trim_now()
        shard = self._shard(shard_id)
        sequence = _start(shard, iterator_type, sequence_number, timestamp)
        return Iterator(self.arn, shard_id, sequence, self._bus.clock.now()).token()

    def get_records(self, shard_iterator: str, *, limit: int = MAX_RECORDS) -> dict[str, Any]:
        """`Records` and, unless the shard is closed and read, `NextShardIterator`: GetRecords.

        At most 1,000 records, or 1 MB. An open shard without new records gives none, and an iterator. Raises
        ExpiredIterator after 15 minutes, TrimmedDataAccess when the next record was trimmed before it was read.
        """
        self._allowed("GetRecords")
        check_limit(limit, MAX_RECORDS)
        now = self._bus.clock.now()
        position = read_iterator(shard_iterator, now)
        if position.stream_arn != self.arn:
            raise ValidationError("Invalid ShardIterator")
        self._trim_now()
        shard = self._shard(position.shard_id)
        if 0 < position.sequence < shard.trimmed:
            raise TrimmedDataAccess
        records = _page(shard.after(position.sequence, limit))
        self._bus.count("ReturnedRecordsCount", self.arn, len(records))
        answer: dict[str, Any] = {
            "Records": [api_record(self.arn, self._bus.region, self.view_type, record) for record in records]
        }
        reached = records[-1].sequence if records else position.sequence
        if not shard.is_closed or shard.after(reached, 1):
            answer["NextShardIterator"] = Iterator(self.arn, shard.shard_id, reached, now).token()
        return answer

    def _shard(self, shard_id: str) -> Shard:
        for shard in self._shards:
            if shard.shard_id == shard_id:
                return shard
        raise StreamNotFound(f"Requested resource not found: Shard does not exist: {shard_id}")

    def _allowed(self, operation: str) -> None:
        self._bus.accepting(operation)
        self._bus.authorize(f"dynamodb:{operation}", self.arn, None, self.label)


def check_limit(limit: object, most: int) -> None:
    """Refuse a limit that is no whole number from 1 on."""
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise ValidationError.member(limit, "limit", "Member must have value greater than or equal to 1")
    if limit > most:
        raise ValidationError.member(limit, "limit", f"Member must have value less than or equal to {most}")


def _start(shard: Shard, iterator_type: str, sequence_number: str | None, timestamp: float | None) -> int:
    """The position behind which reading begins."""
    if (sequence_number is not None) != iterator_type.endswith("SEQUENCE_NUMBER"):
        raise ValidationError(f"{iterator_type} {'needs a' if sequence_number is None else 'takes no'} sequence number")
    if (timestamp is not None) != (iterator_type == "AT_TIMESTAMP"):
        raise ValidationError(f"{iterator_type} {'needs a' if timestamp is None else 'takes no'} timestamp")
    if iterator_type == "TRIM_HORIZON":
        return 0
    if iterator_type == "LATEST":
        return max(shard.latest, shard.starts_at)
    if timestamp is not None:
        given: object = timestamp
        if not isinstance(given, int | float) or not math.isfinite(timestamp):
            raise ValidationError(f"timestamp={timestamp!r}: seconds since the epoch are needed")
        return shard.position_at(timestamp)
    text = str(sequence_number)
    if not (text.isascii() and text.isdigit() and len(text) <= 40):
        raise ValidationError(f"Invalid SequenceNumber: {text}")
    sequence = int(text)
    if sequence <= shard.trimmed:
        raise TrimmedDataAccess
    return sequence - 1 if iterator_type == "AT_SEQUENCE_NUMBER" else sequence


def _page(records: Sequence[StreamRecord]) -> list[StreamRecord]:
    """As many of these as one answer holds."""
    page: list[StreamRecord] = []
    size = 0
    for record in records:
        size += record.size
        if page and size > MAX_BYTES:
            break
        page.append(record)
    return page


def _description(shard: Shard) -> dict[str, Any]:
    numbers = {"StartingSequenceNumber": str(shard.starts_at)}
    if shard.ends_at is not None:
        numbers["EndingSequenceNumber"] = str(shard.ends_at)
    description: dict[str, Any] = {"ShardId": shard.shard_id, "SequenceNumberRange": numbers}
    if shard.parents:
        description["ParentShardId"] = shard.parents[0]
    return description
