"""What was measured in one span of time: count, sum, extremes, and enough of the values for percentiles.

Values are counted one by one as long as there are at most a thousand different ones: percentiles are exact then. From
there on they are counted in buckets that are 1 % wide, so that a percentile is off by at most half a per cent however
many values there are. A range of 14 decimal orders takes some 3,200 buckets: that bounds the memory.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence

EXACT = 1000
"""Different values that are counted one by one."""
FRESH = 4096
"""Values that are only listed, until somebody reads or there are so many."""
_WIDTH = 1.01
_LOG_WIDTH = math.log(_WIDTH)
_known: dict[int, tuple[float, float]] = {}
"""Buckets that were computed, by their number: there are some 70,000 between the smallest and the largest float."""


class Datum:
    """A mutable distribution. `add` and its kin are cheap; the values are sorted when somebody reads."""

    __slots__ = ("_counts", "_fresh", "_is_exact", "count", "has_values", "maximum", "minimum", "total")

    def __init__(self) -> None:
        self.count: float = 0
        self.total = 0.0
        self.minimum = math.inf
        self.maximum = -math.inf
        self.has_values = True
        """Whether every value is known; not so where somebody gave sums only."""
        self._fresh: list[float] = []
        self._counts: dict[float, float] = {}
        self._is_exact = True

    def add(self, value: float, times: float = 1) -> None:
        """Take in one value, or the same several times."""
        if times:
            self._count(times, value * times, value, value)
            self._take([(value, times)])

    def add_all(self, values: Sequence[float]) -> None:
        """Take in many values at the price of four built-in calls."""
        if values:
            self._count(len(values), sum(values), min(values), max(values))
            self._fresh.extend(values)
            if len(self._fresh) >= FRESH:
                self.settle()

    def add_summary(self, count: float, total: float, minimum: float, maximum: float) -> None:
        """Take in what somebody has summed up already; percentiles are known only if all values are one."""
        if minimum == maximum:
            self.add(minimum, count)
        else:
            self._count(count, total, minimum, maximum)
            self.has_values = False

    def merge(self, other: Datum) -> None:
        """Take in everything of another one."""
        self._count(other.count, other.total, other.minimum, other.maximum)
        self.has_values = self.has_values and other.has_values
        values = other.values()
        if self._is_exact and not other._is_exact:
            self.settle()
            self._use_buckets()
        self._take(values)

    def values(self) -> list[tuple[float, float]]:
        """Every value, ascending, with how often there was one; buckets by their middle."""
        self.settle()
        return sorted(self._counts.items())

    def _count(self, count: float, total: float, minimum: float, maximum: float) -> None:
        self.count += count
        self.total += total
        if minimum < self.minimum:
            self.minimum = minimum
        if maximum > self.maximum:
            self.maximum = maximum

    def settle(self) -> None:
        """Count what is only listed, in buckets if there are many different values."""
        fresh, self._fresh = self._fresh, []
        if self._is_exact and len(fresh) > EXACT and len(set(fresh)) > EXACT:
            self._use_buckets()  # there would be too many anyway
        if self._is_exact:
            self._take(Counter(fresh).items())
        elif fresh:
            fresh.sort()  # whole buckets at a time, which costs far less than a logarithm for each
            self._take(_runs(fresh))

    def _take(self, counted: Iterable[tuple[float, float]]) -> None:
        counts, is_exact = self._counts, self._is_exact
        for value, times in counted:
            place = value if is_exact else bucket(value)[0]
            counts[place] = counts.get(place, 0) + times
        if is_exact and len(counts) > EXACT:
            self._use_buckets()

    def _use_buckets(self) -> None:
        counted, self._counts, self._is_exact = self._counts, {}, False
        self._take(counted.items())


def bucket(value: float) -> tuple[float, float]:
    """The middle and the upper end of the bucket of a value; zero has one of its own."""
    if value == 0 or not math.isfinite(value):
        return value, value
    index = math.ceil(math.log(abs(value)) / _LOG_WIDTH)
    found = _known.get(index)
    if found is None:
        upper = _WIDTH**index
        found = _known[index] = 2 * upper / (1 + _WIDTH), upper
    return found if value > 0 else (-found[0], -found[1] / _WIDTH)


def _runs(ascending: list[float]) -> Iterable[tuple[float, int]]:
    at = 0
    while at < len(ascending):
        middle, upper = bucket(ascending[at])
        end = max(at + 1, bisect_right(ascending, upper, at))
        yield middle, end - at
        at = end
