"""Attempts made by hand, with durations that no clock decides."""

from __future__ import annotations

from typing import Any

from eventbus import EventBus
from eventbus.delivery.event import Attempt, DetailedAttempt
from eventbus.execution.environment import Environment
from eventbus.execution.outcome import RETURNED_NONE, Failed, Outcome
from eventbus.telemetry.journal import Groups, grouped
from eventbus.testing import Recorder


def attempt_of(
    bus: EventBus,
    name: str = "f",
    *,
    duration: float = 0.001,
    init: float | None = None,
    outcome: Outcome = RETURNED_NONE,
    init_failure: Failed | None = None,
    at: float | None = None,
    **options: Any,
) -> DetailedAttempt:
    """An attempt of a function; with `init` seconds it was the first of its environment."""
    function = bus.functions.get(name) or bus.add_function(name, Recorder(), **options)
    environment = Environment(function.lane, 1)
    environment.init_duration, environment.init_failure = init or 0.0, init_failure
    when = bus.clock.now() if at is None else at
    return DetailedAttempt(when, duration, outcome, environment, 1, -1.0, init is not None, None, None)


def groups_of(*attempts: Attempt) -> Groups:
    """The attempts as the journal hands them on."""
    return grouped(list(attempts))
