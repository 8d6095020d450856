"""What tables keep in the bus's store.

    dynamodb           the next number: sequence numbers are made of it
    dynamodb_tables    table NUL                → its key, by which a store and the code that declares it are compared
    dynamodb_items     table NUL key            → an item, in typed form
    dynamodb_streams   table NUL                → view type, beginning and shards of its stream
    dynamodb_records   table NUL sequence       → a stream record

An item and its stream record are changed in one step, so they are written together or not at all. Whoever writes is
told when that failed, and both are taken back. A deletion by time to live is taken back too, and tried again. Only that
records are trimmed, or a table is deleted, is a fact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from eventbus.errors import ConfigurationError
from triggers.dynamodb.keys import NO_SORT, Place
from triggers.dynamodb.records import StreamRecord
from triggers.dynamodb.shards import Shard
from triggers.dynamodb.values import Item, from_json, to_json
from triggers.keeping import SEPARATOR, Numbers, dumps, loads, nothing, number_key, owners, rows_of

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.storage.port import Store
    from triggers.dynamodb.schema import TableSchema
    from triggers.dynamodb.stream import Stream


class Keeping:
    """The spaces of a bus's tables."""

    def __init__(self, bus: EventBus, store: Store) -> None:
        self.log = store.log
        self.numbers = Numbers(store.texts("dynamodb"))
        self.tables = store.texts("dynamodb_tables")
        self.items = store.texts("dynamodb_items")
        self.streams = store.texts("dynamodb_streams")
        self.records = store.texts("dynamodb_records")
        self._bus = bus

    def warn(self, declared: Mapping[str, Any]) -> None:
        """Say of which tables there are items that nobody has declared."""
        for name in owners(self.items):
            if name not in declared:
                mend = f'call dynamodb.create_table("{name}", ...)'
                self._bus.log.warning("items_of_undeclared_table", table=name, mend=mend)


class KeptTable:
    """One table in the store. Told of each change in the same step in which it is made."""

    def __init__(self, keeping: Keeping, name: str) -> None:
        self._keeping = keeping
        self._name = name
        self._own = name + SEPARATOR
        self._is_closed = False

    # -- taking up ----------------------------------------------------------------------------------------------------

    def declared(self, schema: TableSchema) -> None:
        """Compare the table's key with that of the items in the store. Raises ConfigurationError."""
        key = dumps(list(schema.key.types.items()))
        known = self._keeping.tables.get(self._own)
        if known is not None and known != key and next(rows_of(self._keeping.items, self._name), None) is not None:
            was = dict(loads(known))
            raise ConfigurationError(
                f"the store holds items of table {self._name!r} with key={was!r}, and it is declared with "
                f"key={dict(schema.key.types)!r}; declare it as it was, or delete_table it first"
            )
        if known != key:
            self._keeping.tables.put(self._own, key)

    def load(self) -> Iterator[Item]:
        """The items that the store holds."""
        for _, row in rows_of(self._keeping.items, self._name):
            yield _item(row)

    def load_stream(self, stream: Stream) -> bool:
        """Make a stream the one that the store has had, with its records; False if it has had none of this view."""
        row = self._keeping.streams.get(self._own)
        if row is None:
            return False
        view_type, created_at, shards = loads(row)
        if view_type != stream.view_type:
            self.forget_stream()
            return False
        by_id = {shard[0]: _shard(shard) for shard in shards}
        stream.take_up(created_at, list(by_id.values()))
        for _, record_row in rows_of(self._keeping.records, self._name):
            shard_id, record = _record(record_row)
            if (shard := by_id.get(shard_id)) is not None:
                shard.add(record)
                shard.reveal(record.sequence)
        return True

    # -- changing -----------------------------------------------------------------------------------------------------

    def changed(
        self,
        place: Place,
        before: Item | None,
        after: Item | None,
        written: tuple[Shard, StreamRecord] | None,
        stream: Stream | None,
        undo: Callable[[], None],
    ) -> None:
        """An item was put, changed or deleted, and a record of that may be in the stream."""
        key = self._own + place_key(place)
        take_back = partial(self._undo, key, undo)
        if after is None:
            self._keeping.items.delete(key, undo=take_back)
        else:
            self._keeping.items.put(key, _item_row(after), undo=take_back, is_new=before is None)
        if written is not None and stream is not None:
            shard, record = written
            row = _record_row(shard.shard_id, record)
            self._keeping.records.put(number_key(self._name, record.sequence), row, undo=nothing, is_new=True)
            self._keeping.log.when_safe(partial(stream.reveal, shard, record.sequence))

    def _undo(self, key: str, undo: Callable[[], None]) -> None:
        if self._is_closed:  # gone after all, with the table
            with self._keeping.log.facts():
                self._keeping.items.delete(key)
        else:
            undo()

    def stream_changed(self, stream: Stream) -> None:
        """A stream was enabled, or has other shards: configuration, which nobody waits for."""
        shards = [
            [s.shard_id, s.low, s.high, s.starts_at, s.parents, s.ends_at, s.closed_at] for s in stream.all_shards()
        ]
        row = [stream.view_type, stream.created_at, _digits(shards)]
        self._keeping.streams.put(self._own, dumps(row))

    def trimmed(self, records: Iterable[StreamRecord]) -> None:
        """Records are older than 24 hours."""
        with self._keeping.log.facts():
            for record in records:
                self._keeping.records.delete(number_key(self._name, record.sequence))

    def forget_stream(self) -> None:
        """The stream is disabled, or another one begins."""
        with self._keeping.log.facts():
            self._keeping.streams.delete(self._own)
            for key, _ in list(rows_of(self._keeping.records, self._name)):
                self._keeping.records.delete(key)

    def close(self, places: Iterable[Place]) -> None:
        """The table is deleted: a fact."""
        self._is_closed = True
        with self._keeping.log.facts():
            for place in places:
                self._keeping.items.delete(self._own + place_key(place))
            self._keeping.tables.delete(self._own)
        self.forget_stream()


def place_key(place: Place) -> str:
    """A key as a text that no other key has."""
    return ".".join(_hex(part) for part in place if part != NO_SORT)


def _hex(part: Any) -> str:
    return (part if isinstance(part, bytes) else str(part).encode()).hex()


def _item_row(item: Item) -> bytes:
    try:
        return orjson.dumps(item)
    except TypeError:  # there is binary in it
        return orjson.dumps(_json(item))


def _item(row: bytes) -> Item:
    return {name: from_json(value) for name, value in orjson.loads(row).items()}


def _json(item: Item | None) -> Item | None:
    return None if item is None else {name: to_json(value) for name, value in item.items()}


def _record_row(shard_id: str, record: StreamRecord) -> bytes:
    head = [shard_id, record.sequence_number, record.at, record.name, record.is_expiry]
    try:
        return orjson.dumps([*head, record.keys, record.old, record.new])
    except TypeError:
        return orjson.dumps([*head, _json(record.keys), _json(record.old), _json(record.new)])


def _record(row: bytes) -> tuple[str, StreamRecord]:
    shard_id, sequence, at, name, is_expiry, *images = orjson.loads(row)
    keys, old, new = (
        None if image is None else {name: from_json(value) for name, value in image.items()} for image in images
    )
    assert keys is not None
    return shard_id, StreamRecord(int(sequence), at, name, keys, old, new, is_expiry, None)


def _digits(shards: list[list[Any]]) -> list[list[Any]]:
    """Numbers beyond 64 bits as texts."""
    return [[str(v) if isinstance(v, int) and not isinstance(v, bool) else v for v in shard] for shard in shards]


def _shard(row: list[Any]) -> Shard:
    shard_id, low, high, starts_at, parents, ends_at, closed_at = row
    return Shard(
        shard_id,
        int(low),
        int(high),
        int(starts_at),
        parents=parents,
        ends_at=None if ends_at is None else int(ends_at),
        closed_at=closed_at,
    )
