"""CloudWatch's statistics, as pure functions on counted values.

`SampleCount`, `Sum`, `Average`, `Minimum`, `Maximum`; percentiles `p99.9`; trimmed mean, count and sum `tm90`, `TC(…)`,
`TS(…)`; winsorized mean `wm95`; percentile rank `PR(:300)`; interquartile mean `IQM`. A range is in per cent,
`TM(10%:90%)`, or in the metric's own unit, `TC(100:2000)`; its lower end is exclusive and its upper end inclusive.
Source: CloudWatch user guide, "CloudWatch statistics definitions" (2026). That a percentile is the value at the nearest
rank, without interpolation, is unconfirmed, and that a value on the edge of a percentage counts in part.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import attrs

from eventbus.telemetry.distribution import Datum
from eventbus.telemetry.errors import InvalidMetricData

Values = Sequence[tuple[float, float]]
"""Values, ascending, with how often there was each."""

_SHORT = re.compile(r"(p|tm|wm|tc|ts)(\d{1,3}(?:\.\d{1,10})?)", re.IGNORECASE)
_RANGE = re.compile(r"(TM|WM|TC|TS|PR)\(([^:()]*):([^:()]*)\)", re.IGNORECASE)
_KNOWN = "Sum, Average, Minimum, Maximum, SampleCount, p0 to p100, tm, wm, tc, ts, PR(a:b), IQM are known"


@attrs.frozen
class Statistic:
    """A metric over a span of time: `sum`, `average`, `minimum`, `maximum`, the number of samples, percentiles."""

    sum: float
    samples: float
    minimum: float | None
    maximum: float | None
    unit: str = "None"
    values: tuple[tuple[float, float], ...] | None = attrs.field(default=(), repr=False)
    """The values, ascending, each with how often there was one; None where only sums are known."""

    @property
    def average(self) -> float | None:
        """Sum divided by samples, or None without samples."""
        return self.sum / self.samples if self.samples else None

    def percentile(self, percent: float) -> float | None:
        """The value that so many per cent of all values do not exceed; None without values."""
        return self.of(f"p{percent:.10f}".rstrip("0").rstrip("."))

    def of(self, name: str) -> float | None:
        """The statistic of this name: `"Average"`, `"p99.9"`, `"TM(10%:90%)"`, …; None without values.

        Raises InvalidMetricData for a name that CloudWatch doesn't know.
        """
        simple = {
            "SampleCount": self.samples,
            "Sum": self.sum,
            "Average": self.average,
            "Minimum": self.minimum,
            "Maximum": self.maximum,
        }
        if name in simple:
            return simple[name]
        compute = extended(name)
        return compute(self.values) if self.values else None


def statistic(datum: Datum, unit: str = "None") -> Statistic:
    """The frozen statistic of what was measured."""
    has_any = datum.count > 0
    return Statistic(
        datum.total,
        datum.count,
        datum.minimum if has_any else None,
        datum.maximum if has_any else None,
        unit,
        tuple(datum.values()) if datum.has_values else None,
    )


def check_statistic(name: str) -> None:
    """Raise InvalidMetricData for a statistic that CloudWatch doesn't know."""
    Statistic(0, 0, None, None).of(name)


def extended(name: str) -> Callable[[Values], float | None]:
    """The function on values that an extended statistic names. Raises InvalidMetricData."""
    if name.upper() == "IQM":
        return lambda values: _mean(_by_rank(values, 0.25, 0.75))
    if short := _SHORT.fullmatch(name):
        kind, share = short[1].lower(), float(short[2]) / 100
        if share > 1:
            raise _unknown(name, "a percentage is at most 100")
        return (lambda values: _at_rank(values, share)) if kind == "p" else _trimmed(kind, 0.0, share)
    if found := _RANGE.fullmatch(name):
        return _over_range(name, found[1].lower(), found[2].strip(), found[3].strip())
    raise _unknown(name, _KNOWN)


def _over_range(name: str, kind: str, low: str, high: str) -> Callable[[Values], float | None]:
    is_share = low.endswith("%") or high.endswith("%")
    try:
        ends = [float(end.removesuffix("%")) if end else None for end in (low, high)]
    except ValueError:
        raise _unknown(name, "a range is made of two numbers, or two percentages") from None
    mixed = is_share and any(end and not end.endswith("%") for end in (low, high))
    if mixed or ends == [None, None] or (kind == "pr" and is_share):
        raise _unknown(
            name, "a range has two numbers or two percentages, one of which may be left out; PR takes numbers"
        )
    if is_share:
        first, last = (0.0 if ends[0] is None else ends[0] / 100), (1.0 if ends[1] is None else ends[1] / 100)
        if not 0 <= first < last <= 1:
            raise _unknown(name, "percentages go from 0 to 100, and the first is the smaller one")
        return _trimmed(kind, first, last)
    bottom, top = (-math.inf if ends[0] is None else ends[0]), (math.inf if ends[1] is None else ends[1])
    return lambda values: _summary(kind, values, [(v, n) for v, n in values if bottom < v <= top], bottom, top)


def _trimmed(kind: str, first: float, last: float) -> Callable[[Values], float | None]:
    def compute(values: Values) -> float | None:
        kept = _by_rank(values, first, last)
        ends = (kept[0][0], kept[-1][0]) if kept else (-math.inf, math.inf)
        return _summary(kind, values, kept, *ends)

    return compute


def _summary(kind: str, values: Values, kept: Values, bottom: float, top: float) -> float | None:
    match kind:
        case "tm":
            return _mean(kept)
        case "tc":
            return sum(times for _, times in kept)
        case "ts":
            return sum(value * times for value, times in kept)
        case "pr":
            return 100 * sum(times for _, times in kept) / sum(times for _, times in values)
        case _:
            return _mean([(min(max(value, bottom), top), times) for value, times in values])


def _mean(values: Values) -> float | None:
    count = sum(times for _, times in values)
    return sum(value * times for value, times in values) / count if count else None


def _at_rank(values: Values, share: float) -> float:
    """The value at the nearest rank: the smallest that at least this share of all values does not exceed."""
    rank = math.ceil(round(share * sum(times for _, times in values), 6))
    passed = 0.0
    for value, times in values:
        passed += times
        if passed >= rank:
            return value
    return values[-1][0]


def _by_rank(values: Values, first: float, last: float) -> list[tuple[float, float]]:
    """The values between two shares of all values; one that lies on an edge counts in part."""
    count = sum(times for _, times in values)
    low, high = round(first * count, 6), round(last * count, 6)
    kept: list[tuple[float, float]] = []
    passed = 0.0
    for value, times in values:
        begin, end = max(passed, low), min(passed + times, high)
        if end > begin:
            kept.append((value, end - begin))
        passed += times
    return kept


def _unknown(name: str, problem: str) -> InvalidMetricData:
    return InvalidMetricData(f"The value {name!r} for parameter Statistic is not supported.", mend=problem)
