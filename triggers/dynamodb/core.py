"""What all operations of a table stand on: its identity, its items, and what one change of an item brings about."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from triggers.dynamodb.collection import Collection, Stored, hash_of
from triggers.dynamodb.errors import TableNotFound
from triggers.dynamodb.expiring import DELAY, TOO_OLD, Expirations, expires_at, is_due
from triggers.dynamodb.keys import Place, place_in_index
from triggers.dynamodb.records import StreamRecord
from triggers.dynamodb.shards import Shard
from triggers.dynamodb.values import Item, tag_of

if TYPE_CHECKING:
    from eventbus.clock import Timer
    from eventbus.telemetry.trace import Cause
    from triggers.dynamodb.keeping import KeptTable
    from triggers.dynamodb.schema import TableSchema
    from triggers.dynamodb.service import DynamoDB
    from triggers.dynamodb.stream import Stream


def reaches_nobody(function_arn: str) -> bool:
    """A table hands nothing to anybody by itself."""
    return False


class TableCore:
    """Identity and state of one table."""

    kind = "table"

    def __init__(self, service: DynamoDB, schema: TableSchema) -> None:
        bus = service.bus
        self._service = service
        self._bus = bus
        self._schema = schema
        self.name = schema.name
        self.account_id = bus.account_id
        self.arn = f"arn:{bus.partition}:dynamodb:{bus.region}:{bus.account_id}:table/{schema.name}"
        self.label = f'dynamodb["{schema.name}"]'
        self.iam_resources = (self.arn, self.arn + "/index/*")
        """What `role.allow(action, table)` means: the table and its indexes."""
        self.created_at = bus.clock.now()
        self.is_deleted = False
        self._items = Collection()
        self._indexes = {name: Collection() for name in schema.indexes}
        self._stream: Stream | None = None
        self._expiry_attribute: str | None = None
        self._expirations = Expirations()
        self._expiring: Timer | None = None
        self._kept: KeptTable | None = None
        """What the bus's store has of the table; None without a store, and before the bus is entered."""

    def enter(self, call: str, action: str, index: str | None = None) -> None:
        """The bus runs, the table is there, and the caller may do this."""
        self._bus.accepting(call)
        if self.is_deleted:
            raise TableNotFound
        arn = self.arn if index is None else f"{self.arn}/index/{index}"
        self._bus.authorize(action, arn, None, self.label)

    # -- changing an item ---------------------------------------------------------------------------------------------

    def _change(
        self, place: Place, before: Stored | None, after: Stored | None, cause: Cause | None, *, is_expiry: bool = False
    ) -> None:
        """Put `after` where `before` is, in everything that knows of it. Nothing happens if the two are equal."""
        if before is after or (before is not None and after is not None and before.item == after.item):
            return
        self._exchange(place, before, after)
        stream, written = self._stream, None
        if stream is not None:
            some = after if after is not None else before
            assert some is not None
            keys = self._schema.key.of(some.item)
            written = stream.append(hash_of(place[0]), keys, before, after, is_expiry=is_expiry, cause=cause)
        if self._kept is not None:
            undo = partial(self._undo, place, before, after, written)
            self._kept.changed(
                place,
                None if before is None else before.item,
                None if after is None else after.item,
                written,
                stream,
                undo,
            )

    def _exchange(self, place: Place, before: Stored | None, after: Stored | None) -> None:
        """Items and indexes."""
        if after is None:
            self._items.remove(place)
        else:
            self._items.put(place, after)
            if self._expiry_attribute is not None:
                self._watch_expiry(after, self._expiry_attribute)
        for name, collection in self._indexes.items():
            index = self._schema.indexes[name]
            old = None if before is None else place_in_index(before.item, place, index)
            new = None if after is None else place_in_index(after.item, place, index)
            if old is not None and old != new:
                collection.remove(old)
            if after is not None and new is not None:
                collection.put(new, after)

    def _undo(
        self, place: Place, before: Stored | None, after: Stored | None, written: tuple[Shard, StreamRecord] | None
    ) -> None:
        self._exchange(place, after, before)
        if written is not None:
            shard, record = written
            shard.take_back(record)

    # -- time to live -------------------------------------------------------------------------------------------------

    def _watch_expiry(self, stored: Stored, attribute: str) -> None:
        moment = expires_at(stored.item, attribute)
        if moment is not None and moment > self._bus.clock.now() - TOO_OLD:
            self._expirations.add(stored.place, moment + DELAY)
            self._arm_expiry()

    def _arm_expiry(self) -> None:
        """Set the timer to the earliest instant: a plain timer, nobody waits for it. Before the bus runs, none."""
        due = self._expirations.next_due
        if due is None or not self._bus.is_running or self.is_deleted:
            return
        if self._expiring is not None and self._expiring.is_live:
            if self._expiring.due_at <= due:
                return
            self._expiring.cancel()
        self._expiring = self._bus.clock.call_at(due, self._expire)

    def _expire(self) -> None:
        attribute, now = self._expiry_attribute, self._bus.clock.now()
        for place in self._expirations.due(now):
            stored = self._items.get(place)
            if attribute is None or stored is None:
                continue
            if is_due(stored.item, attribute, now):
                cause = self._bus.note("expire", self, self._shown(stored.item))
                self._change(place, stored, None, cause, is_expiry=True)
                self._bus.count("TimeToLiveDeletedItemCount", self.arn)
            else:
                self._watch_expiry(stored, attribute)  # its time was put off
        self._arm_expiry()

    def _shown(self, key: Item) -> str:
        """A key as the trace shows it."""
        return "/".join(str(key[name][tag_of(key[name])]) for name in self._schema.key.types)

    def _accounted(self) -> dict[str, Any]:
        return {"ItemCount": self._items.count, "TableSizeBytes": self._items.bytes}
