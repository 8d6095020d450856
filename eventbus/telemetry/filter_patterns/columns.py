"""Patterns of columns: `[ip, user, ..., status=4*, bytes>1000]`.

A line is split at blanks; what stands in brackets or double quotes is one column. Every name stands for one column,
`...` for any number of them, and a condition compares its column with a text, a number or a regular expression.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from eventbus.telemetry.errors import InvalidFilterPattern
from eventbus.telemetry.filter_patterns.expressions import COMPARISONS, expression, number, wildcard

_COLUMN = re.compile(r'\[(?P<bracketed>[^\]]*)\]|"(?P<quoted>[^"]*)"|(?P<plain>\S+)')
_SPLIT = re.compile(r""",(?=(?:[^"%]|"[^"]*"|%[^%]*%)*$)""")
_JOINS = re.compile(r"""\s*(&&|\|\|)\s*(?=(?:[^"%]|"[^"]*"|%[^%]*%)*$)""")
_CONDITION = re.compile(
    r'(?P<name>[\w.$-]+)\s*(?P<operator>!=|<=|>=|=|<|>)\s*(?:"(?P<quoted>[^"]*)"|%(?P<regex>[^%]*)%|(?P<plain>[^"%]+?))\s*'
)
_NAME = re.compile(r"[\w.$-]+")

Test: TypeAlias = Callable[[str], bool]


def columns(pattern: str) -> Callable[[str], bool]:
    """A predicate for a pattern of columns. Raises InvalidFilterPattern."""
    if not pattern.endswith("]"):
        raise InvalidFilterPattern(pattern, "the closing ] is missing")
    parts = [part.strip() for part in _SPLIT.split(pattern[1:-1])]
    gaps = [index for index, part in enumerate(parts) if part == "..."]
    if len(gaps) > 1:
        raise InvalidFilterPattern(pattern, "it has ... more than once")
    tests = [_column(part, pattern) for part in parts if part != "..."]
    before = gaps[0] if gaps else len(tests)

    def matches(message: str) -> bool:
        values = split(message)
        if len(values) < len(tests) or (not gaps and len(values) != len(tests)):
            return False
        chosen = [*values[:before], *values[len(values) - (len(tests) - before) :]]
        return all(test(value) for test, value in zip(tests, chosen, strict=True))

    return matches


def split(message: str) -> list[str]:
    """The columns of a line."""
    return [found[found.lastgroup or 0] for found in _COLUMN.finditer(message)]


def _column(part: str, pattern: str) -> Test:
    if _NAME.fullmatch(part):
        return lambda value: True
    first, *others = _JOINS.split(part)
    test = _condition(first, pattern)
    for join, other in zip(others[::2], others[1::2], strict=True):
        test = _joined(test, join, _condition(other, pattern))
    return test


def _joined(left: Test, join: str, right: Test) -> Test:
    if join == "&&":
        return lambda value: left(value) and right(value)
    return lambda value: left(value) or right(value)


def _condition(text: str, pattern: str) -> Test:
    found = _CONDITION.fullmatch(text.strip())
    if found is None:
        raise InvalidFilterPattern(pattern, f"{text!r} is neither a column's name nor a condition such as status=4*")
    operator = found["operator"]
    if found["regex"] is not None:
        test = expression(found["regex"], pattern)
    else:
        wanted = found["plain"] if found["quoted"] is None else found["quoted"]
        limit = None if found["quoted"] is not None else number(wanted)
        if limit is not None:
            return _numeric(operator, limit)
        test = wildcard(wanted)
    if operator not in ("=", "!="):
        raise InvalidFilterPattern(pattern, f"{operator} compares numbers, and {text!r} has none")
    return test if operator == "=" else lambda value: not test(value)


def _numeric(operator: str, limit: float) -> Test:
    compare = COMPARISONS[operator]

    def test(value: str) -> bool:
        actual = number(value)
        return operator == "!=" if actual is None else compare(actual, limit)

    return test
