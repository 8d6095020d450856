"""Patterns for JSON: `{ $.user.name = "a*" && ($.latency > 200 || $.error NOT EXISTS) }`.

A selector names a property, an element of an array, or with `[*]` all elements, of which one must satisfy the
condition. A message that is no JSON object is never wanted. `&&` binds closer than `||`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import orjson

from eventbus.telemetry.errors import InvalidFilterPattern
from eventbus.telemetry.filter_patterns.expressions import COMPARISONS, expression, number, wildcard

Test: TypeAlias = Callable[[Any], bool]
Step: TypeAlias = str | int | None
"""A property's name, an element's index, or None for all elements."""

_TOKEN = re.compile(
    r"""\s*(?:(?P<selector>\$(?:\.[\w$-]+|\.?\[\s*(?:\d+|\*|"[^"]*"|'[^']*')\s*\])*)
    |(?P<operator>&&|\|\||!=|<=|>=|=|<|>|\(|\)|\[|\]|,)
    |"(?P<quoted>(?:[^"\\]|\\.)*)"
    |%(?P<regex>[^%]*)%
    |(?P<word>[^\s"%&|()<>=!,\[\]{}]+))""",
    re.VERBOSE,
)
_STEP = re.compile(r"""\.([\w$-]+)|\.?\[\s*(?:(\d+)|(\*)|"([^"]*)"|'([^']*)')\s*\]""")
_DEPTH = 50
"""Parentheses within parentheses."""


def selection(pattern: str) -> Callable[[str], bool]:
    """A predicate for a pattern that looks into JSON. Raises InvalidFilterPattern."""
    if not pattern.endswith("}"):
        raise InvalidFilterPattern(pattern, "the closing } is missing")
    parser = _Parser(pattern)
    test = parser.any_of()
    parser.expect_end()

    def matches(message: str) -> bool:
        if not message.lstrip().startswith("{"):
            return False
        try:
            document = orjson.loads(message)
        except orjson.JSONDecodeError:
            return False
        return test(document)

    return matches


def select(document: Any, steps: tuple[Step, ...]) -> Iterator[Any]:
    """Everything in a document that a selector names."""
    if not steps:
        yield document
        return
    first, rest = steps[0], steps[1:]
    if isinstance(first, str):
        if isinstance(document, dict) and first in document:
            yield from select(document[first], rest)
    elif isinstance(document, list):
        if first is None:
            for element in document:
                yield from select(element, rest)
        elif first < len(document):
            yield from select(document[first], rest)


class _Parser:
    """Recursive descent over the tokens of one pattern."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._tokens = list(self._read(pattern[1:-1]))
        self._at = 0
        self._depth = 0

    def _read(self, text: str) -> Iterator[tuple[str, str]]:
        at, text = 0, text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise InvalidFilterPattern(self._pattern, f"it cannot be read from {text[at:].strip()[:20]!r} on")
            at = found.end()
            kind = found.lastgroup or ""
            yield kind, found[kind]

    def _next(self, *wanted: str) -> str | None:
        """The next token if it is one of these operators or words."""
        if self._at < len(self._tokens):
            kind, text = self._tokens[self._at]
            if kind in ("operator", "word") and text.upper() in wanted:
                self._at += 1
                return text.upper()
        return None

    def _take(self, what: str) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise InvalidFilterPattern(self._pattern, f"it ends where {what} should follow")
        self._at += 1
        return self._tokens[self._at - 1]

    def expect_end(self) -> None:
        if self._at < len(self._tokens):
            raise InvalidFilterPattern(self._pattern, f"{self._tokens[self._at][1]!r} is unexpected")

    def any_of(self) -> Test:
        tests = [self._all_of()]
        while self._next("||"):
            tests.append(self._all_of())
        return tests[0] if len(tests) == 1 else lambda document: any(test(document) for test in tests)

    def _all_of(self) -> Test:
        tests = [self._condition()]
        while self._next("&&"):
            tests.append(self._condition())
        return tests[0] if len(tests) == 1 else lambda document: all(test(document) for test in tests)

    def _condition(self) -> Test:
        if self._next("("):
            self._depth += 1
            if self._depth > _DEPTH:
                raise InvalidFilterPattern(self._pattern, f"more than {_DEPTH} parentheses stand within one another")
            test = self.any_of()
            if not self._next(")"):
                raise InvalidFilterPattern(self._pattern, "a closing ) is missing")
            self._depth -= 1
            return test
        kind, text = self._take("a condition")
        if kind != "selector":
            raise InvalidFilterPattern(self._pattern, f"{text!r} is no selector", mend="selectors begin with $.")
        steps = _steps(text)
        if self._next("NOT"):
            if not self._next("EXISTS"):
                raise InvalidFilterPattern(self._pattern, "NOT is followed by EXISTS")
            return lambda document: next(select(document, steps), _MISSING) is _MISSING
        if self._next("EXISTS"):
            return lambda document: next(select(document, steps), _MISSING) is not _MISSING
        test = self._value_test()
        return lambda document: any(test(value) for value in select(document, steps))

    def _value_test(self) -> Test:
        if self._next("IS"):
            word = self._next("NULL", "TRUE", "FALSE")
            if word is None:
                raise InvalidFilterPattern(self._pattern, "IS is followed by NULL, TRUE or FALSE")
            wanted = {"NULL": None, "TRUE": True, "FALSE": False}[word]
            return lambda value: value is wanted
        if self._next("IN"):
            return self._one_of()
        operator = self._next("=", "!=", "<", "<=", ">", ">=")
        if operator is None:
            raise InvalidFilterPattern(
                self._pattern, "a selector is followed by =, !=, <, <=, >, >=, IS, IN, EXISTS or NOT EXISTS"
            )
        return self._comparison(operator)

    def _one_of(self) -> Test:
        if not self._next("["):
            raise InvalidFilterPattern(self._pattern, "IN is followed by a list in brackets")
        tests = [self._comparison("=")]
        while self._next(","):
            tests.append(self._comparison("="))
        if not self._next("]"):
            raise InvalidFilterPattern(self._pattern, "a closing ] is missing")
        return lambda value: any(test(value) for test in tests)

    def _comparison(self, operator: str) -> Test:
        kind, text = self._take("a value")
        limit = number(text) if kind == "word" else None
        if limit is not None:
            compare = COMPARISONS[operator]
            return lambda value: _is_number(value) and compare(value, limit)
        if operator not in ("=", "!="):
            raise InvalidFilterPattern(self._pattern, f"{operator} compares numbers, and {text!r} is none")
        if kind == "regex":
            test = expression(text, self._pattern)
        elif kind in ("quoted", "word"):
            test = wildcard(re.sub(r"\\(.)", r"\1", text) if kind == "quoted" else text)
        else:
            raise InvalidFilterPattern(self._pattern, f"{text!r} is no value")
        wanted = operator == "="
        return lambda value: isinstance(value, str) and test(value) is wanted


def _steps(selector: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    for name, index, every, double, single in _STEP.findall(selector):
        steps.append(int(index) if index else None if every else name or double or single)
    return tuple(steps)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_MISSING = object()
