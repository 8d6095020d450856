"""The environments of one version of a function: chosen, kept, provisioned, ended.

Choosing one and reserving it is one synchronous step (`attend`); only running the handler is awaited.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from eventbus.delivery.event import Event
from eventbus.delivery.settling import Settling
from eventbus.execution.concurrency import UNRESERVED
from eventbus.execution.environment import Environment, Phase
from eventbus.execution.process import ProcessEnvironment
from eventbus.execution.thread import ThreadEnvironment

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.clock import Timer
    from eventbus.delivery.lane import Lane
    from eventbus.execution.concurrency import Pool
    from eventbus.functions.configuration import Configuration
    from eventbus.functions.function import Function
    from eventbus.functions.provisioned import ProvisionedConcurrency
    from eventbus.functions.version import Version

KINDS: dict[str, type[Environment]] = {
    kind.isolation: kind for kind in (Environment, ThreadEnvironment, ProcessEnvironment)
}
"""Environments by isolation."""


class Environments(Settling):
    """The part of a lane that gives its queue environments."""

    def __init__(self, target: Function | Version, bus: EventBus) -> None:
        super().__init__(target, bus)
        self.queue: deque[Event] = deque()
        self.environments: set[Environment] = set()
        self.idle: list[Environment] = []
        """Environments on demand that wait for an event, the longest first."""
        self.ready: list[Environment] = []
        """Provisioned ones; they hold their unit of concurrency for good."""
        self.active = 0
        """Environments that are at work."""
        self.inside = 0
        """How many of them are inside a handler; when all are, nobody looks at the queue."""
        self.is_held = False
        """The queue waits out a back-off, because no environment could be had for it."""
        self.throttles = 0
        """Throttled tries in a row."""
        self.generation = 0
        """Grows with every change of what a version freezes: environments of an earlier one are not used again."""
        self.inherited: list[Path] = []
        """Temporary directories of environments that were reset: the next new ones take them over, as on AWS."""
        self.provisioner: ProvisionedConcurrency | None = None
        self._provisioned = 0
        self.provisioning_failure = ""
        self._made = 0
        self._retirement: Timer | None = None
        self._scaling = bus.account.scaling()
        self.configuration: Configuration
        self.handler: Callable[[Any, Any], Any]
        self.pool: Pool = bus.account.pool(self.function.name)

    @property
    def _lane(self) -> Lane:
        """The whole of which this is a part."""
        return cast("Lane", self)

    def _back_off(self, reason: str) -> None:
        """No environment may be had: see that the queue tries again later."""
        raise NotImplementedError

    def release(self, throttles: int = 0) -> None:
        """End the back-off."""
        raise NotImplementedError

    # -- environments -----------------------------------------------------------------------------------------------

    @property
    def refusal(self) -> str | None:
        """Why no environment may be had now, as TooManyRequestsException says it; None if one may."""
        if self.ready:
            return None
        if not self.pool.has_room:
            return self.pool.reason
        if not self.idle and not self._scaling.has_room(self.bus.clock.now()):
            return UNRESERVED
        return None

    def attend(self) -> None:
        """Give the queue one more environment: an idle one, else a new one, else back off."""
        if self.active > self.inside:
            return  # one is on its way to the queue
        if not self.queue or self.is_held or self.bus.is_stopping:
            return
        if (reason := self.refusal) is not None:
            self._back_off(reason)
            return
        self._engage()

    def _engage(self) -> None:
        self.active += 1
        self.throttles = 0
        if self.ready:
            environment = self.ready.pop()
            begin: Callable[[], None] = environment.wake_up
        else:
            self.pool.busy += 1
            if self.idle:
                environment = self.idle.pop()
                begin = environment.wake_up
            else:
                self._scaling.take()
                environment = self._make()
                begin = partial(self.bus.start_task, environment.run)
            environment.holds_unit = True
        self.bus.gauges.taken(self._lane, environment)
        if self.bus.clock.is_virtual:
            self.bus.dispatcher.begin(environment, begin)
        else:
            begin()

    @property
    def kind(self) -> type[Environment]:
        """The kind of environment that runs the handler."""
        return KINDS[self.configuration.isolation]

    def _make(self, init_type: str = "on-demand") -> Environment:
        self._made += 1
        environment = self.kind(self._lane, self._made)
        environment.init_type = init_type
        if self.inherited:
            environment.take_over(self.inherited.pop())
        self.environments.add(environment)
        return environment

    def went_idle(self, environment: Environment) -> None:
        """An environment found nothing more to take, or stepped back behind starved functions."""
        if environment.generation != self.generation or environment.is_surplus:
            environment.retire()
        elif environment.is_provisioned:
            environment.move(Phase.IDLE)
            self.ready.append(environment)
        else:
            environment.move(Phase.IDLE)
            environment.idle_since = self.bus.clock.now()
            self.idle.append(environment)
            self._plan_retirement()
        self.active -= 1
        self._give_back(environment)
        self.attend()
        self.bus.journal.fold()
        self.bus.make_room()
        self.bus.notice_rest()

    def lost(self, environment: Environment) -> None:
        """An environment is gone in the middle of an invocation."""
        self.environments.discard(environment)
        self.active -= 1
        self._give_back(environment)
        if environment.is_provisioned:
            self._provision_missing()

    def _give_back(self, environment: Environment) -> None:
        self.bus.gauges.given_back(self._lane, environment)
        if environment.holds_unit:
            environment.holds_unit = False
            self.pool.give_back()

    def _plan_retirement(self) -> None:
        if self._retirement is None and self.bus.idle_timeout is not None:
            due_at = self.idle[0].idle_since + self.bus.idle_timeout
            self._retirement = self.bus.clock.call_at(due_at, self._retire_idle)

    def _retire_idle(self) -> None:
        """End the environments that nobody has needed for long."""
        self._retirement = None
        assert self.bus.idle_timeout is not None
        longest = self.bus.clock.now() - self.bus.idle_timeout
        while self.idle and self.idle[0].idle_since <= longest:
            self.idle.pop(0).retire()
        if self.idle:
            self._plan_retirement()

    # -- provisioned concurrency ------------------------------------------------------------------------------------

    @property
    def is_provisioned(self) -> bool:
        """Environments are kept initialised for it; those on demand beside them are for what spills over."""
        return self._provisioned > 0

    @property
    def provisioned_ready(self) -> int:
        """Provisioned environments that are initialised, busy ones included."""
        return sum(e.is_provisioned and e.phase in (Phase.IDLE, Phase.BUSY) for e in self.environments)

    def provision(self, units: int, provisioner: ProvisionedConcurrency | None) -> None:
        """Keep so many environments initialised from now on."""
        self.bus.journal.settle()
        self.provisioner, self._provisioned, self.provisioning_failure = provisioner, units, ""
        self._bill_provisioned()
        provisioned = [e for e in self.environments if e.is_provisioned and not e.is_surplus]
        for environment in provisioned[: max(0, len(provisioned) - units)]:
            if environment in self.ready:
                self.ready.remove(environment)
                environment.retire()
            else:
                environment.is_surplus = True
        self._provision_missing()

    def _bill_provisioned(self) -> None:
        """Note what is kept initialised from now on: nothing, while the bus does not run."""
        units = 0 if self.bus.is_stopping else self._provisioned
        self.bus.journal.provisioned(self._lane, units, self.bus.clock.now())

    def _provision_missing(self) -> None:
        if self.bus.is_stopping or self.provisioning_failure:
            return  # they are made when the bus is entered
        now = sum(e.is_provisioned and not e.is_surplus for e in self.environments)
        for _ in range(self._provisioned - now):
            environment = self._make("provisioned-concurrency")
            self.bus.count_background(1)
            self.bus.start_task(environment.run)

    def stand_by(self, environment: Environment) -> None:
        """The initialisation of a provisioned environment has ended; it waits for events unless that failed."""
        self.bus.count_background(-1)
        if environment.phase is Phase.GONE:
            return
        if environment.init_failure is not None:
            self.provisioning_failure = "FUNCTION_ERROR_INIT_FAILURE"
        if environment.init_failure is not None or environment.generation != self.generation:
            environment.retire()
            self._provision_missing()
            return
        environment.move(Phase.IDLE)
        self.ready.append(environment)
        if self.is_held:
            self.release()
        self.attend()
