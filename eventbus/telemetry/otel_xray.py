"""Ids of OpenTelemetry's that AWS X-Ray takes as well. Needs `eventbus[otel]`.

Source: X-Ray developer guide, "Tracing header" and "Sending trace data to X-Ray" (2026).
"""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import SpanContext

from eventbus.ids import Ids


class XRayIds(IdGenerator):
    """Trace ids that AWS X-Ray takes as well, since they begin with the time.

    `TracerProvider(id_generator=XRayIds(bus.clock.now))`; with a `seed` every run draws the same ids.
    """

    def __init__(self, now: Callable[[], float], seed: int | None = None) -> None:
        self._now = now
        self._ids = Ids(seed)

    def generate_trace_id(self) -> int:
        return int(self._now()) << 96 | int(self._ids.hex(24), 16)

    def generate_span_id(self) -> int:
        return int(self._ids.hex(16), 16) or 1


def xray_header(span: SpanContext) -> str:
    """A span as the X-Ray trace header writes it: `Root=1-…;Parent=…;Sampled=1`."""
    trace_id = f"{span.trace_id:032x}"
    sampled = int(span.trace_flags.sampled)
    return f"Root=1-{trace_id[:8]}-{trace_id[8:]};Parent={span.span_id:016x};Sampled={sampled}"
