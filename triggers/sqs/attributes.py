"""Message attributes of SQS: their forms, their limits, and the digest that clients compare.

AWS's form is `{"name": {"DataType": "String", "StringValue": "x"}}`. Plain Python values are accepted as well: a str
becomes a String, an int, float or Decimal a Number, bytes a Binary. A bool is refused, since AWS has no such type.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeAlias

from eventbus.delivery.targets import MessageAttributes
from triggers import message_attributes
from triggers.sqs.errors import InvalidParameterValue
from triggers.sqs.validation import check_characters

AttributeInput: TypeAlias = Mapping[str, Any]

MAXIMUM_COUNT = 10
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_TYPE = re.compile(r"(String|Number|Binary)(\.[\x20-\x7e]+)?")


def normalise(attributes: AttributeInput | None) -> MessageAttributes:
    """Bring attributes into AWS's form and check them.

    Raises InvalidParameterValue with SQS's text for the first one that it would refuse.
    """
    if not attributes:
        return {}
    given: object = attributes
    if not isinstance(given, Mapping):
        raise InvalidParameterValue(f"attributes={given!r}: a mapping of names to values is needed")
    if len(attributes) > MAXIMUM_COUNT:
        raise InvalidParameterValue(
            f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum [{MAXIMUM_COUNT}]."
        )
    normal = {}
    for name, value in attributes.items():
        _check_name(name)
        normal[name] = _checked(name, value if isinstance(value, Mapping) else _from_plain(name, value))
    return normal


def _from_plain(name: str, value: object) -> dict[str, Any]:
    attribute = message_attributes.from_plain(value)
    if attribute is None:
        raise InvalidParameterValue(
            f"Message (user) attribute '{name}' must be text, a number, bytes or a mapping with a DataType, "
            f"not {value if isinstance(value, (float, Decimal)) else type(value).__name__}."
        )
    return attribute


def _check_name(name: str) -> None:
    given: object = name
    if not isinstance(given, str):
        raise InvalidParameterValue(f"Message (user) attribute name {given!r} is not a text")
    if len(name) > 256:
        raise InvalidParameterValue("Message (user) attribute names must be shorter than 256 Bytes")
    if not _NAME.fullmatch(name):
        raise InvalidParameterValue(
            "Message (user) attributes name can only contain upper and lower score characters, digits, periods, "
            "hyphens and underscores. "
        )
    if name.lower().startswith(("aws.", "amazon.")) or name[0] == "." or name[-1] == "." or ".." in name:
        raise InvalidParameterValue(
            "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. "
            "These strings are reserved for internal use. Additionally, they cannot start or end with '.'."
        )


def _checked(name: str, attribute: Mapping[str, Any]) -> dict[str, Any]:
    if not attribute.keys() <= message_attributes.MEMBERS:
        raise InvalidParameterValue(
            f"Message (user) attribute '{name}' is {dict(attribute)!r}; its members are "
            f"{', '.join(sorted(message_attributes.MEMBERS))}"
        )
    data_type = attribute.get("DataType")
    if not isinstance(data_type, str) or not data_type:
        raise InvalidParameterValue(f"The message attribute '{name}' must contain non-empty message attribute type.")
    if len(data_type) > 256:
        raise InvalidParameterValue("Message (user) attribute types must be shorter than 256 Bytes")
    if not _TYPE.fullmatch(data_type):
        raise InvalidParameterValue(
            f"The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes "
            "is Binary, Number, and String."
        )
    kind = data_type.partition(".")[0]
    field = "BinaryValue" if kind == "Binary" else "StringValue"
    value: Any = attribute.get(field)
    if not value or type(value) is not (bytes if kind == "Binary" else str):
        raise InvalidParameterValue(
            f"Message (user) attribute '{name}' must contain a non-empty value of type '{kind}'."
        )
    if kind == "String":
        check_characters(str(value))
    if kind == "Number" and not _is_number(value):
        raise InvalidParameterValue(f"Can't cast the value of message (user) attribute '{name}' to a number.")
    return {"DataType": data_type, field: value}


def _is_number(text: Any) -> bool:
    return len(text) <= 400 and re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?", text) is not None


def size(attributes: MessageAttributes) -> int:
    """How many bytes the attributes add to a message: names, types and values."""
    return sum(len(part) for parts in _parts(attributes) for part in parts)


def _parts(attributes: MessageAttributes) -> list[tuple[bytes, bytes, bytes]]:
    return [
        (name.encode(), a["DataType"].encode(), a["BinaryValue"] if "BinaryValue" in a else a["StringValue"].encode())
        for name, a in sorted(attributes.items())
    ]


def md5(attributes: MessageAttributes) -> str | None:
    """MD5OfMessageAttributes as AWS computes it, or None without attributes.

    In the order of the names: the length (4 bytes, big-endian) and the bytes of the name, the same of the data type,
    one byte 1 for text or 2 for binary, the length and the bytes of the value (SQS developer guide, "Calculating the
    MD5 message digest for message attributes").
    """
    if not attributes:
        return None
    digest = hashlib.md5(usedforsecurity=False)
    for name, data_type, value in _parts(attributes):
        transport = b"\x02" if data_type.startswith(b"Binary") else b"\x01"
        digest.update(_sized(name) + _sized(data_type) + transport + _sized(value))
    return digest.hexdigest()


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data
