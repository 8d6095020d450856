"""Keys of items: checked against a schema, and as what collections are sorted by."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeAlias

from triggers.dynamodb.errors import ValidationError
from triggers.dynamodb.schema import IndexSchema, KeySchema
from triggers.dynamodb.values import AttributeValue, Item, tag_of, value_size

Place: TypeAlias = "tuple[Any, Any]"
"""Where an item is: the content of its partition key, and what its sort key sorts as (NO_SORT where there is none)."""
NO_SORT = ""
"""Sorts with itself, and is no sort key: those are never empty."""

MAX_HASH_KEY = 2048
MAX_RANGE_KEY = 1024
"""Bytes (DynamoDB quotas)."""


def place_of_item(item: Item, schema: KeySchema) -> Place:
    """Where an item that is written belongs. Raises ValidationError for a missing or wrong key."""
    for name, kind in schema.types.items():
        value = item.get(name)
        if value is None:
            raise ValidationError.of(f"Missing the key {name} in the item")
        if kind not in value:
            raise ValidationError.of(f"Type mismatch for key {name} expected: {kind} actual: {tag_of(value)}")
    return _place(item, schema)


def place_of_key(key: Item, schema: KeySchema) -> Place:
    """Where the item with this key is. Raises ValidationError for anything but a key of this table."""
    if key.keys() != schema.types.keys() or any(kind not in key[name] for name, kind in schema.types.items()):
        raise ValidationError(
            "The provided key element does not match the schema",
            mend=f"give {' and '.join(f'{name} ({kind})' for name, kind in schema.types.items())}, and nothing else",
        )
    return _place(key, schema)


def _place(item: Item, schema: KeySchema) -> Place:
    hash_name, *range_name = schema.types
    content = _checked(item[hash_name], hash_name, MAX_HASH_KEY)
    if not range_name:
        return content, NO_SORT
    _checked(item[range_name[0]], range_name[0], MAX_RANGE_KEY)
    return content, order_of(item[range_name[0]])


def _checked(value: AttributeValue, name: str, limit: int) -> Any:
    ((tag, content),) = value.items()
    if not content:
        kind = "string" if tag == "S" else "binary"
        raise ValidationError(
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
            f"empty {kind} value. Key: {name}"
        )
    if len(content) * 4 > limit and value_size(value) > limit:
        if limit == MAX_HASH_KEY:
            raise ValidationError.of(f"Size of hashkey has exceeded the maximum size limit of{limit} bytes")
        raise ValidationError.of(f"Aggregated size of all range keys has exceeded the size limit of {limit} bytes")
    return content


def order_of(value: AttributeValue) -> Any:
    """What a key attribute sorts as: numbers by value, texts by code point (as UTF-8 does), binary by byte."""
    ((tag, content),) = value.items()
    return Decimal(content) if tag == "N" else content


def check_index_key(item: Item, index: IndexSchema) -> None:
    """Refuse an item whose attributes cannot be keys of an index; one that has none of them is just not in it."""
    for name, kind in index.key.types.items():
        value = item.get(name)
        if value is None:
            continue
        if kind not in value:
            raise ValidationError.of(
                f"Type mismatch for Index Key {name} Expected: {kind} Actual: {tag_of(value)} IndexName: {index.name}"
            )
        if not value[kind]:
            what = "string" if kind == "S" else "binary"
            raise ValidationError(
                "One or more parameter values are not valid. A value specified for a secondary index key is not "
                f"supported. The AttributeValue for a key attribute cannot contain an empty {what} value. "
                f"IndexName: {index.name}, IndexKey: {name}"
            )
        limit = MAX_HASH_KEY if name == index.key.hash_name else MAX_RANGE_KEY
        if value_size(value) > limit:
            raise ValidationError.of(
                f"Size of {'hashkey' if limit == MAX_HASH_KEY else 'rangekey'} has exceeded the maximum size limit of "
                f"{limit} bytes, IndexName: {index.name}"
            )


def place_in_index(item: Item, place: Place, index: IndexSchema) -> Place | None:
    """Where an item is in an index, or None if it is not in there. Equal index keys are told apart by the table's."""
    types = index.key.types
    if not types.keys() <= item.keys():
        return None
    hash_name, *range_name = types
    ((_, content),) = item[hash_name].items()
    return content, (order_of(item[range_name[0]]) if range_name else NO_SORT, *place)
