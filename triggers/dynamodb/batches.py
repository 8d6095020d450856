"""BatchGetItem and BatchWriteItem, in DynamoDB's own terms: many single operations, each for itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from triggers.dynamodb.capacity import consumed, read_units
from triggers.dynamodb.errors import ValidationError
from triggers.dynamodb.keys import Place, place_of_key
from triggers.dynamodb.parameters import check_request
from triggers.dynamodb.values import Item, copied_item, item_size
from triggers.dynamodb.writing import Write, units

if TYPE_CHECKING:
    from triggers.dynamodb.service import DynamoDB
    from triggers.dynamodb.table import Table

MAX_KEYS = 100
MAX_WRITES = 25
MAX_BYTES = 16 * 1024 * 1024
"""What one batch may carry (API_BatchGetItem, API_BatchWriteItem)."""
_GET = "ConsistentRead ProjectionExpression ExpressionAttributeNames"


def batch_get(service: DynamoDB, request: Mapping[str, Any]) -> dict[str, Any]:
    """BatchGetItem with canonical values."""
    check_request(request, "BatchGetItem", "RequestItems", "ReturnConsumedCapacity")
    wanted = _by_table(service, request["RequestItems"], "BatchGetItem")
    for _, part in wanted:
        check_request(part, "BatchGetItem", "Keys", _GET)
    if sum(len(part["Keys"]) for _, part in wanted) > MAX_KEYS:
        raise ValidationError("Too many items requested for the BatchGetItem call")
    for table, part in wanted:
        _check_distinct([place_of_key(key, table.key) for key in part["Keys"]])
    responses: dict[str, list[Item]] = {table.name: [] for table, _ in wanted}
    unprocessed: dict[str, Any] = {}
    capacities = []
    size = 0
    for table, part in wanted:
        left = []
        own = 0.0
        for key in part["Keys"]:
            found = table.found({**part, "Key": key}) if size <= MAX_BYTES else None
            if size > MAX_BYTES:
                left.append(copied_item(key))
                continue
            bytes_read = 0 if found is None else item_size(found)
            own += read_units(bytes_read, is_consistent=bool(part.get("ConsistentRead")))
            size += bytes_read
            if found is not None:
                responses[table.name].append(copied_item(found))
        if left:
            unprocessed[table.name] = {**part, "Keys": left}
        if capacity := consumed(request, table.name, own):
            capacities.append(capacity)
    response: dict[str, Any] = {"Responses": responses, "UnprocessedKeys": unprocessed}
    if capacities:
        response["ConsumedCapacity"] = capacities
    return response


def batch_write(service: DynamoDB, request: Mapping[str, Any]) -> dict[str, Any]:
    """BatchWriteItem with canonical values: every write is checked before the first is done."""
    check_request(request, "BatchWriteItem", "RequestItems", "ReturnConsumedCapacity ReturnItemCollectionMetrics")
    wanted = _by_table(service, request["RequestItems"], "BatchWriteItem")
    if not 1 <= sum(len(writes) for _, writes in wanted) <= MAX_WRITES or not all(writes for _, writes in wanted):
        raise ValidationError.member(
            {table.name: len(writes) for table, writes in wanted},
            "requestItems",
            "Map value must satisfy constraint: [Member must have length less than or equal to 25, Member must have "
            "length greater than or equal to 1]",
        )
    planned: list[tuple[Table, Write]] = []
    for table, writes in wanted:
        places: list[Place] = []
        for write in writes:
            planned.append((table, _planned(table, write)))
            places.append(planned[-1][1].place)
        _check_distinct(places)
    if sum(write.after.size for _, write in planned if write.after is not None) > MAX_BYTES:
        raise ValidationError("The batch of writes is larger than 16 MB")
    for table, write in planned:
        table.carry_out("batch_write_item", write)
    response: dict[str, Any] = {"UnprocessedItems": {}}
    by_table: dict[str, float] = {}
    for table, write in planned:
        by_table[table.name] = by_table.get(table.name, 0.0) + units(write)
    if capacities := [c for name, used in by_table.items() if (c := consumed(request, name, used))]:
        response["ConsumedCapacity"] = capacities
    return response


def _by_table(service: DynamoDB, items: Any, operation: str) -> list[tuple[Table, Any]]:
    if not isinstance(items, Mapping) or not items:
        raise ValidationError.member(items, "requestItems", "Member must have length greater than or equal to 1")
    found = [(service.table(name), part) for name, part in items.items()]
    for table, _ in found:
        table.enter(operation, f"dynamodb:{operation}")
    return found


def _planned(table: Table, write: Any) -> Write:
    match write:
        case {"PutRequest": {"Item": item}} if len(write) == 1:
            return table.plan_put({"Item": item})
        case {"DeleteRequest": {"Key": key}} if len(write) == 1:
            return table.plan_delete({"Key": key})
        case _:
            raise ValidationError(
                "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported "
                "datatypes"
                if isinstance(write, Mapping) and len(write) > 1
                else "a write of a batch is a PutRequest with an Item or a DeleteRequest with a Key"
            )


def _check_distinct(places: list[Place]) -> None:
    if len(set(places)) != len(places):
        raise ValidationError("Provided list of item keys contains duplicates")
