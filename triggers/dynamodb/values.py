"""Attribute values in DynamoDB's own typed form (`{"S": "a"}`, `{"N": "1"}`), which is how items are kept.

What this module lets through is canonical: numbers as DynamoDB gives them back, sets sorted, bytes as `bytes`. So two
values are equal exactly when `==` says so. Nothing that is kept is ever changed in place.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, TypeAlias

from triggers.dynamodb import numbers
from triggers.dynamodb.errors import ValidationError

AttributeValue: TypeAlias = "dict[str, Any]"
"""`{"S" | "N" | "B" | "SS" | "NS" | "BS" | "M" | "L" | "NULL" | "BOOL": ...}`"""
Item: TypeAlias = "dict[str, AttributeValue]"

MAX_ITEM = 400 * 1024
"""Bytes of an item, names included (DynamoDB quotas)."""
MAX_NESTING = 32
"""Levels of lists and maps (DynamoDB quotas)."""
SCALARS = ("S", "N", "B")
"""What a key attribute can be."""


def checked_item(item: object) -> Item:
    """A canonical copy of an item in typed form. Raises ValidationError."""
    if not isinstance(item, Mapping):
        raise ValidationError("an item is a mapping of attribute names to values such as {'S': 'text'}")
    return {checked_name(name): checked(value) for name, value in item.items()}


def checked_name(name: object) -> str:
    """The name of an attribute."""
    if not isinstance(name, str) or not name:
        raise ValidationError.of(f"Attribute names are texts of at least one character, and {name!r} is not")
    if len(name) > 65_535:
        raise ValidationError("Member must have length less than or equal to 65535")
    return name


def checked(value: object, depth: int = 0) -> AttributeValue:
    """A canonical copy of a value in typed form. Raises ValidationError."""
    if not isinstance(value, Mapping) or not value:
        raise ValidationError("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
    if len(value) > 1:
        raise ValidationError(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported "
            "datatypes"
        )
    ((tag, content),) = value.items()
    check = _CHECKS.get(tag)
    if check is None:
        raise ValidationError(
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
            mend=f"use one of {', '.join(_CHECKS)} instead of {tag!r}",
        )
    return {tag: check(content, depth)}


def _text(content: object, depth: int) -> str:
    if not isinstance(content, str):
        raise _wrong("S", "text", content)
    check_unicode(content)
    return content


def check_unicode(text: str) -> None:
    """Refuse half of a surrogate pair, which no UTF-8 can carry."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValidationError("a string holds half of a surrogate pair, which UTF-8 cannot carry") from None


def _number(content: object, depth: int) -> str:
    if not isinstance(content, str):
        raise _wrong("N", 'the text of a number, such as "1.5"', content)
    return numbers.canonical(content)


def _binary(content: object, depth: int) -> bytes:
    if isinstance(content, bytes):
        return content
    if isinstance(content, bytearray | memoryview):
        return bytes(content)
    raise _wrong("B", "bytes", content)


def _null(content: object, depth: int) -> bool:
    if content is not True:
        raise ValidationError.of("Null attribute value types must have the value of true")
    return True


def _bool(content: object, depth: int) -> bool:
    if not isinstance(content, bool):
        raise _wrong("BOOL", "True or False", content)
    return content


def _list(content: object, depth: int) -> list[AttributeValue]:
    if not isinstance(content, list | tuple):
        raise _wrong("L", "a list of values", content)
    check_depth(depth)
    return [checked(value, depth + 1) for value in content]


def _map(content: object, depth: int) -> dict[str, AttributeValue]:
    if not isinstance(content, Mapping):
        raise _wrong("M", "a mapping of names to values", content)
    check_depth(depth)
    return {checked_name(name): checked(value, depth + 1) for name, value in content.items()}


def check_depth(depth: int) -> None:
    """Refuse a list or a map that would be inside too many others."""
    if depth >= MAX_NESTING:
        raise ValidationError("Nesting Levels have exceeded supported limits")


def check_nesting(item: Item) -> None:
    """Refuse an item whose lists and maps are inside too many others."""
    level = [value for value in item.values() if "L" in value or "M" in value]
    for depth in range(MAX_NESTING + 1):
        if not level:
            return
        check_depth(depth)
        inner = [each for value in level for each in (value["L"] if "L" in value else value["M"].values())]
        level = [value for value in inner if "L" in value or "M" in value]


def _wrong(tag: str, wanted: str, content: object) -> ValidationError:
    return ValidationError(f"a value of type {tag} is {wanted}, and {type(content).__name__} was given")


def text_set(content: object, depth: int = 0) -> list[str]:
    """The texts of a set, sorted."""
    texts = [_text(value, depth) for value in _elements(content, "SS", "An string set  may not be empty")]
    return _distinct(texts, sorted(set(texts)))


def number_set(content: object, depth: int = 0) -> list[str]:
    """The numbers of a set, sorted."""
    found = [_number(value, depth) for value in _elements(content, "NS", "An number set  may not be empty")]
    return _distinct(found, sorted(set(found), key=Decimal))


def binary_set(content: object, depth: int = 0) -> list[bytes]:
    """The bytes of a set, sorted."""
    found = [_binary(value, depth) for value in _elements(content, "BS", "Binary sets should not be empty")]
    return _distinct(found, sorted(set(found)))


def _elements(content: object, tag: str, if_empty: str) -> list[Any]:
    if not isinstance(content, list | tuple | set | frozenset):
        raise _wrong(tag, "a list of distinct values", content)
    if not content:
        raise ValidationError.of(if_empty)
    return list(content)


def _distinct(given: list[Any], distinct: list[Any]) -> list[Any]:
    if len(given) != len(distinct):
        raise ValidationError.of(f"Input collection [{', '.join(map(str, given))}] contains duplicates.")
    return distinct


_CHECKS: dict[str, Callable[[Any, int], Any]] = {
    "S": _text,
    "N": _number,
    "B": _binary,
    "SS": text_set,
    "NS": number_set,
    "BS": binary_set,
    "M": _map,
    "L": _list,
    "NULL": _null,
    "BOOL": _bool,
}
TYPES = tuple(_CHECKS)
"""All types, by the names that the typed form uses."""


def tag_of(value: AttributeValue) -> str:
    """The type of a value."""
    return next(iter(value))


def sorted_set(tag: str, elements: Iterable[Any]) -> list[Any]:
    """The canonical content of a set of this type."""
    return sorted(elements, key=Decimal) if tag == "NS" else sorted(elements)


def copied(value: AttributeValue) -> AttributeValue:
    """A copy that may be changed, or given away."""
    ((tag, content),) = value.items()
    if tag == "M":
        return {"M": {name: copied(inner) for name, inner in content.items()}}
    if tag == "L":
        return {"L": [copied(inner) for inner in content]}
    return {tag: list(content) if content.__class__ is list else content}


def copied_item(item: Item) -> Item:
    """A copy of an item that may be given away."""
    return {name: copied(value) for name, value in item.items()}


def item_size(item: Item) -> int:
    """Bytes that an item counts for: its names and its values."""
    return sum(_length(name) + value_size(value) for name, value in item.items())


def value_size(value: AttributeValue) -> int:
    """Bytes that a value counts for (developer guide, item sizes and formats)."""
    ((tag, content),) = value.items()
    if tag == "S":
        return _length(content)
    if tag == "N":
        return numbers.size(content)
    if tag == "B":
        return len(content)
    if tag in ("NULL", "BOOL"):
        return 1
    if tag == "M":
        return 3 + sum(1 + _length(name) + value_size(inner) for name, inner in content.items())
    if tag == "L":
        return 3 + sum(1 + value_size(inner) for inner in content)
    if tag == "NS":
        return sum(map(numbers.size, content))
    return sum(map(len if tag == "BS" else _length, content))


def _length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def to_json(value: AttributeValue) -> AttributeValue:
    """A fresh value that JSON can carry: binary as base64 text, as on the wire and in a function's event."""
    ((tag, content),) = value.items()
    if tag == "B":
        return {"B": b64encode(content).decode()}
    if tag == "BS":
        return {"BS": [b64encode(element).decode() for element in content]}
    if tag == "M":
        return {"M": {name: to_json(inner) for name, inner in content.items()}}
    if tag == "L":
        return {"L": [to_json(inner) for inner in content]}
    return {tag: list(content) if content.__class__ is list else content}


def from_json(value: AttributeValue) -> AttributeValue:
    """What `to_json` was given; the value is taken over."""
    ((tag, content),) = value.items()
    if tag == "B":
        return {"B": b64decode(content)}
    if tag == "BS":
        return {"BS": [b64decode(element) for element in content]}
    if tag == "M":
        return {"M": {name: from_json(inner) for name, inner in content.items()}}
    if tag == "L":
        return {"L": [from_json(inner) for inner in content]}
    return value
