"""Pages of log events, and the tokens between them; pure.

Every event of a group has a number that grows with its time, so that a page goes on where the one before has ended,
whatever was written or forgotten since; but for those of one microsecond, which are counted.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from eventbus.telemetry.errors import InvalidLogParameter
from eventbus.telemetry.log_event import LogEvent

MOST_EVENTS = 10_000
MOST_BYTES = 1_048_576
"""Of one answer of GetLogEvents and FilterLogEvents (API reference, 2026)."""
_DIGITS = 56
_SAME_INSTANT = 10**9
"""Events of one microsecond that have numbers of their own."""


@attrs.frozen
class NumberedEvent:
    """An event with its number, which is also its `eventId`."""

    number: int
    event: LogEvent

    @property
    def event_id(self) -> str:
        return f"{self.number:0{_DIGITS}}"


@attrs.frozen
class LogPage:
    """One page of GetLogEvents: the events, oldest first, and the tokens for what comes after and before them."""

    events: list[LogEvent]
    next_forward_token: str
    next_backward_token: str


@attrs.frozen
class FoundEvents:
    """One page of FilterLogEvents."""

    events: list[NumberedEvent]
    next_token: str | None
    """None when there are no more."""


def numbered(events: Iterable[LogEvent]) -> list[NumberedEvent]:
    """The events of a group, oldest first, with their numbers."""
    found: list[NumberedEvent] = []
    last = -1
    for event in events:
        last = max(last + 1, int(event.at * 1_000_000) * _SAME_INSTANT)
        found.append(NumberedEvent(last, event))
    return found


def page_of_stream(events: list[NumberedEvent], token: str | None, limit: int, *, from_head: bool) -> LogPage:
    """The page that a token stands for; without one the first, or the last, events. Raises InvalidLogParameter."""
    check_limit(limit)
    way, at = ("f", -1) if from_head else ("b", None)
    if token is not None:
        way, at = _read(token)
    if way == "f":
        shown = _fitting((e for e in events if at is None or e.number > at), limit)
    else:
        shown = _fitting((e for e in reversed(events) if at is None or e.number < at), limit)[::-1]
    if shown:
        first, last = shown[0].number, shown[-1].number
    else:  # the same token again says that there is nothing more for now
        first = last = 0 if at is None or at < 0 else at
        first, last = (last + 1, last) if way == "f" else (first, first - 1)
    return LogPage([e.event for e in shown], _token("f", max(last, 0)), _token("b", max(first, 0)))


def page_of_group(events: list[NumberedEvent], token: str | None, limit: int) -> FoundEvents:
    """The events behind the one that a token names. Raises InvalidLogParameter."""
    check_limit(limit)
    after = -1 if token is None else _number(token)
    left = [event for event in events if event.number > after]
    shown = _fitting(left, limit)
    return FoundEvents(shown, shown[-1].event_id if len(shown) < len(left) else None)


def check_limit(limit: int, most: int = MOST_EVENTS) -> None:
    """Raise InvalidLogParameter for a page of a size that CloudWatch Logs doesn't have."""
    if not 1 <= limit <= most:
        raise InvalidLogParameter(
            f"1 validation error detected: Value '{limit}' at 'limit' failed to satisfy constraint: "
            f"Member must have value between 1 and {most}"
        )


def _fitting(events: Iterable[NumberedEvent], limit: int) -> list[NumberedEvent]:
    """As many of these as one answer holds, at least one."""
    fitting: list[NumberedEvent] = []
    size = 0
    for numbered_event in events:
        size += len(numbered_event.event.message.encode(errors="replace"))
        if len(fitting) == limit or (fitting and size > MOST_BYTES):
            break
        fitting.append(numbered_event)
    return fitting


def _token(way: str, number: int) -> str:
    return f"{way}/{number:0{_DIGITS}}/s"


def _read(token: str) -> tuple[str, int | None]:
    way, _, rest = token.partition("/")
    if way not in ("f", "b") or not rest.endswith("/s"):
        raise _invalid()
    return way, _number(rest.removesuffix("/s"))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise _invalid()
    return int(text)


def _invalid() -> InvalidLogParameter:
    return InvalidLogParameter("The specified nextToken is invalid.", mend="give the token of the page before")
