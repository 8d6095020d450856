"""The one narrow hook through which the engine reports what happened.

On the hot path an attempt is one append to a list. Logs, metrics and the bill are made of these values when somebody
reads them, or, so that memory stays bounded, whenever a batch is full. Who listens (a follower of a log, an exporter)
makes every batch one attempt long; nobody else pays for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

from eventbus.delivery.retry import Reason
from eventbus.telemetry.dimensions import Owner

if TYPE_CHECKING:
    from eventbus.delivery.event import Attempt, Event
    from eventbus.delivery.lane import Lane
    from eventbus.delivery.settling import Settling
    from eventbus.execution.environment import Environment
    from eventbus.functions.invocable import Invocable
    from eventbus.telemetry.billing import Billing
    from eventbus.telemetry.gauges import Gauges
    from eventbus.telemetry.metrics import Metrics

BATCH = 512


class Group:
    """Attempts of one batch that are counted alike: same function and version, qualifier, kind of start and minute."""

    __slots__ = ("attempts", "configuration", "durations", "init_type", "lane", "minute", "qualifier")

    def __init__(self, environment: Environment, qualifier: str | None, minute: int, attempts: list[Attempt]) -> None:
        self.lane = environment.lane
        self.configuration = environment.configuration
        self.init_type = environment.init_type
        self.qualifier = self.lane.target.qualifier if qualifier is None else qualifier
        self.minute = minute
        self.attempts = attempts
        self.durations = [attempt.duration for attempt in attempts]
        """Seconds; metrics and bill share the list."""


Groups: TypeAlias = list[Group]


class Listener(Protocol):
    """Who wants to know of every attempt soon after it has ended."""

    def invoked(self, attempts: list[Attempt]) -> None: ...
    def throttled(self, lane: Settling, attempt: Attempt) -> None: ...
    def given_up(self, event: Event) -> None: ...
    def closed(self) -> None: ...


class Journal:
    """Attempts, newest last: the latest `history` of them are kept for the logs, all of them are counted."""

    def __init__(self, metrics: Metrics, billing: Billing, gauges: Gauges, history: int) -> None:
        self._metrics = metrics
        self._billing = billing
        self._gauges = gauges
        self.fresh: list[Attempt] = []
        """Attempts that are not counted yet. Environments append to this very list, and call `fold` now and then."""
        self._kept: deque[Attempt] = deque(maxlen=history)
        self._logged: deque[Attempt] = deque(maxlen=history)
        self.forgotten = 0
        """Attempts that the logs no longer show."""
        self._listeners: list[Listener] = []
        self._batch = BATCH
        self.logs: Callable[[list[Attempt], Groups], list[Attempt]] = lambda attempts, groups: attempts
        """Told of every batch; returns the attempts whose function may write logs."""

    # -- what the engine reports ------------------------------------------------------------------------------------

    def count(self, name: str, resource_arn: str, at: float, n: float = 1) -> None:
        """Add to a metric of a resource."""
        self._metrics.count(name, resource_arn, at, n)

    def throttled(self, lane: Settling, event: Event) -> None:
        """Note a try for which there was no environment: the event's last."""
        attempt, owner = event.last, _owner(lane, event)
        assert attempt is not None
        self._metrics.counted("Throttles", owner, attempt.at)
        if attempt.previous is None and attempt.age >= 0:
            self._metrics.counted("AsyncEventsReceived", owner, event.at)
        for listener in self._listeners:
            listener.throttled(lane, attempt)

    def refused(self, name: str, target: Invocable, at: float) -> None:
        """Count a direct call that was refused."""
        version = target.lane.version if target.qualifier is None else target.qualifier
        self._metrics.counted(name, Owner(target.function.arn, target.qualifier, version), at)

    def dropped(self, lane: Settling, event: Event, reason: Reason) -> None:
        """Note an event that was given up."""
        now, owner = lane.bus.clock.now(), _owner(lane, event)
        self._metrics.counted("AsyncEventsDropped", owner, now)
        if reason is Reason.RECURSIVE_INVOCATION:
            self._metrics.counted("RecursiveInvocationsDropped", owner, now)
        if event.last is None:
            self._metrics.counted("AsyncEventsReceived", owner, event.at)
        for listener in self._listeners:
            listener.given_up(event)

    def large_event(self, lane: Lane, at: float, size: int) -> None:
        """Note an asynchronous event that is billed as several requests."""
        self._billing.large_event(lane.function.name, lane.version, lane.configuration.memory, at, size)

    def provisioned(self, lane: Lane, units: int, at: float) -> None:
        """Note that a version has so many provisioned environments from now on."""
        self._billing.provisioned(lane.arn, lane.function.name, lane.version, lane.configuration.memory, units, at)

    def fold(self) -> None:
        """Count the fresh attempts if there is a batch of them."""
        if len(self.fresh) >= self._batch:
            self._fold()

    def settle(self) -> None:
        """Something is about to change by which attempts are judged: take over those that were made before."""
        self._fold()

    # -- who reads --------------------------------------------------------------------------------------------------

    def attempts(self) -> deque[Attempt]:
        """The attempts that are kept, oldest first."""
        self._fold()
        return self._kept

    def logged(self) -> deque[Attempt]:
        """Those of them whose function could write its log."""
        self._fold()
        return self._logged

    def metrics(self) -> Metrics:
        """The metrics, up to date."""
        self._fold()
        self._gauges.flush()
        return self._metrics

    def billing(self) -> Billing:
        """The bill, up to date."""
        self._fold()
        self._billing.run_until(self._gauges.now())
        return self._billing

    def forget(self, group: str) -> None:
        """Drop what the logs keep of a group."""
        self._fold()
        kept = [a for a in self._logged if a.environment is None or a.environment.lane.log_group != group]
        self._logged.clear()
        self._logged.extend(kept)

    def listen(self, listener: Listener) -> None:
        """Tell a listener of every attempt from now on."""
        self._fold()
        self._listeners.append(listener)
        self._batch = 1

    def ignore(self, listener: Listener) -> None:
        """Tell it nothing more."""
        if listener in self._listeners:
            self._fold()
            self._listeners.remove(listener)
            self._batch = 1 if self._listeners else BATCH

    def close(self) -> None:
        """The bus was left: nothing more will happen."""
        self._fold()
        for listener in list(self._listeners):  # some leave when they hear it
            listener.closed()

    def _fold(self) -> None:
        if not self.fresh:
            return
        fresh = self.fresh[:]
        self.fresh.clear()
        self.forgotten += max(0, len(self._kept) + len(fresh) - (self._kept.maxlen or 0))
        self._kept.extend(fresh)
        groups = grouped(fresh)
        self._metrics.invoked(groups)
        self._billing.invoked(groups)
        self._logged.extend(self.logs(fresh, groups))
        for listener in self._listeners:
            listener.invoked(fresh)


def _owner(lane: Settling, event: Event) -> Owner:
    """What an event that no environment has taken is counted under."""
    return Owner(lane.function.arn, event.addressed.qualifier, lane.version)


def grouped(attempts: list[Attempt]) -> Groups:
    """Attempts by what they are counted under; those that never ran are under nothing."""
    first, last = int(attempts[0].at // 60), int(attempts[-1].at // 60)
    environments = {attempt.environment for attempt in attempts}
    if first == last and len(environments) == 1 and len({attempt.qualifier for attempt in attempts}) == 1:
        only = environments.pop()
        return [] if only is None else [Group(only, attempts[0].qualifier, first, attempts)]
    groups: dict[tuple[Lane, int, str, str | None, int], list[Attempt]] = {}
    for attempt in attempts:
        where = attempt.environment
        if where is not None:
            key = where.lane, where.generation, where.init_type, attempt.qualifier, int(attempt.at // 60)
            groups.setdefault(key, []).append(attempt)
    return [Group(_place(chosen), key[3], key[4], chosen) for key, chosen in groups.items()]


def _place(attempts: list[Attempt]) -> Environment:
    environment = attempts[0].environment
    assert environment is not None
    return environment
