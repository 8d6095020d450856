"""What a look-up by name says when there is nothing of that name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

E = TypeVar("E", bound=Exception)


def named(error: E, kind: str, name: object, known: Iterable[str]) -> E:
    """AWS's error, whose text names nothing, with a note that says what was asked for and what there is."""
    there_is = ", ".join(sorted(known)) or "none"
    error.add_note(f"there is no {kind} {name!r} on this bus; there is: {there_is}")
    return error
