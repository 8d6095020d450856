"""CreateTable and UpdateTable in AWS's terms, as schemas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from triggers.dynamodb.errors import ValidationError
from triggers.dynamodb.schema import (
    IndexSchema,
    KeySchema,
    TableSchema,
    check_view_type,
    checked_index,
    checked_key,
    table_schema,
)


@attrs.frozen
class RequestedTable:
    """What CreateTable asks for."""

    schema: TableSchema
    view_type: str | None
    is_protected: bool
    billing_mode: str
    throughput: tuple[int, int]


def requested_table(request: Mapping[str, Any]) -> RequestedTable:
    """Read a CreateTable request. Raises ValidationError."""
    types = attribute_types(request.get("AttributeDefinitions") or ())
    key = _key(request.get("KeySchema") or (), types)
    indexes = [
        *(requested_index(each, types, is_local=False) for each in request.get("GlobalSecondaryIndexes") or ()),
        *(requested_index(each, types, is_local=True) for each in request.get("LocalSecondaryIndexes") or ()),
    ]
    schema = table_schema(request["TableName"], key, indexes)
    _check_definitions(schema, types)
    for index in schema.indexes.values():
        if index.is_local and index.key.hash_name != key.hash_name:
            raise ValidationError.of(
                f"Index KeySchema does not have the same leading hash key as table KeySchema for index: {index.name}. "
                f"index hash key: {index.key.hash_name}, table hash key: {key.hash_name}"
            )
    billing_mode = request.get("BillingMode") or "PROVISIONED"
    return RequestedTable(
        schema,
        requested_view_type(request.get("StreamSpecification")),
        bool(request.get("DeletionProtectionEnabled")),
        billing_mode,
        requested_throughput(request, billing_mode),
    )


def requested_throughput(request: Mapping[str, Any], billing_mode: str) -> tuple[int, int]:
    """Capacity units for reading and for writing, which only a provisioned table has. Raises ValidationError."""
    given = request.get("ProvisionedThroughput") or {}
    reading, writing = given.get("ReadCapacityUnits"), given.get("WriteCapacityUnits")
    if billing_mode == "PAY_PER_REQUEST":
        if reading is not None or writing is not None:
            raise ValidationError.of(
                "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"
            )
        return 0, 0
    if reading is None or writing is None:
        raise ValidationError.of(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
            mend='pass ProvisionedThroughput, or BillingMode="PAY_PER_REQUEST"',
        )
    return reading, writing


MOST_TAGS = 50


def checked_tags(listed: Iterable[Mapping[str, str]], known: Mapping[str, str] | None = None) -> dict[str, str]:
    """Tags as a mapping, with those that were there before. Raises ValidationError (TagResource, 2026)."""
    tags = {**(known or {}), **{tag["Key"]: tag["Value"] for tag in listed}}
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or len(value) > 256:
            raise ValidationError.of("a tag has a key of 1 to 128 characters and a value of up to 256")
    if len(tags) > MOST_TAGS:
        raise ValidationError(f"Too many tags: the limit is {MOST_TAGS} tags per resource.")
    return tags


def attribute_types(definitions: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """AttributeDefinitions as a mapping."""
    types: dict[str, str] = {}
    for definition in definitions:
        if types.setdefault(definition["AttributeName"], definition["AttributeType"]) != definition["AttributeType"]:
            raise ValidationError.of("Cannot have two attributes with the same name")
    return types


def requested_index(index: Mapping[str, Any], types: Mapping[str, str], *, is_local: bool) -> IndexSchema:
    """A secondary index in AWS's form."""
    projection = index.get("Projection") or {}
    return checked_index(
        index["IndexName"],
        _key(index.get("KeySchema") or (), types),
        is_local,
        projection.get("ProjectionType") or "ALL",
        tuple(projection.get("NonKeyAttributes") or ()),
    )


def requested_view_type(specification: Mapping[str, Any] | None) -> str | None:
    """StreamSpecification: the view type, or None for no stream."""
    if not specification or not specification.get("StreamEnabled"):
        return None
    return check_view_type(specification.get("StreamViewType"))


def _key(elements: Iterable[Mapping[str, Any]], types: Mapping[str, str]) -> KeySchema:
    elements = list(elements)
    kinds = [element.get("KeyType") for element in elements]
    if kinds not in (["HASH"], ["HASH", "RANGE"]):
        raise ValidationError("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
    names = [element["AttributeName"] for element in elements]
    if missing := [name for name in names if name not in types]:
        raise ValidationError.of(
            "Some index key attributes are not defined in AttributeDefinitions. "
            f"Keys: [{', '.join(missing)}], AttributeDefinitions: [{', '.join(types)}]"
        )
    if len(set(names)) != len(names):
        raise ValidationError.of("Both the Hash Key and the Range Key element in the KeySchema have the same name")
    return checked_key({name: types[name] for name in names})


def _check_definitions(schema: TableSchema, types: Mapping[str, str]) -> None:
    used = {definition["AttributeName"] for definition in schema.attribute_definitions}
    if used != set(types):
        raise ValidationError.of(
            "Number of attributes in KeySchema does not exactly match number of attributes defined in "
            "AttributeDefinitions"
        )
