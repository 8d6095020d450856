"""Reading the array behind one key: exact values and match expressions.

The refusals are Event Ruler's own texts, and they come in its order, because a test that compares them should not care
which of the two refused. (https://github.com/aws/event-ruler, JsonRuleCompiler, 2026.)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Never, TypeVar

from triggers.patterns.addresses import AddressRange, address_of, parse_cidr
from triggers.patterns.dialect import Dialect
from triggers.patterns.errors import InvalidPattern
from triggers.patterns.fields import is_array
from triggers.patterns.matchers import (
    AnythingBut,
    Condition,
    IgnoringCase,
    Matcher,
    NumberRange,
    Prefix,
    Present,
    Same,
    Suffix,
    is_number,
    literal,
)
from triggers.patterns.wildcard import parse_wildcard

_Parsed = TypeVar("_Parsed")


class _Absent:
    """`exists: false`: not a question about a value."""


_ABSENT: Final = _Absent()


def parse_condition(entries: Sequence[object], dialect: Dialect) -> Condition:
    """Compile the array behind a key, or raise InvalidPattern."""
    literals: set[object] = set()
    matchers: list[Matcher] = []
    absent = False
    for entry in entries:
        if isinstance(entry, Mapping):
            matcher = _parse_expression(entry, dialect)
            if isinstance(matcher, _Absent):
                absent = True
            else:
                matchers.append(matcher)
        elif entry is None or isinstance(entry, str | bool) or is_number(entry):
            literals.add(literal(entry))
            matchers += _same_address(entry)
        else:
            _refuse("Match value must be String, number, true, false, or null")
    if not entries:
        _refuse("Empty arrays are not allowed")
    return Condition(
        literals=frozenset(literals),
        matchers=tuple(matchers),
        absent=absent,
        entries=len(entries),
        wanted=json.dumps(entries, ensure_ascii=False, default=_as_object),
    )


def _as_object(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else str(value)


def _same_address(entry: object) -> list[Matcher]:
    """An exact value that reads as an address is compared as one; only IPv6 has several spellings of it."""
    address = address_of(entry)
    return [AddressRange(address, address)] if address is not None and address.version == 6 else []


def _parse_expression(expression: Mapping[str, object], dialect: Dialect) -> Matcher | _Absent:
    operator, argument = _first(expression, "Match expression name not found")
    if operator not in dialect.operators:
        _refuse(f"Unrecognized match type {operator}")
    matcher = _anything_but(argument, dialect) if operator == "anything-but" else _READERS[operator](argument)
    return _only(expression, matcher)


def _prefix(argument: object) -> Matcher:
    if isinstance(argument, Mapping):
        return IgnoringCase(Prefix(_folded(argument, "prefix")))
    return Prefix(_text(argument, "prefix"))


def _suffix(argument: object) -> Matcher:
    if isinstance(argument, Mapping):
        return IgnoringCase(Suffix(_folded(argument, "suffix")))
    return Suffix(_text(argument, "suffix"))


def _folded(argument: Mapping[str, object], operator: str) -> str:
    inner, text = _first(argument, f"{operator.capitalize()} expression name not found")
    if inner != "equals-ignore-case":
        _refuse(f"Unsupported {operator} pattern: {inner}")
    return _only(argument, _text(text, inner).casefold())


def _equals_ignore_case(argument: object) -> Matcher:
    return IgnoringCase(Same(_text(argument, "equals-ignore-case").casefold()))


def _wildcard(argument: object) -> Matcher:
    return parse_wildcard(_text(argument, "wildcard"))


def _cidr(argument: object) -> Matcher:
    # Event Ruler says "prefix" here too.
    return parse_cidr(_text(argument, "prefix"))


def _exists(argument: object) -> Matcher | _Absent:
    if not isinstance(argument, bool):
        _refuse("exists match pattern must be either true or false.")
    return Present() if argument else _ABSENT


def _numeric(argument: object) -> Matcher:
    if not isinstance(argument, list | tuple):
        _refuse("Value of numeric must be an array.")
    operator, value, *rest = (*argument, _END, _END)[: max(len(argument), 2)]
    if not isinstance(operator, str):
        _refuse(f"Invalid member in numeric match: {_token(operator)}")
    if operator not in ("=", "<", "<=", ">", ">="):
        _refuse(f"Unrecognized numeric range operator: {operator}")
    if not isinstance(value, int | float) or not is_number(value):
        _refuse(f"Value of {'equals' if operator == '=' else operator} must be numeric")
    if operator == "=":
        _nothing_after(rest)
        return NumberRange(low=value, high=value)
    if operator in ("<", "<="):
        _nothing_after(rest)
        return NumberRange(high=value, high_is_open=operator == "<")
    if not rest:
        return NumberRange(low=value, low_is_open=operator == ">")
    return _numeric_between(value, rest, low_is_open=operator == ">")


def _nothing_after(rest: Sequence[object]) -> None:
    if rest:
        _refuse("Too many elements in numeric expression")


def _numeric_between(low: float, rest: Sequence[object], *, low_is_open: bool) -> Matcher:
    operator, high, *more = (*rest, _END)[: max(len(rest), 2)]
    if not isinstance(operator, str):
        _refuse(f"Bad value in numeric range: {_token(operator)}")
    if operator not in ("<", "<="):
        _refuse(f"Bad numeric range operator: {operator}")
    if not isinstance(high, int | float) or not is_number(high):
        _refuse(f"Bad value in numeric range: {_token(high)}")
    if more:
        _refuse("Too many terms in numeric range expression")
    if not low < high:
        _refuse("Bottom must be less than top")
    return NumberRange(low=low, high=high, low_is_open=low_is_open, high_is_open=operator == "<")


def _anything_but(argument: object, dialect: Dialect) -> Matcher:
    if isinstance(argument, Mapping):
        return _anything_but_operator(argument, dialect)
    if isinstance(argument, list | tuple):
        return AnythingBut(_anything_but_list(argument))
    if not isinstance(argument, str) and not is_number(argument):
        _refuse("Value of anything-but must be an array or single string/number value.")
    return AnythingBut(frozenset({argument}))


def _anything_but_list(values: Sequence[object]) -> frozenset[object]:
    if not all(isinstance(value, str) or is_number(value) for value in values):
        _refuse("Inside anything but list, start|null|boolean is not supported.")
    if not values or len({isinstance(value, str) for value in values}) > 1:
        _refuse("Inside anything but list, either all values are number or string, mixed type is not supported")
    return frozenset(values)


def _anything_but_operator(expression: Mapping[str, object], dialect: Dialect) -> Matcher:
    operator, argument = _first(expression, "Anything-But expression name not found")
    if operator not in dialect.anything_but_operators:
        _refuse(f"Unsupported anything-but pattern: {operator}")
    # Inside anything-but, and only there, Event Ruler calls both by both names.
    name = "prefix/suffix" if operator in ("prefix", "suffix") else operator
    takes_list = dialect.lists_inside_anything_but and is_array(argument)
    texts = argument if takes_list and isinstance(argument, list | tuple) else [argument]
    matchers = [_excluded(operator, _text(text, name)) for text in texts]
    if not matchers:
        _text(None, name)
    return _only(expression, AnythingBut(matchers=tuple(matchers)))


def _excluded(operator: str, text: str) -> Matcher:
    if operator in ("prefix", "suffix") and not text:
        _refuse("Null prefix/suffix not allowed")
    matcher = _READERS[operator](text)
    assert not isinstance(matcher, _Absent)
    return matcher


_READERS: Final[Mapping[str, Callable[[object], Matcher | _Absent]]] = {
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _equals_ignore_case,
    "wildcard": _wildcard,
    "cidr": _cidr,
    "exists": _exists,
    "numeric": _numeric,
}


def _first(expression: Mapping[str, object], otherwise: str) -> tuple[str, object]:
    if not expression:
        _refuse(otherwise)
    return next(iter(expression.items()))


def _only(expression: Mapping[str, object], parsed: _Parsed) -> _Parsed:
    # Event Ruler reads the first operator to its end before it looks whether another one follows.
    if len(expression) > 1:
        _refuse("Only one key allowed in match expression")
    return parsed


def _text(argument: object, operator: str) -> str:
    if not isinstance(argument, str):
        _refuse(f"{operator} match pattern must be a string")
    return argument


_END: Final = object()
"""The end of an array, as a token of its own."""


def _token(value: object) -> str:
    """How the JSON parser of AWS's engine spells the token that it found."""
    if value is _END:
        return "]"
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "{"
    return "[" if is_array(value) else json.dumps(value, default=str)


def _refuse(reason: str) -> Never:
    raise InvalidPattern(reason)
