"""The small regular expressions of filter patterns, `%like[0-9]this%`, and their plain wildcards.

CloudWatch's expressions have no groups, so nothing can be repeated that itself repeats.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from eventbus.telemetry.errors import InvalidFilterPattern

_ALLOWED = re.compile(r"(?:[\w:#=@/;,\-^$?\[\]{}|*+.&<>!\"' ]|\\.)*")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def expression(body: str, pattern: str) -> Callable[[str], bool]:
    """A predicate for what stands between two `%`. Raises InvalidFilterPattern."""
    if not body:
        raise InvalidFilterPattern(pattern, "a regular expression between % and % is empty")
    if not _ALLOWED.fullmatch(body):
        raise InvalidFilterPattern(
            pattern, f"%{body}% uses what these regular expressions don't have, such as groups in parentheses"
        )
    try:
        found = re.compile(body).search
    except re.error as error:
        raise InvalidFilterPattern(pattern, f"%{body}% is no regular expression: {error}") from None
    return lambda text: found(text) is not None


def wildcard(text: str) -> Callable[[str], bool]:
    """A predicate that compares with a text in which `*` stands for anything."""
    if "*" not in text:
        return text.__eq__
    first, *middle, last = text.split("*")

    def matches(value: str) -> bool:
        if len(value) < len(first) + len(last) or not value.startswith(first) or not value.endswith(last):
            return False
        at, end = len(first), len(value) - len(last)
        for part in middle:
            found = value.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True

    return matches


def number(text: str) -> float | None:
    """What a text says as a number, or None."""
    return float(text) if _NUMBER.fullmatch(text) else None


COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "=": lambda value, limit: value == limit,
    "!=": lambda value, limit: value != limit,
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
}
