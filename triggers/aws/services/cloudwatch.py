"""CloudWatch: metrics. Alarms, dashboards and metric math are not here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from eventbus.errors import AWSError
from eventbus.telemetry.errors import InvalidMetricData
from triggers.aws.services import ServiceMap, page
from triggers.aws.services.deeds import Input, Result, given

PAGE = 500
"""Metrics of one page (CloudWatch API reference, ListMetrics, 2026)."""
MOST_POINTS = 1_440
"""Data points of one GetMetricStatistics (CloudWatch API reference, 2026)."""


class InvalidParameterCombination(AWSError, ValueError):
    code, status = "InvalidParameterCombination", 400


class MissingParameter(AWSError, ValueError):
    code, status = "MissingParameter", 400


class CloudWatchMap(ServiceMap):
    """Metrics are found by namespace, name and dimensions."""

    service = "cloudwatch"
    malformed_code = "MalformedInput"
    invalid_code = "InvalidParameterValue"
    codes = {"ValidationException": "InvalidParameterValue", "UnknownOperationException": "InvalidAction"}  # noqa: RUF012

    def put_metric_data(self, wanted: Input) -> Result:
        if wanted.get("EntityMetricData"):
            raise InvalidMetricData("EntityMetricData is not here.", mend="put the same data as MetricData")
        self.bus.metrics.put_metric_data(wanted["Namespace"], wanted.get("MetricData") or [])
        return {}

    def list_metrics(self, wanted: Input) -> Result:
        filters = wanted.get("Dimensions") or []
        exact = {one["Name"]: one["Value"] for one in filters if "Value" in one}
        found = self.bus.metrics.list_metrics(wanted.get("Namespace"), wanted.get("MetricName"), exact)
        documents = [
            {"Namespace": m.namespace, "MetricName": m.name, "Dimensions": _listed(m.dimensions)}
            for m in found
            if all(one["Name"] in m.dimensions for one in filters)
        ]
        shown, token = page(documents, wanted.get("NextToken"), PAGE, key=repr)
        return {"Metrics": shown, "NextToken": token}

    def get_metric_statistics(self, wanted: Input) -> Result:
        self.allow("cloudwatch:GetMetricStatistics", None, "*")
        simple, extended = wanted.get("Statistics") or [], wanted.get("ExtendedStatistics") or []
        if not simple and not extended:
            raise InvalidParameterCombination(
                "At least one of the parameters Statistics and ExtendedStatistics must be specified."
            )
        span = _span(wanted)
        count = int((span["end"] - span["start"]) // wanted["Period"])
        if count > MOST_POINTS:
            raise InvalidParameterCombination(
                f"You have requested up to {count:,} datapoints, which exceeds the limit of {MOST_POINTS:,}. You may "
                "reduce the datapoints requested by increasing Period, or decreasing the time range."
            )
        points: dict[float, Result] = {}
        for name in [*simple, *extended]:
            for at, value, unit in self._points(wanted, name, wanted["Period"], wanted.get("Unit"), span):
                point = points.setdefault(at, {"Timestamp": at, "Unit": unit})
                if name in simple:
                    point[name] = value
                else:
                    point.setdefault("ExtendedStatistics", {})[name] = value
        return {"Label": wanted["MetricName"], "Datapoints": [points[at] for at in sorted(points)]}

    def get_metric_data(self, wanted: Input) -> Result:
        self.allow("cloudwatch:GetMetricData", None, "*")
        span = _span(wanted)
        is_ascending = wanted.get("ScanBy") == "TimestampAscending"
        results = []
        for query in wanted["MetricDataQueries"]:
            points = self._queried(query, span)
            if query.get("ReturnData", True):
                shown = points if is_ascending else points[::-1]
                results.append(_result(query, shown))
        return {"MetricDataResults": results, "Messages": []}

    def _queried(self, query: Input, span: dict[str, float]) -> list[tuple[float, float, str]]:
        if "MetricStat" not in query:
            raise InvalidMetricData(
                f"The expression of {query['Id']} is not evaluated: there is no metric math here.",
                mend="ask for a MetricStat and compute with what it answers",
            )
        asked = query["MetricStat"]
        return self._points(asked["Metric"], asked["Stat"], asked["Period"], asked.get("Unit"), span)

    def _points(
        self, metric: Input, statistic: str, period: int, unit: str | None, span: dict[str, float]
    ) -> list[tuple[float, float, str]]:
        """Instant, value and unit of every period that has data, oldest first."""
        for name in ("Namespace", "MetricName"):
            if name not in metric:
                raise MissingParameter(f"The parameter {name} is required.")
        found = self.bus.metrics.points(
            metric["MetricName"],
            namespace=metric["Namespace"],
            dimensions={one["Name"]: one["Value"] for one in metric.get("Dimensions") or ()},
            statistic=statistic,
            period=period,
            **span,
        )
        return [(point.at, point.value, point.unit) for point in found if unit in (None, point.unit)]


def _listed(dimensions: Any) -> list[Result]:
    return [{"Name": name, "Value": value} for name, value in dimensions.items()]


def _span(wanted: Input) -> dict[str, float]:
    start: datetime = wanted["StartTime"]
    end: datetime = wanted["EndTime"]
    if start >= end:
        raise InvalidMetricData("The parameter StartTime must be less than the parameter EndTime.")
    return {"start": start.timestamp(), "end": end.timestamp()}


def _result(query: Input, points: list[tuple[float, float, str]]) -> Result:
    label = query.get("Label") or query["MetricStat"]["Metric"]["MetricName"]
    return given(
        Id=query["Id"],
        Label=label,
        Timestamps=[at for at, _, _ in points],
        Values=[value for _, value, _ in points],
        StatusCode="Complete",
    )
