"""One page of a query or a scan: what it reads from, how much, and what of it is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from triggers.dynamodb.capacity import consumed, read_units
from triggers.dynamodb.collection import Collection, Stored
from triggers.dynamodb.errors import ValidationError
from triggers.dynamodb.expressions.evaluation import evaluate, project
from triggers.dynamodb.expressions.tree import Condition, Projection
from triggers.dynamodb.schema import IndexSchema, KeySchema
from triggers.dynamodb.values import Item, copied_item, item_size

PAGE = 1_048_576
"""Bytes that one Query or Scan reads (DynamoDB quotas)."""


@attrs.frozen(eq=False)
class View:
    """What is read: the table itself, or one of its indexes."""

    collection: Collection
    key: KeySchema
    index: IndexSchema | None

    def size(self, stored: Stored, table_key: KeySchema) -> int:
        """Bytes that an item counts for in this view."""
        if self.index is None or self.index.projection == "ALL":
            return stored.size
        return item_size(self.shown(stored.item, table_key))

    def shown(self, item: Item, table_key: KeySchema) -> Item:
        """What this view has of an item."""
        if self.index is None or self.index.projection == "ALL":
            return item
        kept = {*table_key.types, *self.key.types, *self.index.attributes}
        return {name: value for name, value in item.items() if name in kept}


@attrs.frozen(eq=False)
class PageReader:
    """One answer of Query or Scan: how much is read, what of it is shown."""

    request: Mapping[str, Any]
    table: str
    view: View
    table_key: KeySchema
    limit: int | None
    condition: Condition | None
    projection: Projection | None
    select: str

    def read(self, items: Iterator[Stored]) -> dict[str, Any]:
        """Read until the limit or 1 MB, and show what fulfils the filter."""
        shown: list[Item] = []
        scanned = size = 0
        last: Stored | None = None
        for stored in items:
            if scanned == self.limit or size > PAGE:
                break  # there is more
            scanned += 1
            size += self.view.size(stored, self.table_key)
            last = stored
            item = self.view.shown(stored.item, self.table_key) if self.select != "ALL_ATTRIBUTES" else stored.item
            if self.condition is None or evaluate(self.condition, item):
                shown.append(item)
        else:
            if scanned != self.limit:
                last = None
        response: dict[str, Any] = {"Count": len(shown), "ScannedCount": scanned}
        if self.select != "COUNT":
            response["Items"] = [
                copied_item(item if self.projection is None else project(item, self.projection)) for item in shown
            ]
        if last is not None:
            response["LastEvaluatedKey"] = {**self.view.key.of(last.item), **self.table_key.of(last.item)}
        if "ReturnConsumedCapacity" in self.request:
            units = read_units(size, is_consistent=bool(self.request.get("ConsistentRead")))
            if capacity := consumed(self.request, self.table, units, self.view.index):
                response["ConsumedCapacity"] = capacity
        return response


def selected(request: Mapping[str, Any], view: View) -> str:
    """What `Select` and a projection together ask for."""
    select: str | None = request.get("Select")
    has_projection = request.get("ProjectionExpression") is not None
    if has_projection and select not in (None, "SPECIFIC_ATTRIBUTES"):
        raise ValidationError(
            f"Cannot specify the ProjectionExpression when choosing to get {select}",
            mend='leave select out, or pass select="SPECIFIC_ATTRIBUTES"',
        )
    if select == "SPECIFIC_ATTRIBUTES" and not has_projection:
        raise ValidationError(
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES"
        )
    if select == "ALL_PROJECTED_ATTRIBUTES" and view.index is None:
        raise ValidationError("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
    index = view.index
    if select == "ALL_ATTRIBUTES" and index is not None and not index.is_local and index.projection != "ALL":
        raise ValidationError.of(
            f"Select type ALL_ATTRIBUTES is not supported for global secondary index {index.name} because its "
            "projection type is not ALL"
        )
    if select is not None:
        return select
    # a local index fetches from the table what a projection names and the index has not
    return "ALL_ATTRIBUTES" if has_projection and index is not None and index.is_local else "ALL_PROJECTED_ATTRIBUTES"
