"""CloudWatch-like metrics: counted per resource and minute, read as sums, averages, extremes and percentiles.

Names and units: Lambda developer guide, "Types of metrics for Lambda functions" (2026), and the guides of the other
services. The engine counts at the finest grain; what is coarser is summed when somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from eventbus.execution.outcome import Failed
from eventbus.telemetry.custom_metrics import check_namespace, data_of
from eventbus.telemetry.dimensions import (
    ACCOUNT_WIDE,
    LAMBDA,
    Dimensions,
    Owner,
    dimensions,
    of_owner,
    owner_of_arn,
    unit_of,
)
from eventbus.telemetry.distribution import Datum
from eventbus.telemetry.embedded import Measurement
from eventbus.telemetry.errors import InvalidMetricData
from eventbus.telemetry.questions import check_name, check_resource, check_terms, is_function
from eventbus.telemetry.series import Series
from eventbus.telemetry.statistics import Statistic, check_statistic, statistic

if TYPE_CHECKING:
    from eventbus.delivery.event import Attempt
    from eventbus.telemetry.journal import Groups

FOREVER = float("inf")


@attrs.frozen
class MetricName:
    """What a metric is called in CloudWatch."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]


@attrs.frozen
class DataPoint:
    """One statistic of one period."""

    at: float
    """When the period begins, seconds since the epoch."""
    value: float
    unit: str


class Metrics:
    """`bus.metrics`: every metric of one bus."""

    def __init__(
        self, now: Callable[[], float], authorize: Callable[[str, str, None, str], None] | None = None
    ) -> None:
        self._now = now
        self._authorize = authorize
        self._series: dict[tuple[str, Owner], Series] = {}
        self._counters: dict[tuple[str, str], Series] = {}
        """The same series by name and ARN, for the calls that count most."""
        self._custom: dict[tuple[str, str, Dimensions], Series] = {}

    def __repr__(self) -> str:
        return f"<Metrics: {len(self._series) + len(self._custom)} series>"

    # -- taking in --------------------------------------------------------------------------------------------------

    def count(self, name: str, resource: str, at: float, n: float = 1) -> None:
        """Add to a metric of a resource (an ARN) in the minute of an instant; called by the engine and the sources."""
        series = self._counters.get((name, resource))
        if series is None:
            series = self._counters[name, resource] = self._of(name, owner_of_arn(resource))
        series.add(at, n)

    def level(self, name: str, owner: Owner, minute: int, value: float) -> None:
        """Note the highest level of a minute so far."""
        series = self._of(name, owner)
        if value > series.minute(minute).maximum:
            series.add(minute * 60, value)

    def invoked(self, groups: Groups) -> None:
        """Count a batch of invocations, grouped so that the sums are made by C and not by this loop."""
        for group in groups:
            attempts, number, at = group.attempts, len(group.attempts), group.minute * 60
            owner = Owner(group.lane.function.arn, group.qualifier, group.lane.version)
            errors = sum([attempt.outcome.__class__ is Failed for attempt in attempts])
            self._of("Invocations", owner).add(at, 1.0, number)
            failures = self._of("Errors", owner)
            failures.add(at, 1.0, errors)
            failures.add(at, 0.0, number - errors)
            self._of("Duration", owner).add_all(group.minute, [seconds * 1000 for seconds in group.durations])
            ages = [attempt.age * 1000 for attempt in attempts if attempt.age >= 0]
            if ages:
                self._of("AsyncEventAge", owner).add_all(group.minute, ages)
                self._received(owner, attempts)
            if group.init_type == "provisioned-concurrency":
                self._of("ProvisionedConcurrencyInvocations", owner).add(at, 1.0, number)
            elif group.lane.is_provisioned:
                self._of("ProvisionedConcurrencySpilloverInvocations", owner).add(at, 1.0, number)

    def counted(self, name: str, owner: Owner, at: float) -> None:
        """Count one more, at this instant, of what was addressed of a function."""
        self._of(name, owner).add(at, 1.0)

    def _received(self, owner: Owner, group: list[Attempt]) -> None:
        accepted = [attempt.at - attempt.age for attempt in group if attempt.previous is None and attempt.age >= 0]
        series = self._of("AsyncEventsReceived", owner)
        if accepted and min(accepted) // 60 == max(accepted) // 60:
            series.add(accepted[0], 1.0, len(accepted))
        else:
            for at in accepted:
                series.add(at, 1.0)

    def measured(self, measurements: Iterable[Measurement]) -> None:
        """Take in metrics that functions wrote into their logs."""
        for found in measurements:
            datum = Datum()
            datum.add_all(found.values)
            self._custom_series(found.namespace, found.name, found.dimensions, found.unit).add_point(
                found.at, datum, found.resolution
            )

    def put_metric_data(self, namespace: str, metric_data: list[dict[str, Any]]) -> None:
        """Publish metrics of your own, in the form of CloudWatch's PutMetricData.

        Each item has `MetricName`, and `Value`, `Values` with `Counts`, or `StatisticValues`; it may have `Dimensions`
        (a list of `{"Name", "Value"}`), `Timestamp` (seconds since the epoch or a datetime), `Unit` and
        `StorageResolution` (1 or 60). Raises InvalidMetricData, with nothing taken in, for what CloudWatch refuses.
        """
        self._may("PutMetricData")
        check_namespace(namespace)
        for datum in data_of(metric_data, self._now()):
            self._custom_series(namespace, datum.name, datum.dimensions, datum.unit).add_point(
                datum.at, datum.point, datum.resolution
            )

    # -- reading ----------------------------------------------------------------------------------------------------

    def query(
        self,
        name: str,
        resource: object = None,
        *,
        namespace: str | None = None,
        dimensions: Mapping[str, str] | None = None,
        start: float = -FOREVER,
        end: float = FOREVER,
    ) -> Statistic:
        """A metric such as `Invocations`, `Errors`, `Throttles`, `Duration` (ms) or `AsyncEventsDropped`.

        Of one resource (an object with an `arn`, or an ARN, with a version or an alias if you like) or of all; or as
        CloudWatch names it, by `namespace` and `dimensions`. Without `dimensions` all series of the name are summed,
        `{}` is the one without any. Between two instants, seconds since the epoch, at a resolution of one minute.
        Raises InvalidMetricData for a name that Lambda does not have, and for what is no resource.
        """
        self._may("GetMetricStatistics")
        self._check_question(name, resource, namespace, dimensions, start, end)
        chosen = self._chosen(name, resource, namespace, dimensions)
        total = Datum()
        for series in chosen:
            for _, datum in series.points(start, end):
                total.merge(datum)
        return statistic(total, chosen[0].unit if chosen else unit_of(name))

    def data(
        self,
        name: str,
        resource: object = None,
        *,
        statistic: str = "Sum",
        period: int = 60,
        namespace: str | None = None,
        dimensions: Mapping[str, str] | None = None,
        start: float = -FOREVER,
        end: float = FOREVER,
    ) -> list[DataPoint]:
        """A metric over time: one point for each period of `period` seconds that has data, oldest first.

        `statistic` is `Sum`, `Average`, `Minimum`, `Maximum`, `SampleCount`, or an extended one such as `p99.9`,
        `tm90` or `PR(:300)`; `period` is 1, 5, 10, 20, 30 or a multiple of 60. The rest is as for `query`. Raises
        InvalidMetricData for another statistic or period, and what `query` raises.
        """
        self._may("GetMetricData")
        self._check_question(name, resource, namespace, dimensions, start, end)
        return self.points(
            name,
            resource,
            statistic=statistic,
            period=period,
            namespace=namespace,
            dimensions=dimensions,
            start=start,
            end=end,
        )

    def points(
        self,
        name: str,
        resource: object = None,
        *,
        statistic: str,
        period: int,
        namespace: str | None,
        dimensions: Mapping[str, str] | None,
        start: float,
        end: float,
    ) -> list[DataPoint]:
        """The same for whoever may ask; what is not known has no data, as over the wire."""
        check_statistic(statistic)
        if period not in (1, 5, 10, 20, 30) and (period <= 0 or period % 60):
            raise InvalidMetricData(
                "The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.", mend=f"period={period!r} is none"
            )
        chosen = self._chosen(name, resource, namespace, dimensions)
        periods: dict[int, Datum] = {}
        for series in chosen:
            for at, datum in series.points(start, end, finely=period < 60):
                periods.setdefault(at // period * period, Datum()).merge(datum)
        unit = chosen[0].unit if chosen else unit_of(name)
        values = [(at, _value(datum, statistic)) for at, datum in sorted(periods.items())]
        return [DataPoint(at, value, unit) for at, value in values if value is not None]

    def names(self, resource: object = None) -> list[str]:
        """The names of the metrics that have data, of one resource or of all."""
        self._may("ListMetrics")
        check_resource(resource)
        if resource is None:
            return sorted({name for name, _ in self._series} | {name for _, name, _ in self._custom})
        wanted = owner_of_arn(str(getattr(resource, "arn", resource)))
        return sorted({name for name, owner in self._series if _concerns(owner, wanted)})

    def list_metrics(
        self, namespace: str | None = None, name: str | None = None, dimensions: Mapping[str, str] | None = None
    ) -> list[MetricName]:
        """Every metric that has data, as CloudWatch names it; `dimensions` are those that a metric has at least."""
        self._may("ListMetrics")
        wanted = set((dimensions or {}).items())
        found = {(space, metric, chosen) for space, metric, chosen in self._custom}
        for metric, owner in self._series:
            space, sets = of_owner(owner)
            sets = sets if owner.arn or metric in ACCOUNT_WIDE else []
            found |= {(space, metric, chosen) for chosen in sets}
        return [
            MetricName(space, metric, dict(chosen))
            for space, metric, chosen in sorted(found)
            if namespace in (None, space) and name in (None, metric) and wanted <= set(chosen)
        ]

    def totals(self) -> Iterator[tuple[str, Owner, float, float]]:
        """Name, owner, number and sum of everything that was ever counted: for exporters."""
        for (name, owner), series in self._series.items():
            yield name, owner, *series.total

    # -- inside -----------------------------------------------------------------------------------------------------

    def _may(self, action: str) -> None:
        """Refuse a handler whose role may not."""
        if self._authorize is not None:
            self._authorize(f"cloudwatch:{action}", "*", None, '"*"')

    def _check_question(
        self, name: object, resource: object, namespace: object, given: object, start: object, end: object
    ) -> None:
        """Refuse a question that can have no answer: most often its name is misspelt."""
        check_resource(resource)
        check_terms(given, start, end)
        is_custom = namespace is not None and namespace != LAMBDA
        if not (is_custom or any(name == counted for counted, _ in self._series)):
            check_name(name, is_of_lambda=namespace == LAMBDA or is_function(resource))

    def _chosen(
        self, name: str, resource: object, namespace: str | None, given: Mapping[str, str] | None
    ) -> list[Series]:
        """The series that a question is about."""
        wanted = None if given is None else dimensions(given)
        if resource is not None:
            owner = owner_of_arn(str(getattr(resource, "arn", resource)))
            return [series for (metric, of), series in self._series.items() if metric == name and _concerns(of, owner)]
        found = [
            series
            for (metric, owner), series in self._series.items()
            if metric == name and self._is_meant(name, owner, namespace, wanted)
        ]
        if namespace is not None:
            found += [
                series
                for (space, metric, has), series in self._custom.items()
                if space == namespace and metric == name and wanted in (None, has)
            ]
        return found

    @staticmethod
    def _is_meant(name: str, owner: Owner, namespace: str | None, wanted: Dimensions | None) -> bool:
        space, sets = of_owner(owner)
        if namespace not in (None, space):
            return False
        if not wanted and name in ACCOUNT_WIDE:
            return not owner.arn
        return wanted is None or wanted in sets

    def _of(self, name: str, owner: Owner) -> Series:
        series = self._series.get((name, owner))
        if series is None:
            series = self._series[name, owner] = Series(unit_of(name))
        return series

    def _custom_series(self, namespace: str, name: str, chosen: Dimensions, unit: str) -> Series:
        series = self._custom.get((namespace, name, chosen))
        if series is None:
            series = self._custom[namespace, name, chosen] = Series(unit)
        return series


def _value(datum: Datum, name: str) -> float | None:
    return statistic(datum).of(name)


def _concerns(owner: Owner, wanted: Owner) -> bool:
    """Whether what an owner counted is part of what was asked for."""
    if owner.arn != wanted.arn:
        return False
    return wanted.qualifier is None or wanted.qualifier == (owner.qualifier or owner.version)
