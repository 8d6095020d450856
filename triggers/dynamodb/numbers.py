"""Numbers as DynamoDB has them: 38 significant digits, magnitudes from 1E-130 to 9.99…E+125, carried as text."""

from __future__ import annotations

import re
from decimal import Clamped, Context, Decimal, Overflow, Underflow

from triggers.dynamodb.errors import ValidationError

DIGITS = 38
"""Significant digits of a number (DynamoDB developer guide, data types)."""
_LARGEST = 125
_SMALLEST = -130
_CONTEXT = Context(prec=DIGITS, Emin=-400, Emax=400, traps=[Clamped, Overflow, Underflow])
_is_plain = re.compile(r"0|-?[1-9][0-9]{0,37}").fullmatch
_is_short = re.compile(r"0|-?[1-9][0-9]{0,17}").fullmatch
"""Of whole numbers that are far from every limit."""
_is_number = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?").fullmatch


def canonical(text: str) -> str:
    """A number as DynamoDB gives it back: `1.50` and `15e-1` are `1.5`. Raises ValidationError."""
    if _is_plain(text):
        return text
    if not _is_number(text):
        shown = f": {text}" if text else ""
        raise ValidationError(f"The parameter cannot be converted to a numeric value{shown}")
    return as_text(Decimal(text))


def as_text(number: Decimal) -> str:
    """A finite number as canonical text. Raises ValidationError outside of the range."""
    if not number:
        return "0"
    magnitude = number.adjusted()
    if magnitude > _LARGEST:
        raise ValidationError(
            "Number overflow. Attempting to store a number with magnitude larger than supported range"
        )
    if magnitude < _SMALLEST:
        raise ValidationError(
            "Number underflow. Attempting to store a number with magnitude smaller than supported range"
        )
    digits = "".join(map(str, number.as_tuple().digits)).strip("0")
    if len(digits) > DIGITS:
        raise ValidationError("Attempting to store more than 38 significant digits in a Number")
    shortest = _CONTEXT.normalize(number)
    # beyond 38 places in plain digits boto3 could not read it back
    return format(shortest, "f") if -DIGITS < magnitude < DIGITS else str(shortest)


def add(left: str, right: str) -> str:
    """The sum, rounded to 38 digits."""
    if _is_short(left) and _is_short(right):
        return str(int(left) + int(right))
    return as_text(_CONTEXT.add(Decimal(left), Decimal(right)))


def subtract(left: str, right: str) -> str:
    """The difference, rounded to 38 digits."""
    if _is_short(left) and _is_short(right):
        return str(int(left) - int(right))
    return as_text(_CONTEXT.subtract(Decimal(left), Decimal(right)))


def size(text: str) -> int:
    """Bytes that a canonical number counts for: one for two digits, one more, and one for a minus sign."""
    digits = text.partition("E")[0].lstrip("-").replace(".", "").strip("0")
    return (len(digits) + 1) // 2 + 1 + text.startswith("-")
