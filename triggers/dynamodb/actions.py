"""What batches and transactions are made of, in Python's terms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from eventbus.errors import ConfigurationError
from triggers.dynamodb.plain import to_item, to_typed
from triggers.dynamodb.values import AttributeValue, Item, checked, checked_item

if TYPE_CHECKING:
    from triggers.dynamodb.table import Table

A = TypeVar("A", bound="Put | Delete | Update | ConditionCheck | Get")


def typed_item(item: Mapping[str, Any], key_name: str) -> tuple[Item, bool]:
    """An item or a key in typed form, and whether it was given so.

    A key attribute is a text, a number or bytes, so a mapping there says that the whole is in DynamoDB's own form.
    Raises ConfigurationError for what is no mapping.
    """
    if not isinstance(item, Mapping):
        raise ConfigurationError(f"{item!r}: items and keys are mappings, as in {{{key_name!r}: ...}}")
    is_typed = isinstance(item.get(key_name), Mapping)
    return (checked_item(item) if is_typed else to_item(item)), is_typed


def typed_values(values: Mapping[str, Any], *, is_typed: bool) -> dict[str, AttributeValue]:
    """Expression values in typed form. Raises ConfigurationError for what is no mapping."""
    if not isinstance(values, Mapping):
        raise ConfigurationError(f'values={values!r}: a mapping is needed, as in {{":v": ...}}')
    return {name: checked(value) if is_typed else to_typed(value) for name, value in values.items()}


def request_of(**members: Any) -> dict[str, Any]:
    """A request of what is given: members that are None are left out."""
    return {name: value for name, value in members.items() if value is not None}


@attrs.frozen
class Put:
    """Put an item: in `batch_write_item` without a condition, in `transact_write_items` perhaps with one."""

    table: Table
    item: Mapping[str, Any]
    condition: str | None = attrs.field(default=None, kw_only=True)
    names: Mapping[str, str] | None = attrs.field(default=None, kw_only=True)
    values: Mapping[str, Any] | None = attrs.field(default=None, kw_only=True)
    return_values_on_condition_check_failure: str | None = attrs.field(default=None, kw_only=True)

    kind = "Put"

    def request(self) -> dict[str, Any]:
        """The action in DynamoDB's terms."""
        item, is_typed = typed_item(self.item, self.table.key.hash_name)
        return {"Item": item, **_conditional(self, is_typed)}


@attrs.frozen
class Delete:
    """Delete an item."""

    table: Table
    key: Mapping[str, Any]
    condition: str | None = attrs.field(default=None, kw_only=True)
    names: Mapping[str, str] | None = attrs.field(default=None, kw_only=True)
    values: Mapping[str, Any] | None = attrs.field(default=None, kw_only=True)
    return_values_on_condition_check_failure: str | None = attrs.field(default=None, kw_only=True)

    kind = "Delete"

    def request(self) -> dict[str, Any]:
        """The action in DynamoDB's terms."""
        key, is_typed = typed_item(self.key, self.table.key.hash_name)
        return {"Key": key, **_conditional(self, is_typed)}


@attrs.frozen
class Update:
    """Update an item; in `transact_write_items` only."""

    table: Table
    key: Mapping[str, Any]
    update: str
    condition: str | None = attrs.field(default=None, kw_only=True)
    names: Mapping[str, str] | None = attrs.field(default=None, kw_only=True)
    values: Mapping[str, Any] | None = attrs.field(default=None, kw_only=True)
    return_values_on_condition_check_failure: str | None = attrs.field(default=None, kw_only=True)

    kind = "Update"

    def request(self) -> dict[str, Any]:
        """The action in DynamoDB's terms."""
        key, is_typed = typed_item(self.key, self.table.key.hash_name)
        return {"Key": key, "UpdateExpression": self.update, **_conditional(self, is_typed)}


@attrs.frozen
class ConditionCheck:
    """Write nothing, but let the transaction fail unless an item is as it should; in `transact_write_items` only."""

    table: Table
    key: Mapping[str, Any]
    condition: str
    names: Mapping[str, str] | None = attrs.field(default=None, kw_only=True)
    values: Mapping[str, Any] | None = attrs.field(default=None, kw_only=True)
    return_values_on_condition_check_failure: str | None = attrs.field(default=None, kw_only=True)

    kind = "ConditionCheck"

    def request(self) -> dict[str, Any]:
        """The action in DynamoDB's terms."""
        key, is_typed = typed_item(self.key, self.table.key.hash_name)
        return {"Key": key, **_conditional(self, is_typed)}


@attrs.frozen
class Get:
    """Get an item, in `batch_get_item` and `transact_get_items`."""

    table: Table
    key: Mapping[str, Any]
    projection: str | None = attrs.field(default=None, kw_only=True)
    names: Mapping[str, str] | None = attrs.field(default=None, kw_only=True)
    consistent_read: bool = attrs.field(default=False, kw_only=True)

    kind = "Get"

    def request(self) -> dict[str, Any]:
        """The action in DynamoDB's terms."""
        key, _ = typed_item(self.key, self.table.key.hash_name)
        return request_of(Key=key, ProjectionExpression=self.projection, ExpressionAttributeNames=self.names)


def only(given: Iterable[A], *kinds: type[A]) -> list[A]:
    """The parts of a batch or a transaction. Raises ConfigurationError for anything that is none of these kinds."""
    parts = list(given)
    for part in parts:
        if not isinstance(part, kinds) or not hasattr(part.table, "key"):
            names = ", ".join(kind.__name__ for kind in kinds)
            raise ConfigurationError(f"{part!r}: each part is one of {names}, made of a Table and an item or a key")
    return parts


WriteAction = Put | Update | Delete | ConditionCheck


def _conditional(action: WriteAction, is_typed: bool) -> dict[str, Any]:
    return request_of(
        ConditionExpression=action.condition,
        ExpressionAttributeNames=action.names,
        ExpressionAttributeValues=None if action.values is None else typed_values(action.values, is_typed=is_typed),
        ReturnValuesOnConditionCheckFailure=action.return_values_on_condition_check_failure,
    )
