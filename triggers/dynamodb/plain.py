"""Plain Python values and DynamoDB's typed form, converted as boto3's `TypeSerializer` and `TypeDeserializer` do.

    None · bool · int, Decimal · str · bytes · list, tuple · dict · sets of numbers, of texts, of bytes

Numbers come back as `Decimal`, as boto3's users know them; bytes come back as `bytes`. A float is refused: it is rarely
the decimal number that it looks like. The typed form that comes out is canonical (see `values`), so it is checked once.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from decimal import Decimal
from typing import Any

from triggers.dynamodb import numbers
from triggers.dynamodb.errors import NotSerializable, ValidationError
from triggers.dynamodb.values import (
    AttributeValue,
    Item,
    binary_set,
    check_depth,
    check_unicode,
    checked_name,
    number_set,
    text_set,
)

_BINARY = (bytes, bytearray, memoryview)


def to_item(item: Mapping[str, Any]) -> Item:
    """An item of plain values in typed form. Raises NotSerializable and ValidationError."""
    return {checked_name(name): to_typed(value) for name, value in item.items()}


def to_typed(value: Any, depth: int = 0) -> AttributeValue:
    """A plain value in typed form. Raises NotSerializable and ValidationError."""
    kind = value.__class__
    if kind is str:
        check_unicode(value)
        return {"S": value}
    if kind is int:
        return {"N": numbers.canonical(str(value))}
    if value is None:
        return {"NULL": True}
    if kind is bool:
        return {"BOOL": value}
    return _to_typed(value, depth)


def _to_typed(value: Any, depth: int) -> AttributeValue:
    if isinstance(value, str):
        return to_typed(str(value))
    if isinstance(value, int | Decimal | float):
        return {"N": _number(value)}
    if (binary := _bytes(value)) is not None:
        return {"B": binary}
    if isinstance(value, Mapping):
        check_depth(depth)
        return {"M": {checked_name(name): to_typed(inner, depth + 1) for name, inner in value.items()}}
    if isinstance(value, list | tuple):
        check_depth(depth)
        return {"L": [to_typed(inner, depth + 1) for inner in value]}
    if isinstance(value, Set):
        return _set(list(value))
    raise NotSerializable(
        f'Unsupported type "{type(value)}" for value "{value}": an attribute holds None, a bool, a number, text, '
        "bytes, a list, a mapping or a set"
    )


def _number(value: Any) -> str:
    if isinstance(value, float):
        raise NotSerializable(f"Float types are not supported. Use Decimal types instead: Decimal({str(value)!r})")
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise NotSerializable("Infinity and NaN not supported: a number is finite")
        return numbers.as_text(value)
    return numbers.canonical(str(int(value)))


def _bytes(value: Any) -> bytes | None:
    """What bytes there are in a value, also in boto3's `Binary`."""
    if isinstance(value, _BINARY):
        return bytes(value)
    inner = getattr(value, "value", None)
    return bytes(inner) if type(value).__name__ == "Binary" and isinstance(inner, _BINARY) else None


def _set(elements: list[Any]) -> AttributeValue:
    if not elements:
        raise ValidationError.of("An string set  may not be empty", mend="leave the attribute out, or use a list")
    if all(isinstance(element, str) for element in elements):
        return {"SS": text_set([str(element) for element in elements])}
    if all(isinstance(element, int | Decimal | float) and not isinstance(element, bool) for element in elements):
        return {"NS": number_set(sorted({_number(element) for element in elements}))}
    binaries = [_bytes(element) for element in elements]
    if all(binary is not None for binary in binaries):
        return {"BS": binary_set(binaries)}
    raise NotSerializable(f"a set holds only numbers, only texts or only bytes, and {set(elements)!r} does not")


def from_item(item: Item) -> dict[str, Any]:
    """The plain values of an item."""
    return {name: from_typed(value) for name, value in item.items()}


def from_typed(value: AttributeValue) -> Any:
    """The plain value."""
    ((tag, content),) = value.items()
    if tag == "N":
        return Decimal(content)
    if tag == "NULL":
        return None
    if tag == "M":
        return {name: from_typed(inner) for name, inner in content.items()}
    if tag == "L":
        return [from_typed(inner) for inner in content]
    if tag == "NS":
        return {Decimal(element) for element in content}
    return set(content) if tag in ("SS", "BS") else content
