"""CloudWatch-like metrics: counted per resource and minute, read as sums, averages and extremes.

Names and units: Lambda developer guide, "Types of metrics for Lambda functions" (2026), and the SNS and S3 guides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from eventbus.execution.outcome import Failed

if TYPE_CHECKING:
    from eventbus.delivery.event import Attempt

MINUTES_KEPT = 15 * 24 * 60
"""Data points of one minute are kept for 15 days (CloudWatch)."""


@attrs.define
class Datum:
    """What was measured in one minute."""

    count: int = 0
    total: float = 0.0
    minimum: float = float("inf")
    maximum: float = float("-inf")

    def add(self, value: float) -> None:
        self.count += 1
        self.total += value
        if value < self.minimum:
            self.minimum = value
        if value > self.maximum:
            self.maximum = value


@attrs.frozen
class Statistic:
    """A metric over a span of time: `sum`, `average`, `minimum`, `maximum` and the number of samples."""

    sum: float
    samples: int
    minimum: float | None
    maximum: float | None

    @property
    def average(self) -> float | None:
        """Sum divided by samples, or None without samples."""
        return self.sum / self.samples if self.samples else None


class Metrics:
    """Every metric of one bus."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str], dict[int, Datum]] = {}

    def __repr__(self) -> str:
        return f"<Metrics: {len(self._series)} series>"

    def count(self, name: str, resource: str, at: float, n: float = 1) -> None:
        """Add to a metric of a resource (an ARN) in the minute of an instant; called by the engine and the sources."""
        self._datum(name, resource, at).add(n)

    def attempted(self, attempt: Attempt) -> None:
        """Count one invocation."""
        environment = attempt.environment
        if environment is None:
            return
        arn, at = environment.lane.arn, attempt.at
        self._datum("Invocations", arn, at).add(1)
        self._datum("Errors", arn, at).add(1 if isinstance(attempt.outcome, Failed) else 0)
        self._datum("Duration", arn, at).add(attempt.duration * 1000)
        if attempt.age >= 0:
            self._datum("AsyncEventAge", arn, at).add(attempt.age * 1000)

    def query(
        self, name: str, resource: object = None, *, start: float = float("-inf"), end: float = float("inf")
    ) -> Statistic:
        """A metric such as `Invocations`, `Errors`, `Throttles`, `Duration` (ms) or `AsyncEventsDropped`.

        Of one resource (an object with an `arn`, or an ARN) or of all; between two instants, seconds since the epoch, at
        a resolution of one minute.
        """
        arn = getattr(resource, "arn", resource)
        total = Datum()
        for (metric, owner), minutes in self._series.items():
            if metric == name and arn in (None, owner):
                for minute, datum in minutes.items():
                    if start - 60 < minute * 60 < end:
                        total.count += datum.count
                        total.total += datum.total
                        total.minimum = min(total.minimum, datum.minimum)
                        total.maximum = max(total.maximum, datum.maximum)
        has_any = total.count > 0
        return Statistic(
            total.total, total.count, total.minimum if has_any else None, total.maximum if has_any else None
        )

    def names(self, resource: object = None) -> list[str]:
        """The names of the metrics that have data, of one resource or of all."""
        arn = getattr(resource, "arn", resource)
        return sorted({metric for metric, owner in self._series if arn in (None, owner)})

    def _datum(self, name: str, resource: str, at: float) -> Datum:
        minutes = self._series.get((name, resource))
        if minutes is None:
            minutes = self._series[name, resource] = {}
        minute = int(at // 60)
        datum = minutes.get(minute)
        if datum is None:
            datum = minutes[minute] = Datum()
            while len(minutes) > MINUTES_KEPT:
                del minutes[next(iter(minutes))]
        return datum
