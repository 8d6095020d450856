"""TransactWriteItems and TransactGetItems, in DynamoDB's own terms: all or nothing, in one synchronous step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from triggers.dynamodb.capacity import consumed, read_units
from triggers.dynamodb.errors import (
    ConditionalCheckFailed,
    IdempotentParameterMismatch,
    InvalidExpression,
    TransactionCanceled,
    ValidationError,
)
from triggers.dynamodb.keys import Place, place_of_item, place_of_key
from triggers.dynamodb.parameters import check_request
from triggers.dynamodb.values import Item, copied_item, item_size
from triggers.dynamodb.writing import Write, units

if TYPE_CHECKING:
    from triggers.dynamodb.service import DynamoDB
    from triggers.dynamodb.table import Table

MAX_ACTIONS = 100
MAX_BYTES = 4 * 1024 * 1024
"""What one transaction may carry (API_TransactWriteItems)."""
TOKEN_LIFE = 600.0
"""Seconds for which a client request token is remembered."""
_CONDITIONAL = (
    "ConditionExpression ExpressionAttributeNames ExpressionAttributeValues ReturnValuesOnConditionCheckFailure"
)
_REQUIRED = {
    "Put": "TableName Item",
    "Delete": "TableName Key",
    "Update": "TableName Key UpdateExpression",
    "ConditionCheck": "TableName Key ConditionExpression",
}
_IAM = {
    "Put": "dynamodb:PutItem",
    "Delete": "dynamodb:DeleteItem",
    "Update": "dynamodb:UpdateItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
}
_FINE: dict[str, Any] = {"Code": "None"}


@attrs.frozen
class _Remembered:
    request: str
    response: dict[str, Any]
    at: float


class Tokens:
    """Client request tokens of the last ten minutes."""

    def __init__(self) -> None:
        self._seen: dict[str, _Remembered] = {}

    def find(self, token: str, request: str, now: float) -> dict[str, Any] | None:
        """What a transaction with this token answered. Raises IdempotentParameterMismatch for another transaction."""
        for old in [known for known, entry in self._seen.items() if now - entry.at > TOKEN_LIFE]:
            del self._seen[old]
        entry = self._seen.get(token)
        if entry is None:
            return None
        if entry.request != request:
            raise IdempotentParameterMismatch
        return entry.response

    def remember(self, token: str, request: str, response: dict[str, Any], now: float) -> None:
        """A transaction with this token is done."""
        self._seen[token] = _Remembered(request, response, now)


def transact_write(service: DynamoDB, request: Mapping[str, Any]) -> dict[str, Any]:
    """TransactWriteItems with canonical values."""
    check_request(
        request,
        "TransactWriteItems",
        "TransactItems",
        "ClientRequestToken ReturnConsumedCapacity ReturnItemCollectionMetrics",
    )
    actions = [_action(service, entry) for entry in _checked_count(request["TransactItems"])]
    token = request.get("ClientRequestToken")
    now = service.bus.clock.now()
    if token is not None and (before := service.tokens.find(token, repr(request["TransactItems"]), now)) is not None:
        return before
    _check_distinct(actions)
    planned = _planned(actions)
    if sum(write.after.size for _, _, write in planned if write.after is not None) > MAX_BYTES:
        raise ValidationError("Collective size of all items in the transaction exceeds 4 MB")
    for table, kind, write in planned:
        if kind != "ConditionCheck":
            table.carry_out("transact_write_items", write)
    response: dict[str, Any] = {}
    by_table: dict[str, float] = {}
    for table, _, write in planned:
        by_table[table.name] = by_table.get(table.name, 0.0) + units(write, is_transactional=True)
    if capacities := [c for name, used in by_table.items() if (c := consumed(request, name, used))]:
        response["ConsumedCapacity"] = capacities
    if token is not None:
        service.tokens.remember(token, repr(request["TransactItems"]), response, now)
    return response


def _planned(actions: list[tuple[Table, str, Mapping[str, Any]]]) -> list[tuple[Table, str, Write]]:
    """Every write with its checks passed, or TransactionCanceled with a reason for each action."""
    planned: list[tuple[Table, str, Write]] = []
    reasons: list[dict[str, Any]] = []
    for table, kind, request in actions:
        try:
            write = _plan(table, kind, request)
        except InvalidExpression:
            raise
        except ConditionalCheckFailed as error:
            reason: dict[str, Any] = {"Code": "ConditionalCheckFailed", "Message": error.message}
            if error.item is not None:
                reason["Item"] = error.item
            reasons.append(reason)
        except ValidationError as error:
            reasons.append({"Code": "ValidationError", "Message": error.message})
        else:
            planned.append((table, kind, write))
            reasons.append(_FINE)
    if any(reason is not _FINE for reason in reasons):
        raise TransactionCanceled([dict(reason) for reason in reasons])
    return planned


def _check_distinct(actions: list[tuple[Table, str, Mapping[str, Any]]]) -> None:
    seen: set[tuple[str, Place]] = set()
    for table, kind, request in actions:
        try:
            item = request["Item" if kind == "Put" else "Key"]
            place = (place_of_item if kind == "Put" else place_of_key)(item, table.key)
        except ValidationError:
            continue  # a reason of its own
        if (table.name, place) in seen:
            raise ValidationError("Transaction request cannot include multiple operations on one item")
        seen.add((table.name, place))


def _plan(table: Table, kind: str, request: Mapping[str, Any]) -> Write:
    if kind == "Put":
        return table.plan_put(request)
    if kind == "Update":
        return table.plan_update(request)
    if kind == "Delete":
        return table.plan_delete(request)
    return table.plan_check(request)


def transact_get(service: DynamoDB, request: Mapping[str, Any]) -> dict[str, Any]:
    """TransactGetItems with canonical values."""
    check_request(request, "TransactGetItems", "TransactItems", "ReturnConsumedCapacity")
    wanted: list[tuple[Table, Mapping[str, Any]]] = []
    for entry in _checked_count(request["TransactItems"]):
        if not isinstance(entry, Mapping) or entry.keys() != {"Get"}:
            raise ValidationError("an action of TransactGetItems is a Get")
        get = entry["Get"]
        check_request(get, "Get", "TableName Key", "ProjectionExpression ExpressionAttributeNames")
        table = service.table(get["TableName"])
        table.enter("transact_get_items", "dynamodb:GetItem")
        wanted.append((table, get))
    places = [(table.name, place_of_key(get["Key"], table.key)) for table, get in wanted]
    if len(set(places)) != len(places):
        raise ValidationError("Transaction request cannot include multiple operations on one item")
    found: list[Item | None] = [table.found(get) for table, get in wanted]
    sizes = [0 if item is None else item_size(item) for item in found]
    if sum(sizes) > MAX_BYTES:
        raise ValidationError("Collective size of all items in the transaction exceeds 4 MB")
    response: dict[str, Any] = {"Responses": [{} if item is None else {"Item": copied_item(item)} for item in found]}
    by_table: dict[str, float] = {}
    for (table, _), size in zip(wanted, sizes, strict=True):
        used = read_units(size, is_consistent=True, is_transactional=True)
        by_table[table.name] = by_table.get(table.name, 0.0) + used
    if capacities := [c for name, used in by_table.items() if (c := consumed(request, name, used))]:
        response["ConsumedCapacity"] = capacities
    return response


def _checked_count(entries: Any) -> list[Any]:
    if not isinstance(entries, list | tuple) or not 1 <= len(entries) <= MAX_ACTIONS:
        raise ValidationError(
            "1 validation error detected: Value at 'transactItems' failed to satisfy constraint: Member must have "
            f"length less than or equal to {MAX_ACTIONS} and greater than or equal to 1"
        )
    return list(entries)


def _action(service: DynamoDB, entry: Any) -> tuple[Table, str, Mapping[str, Any]]:
    """A checked action of TransactWriteItems, which the caller may do."""
    kinds = [kind for kind in _REQUIRED if isinstance(entry, Mapping) and entry.get(kind) is not None]
    if len(kinds) != 1:
        raise ValidationError(
            "TransactItems can only contain one of Check, Put, Update or Delete",
        )
    (kind,) = kinds
    request = entry[kind]
    check_request(request, kind, _REQUIRED[kind], _CONDITIONAL)
    table = service.table(request["TableName"])
    table.enter("transact_write_items", _IAM[kind])
    return table, kind, request
