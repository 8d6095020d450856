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

    def add_all(self, values: list[float]) -> None:
        self.count += len(values)
        self.total += sum(values)
        self.minimum = min(self.minimum, min(values))
        self.maximum = max(self.maximum, max(values))


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


def _grouped(attempts: list[Attempt]) -> dict[tuple[str, int], list[Attempt]]:
    """Attempts by function and minute."""
    first, last = int(attempts[0].at // 60), int(attempts[-1].at // 60)
    environments = {attempt.environment for attempt in attempts}
    if first == last and len(environments) == 1 and (only := environments.pop()) is not None:
        return {(only.lane.arn, first): attempts}
    groups: dict[tuple[str, int], list[Attempt]] = {}
    for attempt in attempts:
        if attempt.environment is not None:
            groups.setdefault((attempt.environment.lane.arn, int(attempt.at // 60)), []).append(attempt)
    return groups


class Metrics:
    """Every metric of one bus."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str], dict[int, Datum]] = {}

    def __repr__(self) -> str:
        return f"<Metrics: {len(self._series)} series>"

    def count(self, name: str, resource: str, at: float, n: float = 1) -> None:
        """Add to a metric of a resource (an ARN) in the minute of an instant; called by the engine and the sources."""
        self._datum(name, resource, int(at // 60)).add(n)

    def invoked(self, attempts: list[Attempt]) -> None:
        """Count a batch of invocations. Grouped first, so that the sums are made by C and not by this loop."""
        for (arn, minute), group in _grouped(attempts).items():
            errors = sum([attempt.outcome.__class__ is Failed for attempt in group])
            self._datum("Invocations", arn, minute).add_all([1.0] * len(group))
            self._datum("Errors", arn, minute).add_all([1.0] * errors + [0.0] * (len(group) - errors))
            self._datum("Duration", arn, minute).add_all([attempt.duration * 1000 for attempt in group])
            ages = [attempt.age * 1000 for attempt in group if attempt.age >= 0]
            if ages:
                self._datum("AsyncEventAge", arn, minute).add_all(ages)

    def query(
        self, name: str, resource: object = None, *, start: float = float("-inf"), end: float = float("inf")
    ) -> Statistic:
        """A metric such as `Invocations`, `Errors`, `Throttles`, `Duration` (ms) or `AsyncEventsDropped`.

        Of one resource (an object with an `arn`, or an ARN) or of all; between two instants, seconds since the epoch,
        at a resolution of one minute.
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

    def _datum(self, name: str, resource: str, minute: int) -> Datum:
        minutes = self._series.get((name, resource))
        if minutes is None:
            minutes = self._series[name, resource] = {}
        datum = minutes.get(minute)
        if datum is None:
            datum = minutes[minute] = Datum()
            while len(minutes) > MINUTES_KEPT:
                del minutes[next(iter(minutes))]
        return datum
