"""Archives keep the events of an event bus; replays put them in again.

Replayed events carry `replay-name`, by which archives know to leave them out. They go out in slices of a minute, in the
order of their time. Source: User Guide, "Archiving and replaying events" (2026).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import attrs

from eventbus.delivery.payload import as_text, decode, encode
from eventbus.telemetry.trace import Cause
from triggers.eventbridge.configured import check_archive, check_description, compiled
from triggers.eventbridge.errors import NotValid
from triggers.eventbridge.events import BusEvent, instant
from triggers.keeping import as_row, from_row, nothing, number_key, rows_of
from triggers.patterns.language import Pattern

if TYPE_CHECKING:
    from eventbus.storage.batches import Space
    from triggers.eventbridge.event_bus import EventBridgeBus
    from triggers.eventbridge.keeping import Keeping

SLICE: Final = 60
"""Seconds of events that a replay puts in together."""
_DAY: Final = 86_400


class Archive:
    """The events of an event bus that match a pattern; made by `create_archive`."""

    def __init__(
        self, event_bus: EventBridgeBus, name: str, pattern: Pattern | None, retention_days: int, description: str
    ) -> None:
        self.event_bus = event_bus
        self._bus = event_bus.bus
        self.name = name
        self.arn = f"arn:{self._bus.partition}:events:{self._bus.region}:{self._bus.account_id}:archive/{name}"
        self.pattern = pattern
        self.retention_days = retention_days
        self.description = description
        self.created_at = self._bus.clock.now()
        self.is_deleted = False
        self._kept: list[bytes] = []
        """Rows of what came while there was no store to keep them in."""
        self._keeping: Keeping | None = None

    def __repr__(self) -> str:
        return f"<Archive {self.name} of {self.event_bus.name}: {self.event_count} events>"

    @property
    def event_count(self) -> int:
        return sum(1 for _ in self._rows())

    @property
    def size_bytes(self) -> int:
        """Bytes of the events' JSON."""
        return sum(len(from_row(row)[1]) for row in self._rows())

    def wants(self, event: BusEvent) -> bool:
        """Whether the archive keeps this event; never one that a replay has put in."""
        if "replay-name" in event.document:
            return False
        return self.pattern is None or self.pattern.matches(event.document)

    def add(self, event: BusEvent) -> None:
        """Keep an event, safely if there is a store."""
        row = as_row([instant(event.document["time"]), self._bus.clock.now()], as_text(event.body).encode())
        if self._keeping is None:
            self._kept.append(row)
        else:
            self._space.put(self._new_key(), row, undo=nothing, is_new=True)

    def keep(self, keeping: Keeping) -> None:
        """Called by the service: keep what comes in the store, and take up what it has."""
        self._keeping = keeping
        for row in self._kept:
            self._space.put(self._new_key(), row)
        self._kept.clear()

    def events(self, start: float, end: float) -> Iterator[list[dict[str, Any]]]:
        """The events from `start` to `end`, both included, in slices of a minute."""
        slices: dict[int, list[tuple[float, bytes]]] = {}
        for row in self._rows():
            at = from_row(row)[0][0]
            if start <= at <= end:
                slices.setdefault(int(at // SLICE), []).append((at, row))
        for number in sorted(slices):
            yield [decode(from_row(row)[1]) for _, row in sorted(slices[number], key=_at)]

    def update(
        self,
        *,
        event_pattern: str | Mapping[str, Any] | None = None,
        retention_days: int | None = None,
        description: str | None = None,
    ) -> None:
        """Change what is given, for events to come: UpdateArchive. Raises NotValid or InvalidEventPattern."""
        days = self.retention_days if retention_days is None else retention_days
        check_archive(self.name, days)
        check_description(self.description if description is None else description)
        pattern = self.pattern if event_pattern is None else compiled(event_pattern)
        self.pattern, self.retention_days = pattern, days
        self.description = self.description if description is None else description

    def delete(self) -> None:
        """Delete the archive and its events: DeleteArchive."""
        self.event_bus.remove_archive(self)
        self.is_deleted = True
        self._kept.clear()
        if self._keeping is not None:
            for key, _ in list(rows_of(self._space, self.name)):
                self._space.delete(key)

    def describe(self) -> dict[str, Any]:
        """The archive in boto3's shape: DescribeArchive."""
        document: dict[str, Any] = {
            "ArchiveArn": self.arn,
            "ArchiveName": self.name,
            "EventSourceArn": self.event_bus.arn,
            "State": "ENABLED",
            "RetentionDays": self.retention_days,
            "SizeBytes": self.size_bytes,
            "EventCount": self.event_count,
            "CreationTime": self.created_at,
        }
        if self.description:
            document["Description"] = self.description
        if self.pattern is not None:
            document["EventPattern"] = as_text(encode(self.pattern.document))
        return document

    def _rows(self) -> Iterator[bytes]:
        """What is kept, after what is too old was dropped."""
        oldest = self._bus.clock.now() - self.retention_days * _DAY if self.retention_days else float("-inf")
        if self._keeping is None:
            self._kept = [row for row in self._kept if from_row(row)[0][1] >= oldest]
            yield from self._kept
            return
        for key, row in list(rows_of(self._space, self.name)):
            if from_row(row)[0][1] >= oldest:
                yield row
            else:
                self._space.delete(key)

    def _new_key(self) -> str:
        assert self._keeping is not None
        return number_key(self.name, self._keeping.numbers.draw())

    @property
    def _space(self) -> Space[str]:
        assert self._keeping is not None
        return self._keeping.archives


def _at(row: tuple[float, bytes]) -> float:
    return row[0]


@attrs.define(eq=False, repr=False)
class Replay:
    """Events of an archive that are put in again; made by `start_replay`."""

    name: str
    arn: str
    archive: Archive
    start: float
    end: float
    rules: frozenset[str]
    """ARNs of the rules that get the events; empty for all."""
    started_at: float
    state: str = "STARTING"
    """STARTING, RUNNING, CANCELLING, COMPLETED, CANCELLED or FAILED."""
    state_reason: str | None = None
    """Why it failed."""
    last_replayed_at: float | None = None
    """The time of the latest event that was put in."""
    ended_at: float | None = None
    cause: Cause | None = None

    def __repr__(self) -> str:
        return f"<Replay {self.name} of {self.archive.name}: {self.state}>"

    def cancel(self) -> None:
        """Put in no more events: CancelReplay. Raises NotValid for a replay that has ended."""
        if self.state not in ("STARTING", "RUNNING"):
            raise NotValid(f"Replay {self.name} is not in a valid state for this operation.")
        self.state = "CANCELLING"

    def describe(self) -> dict[str, Any]:
        """The replay in boto3's shape: DescribeReplay."""
        destination: dict[str, Any] = {"Arn": self.archive.event_bus.arn}
        if self.rules:
            destination["FilterArns"] = sorted(self.rules)
        document: dict[str, Any] = {
            "ReplayName": self.name,
            "ReplayArn": self.arn,
            "State": self.state,
            "EventSourceArn": self.archive.arn,
            "Destination": destination,
            "EventStartTime": self.start,
            "EventEndTime": self.end,
            "ReplayStartTime": self.started_at,
        }
        if self.state_reason is not None:
            document["StateReason"] = self.state_reason
        if self.last_replayed_at is not None:
            document["EventLastReplayedTime"] = self.last_replayed_at
        if self.ended_at is not None:
            document["ReplayEndTime"] = self.ended_at
        return document

    async def run(self) -> None:
        """Put the events in, slice by slice, as fast as the queues take them."""
        event_bus = self.archive.event_bus
        bus = event_bus.bus
        if self.archive.is_deleted:
            self.state, self.state_reason = "FAILED", f"Archive {self.archive.name} does not exist."
            self.ended_at = bus.clock.now()
            return
        for events in self.archive.events(self.start, self.end):
            if not await bus.turn() or self.state == "CANCELLING":
                break
            self.state = "RUNNING"
            for document in events:
                event = BusEvent({**document, "replay-name": self.name}, bus.clock.now())
                with bus.facts():
                    event_bus.take(event, self.cause, self.rules or None)
                self.last_replayed_at = instant(document["time"])
        self.state = "CANCELLED" if self.state == "CANCELLING" else "COMPLETED"
        self.ended_at = bus.clock.now()


def time_range(start: float | datetime | str, end: float | datetime | str) -> tuple[float, float]:
    """The two ends of a replay as instants. Raises NotValid."""
    first, last = instant(start), instant(end)
    if first is None or last is None:
        wrong = start if first is None else end
        raise NotValid(f"{wrong!r} is no instant; give seconds since the epoch, a datetime or a text in ISO format")
    if first >= last:
        raise NotValid("Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime.")
    return first, last
