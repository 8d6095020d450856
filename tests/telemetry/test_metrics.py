"""`bus.metrics`: what CloudWatch would show, at its resolution, with its dimensions and statistics."""

from __future__ import annotations

import json
import math
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventbus import EventBus
from eventbus.errors import TooManyRequests
from eventbus.telemetry.dimensions import Owner, of_owner
from eventbus.telemetry.distribution import EXACT, Datum
from eventbus.telemetry.embedded import UNITS, measurements
from eventbus.telemetry.errors import InvalidMetricData
from eventbus.telemetry.metrics import DataPoint, MetricName, Metrics
from eventbus.telemetry.series import MINUTES_KEPT
from eventbus.telemetry.statistics import statistic
from eventbus.testing import Recorder
from tests.engine.support import S3, make_bus, virtual
from tests.telemetry.support import attempt_of, groups_of

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"


def datum_of(values: list[float]) -> Datum:
    datum = Datum()
    datum.add_all(values)
    return datum


# -- statistics --------------------------------------------------------------------------------------------------------

TEN = [float(n) for n in range(1, 11)]

STATISTICS = [
    ("SampleCount", 10),
    ("Sum", 55),
    ("Average", 5.5),
    ("Minimum", 1),
    ("Maximum", 10),
    ("p0", 1),
    ("p10", 1),
    ("p50", 5),
    ("p90", 9),
    ("p99.9", 10),
    ("p100", 10),
    ("tm90", 5.0),
    ("TM(10%:90%)", 5.5),
    ("TM(:90%)", 5.0),
    ("TM(80%:)", 9.5),
    ("TM(2:4)", 3.5),
    ("tc50", 5),
    ("TC(2:8)", 6),
    ("ts50", 15),
    ("TS(80%:)", 19),
    ("PR(:3)", 30),
    ("PR(3:)", 70),
    ("PR(3:7)", 40),
    ("IQM", 5.5),
    ("wm90", 5.4),
    ("WM(10%:90%)", 5.5),
    ("WM(3:7)", 5.2),
]


@pytest.mark.parametrize(("name", "value"), STATISTICS)
def test_statistics_of_one_to_ten(name: str, value: float) -> None:
    """Percentiles at the nearest rank; lower ends exclusive, upper ends inclusive."""
    found = statistic(datum_of(TEN)).of(name)
    assert found == pytest.approx(value)


@pytest.mark.parametrize(
    "name", ["Median", "p101", "p", "TM(1:2%)", "TM(:)", "PR(1%:2%)", "TM(90%:10%)", "TM(a:b)", "q9"]
)
def test_an_unknown_statistic_is_refused(name: str) -> None:
    """With AWS's sentence and what is known."""
    with pytest.raises(InvalidMetricData, match="for parameter Statistic is not supported"):
        statistic(datum_of(TEN)).of(name)


def test_nothing_was_measured() -> None:
    """Sums are zero, everything else is None."""
    nothing = statistic(Datum())
    assert (nothing.sum, nothing.samples, nothing.average, nothing.of("p50"), nothing.of("Minimum")) == (
        0, 0, None, None, None,
    )  # fmt: skip


@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=300), st.floats(0, 100))
def test_a_percentile_of_few_values_is_exact(values: list[float], percent: float) -> None:
    """It is one of the values, and the share of values up to it is at least what was asked for."""
    found = statistic(datum_of(values)).percentile(percent)
    assert found in values
    share = sum(value <= found for value in values) / len(values)
    assert share >= percent / 100 - 1e-6


def test_a_percentile_of_many_values_is_off_by_half_a_per_cent_at_most() -> None:
    """Ten decimal orders, a hundred thousand values, some three thousand numbers kept."""
    values = [math.exp(n / 100_000 * 23 - 7) for n in range(100_000)]
    datum = datum_of(values)
    for value in values[::2]:
        datum.add(value)
    found = statistic(datum)
    for percent in (0.1, 25, 50, 99, 99.9):
        exact = values[math.ceil(percent / 100 * 100_000) - 1]
        assert found.percentile(percent) == pytest.approx(exact, rel=0.0051)
    assert found.values is not None
    assert len(found.values) < 3300
    assert found.samples == 150_000


@given(st.lists(st.lists(st.floats(-1e6, 1e6), max_size=20), max_size=5))
def test_distributions_merge_to_the_distribution_of_everything(parts: list[list[float]]) -> None:
    """Count, extremes and values; in whatever pieces they came."""
    whole, merged = Datum(), Datum()
    for part in parts:
        whole.add_all(part)
        merged.merge(datum_of(part))
    assert merged.values() == whole.values()
    assert (merged.count, merged.minimum, merged.maximum) == (whole.count, whole.minimum, whole.maximum)


@pytest.mark.parametrize("different", [EXACT - 1, EXACT, EXACT + 1, 3 * EXACT])
@pytest.mark.parametrize("before", [0, 1, 2 * EXACT])
def test_many_values_at_once_are_counted_as_one_by_one(different: int, before: int) -> None:
    """Whether they are few or many different ones, and whatever was there before; each of them twice."""
    earlier, values = [0.5 + n / 3 for n in range(before)], [1 + n / 7 for n in range(different)] * 2
    at_once, singly = datum_of(earlier), datum_of(earlier)
    at_once.values()
    at_once.add_all(values)
    for value in values:
        singly.add(value)
    assert at_once.values() == singly.values()
    assert sum(times for _, times in at_once.values()) == at_once.count == before + 2 * different


def test_few_exact_values_and_many_bucketed_ones_merge_to_buckets() -> None:
    """Whichever takes in the other."""
    few, many = [1.001, 500.5], [1 + n / 7 for n in range(5000)]
    for first, second in ((few, many), (many, few)):
        merged = datum_of(first)
        merged.merge(datum_of(second))
        assert merged.values() == datum_of([*few, *many]).values()
        assert len(merged.values()) < EXACT


def test_zero_and_negative_values_survive_the_buckets() -> None:
    """A thousand and one different values are bucketed; none changes its sign."""
    datum = datum_of([float(n) for n in range(-EXACT, EXACT)])
    middle = statistic(datum)
    assert middle.of("p50") == pytest.approx(-1, abs=0.01)
    assert middle.of("p0") == pytest.approx(-EXACT, rel=0.006)


# -- functions ---------------------------------------------------------------------------------------------------------


def test_dimensions_of_a_function() -> None:
    """None, the function, the addressed version or alias, and what a weighted alias ran."""
    assert of_owner(Owner(ARN, None, "$LATEST")) == (
        "AWS/Lambda",
        [(), (("FunctionName", "f"),), (("FunctionName", "f"), ("Resource", "f"))],
    )
    assert of_owner(Owner(ARN, "prod", "2"))[1][-1] == (
        ("ExecutedVersion", "2"), ("FunctionName", "f"), ("Resource", "f:prod"),
    )  # fmt: skip
    assert of_owner(Owner(ARN, "2", "2"))[1][-1] == (("FunctionName", "f"), ("Resource", "f:2"))


def test_what_is_counted_for_an_alias_belongs_to_its_function_too() -> None:
    """Such as the iterator age of a mapping with an alias."""
    metrics = Metrics(lambda: 0.0)
    metrics.count("IteratorAge", f"{ARN}:prod", 0.0, 250)
    assert metrics.query("IteratorAge", f"{ARN}:prod").maximum == 250
    assert metrics.query("IteratorAge", ARN).maximum == 250
    for dimensions in ({}, {"FunctionName": "f"}, {"FunctionName": "f", "Resource": "f:prod"}):
        assert metrics.query("IteratorAge", namespace="AWS/Lambda", dimensions=dimensions).maximum == 250


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        ("arn:aws:sqs:us-east-1:123456789012:q", ("AWS/SQS", [(("QueueName", "q"),)])),
        ("arn:aws:s3:::photos", ("AWS/S3", [(("BucketName", "photos"),)])),
        ("arn:aws:dynamodb:us-east-1:123456789012:table/t", ("AWS/DynamoDB", [(("TableName", "t"),)])),
        (
            "arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/2026-01-01T00:00:00.000",
            ("AWS/DynamoDB", [(("StreamLabel", "2026-01-01T00:00:00.000"), ("TableName", "t"))]),
        ),
        ("arn:aws:kinesis:us-east-1:123456789012:stream/s", ("AWS/Kinesis", [(("StreamName", "s"),)])),
        ("arn:aws:events:us-east-1:123456789012:event-bus/b", ("AWS/Events", [(("EventBusName", "b"),)])),
        ("arn:aws:events:us-east-1:123456789012:rule/r", ("AWS/Events", [(("RuleName", "r"),)])),
        (
            "arn:aws:events:us-east-1:123456789012:rule/b/r",
            ("AWS/Events", [(("EventBusName", "b"), ("RuleName", "r"))]),
        ),
        ("arn:aws:scheduler:us-east-1:123456789012:schedule/g/s", ("AWS/Scheduler", [(("ScheduleGroup", "g"),)])),
        ("arn:aws:execute-api:us-east-1:123456789012:a1b2c3/*/*", ("AWS/ApiGateway", [(("ApiId", "a1b2c3"),)])),
        (
            "arn:aws:lambda:us-east-1:123456789012:event-source-mapping:u-1",
            ("AWS/Lambda", [(("EventSourceMappingUUID", "u-1"),)]),
        ),
    ],
)
def test_dimensions_of_other_resources(arn: str, expected: tuple[str, Any]) -> None:
    """The name that CloudWatch shows them by."""
    assert of_owner(Owner(arn)) == expected


@pytest.mark.anyio
async def test_a_function_is_counted_by_qualifier_and_version() -> None:
    """Coarser series are sums of the finer ones."""
    bus = make_bus()
    metrics = Metrics(bus.clock.now)
    for qualifier, version, number in (("prod", "1", 3), ("prod", "2", 2), (None, "$LATEST", 1)):
        attempts = []
        for _ in range(number):
            attempt = attempt_of(bus)
            attempt.qualifier = qualifier
            attempts.append(attempt)
        bus.functions["f"].lane.version = version
        metrics.invoked(groups_of(*attempts))

    def total(**dimensions: str) -> float:
        return metrics.query("Invocations", namespace="AWS/Lambda", dimensions=dimensions).sum

    assert total() == 6
    assert total(FunctionName="f") == 6
    assert total(FunctionName="f", Resource="f:prod") == 5
    assert total(FunctionName="f", Resource="f:prod", ExecutedVersion="2") == 2
    assert total(FunctionName="f", Resource="f") == 1
    assert total(FunctionName="g") == 0
    assert metrics.query("Invocations", f"{ARN}:prod").sum == 5
    assert metrics.query("Invocations", ARN).sum == 6
    assert metrics.query("Invocations", f"{ARN}:$LATEST").sum == 1


@pytest.mark.anyio
async def test_durations_have_percentiles_and_a_unit() -> None:
    """In milliseconds."""
    bus = make_bus()
    bus.add_function("f", Recorder())
    async with bus:
        for _ in range(3):
            await bus.invoke("f")
        durations = bus.metrics.query("Duration", bus.functions["f"])
    assert durations.unit == "Milliseconds"
    assert durations.samples == 3
    assert durations.percentile(50) is not None
    assert durations.percentile(100) == durations.maximum


@pytest.mark.anyio
async def test_events_received_are_counted_when_they_are_first_tried() -> None:
    """Once each, whatever becomes of them, in the minute in which they were accepted."""
    bus = make_bus()
    bad = bus.add_function("bad", Recorder(fail="always"))
    denied = bus.add_function("denied", Recorder())
    off = bus.add_function("off", Recorder(), reserved_concurrency=0)
    for function in (bad, off):
        function.allow(S3)
    async with bus:
        start = bus.clock.now()
        for function in (bad, bad, denied, off):
            await bus.push(function, 1, source=S3)
        await bus.invoke(bad)
        await bus.wait_idle()
        for function, number in ((bad, 2), (denied, 1), (off, 1)):
            received = bus.metrics.data("AsyncEventsReceived", function)
            assert received == [DataPoint(start, number, "Count")]


@pytest.mark.anyio
async def test_concurrency_is_the_highest_level_of_each_minute() -> None:
    """Of the function and of the account; minutes in which nothing changed count too, quiet ones have no point."""
    bus = make_bus()

    async def rest(event: Any, context: Any) -> None:
        if event:
            await virtual(bus).sleep(event)

    f = bus.add_function("f", rest, timeout=900)
    g = bus.add_function("g", rest, reserved_concurrency=1)
    for function in (f, g):
        function.allow(S3)
    async with bus:
        start = bus.clock.now()
        for seconds in (150, 150, 30):
            await bus.push(f, seconds, source=S3)
        await bus.push(g, 1, source=S3)
        await bus.wait_idle()
        await virtual(bus).advance(600)
        await bus.push(f, 0, source=S3)
        await bus.wait_idle()

        def peaks(resource: Any, name: str = "ConcurrentExecutions") -> list[tuple[float, float]]:
            points = bus.metrics.data(name, resource, statistic="Maximum")
            return [((point.at - start) / 60, point.value) for point in points]

        assert peaks(f) == [(0, 3), (1, 2), (2, 2), (12, 1)]
        assert peaks(g) == [(0, 1)]
        assert peaks(None) == [(0, 4), (1, 2), (2, 2), (12, 1)]
        assert peaks(None, "UnreservedConcurrentExecutions") == [(0, 3), (1, 2), (2, 2), (12, 1)]


@pytest.mark.anyio
async def test_n_calls_at_once_with_one_unit_less_throttle_one() -> None:
    """Throttles 1, Invocations N-1; a throttled call is neither an invocation nor an error."""
    bus = make_bus()
    begun, go = 0, anyio.Event()

    @bus.function(reserved_concurrency=4)
    async def f(event: Any, context: Any) -> None:
        nonlocal begun
        begun += 1
        await go.wait()

    refused = 0

    async def call() -> None:
        nonlocal refused
        try:
            await bus.invoke(f)
        except TooManyRequests:
            refused += 1
            go.set()

    async with bus:
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(call)
        query = bus.metrics.query
        assert refused == query("Throttles", f).sum == 1
        assert (query("Invocations", f).sum, query("Errors", f).sum) == (4, 0)


def test_points_are_forgotten_after_fifteen_days_and_totals_are_not() -> None:
    """What an exporter reads never goes down."""
    metrics = Metrics(lambda: 0.0)
    for minute in range(MINUTES_KEPT + 2):
        metrics.count("Throttles", ARN, minute * 60)
    assert metrics.query("Throttles", ARN).sum == MINUTES_KEPT
    assert [total for _, _, _, total in metrics.totals()] == [MINUTES_KEPT + 2]


# -- embedded metrics --------------------------------------------------------------------------------------------------


def embedded(**changes: Any) -> dict[str, Any]:
    directive = {
        "Namespace": "app",
        "Dimensions": [["service"], []],
        "Metrics": [{"Name": "Orders", "Unit": "Count", "StorageResolution": 60}],
    }
    directive |= {key: value for key, value in changes.items() if key in directive}
    document: dict[str, Any] = {
        "_aws": {"Timestamp": 1767225600000, "CloudWatchMetrics": [directive]},
        "service": "shop",
        "Orders": [1, 2, 3],
        "requestId": "x",
    }
    return document | {key: value for key, value in changes.items() if key not in directive}


def test_a_line_in_the_embedded_format_is_measured_once_for_each_set_of_dimensions() -> None:
    """Values, unit, resolution and instant as written."""
    first, second = measurements(json.dumps(embedded()))
    assert (first.dimensions, second.dimensions) == ((("service", "shop"),), ())
    assert (first.values, first.unit, first.at, first.resolution) == ((1, 2, 3), "Count", 1767225600, 60)


MALFORMED: list[dict[str, Any]] = [
    {"_aws": None},
    {"_aws": {"CloudWatchMetrics": []}},
    {"_aws": {"Timestamp": "now", "CloudWatchMetrics": []}},
    {"Namespace": ""},
    {"Namespace": "x" * 1025},
    {"Dimensions": "service"},
    {"Dimensions": [["missing"]]},
    {"Dimensions": [[str(n) for n in range(31)]], **{str(n): "v" for n in range(31)}},
    {"service": 1},
    {"Metrics": [{"Name": "Orders", "Unit": "Pieces"}]},
    {"Metrics": [{"Name": "Orders", "StorageResolution": 5}]},
    {"Metrics": [{"Unit": "Count"}]},
    {"Metrics": [{"Name": f"m{n}"} for n in range(101)]},
    {"Orders": "many"},
    {"Orders": True},
    {"Orders": list(range(101))},
]


@pytest.mark.parametrize("changes", MALFORMED)
def test_a_malformed_line_is_only_a_log_line(changes: dict[str, Any]) -> None:
    """It measures nothing, and breaks nothing."""
    assert measurements(json.dumps(embedded(**changes))) == []


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    """Also one that contains the mark."""
    assert measurements(text + '"_aws"') == []


def test_a_metric_that_is_announced_and_not_there_measures_nothing() -> None:
    document = embedded()
    del document["Orders"]
    assert measurements(json.dumps(document)) == []


def test_units_are_those_of_cloudwatch() -> None:
    """As botocore's model lists them."""
    botocore = pytest.importorskip("botocore.session")
    model = botocore.get_session().get_service_model("cloudwatch")
    assert set(model.shape_for("StandardUnit").enum) == UNITS


@pytest.mark.anyio
async def test_what_a_function_prints_in_the_embedded_format_is_a_metric() -> None:
    """Of its own namespace; a second at a time where it says so."""
    bus = make_bus()

    @bus.function
    async def f(event: int, context: Any) -> None:
        metrics = [{"Name": "Orders", "StorageResolution": 1}]
        document = embedded(Metrics=metrics, Orders=event)
        document["_aws"]["Timestamp"] = int(bus.clock.now() * 1000)
        print(json.dumps(document))
        print("{not json")

    async with bus:
        start = bus.clock.now()
        for number in (1, 2, 3):
            await bus.invoke(f, number)
            await virtual(bus).advance(5)
        metrics = bus.metrics
        orders = metrics.query("Orders", namespace="app", dimensions={"service": "shop"})
        assert (orders.sum, orders.samples) == (6, 3)
        assert metrics.query("Orders", namespace="app", dimensions={"service": "bank"}).samples == 0
        fine = metrics.data("Orders", namespace="app", dimensions={}, period=5)
        assert [(point.at - start, point.value) for point in fine] == [(0, 1), (5, 2), (10, 3)]
        assert [point.value for point in metrics.data("Orders", namespace="app", dimensions={})] == [6]
        late = metrics.data("Orders", namespace="app", dimensions={}, period=1, start=start + 5, end=start + 10)
        assert [(point.at - start, point.value) for point in late] == [(5, 2)]


@pytest.mark.anyio
async def test_a_role_that_may_not_log_measures_nothing_by_its_log() -> None:
    """As the lines never reach CloudWatch."""
    bus = make_bus()

    @bus.function
    async def f(event: int, context: Any) -> None:
        print(json.dumps(embedded()))

    f.role.detach("AWSLambdaBasicExecutionRole")
    async with bus:
        await bus.invoke(f, 1)
        assert bus.metrics.query("Orders", namespace="app").samples == 0


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["task", "thread"])
async def test_powertools_metrics_and_logger_work_in_handlers(kind: str) -> None:
    """The official library's output is understood, and its logger's records are filtered by their level."""
    powertools = pytest.importorskip("aws_lambda_powertools")
    bus = make_bus()

    def work() -> None:
        metrics = powertools.Metrics(namespace="shop", service="orders")
        metrics.add_metric(name="Sold", unit="Count", value=2)
        metrics.add_dimension(name="env", value="test")
        print(json.dumps(metrics.serialize_metric_set()))
        metrics.clear_metrics()
        logger = powertools.Logger(service=f"orders-{kind}", level="DEBUG")
        logger.info("sold", extra={"order": 7})

    if kind == "task":

        async def handler(event: Any, context: Any) -> None:
            work()
    else:

        def handler(event: Any, context: Any) -> None:  # type: ignore[misc]
            work()

    bus.add_function("f", handler)
    async with bus:
        await bus.invoke("f")
        sold = bus.metrics.query("Sold", namespace="shop", dimensions={"service": "orders", "env": "test"})
        assert (sold.sum, sold.unit) == (2, "Count")
        (record,) = bus.logs.filter("f", '{ $.order = 7 && $.level = "INFO" }')
    assert json.loads(record.message)["service"] == f"orders-{kind}"


@pytest.mark.anyio
async def test_every_count_says_what_was_addressed() -> None:
    """The function, a version and an alias: invocations, throttled tries, events received and given up."""
    bus = make_bus()
    f = bus.add_function("f", Recorder(), retries=0)
    version = f.publish_version()
    addressed = {"f": f, "f:1": version, "f:prod": f.create_alias("prod", version)}
    for target in addressed.values():
        target.add_permission("s", S3)
    async with bus:
        for target in addressed.values():
            await bus.invoke(target)
        f.update_configuration(reserved_concurrency=0)
        for target in addressed.values():
            await bus.push(target, 1, source=S3)
            with pytest.raises(TooManyRequests):
                await bus.invoke(target)
        await bus.wait_idle()
        expected = {"Invocations": 1, "Throttles": 2, "AsyncEventsReceived": 1, "AsyncEventsDropped": 1}
        for resource in addressed:
            here = {"FunctionName": "f", "Resource": resource}
            for name, n in expected.items():
                assert bus.metrics.query(name, namespace="AWS/Lambda", dimensions=here).sum == n, (name, resource)


# -- metrics of one's own ----------------------------------------------------------------------------------------------


def test_metrics_of_ones_own() -> None:
    """Single values, values with counts, sums; listed and queried as CloudWatch names them."""
    bus = make_bus()
    metrics, now = bus.metrics, bus.clock.now()
    metrics.put_metric_data(
        "shop",
        [
            {"MetricName": "Sold", "Value": 2, "Unit": "Count", "Dimensions": [{"Name": "store", "Value": "a"}]},
            {"MetricName": "Sold", "Values": [1, 5], "Counts": [3, 1], "Timestamp": now - 60},
            {"MetricName": "Wait", "StatisticValues": {"SampleCount": 4, "Sum": 10, "Minimum": 1, "Maximum": 4}},
        ],
    )
    assert metrics.query("Sold", namespace="shop", dimensions={"store": "a"}).sum == 2
    plain = metrics.query("Sold", namespace="shop", dimensions={})
    assert (plain.samples, plain.sum, plain.percentile(75), plain.of("p76")) == (4, 8, 1, 5)
    assert metrics.query("Sold", namespace="shop").sum == 10
    wait = metrics.query("Wait", namespace="shop")
    assert (wait.average, wait.maximum, wait.of("p50")) == (2.5, 4, None)
    assert metrics.list_metrics("shop", "Sold") == [
        MetricName("shop", "Sold", {}), MetricName("shop", "Sold", {"store": "a"}),
    ]  # fmt: skip
    assert metrics.list_metrics(dimensions={"store": "a"}) == [MetricName("shop", "Sold", {"store": "a"})]


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("AWS/Mine", {"MetricName": "m", "Value": 1}),
    ("", {"MetricName": "m", "Value": 1}),
    ("n", {"Value": 1}),
    ("n", {"MetricName": "m"}),
    ("n", {"MetricName": "m", "Value": 1, "Values": [1]}),
    ("n", {"MetricName": "m", "Value": math.nan}),
    ("n", {"MetricName": "m", "Value": 2.0**361}),
    ("n", {"MetricName": "m", "Value": 1, "Unit": "Pieces"}),
    ("n", {"MetricName": "m", "Value": 1, "StorageResolution": 30}),
    ("n", {"MetricName": "m", "Value": 1, "Timestamp": "now"}),
    ("n", {"MetricName": "m", "Value": 1, "Colour": "red"}),
    ("n", {"MetricName": "m", "Value": 1, "Dimensions": [{"Name": "a"}]}),
    ("n", {"MetricName": "m", "Value": 1, "Dimensions": [{"Name": str(n), "Value": "v"} for n in range(31)]}),
    ("n", {"MetricName": "m", "Values": [1] * 151}),
    ("n", {"MetricName": "m", "Values": [1, 2], "Counts": [1]}),
    ("n", {"MetricName": "m", "StatisticValues": {"Sum": 1}}),
]


@pytest.mark.parametrize(("namespace", "item"), REFUSED)
def test_what_cloudwatch_refuses_changes_nothing(namespace: str, item: dict[str, Any]) -> None:
    """Not even if the items before it were good."""
    metrics = make_bus().metrics
    with pytest.raises(InvalidMetricData):
        metrics.put_metric_data(namespace, [{"MetricName": "good", "Value": 1}, item])
    assert metrics.list_metrics() == []


@pytest.mark.parametrize("period", [0, 7, 90, -60])
def test_a_period_is_one_of_cloudwatchs(period: int) -> None:
    """Some seconds, or whole minutes."""
    with pytest.raises(InvalidMetricData, match="Period"):
        make_bus().metrics.data("Invocations", period=period)


@pytest.mark.anyio
async def test_data_points_are_made_for_periods_that_have_data() -> None:
    """Here of five minutes, for an event that is tried at 0, 1 and 3 minutes and another at 6."""
    bus = make_bus()
    f = bus.add_function("f", Recorder(fail=3))
    f.allow(S3)
    async with bus:
        start = bus.clock.now()
        await bus.push(f, 1, source=S3)
        await bus.wait_idle()
        await virtual(bus).advance(180)
        await bus.invoke(f)
        points = bus.metrics.data("Errors", f, period=300)
        assert [(point.at - start, point.value) for point in points] == [(0, 3), (300, 0)]
        average = bus.metrics.data("Errors", f, statistic="Average", period=3600)
        assert [point.value for point in average] == [0.75]


@pytest.mark.anyio
async def test_every_name_is_listed_as_botocores_model_wants_it() -> None:
    """A wire front can answer ListMetrics with it."""
    botocore = pytest.importorskip("botocore.session")
    validate = pytest.importorskip("botocore.validate").ParamValidator().validate
    shape = botocore.get_session().get_service_model("cloudwatch").shape_for("Metrics")
    bus: EventBus = make_bus()
    bus.add_function("f", Recorder())
    async with bus:
        await bus.invoke("f")
        found = [
            {
                "Namespace": metric.namespace,
                "MetricName": metric.name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in metric.dimensions.items()],
            }
            for metric in bus.metrics.list_metrics()
        ]
    assert len(found) == 13
    assert not validate(found, shape).has_errors()
