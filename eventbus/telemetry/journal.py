"""The one narrow hook through which the engine reports what happened.

On the hot path an attempt is one append to a list. Logs and metrics are made of these values when somebody reads them,
or, so that memory stays bounded, whenever a batch is full.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from eventbus.delivery.retry import Reason

if TYPE_CHECKING:
    from eventbus.delivery.event import Attempt, Event
    from eventbus.delivery.settling import Settling
    from eventbus.telemetry.metrics import Metrics

BATCH = 512


class Journal:
    """Attempts, newest last: the latest `history` of them are kept for the logs, all of them are counted."""

    def __init__(self, metrics: Metrics, history: int) -> None:
        self._metrics = metrics
        self.fresh: list[Attempt] = []
        """Attempts that are not counted yet. Environments append to this very list, and call `fold` now and then."""
        self._kept: deque[Attempt] = deque(maxlen=history)
        self.forgotten = 0
        """Attempts that the logs no longer show."""

    def attempts(self) -> deque[Attempt]:
        """The attempts that are kept, oldest first."""
        self._fold()
        return self._kept

    def metrics(self) -> Metrics:
        """The metrics, up to date."""
        self._fold()
        return self._metrics

    def count(self, name: str, resource_arn: str, at: float, n: float = 1) -> None:
        """Add to a metric of a resource."""
        self._metrics.count(name, resource_arn, at, n)

    def throttled(self, lane: Settling, attempt: Attempt) -> None:
        """Note a try for which there was no environment."""
        self._metrics.count("Throttles", lane.function.arn, attempt.at)

    def dropped(self, lane: Settling, event: Event, reason: Reason) -> None:
        """Note an event that was given up."""
        now = lane.bus.clock.now()
        self._metrics.count("AsyncEventsDropped", lane.function.arn, now)
        if reason is Reason.RECURSIVE_INVOCATION:
            self._metrics.count("RecursiveInvocationsDropped", lane.function.arn, now)

    def fold(self) -> None:
        """Count the fresh attempts if there is a batch of them."""
        if len(self.fresh) >= BATCH:
            self._fold()

    def _fold(self) -> None:
        fresh = self.fresh[:]
        self.fresh.clear()
        self.forgotten += max(0, len(self._kept) + len(fresh) - (self._kept.maxlen or 0))
        self._kept.extend(fresh)
        if fresh:
            self._metrics.invoked(fresh)
