"""What of an SNS message a filter policy sees."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final

import orjson

# A pattern of ours, not a user's; each part is a plain run of digits, so it cannot backtrack far.
_NUMBER: Final = re.compile(r"[+-]?(\d+)(\.\d*)?([eE][+-]?\d+)?", re.ASCII)


def attributes_as_event(attributes: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    """Turn SNS message attributes into the flat event that a policy of scope MessageAttributes is matched with.

    `attributes` has AWS's shape: `{"size": {"DataType": "Number", "StringValue": "12"}}`. A String stays text, even if
    it spells a number; a Number becomes a number; a String.Array becomes the list of its JSON values; custom types
    (`Number.int`) count as what they begin with. Binary has no value for a policy, and neither has a Number or a
    String.Array whose text is not one, which Publish refuses. Source: SNS Developer Guide, "Message attribute data
    types and validation", 2026.
    """
    event: dict[str, object] = {}
    for name, attribute in attributes.items():
        data_type, text = attribute.get("DataType"), attribute.get("StringValue")
        if not isinstance(data_type, str) or not isinstance(text, str):
            continue
        value: object = text
        if data_type == "String.Array":
            value = _array(text)
        elif data_type.partition(".")[0] == "Number":
            value = _number(text)
        elif data_type.partition(".")[0] != "String":
            value = None
        if value is not None:
            event[name] = value
    return event


def body_as_event(message: str) -> dict[str, object] | None:
    """Parse a message for a policy of scope MessageBody; None, which no policy matches, unless it is a JSON object."""
    try:
        parsed = orjson.loads(message)
    except orjson.JSONDecodeError:
        return None
    return parsed if isinstance(parsed, dict) else None


def _array(text: str) -> list[object] | None:
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return parsed if isinstance(parsed, list) else None


def _number(text: str) -> int | float | None:
    """The number that a text spells; Python compares the two types by value, exactly."""
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        return None
    whole, fraction, exponent = found.groups()
    # int() refuses thousands of digits, because their conversion takes quadratic time.
    if fraction is None and exponent is None and len(whole) <= 100:
        return int(text)
    number = float(text)
    return None if math.isnan(number) else number
