"""Reading: GetItem, Query and Scan, in DynamoDB's own terms."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from triggers.dynamodb.capacity import consumed, read_units
from triggers.dynamodb.collection import HASHES, Stored
from triggers.dynamodb.errors import ValidationError
from triggers.dynamodb.expressions.evaluation import project
from triggers.dynamodb.expressions.tree import (
    Arithmetic,
    Between,
    Both,
    Call,
    Compare,
    Condition,
    Either,
    In,
    Not,
    Operand,
    Path,
)
from triggers.dynamodb.key_conditions import KeyCondition, key_condition
from triggers.dynamodb.keys import Place, place_in_index, place_of_key
from triggers.dynamodb.pages import PageReader, View, selected
from triggers.dynamodb.parameters import Expressions, check_request
from triggers.dynamodb.schema import KeySchema
from triggers.dynamodb.values import Item, copied_item, item_size
from triggers.dynamodb.writing import WritingTable

MAX_SEGMENTS = 1_000_000
_PAGED = (
    "TableName IndexName Select Limit ConsistentRead ExclusiveStartKey ReturnConsumedCapacity ProjectionExpression "
    "FilterExpression ExpressionAttributeNames ExpressionAttributeValues"
)


class ReadingTable(WritingTable):
    """GetItem, Query and Scan."""

    def get(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """GetItem with canonical values."""
        self.enter("get_item", "dynamodb:GetItem")
        check_request(
            request,
            "GetItem",
            "Key",
            "TableName ConsistentRead ReturnConsumedCapacity ProjectionExpression ExpressionAttributeNames",
        )
        found = self.found(request)
        response: dict[str, Any] = {} if found is None else {"Item": copied_item(found)}
        if "ReturnConsumedCapacity" in request:
            size = 0 if found is None else item_size(found)
            units = read_units(size, is_consistent=bool(request.get("ConsistentRead")))
            if capacity := consumed(request, self.name, units):
                response["ConsumedCapacity"] = capacity
        return response

    def found(self, request: Mapping[str, Any]) -> Item | None:
        """The item with a key, or what a projection shows of it."""
        expressions = Expressions(request, "ProjectionExpression")
        projection = expressions.projection()
        expressions.done()
        stored = self._items.get(place_of_key(request["Key"], self._schema.key))
        if stored is None or projection is None:
            return None if stored is None else stored.item
        return project(stored.item, projection)

    def query_request(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Query with canonical values."""
        view = self._view(request, "query", "dynamodb:Query")
        check_request(request, "Query", "", f"{_PAGED} KeyConditionExpression ScanIndexForward")
        if request.get("KeyConditionExpression") is None:
            raise ValidationError(
                "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."
            )
        expressions = Expressions(request, "KeyConditionExpression", "FilterExpression", "ProjectionExpression")
        bound = expressions.condition("KeyConditionExpression")
        assert bound is not None
        condition = key_condition(bound, view.key)
        page = self._page_of(request, view, expressions)
        _check_filter(page.condition, view.key)
        start = self._start(request, view)
        return page.read(_matching(view, condition, start, is_forward=request.get("ScanIndexForward") is not False))

    def scan_request(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Scan with canonical values."""
        view = self._view(request, "scan", "dynamodb:Scan")
        check_request(request, "Scan", "", f"{_PAGED} Segment TotalSegments")
        low, high = _segment(request.get("Segment"), request.get("TotalSegments"))
        expressions = Expressions(request, "FilterExpression", "ProjectionExpression")
        page = self._page_of(request, view, expressions)
        start = self._start(request, view)
        return page.read(view.collection.scan(low, high, start))

    # -- what is read -------------------------------------------------------------------------------------------------

    def _view(self, request: Mapping[str, Any], call: str, action: str) -> View:
        name = request.get("IndexName")
        self.enter(call, action, name)
        if name is None:
            return View(self._items, self._schema.key, None)
        index = self._schema.indexes.get(name)
        if index is None:
            known = ", ".join(self._schema.indexes) or "none"
            raise ValidationError(f"The table does not have the specified index: {name}", mend=f"it has: {known}")
        if request.get("ConsistentRead") and not index.is_local:
            raise ValidationError("Consistent reads are not supported on global secondary indexes")
        return View(self._indexes[name], index.key, index)

    def _start(self, request: Mapping[str, Any], view: View) -> Place | None:
        """Behind what an exclusive start key says reading begins."""
        start: Item | None = request.get("ExclusiveStartKey")
        if start is None:
            return None
        types = {**view.key.types, **self._schema.key.types}
        if start.keys() != types.keys() or any(kind not in start[name] for name, kind in types.items()):
            raise ValidationError(
                "The provided starting key is invalid: The provided key element does not match the schema"
            )
        place = place_of_key({name: start[name] for name in self._schema.key.types}, self._schema.key)
        return place if view.index is None else place_in_index(start, place, view.index)

    def _page_of(self, request: Mapping[str, Any], view: View, expressions: Expressions) -> PageReader:
        limit = request.get("Limit")
        if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
            raise ValidationError.member(limit, "limit", "Member must have value greater than or equal to 1")
        condition, projection = expressions.condition("FilterExpression"), expressions.projection()
        expressions.done()
        return PageReader(
            request, self.name, view, self._schema.key, limit, condition, projection, selected(request, view)
        )


def _matching(view: View, condition: KeyCondition, start: Place | None, *, is_forward: bool) -> Iterator[Stored]:
    """The items of one partition within the range of sort keys, in order."""
    ((_, content),) = condition.hash_value.items()
    partition = view.collection.partition(content)
    sorts = partition.sorts
    is_index = view.index is not None
    low, high = 0, len(sorts)
    if condition.sort_range is not None:
        low, high = condition.sort_range.within(sorts, (lambda sort: sort[0]) if is_index else (lambda sort: sort))
    if start is not None:
        if start[0] != content:
            raise ValidationError("The provided starting key is outside query boundaries based on provided conditions")
        if is_forward:
            low = max(low, bisect_right(sorts, start[1]))
        else:
            high = min(high, bisect_left(sorts, start[1]))
    chosen = sorts[low:high] if is_forward else sorts[low:high][::-1]
    return (partition.by_sort[sort] for sort in chosen)


def _segment(segment: Any, total: Any) -> tuple[int, int]:
    """The range of hashes that a segment of a parallel scan reads."""
    if segment is None and total is None:
        return 0, HASHES
    if total is None:
        raise ValidationError(
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is "
            "present"
        )
    if segment is None:
        raise ValidationError(
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is "
            "present"
        )
    if not isinstance(total, int) or not 1 <= total <= MAX_SEGMENTS:
        raise ValidationError.member(total, "totalSegments", f"Member must have value between 1 and {MAX_SEGMENTS}")
    if not isinstance(segment, int) or segment < 0:
        raise ValidationError.member(segment, "segment", "Member must have value greater than or equal to 0")
    if segment >= total:
        raise ValidationError(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: "
            f"Segment: {segment} is not less than TotalSegments: {total}"
        )
    return -(-HASHES * segment // total), -(-HASHES * (segment + 1) // total)


def _check_filter(condition: Condition | None, key: KeySchema) -> None:
    """Refuse a query's filter on the key: that is what the key condition is for."""
    if condition is None:
        return
    for path in _paths(condition):
        if path.elements[0] in key.types:
            raise ValidationError(
                "Filter Expression can only contain non-primary key attributes: "
                f"Primary key attribute: {path.elements[0]}"
            )


def _paths(tree: Condition | Operand) -> Iterable[Path]:
    match tree:
        case Path():
            return [tree]
        case Both(left, right) | Either(left, right) | Compare(_, left, right) | Arithmetic(_, left, right):
            return [*_paths(left), *_paths(right)]
        case Not(inner):
            return _paths(inner)
        case Between(operand, lower, upper):
            return [path for each in (operand, lower, upper) for path in _paths(each)]
        case In(operand, options):
            return [path for each in (operand, *options) for path in _paths(each)]
        case Call(_, arguments):
            return [path for each in arguments for path in _paths(each)]
        case _:
            return []
