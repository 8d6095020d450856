"""What an event may be made of, and that everybody gets a copy."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import math
import uuid
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventbus.delivery.payload import (
    MAX_DEPTH,
    as_text,
    decode,
    encode,
    encode_and_copy,
    encode_result,
    parse,
    size,
)
from eventbus.errors import NotJSON


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Mode(enum.StrEnum):
    FAST = "fast"


@dataclasses.dataclass
class Point:
    x: int = 1


class AnInt(int):
    pass


Pair = namedtuple("Pair", "left right")


def name_of(value: object) -> str:
    """A short name for a row of a table."""
    try:
        return repr(value).partition(" at 0x")[0][:30]
    except (ValueError, RecursionError):
        return type(value).__name__


def nested(depth: int, make: Callable[[Any], Any] = lambda inner: [inner]) -> Any:
    value: Any = make(None) if depth else None
    for _ in range(depth - 1):
        value = make(value)
    return value


def same(a: Any, b: Any) -> bool:
    """Equal, and of the same types all the way down: 1, 1.0 and True are three things."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return a == b and math.copysign(1, a) == math.copysign(1, b)
    return bool(a == b)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(2**70), max_value=2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=20
)


@settings(max_examples=300, deadline=None)
@given(json_values)
def test_what_json_carries_arrives_as_it_was(value: Any) -> None:
    """Every JSON value comes out equal and of the same types, in every copy."""
    data, copy = encode_and_copy(value)
    assert same(copy, value)
    assert same(decode(data), value)
    assert same(decode(encode(value)), value)
    assert same(parse(as_text(data)), value)
    assert size(data) == len(as_text(data).encode())


@settings(max_examples=100, deadline=None)
@given(st.lists(json_values, min_size=1))
def test_every_decoding_is_a_copy_of_its_own(value: list[Any]) -> None:
    """Changing one copy changes nothing else."""
    data, first = encode_and_copy(value)
    first.clear()
    second = decode(data)
    second.append("changed")
    assert same(decode(data), value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({1, 2}, "Object of type set is not JSON serializable"),
        (datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), "Object of type datetime is not JSON serializable"),
        (datetime.date(2026, 1, 1), "Object of type date is not JSON serializable"),
        (datetime.time(1, 2), "Object of type time is not JSON serializable"),
        (decimal.Decimal("1.5"), "Object of type Decimal is not JSON serializable"),
        (b"bytes", "Object of type bytes is not JSON serializable"),
        (bytearray(b"b"), "Object of type bytearray is not JSON serializable"),
        (uuid.UUID(int=1), "Object of type UUID is not JSON serializable"),
        (Colour.RED, "Object of type Colour is not JSON serializable"),
        (Point(), "Object of type Point is not JSON serializable"),
        (object, "Object of type type is not JSON serializable"),
        (1j, "Object of type complex is not JSON serializable"),
        (iter([]), "Object of type list_iterator is not JSON serializable"),
        (math.nan, "Out of range float values are not JSON compliant"),
        (math.inf, "Out of range float values are not JSON compliant"),
        (-math.inf, "Out of range float values are not JSON compliant"),
        ({(1, 2): 3}, "keys must be str, int, float, bool or None, not tuple"),
        ({b"key": 3}, "keys must be str, int, float, bool or None, not bytes"),
        (10**5000, "Exceeds the limit"),
        (nested(MAX_DEPTH + 1), f"nested too deeply: at most {MAX_DEPTH} levels"),
        (nested(MAX_DEPTH + 1, lambda inner: {"k": inner}), f"nested too deeply: at most {MAX_DEPTH} levels"),
        (nested(100_000), f"nested too deeply: at most {MAX_DEPTH} levels"),
    ],
    ids=name_of,
)
def test_what_json_cannot_carry_is_refused(value: Any, message: str) -> None:
    """A handler could not receive it, so nobody may send it, at the top or inside."""
    for wrapped in (value, [value], {"a": [{"b": value}]}, ["first", value]):
        with pytest.raises(NotJSON, match=message):
            encode(wrapped)


def test_an_object_is_named_by_its_type() -> None:
    """The message of NotJSON names what is in the way."""
    with pytest.raises(NotJSON, match=r"^Object of type object is not JSON serializable$"):
        encode([object()])


@pytest.mark.parametrize("make", [lambda inner: [inner], lambda inner: {"k": inner}, lambda inner: (inner,)])
def test_a_structure_that_holds_itself_is_refused(make: Callable[[Any], Any]) -> None:
    """Neither a list in itself nor a dict in itself hangs or crashes anything."""
    loop: list[Any] = []
    loop.append(make(loop))
    with pytest.raises(NotJSON):
        encode(loop)
    mapping: dict[str, Any] = {}
    mapping["self"] = make(mapping)
    with pytest.raises(NotJSON):
        encode(mapping)


@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        ((1, (2, 3)), [1, [2, 3]]),
        (Pair(1, 2), [1, 2]),
        ({1: "a", 2.5: "b", None: "c", False: "d"}, {"1": "a", "2.5": "b", "null": "c", "false": "d"}),
        (Level.HIGH, 3),
        ([Level.HIGH], [3]),
        (Mode.FAST, "fast"),
        ({Mode.FAST: Mode.FAST}, {"fast": "fast"}),
        (AnInt(5), 5),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (2**63, 2**63),
        (2**64 - 1, 2**64 - 1),
        (2**64, 2**64),
        (-(2**63), -(2**63)),
        (-(2**63) - 1, -(2**63) - 1),
        (10**400, 10**400),
        (1e22, 1e22),
        (-0.0, -0.0),
        (5e-324, 5e-324),
        ("\ud800", "\ud800"),
        ({"\udfff": ["\ud800"]}, {"\udfff": ["\ud800"]}),
        ("\x00\u2028\x7f", "\x00\u2028\x7f"),
        (nested(300), nested(300)),
    ],
    ids=name_of,
)
def test_what_json_carries_in_its_own_way(value: Any, arrives: Any) -> None:
    """Tuples become lists, keys become text, numbers of any size stay numbers, lone surrogates survive."""
    data, copy = encode_and_copy(value)
    assert same(copy, arrives)
    assert same(decode(data), arrives)


def test_the_deepest_nesting_arrives() -> None:
    """What is accepted can be decoded, one level short of what is refused."""
    text = as_text(encode(nested(MAX_DEPTH)))
    assert text == "[" * MAX_DEPTH + "null" + "]" * MAX_DEPTH
    assert as_text(encode(decode(text))) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(math.nan, "NaN"), ([math.inf, -math.inf], "[Infinity,-Infinity]"), ({"a": (1, math.nan)}, '{"a":[1,NaN]}')],
)
def test_a_result_may_hold_nan_and_infinities(value: Any, text: str) -> None:
    """As on AWS they are written literally."""
    assert as_text(encode_result(value)) == text


@pytest.mark.parametrize(
    "text",
    ["", " ", "{", "[1,]", "nul", "NaN", "[Infinity]", "-Infinity", "'a'", '{"a":1,}', "1 2", "\ufeff1", "[" * 100_000],
)
def test_text_that_is_not_json_is_refused(text: str) -> None:
    """A ValueError carries the parser's sentence; depth is no way to crash it."""
    with pytest.raises(ValueError):
        parse(text)


@settings(max_examples=200, deadline=None)
@given(st.text() | st.binary())
def test_parsing_any_text_gives_a_value_or_a_value_error(text: str | bytes) -> None:
    """No input has any other effect."""
    try:
        parse(text)
    except ValueError:
        pass


def test_the_size_of_a_payload_is_counted_in_bytes() -> None:
    """Non-ASCII text counts as on the wire."""
    assert size(encode("é")) == len('"é"'.encode())
    assert size(encode([2**70])) == len(str(2**70)) + 2
