"""What the message attributes of queues and topics have in common; what each refuses, it refuses in its own words."""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from eventbus.delivery.targets import MessageAttributes

MEMBERS = frozenset(("DataType", "StringValue", "BinaryValue", "StringListValues", "BinaryListValues"))
"""What an attribute may have in AWS's form; the lists are not implemented there either."""


def from_plain(value: object) -> dict[str, Any] | None:
    """The attribute that a plain value stands for, in AWS's form; None if it stands for none.

    A str becomes a String, a finite int, float or Decimal a Number, bytes a Binary. A bool stands for none: AWS has no
    such type, and whether "true" or 1 was meant nobody can know.
    """
    if isinstance(value, str):
        return {"DataType": "String", "StringValue": value}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"DataType": "Binary", "BinaryValue": bytes(value)}
    if isinstance(value, bool):
        return None
    if isinstance(value, int) or (isinstance(value, (float, Decimal)) and math.isfinite(value)):
        return {"DataType": "Number", "StringValue": str(value)}
    return None


def to_json(attributes: MessageAttributes) -> dict[str, Any]:
    """Attributes in AWS's form as a JSON value, for keeping: Binary in base64."""
    return {
        name: [value["DataType"], value["StringValue"]]
        if "StringValue" in value
        else [value["DataType"], b64encode(value["BinaryValue"]).decode(), True]
        for name, value in attributes.items()
    }


def from_json(kept: Mapping[str, Any]) -> MessageAttributes:
    """What `to_json` was given."""
    return {
        name: {"DataType": value[0], "StringValue": value[1]}
        if len(value) == 2
        else {"DataType": value[0], "BinaryValue": b64decode(value[1])}
        for name, value in kept.items()
    }
