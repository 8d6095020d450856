"""What a table is and how it is set; what is done with its items is in `triggers.dynamodb.table`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from triggers.dynamodb.collection import Collection, Stored
from triggers.dynamodb.errors import ResourceInUse, TableNotFound, ValidationError
from triggers.dynamodb.expiring import Expirations
from triggers.dynamodb.keeping import KeptTable
from triggers.dynamodb.keys import place_in_index, place_of_item
from triggers.dynamodb.reading import ReadingTable
from triggers.dynamodb.schema import (
    Index,
    IndexSchema,
    KeyLike,
    KeySchema,
    check_expiry_attribute,
    check_shards,
    check_view_type,
    index_schema,
    table_schema,
)
from triggers.dynamodb.stream import Stream
from triggers.dynamodb.values import item_size

if TYPE_CHECKING:
    from triggers.dynamodb.keeping import Keeping
    from triggers.dynamodb.schema import TableSchema
    from triggers.dynamodb.service import DynamoDB


class ConfiguredTable(ReadingTable):
    """Stream, time to live and indexes of a table; configuration needs no running bus."""

    def __init__(self, service: DynamoDB, schema: TableSchema) -> None:
        super().__init__(service, schema)
        self.table_id = self._bus.ids.uuid()
        self.deletion_protection = False
        """Whether `delete_table` is refused."""
        self.billing_mode = "PAY_PER_REQUEST"
        self.provisioned_throughput = (0, 0)
        """Capacity units for reading and for writing, as they were asked for: shown, and not enforced."""
        self.tags: dict[str, str] = {}

    def __repr__(self) -> str:
        stream = "no stream" if self._stream is None else f"stream {self._stream.view_type}"
        return f"<Table {self.name}: {self._items.count} items, {stream}>"

    @property
    def key(self) -> KeySchema:
        """The table's key: names and types."""
        return self._schema.key

    @property
    def attribute_types(self) -> dict[str, str]:
        """The types of all attributes that are part of a key."""
        return {d["AttributeName"]: d["AttributeType"] for d in self._schema.attribute_definitions}

    # -- stream -------------------------------------------------------------------------------------------------------

    @property
    def stream(self) -> Stream | None:
        """The table's stream, or None: what functions read."""
        return self._stream

    def enable_stream(self, view_type: str = "NEW_AND_OLD_IMAGES", *, shards: int = 1) -> Stream:
        """Begin to write changes to a stream: UpdateTable. Each time it is another stream, with another ARN.

        `view_type` is KEYS_ONLY, NEW_IMAGE, OLD_IMAGE or NEW_AND_OLD_IMAGES; items are shared among the `shards` by
        their partition key. Raises ValidationError if there is one already.
        """
        self.may("UpdateTable")
        return self.begin_stream(view_type, shards=shards)

    def begin_stream(self, view_type: str, *, shards: int = 1) -> Stream:
        """The same, for whoever has asked for the permission."""
        check_view_type(view_type)
        check_shards(shards)
        self._check_exists()
        if self._stream is not None:
            raise ValidationError(f"Table already has an enabled stream: TableName: {self.name}")
        stream = Stream(self._bus, self.label, self.arn, self._schema, view_type, lambda: self._service.draw())
        stream.begin(self._service.stream_label(self.arn), shards)
        self._stream = stream
        self._service.has_stream(stream)
        if self._kept is not None:
            stream.kept = self._kept
            self._kept.stream_changed(stream)
        return stream

    def disable_stream(self) -> None:
        """Write no more changes: UpdateTable. What is in the stream can be read until it is 24 hours old."""
        self.may("UpdateTable")
        self._check_exists()
        if self._stream is None:
            raise ValidationError(f"Table is already in desired state: {self.name} has no stream")
        self._end_stream()

    def _end_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.disable()
            stream.kept = None
            if self._kept is not None:
                self._kept.forget_stream()

    # -- time to live -------------------------------------------------------------------------------------------------

    @property
    def time_to_live(self) -> str | None:
        """The attribute that holds when an item expires, in seconds since the epoch; None if nothing does."""
        return self._expiry_attribute

    def update_time_to_live(self, attribute: str | None) -> None:
        """Delete items when the time in this attribute has passed; None switches it off: UpdateTimeToLive.

        Raises ValidationError if it is so already, or with another attribute.
        """
        self.may("UpdateTimeToLive")
        self.set_time_to_live(attribute)

    def set_time_to_live(self, attribute: str | None) -> None:
        """The same, for whoever has asked for the permission."""
        self._check_exists()
        if attribute is not None:
            check_expiry_attribute(attribute)
        if attribute is None and self._expiry_attribute is None:
            raise ValidationError("TimeToLive is already disabled")
        if attribute is not None and self._expiry_attribute is not None:
            if attribute == self._expiry_attribute:
                raise ValidationError("TimeToLive is already enabled")
            raise ValidationError(
                f"TimeToLive is active on a different AttributeName: current AttributeName is {self._expiry_attribute}"
            )
        self._expiry_attribute = attribute
        self._expirations = Expirations()
        if attribute is not None:
            for stored in self._items:
                self._watch_expiry(stored, attribute)

    # -- indexes ------------------------------------------------------------------------------------------------------

    def create_index(self, name: str, index: Index | KeyLike) -> None:
        """Add a global secondary index, of the items that there are too: UpdateTable."""
        self.may("UpdateTable")
        self._check_exists()
        self.add_index(index_schema(name, index))

    def add_index(self, index: IndexSchema) -> None:
        """The same with a schema."""
        self._schema = table_schema(self.name, self.key, [*self._schema.indexes.values(), index])
        collection = self._indexes[index.name] = Collection()
        for stored in self._items:
            types = index.key.types
            if all(kind in stored.item.get(name, {}) for name, kind in types.items()):  # others are left out, as on AWS
                place = place_in_index(stored.item, stored.place, index)
                if place is not None:
                    collection.put(place, stored)

    def delete_index(self, name: str) -> None:
        """Take a global secondary index away: UpdateTable."""
        self.may("UpdateTable")
        self._check_exists()
        index = self._schema.indexes.get(name)
        if index is None or index.is_local:
            raise TableNotFound(f"Requested resource not found: Index: {name} not found")
        others = [each for each in self._schema.indexes.values() if each.name != name]
        self._schema = table_schema(self.name, self.key, others)
        del self._indexes[name]

    # -- description --------------------------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """The table in AWS's form: DescribeTable."""
        self.may("DescribeTable")
        return self.described()

    def described(self) -> dict[str, Any]:
        """The same, for whoever has asked for the permission."""
        self._check_exists()
        reading, writing = self.provisioned_throughput
        description: dict[str, Any] = {
            "AttributeDefinitions": self._schema.attribute_definitions,
            "TableName": self.name,
            "KeySchema": self.key.description,
            "TableStatus": "ACTIVE",
            "CreationDateTime": self.created_at,
            "ProvisionedThroughput": {
                "NumberOfDecreasesToday": 0,
                "ReadCapacityUnits": reading,
                "WriteCapacityUnits": writing,
            },
            "TableSizeBytes": self._items.bytes,
            "ItemCount": self._items.count,
            "TableArn": self.arn,
            "TableId": self.table_id,
            "BillingModeSummary": {"BillingMode": self.billing_mode},
            "DeletionProtectionEnabled": self.deletion_protection,
        }
        for member, is_local in (("LocalSecondaryIndexes", True), ("GlobalSecondaryIndexes", False)):
            if indexes := [self._described(i) for i in self._schema.indexes.values() if i.is_local is is_local]:
                description[member] = indexes
        if self._stream is not None:
            description["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": self._stream.view_type}
            description["LatestStreamLabel"] = self._stream.stream_label
            description["LatestStreamArn"] = self._stream.arn
        return description

    def _described(self, index: IndexSchema) -> dict[str, Any]:
        collection = self._indexes[index.name]
        shown = {
            **index.description,
            "IndexSizeBytes": collection.bytes,
            "ItemCount": collection.count,
            "IndexArn": f"{self.arn}/index/{index.name}",
        }
        if not index.is_local:
            shown["IndexStatus"] = "ACTIVE"
            shown["ProvisionedThroughput"] = {
                "NumberOfDecreasesToday": 0, "ReadCapacityUnits": 0, "WriteCapacityUnits": 0,
            }  # fmt: skip
        return shown

    # -- for the service ----------------------------------------------------------------------------------------------

    def keep(self, keeping: Keeping) -> None:
        """Called by the service: take up what the store has of this table, and keep there what comes."""
        kept = KeptTable(keeping, self.name)
        kept.declared(self._schema)
        for item in kept.load():
            place = place_of_item(item, self.key)
            self._exchange(place, None, Stored(item, place, item_size(item)))
        if self._stream is None:
            kept.forget_stream()
        else:
            if not kept.load_stream(self._stream):
                kept.stream_changed(self._stream)
            self._stream.kept = kept
            self._stream.trim_later()
        self._kept = kept

    def start(self) -> None:
        """Called by the service: the bus runs."""
        self._arm_expiry()

    def close(self) -> None:
        """Called by the service: the table is deleted."""
        if self.deletion_protection:
            raise ValidationError(
                "Resource cannot be deleted as it is currently protected against deletion. Disable deletion "
                f"protection first: {self.name}"
            )
        kept, places = self._kept, [stored.place for stored in self._items]
        self._end_stream()
        self.is_deleted = True
        if self._expiring is not None:
            self._expiring.cancel()
        if kept is not None:
            kept.close(places)

    def may(self, operation: str) -> None:
        """Refuse a caller who may not do this with the table."""
        self._bus.authorize(f"dynamodb:{operation}", self.arn, None, self.label)

    def _check_exists(self) -> None:
        if self.is_deleted:
            raise TableNotFound(f"Requested resource not found: Table: {self.name} not found")


def already_exists(name: str) -> ResourceInUse:
    """A table of this name exists."""
    return ResourceInUse(f"Table already exists: {name}")
