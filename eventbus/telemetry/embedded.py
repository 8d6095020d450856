"""CloudWatch's embedded metric format: metrics that a function writes as log lines. Pure.

Source: CloudWatch user guide, "Specification: Embedded metric format" (2026).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import orjson

from eventbus.telemetry.dimensions import Dimensions, dimensions

MARK = '"_aws"'
"""What every such line contains; nothing else needs to be parsed."""
MAX_DIMENSIONS = 30
MAX_METRICS = 100
MAX_VALUES = 100
UNITS = frozenset(
    {"Seconds", "Microseconds", "Milliseconds", "Percent", "Count", "Count/Second", "None"}
    | {
        f"{size}{what}{rate}"
        for size, what in [
            ("", "Bytes"), ("Kilo", "bytes"), ("Mega", "bytes"), ("Giga", "bytes"), ("Tera", "bytes"),
            ("", "Bits"), ("Kilo", "bits"), ("Mega", "bits"), ("Giga", "bits"), ("Tera", "bits"),
        ]
        for rate in ("", "/Second")
    }
)  # fmt: skip


@attrs.frozen
class Measurement:
    """Values of one metric at one instant."""

    namespace: str
    name: str
    dimensions: Dimensions
    at: float
    values: tuple[float, ...]
    unit: str = "None"
    resolution: int = 60


class _Malformed(Exception):
    """It is a log line and nothing more."""


def measurements(line: str) -> list[Measurement]:
    """What a log line measures: nothing, unless the whole line is one well-formed object."""
    if MARK not in line:
        return []
    try:
        document = orjson.loads(line)
        return list(_of_document(document))
    except (orjson.JSONDecodeError, _Malformed):
        return []


def _need(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise _Malformed
    return value


def _of_document(document: Any) -> Iterator[Measurement]:
    meta = _need(_need(document, dict).get("_aws"), dict)
    at = _need(meta.get("Timestamp"), int) / 1000
    for directive in _need(meta.get("CloudWatchMetrics"), list):
        namespace = _need(_need(directive, dict).get("Namespace"), str)
        metrics = _need(directive.get("Metrics", []), list)
        if not 1 <= len(namespace) <= 1024 or len(metrics) > MAX_METRICS:
            raise _Malformed
        sets = [_dimension_set(names, document) for names in _need(directive.get("Dimensions"), list)]
        for metric in metrics:
            name, unit, resolution = _definition(metric)
            values = _values(document.get(name))
            for chosen in sets if values else ():
                yield Measurement(namespace, name, chosen, at, values, unit, resolution)


def _definition(metric: Any) -> tuple[str, str, int]:
    name = _need(_need(metric, dict).get("Name"), str)
    unit, resolution = metric.get("Unit", "None"), metric.get("StorageResolution", 60)
    if unit not in UNITS or resolution not in (1, 60) or not 1 <= len(name) <= 1024:
        raise _Malformed
    return name, unit, resolution


def _dimension_set(names: Any, document: dict[str, Any]) -> Dimensions:
    if len(_need(names, list)) > MAX_DIMENSIONS:
        raise _Malformed
    return dimensions({_need(name, str): _need(document.get(name), str) for name in names})


def _values(value: Any) -> tuple[float, ...]:
    """The numbers of a metric; a metric without its member measures nothing."""
    if value is None:
        return ()
    values = value if isinstance(value, list) else [value]
    if len(values) > MAX_VALUES:
        raise _Malformed
    return tuple(float(_need(number, int | float)) for number in values)
