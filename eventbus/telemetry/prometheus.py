"""Prometheus: the metrics of a bus, through the official client. Needs `eventbus[prometheus]`.

    from prometheus_client import REGISTRY, start_http_server
    REGISTRY.register(BusCollector(bus))
    start_http_server(8000)

Everything is read when Prometheus asks; until then it costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from eventbus.telemetry.dimensions import LEVELS, Owner, identity, unit_of

if TYPE_CHECKING:
    from eventbus.bus import EventBus

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_FUNCTION = ("function", "qualifier", "version")


class BusCollector(Collector):
    """What `bus.metrics` counts, as counters and summaries, and the state of the queues, as gauges."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus

    def collect(self) -> Iterator[Metric]:
        """Every metric that has data; durations in seconds."""
        yield from self._counted()
        yield from self._state()

    def describe(self) -> list[Metric]:
        """Nothing is known before it is asked for, so that registering collects nothing."""
        return []

    def _counted(self) -> Iterator[Metric]:
        families: dict[str, CounterMetricFamily | SummaryMetricFamily] = {}
        for name, owner, count, total in sorted(self._bus.metrics.totals(), key=lambda row: (row[0], str(row[1]))):
            if name in LEVELS or not owner.arn:
                continue
            key, labels, values = _labels(owner)
            full = f"eventbus_{key}_{_snake(name)}"
            if unit_of(name) == "Milliseconds":
                summary = families.setdefault(
                    full, SummaryMetricFamily(f"{full}_seconds", f"{name} of {key}", labels=labels)
                )
                assert isinstance(summary, SummaryMetricFamily)
                summary.add_metric(values, count_value=int(count), sum_value=total / 1000)
            else:
                counter = families.setdefault(full, CounterMetricFamily(full, f"{name} of {key}", labels=labels))
                assert isinstance(counter, CounterMetricFamily)
                counter.add_metric(values, total)
        yield from families.values()

    def _state(self) -> Iterator[Metric]:
        busy = GaugeMetricFamily("eventbus_lambda_concurrent_executions", "Environments at work", labels=["function"])
        queued = GaugeMetricFamily("eventbus_lambda_queued_events", "Events in the queue", labels=["function"])
        waiting = GaugeMetricFamily("eventbus_lambda_waiting_events", "Events before a retry", labels=["function"])
        for name, function in sorted(self._bus.functions.items()):
            lane = function.lane
            busy.add_metric([name], lane.active)
            queued.add_metric([name], lane.depth)
            waiting.add_metric([name], len(lane.waiting))
        letters = GaugeMetricFamily("eventbus_dead_letters", "Events in the dead-letter list")
        letters.add_metric([], len(self._bus.dead_letters))
        yield from (busy, queued, waiting, letters)


def exposition(bus: EventBus) -> str:
    """The metrics of a bus in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(BusCollector(bus))
    return generate_latest(registry).decode()


def _labels(owner: Owner) -> tuple[str, list[str], list[str]]:
    """Service, names and values of the labels."""
    namespace, named = identity(owner)
    service = namespace.removeprefix("AWS/").lower()
    if named[0][0] == "FunctionName":
        return service, list(_FUNCTION), [named[0][1], owner.qualifier or "", owner.version or ""]
    return service, [_snake(key) for key, _ in named], [value for _, value in named]


def _snake(name: str) -> str:
    return _WORD.sub("_", name).lower()
