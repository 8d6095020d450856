"""Message attributes of SNS: their forms, what AWS refuses, how large they are.

AWS's form is `{"name": {"DataType": "String", "StringValue": "x"}}`. Plain Python values are accepted as well: a str
becomes a String; an int, float or Decimal a Number; bytes a Binary; a list of texts, numbers, bools and None a
String.Array. A bool alone is refused: AWS has no such type, and whether "true" or 1 was meant nobody can know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from eventbus.delivery import payload
from eventbus.delivery.targets import MessageAttributes
from triggers import message_attributes
from triggers.sns.errors import InvalidParameter, ParameterValueInvalid

AttributeInput: TypeAlias = Mapping[str, Any]
"""Attributes as callers give them: in AWS's form, as plain values, or mixed."""

_PREFIXES: Final = ("Binary", "Number", "String")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_MOST_DIGITS: Final = 38


def normalise(attributes: AttributeInput | None) -> MessageAttributes:
    """Bring attributes into AWS's form and check them.

    Raises ParameterValueInvalid with AWS's text (InvalidParameter for values that its own texts don't cover).
    """
    if not attributes:
        return {}
    given: object = attributes
    if not isinstance(given, Mapping):
        raise ParameterValueInvalid(f"attributes={given!r}: a mapping of names to values is needed")
    normal = {}
    for name, value in attributes.items():
        _check_name(name)
        normal[name] = _checked(name, value if isinstance(value, Mapping) else from_plain(name, value))
    return normal


def from_plain(name: str, value: object) -> dict[str, Any]:
    """The attribute that a plain Python value stands for."""
    if isinstance(value, (list, tuple)):
        return {"DataType": "String.Array", "StringValue": json.dumps(value, ensure_ascii=False, default=_refuse)}
    attribute = message_attributes.from_plain(value)
    if attribute is None:
        raise ParameterValueInvalid(
            f"The message attribute '{name}' is {value!r}; give a str, a finite number, bytes, a list, or AWS's form "
            '{"DataType": ..., "StringValue": ...}'
        )
    return attribute


def _refuse(value: object) -> None:
    raise ParameterValueInvalid(f"a String.Array holds texts, numbers, bools and None, not {type(value).__name__}")


def _check_name(name: str) -> None:
    given: object = name
    if not isinstance(given, str):
        raise ParameterValueInvalid(f"Message attribute name {given!r} is not a text.")
    if name.startswith("."):
        raise ParameterValueInvalid("Invalid message attribute name starting with character '.' was found.")
    if name.endswith("."):
        raise ParameterValueInvalid("Invalid message attribute name ending with character '.' was found.")
    if len(name.encode(errors="surrogatepass")) > 256:
        raise ParameterValueInvalid("Length of message attribute name must be less than 256 bytes.")
    for character in name:
        if not (character.isascii() and (character.isalnum() or character in "_-.")):
            raise ParameterValueInvalid(
                f"Invalid non-alphanumeric character '#x{ord(character):X}' was found in the message attribute name. "
                "Can only include alphanumeric characters, hyphens, underscores, or dots."
            )
    if ".." in name:
        raise ParameterValueInvalid("Message attribute name can not have successive '.' character.")
    if not name:
        raise ParameterValueInvalid("Length of message attribute name must be greater than 0.")


def _checked(name: str, attribute: Mapping[str, Any]) -> dict[str, Any]:
    if not attribute.keys() <= message_attributes.MEMBERS:
        raise ParameterValueInvalid(
            f"The message attribute '{name}' is {dict(attribute)!r}; its members are "
            f"{', '.join(sorted(message_attributes.MEMBERS))}."
        )
    data_type = attribute.get("DataType")
    if not isinstance(data_type, str) or data_type.partition(".")[0] not in _PREFIXES:
        raise ParameterValueInvalid(
            f"The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes "
            "is Binary, Number, and String."
        )
    is_binary = data_type.startswith("Binary")
    field, other = ("BinaryValue", "StringValue") if is_binary else ("StringValue", "BinaryValue")
    value: Any = attribute.get(field)
    if not value:
        if attribute.get(other):
            wanted = "Binary" if is_binary else "String"
            raise ParameterValueInvalid(
                f"The message attribute '{name}' with type '{data_type}' must use field '{wanted}'."
            )
        raise ParameterValueInvalid(
            f"The message attribute '{name}' must contain non-empty message attribute value for message attribute type "
            f"'{data_type}'."
        )
    if is_binary and not isinstance(value, (bytes, bytearray, memoryview)):
        raise ParameterValueInvalid(f"The message attribute '{name}' with type '{data_type}' must use field 'Binary'.")
    if is_binary:
        return {"DataType": data_type, field: bytes(value)}
    _check_text(name, data_type, value)
    return {"DataType": data_type, field: value}


def _check_text(name: str, data_type: str, value: Any) -> None:
    if not isinstance(value, str):
        raise ParameterValueInvalid(f"The message attribute '{name}' with type '{data_type}' must use field 'String'.")
    if data_type.startswith("Number"):
        digits = value.lstrip("+-").partition("e")[0].partition("E")[0].replace(".", "").strip("0")
        if not _NUMBER.fullmatch(value) or len(digits) > _MOST_DIGITS:
            raise ParameterValueInvalid(f"Could not cast message attribute '{name}' value to number.")
    elif data_type == "String.Array" and not _is_flat_array(value):
        raise InvalidParameter(
            f"Message Attributes Reason: '{name}' of type String.Array must be a JSON array of strings, numbers, true, "
            "false and null"
        )


def _is_flat_array(text: str) -> bool:
    try:
        parsed = payload.parse(text)
    except ValueError:
        return False
    return isinstance(parsed, list) and not any(isinstance(element, (list, dict)) for element in parsed)


def size(attributes: MessageAttributes) -> int:
    """How many bytes the attributes add to a message: names, types and values."""
    total = 0
    for name, attribute in attributes.items():
        total += len(name.encode()) + len(attribute["DataType"].encode())
        binary = attribute.get("BinaryValue")
        total += len(binary) if binary is not None else len(attribute["StringValue"].encode())
    return total
