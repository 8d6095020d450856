"""One line of a log stream, and the levels that decide which lines there are."""

from __future__ import annotations

import re
from typing import Any

import attrs
import orjson

from eventbus.functions.configuration import APPLICATION_LOG_LEVELS
from eventbus.telemetry.errors import InvalidLogParameter

_RANKS = {name: rank for rank, name in enumerate(APPLICATION_LOG_LEVELS)} | {"WARNING": 3, "CRITICAL": 5}
_INFO = _RANKS["INFO"]
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


@attrs.frozen
class LogEvent:
    """One event of a log stream."""

    at: float
    """Seconds since the epoch."""
    stream: str
    message: str
    """The text, with the line's end as on AWS."""
    request_id: str
    """The invocation that it belongs to; empty for what belongs to none."""
    ingested_at: float = attrs.field(default=attrs.Factory(lambda self: self.at, takes_self=True), eq=False, repr=False)
    """When CloudWatch Logs took it in."""


def milliseconds(at: float) -> int:
    """An instant as CloudWatch Logs has it: whole milliseconds, of which this one is part."""
    return int(at * 1000 + 1e-3)  # so that 1.001 is 1,001, whatever floats make of it


def is_wanted(level: str, least: str) -> bool:
    """Whether a level is at least as severe as another."""
    return _RANKS[level] >= _RANKS[least]


def line_is_wanted(line: str, least: str) -> bool:
    """Whether a function with JSON logs keeps this line: by the level that it states, else as INFO."""
    return _rank(line) >= _RANKS[least]


def _rank(line: str) -> int:
    if not line.startswith("{"):
        return _INFO
    try:
        record: Any = orjson.loads(line)
    except orjson.JSONDecodeError:
        return _INFO
    level, timestamp = record.get("level"), record.get("timestamp")
    if isinstance(level, str) and isinstance(timestamp, str) and _RFC_3339.fullmatch(timestamp):
        return _RANKS.get(level.upper(), _INFO)
    return _INFO


def is_instant(value: object) -> bool:
    """Whether this is a number of seconds since the epoch."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value  # not a number is unequal


def check_span(start: object, end: object) -> None:
    """Raise InvalidLogParameter for what are no instants."""
    for name, value in (("start", start), ("end", end)):
        if not is_instant(value):
            raise InvalidLogParameter(f"{name}={value!r}: seconds since the epoch are needed.")


def check_limit(limit: object) -> None:
    """Raise InvalidLogParameter for what is no number of events."""
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 0):
        raise InvalidLogParameter(f"limit={limit!r}: a whole number from 0 is needed, or None for all.")
