"""A table: what callers do with it, in Python's terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from eventbus.errors import ConfigurationError
from triggers.dynamodb.actions import request_of, typed_item, typed_values
from triggers.dynamodb.configured import ConfiguredTable
from triggers.dynamodb.core import reaches_nobody
from triggers.dynamodb.errors import ConditionalCheckFailed
from triggers.dynamodb.plain import from_item
from triggers.dynamodb.results import Page
from triggers.dynamodb.values import TYPES

if TYPE_CHECKING:
    from triggers.dynamodb.values import AttributeValue

Plain = dict[str, Any]
"""An item, a key or some attributes as plain Python values."""


class Table(ConfiguredTable):
    """A table of DynamoDB, made by `DynamoDB.create_table`.

    Items, keys and values are plain Python values (numbers come back as `Decimal`, bytes as `bytes`; a float is
    refused). An item or a key may also be given in DynamoDB's own form, `{"id": {"S": "1"}}`, and then its `values`
    too; answers are plain always. Expressions are DynamoDB's; `names` are for `#aliases`, `values` for `:values`.

    Data operations are coroutines that need a running bus; the twins ending in `_nowait` do the same at once. Inside a
    handler they need the permission of the function's role (`dynamodb:PutItem`, ...).
    """

    async def put_item(
        self,
        item: Mapping[str, Any],
        *,
        condition: str | None = None,
        names: Mapping[str, str] | None = None,
        values: Mapping[str, Any] | None = None,
        return_values: str = "NONE",
        return_values_on_condition_check_failure: str = "NONE",
    ) -> Plain | None:
        """Put an item in the place of what has its key: PutItem.

        Returns the old item if there was one and `return_values="ALL_OLD"`. Raises ConditionalCheckFailed,
        ValidationError or StoreUnavailable, with nothing changed. When cancelled, it was put or not, never half.
        """
        self._bus.accepting("put_item")
        await self._bus.room(reaches_nobody)
        old = self.put_item_nowait(
            item,
            condition=condition,
            names=names,
            values=values,
            return_values=return_values,
            return_values_on_condition_check_failure=return_values_on_condition_check_failure,
        )
        await self._bus.synced()
        return old

    def put_item_nowait(
        self,
        item: Mapping[str, Any],
        *,
        condition: str | None = None,
        names: Mapping[str, str] | None = None,
        values: Mapping[str, Any] | None = None,
        return_values: str = "NONE",
        return_values_on_condition_check_failure: str = "NONE",
    ) -> Plain | None:
        """The synchronous twin of `put_item`: no waiting for the store."""
        typed, is_typed = typed_item(item, self.key.hash_name)
        if condition is None and names is None and values is None and return_values == "NONE":
            self.put({"Item": typed})
            return None
        request = _request(is_typed, condition, names, values, return_values, return_values_on_condition_check_failure)
        return _attributes(self.put, {"Item": typed, **request})

    async def update_item(
        self,
        key: Mapping[str, Any],
        update: str | None = None,
        *,
        condition: str | None = None,
        names: Mapping[str, str] | None = None,
        values: Mapping[str, Any] | None = None,
        return_values: str = "NONE",
        return_values_on_condition_check_failure: str = "NONE",
    ) -> Plain | None:
        """Change an item, or make it: UpdateItem. `update` is an update expression: `"SET n = n + :one"`.

        Returns what `return_values` asks for: ALL_OLD, UPDATED_OLD, ALL_NEW or UPDATED_NEW. Raises as `put_item` does.
        """
        self._bus.accepting("update_item")
        await self._bus.room(reaches_nobody)
        attributes = self.update_item_nowait(
            key,
            update,
            condition=condition,
            names=names,
            values=values,
            return_values=return_values,
            return_values_on_condition_check_failure=return_values_on_condition_check_failure,
        )
        await self._bus.synced()
        return attributes

    def update_item_nowait(
        self,
        key: Mapping[str, Any],
        update: str | None = None,
        *,
        condition: str | None = None,
        names: Mapping[str, str] | None = None,
        values: Mapping[str, Any] | None = None,
        return_values: str = "NONE",
        return_values_on_condition_check_failure: str = "NONE",
    ) -> Plain | None:
        """The synchronous twin of `update_item`."""
        typed, is_typed = typed_item(key, self.key.hash_name)
        request = _request(is_typed, condition, names, values, return_values, return_values_on_condition_check_failure)
        if update is not None:
            request["UpdateExpression"] = update
        return _attributes(self.update, {"Key": typed, **request})

    async def delete_item(
        self,
        key: Mapping[str, Any],
        *,
        condition: str | None = None,
        names: Mapping[str, str] | None = None,
        values: Mapping[str, Any] | None = None,
        return_values: str = "NONE",
        return_values_on_condition_check_failure: str = "NONE",
    ) -> Plain | None:
        """Delete the item with this key, if there is one: DeleteItem. Returns and raises as `put_item` does."""
        self._bus.accepting("delete_item")
        await self._bus.room(reaches_nobody)
        old = self.delete_item_nowait(
            key,
            condition=condition,
            names=names,
            values=values,
            return_values=return_values,
            return_values_on_condition_check_failure=return_values_on_condition_check_failure,
        )
        await self._bus.synced()
        return old

    def delete_item_nowait(
        self,
        key: Mapping[str, Any],
        *,
        condition: str | None = None,
        names: Mapping[str, str] | None = None,
        values: Mapping[str, Any] | None = None,
        return_values: str = "NONE",
        return_values_on_condition_check_failure: str = "NONE",
    ) -> Plain | None:
        """The synchronous twin of `delete_item`."""
        typed, is_typed = typed_item(key, self.key.hash_name)
        request = _request(is_typed, condition, names, values, return_values, return_values_on_condition_check_failure)
        return _attributes(self.delete, {"Key": typed, **request})

    async def get_item(
        self,
        key: Mapping[str, Any],
        *,
        projection: str | None = None,
        names: Mapping[str, str] | None = None,
        consistent_read: bool = False,
    ) -> Plain | None:
        """The item with this key, or what `projection` names of it; None if there is none: GetItem."""
        self._bus.accepting("get_item")
        await self._bus.room(reaches_nobody)
        return self.get_item_nowait(key, projection=projection, names=names, consistent_read=consistent_read)

    def get_item_nowait(
        self,
        key: Mapping[str, Any],
        *,
        projection: str | None = None,
        names: Mapping[str, str] | None = None,
        consistent_read: bool = False,
    ) -> Plain | None:
        """The synchronous twin of `get_item`."""
        typed, _ = typed_item(key, self.key.hash_name)
        request = request_of(ProjectionExpression=projection, ExpressionAttributeNames=names)
        found = self.get({"Key": typed, "ConsistentRead": consistent_read, **request}).get("Item")
        return None if found is None else from_item(found)

    async def query(
        self,
        key_condition: str,
        *,
        values: Mapping[str, Any] | None = None,
        names: Mapping[str, str] | None = None,
        index: str | None = None,
        filter: str | None = None,  # noqa: A002 - AWS's name
        projection: str | None = None,
        select: str | None = None,
        limit: int | None = None,
        exclusive_start_key: Mapping[str, Any] | None = None,
        scan_index_forward: bool = True,
        consistent_read: bool = False,
    ) -> Page:
        """The items of one partition key, in the order of the sort key: Query.

        `key_condition` is such as `"pk = :pk AND begins_with(sk, :prefix)"`. One page reads at most `limit` items, or
        1 MB, before the filter; go on with its `last_evaluated_key`.
        """
        self._bus.accepting("query")
        await self._bus.room(reaches_nobody)
        return self.query_nowait(
            key_condition,
            values=values,
            names=names,
            index=index,
            filter=filter,
            projection=projection,
            select=select,
            limit=limit,
            exclusive_start_key=exclusive_start_key,
            scan_index_forward=scan_index_forward,
            consistent_read=consistent_read,
        )

    def query_nowait(
        self,
        key_condition: str,
        *,
        values: Mapping[str, Any] | None = None,
        names: Mapping[str, str] | None = None,
        index: str | None = None,
        filter: str | None = None,  # noqa: A002 - AWS's name
        projection: str | None = None,
        select: str | None = None,
        limit: int | None = None,
        exclusive_start_key: Mapping[str, Any] | None = None,
        scan_index_forward: bool = True,
        consistent_read: bool = False,
    ) -> Page:
        """The synchronous twin of `query`."""
        request = self._paged(values, names, index, filter, projection, select, limit, exclusive_start_key)
        return _page(
            self.query_request(
                {
                    "KeyConditionExpression": key_condition,
                    "ScanIndexForward": scan_index_forward,
                    "ConsistentRead": consistent_read,
                    **request,
                }
            )
        )

    async def scan(
        self,
        *,
        filter: str | None = None,  # noqa: A002 - AWS's name
        values: Mapping[str, Any] | None = None,
        names: Mapping[str, str] | None = None,
        index: str | None = None,
        projection: str | None = None,
        select: str | None = None,
        limit: int | None = None,
        exclusive_start_key: Mapping[str, Any] | None = None,
        segment: int | None = None,
        total_segments: int | None = None,
        consistent_read: bool = False,
    ) -> Page:
        """All items, always in the same order, which means nothing: Scan. Pages as for `query`.

        `segment` of `total_segments` is one part of the table, for parallel scans.
        """
        self._bus.accepting("scan")
        await self._bus.room(reaches_nobody)
        return self.scan_nowait(
            filter=filter,
            values=values,
            names=names,
            index=index,
            projection=projection,
            select=select,
            limit=limit,
            exclusive_start_key=exclusive_start_key,
            segment=segment,
            total_segments=total_segments,
            consistent_read=consistent_read,
        )

    def scan_nowait(
        self,
        *,
        filter: str | None = None,  # noqa: A002 - AWS's name
        values: Mapping[str, Any] | None = None,
        names: Mapping[str, str] | None = None,
        index: str | None = None,
        projection: str | None = None,
        select: str | None = None,
        limit: int | None = None,
        exclusive_start_key: Mapping[str, Any] | None = None,
        segment: int | None = None,
        total_segments: int | None = None,
        consistent_read: bool = False,
    ) -> Page:
        """The synchronous twin of `scan`."""
        request = self._paged(values, names, index, filter, projection, select, limit, exclusive_start_key)
        request |= request_of(Segment=segment, TotalSegments=total_segments)
        return _page(self.scan_request({"ConsistentRead": consistent_read, **request}))

    def _paged(
        self,
        values: Mapping[str, Any] | None,
        names: Mapping[str, str] | None,
        index: str | None,
        filter_: str | None,
        projection: str | None,
        select: str | None,
        limit: int | None,
        start: Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        typed_start, is_typed = (None, False) if start is None else typed_item(start, self.key.hash_name)
        is_typed = is_typed or (bool(values) and all(map(_looks_typed, (values or {}).values())))
        return request_of(
            ExpressionAttributeValues=None if values is None else typed_values(values, is_typed=is_typed),
            ExpressionAttributeNames=names,
            IndexName=index,
            FilterExpression=filter_,
            ProjectionExpression=projection,
            Select=select,
            Limit=limit,
            ExclusiveStartKey=typed_start,
        )

    def poll_into(self, function: Any, **options: Any) -> Any:
        """For `function.poll(table)`: a table has no trigger of its own, its stream is read.

        Raises ConfigurationError if it has none.
        """
        if self.stream is None:
            raise ConfigurationError(
                f"{self.label} has no stream, and a table is read through its stream alone; call "
                f'{self.label}.enable_stream("NEW_AND_OLD_IMAGES"), or pass stream="NEW_AND_OLD_IMAGES" to create_table'
            )
        return self.stream.poll_into(function, **options)

    def polled(self) -> Any:
        """Its stream: mappings know it by the stream's own ARN."""
        return self.stream


def _looks_typed(value: Any) -> bool:
    return isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in TYPES


def _request(
    is_typed: bool,
    condition: str | None,
    names: Mapping[str, str] | None,
    values: Mapping[str, Any] | None,
    return_values: str,
    on_failure: str,
) -> dict[str, Any]:
    typed: dict[str, AttributeValue] | None = None if values is None else typed_values(values, is_typed=is_typed)
    return request_of(
        ConditionExpression=condition,
        ExpressionAttributeNames=names,
        ExpressionAttributeValues=typed,
        ReturnValues=return_values,
        ReturnValuesOnConditionCheckFailure=on_failure,
    )


def _attributes(operation: Any, request: dict[str, Any]) -> Plain | None:
    """Do a write, and give what it answers as plain values."""
    try:
        attributes = operation(request).get("Attributes")
    except ConditionalCheckFailed as error:
        if error.item is not None:
            error.item = from_item(error.item)
        raise
    return None if attributes is None else from_item(attributes)


def _page(response: dict[str, Any]) -> Page:
    last = response.get("LastEvaluatedKey")
    return Page(
        [from_item(item) for item in response.get("Items", ())],
        response["Count"],
        response["ScannedCount"],
        None if last is None else from_item(last),
    )
