"""How many environments are busy: the highest level of every minute, for the account and for each function.

Levels change where units of concurrency are taken and given back, once for a burst of events and not for each. That
costs a look at the clock and three comparisons; data points are made once a minute, and when somebody reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from eventbus.telemetry.dimensions import Owner
from eventbus.telemetry.metrics import Metrics
from eventbus.telemetry.series import MINUTES_KEPT

if TYPE_CHECKING:
    from eventbus.delivery.lane import Lane
    from eventbus.execution.concurrency import Pool
    from eventbus.execution.environment import Environment


class Level:
    """A number that goes up and down."""

    __slots__ = ("now", "peak")

    def __init__(self) -> None:
        self.now = 0
        self.peak = 0
        """The highest since the minute began."""

    def up(self) -> None:
        self.now += 1
        if self.now > self.peak:
            self.peak = self.now


class Gauges:
    """The levels of one bus."""

    def __init__(self, metrics: Metrics, now: Callable[[], float], shared: Pool) -> None:
        self._metrics = metrics
        self._now = now
        self._shared = shared
        self._account = Level()
        self._unreserved = Level()
        self._functions: dict[str, Level] = {}
        self._minute = 0
        self._ends_at = 0.0

    def taken(self, lane: Lane) -> None:
        """An environment of a function goes to work; its unit is counted in its pool already."""
        now = self._now()
        if now >= self._ends_at:
            self._turn(now)
        level = self._functions.get(lane.function.arn)
        if level is None:
            level = self._functions[lane.function.arn] = Level()
        level.up()
        self._account.up()
        unreserved = self._unreserved
        unreserved.now = self._shared.busy
        if unreserved.now > unreserved.peak:
            unreserved.peak = unreserved.now

    def given_back(self, lane: Lane, environment: Environment) -> None:
        """It is about to rest, or is gone; its unit is still counted in its pool."""
        now = self._now()
        if now >= self._ends_at:
            self._turn(now)
        self._functions[lane.function.arn].now -= 1
        self._account.now -= 1
        self._unreserved.now = self._shared.busy - (environment.holds_unit and lane.pool is self._shared)

    def flush(self) -> None:
        """Make the data points of the minute so far."""
        self._turn(self._now())

    def _turn(self, now: float) -> None:
        """Note the minute that has passed, and those since in which nothing changed."""
        minute = int(now // 60)
        for name, owner, level in self._levels():
            if level.peak:
                self._note(name, owner, self._minute, level.peak)
            if minute != self._minute:
                level.peak = level.now
                for quiet in range(max(self._minute + 1, minute - MINUTES_KEPT), minute + 1) if level.now else ():
                    self._note(name, owner, quiet, level.now)
        self._minute, self._ends_at = minute, (minute + 1) * 60.0

    def _levels(self) -> list[tuple[str, Owner, Level]]:
        levels = [("ConcurrentExecutions", Owner(arn), level) for arn, level in self._functions.items()]
        account = Owner("")
        levels.append(("ConcurrentExecutions", account, self._account))
        levels.append(("UnreservedConcurrentExecutions", account, self._unreserved))
        return levels

    def _note(self, name: str, owner: Owner, minute: int, value: int) -> None:
        self._metrics.level(name, owner, minute, value)
