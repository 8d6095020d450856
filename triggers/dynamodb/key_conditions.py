"""Key conditions of a query: the partition that it reads, and the range of sort keys within that."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs

from triggers.dynamodb.errors import ValidationError
from triggers.dynamodb.expressions.tree import Between, Both, Call, Compare, Condition, Either, In, Literal, Not, Path
from triggers.dynamodb.keys import order_of
from triggers.dynamodb.schema import KeySchema
from triggers.dynamodb.values import AttributeValue

_EXPRESSION = "KeyConditionExpression"
_OPERATORS = ("=", "<", "<=", ">", ">=")


@attrs.frozen(eq=False)
class SortRange:
    """A condition on the sort key: an operator and one or two values, as what sort keys sort as."""

    operator: str
    values: tuple[Any, ...]

    def within(self, sorts: Sequence[Any], order: Callable[[Any], Any]) -> tuple[int, int]:
        """The slice of ascending sort keys that fulfil it; `order(sort)` is the part of each that counts."""
        first, last = self.values[0], self.values[-1]
        if self.operator == "begins_with":
            length = len(first)

            def start_of(sort: Any) -> Any:
                return order(sort)[:length]

            return bisect_left(sorts, first, key=start_of), bisect_right(sorts, first, key=start_of)
        low = 0
        high = len(sorts)
        if self.operator in ("=", ">=", "BETWEEN"):
            low = bisect_left(sorts, first, key=order)
        elif self.operator == ">":
            low = bisect_right(sorts, first, key=order)
        if self.operator in ("=", "<=", "BETWEEN"):
            high = bisect_right(sorts, last, key=order)
        elif self.operator == "<":
            high = bisect_left(sorts, first, key=order)
        return low, high


@attrs.frozen(eq=False)
class KeyCondition:
    """What a query reads."""

    hash_value: AttributeValue
    sort_range: SortRange | None


def key_condition(condition: Condition, key: KeySchema) -> KeyCondition:
    """Read a bound condition as one on this key. Raises ValidationError for any other."""
    by_name: dict[str, Condition] = {}
    for part in _parts(condition):
        name = _attribute(part)
        if name in by_name:
            raise ValidationError("KeyConditionExpressions must only contain one condition per key")
        by_name[name] = part
    on_hash = by_name.pop(key.hash_name, None)
    if on_hash is None:
        raise ValidationError(f"Query condition missed key schema element: {key.hash_name}")
    if not isinstance(on_hash, Compare) or on_hash.operator != "=":
        raise ValidationError("Query key condition not supported")
    on_range = by_name.pop(key.range_name, None) if key.range_name is not None else None
    if by_name:
        if key.range_name is None or len(by_name) > 1:
            raise ValidationError("Query key condition not supported")
        raise ValidationError(f"Query condition missed key schema element: {key.range_name}")
    (hash_value,) = _typed(on_hash, key.types[key.hash_name])
    if on_range is None or key.range_name is None:
        return KeyCondition(hash_value, None)
    values = _typed(on_range, key.types[key.range_name])
    return KeyCondition(hash_value, SortRange(_operator(on_range), tuple(map(order_of, values))))


def _parts(condition: Condition) -> Iterator[Condition]:
    match condition:
        case Both(left, right):
            yield from _parts(left)
            yield from _parts(right)
        case Either():
            raise ValidationError(f"Invalid operator used in {_EXPRESSION}: OR")
        case Not():
            raise ValidationError(f"Invalid operator used in {_EXPRESSION}: NOT")
        case In():
            raise ValidationError(f"Invalid operator used in {_EXPRESSION}: IN")
        case Compare("<>"):
            raise ValidationError(f"Invalid operator used in {_EXPRESSION}: <>")
        case Call(name) if name != "begins_with":
            raise ValidationError(f"Invalid operator used in {_EXPRESSION}: {name}")
        case _:
            yield condition


def _attribute(condition: Condition) -> str:
    """The key attribute that a simple condition is about."""
    match condition:
        case Compare(_, Path((str(name),)), Literal()) | Between(Path((str(name),)), Literal(), Literal()):
            return name
        case Call("begins_with", (Path((str(name),)), Literal())):
            return name
        case Compare(_, left, right) if any(
            isinstance(side, Path) and len(side.elements) > 1 for side in (left, right)
        ):
            raise ValidationError(f"Invalid {_EXPRESSION}: {_EXPRESSION}s cannot have conditions on nested attributes")
        case _:
            raise ValidationError(
                f"Invalid {_EXPRESSION}: a condition on a key compares the attribute, on the left, with a value"
            )


def _operator(condition: Condition) -> str:
    match condition:
        case Compare(operator):
            return operator
        case Between():
            return "BETWEEN"
        case _:
            return "begins_with"


def _typed(condition: Condition, kind: str) -> list[AttributeValue]:
    """The values of a simple condition, which are of the key's type."""
    match condition:
        case Compare(_, _, right):
            operands = [right]
        case Between(_, lower, upper):
            operands = [lower, upper]
        case Call(_, arguments):
            operands = [arguments[1]]
        case _:
            raise AssertionError(condition)
    values = [operand.value for operand in operands if isinstance(operand, Literal)]
    if isinstance(condition, Call) and kind == "N":
        raise ValidationError(
            f"Invalid {_EXPRESSION}: Incorrect operand type for operator or function; "
            "operator or function: begins_with, operand type: N"
        )
    for value in values:
        if kind not in value:
            raise ValidationError.of("Condition parameter type does not match schema type")
        if not value[kind]:
            raise ValidationError(
                "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
                f"empty {'string' if kind == 'S' else 'binary'} value."
            )
    return values
