"""What users may publish as metrics: PutMetricData's rules. Pure.

Limits: CloudWatch API reference, PutMetricData and MetricDatum (2026).
"""

from __future__ import annotations

import math
from typing import Any

import attrs

from eventbus.telemetry.dimensions import Dimensions, dimensions
from eventbus.telemetry.distribution import Datum
from eventbus.telemetry.embedded import MAX_DIMENSIONS, UNITS
from eventbus.telemetry.errors import InvalidMetricData

MAX_DATA = 1000
MAX_VALUES = 150
LARGEST = 2.0**360
"""Values go from -2^360 to 2^360."""
_KEYS = frozenset(
    {
        *("MetricName", "Dimensions", "Timestamp", "Unit", "StorageResolution"),
        *("Value", "Values", "Counts", "StatisticValues"),
    }
)


@attrs.frozen
class CustomDatum:
    """One checked item of PutMetricData."""

    name: str
    dimensions: Dimensions
    at: float
    point: Datum
    unit: str
    resolution: int


def check_namespace(namespace: object) -> None:
    """Raise InvalidMetricData for a namespace that is not the user's to fill."""
    if not isinstance(namespace, str) or not 1 <= len(namespace) <= 255:
        raise InvalidMetricData(f"The parameter Namespace {namespace!r} must have 1 to 255 characters.")
    if namespace.startswith("AWS/"):
        raise InvalidMetricData(
            "The value AWS/ for parameter Namespace is invalid.", mend="AWS/ is for AWS's own metrics; choose another"
        )


def data_of(metric_data: list[dict[str, Any]], now: float) -> list[CustomDatum]:
    """The items of one call, checked. Raises InvalidMetricData for the first that CloudWatch refuses."""
    if not metric_data or len(metric_data) > MAX_DATA:
        raise InvalidMetricData(
            f"The collection MetricData must have 1 to {MAX_DATA:,} items, not {len(metric_data):,}."
        )
    return [_datum(item, now) for item in metric_data]


def _datum(item: dict[str, Any], now: float) -> CustomDatum:
    if unknown := sorted(set(item) - _KEYS):
        raise InvalidMetricData(f"MetricDatum has no {', '.join(unknown)}.", mend=f"it has {', '.join(sorted(_KEYS))}")
    name = item.get("MetricName")
    if not isinstance(name, str) or not 1 <= len(name) <= 255:
        raise InvalidMetricData(f"The parameter MetricName {name!r} must have 1 to 255 characters.")
    unit, resolution = item.get("Unit", "None"), item.get("StorageResolution", 60)
    if unit not in UNITS:
        raise InvalidMetricData(f"The parameter Unit must be one of {', '.join(sorted(UNITS))}; {unit!r} is none.")
    if resolution not in (1, 60):
        raise InvalidMetricData(f"The parameter StorageResolution must be 1 or 60, not {resolution!r}.")
    at = item.get("Timestamp", now)
    at = at.timestamp() if hasattr(at, "timestamp") else at
    if not isinstance(at, int | float):
        raise InvalidMetricData(f"The parameter Timestamp {at!r} must be seconds since the epoch or a datetime.")
    return CustomDatum(name, _dimensions(item.get("Dimensions", [])), float(at), _point(item), unit, resolution)


def _dimensions(given: list[dict[str, str]]) -> Dimensions:
    if len(given) > MAX_DIMENSIONS:
        raise InvalidMetricData(f"The collection Dimensions must not have more than {MAX_DIMENSIONS} items.")
    for item in given:
        texts = item.get("Name"), item.get("Value")
        if set(item) != {"Name", "Value"} or not all(isinstance(text, str) and text for text in texts):
            raise InvalidMetricData(f"A dimension has a Name and a Value, not {item!r}.")
    return dimensions({item["Name"]: item["Value"] for item in given})


def _point(item: dict[str, Any]) -> Datum:
    given = [key for key in ("Value", "Values", "StatisticValues") if key in item]
    if len(given) != 1:
        raise InvalidMetricData("A MetricDatum has exactly one of Value, Values and StatisticValues.")
    point = Datum()
    if given == ["StatisticValues"]:
        sums = item["StatisticValues"]
        if set(sums) != {"SampleCount", "Sum", "Minimum", "Maximum"}:
            raise InvalidMetricData("StatisticValues has SampleCount, Sum, Minimum and Maximum.")
        count, total, low, high = (_number(sums[key]) for key in ("SampleCount", "Sum", "Minimum", "Maximum"))
        point.add_summary(count, total, low, high)
        return point
    values = item["Values"] if given == ["Values"] else [item["Value"]]
    counts = item.get("Counts", [1] * len(values))
    if not 1 <= len(values) <= MAX_VALUES or len(counts) != len(values):
        raise InvalidMetricData(f"Values has 1 to {MAX_VALUES} numbers, and Counts, if given, as many.")
    for value, times in zip(values, counts, strict=True):
        point.add(_number(value), _number(times))
    return point


def _number(value: object) -> float:
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or not math.isfinite(value)
        or abs(value) > LARGEST
    ):
        raise InvalidMetricData(f"The value {value!r} must be a finite number from -2^360 to 2^360.")
    return float(value)
