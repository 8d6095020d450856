"""Bound conditions and projections, evaluated on an item."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from operator import ge, gt, le, lt
from typing import Any

from triggers.dynamodb.expressions.tree import (
    Between,
    Both,
    Call,
    Compare,
    Condition,
    Either,
    In,
    Literal,
    Not,
    Operand,
    Path,
    PathElements,
    Projection,
)
from triggers.dynamodb.values import AttributeValue, Item

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}
_SETS = {"SS": "S", "NS": "N", "BS": "B"}


def evaluate(condition: Condition, item: Item) -> bool:
    """Whether a condition holds for an item; `{}` stands for no item."""
    match condition:
        case Both(left, right):
            return evaluate(left, item) and evaluate(right, item)
        case Either(left, right):
            return evaluate(left, item) or evaluate(right, item)
        case Not(inner):
            return not evaluate(inner, item)
        case Compare(operator, left, right):
            return compare(operator, operand_value(left, item), operand_value(right, item))
        case Between(operand, lower, upper):
            value = operand_value(operand, item)
            return compare(">=", value, operand_value(lower, item)) and compare("<=", value, operand_value(upper, item))
        case In(operand, options):
            value = operand_value(operand, item)
            return any(compare("=", value, operand_value(option, item)) for option in options)
        case Call(name, arguments):
            return _FUNCTIONS[name](item, *arguments)


def compare(operator: str, left: AttributeValue | None, right: AttributeValue | None) -> bool:
    """How two values stand to each other. What is not there equals nothing; only scalars of one type have an order."""
    if operator == "=":
        return left is not None and left == right
    if operator == "<>":
        return left is None or left != right
    if left is None or right is None:
        return False
    ((tag, one),), ((other, two),) = left.items(), right.items()
    if tag != other or tag not in ("S", "N", "B"):
        return False
    if tag == "N":
        return _ORDERS[operator](Decimal(one), Decimal(two))
    return _ORDERS[operator](one, two)


def operand_value(operand: Operand, item: Item) -> AttributeValue | None:
    """The value of an operand, or None if the item has nothing there."""
    match operand:
        case Path(elements):
            return value_at(elements, item)
        case Literal(value):
            return value
        case Call("size", (inner,)):
            return _size(operand_value(inner, item))
        case _:
            raise AssertionError(operand)


def value_at(elements: PathElements, item: Item) -> AttributeValue | None:
    """What an item has at a path."""
    value = item.get(elements[0])  # type: ignore[arg-type]
    for element in elements[1:]:
        if value is None:
            return None
        if element.__class__ is int:
            inner = value.get("L")
            if inner is None or element >= len(inner):
                return None
            value = inner[element]
        else:
            inner = value.get("M")
            value = None if inner is None else inner.get(element)
    return value


def _size(value: AttributeValue | None) -> AttributeValue | None:
    if value is None:
        return None
    ((tag, content),) = value.items()
    return {"N": str(len(content))} if tag in ("S", "B", "SS", "NS", "BS", "L", "M") else None


def _exists(item: Item, path: Operand) -> bool:
    return operand_value(path, item) is not None


def _not_exists(item: Item, path: Operand) -> bool:
    return operand_value(path, item) is None


def _type(item: Item, path: Operand, name: Operand) -> bool:
    value, wanted = operand_value(path, item), operand_value(name, item)
    return value is not None and wanted is not None and wanted["S"] in value


def _begins_with(item: Item, path: Operand, prefix: Operand) -> bool:
    value, start = operand_value(path, item), operand_value(prefix, item)
    return any(
        tag in value and tag in start and value[tag].startswith(start[tag])
        for tag in ("S", "B")
        if value is not None and start is not None
    )


def _contains(item: Item, path: Operand, sought: Operand) -> bool:
    value, element = operand_value(path, item), operand_value(sought, item)
    if value is None or element is None:
        return False
    ((tag, content),) = value.items()
    if tag == "L":
        return element in content
    if tag in _SETS:
        return element.get(_SETS[tag]) in content
    return tag in ("S", "B") and tag in element and element[tag] in content


_FUNCTIONS: dict[str, Callable[..., bool]] = {
    "attribute_exists": _exists,
    "attribute_not_exists": _not_exists,
    "attribute_type": _type,
    "begins_with": _begins_with,
    "contains": _contains,
}


def project(item: Item, projection: Projection) -> Item:
    """The parts of an item that a projection names; elements of lists keep their order and close ranks."""
    wanted: dict[Any, Any] = {}
    for path in projection:
        branch = wanted
        for element in path.elements:
            branch = branch.setdefault(element, {})
    return {name: found for name, value in item.items() if (found := _part(value, wanted.get(name))) is not None}


def _part(value: AttributeValue, wanted: dict[Any, Any] | None) -> AttributeValue | None:
    if wanted is None:
        return None
    if not wanted:
        return value
    if "M" in value:
        inner = {name: part for name, v in value["M"].items() if (part := _part(v, wanted.get(name))) is not None}
        return {"M": inner} if inner else None
    if "L" in value:
        parts = [part for n, v in enumerate(value["L"]) if (part := _part(v, wanted.get(n))) is not None]
        return {"L": parts} if parts else None
    return None
