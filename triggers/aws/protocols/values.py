"""Scalars as text, in headers, query strings, forms and XML; and instants in the three ways that AWS writes them."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from botocore.model import Shape

from triggers.aws.errors import Malformed

MOST = 200_000
"""Values that a request may have; a PutMetricData of a thousand metrics has tens of thousands. A limit of ours."""
DEEPEST = 100
"""Levels of nesting that a request may have; the deepest that AWS takes itself is an item of DynamoDB, with 32."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")
_FLOATS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def read_text(shape: Shape, text: str, timestamp_format: str) -> Any:
    """The value of a scalar. Raises Malformed for a text that stands for none."""
    match shape.type_name:
        case "integer" | "long":
            if not _INTEGER.fullmatch(text):
                raise Malformed(f"{text[:40]!r} is not an integer")
            return int(text)
        case "float" | "double":
            return read_float(text)
        case "boolean":
            if text.lower() not in ("true", "false"):
                raise Malformed(f"{text[:40]!r} is not a boolean")
            return text.lower() == "true"
        case "timestamp":
            return read_instant(text, format_of(shape, timestamp_format))
        case "blob":
            return read_base64(text)
        case _:
            return text


def write_text(shape: Shape, value: Any, timestamp_format: str) -> str:
    """A scalar as text."""
    match shape.type_name:
        case "boolean":
            return "true" if value else "false"
        case "float" | "double":
            return write_float(value)
        case "timestamp" if isinstance(value, str):
            return value  # kept as it came: the Expires header of an object
        case "timestamp":
            return str(write_instant(value, format_of(shape, timestamp_format)))
        case "blob":
            return write_base64(value)
        case _:
            return str(value)


def format_of(shape: Shape, default: str) -> str:
    """`iso8601`, `rfc822` or `unixtimestamp`."""
    return str(shape.serialization.get("timestampFormat", default)).lower()


def read_instant(value: Any, form: str) -> datetime:
    """An instant in any of the three forms, the expected one first: AWS's own parsers are as lenient."""
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        if form == "unixtimestamp":
            return datetime.fromtimestamp(float(value), UTC)
        at = parsedate_to_datetime(value) if form == "rfc822" else datetime.fromisoformat(value)
    except (ValueError, TypeError, OverflowError, OSError, IndexError, AttributeError):
        raise Malformed(f"{str(value)[:40]!r} is not a timestamp in the form {form}") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def write_instant(at: datetime | float, form: str) -> str | float | int:
    """An instant in one of the three forms; a fraction is kept to the microsecond where the form has one.

    `at` is an aware datetime, or seconds since the epoch as the rooms have them.
    """
    at = at.astimezone(UTC) if isinstance(at, datetime) else datetime.fromtimestamp(at, UTC)
    match form:
        case "rfc822":
            return format_datetime(at, usegmt=True)
        case "unixtimestamp":
            seconds = int(at.timestamp() // 1)
            return seconds if not at.microsecond else (seconds * 10**6 + at.microsecond) / 10**6
        case _:
            precision = "milliseconds" if at.microsecond % 1000 == 0 else "microseconds"
            return at.replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def read_float(text: str) -> float:
    """A number, or one of the three names of what is none."""
    if text in _FLOATS:
        return _FLOATS[text]
    try:
        return float(text)
    except ValueError:
        raise Malformed(f"{text[:40]!r} is not a number") from None


def write_float(value: float) -> str:
    """The shortest text that reads back as this number."""
    special = special_float(value)
    return repr(float(value)) if special is None else special


def special_float(value: float) -> str | None:
    """The name of what JSON has no number for, or None."""
    number = float(value)
    if number != number:
        return "NaN"
    if number in (float("inf"), float("-inf")):
        return "Infinity" if number > 0 else "-Infinity"
    return None


def read_base64(text: str) -> bytes:
    """Bytes. Raises Malformed for what isn't base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("a binary value is not base64") from None


def write_base64(value: bytes | str) -> str:
    """Bytes, or a text that stands for them, in base64."""
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


def name_of(shape: Shape, default: str) -> str:
    """How a member is called on the wire."""
    return str(shape.serialization.get("name", default))
