"""Payloads: JSON values on their way through the queue.

A payload is encoded once, when it is accepted, and decoded anew for every delivery; that is what gives each handler its
own copy. The codec is orjson where it agrees with the standard library and the standard library where it doesn't
(large integers, lone surrogates, subclasses): `bytes` were written by the one, `str` by the other.

orjson alone would let through what AWS refuses (a UUID, a plain Enum become text, NaN becomes null). Comparing the
decoded value with the original shows every such change, and costs less than walking the value in Python.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import orjson

from eventbus.errors import NotJSON

JSONValue: TypeAlias = Any
"""What JSON carries: None, bool, int, float, str, and lists and str-keyed dicts of these."""

Encoded: TypeAlias = bytes | str

MAX_DEPTH = 500
"""Levels of nesting. What is deeper would be decoded here and exhaust the stack there, wherever that is deep itself."""

_LONG_NUMBER = re.compile(r"\d{19}")  # orjson reads integers beyond 64 bits as floats
_OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS


def encode(value: JSONValue) -> Encoded:
    """The compact JSON of a value, to be decoded by `decode` as often as it is delivered.

    Raises NotJSON if a handler could not receive it as plain JSON; the message names the offending type.
    """
    return compact(encode_and_copy(value)[0])


def compact(data: Encoded) -> Encoded:
    """The same, as large as its content: orjson >= 3.12 hands out bytes in blocks of 4 KiB."""
    return bytes(memoryview(data)) if isinstance(data, bytes) else data


def encode_and_copy(value: JSONValue) -> tuple[Encoded, JSONValue]:
    """Like `encode`, with the copy that the check has made anyway: good for one delivery.

    What is to be kept for long should go through `compact`.
    """
    try:
        data = orjson.dumps(value, option=_OPTIONS)
        copy = orjson.loads(data)
        if copy == value:
            return data, copy
    except (TypeError, ValueError, RecursionError):
        pass
    return _encode_slowly(value)


def _strict_text(value: JSONValue) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _encode_slowly(value: JSONValue, text_of: Callable[[JSONValue], str] = _strict_text) -> tuple[str, JSONValue]:
    too_deep = NotJSON(f"the value is nested too deeply: at most {MAX_DEPTH} levels can be carried")
    try:
        text = text_of(value)
        copy = json.loads(text)
    except RecursionError:
        raise too_deep from None
    except (TypeError, ValueError) as error:
        raise NotJSON(str(error)) from None
    if _depth(copy) > MAX_DEPTH:
        raise too_deep
    return text, copy


def _depth(value: JSONValue) -> int:
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, list | dict)]:
        depth += 1
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return depth


def encode_result(value: JSONValue) -> Encoded:
    """The JSON of what a handler returned, as the runtime's client writes it.

    It may hold NaN and infinities, Decimals (numbers), named tuples (objects) and bytes (texts). Bytes alone are the
    response itself. Raises NotJSON for what the client refuses.
    """
    try:
        data = orjson.dumps(value, option=_OPTIONS)
        if orjson.loads(data) == value:
            return compact(data)
    except (TypeError, ValueError, RecursionError):
        pass
    if isinstance(value, bytes):
        return response(value)
    return _encode_slowly(value, _result_text)[0]


def _result_text(value: JSONValue) -> str:
    from eventbus.execution.sandbox.runtime import json_text  # few need it

    return json_text(value, True, (",", ":"))


def response(body: bytes) -> Encoded:
    """A response as JSON that the bus can hand on; what is no JSON becomes a text."""
    try:
        return received(body)
    except ValueError:
        return encode(body.decode(errors="replace"))


def received(data: bytes) -> Encoded:
    """JSON that another process has written, to be read by `decode`. Raises ValueError for what is none."""
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH and not _LONG_NUMBER.search(data.decode(errors="replace")):
        try:
            orjson.loads(data)
            return data
        except ValueError:
            pass  # NaN and infinities, perhaps
    try:
        text = data.decode()
        if _depth(json.loads(text)) <= MAX_DEPTH:
            return text
    except RecursionError:
        pass
    raise ValueError("nested too deeply")


def decode(data: Encoded) -> JSONValue:
    """A fresh copy of an encoded value."""
    return orjson.loads(data) if data.__class__ is bytes else json.loads(data)


def size(data: Encoded) -> int:
    """How many bytes the payload has on the wire."""
    return len(data) if data.__class__ is bytes else len(data.encode())  # type: ignore[union-attr]


def as_text(data: Encoded) -> str:
    """The payload as the text of a message body."""
    return data if isinstance(data, str) else data.decode()


def parse(text: str | bytes) -> JSONValue:
    """Parse JSON text that somebody sent. Raises ValueError with the parser's sentence."""
    try:
        if not _LONG_NUMBER.search(text if isinstance(text, str) else text.decode()):
            return orjson.loads(text)
    except ValueError:
        pass
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("the text is nested too deeply") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
