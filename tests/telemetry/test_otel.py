"""OpenTelemetry, judged by the official SDK's exporters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from eventbus import EventBus
from eventbus.telemetry.otel import Instrumentation, XRayIds, instrument, xray_header
from eventbus.testing import Recorder
from tests.engine.support import S3 as S3_PRINCIPAL
from tests.engine.support import make_bus
from triggers import S3, SNS

metrics_sdk = pytest.importorskip("opentelemetry.sdk.metrics")
from opentelemetry import trace  # noqa: E402
from opentelemetry.sdk.metrics import MeterProvider  # noqa: E402
from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: E402
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider  # noqa: E402
from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: E402
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: E402
from opentelemetry.trace import SpanKind, StatusCode  # noqa: E402

pytestmark = pytest.mark.anyio


class Seen:
    """A bus, its instrumentation, and everything that was exported."""

    def __init__(self, **options: Any) -> None:
        self.bus: EventBus = make_bus(**options)
        self.spans = InMemorySpanExporter()
        self.provider = TracerProvider(id_generator=XRayIds(self.bus.clock.now, seed=1))
        self.provider.add_span_processor(SimpleSpanProcessor(self.spans))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])
        self.telemetry: Instrumentation = instrument(
            self.bus, tracer_provider=self.provider, meter_provider=self.meters
        )

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans.get_finished_spans() if span.name == name]

    def tree(self) -> dict[str, str | None]:
        """Each span's name, with that of its parent."""
        spans = self.spans.get_finished_spans()
        names = {span.context.span_id: span.name for span in spans if span.context}
        return {span.name: names.get(span.parent.span_id) if span.parent else None for span in spans}

    def points(self, name: str) -> list[Any]:
        data = self.reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


@pytest.fixture
def seen() -> Iterator[Seen]:
    found = Seen()
    yield found
    found.provider.shutdown()
    found.meters.shutdown()


async def test_spans_follow_what_caused_what(seen: Seen) -> None:
    """A put, the topic's publish, the event, its attempts, and what the handler put in turn: one trace."""
    bus = seen.bus
    s3, sns = S3(bus), SNS(bus)
    photos, thumbs, uploads = s3.create_bucket("photos"), s3.create_bucket("thumbs"), sns.create_topic("uploads")

    @bus.function
    async def thumbnail(event: Any, context: Any) -> None:
        await thumbs.put_object("small", b"x")

    uploads.allow(photos)
    photos.notify(uploads, events=["s3:ObjectCreated:*"])
    uploads.subscribe(thumbnail, grant=True)
    thumbnail.role.allow("s3:PutObject", thumbs)
    with seen.telemetry:
        async with bus:
            seen.spans.clear()
            await photos.put_object("cat.jpg", b"meow")
            await bus.wait_idle()
    tree = seen.tree()
    assert tree["put_object photos"] is None
    assert tree["publish uploads"] == "put_object photos"
    assert tree["publish thumbnail"] == "publish uploads"
    assert tree["thumbnail"] == "publish thumbnail"
    assert tree["put_object thumbs"] == "publish thumbnail"
    assert len({span.context.trace_id for span in seen.spans.get_finished_spans() if span.context}) <= 2


async def test_each_attempt_is_a_span_with_the_conventions_attributes(seen: Seen) -> None:
    """Failed ones with status and exception, linked to the one before; the event's own lasts until its end."""
    bus = seen.bus
    f = bus.add_function("f", Recorder(fail=1))
    f.allow(S3_PRINCIPAL)
    with seen.telemetry:
        async with bus:
            receipt = await bus.push(f, 1, source=S3_PRINCIPAL)
            await bus.wait_idle()
    first, second = seen.named("f")
    (event,) = seen.named("publish f")
    assert first.attributes is not None
    assert dict(first.attributes) | {"faas.instance": ""} == {
        "faas.name": "f", "faas.version": "$LATEST", "faas.instance": "", "faas.invocation_id": receipt.request_id,
        "faas.coldstart": True, "faas.max_memory": 128 * 2**20, "faas.trigger": "datasource", "cloud.provider": "aws",
        "cloud.platform": "aws_lambda", "cloud.region": "us-east-1", "cloud.account.id": "123456789012",
        "cloud.resource_id": f.arn, "eventbus.attempt": 1, "error.type": "ValueError",
    }  # fmt: skip
    assert (first.kind, first.status.status_code) == (SpanKind.CONSUMER, StatusCode.ERROR)
    assert [e.name for e in first.events] == ["exception"]
    assert second.status.status_code is StatusCode.UNSET
    assert [link.context for link in second.links] == [first.context]
    assert event.start_time is not None
    assert event.end_time is not None
    assert 60 <= (event.end_time - event.start_time) / 1e9 < 61
    assert event.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize(("allowed", "reason"), [(True, "RetriesExhausted"), (False, "AccessDenied")])
async def test_an_event_that_is_given_up_is_an_error_with_its_reason(seen: Seen, allowed: bool, reason: str) -> None:
    """After its last attempt, or without any."""
    bus = seen.bus
    f = bus.add_function("f", Recorder(fail="always"), retries=0)
    if allowed:
        f.allow(S3_PRINCIPAL)
    with seen.telemetry:
        async with bus:
            await bus.push(f, 1, source=S3_PRINCIPAL)
            await bus.wait_idle()
            (event,) = seen.named("publish f")
    assert event.attributes is not None
    assert event.attributes["eventbus.reason"] == reason
    assert event.status.status_code is StatusCode.ERROR
    assert len(seen.named("f")) == allowed


async def test_a_direct_call_continues_the_trace_that_its_caller_sent(seen: Seen) -> None:
    """By W3C's traceparent in the client context; else that of the caller's current span."""
    bus = seen.bus
    bus.add_function("f", Recorder())
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    tracer = trace.get_tracer("test", tracer_provider=seen.provider)
    with seen.telemetry:
        async with bus:
            await bus.invoke("f", client_context={"w3c": {"traceparent": parent}})
            with tracer.start_as_current_span("mine") as mine:
                await bus.invoke("f")
    sent, called = seen.named("invoke f")
    assert sent.context is not None
    assert f"{sent.context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert called.parent is not None
    assert called.parent.span_id == mine.get_span_context().span_id
    assert [span.kind for span in seen.named("f")] == [SpanKind.SERVER, SpanKind.SERVER]


async def test_spans_of_a_handler_can_hang_below_its_event(seen: Seen) -> None:
    """Inside `attached()`; outside of a handler it does nothing."""
    bus = seen.bus
    tracer = trace.get_tracer("test", tracer_provider=seen.provider)

    def work() -> None:
        with seen.telemetry.attached(), tracer.start_as_current_span("resize"):
            pass

    @bus.function
    def f(event: Any, context: Any) -> None:
        work()

    with seen.telemetry:
        async with bus:
            await bus.invoke(f)
            assert seen.tree()["resize"] == "invoke f"
            seen.spans.clear()
            work()
    assert seen.named("resize")[0].parent is None


async def test_throttles_are_events_of_the_span(seen: Seen) -> None:
    """With AWS's reason; a function that is switched off runs nothing."""
    bus = seen.bus
    f = bus.add_function("f", Recorder(), reserved_concurrency=0)
    f.allow(S3_PRINCIPAL)
    with seen.telemetry:
        async with bus:
            await bus.push(f, 1, source=S3_PRINCIPAL)
            await bus.wait_idle()
    (event,) = seen.named("publish f")
    assert [e.name for e in event.events] == ["throttled"]


async def test_metrics_of_the_conventions_and_of_the_bus(seen: Seen) -> None:
    """Invocations that succeeded, errors, time-outs, cold starts, durations; and every count by its name."""
    bus = seen.bus
    f = bus.add_function("f", Recorder(fail=1))
    f.allow(S3_PRINCIPAL)
    with seen.telemetry:
        async with bus:
            await bus.push(f, 1, source=S3_PRINCIPAL)
            await bus.wait_idle()
            for name in ("faas.invocations", "faas.errors", "faas.coldstarts"):
                (point,) = seen.points(name)
                assert (point.value, dict(point.attributes)) == (1, {"faas.name": "f", "faas.version": "$LATEST"})
            assert seen.points("faas.timeouts") == []
            (duration,) = seen.points("faas.invoke_duration")
            assert duration.count == 2
            counts = {point.attributes["eventbus.metric"]: point.value for point in seen.points("eventbus.count")}
    assert counts["AsyncEventsReceived"] == 1
    assert counts["Invocations"] == 2
    assert counts["AsyncEventAge"] == 60_000


async def test_nothing_is_reported_before_and_after(seen: Seen) -> None:
    """And the trace and the journal are as they were."""
    bus = seen.bus
    bus.add_function("f", Recorder())
    append = bus.trace.append
    async with bus:
        await bus.invoke("f")
        with seen.telemetry:
            await bus.invoke("f")
        assert bus.trace.append == append
        await bus.invoke("f")
    assert len(seen.named("f")) == 1


def test_ids_that_x_ray_takes() -> None:
    """They begin with the time, and repeat with a seed."""
    ids = XRayIds(lambda: 1767225600.0, seed=3)
    trace_id = ids.generate_trace_id()
    assert f"{trace_id:032x}".startswith(f"{1767225600:08x}")
    assert XRayIds(lambda: 1767225600.0, seed=3).generate_trace_id() == trace_id
    span = trace.SpanContext(trace_id, 0xABC, is_remote=False, trace_flags=trace.TraceFlags(1))
    text = f"{trace_id:032x}"
    assert xray_header(span) == f"Root=1-{text[:8]}-{text[8:]};Parent=0000000000000abc;Sampled=1"
