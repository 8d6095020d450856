"""What one entry of a key's array asks of a value.

Types never mix: a text is compared with texts, a number with numbers by value (300 = 300.0 = 3e2), and true, false and
null are only themselves. Python thinks that True is 1, so exact values are compared by `literal`.
"""

from __future__ import annotations

import math
from typing import Protocol

import attrs


class _Constant:
    """true or false, kept apart from 1 and 0."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


_TRUE, _FALSE = _Constant("true"), _Constant("false")


def literal(value: object) -> object:
    """What stands for a JSON scalar in sets and dicts, where Python would take True for 1."""
    if value is True:
        return _TRUE
    if value is False:
        return _FALSE
    return value


def is_number(value: object) -> bool:
    """Whether a JSON value is a number; NaN is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value


class Matcher(Protocol):
    """One match expression: asked about one scalar of the event."""

    def accepts(self, value: object, /) -> bool: ...


@attrs.frozen
class Prefix:
    """Texts that begin with `text`."""

    text: str

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and value.startswith(self.text)


@attrs.frozen
class Suffix:
    """Texts that end with `text`."""

    text: str

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and value.endswith(self.text)


@attrs.frozen
class IgnoringCase:
    """Texts that satisfy `matcher` once both are case-folded; make it with a folded matcher."""

    matcher: Prefix | Suffix | Same

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and self.matcher.accepts(value.casefold())


@attrs.frozen
class Same:
    """The text itself; exact values have their own quick way, this one serves `equals-ignore-case`."""

    text: str

    def accepts(self, value: object) -> bool:
        return value == self.text


@attrs.frozen(kw_only=True)
class NumberRange:
    """Numbers between two bounds, each of them open or closed."""

    low: float = -math.inf
    high: float = math.inf
    low_is_open: bool = False
    high_is_open: bool = False

    def accepts(self, value: object) -> bool:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return False
        above = value > self.low if self.low_is_open else value >= self.low
        below = value < self.high if self.high_is_open else value <= self.high
        return above and below


@attrs.frozen
class Present:
    """Any value at all, null included (`exists: true`)."""

    def accepts(self, value: object) -> bool:
        return True


@attrs.frozen
class AnythingBut:
    """Any value that is none of `literals` and satisfies none of `matchers`: null and other JSON types too."""

    literals: frozenset[object] = frozenset()
    matchers: tuple[Matcher, ...] = ()

    def accepts(self, value: object) -> bool:
        if literal(value) in self.literals:
            return False
        return not any(matcher.accepts(value) for matcher in self.matchers)


@attrs.frozen(kw_only=True)
class Condition:
    """The array behind one key: one satisfied entry is enough."""

    literals: frozenset[object]
    """The exact values, as `literal` gives them."""
    matchers: tuple[Matcher, ...]
    absent: bool
    """Whether having no value at this path is accepted (`exists: false`)."""
    entries: int
    """How many entries the array has; complexity counts them."""
    wanted: str
    """The array as JSON text, for `explain`."""

    def accepts(self, value: object) -> bool:
        if literal(value) in self.literals:
            return True
        # Most keys have exact values only, and even an empty any() costs as much as all of the above.
        return bool(self.matchers) and any(matcher.accepts(value) for matcher in self.matchers)
