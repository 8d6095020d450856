"""What OpenTelemetry counts and measures of a bus. Needs `eventbus[otel]`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from eventbus.execution.outcome import Failed
from eventbus.telemetry.dimensions import LEVELS

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.delivery.event import Attempt


class Meters:
    """The metrics of the semantic conventions for FaaS, and everything else that the bus counts."""

    def __init__(self, bus: EventBus, meter: Meter) -> None:
        self._bus = bus
        self.is_active = False
        self._duration = meter.create_histogram("faas.invoke_duration", "s", "How long handlers ran")
        self._init = meter.create_histogram("faas.init_duration", "s", "How long initialisations took")
        self._cold = meter.create_counter("faas.coldstarts", "{coldstart}", "Invocations of a new environment")
        self._errors = meter.create_counter("faas.errors", "{error}", "Invocations that failed")
        self._timeouts = meter.create_counter("faas.timeouts", "{timeout}", "Invocations that overran")
        self._invocations = meter.create_counter("faas.invocations", "{invocation}", "Invocations that succeeded")
        meter.create_observable_counter("eventbus.count", [self._observe], "1", "What the bus counts, by metric")

    def invoked(self, attempt: Attempt) -> None:
        environment = attempt.environment
        if environment is None:
            return
        facts = {"faas.name": environment.lane.function.name, "faas.version": environment.lane.version}
        self._duration.record(attempt.duration, facts)
        if attempt.is_cold:
            self._cold.add(1, facts)
            self._init.record(environment.init_duration, facts)
        if not isinstance(attempt.outcome, Failed):
            self._invocations.add(1, facts)
        elif attempt.outcome.status == "timeout":
            self._timeouts.add(1, facts)
        else:
            self._errors.add(1, facts)

    def _observe(self, _: CallbackOptions) -> Iterable[Observation]:
        if not self.is_active:
            return []
        sums: dict[tuple[str, str], float] = {}
        for name, owner, _count, total in self._bus.metrics.totals():
            if owner.arn:
                sums[name, owner.arn] = sums.get((name, owner.arn), 0) + total
        chosen = {key: value for key, value in sums.items() if key[0] != "Duration" and key[0] not in LEVELS}
        return [
            Observation(value, {"eventbus.metric": name, "aws.resource": arn}) for (name, arn), value in chosen.items()
        ]
