"""DynamoDB on one bus: its tables by name, and what is done to several of them at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from eventbus.timestamps import iso_time
from triggers.dynamodb.actions import ConditionCheck, Delete, Get, Put, Update, WriteAction, only, request_of
from triggers.dynamodb.batches import batch_get, batch_write
from triggers.dynamodb.configured import already_exists
from triggers.dynamodb.core import reaches_nobody
from triggers.dynamodb.errors import StreamNotFound, TableNotFound, TransactionCanceled, ValidationError
from triggers.dynamodb.keeping import Keeping, KeptTable
from triggers.dynamodb.operations import perform
from triggers.dynamodb.plain import from_item
from triggers.dynamodb.results import BatchItems
from triggers.dynamodb.schema import (
    Index,
    KeyLike,
    TableSchema,
    check_expiry_attribute,
    check_shards,
    check_view_type,
    index_schema,
    key_schema,
    table_schema,
)
from triggers.dynamodb.shards import RETENTION
from triggers.dynamodb.stream import Stream
from triggers.dynamodb.table import Plain, Table
from triggers.dynamodb.transactions import Tokens, transact_get, transact_write
from triggers.looking_up import named

if TYPE_CHECKING:
    from eventbus.bus import EventBus

Indexes = Mapping[str, "Index | KeyLike"]

KEPT_LABEL = "2000-01-01T00:00:00.000"
"""Of a stream that a store may have the beginning of."""


class DynamoDB:
    """The tables of a bus; make it once.

    On a bus with a store the items, and the records of streams, survive; tables are declared again at start, and what
    the store has of one that isn't waits there until it is.

    `dynamodb["orders"]` looks a table up (TableNotFound, a KeyError, if there is none); `in`, iteration over the tables
    and `len` work as for a mapping.
    """

    name = "dynamodb"

    def __init__(self, bus: EventBus) -> None:
        self.bus = bus
        self.arn = f"arn:{bus.partition}:dynamodb:{bus.region}:{bus.account_id}:table/*"
        self.tokens = Tokens()
        self.draw: Callable[[], int] = itertools.count(1).__next__
        """The next number of the sequence that all streams share."""
        self._tables: dict[str, Table] = {}
        self._streams: list[Stream] = []
        self._stream_arns: set[str] = set()
        """Of all streams ever, so that none is taken for another."""
        self._keeping: Keeping | None = None
        bus.claim("DynamoDB", self)
        bus.when_started(self._take_up)

    def __repr__(self) -> str:
        return f"<DynamoDB: {len(self._tables)} tables>"

    def __getitem__(self, name: str) -> Table:
        try:
            return self._tables[name]
        except KeyError:
            raise named(TableNotFound(), "table", name, self._tables) from None

    def __contains__(self, name: object) -> bool:
        return name in self._tables

    def __iter__(self) -> Iterator[Table]:
        return iter(list(self._tables.values()))

    def __len__(self) -> int:
        return len(self._tables)

    # -- tables -------------------------------------------------------------------------------------------------------

    def create_table(
        self,
        name: str,
        key: KeyLike,
        *,
        stream: str | None = None,
        stream_shards: int = 1,
        indexes: Indexes | None = None,
        local_indexes: Indexes | None = None,
        time_to_live: str | None = None,
    ) -> Table:
        """Make a table: CreateTable, which is done at once.

        - `key`: `"id"`, `("pk", "sk")`, or with types other than text `{"pk": "S", "sk": "N"}` (S, N, B).
        - `stream`: KEYS_ONLY, NEW_IMAGE, OLD_IMAGE or NEW_AND_OLD_IMAGES; None for no stream. With several
          `stream_shards` items are shared among them by their partition key.
        - `indexes`: global secondary indexes by name: a key, or an `Index` with a projection. Of `local_indexes` the
          sort key alone is given.
        - `time_to_live`: the attribute that says when an item expires, in seconds since the epoch.

        Raises ResourceInUse if there is one of this name, ValidationError for what cannot be; nothing is made then.
        """
        for option, given in (("indexes", indexes), ("local_indexes", local_indexes)):
            if not isinstance(given, Mapping | None):
                raise ValidationError(f"{option}={given!r}: a mapping of names to keys is needed")
        arn = self.arn.removesuffix("*") + str(name)
        self.bus.authorize("dynamodb:CreateTable", arn, None, f'"{arn}"')
        table_key = key_schema(key)
        schema = table_schema(
            name,
            table_key,
            [
                *(index_schema(each, index) for each, index in (indexes or {}).items()),
                *(index_schema(each, index, local_to=table_key) for each, index in (local_indexes or {}).items()),
            ],
        )
        return self.add_table(schema, stream, shards=stream_shards, time_to_live=time_to_live)

    def add_table(
        self, schema: TableSchema, view_type: str | None, *, shards: int = 1, time_to_live: str | None = None
    ) -> Table:
        """The same with a schema, for whoever has asked for the permission."""
        if schema.name in self._tables:
            raise already_exists(schema.name)
        check_shards(shards)
        if view_type is not None:
            check_view_type(view_type)
        if time_to_live is not None:
            check_expiry_attribute(time_to_live)
        if self._keeping is not None:
            KeptTable(self._keeping, schema.name).declared(schema)
        table = Table(self, schema)
        if time_to_live is not None:
            table.set_time_to_live(time_to_live)
        if view_type is not None:
            table.begin_stream(view_type, shards=shards)
        if self._keeping is not None:
            table.keep(self._keeping)
        self._tables[schema.name] = table
        self.can_be_polled(table)
        return table

    def delete_table(self, table: Table | str) -> None:
        """Delete a table, given it or its name, with its items: DeleteTable. Its stream can be read for 24 hours."""
        doomed = self.table(table.name if isinstance(table, Table) else table, is_configuration=True)
        if isinstance(table, Table) and doomed is not table:
            raise TableNotFound(f"Requested resource not found: Table: {table.name} not found")
        doomed.may("DeleteTable")
        doomed.close()
        self.cannot_be_polled(doomed)
        del self._tables[doomed.name]

    def table(self, name: str, *, is_configuration: bool = False) -> Table:
        """The table with this name or ARN, as requests name it. Raises TableNotFound."""
        short = str(name).rpartition(":table/")[2]
        if short not in self._tables:
            where = f": Table: {short} not found" if is_configuration else ""
            raise named(TableNotFound(f"Requested resource not found{where}"), "table", short, self._tables)
        return self._tables[short]

    # -- streams ------------------------------------------------------------------------------------------------------

    @property
    def streams(self) -> list[Stream]:
        """All streams that can be read, also those of the last 24 hours that write no more."""
        horizon = self.bus.clock.now() - RETENTION
        for stream in [s for s in self._streams if s.disabled_at is not None and s.disabled_at < horizon]:
            self._streams.remove(stream)
            self.cannot_be_polled(stream)
        return list(self._streams)

    def stream(self, arn: str) -> Stream:
        """The stream with this ARN. Raises StreamNotFound."""
        for stream in self.streams:
            if stream.arn == arn:
                return stream
        raise StreamNotFound(f"Requested resource not found: Stream: {arn} not found")

    def has_stream(self, stream: Stream) -> None:
        """Called by a table: it has a stream from now on."""
        self._streams.append(stream)
        self.can_be_polled(stream)

    def can_be_polled(self, source: Table | Stream) -> None:
        """Let functions find a source by its ARN; a table stands for its stream."""
        self.bus.pollables.add(source)

    def cannot_be_polled(self, source: Table | Stream) -> None:
        """It has another ARN now, or is gone."""
        self.bus.pollables.remove(source)

    def stream_label(self, table_arn: str) -> str:
        """The label of a stream that begins now: the instant, later by a millisecond if that is taken.

        On a bus with a store a table's first stream has a fixed one, for after a restart it goes on: permissions and
        positions that name its ARN hold.
        """
        labels: Iterator[str] = (iso_time(self.bus.clock.now() + n / 1000)[:-1] for n in itertools.count())
        if self.bus.store is not None:
            labels = itertools.chain([KEPT_LABEL], labels)
        label = next(label for label in labels if f"{table_arn}/stream/{label}" not in self._stream_arns)
        self._stream_arns.add(f"{table_arn}/stream/{label}")
        return label

    # -- several items ------------------------------------------------------------------------------------------------

    async def batch_get_item(self, gets: Iterable[Get]) -> BatchItems:
        """Get up to 100 items, of several tables: BatchGetItem. Of one table all have the same projection.

        What does not fit into 16 MB is in `unprocessed`.
        """
        self.bus.accepting("batch_get_item")
        await self.bus.room(reaches_nobody)
        return self.batch_get_item_nowait(gets)

    def batch_get_item_nowait(self, gets: Iterable[Get]) -> BatchItems:
        """The synchronous twin of `batch_get_item`."""
        gets = only(gets, Get)
        items: dict[str, dict[str, Any]] = {}
        for get in gets:
            request = get.request()
            key = request.pop("Key")
            request["ConsistentRead"] = get.consistent_read
            part = items.setdefault(get.table.name, {"Keys": [], **request})
            if {name: value for name, value in part.items() if name != "Keys"} != request:
                raise ValidationError(f"all of a batch from {get.table.name} have the same projection and consistency")
            part["Keys"].append(key)
        response = batch_get(self, {"RequestItems": items})
        left = {name: [from_item(key) for key in part["Keys"]] for name, part in response["UnprocessedKeys"].items()}
        return BatchItems(
            {name: [from_item(item) for item in found] for name, found in response["Responses"].items()},
            [get for get in gets if get.table.name in left and _plain_key(get) in left[get.table.name]],
        )

    async def batch_write_item(self, writes: Iterable[Put | Delete]) -> None:
        """Put and delete up to 25 items, of several tables: BatchWriteItem.

        They do not depend on each other, as on AWS, but here all are done or, when one is refused, none.
        """
        self.bus.accepting("batch_write_item")
        await self.bus.room(reaches_nobody)
        self.batch_write_item_nowait(writes)
        await self.bus.synced()

    def batch_write_item_nowait(self, writes: Iterable[Put | Delete]) -> None:
        """The synchronous twin of `batch_write_item`."""
        items: dict[str, list[dict[str, Any]]] = {}
        for write in only(writes, Put, Delete, Update, ConditionCheck):
            if write.kind not in ("Put", "Delete") or write.condition is not None:
                raise ValidationError(
                    f"{write!r} cannot be in a batch, which holds Put and Delete without conditions; "
                    "call transact_write_items"
                )
            items.setdefault(write.table.name, []).append({f"{write.kind}Request": write.request()})
        batch_write(self, {"RequestItems": items})

    async def transact_write_items(
        self, actions: Iterable[WriteAction], *, client_request_token: str | None = None
    ) -> None:
        """Do up to 100 writes, or none of them: TransactWriteItems.

        A token makes the call idempotent for ten minutes. Raises TransactionCanceled with a reason for each action.
        """
        self.bus.accepting("transact_write_items")
        await self.bus.room(reaches_nobody)
        self.transact_write_items_nowait(actions, client_request_token=client_request_token)
        await self.bus.synced()

    def transact_write_items_nowait(
        self, actions: Iterable[WriteAction], *, client_request_token: str | None = None
    ) -> None:
        """The synchronous twin of `transact_write_items`."""
        parts = only(actions, Put, Delete, Update, ConditionCheck)
        items = [{action.kind: {"TableName": action.table.name, **action.request()}} for action in parts]
        try:
            transact_write(self, request_of(TransactItems=items, ClientRequestToken=client_request_token))
        except TransactionCanceled as error:
            for reason in error.reasons:
                if "Item" in reason:
                    reason["Item"] = from_item(reason["Item"])
            raise

    async def transact_get_items(self, gets: Iterable[Get]) -> list[Plain | None]:
        """Get up to 100 items as they are at one instant: TransactGetItems. None stands for what is not there."""
        self.bus.accepting("transact_get_items")
        await self.bus.room(reaches_nobody)
        return self.transact_get_items_nowait(gets)

    def transact_get_items_nowait(self, gets: Iterable[Get]) -> list[Plain | None]:
        """The synchronous twin of `transact_get_items`."""
        items = [{"Get": {"TableName": get.table.name, **get.request()}} for get in only(gets, Get)]
        answers = transact_get(self, {"TransactItems": items})["Responses"]
        return [from_item(answer["Item"]) if "Item" in answer else None for answer in answers]

    # -- in AWS's terms -----------------------------------------------------------------------------------------------

    async def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Any operation by AWS's name, with a request and a response in AWS's form: `call("PutItem", {...})`.

        Items are in DynamoDB's form (`{"id": {"S": "1"}}`), binary values are `bytes`, instants are seconds.
        """
        self.bus.accepting(operation)
        await self.bus.room(reaches_nobody)
        response = self.call_nowait(operation, request)
        await self.bus.synced()
        return response

    def call_nowait(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """The synchronous twin of `call`."""
        return perform(self, operation, request)

    def _take_up(self) -> None:
        """The bus is entered: load what its store has of the tables that are declared."""
        if self.bus.store is not None:
            self._keeping = Keeping(self.bus, self.bus.store)
            self.draw = self._keeping.numbers.draw
            for table in self._tables.values():
                table.keep(self._keeping)
            self._keeping.warn(self._tables)
        for table in self._tables.values():
            table.start()


def _plain_key(get: Get) -> Plain:
    return from_item(get.request()["Key"])
