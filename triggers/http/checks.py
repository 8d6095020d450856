"""What options have to be, asked at the call: a wrong one would show in the first request only; pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Final

from triggers.http.errors import BadRequest

_VARIABLE: Final = re.compile(r"\w{1,64}", re.ASCII)


def is_number(value: object) -> bool:
    """Whether this is a finite number, and no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def checked_limit(name: str, value: object) -> None:
    """Refuse a rate or a burst that is none; 0 lets nothing through."""
    if not is_number(value) or (isinstance(value, int | float) and value < 0):
        raise BadRequest(f"{name}={value!r} is not valid", mend="give a number of requests, 0 or more")


def checked_flag(name: str, value: object) -> None:
    """Refuse what is neither True nor False: a text would be true whatever it says."""
    if not isinstance(value, bool):
        raise BadRequest(f"{name}={value!r} is not valid", mend="True or False")


def texts(name: str, value: object) -> tuple[str, ...]:
    """Texts, from one or several."""
    if isinstance(value, str):
        return (value,)
    found = tuple(value) if isinstance(value, Iterable) and not isinstance(value, bytes | Mapping) else None
    if found is None or not all(isinstance(one, str) for one in found):
        raise BadRequest(f"{name}={value!r} is not valid", mend="give a text, or a list of texts")
    return found


def stage_variables(value: object) -> dict[str, str]:
    """The variables of a stage: names of letters, digits and underscores, and texts."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(
        isinstance(name, str) and _VARIABLE.fullmatch(name) and isinstance(text, str) for name, text in value.items()
    ):
        raise BadRequest(
            f"Stage variables {value!r} are not valid",
            mend="a mapping of names, with letters, digits and underscores, to texts",
        )
    return dict(value)
