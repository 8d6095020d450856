"""Log groups that somebody made or set up: their names, streams, retention, and the events put into them.

Limits: CloudWatch Logs API reference, CreateLogGroup, CreateLogStream, PutLogEvents, PutRetentionPolicy (2026).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import Any

import attrs

from eventbus.telemetry.errors import InvalidLogParameter, LogGroupExists, LogGroupNotFound
from eventbus.telemetry.log_event import LogEvent, is_instant

DAY = 86_400.0
RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip
"""What PutRetentionPolicy accepts."""
MAX_BATCH = 10_000
MAX_BATCH_BYTES = 1_048_576
"""Of all messages, with 26 for each event."""
EVENT_OVERHEAD = 26
TOO_OLD = 14 * DAY
TOO_NEW = 2 * 3600.0
_GROUP_NAME = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")
_STREAM_NAME = re.compile(r"[^:*]{1,512}")


@attrs.frozen
class RejectedLogEvents:
    """Which of the events that were put CloudWatch Logs left out, by their place in the call; None for none."""

    too_new_from: int | None = None
    """The first event that lies more than two hours ahead; all after it are left out as well."""
    too_old_until: int | None = None
    """One past the last event that is older than 14 days."""
    expired_until: int | None = None
    """One past the last event that is older than the group's retention."""


@attrs.define
class LogGroup:
    """What a group has beyond the logs of functions."""

    name: str
    created_at: float
    is_own: bool = False
    """A user made it, and not Lambda for a function."""
    retention_days: int | None = None
    """None keeps events forever."""
    streams: dict[str, float] = attrs.field(factory=dict)
    """Streams that somebody made, with the instant."""
    events: deque[LogEvent] = attrs.field(factory=deque, repr=False)
    tags: dict[str, str] = attrs.field(factory=dict)

    def begins_at(self, now: float) -> float:
        """Events before this instant have expired."""
        return -float("inf") if self.retention_days is None else now - self.retention_days * DAY

    def forget(self, stream: str) -> None:
        """Drop a stream that somebody made, with its events."""
        del self.streams[stream]
        left = [event for event in self.events if event.stream != stream]
        self.events.clear()
        self.events.extend(left)

    def take(
        self, stream: str, events: list[tuple[float, str]], now: float
    ) -> tuple[list[LogEvent], RejectedLogEvents]:
        """Take events in, but for those that are too old or too new. Raises InvalidLogParameter for a bad batch."""
        if stream not in self.streams:
            raise LogGroupNotFound(
                "The specified log stream does not exist.",
                mend=f"call bus.logs.create_log_stream({self.name!r}, {stream!r}) first",
            )
        check_batch(events)
        rejected = _rejected(events, self, now)
        first = max(rejected.too_old_until or 0, rejected.expired_until or 0)
        kept = events[first : rejected.too_new_from]
        taken = [LogEvent(at, stream, message, "", now) for at, message in kept]
        self.events.extend(taken)
        return taken, rejected


class LogGroups:
    """The groups of one bus that somebody made."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._groups: dict[str, LogGroup] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._groups

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._groups))

    def get(self, name: str) -> LogGroup | None:
        return self._groups.get(name)

    def create(self, name: object, now: float) -> LogGroup:
        """Make a group. Raises InvalidLogParameter for a name that cannot be, LogGroupExists for one that is taken."""
        if not isinstance(name, str) or not _GROUP_NAME.fullmatch(name):
            raise InvalidLogParameter(
                f"The log group name {name!r} is invalid.", mend="1 to 512 letters, digits and _ - / . # are accepted"
            )
        if name in self._groups:
            raise LogGroupExists("The specified log group already exists")
        group = self._groups[name] = LogGroup(name, now, events=deque(maxlen=self._limit))
        return group

    def open(self, name: str, now: float) -> LogGroup:
        """The group of this name, made if there is none: what Lambda does for a function."""
        return self._groups[name] if name in self._groups else self.create(name, now)

    def delete(self, name: str) -> None:
        self._groups.pop(name, None)


def check_stream_name(name: object) -> None:
    """Raise InvalidLogParameter for a stream's name that cannot be."""
    if not isinstance(name, str) or not _STREAM_NAME.fullmatch(name):
        raise InvalidLogParameter(
            f"The log stream name {name!r} is invalid.", mend="1 to 512 characters without : and * are accepted"
        )


def check_retention(days: object) -> None:
    """Raise InvalidLogParameter for a retention that AWS doesn't have."""
    if days not in RETENTION_DAYS or isinstance(days, bool):
        raise InvalidLogParameter(
            f"The retention of {days!r} days is invalid.", mend=f"{', '.join(map(str, RETENTION_DAYS))} are accepted"
        )


def check_batch(events: list[Any]) -> None:
    """Raise InvalidLogParameter for a batch that PutLogEvents would refuse as a whole."""
    if not 1 <= len(events) <= MAX_BATCH:
        raise InvalidLogParameter(f"A call takes 1 to {MAX_BATCH:,} log events, not {len(events):,}.")
    for event in events:
        if not (isinstance(event, tuple | list) and len(event) == 2 and is_instant(event[0]) and type(event[1]) is str):
            raise InvalidLogParameter(
                f"{event!r} is no log event.", mend="one is a pair of seconds since the epoch and a text"
            )
    if any(not message for _, message in events):
        raise InvalidLogParameter("A log event has at least one character.")
    size = sum(len(message.encode()) + EVENT_OVERHEAD for _, message in events)
    if size > MAX_BATCH_BYTES:
        raise InvalidLogParameter(f"Upload too large: {size} bytes exceeds limit of {MAX_BATCH_BYTES}")
    instants = [at for at, _ in events]
    if instants != sorted(instants):
        raise InvalidLogParameter("Log events in a single PutLogEvents request must be in chronological order.")
    if instants[-1] - instants[0] > DAY:
        raise InvalidLogParameter(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
        )


def _rejected(events: list[tuple[float, str]], group: LogGroup, now: float) -> RejectedLogEvents:
    too_new = next((index for index, (at, _) in enumerate(events) if at > now + TOO_NEW), None)
    too_old = sum(at < now - TOO_OLD for at, _ in events)
    expired = sum(at < group.begins_at(now) for at, _ in events)
    return RejectedLogEvents(too_new, too_old or None, expired or None)
