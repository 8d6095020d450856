"""How many environments are busy: the highest level of every minute, for the account, for each function and for what
has provisioned concurrency.

Levels change where units of concurrency are taken and given back, once for a burst of events and not for each. That
costs a look at the clock and four comparisons; data points are made once a minute, and when somebody reads.
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
    from eventbus.functions.provisioned import ProvisionedConcurrency


class Level:
    """A number that goes up and down."""

    __slots__ = ("now", "peak")

    def __init__(self) -> None:
        self.now = 0.0
        self.peak = 0.0
        """The highest since the minute began."""

    def to(self, now: float) -> None:
        self.now = now
        if now > self.peak:
            self.peak = now


class _Provisioned:
    """How much of one provisioned concurrency is in use."""

    def __init__(self, provisioner: ProvisionedConcurrency) -> None:
        self.owner = Owner(provisioner.function_arn, provisioner.qualifier, provisioner.qualifier)
        self._provisioner = provisioner
        self.busy = Level()
        self.share = Level()
        """From 0 to 1."""

    def add(self, n: int) -> None:
        self.busy.to(self.busy.now + n)
        units = self._provisioner.units
        self.share.to(min(1.0, self.busy.now / units) if units else 0.0)


class Gauges:
    """The levels of one bus."""

    def __init__(self, metrics: Metrics, now: Callable[[], float], shared: Pool) -> None:
        self._metrics = metrics
        self.now = now
        self._shared = shared
        self._account = Level()
        self._unreserved = Level()
        self._claimed = Level()
        self._functions: dict[str, Level] = {}
        self._provisioned: dict[ProvisionedConcurrency, _Provisioned] = {}
        self._used: dict[Environment, _Provisioned] = {}
        """Where a busy provisioned environment is counted, whatever becomes of its version meanwhile."""
        self._minute = 0
        self._ends_at = 0.0

    def taken(self, lane: Lane, environment: Environment) -> None:
        """An environment of a function goes to work; its unit is counted in its pool already."""
        now = self.now()
        if now >= self._ends_at:
            self._turn(now)
        level = self._functions.get(lane.function.arn)
        if level is None:
            level = self._functions[lane.function.arn] = Level()
        level.to(level.now + 1)
        self._account.to(self._account.now + 1)
        self._unreserved.to(self._shared.busy)
        self._claimed.to(lane.bus.account.claimed)
        provisioner = lane.provisioner
        if provisioner is not None and environment.is_provisioned:
            use = self._provisioned.get(provisioner)
            if use is None:
                use = self._provisioned[provisioner] = _Provisioned(provisioner)
            self._used[environment] = use
            use.add(1)

    def given_back(self, lane: Lane, environment: Environment) -> None:
        """It is about to rest, or is gone; its unit is still counted in its pool."""
        now = self.now()
        if now >= self._ends_at:
            self._turn(now)
        freed = environment.holds_unit and lane.pool is self._shared
        self._functions[lane.function.arn].now -= 1
        self._account.now -= 1
        self._unreserved.now = self._shared.busy - freed
        self._claimed.now = lane.bus.account.claimed - freed
        if (use := self._used.pop(environment, None)) is not None:
            use.add(-1)

    def flush(self) -> None:
        """Make the data points of the minute so far."""
        self._turn(self.now())

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
        levels.append(("ClaimedAccountConcurrency", account, self._claimed))
        for use in self._provisioned.values():
            levels.append(("ProvisionedConcurrentExecutions", use.owner, use.busy))
            levels.append(("ProvisionedConcurrencyUtilization", use.owner, use.share))
        return levels

    def _note(self, name: str, owner: Owner, minute: int, value: float) -> None:
        self._metrics.level(name, owner, minute, value)
