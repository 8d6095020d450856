"""The pieces from which the policy grammar is read; every refusal says where in the document it is.

Source: IAM User Guide, "Grammar of the IAM JSON policy language".
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import NoReturn, TypeVar

from eventbus.errors import MalformedPolicy

T = TypeVar("T")


def parse_json(text: str) -> object:
    """Read JSON text, refusing what JSON forbids and Python lets pass: doubled keys, NaN and Infinity."""
    try:
        document: object = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except MalformedPolicy:
        raise
    except RecursionError:
        raise MalformedPolicy("the policy is nested too deeply") from None
    except ValueError as error:
        raise MalformedPolicy(f"the policy is not JSON: {error}") from None
    return document


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    read = dict(pairs)
    if len(read) < len(pairs):
        doubled = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise MalformedPolicy(f"the policy holds the key {shown(doubled)} twice in one object")
    return read


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedPolicy(f"the policy holds {name}, which is no JSON")


def shown(value: object) -> str:
    """Word a value for a message: scalars as JSON, and long texts cut off."""
    match value:
        case str():
            return json.dumps(value if len(value) <= 100 else value[:100] + "...", ensure_ascii=False)
        case True | False | None:
            return json.dumps(value)
        case list() | tuple():
            return "a list"
        case Mapping():
            return "an object"
        case int() | float():
            return "a number"
    return f"a Python {type(value).__name__}"


_DEEPEST = 10
"""No valid policy nests deeper than seven levels."""


def plain(value: object, where: str, depth: int = 0) -> object:
    """Copy a Python value as plain JSON, refusing what JSON cannot carry."""
    if depth > _DEEPEST:
        raise MalformedPolicy("the policy is nested too deeply")
    match value:
        case Mapping():
            for key in value:
                if not isinstance(key, str):
                    raise MalformedPolicy(f"{where} must have texts as keys, not {shown(key)}")
            return {key: plain(entry, f"{where}.{key}", depth + 1) for key, entry in value.items()}
        case list() | tuple():
            return [plain(entry, f"{where}[{index}]", depth + 1) for index, entry in enumerate(value)]
        case str() | int() | float() | None:
            return value
    raise MalformedPolicy(f"{where} must be what JSON can carry, not {shown(value)}")


def read_object(value: object, where: str, known: Sequence[str] | None = None) -> Mapping[str, object]:
    """Read an object whose keys are all known."""
    if not isinstance(value, Mapping):
        raise MalformedPolicy(f"{where} must be an object, not {shown(value)}")
    unknown = [key for key in value if key not in known] if known is not None else []
    if unknown:
        raise MalformedPolicy(
            f"{where} has the unknown element {shown(unknown[0])}; it may have {', '.join(known or ())}"
        )
    return value


def read_text(value: object, where: str) -> str:
    """Read a text."""
    if not isinstance(value, str):
        raise MalformedPolicy(f"{where} must be a text, not {shown(value)}")
    return value


def read_list(value: object, where: str) -> list[tuple[str, object]]:
    """Read a value or a list of values, each with its place in the document."""
    if isinstance(value, list):
        return [(f"{where}[{index}]", entry) for index, entry in enumerate(value)]
    return [(where, value)]


def read_texts(value: object, where: str) -> list[tuple[str, str]]:
    """Read a text or a list of at least one text, each with its place in the document."""
    texts = [(place, read_text(entry, place)) for place, entry in read_list(value, where)]
    if not texts:
        raise MalformedPolicy(f"{where} must hold at least one entry")
    return texts


def read_scalar(value: object, where: str) -> str:
    """Read a condition value, which may be a text, a number or a boolean, as the text that it is compared as."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() if abs(value) < 10**400:
            return str(value)
        case float() if math.isfinite(value):
            return format(Decimal(repr(value)), "f")
    raise MalformedPolicy(f"{where} must be a text, a number or a boolean, not {shown(value)}")


def compiled(compile_: Callable[[str], T], text: str, where: str) -> T:
    """Compile a text of the document, saying where it stands if it can't be."""
    try:
        return compile_(text)
    except ValueError as error:
        raise MalformedPolicy(f"{where} {error}, not {shown(text)}") from None
