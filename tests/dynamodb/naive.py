"""Expressions on plain Python values, evaluated in the most obvious way: what the language is compared with.

A condition is made as a pair: its text, and a function of the item that says whether it holds.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
from hypothesis import strategies as st

from tests.dynamodb.strategies import plain_values

MISSING = object()
Holds = Callable[[dict[str, Any]], bool]


@attrs.frozen
class Sample:
    """A condition with the values that it mentions."""

    text: str
    holds: Holds
    level: int
    """How tightly its outermost operator binds: OR 0, AND 1, NOT 2, everything else 3."""


def same(left: Any, right: Any) -> bool:
    """Equality as DynamoDB has it: True is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return bool(left is right)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    return bool(left is not MISSING and right is not MISSING and left == right)


def kind(value: Any) -> str:
    if isinstance(value, bool):
        return "BOOL"
    if isinstance(value, int | Decimal):
        return "N"
    if isinstance(value, set):
        return {"N": "NS", "S": "SS", "B": "BS"}[kind(next(iter(value)))]
    return {str: "S", bytes: "B", list: "L", dict: "M", type(None): "NULL"}[type(value)]


def before(left: Any, right: Any) -> bool:
    if MISSING in (left, right) or kind(left) != kind(right) or kind(left) not in ("S", "N", "B"):
        return False
    if isinstance(left, str):
        return bool(left.encode() < right.encode())
    return bool(left < right)


ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "=": same,
    "<>": lambda left, right: not same(left, right),
    "<": before,
    ">": lambda left, right: before(right, left),
    "<=": lambda left, right: before(left, right) or (comparable(left, right) and same(left, right)),
    ">=": lambda left, right: before(right, left) or (comparable(left, right) and same(left, right)),
}


def comparable(left: Any, right: Any) -> bool:
    return not any(v is MISSING or kind(v) not in ("S", "N", "B") for v in (left, right))


def contains(left: Any, right: Any) -> bool:
    if left is MISSING:
        return False
    if isinstance(left, list | set):
        return any(same(each, right) for each in left)
    return type(left) in (str, bytes) and type(left) is type(right) and bool(right in left)


def at(path: list[str | int], item: Any) -> Any:
    for element in path:
        try:
            if isinstance(element, int) != isinstance(item, list):
                return MISSING
            item = item[element]
        except (KeyError, IndexError, TypeError):
            return MISSING
    return item


def written(path: list[str | int]) -> str:
    return "".join(f"[{e}]" if isinstance(e, int) else f".{e}" for e in path)[1:]


PATHS: st.SearchStrategy[list[Any]] = st.one_of(
    st.sampled_from([["a"], ["b"], ["c"]]),
    st.tuples(st.sampled_from("abc"), st.one_of(st.sampled_from("abcd"), st.integers(0, 2))).map(list),
)
SCALARS = st.one_of(
    st.integers(-3, 3), st.sampled_from(["", "a", "b", "ab", "ü", "\U0001f600", "\uffff"]), st.binary(max_size=2)
)
NESTED = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=3),
    st.dictionaries(st.sampled_from("abcd"), SCALARS),
    st.sets(st.sampled_from(["a", "b"]), min_size=1),
    plain_values(),
)
ITEMS = st.fixed_dictionaries({}, optional={"a": NESTED, "b": NESTED, "c": NESTED})


@st.composite
def conditions(draw: st.DrawFn, values: dict[str, Any], depth: int = 3) -> Sample:
    """A condition over the attributes a, b and c; puts the values that it mentions into `values`."""
    if depth and draw(st.integers(0, 2)):
        return draw(_compound(values, depth))
    return draw(st.one_of(_comparison(values), _function(values), _between(values), _in(values)))


@st.composite
def _compound(draw: st.DrawFn, values: dict[str, Any], depth: int) -> Sample:
    operator = draw(st.sampled_from(["AND", "OR", "NOT"]))
    level = {"OR": 0, "AND": 1, "NOT": 2}[operator]

    def part() -> Sample:
        sample = draw(conditions(values, depth - 1))
        needs = sample.level < level or draw(st.booleans())
        return attrs.evolve(sample, text=f"({sample.text})" if needs else sample.text)

    left = part()
    if operator == "NOT":
        return Sample(f"not {left.text}", lambda item: not left.holds(item), level)
    right = part()
    if operator == "AND":
        return Sample(f"{left.text} AND {right.text}", lambda item: left.holds(item) and right.holds(item), level)
    return Sample(f"{left.text} OR {right.text}", lambda item: left.holds(item) or right.holds(item), level)


def _name(values: dict[str, Any], value: Any) -> str:
    name = f":v{len(values)}"
    values[name] = value
    return name


@st.composite
def _comparison(draw: st.DrawFn, values: dict[str, Any]) -> Sample:
    path, operator = draw(PATHS), draw(st.sampled_from(list(ORDERS)))
    value = draw(NESTED if operator in ("=", "<>") else SCALARS)
    name, order = _name(values, value), ORDERS[operator]
    if draw(st.booleans()):
        return Sample(f"{written(path)} {operator} {name}", lambda item: order(at(path, item), value), 3)
    return Sample(f"{name}{operator}{written(path)}", lambda item: order(value, at(path, item)), 3)


@st.composite
def _function(draw: st.DrawFn, values: dict[str, Any]) -> Sample:
    path = draw(PATHS)
    text = written(path)
    match draw(st.integers(0, 5)):
        case 0:
            return Sample(f"attribute_exists({text})", lambda item: at(path, item) is not MISSING, 3)
        case 1:
            return Sample(f"attribute_not_exists( {text} )", lambda item: at(path, item) is MISSING, 3)
        case 2:
            wanted = draw(st.sampled_from(["S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS"]))
            name = _name(values, wanted)
            return Sample(
                f"attribute_type({text}, {name})",
                lambda item: (found := at(path, item)) is not MISSING and kind(found) == wanted,
                3,
            )
        case 3:
            prefix: Any = draw(st.sampled_from(["", "a", "ab", b"", b"a"]))
            name = _name(values, prefix)
            return Sample(
                f"begins_with({text},{name})",
                lambda item: type(found := at(path, item)) is type(prefix) and found.startswith(prefix),
                3,
            )
        case 4:
            sought = draw(NESTED)
            name = _name(values, sought)
            return Sample(f"contains({text}, {name})", lambda item: contains(at(path, item), sought), 3)
        case _:
            length = draw(st.integers(0, 3))
            name = _name(values, length)
            return Sample(
                f"size({text}) >= {name}",
                lambda item: (
                    isinstance(found := at(path, item), str | bytes | list | dict | set) and len(found) >= length
                ),
                3,
            )


@st.composite
def _between(draw: st.DrawFn, values: dict[str, Any]) -> Sample:
    path = draw(PATHS)
    bound = draw(st.sampled_from([st.integers(-3, 3), st.sampled_from(["a", "b", "ab"])]))
    low, high = sorted([draw(bound), draw(bound)])  # type: ignore[type-var]
    text = f"{written(path)} BETWEEN {_name(values, low)} AND {_name(values, high)}"
    reach, end = ORDERS[">="], ORDERS["<="]
    return Sample(text, lambda item: reach(at(path, item), low) and end(at(path, item), high), 3)


@st.composite
def _in(draw: st.DrawFn, values: dict[str, Any]) -> Sample:
    path = draw(PATHS)
    options = draw(st.lists(NESTED, min_size=1, max_size=3))
    names = ", ".join(_name(values, option) for option in options)
    return Sample(
        f"{written(path)} in ({names})", lambda item: any(same(at(path, item), option) for option in options), 3
    )
