"""Bound update expressions, applied to an item. Everything is computed from the item as it was."""

from __future__ import annotations

from typing import Any

from triggers.dynamodb import numbers
from triggers.dynamodb.errors import ValidationError
from triggers.dynamodb.expressions.evaluation import value_at
from triggers.dynamodb.expressions.tree import Arithmetic, Call, Clause, Literal, Operand, Path, PathElements, Update
from triggers.dynamodb.values import AttributeValue, Item, copied, sorted_set, tag_of

_NO_PLACE = "The document path provided in the update expression is invalid for update"
_NO_ATTRIBUTE = "The provided expression refers to an attribute that does not exist in the item"
_WRONG_TYPE = "An operand in the update expression has an incorrect data type"
_SETS = ("SS", "NS", "BS")


def apply(update: Update, item: Item) -> Item:
    """The item that an update makes of this one, which stays as it is. Raises ValidationError."""
    sets: list[tuple[PathElements, AttributeValue]] = []
    removals: list[PathElements] = []
    for clause in update:
        path = clause.path.elements
        value = _new_value(clause, item)
        if value is None:
            removals.append(path)
        else:
            sets.append((path, value))
    result = dict(item)
    for name in {path[0] for path in [*(path for path, _ in sets), *removals] if len(path) > 1}:
        if name in result:
            result[str(name)] = copied(result[str(name)])
    for path, value in sorted(sets, key=_list_index):
        _set(result, path, value)
    for path in sorted(removals, key=lambda path: _list_index((path, None)), reverse=True):
        _remove(result, path)
    return result


def _list_index(entry: tuple[PathElements, Any]) -> int:
    """The order in which places are changed: elements of lists by their index, so that none moves another."""
    last = entry[0][-1]
    return last if isinstance(last, int) else -1


def _new_value(clause: Clause, item: Item) -> AttributeValue | None:
    """What is to be at the clause's path; None for nothing."""
    if clause.operand is None:
        return None
    if clause.verb == "SET":
        return _computed(clause.operand, item)
    assert isinstance(clause.operand, Literal)
    before = value_at(clause.path.elements, item)
    ((tag, content),) = clause.operand.value.items()
    if before is None:
        return clause.operand.value if clause.verb == "ADD" else None
    if tag not in before:
        raise ValidationError(_WRONG_TYPE)
    if tag == "N":
        return {"N": numbers.add(before["N"], content)}
    if clause.verb == "ADD":
        return {tag: sorted_set(tag, {*before[tag], *content})}
    left = set(before[tag]) - set(content)
    return {tag: sorted_set(tag, left)} if left else None


def _computed(operand: Operand, item: Item) -> AttributeValue:
    match operand:
        case Literal(value):
            return value
        case Path(elements):
            value_there = value_at(elements, item)
            if value_there is None:
                raise ValidationError(_NO_ATTRIBUTE)
            return value_there
        case Call("if_not_exists", (Path(elements), default)):
            found = value_at(elements, item)
            return _computed(default, item) if found is None else found
        case Call("list_append", (first, second)):
            one, two = _computed(first, item), _computed(second, item)
            if "L" not in one or "L" not in two:
                raise ValidationError(_WRONG_TYPE)
            return {"L": [*one["L"], *two["L"]]}
        case Arithmetic(operator, left, right):
            one, two = _computed(left, item), _computed(right, item)
            if "N" not in one or "N" not in two:
                raise ValidationError(_WRONG_TYPE)
            return {"N": (numbers.add if operator == "+" else numbers.subtract)(one["N"], two["N"])}
        case _:
            raise AssertionError(operand)


def _set(item: Item, path: PathElements, value: AttributeValue) -> None:
    if len(path) == 1:
        item[str(path[0])] = value
        return
    content, element = _container(item, path)
    if isinstance(element, int):
        if element < len(content):
            content[element] = value
        else:
            content.append(value)
    else:
        content[element] = value


def _remove(item: Item, path: PathElements) -> None:
    if len(path) == 1:
        item.pop(str(path[0]), None)
        return
    content, element = _container(item, path)
    if isinstance(element, int):
        if element < len(content):
            del content[element]
    else:
        content.pop(element, None)


def _container(item: Item, path: PathElements) -> tuple[Any, str | int]:
    """The list or map that holds what a path names, and its index or name in there."""
    parent = value_at(path[:-1], item)
    last = path[-1]
    tag = "L" if isinstance(last, int) else "M"
    if parent is None or tag_of(parent) != tag:
        raise ValidationError(_NO_PLACE)
    return parent[tag], last
