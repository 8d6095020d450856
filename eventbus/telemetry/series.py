"""The points of one metric over time."""

from __future__ import annotations

from collections.abc import Iterator

from eventbus.telemetry.distribution import Datum

MINUTES_KEPT = 15 * 24 * 60
"""Data points of one minute are kept for 15 days (CloudWatch)."""
SECONDS_KEPT = 3 * 60 * 60
"""Data points of less than a minute are kept for three hours, and in minutes from then on (CloudWatch)."""


class Series:
    """The points of one metric, oldest first."""

    __slots__ = ("minutes", "past", "seconds", "unit")

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.minutes: dict[int, Datum] = {}
        self.seconds: dict[int, Datum] = {}
        self.past = [0.0, 0.0]
        """Number and sum of what is no longer kept."""

    def add(self, at: float, value: float, times: float = 1) -> None:
        """Take in a value, so many times, in the minute of an instant."""
        self.minute(int(at // 60)).add(value, times)

    def add_all(self, minute: int, values: list[float]) -> None:
        """Take in the values of one minute."""
        self.minute(minute).add_all(values)

    def add_point(self, at: float, point: Datum, resolution: int) -> None:
        """Take in what was measured elsewhere."""
        if resolution == 1:
            self._point(self.seconds, int(at), SECONDS_KEPT).merge(point)
        self.minute(int(at // 60)).merge(point)

    def minute(self, minute: int) -> Datum:
        return self.minutes.get(minute) or self._point(self.minutes, minute, MINUTES_KEPT)

    def points(self, start: float, end: float, *, finely: bool = False) -> Iterator[tuple[int, Datum]]:
        """Instants and what was measured from there on, between two; by the second where asked for and known."""
        length, points = (1, self.seconds) if finely and self.seconds else (60, self.minutes)
        return ((at * length, datum) for at, datum in points.items() if start - length < at * length < end)

    @property
    def total(self) -> tuple[float, float]:
        """Number and sum of everything that was ever measured."""
        points = self.minutes.values()
        return self.past[0] + sum(p.count for p in points), self.past[1] + sum(p.total for p in points)

    def _point(self, points: dict[int, Datum], key: int, kept: int) -> Datum:
        datum = points.get(key)
        if datum is None:
            if points:
                next(reversed(points.values())).settle()  # its span is over: nothing needs to be listed any more
            datum = points[key] = Datum()
            while len(points) > kept:
                oldest = points.pop(next(iter(points)))
                if points is self.minutes:
                    self.past[0] += oldest.count
                    self.past[1] += oldest.total
        return datum
