"""Compile filter policies and event patterns.

A pattern is an object that mirrors the event. Its leaves are arrays: one entry is enough (OR). Its keys must all match
(AND). `$or` holds alternatives. The texts of refusals are AWS's, see `InvalidPattern`. Sources: SNS Developer Guide,
"Message filtering"; EventBridge User Guide, "Event patterns"; https://github.com/aws/event-ruler; all of 2026.

    >>> policy = compile_pattern('{"fruit": ["pear", {"prefix": "fi"}]}', SNS_ATTRIBUTES)
    >>> policy.matches({"fruit": "fig"})
    True
    >>> policy.explain({"fruit": "plum"})
    '"fruit" is "plum", but must match ["pear", {"prefix": "fi"}].'
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

import attrs

from triggers.patterns import explain
from triggers.patterns.dialect import EVENT_FILTER, EVENTBRIDGE, SNS_ATTRIBUTES, SNS_BODY, Dialect
from triggers.patterns.errors import InvalidPattern, NestingNotSupported
from triggers.patterns.expressions import parse_condition
from triggers.patterns.fields import Path
from triggers.patterns.limits import check_limits
from triggers.patterns.scopes import attributes_as_event, body_as_event
from triggers.patterns.tree import All, AnyOf, Leaf, Node, in_order, linked, matches

__all__ = [
    "EVENTBRIDGE",
    "EVENT_FILTER",
    "SNS_ATTRIBUTES",
    "SNS_BODY",
    "Dialect",
    "InvalidPattern",
    "Pattern",
    "attributes_as_event",
    "body_as_event",
    "compile_pattern",
]

_DEEPEST: Final = 100
"""How deep objects and `$or` may nest, so that no pattern overflows Python's stack. AWS's parser stops at 1,000."""

_MOST_STEPS: Final = 256
"""Keys on the way to a leaf when every dot is counted."""

_RESERVED_TEXT: Final = """
    exactly equals-ignore-case prefix suffix anything-but exists wildcard numeric cidr = < <= > >= regex not-wildcard
    not-equals-ignore-case date-after date-on-or-after date-before date-on-or-before in-date-range ip-address-in-range
    ip-address-not-in-range
"""
_RESERVED: Final = frozenset(_RESERVED_TEXT.split())
"""A `$or` with one of these as a key of an alternative is an ordinary key. Source: event-ruler, 2026."""


@attrs.frozen(eq=False, repr=False)
class Pattern:
    """A compiled pattern; make it with `compile_pattern`."""

    document: dict[str, object]
    """The pattern as plain JSON types, a copy of our own."""
    dialect: Dialect
    root: Node
    """The compiled tree, for those who index patterns."""

    def matches(self, event: Mapping[str, object]) -> bool:
        """Whether `event`, a parsed JSON object or what `attributes_as_event` made, satisfies the pattern."""
        return matches(self.root, event)

    def explain(self, event: Mapping[str, object]) -> str:
        """Say in one sentence which key kept `event` from matching, and why."""
        return explain.explanation(self.root, event)

    def __repr__(self) -> str:
        return f"<Pattern {self.dialect.name} {json.dumps(self.document, ensure_ascii=False)}>"


def compile_pattern(document: str | Mapping[str, object], dialect: Dialect) -> Pattern:
    """Compile `document`, JSON text or the parsed object, or raise InvalidPattern with AWS's reason.

    The pattern keeps a copy; later changes to `document` do not reach it.
    """
    if isinstance(document, str):
        _check_size(len(document.encode(errors="surrogatepass")), dialect)
    parsed = _parsed(document, dialect) if isinstance(document, str) else document
    if not isinstance(parsed, Mapping):
        raise InvalidPattern("Filter is not an object")
    root = All(()) if not parsed and dialect.empty_matches_all else _parse_object(parsed, (), 1, dialect)
    copy = _plain_object(parsed)
    if not isinstance(document, str):
        _check_size(
            len(json.dumps(copy, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass")), dialect
        )
    check_limits(root, dialect)
    return Pattern(copy, dialect, linked(root))


def _check_size(size: int, dialect: Dialect) -> None:
    if dialect.max_size is not None and size > dialect.max_size:
        # AWS documents the number but not the text; these are our words.
        raise InvalidPattern(f"Pattern is too large: {size} bytes, the limit is {dialect.max_size}")


def _parse_object(document: Mapping[str, object], way: tuple[str, ...], depth: int, dialect: Dialect) -> Node:
    if not document:
        raise InvalidPattern("Empty objects are not allowed")
    if depth > _DEEPEST:
        raise InvalidPattern(f"Document nesting depth ({depth}) exceeds the maximum allowed ({_DEEPEST})")
    children = [_parse_key(key, value, way, depth, dialect) for key, value in document.items()]
    return children[0] if len(children) == 1 else All(in_order(children))


def _parse_key(key: str, value: object, way: tuple[str, ...], depth: int, dialect: Dialect) -> Node:
    if not isinstance(key, str):
        raise InvalidPattern(f"Key {key!r} must be a string")
    if isinstance(value, Mapping):
        if not dialect.nesting:
            raise NestingNotSupported()
        return _parse_object(value, (*way, key), depth + 1, dialect)
    if not isinstance(value, list | tuple):
        raise InvalidPattern(f'"{key}" must be an object or an array')
    if key == "$or" and (alternatives := _alternatives(value)):
        return AnyOf(tuple(_parse_object(branch, way, depth + 1, dialect) for branch in alternatives))
    path = Path(".".join((*way, key)))
    if path.steps > _MOST_STEPS:
        raise InvalidPattern(f"Document nesting depth ({path.steps}) exceeds the maximum allowed ({_MOST_STEPS})")
    return Leaf(path, parse_condition(value, dialect), depth=len(way) + 1)


def _alternatives(value: Sequence[object]) -> list[Mapping[str, object]]:
    """The branches, if this `$or` is one: two objects or more, without an operator's name among their keys."""
    branches = [branch for branch in value if isinstance(branch, Mapping) and _RESERVED.isdisjoint(branch)]
    return branches if len(branches) == len(value) >= 2 else []


def _plain_object(document: Mapping[str, object]) -> dict[str, object]:
    return {key: _plain(value) for key, value in document.items()}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return _plain_object(value)
    return [_plain(element) for element in value] if isinstance(value, list | tuple) else value


def _parsed(text: str, dialect: Dialect) -> object:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise InvalidPattern(dialect.json_error_prefix + _syntax_error(text, error.pos)) from None
    except RecursionError:
        raise InvalidPattern(f"Document nesting depth exceeds the maximum allowed ({_DEEPEST})") from None
    except InvalidPattern as refused:
        raise InvalidPattern(dialect.json_error_prefix + refused.reason) from None
    except ValueError:
        # Python refuses to read a number of thousands of digits; so does AWS's parser.
        raise InvalidPattern(f"{dialect.json_error_prefix}Number value length exceeds the maximum allowed") from None


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidPattern(f"Non-standard token '{name}': enable `JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS` to allow")


def _syntax_error(text: str, position: int) -> str:
    """The beginning of what AWS's JSON parser says about the same fault."""
    rest = text[position:].lstrip()
    if not rest:
        return "Unexpected end-of-input"
    token = "".join(character if character.isalnum() or character in "_$" else " " for character in rest[:100]).split(
        " "
    )[0]
    if token and not token[0].isdigit():
        return (
            f"Unrecognized token '{token}': was expecting "
            "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
        )
    return f"Unexpected character ('{rest[0]}' (code {ord(rest[0])}))"
