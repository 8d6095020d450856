"""What a table is: its key, its indexes, its stream. Read from Python's terms or from AWS's, checked, and frozen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from triggers.dynamodb.errors import ValidationError
from triggers.dynamodb.values import SCALARS, Item, copied

KeyLike = str | Iterable[str] | Mapping[str, str]
"""`"id"`, `("pk", "sk")`, or with types `{"pk": "S", "sk": "N"}`; texts where no type is given."""

VIEW_TYPES = ("KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES")
MAX_GLOBAL_INDEXES = 20
MAX_LOCAL_INDEXES = 5
_MAX_NON_KEY_ATTRIBUTES = 100
_is_name = re.compile(r"[a-zA-Z0-9_.\-]{3,255}").fullmatch


@attrs.frozen
class KeySchema:
    """The names and types of a key: `{"pk": "S", "sk": "N"}`, partition key first."""

    types: Mapping[str, str] = attrs.field(eq=dict)

    @property
    def hash_name(self) -> str:
        return next(iter(self.types))

    @property
    def range_name(self) -> str | None:
        return None if len(self.types) == 1 else list(self.types)[1]

    def of(self, item: Item) -> Item:
        """The key of an item, as a fresh item."""
        return {name: copied(item[name]) for name in self.types}

    @property
    def description(self) -> list[dict[str, str]]:
        """KeySchema in AWS's form."""
        return [
            {"AttributeName": name, "KeyType": kind} for name, kind in zip(self.types, ("HASH", "RANGE"), strict=False)
        ]


@attrs.frozen
class Index:
    """A secondary index, for `create_table`.

    - `key`: as for a table; of a local index the sort key alone.
    - `projection`: `"ALL"`, `"KEYS_ONLY"`, or the names of attributes that it holds beside the keys.
    """

    key: KeyLike
    projection: str | Iterable[str] = "ALL"


@attrs.frozen
class IndexSchema:
    """A secondary index as a table keeps it."""

    name: str
    key: KeySchema
    is_local: bool
    projection: str
    """ALL, KEYS_ONLY or INCLUDE"""
    attributes: tuple[str, ...] = ()
    """What INCLUDE includes."""

    @property
    def description(self) -> dict[str, Any]:
        """The part of DescribeTable that does not change."""
        projection: dict[str, Any] = {"ProjectionType": self.projection}
        if self.attributes:
            projection["NonKeyAttributes"] = list(self.attributes)
        return {"IndexName": self.name, "KeySchema": self.key.description, "Projection": projection}


@attrs.frozen
class TableSchema:
    """A table's name, key and indexes."""

    name: str
    key: KeySchema
    indexes: Mapping[str, IndexSchema]

    @property
    def attribute_definitions(self) -> list[dict[str, str]]:
        """AttributeDefinitions in AWS's form."""
        types = dict(self.key.types)
        for index in self.indexes.values():
            types |= index.key.types
        return [{"AttributeName": name, "AttributeType": types[name]} for name in sorted(types)]

    def with_index(self, index: IndexSchema) -> TableSchema:
        """The same with one more index."""
        if index.name in self.indexes:
            raise ValidationError.of(f"Duplicate index name: {index.name}")
        return table_schema(self.name, self.key, [*self.indexes.values(), index])


def table_schema(name: str, key: KeySchema, indexes: Iterable[IndexSchema]) -> TableSchema:
    """A checked schema. Raises ValidationError."""
    check_name(name, "tableName")
    by_name: dict[str, IndexSchema] = {}
    types = dict(key.types)
    for index in indexes:
        check_name(index.name, "indexName")
        if index.name in by_name:
            raise ValidationError.of(f"Duplicate index name: {index.name}")
        for attribute, kind in index.key.types.items():
            if types.setdefault(attribute, kind) != kind:
                raise ValidationError.of(f"Cannot redefine an attribute: {attribute} is {types[attribute]} and {kind}")
        by_name[index.name] = index
    if sum(not index.is_local for index in by_name.values()) > MAX_GLOBAL_INDEXES:
        raise ValidationError.of(f"GlobalSecondaryIndex count exceeds the per-table limit of {MAX_GLOBAL_INDEXES}")
    if sum(index.is_local for index in by_name.values()) > MAX_LOCAL_INDEXES:
        raise ValidationError.of(f"Number of LocalSecondaryIndexes exceeds per-table limit of {MAX_LOCAL_INDEXES}")
    if sum(index.is_local for index in by_name.values()) and key.range_name is None:
        raise ValidationError.of(
            "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex"
        )
    return TableSchema(name, key, by_name)


def check_name(name: object, member: str) -> None:
    """Refuse a name that no table or index can have."""
    if not isinstance(name, str) or not _is_name(name):
        raise ValidationError.member(
            name,
            member,
            "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+, and have length greater than or equal to "
            "3 and less than or equal to 255",
        )


def key_schema(key: KeyLike, *, sort_only_of: KeySchema | None = None) -> KeySchema:
    """A key in Python's terms. `sort_only_of` is the table's key for the sort key of a local index."""
    if isinstance(key, str):
        types = {key: "S"}
    elif isinstance(key, Mapping):
        types = dict(key)
    else:
        given: object = key
        if not isinstance(given, Iterable):
            raise ValidationError(f'{key!r} is no key; pass key="id", key=("pk", "sk") or key={{"pk": "S", "sk": "N"}}')
        names = list(key)
        types = dict.fromkeys(names, "S")
        if len(types) != len(names):
            raise ValidationError.of("Both the Hash Key and the Range Key element in the KeySchema have the same name")
    if sort_only_of is not None:
        if len(types) != 1:
            raise ValidationError('the key of a local index is its sort key alone: local_indexes={"by-date": "date"}')
        types = {sort_only_of.hash_name: sort_only_of.types[sort_only_of.hash_name], **types}
    return checked_key(types)


def checked_key(types: Mapping[str, str]) -> KeySchema:
    """A key schema of one or two attributes."""
    if len(types) not in (1, 2):
        raise ValidationError(
            f"a key is a partition key and perhaps a sort key, and {len(types)} attributes were given; "
            'pass key="id", key=("pk", "sk") or key={"pk": "S", "sk": "N"}'
        )
    for name, kind in types.items():
        given: object = name
        if not isinstance(given, str) or not 1 <= len(name) <= 255:
            raise ValidationError.member(
                name, "keySchema.1.member.attributeName", "Member must have length between 1 and 255"
            )
        if kind not in tuple(SCALARS):  # which may be asked for what cannot be hashed
            raise ValidationError.member(
                kind,
                "attributeDefinitions.1.member.attributeType",
                "Member must satisfy enum value set: [B, N, S]",
            )
    return KeySchema(dict(types))


def index_schema(name: str, index: Index | KeyLike, *, local_to: KeySchema | None = None) -> IndexSchema:
    """An index in Python's terms."""
    index = index if isinstance(index, Index) else Index(index)
    key = key_schema(index.key, sort_only_of=local_to)
    if isinstance(index.projection, str):
        return checked_index(name, key, local_to is not None, index.projection, ())
    names: object = index.projection
    if not isinstance(names, Iterable) or not all(isinstance(one, str) for one in index.projection):
        raise ValidationError(f'projection={names!r}: "ALL", "KEYS_ONLY", or the names of attributes')
    return checked_index(name, key, local_to is not None, "INCLUDE", tuple(index.projection))


def checked_index(
    name: str, key: KeySchema, is_local: bool, projection: str, attributes: tuple[str, ...]
) -> IndexSchema:
    """An index with a projection that there is."""
    if projection not in ("ALL", "KEYS_ONLY", "INCLUDE"):
        raise ValidationError.member(
            projection, "projection.projectionType", "Member must satisfy enum value set: [ALL, INCLUDE, KEYS_ONLY]"
        )
    if projection == "INCLUDE" and not attributes:
        raise ValidationError.of("ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
    if projection != "INCLUDE" and attributes:
        raise ValidationError.of(f"ProjectionType is {projection}, but NonKeyAttributes is specified")
    if len(attributes) > _MAX_NON_KEY_ATTRIBUTES:
        raise ValidationError.of(f"at most {_MAX_NON_KEY_ATTRIBUTES} NonKeyAttributes can be included")
    return IndexSchema(name, key, is_local, projection, attributes)


def check_expiry_attribute(attribute: object) -> None:
    """Refuse what can be no attribute of a time to live."""
    if not isinstance(attribute, str) or not 1 <= len(attribute) <= 255:
        raise ValidationError.member(
            attribute, "timeToLiveSpecification.attributeName", "Member must have length between 1 and 255"
        )


def check_shards(shards: object) -> None:
    """Refuse a number of shards that no stream here has."""
    if isinstance(shards, bool) or not isinstance(shards, int) or not 1 <= shards <= 100:
        raise ValidationError.member(shards, "shards", "Member must have value between 1 and 100")


def check_view_type(view_type: object) -> str:
    """A stream view type that there is."""
    if view_type not in VIEW_TYPES:
        raise ValidationError.member(
            view_type, "streamViewType", f"Member must satisfy enum value set: [{', '.join(VIEW_TYPES)}]"
        )
    return str(view_type)
