"""Prometheus, judged by the official client's parser."""

from __future__ import annotations

import pytest

from eventbus import VirtualClock
from eventbus.testing import Recorder
from tests.engine.support import S3, make_bus
from triggers import SQS, EventBridge, Schedule

pytest.importorskip("prometheus_client")
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from eventbus.telemetry.prometheus import BusCollector, exposition

pytestmark = pytest.mark.anyio


async def test_the_text_says_what_the_metrics_say() -> None:
    """Counters with labels, durations in seconds, the state of the queues."""
    bus = make_bus()
    f = bus.add_function("f", Recorder(fail="always"), retries=1)
    f.allow(S3)
    queue = SQS(bus).create_queue("q")
    async with bus:
        await bus.push(f, 1, source=S3)
        await bus.wait_idle()
        await queue.send("x")
        text = exposition(bus)
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    latest = (("function", "f"), ("qualifier", ""), ("version", "$LATEST"))
    assert samples["eventbus_lambda_invocations_total", *latest] == 2
    assert samples["eventbus_lambda_errors_total", *latest] == 2
    assert samples["eventbus_lambda_duration_seconds_count", *latest] == 2
    assert samples["eventbus_lambda_async_event_age_seconds_sum", *latest] == 60
    assert samples["eventbus_lambda_async_events_dropped_total", *latest] == 1
    assert samples["eventbus_sqs_number_of_messages_sent_total", ("queue_name", "q")] == 1
    assert samples["eventbus_lambda_concurrent_executions", ("function", "f")] == 0
    assert samples["eventbus_dead_letters",] == 1


async def test_what_has_no_name_of_its_own_is_told_apart_by_several_labels() -> None:
    """Rules of the same name on two event buses, and schedules, which CloudWatch sums by their group."""
    bus = make_bus()
    eb, schedule = EventBridge(bus), Schedule(bus)
    queue = SQS(bus).create_queue("q")
    for event_bus in (eb.default, eb.create_event_bus("orders")):
        event_bus.put_rule("all", event_pattern={"source": ["me"]}).target(queue, grant=True)
    for name in ("one", "two"):
        schedule.create(name, "rate(1 minute)", queue, grant=True)
    async with bus:
        await eb.default.put("t", {}, "me")
        await eb["orders"].put("t", {}, "me")
        assert isinstance(bus.clock, VirtualClock)
        await bus.clock.advance(60)
        text = exposition(bus)
    for line in (
        'eventbus_events_matched_events_total{event_bus_name="default",rule_name="all"} 1.0',
        'eventbus_events_matched_events_total{event_bus_name="orders",rule_name="all"} 1.0',
        'eventbus_scheduler_invocation_attempt_count_total{schedule_group="default",schedule_name="two"} 1.0',
    ):
        assert line in text.splitlines()


async def test_registering_reads_nothing_and_a_bus_can_be_registered_before_it_runs() -> None:
    """Counters appear with what is counted."""
    bus = make_bus()
    registry = CollectorRegistry()
    registry.register(BusCollector(bus))
    bus.add_function("f", Recorder())
    labels = {"function": "f", "qualifier": "", "version": "$LATEST"}
    assert registry.get_sample_value("eventbus_lambda_invocations_total", labels) is None
    async with bus:
        await bus.invoke("f")
        assert registry.get_sample_value("eventbus_lambda_invocations_total", labels) == 1
