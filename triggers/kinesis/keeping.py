"""What streams keep in the bus's store.

    kinesis            the next number
    kinesis_streams    stream NUL          → when it was made, and its shards
    kinesis_records    stream NUL number   → a record: its shard, its arrival, its partition key, and its data

Numbers grow over all streams, so the order of the rows is that of the records in every shard. A record can be read when
its row is safe. Which shards there are is a fact: nobody who could be told waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from triggers.keeping import SEPARATOR, Numbers, as_row, dumps, from_row, loads, number_key, owners, rows_of
from triggers.kinesis.shards import Shard, StoredRecord, sequence_of

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.storage.port import Store


class Keeping:
    """The spaces of a bus's streams."""

    def __init__(self, bus: EventBus, store: Store, first: int) -> None:
        self.log = store.log
        self.streams = store.texts("kinesis_streams")
        self.records = store.texts("kinesis_records")
        self.numbers = Numbers(store.texts("kinesis"), first=first)
        self._bus = bus

    def warn(self, declared: Mapping[str, Any]) -> None:
        """Say of which streams there are records that nobody has declared."""
        for name in owners(self.records):
            if name not in declared:
                mend = f'call kinesis.create_stream("{name}")'
                self._bus.log.warning("records_of_undeclared_stream", stream=name, mend=mend)


class KeptStream:
    """One stream in the store. Told of each change in the same step in which it is made."""

    def __init__(self, keeping: Keeping, stream: str) -> None:
        self._streams = keeping.streams
        self._records = keeping.records
        self._stream = stream
        self.when_safe = keeping.log.when_safe

    def load_shards(self) -> tuple[float, list[Any]] | None:
        """When the stream was made and the fields of its shards, or None if the store doesn't know it."""
        row = self._streams.get(self._stream + SEPARATOR)
        if row is None:
            return None
        created_at, shards = loads(row)
        return created_at, [_from_texts(fields) for fields in shards]

    def load_records(self) -> Iterator[tuple[int, StoredRecord]]:
        """Every record, in order, with the number of its shard."""
        for key, row in rows_of(self._records, self._stream):
            (shard, at, partition_key), data = from_row(row)
            number = int(key.rpartition(SEPARATOR)[2], 16)
            yield shard, StoredRecord(number, sequence_of(number, shard), at, partition_key, data, None)

    def shards_changed(self, created_at: float, shards: Iterable[Shard]) -> None:
        """The stream has other shards than before."""
        row = dumps([created_at, [_as_texts(shard) for shard in shards]])
        self._streams.put(self._stream + SEPARATOR, row)

    def put(self, shard: Shard, record: StoredRecord, undo: Callable[[], None]) -> None:
        """A record comes in."""
        row = as_row([shard.number, record.at, record.group], record.data)
        self._records.put(number_key(self._stream, record.number), row, undo=undo, is_new=True)

    def dropped(self, records: Iterable[StoredRecord]) -> None:
        """The retention of these records has ended: a fact."""
        for record in records:
            self._records.delete(number_key(self._stream, record.number))

    def delete(self) -> None:
        """The stream is deleted, with all that it holds."""
        self._streams.delete(self._stream + SEPARATOR)
        for key, _ in list(rows_of(self._records, self._stream)):
            self._records.delete(key)


def _as_texts(shard: Shard) -> list[Any]:
    """Numbers of more digits than a JSON parser keeps are texts."""
    return [
        shard.number,
        str(shard.first_hash),
        str(shard.last_hash),
        str(shard.starting_sequence),
        list(shard.parents),
        None if shard.ending_sequence is None else str(shard.ending_sequence),
        shard.closed_at,
    ]


def _from_texts(fields: list[Any]) -> tuple[int, int, int, int, tuple[str, ...], int | None, float | None]:
    number, first, last, start, parents, end, closed_at = fields
    return number, int(first), int(last), int(start), tuple(parents), None if end is None else int(end), closed_at
