"""OpenTelemetry: the traces and metrics of a bus, through the official SDK. Needs `eventbus[otel]`.

    with instrument(bus):                                  # the global providers; or tracer_provider=, meter_provider=
        async with bus:
            ...

Spans follow the trace of the bus. What somebody did (`put_object photos`) is a span of an instant; an event on its way
to a function lasts from its acceptance to its end; each attempt at it is a child of that, linked to the attempt before.
What a handler causes hangs below the event that it worked on. Attributes are those of the semantic conventions for FaaS
and cloud resources. Nothing of this costs anything while nobody has entered
an instrumentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import attrs
from opentelemetry import context as otel_context
from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from eventbus.delivery.event import Event, State
from eventbus.execution.current import current_environment
from eventbus.execution.outcome import Failed, Throttled
from eventbus.telemetry.otel_meters import Meters
from eventbus.telemetry.otel_xray import XRayIds as XRayIds
from eventbus.telemetry.otel_xray import xray_header as xray_header
from eventbus.telemetry.trace import Action, Cause

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.delivery.event import Attempt
    from eventbus.delivery.settling import Settling

KEPT = 10_000
"""Spans that later ones may still have as their parent."""
_TRIGGERS = {
    "s3": "datasource",
    "dynamodb": "datasource",
    "sns": "pubsub",
    "sqs": "pubsub",
    "kinesis": "pubsub",
    "events": "timer",
    "scheduler": "timer",
    "apigateway": "http",
}
_ENDED = (State.FINISHED, State.DEAD_LETTERED, State.REFUSED)
_W3C = TraceContextTextMapPropagator()


def instrument(
    bus: EventBus, *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
) -> Instrumentation:
    """Report what a bus does as OpenTelemetry spans and metrics, while the returned context is entered.

    Without providers the global ones are used. Enter it before the bus to see everything.
    """
    return Instrumentation(bus, tracer_provider, meter_provider)


@attrs.define(eq=False)
class _Open:
    """An event that has not ended, with its span."""

    event: Event
    span: Span
    seen: Attempt | None = None
    """The latest attempt that was reported."""
    link: SpanContext | None = None
    """The span of the attempt before."""
    tries: int = 0


class Instrumentation:
    """What `instrument` returns; enter it with `with`."""

    def __init__(self, bus: EventBus, tracers: TracerProvider | None, meters: MeterProvider | None) -> None:
        self._bus = bus
        self._tracer = trace.get_tracer("eventbus", tracer_provider=tracers)
        self._meters = Meters(bus, metrics.get_meter("eventbus", meter_provider=meters))
        self._spans: dict[Cause, SpanContext] = {}
        self._open: dict[int, _Open] = {}

    def __enter__(self) -> Self:
        self._bus.trace.listen(self._noted)
        self._bus.journal.listen(self)
        self._meters.is_active = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bus.journal.ignore(self)
        self._bus.trace.ignore(self._noted)
        self._meters.is_active = False
        self.closed()
        self._spans.clear()

    @contextmanager
    def attached(self) -> Iterator[None]:
        """In a handler: make the event that it works on the current span, so that spans of your own hang below it.

        with telemetry.attached(), tracer.start_as_current_span("resize"):
            ...
        """
        environment = current_environment.get()
        event = None if environment is None else environment.event
        parent = None if event is None else self._spans.get(event)
        if parent is None:
            yield
            return
        token = otel_context.attach(trace.set_span_in_context(NonRecordingSpan(parent)))
        try:
            yield
        finally:
            otel_context.detach(token)

    # -- what the trace and the journal tell ------------------------------------------------------------------------

    def _noted(self, node: Cause) -> None:
        """Something happened: an action is a span at once, an event a span that ends later."""
        if isinstance(node, Event):
            if node.is_shadow:
                return
            verb = "publish" if node.reply is None else "invoke"
            kind = SpanKind.PRODUCER if node.reply is None else SpanKind.CLIENT
            span = self._start(f"{verb} {node.lane.function.name}", node, kind, _event_attributes(node))
            self._open[node.number] = _Open(node, span)
        elif isinstance(node, Action):
            span = self._start(f"{node.verb} {node.resource.name}", node, SpanKind.INTERNAL, _action_attributes(node))
            span.end(_nanoseconds(node.at))

    def _start(self, name: str, node: Cause, kind: SpanKind, attributes: dict[str, Any]) -> Span:
        span = self._tracer.start_span(
            name, self._parent(node), kind=kind, attributes=attributes, start_time=_nanoseconds(node.at)
        )
        self._spans[node] = span.get_span_context()
        if len(self._spans) > KEPT:
            del self._spans[next(iter(self._spans))]
        return span

    def _parent(self, node: Cause) -> otel_context.Context:
        """What it happened because of: its cause, what a direct caller sent along, or the caller's current span."""
        if node.cause is not None:
            known = self._spans.get(node.cause)
            return otel_context.Context() if known is None else trace.set_span_in_context(NonRecordingSpan(known))
        sent = node.client_context if isinstance(node, Event) else None
        if sent is not None and sent.w3c:
            return _W3C.extract(sent.w3c, otel_context.Context())
        # an environment's task has the current span of whoever was the first to wake it, which says nothing
        return otel_context.Context() if current_environment.get() is not None else otel_context.get_current()

    def invoked(self, attempts: list[Attempt]) -> None:
        """Attempts have ended: each is a span, and the event's own ends with the last."""
        for attempt in attempts:
            self._meters.invoked(attempt)
            entry = self._open.get(attempt.number)
            if entry is not None and attempt.environment is not None:
                self._attempted(entry, attempt)
                if entry.event.state in _ENDED and entry.event.last is attempt:
                    self._end(entry, attempt.at + attempt.duration)

    def throttled(self, lane: Settling, attempt: Attempt) -> None:
        """A try found no environment."""
        entry = self._open.get(attempt.number)
        if entry is not None and isinstance(attempt.outcome, Throttled):
            entry.seen = attempt
            facts = {"eventbus.reason": attempt.outcome.reason}
            entry.span.add_event("throttled", facts, timestamp=_nanoseconds(attempt.at))

    def given_up(self, event: Event) -> None:
        """An event was given up; if an attempt of it is still to be reported, its span ends with that."""
        entry = self._open.get(event.number)
        if entry is None or entry.event is not event:
            return
        reason = "" if event.reason is None else event.reason.value
        entry.span.set_attribute("eventbus.reason", reason)
        entry.span.set_status(Status(StatusCode.ERROR, event.note or reason))
        if event.last is entry.seen:
            self._end(entry, self._bus.clock.now())

    def closed(self) -> None:
        """Nothing more will be reported: what is open ends here."""
        for entry in list(self._open.values()):
            self._end(entry, self._bus.clock.now())

    def _attempted(self, entry: _Open, attempt: Attempt) -> None:
        parent = trace.set_span_in_context(NonRecordingSpan(entry.span.get_span_context()))
        entry.seen, entry.tries = attempt, entry.tries + 1
        span = self._tracer.start_span(
            entry.event.lane.function.name,
            parent,
            kind=SpanKind.CONSUMER if entry.event.reply is None else SpanKind.SERVER,
            attributes=_attempt_attributes(self._bus, entry, attempt),
            links=() if entry.link is None else (Link(entry.link),),
            start_time=_nanoseconds(attempt.at),
        )
        entry.link = span.get_span_context()
        ended = _nanoseconds(attempt.at + attempt.duration)
        if isinstance(attempt.outcome, Failed):
            span.set_status(Status(StatusCode.ERROR, str(attempt.outcome)))
            span.set_attribute("error.type", attempt.outcome.error_type)
            span.add_event("exception", _exception(attempt.outcome), timestamp=ended)
        span.end(ended)

    def _end(self, entry: _Open, at: float) -> None:
        self._open.pop(entry.event.number, None)
        entry.span.end(_nanoseconds(max(at, entry.event.at)))


def _nanoseconds(instant: float) -> int:
    return round(instant * 1_000_000) * 1000


def _event_attributes(event: Event) -> dict[str, Any]:
    return {
        "faas.invoked_name": event.lane.function.name,
        "faas.invoked_provider": "aws",
        "faas.invoked_region": event.lane.bus.region,
        "eventbus.source": event.source.arn or event.source.principal,
        "faas.invocation_id": event.request_id,
    }


def _action_attributes(action: Action) -> dict[str, Any]:
    attributes = {"eventbus.verb": action.verb}
    if arn := getattr(action.resource, "arn", None):
        attributes["aws.resource"] = arn
    if action.detail:
        attributes["eventbus.detail"] = action.detail
    return attributes


def _attempt_attributes(bus: EventBus, entry: _Open, attempt: Attempt) -> dict[str, Any]:
    environment = attempt.environment
    assert environment is not None
    lane, service = environment.lane, entry.event.source.principal.partition(".")[0]
    return {
        "faas.name": lane.function.name,
        "faas.version": lane.version,
        "faas.instance": environment.log_stream,
        "faas.invocation_id": entry.event.request_id,
        "faas.coldstart": attempt.is_cold,
        "faas.max_memory": environment.configuration.memory * 1_048_576,
        "faas.trigger": _TRIGGERS.get(service, "other"),
        "cloud.provider": "aws",
        "cloud.platform": "aws_lambda",
        "cloud.region": bus.region,
        "cloud.account.id": bus.account_id,
        "cloud.resource_id": lane.function.arn
        if attempt.qualifier is None
        else f"{lane.function.arn}:{attempt.qualifier}",
        "eventbus.attempt": entry.tries,
    }


def _exception(outcome: Failed) -> dict[str, str]:
    return {
        "exception.type": outcome.error_type,
        "exception.message": outcome.error_message,
        "exception.stacktrace": "".join(outcome.document.get("stackTrace", ())),
    }
