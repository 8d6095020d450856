"""Writing single items, in DynamoDB's own terms: requests with typed, canonical values in, responses out.

A write is planned first, with every check, and then done in one step. A transaction plans all of its writes before it
does the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from triggers.dynamodb.capacity import consumed, write_units
from triggers.dynamodb.collection import Stored
from triggers.dynamodb.core import TableCore
from triggers.dynamodb.errors import ConditionalCheckFailed, ValidationError
from triggers.dynamodb.expressions.evaluation import evaluate, project
from triggers.dynamodb.expressions.tree import Condition, Path
from triggers.dynamodb.expressions.updating import apply
from triggers.dynamodb.keys import Place, check_index_key, place_of_item, place_of_key
from triggers.dynamodb.parameters import Expressions, check_request
from triggers.dynamodb.values import MAX_ITEM, Item, check_nesting, copied_item, item_size

_CONDITIONAL = "ConditionExpression ExpressionAttributeNames ExpressionAttributeValues"
_ANSWERS = (
    f"TableName {_CONDITIONAL} ReturnValues ReturnConsumedCapacity ReturnItemCollectionMetrics "
    "ReturnValuesOnConditionCheckFailure"
)


@attrs.frozen(eq=False)
class Write:
    """A write that has passed every check."""

    place: Place
    before: Stored | None
    after: Stored | None
    key: Item
    touched: tuple[Path, ...] = ()
    """What an update names."""


class WritingTable(TableCore):
    """PutItem, UpdateItem and DeleteItem."""

    def put(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """PutItem with canonical values."""
        self.enter("put_item", "dynamodb:PutItem")
        check_request(request, "PutItem", "Item", _ANSWERS)
        _check_returned(request, ("ALL_OLD", "NONE"))
        return self._do("put_item", request, self.plan_put(request))

    def update(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """UpdateItem with canonical values."""
        self.enter("update_item", "dynamodb:UpdateItem")
        check_request(request, "UpdateItem", "Key", f"{_ANSWERS} UpdateExpression")
        return self._do("update_item", request, self.plan_update(request))

    def delete(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """DeleteItem with canonical values."""
        self.enter("delete_item", "dynamodb:DeleteItem")
        check_request(request, "DeleteItem", "Key", _ANSWERS)
        _check_returned(request, ("ALL_OLD", "NONE"))
        return self._do("delete_item", request, self.plan_delete(request))

    # -- decisions ----------------------------------------------------------------------------------------------------

    def plan_put(self, request: Mapping[str, Any]) -> Write:
        """What PutItem is to do. Raises ValidationError or ConditionalCheckFailed."""
        item: Item = request["Item"]
        place = place_of_item(item, self._schema.key)
        after = self._checked(item, place, "Item size has exceeded the maximum allowed size")
        return Write(place, self._checked_condition(request, place), after, item)

    def plan_update(self, request: Mapping[str, Any]) -> Write:
        """What UpdateItem is to do."""
        key: Item = request["Key"]
        place = place_of_key(key, self._schema.key)
        expressions = Expressions(request, "UpdateExpression", "ConditionExpression")
        update, condition = expressions.update() or (), expressions.condition()
        expressions.done()
        for clause in update:
            if clause.path.elements[0] in self._schema.key.types:
                raise ValidationError.of(
                    f"Cannot update attribute {clause.path.elements[0]}. This attribute is part of the key"
                )
        before = self._items.get(place)
        self._hold(condition, before, request)
        item = apply(update, dict(key) if before is None else before.item)
        if any(len(clause.path.elements) > 1 for clause in update):
            check_nesting(item)
        after = self._checked(item, place, "Item size to update has exceeded the maximum allowed size")
        return Write(place, before, after, key, tuple(clause.path for clause in update))

    def plan_delete(self, request: Mapping[str, Any]) -> Write:
        """What DeleteItem is to do."""
        key: Item = request["Key"]
        place = place_of_key(key, self._schema.key)
        before = self._checked_condition(request, place)
        return Write(place, before, None, key)

    def plan_check(self, request: Mapping[str, Any]) -> Write:
        """ConditionCheck of a transaction: nothing is written."""
        key: Item = request["Key"]
        place = place_of_key(key, self._schema.key)
        before = self._checked_condition(request, place)
        return Write(place, before, before, key)

    def _checked_condition(self, request: Mapping[str, Any], place: Place) -> Stored | None:
        before = self._items.get(place)
        if len(request) > 1:  # else it is the item or the key alone
            expressions = Expressions(request, "ConditionExpression")
            condition = expressions.condition()
            expressions.done()
            self._hold(condition, before, request)
        return before

    def _hold(self, condition: Condition | None, before: Stored | None, request: Mapping[str, Any]) -> None:
        if condition is None or evaluate(condition, {} if before is None else before.item):
            return
        self._bus.count("ConditionalCheckFailedRequests", self.arn)
        wanted = request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
        raise ConditionalCheckFailed(copied_item(before.item) if wanted and before is not None else None)

    def _checked(self, item: Item, place: Place, too_large: str) -> Stored:
        for index in self._schema.indexes.values():
            check_index_key(item, index)
        size = item_size(item)
        if size > MAX_ITEM:
            raise ValidationError(too_large)
        return Stored(item, place, size)

    # -- deeds --------------------------------------------------------------------------------------------------------

    def carry_out(self, verb: str, write: Write) -> None:
        """Do what was planned, and note it."""
        cause = self._bus.note(verb, self, self._shown(write.key))
        self._change(write.place, write.before, write.after, cause)

    def _do(self, verb: str, request: Mapping[str, Any], write: Write) -> dict[str, Any]:
        self.carry_out(verb, write)
        response: dict[str, Any] = {}
        attributes = returned(write, request.get("ReturnValues", "NONE"))
        if attributes:
            response["Attributes"] = copied_item(attributes)
        if "ReturnConsumedCapacity" in request and (capacity := consumed(request, self.name, units(write))):
            response["ConsumedCapacity"] = capacity
        return response


def units(write: Write, *, is_transactional: bool = False) -> float:
    """The capacity units of a write."""
    before, after = (0 if stored is None else stored.size for stored in (write.before, write.after))
    return write_units(before, after, is_transactional=is_transactional)


def returned(write: Write, wanted: str) -> Item | None:
    """What ReturnValues asks for; of UPDATED_OLD and UPDATED_NEW only what the update names."""
    if wanted == "NONE":
        return None
    stored = write.after if wanted.endswith("NEW") else write.before
    if stored is None:
        return None
    return stored.item if wanted.startswith("ALL") else project(stored.item, write.touched)


def _check_returned(request: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    if request.get("ReturnValues", "NONE") not in allowed:
        raise ValidationError("ReturnValues can only be ALL_OLD or NONE")
