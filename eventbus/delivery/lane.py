"""The queue of one version of a function, and the environments that take from it.

Every version has a lane of its own: that is why a slow, throttled or failing one never delays another. Its environments
are chosen in `environments`; what becomes of its events is decided in `settling`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import takewhile
from typing import TYPE_CHECKING

from eventbus.delivery.environments import Environments
from eventbus.delivery.event import DetailedAttempt, Event
from eventbus.delivery.retry import Discard, Reason, backoff
from eventbus.delivery.settling import HEAVY, weight
from eventbus.execution.environment import Environment
from eventbus.execution.outcome import Throttled
from eventbus.execution.streaming import as_coroutine

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.clock import Timer
    from eventbus.delivery.targets import Source
    from eventbus.functions.function import Function
    from eventbus.functions.version import Version

REFILL = 128
"""Events that are read from the store at a time."""


class Lane(Environments):
    """The events of one version: queued here, taken by its environments, settled by the rules of `retry`."""

    def __init__(self, target: Function | Version, bus: EventBus) -> None:
        super().__init__(target, bus)
        self.access = target.access
        self.is_watched = False
        self.permits: dict[Source, int] = {}
        """Sources that were allowed to invoke, with the policy version that allowed them."""
        self.left: deque[int] = deque()
        """Numbers of events that the store holds and the queue has no room for, oldest first."""
        self._backoff: Timer | None = None
        self._cut_off: list[Event] = []
        self._take_over()
        self.apply_settings()

    def __repr__(self) -> str:
        return (
            f"<Lane {self.name}: {len(self.queue)} queued, {self.inside} running, "
            f"{len(self.waiting)} waiting for a retry, {len(self.environments)} environments>"
        )

    # -- configuration ----------------------------------------------------------------------------------------------

    def _take_over(self) -> None:
        """Run what the target says from now on."""
        self.configuration = self.target.configuration
        self.handler = as_coroutine(self.target.handler)
        self.source = self.target.source
        self.timeout = self.configuration.timeout

    def renew(self) -> None:
        """Code or configuration has changed: what runs ends under the old one, everything else runs the new one."""
        self.generation += 1
        before, self.queue = self.queue, deque(self.queue)
        before.clear()  # environments of the earlier generation hold on to that one, and find nothing more there
        while self.idle:
            self.idle.pop(0).retire()
        while self.ready:
            self.ready.pop(0).retire()
        self._take_over()
        self.attend()

    def apply_settings(self) -> None:
        """Take over how asynchronous events are treated."""
        self.settings = self.target.settings
        bus = self.bus
        has_followers = self.target.destinations.on_success is not None
        self.must_settle = has_followers or bus.durable is not None or bus.faults is not None

    def apply_limits(self) -> None:
        """Take over the function's concurrency; units that are in use move to the new pool."""
        pool = self.bus.account.pool(self.function.name)
        if self.is_held:
            self.release()
        before, self.pool = self.pool, pool
        if before is not pool:
            moved = sum(environment.holds_unit for environment in self.environments)
            before.busy -= moved
            pool.busy += moved
        before.let_in()
        pool.let_in()
        self.attend()

    @property
    def _keeps_publishers_waiting(self) -> bool:
        """Whether events that are held back count as a full queue; with a virtual clock nobody would move time on."""
        return not self.bus.clock.is_virtual

    @property
    def depth(self) -> int:
        """Asynchronous events in the queue, those left in the store included."""
        return sum(1 for event in self.queue if event.is_counted) + len(self.left)

    def arns(self) -> Iterator[str]:
        """Every ARN under which events come here: the version's own, and those of aliases."""
        yield self.arn
        for alias in self.function.aliases.values():
            if any(version.lane is self for version in alias.routing):
                yield alias.arn

    @property
    def log_group(self) -> str:
        return self.configuration.log_group or f"/aws/lambda/{self.function.name}"

    def new_log_stream(self) -> str:
        """A name as AWS makes them: the date, in a group of one's choice the function, the version, 32 digits."""
        function = self.function.name if self.configuration.log_group is not None else ""
        return f"{self.bus.today()}/{function}[{self.version}]{self.bus.ids.log_stream()}"

    # -- taking events in -------------------------------------------------------------------------------------------

    def receive(self, event: Event) -> None:
        """Take an accepted event in, with the faults that it is subject to."""
        faults = self.bus.faults
        if faults is not None and faults.concerns(event):
            event.needs_care = True
            faults.pass_by("accepted")
            if faults.is_duplicated(event):
                self.put(self._shadow_of(event))
            if (delay := faults.delay_of(event)) > 0:
                self.wait_until(event, self.bus.clock.now() + delay)
                return
        if self.bus.durable is None:
            self.put(event)
        else:
            self.put_or_leave(event)

    def _shadow_of(self, event: Event) -> Event:
        shadow = Event(event.at, event.cause, event.hops, event.number, self, event.source, event.body)
        shadow.target = event.target
        shadow.is_shadow = shadow.needs_care = True
        shadow.note = "delivered a second time, on demand"
        self.bus.trace.append(shadow)
        self.bus.outstanding += 1
        self.bus.direct += 1
        return shadow

    def put(self, event: Event) -> None:
        """Queue an event, and see that somebody looks at it."""
        self.queue.append(event)
        if event.body.__class__ is bytes and len(event.body) > HEAVY:
            self.bus.backlog_bytes += len(event.body)
        if self.is_held:
            self.bus.resting += 1
            if self._keeps_publishers_waiting:
                self.bus.backlog += 1
                if len(self.queue) >= self.bus.queue_limit:
                    self.bus.full.add(self)
            return
        self.bus.backlog += 1
        if len(self.queue) >= self.bus.queue_limit:
            self.bus.full.add(self)
        if self.active == self.inside:
            self.attend()

    def put_first(self, event: Event) -> None:
        """Queue a direct call, ahead of all asynchronous events; the caller has seen that there is room."""
        if self.is_held:
            self.release()
        direct = sum(1 for _ in takewhile(lambda queued: queued.reply is not None, self.queue))
        self.queue.insert(direct, event)
        self.bus.backlog_bytes += weight(event)
        self.bus.backlog += 1
        self._engage()

    def put_or_leave(self, event: Event) -> None:
        """Queue an event that the store holds, or leave it there while the queue is long."""
        if self.left or len(self.queue) >= self.bus.queue_limit // 2:
            event.note = "left in the store until there is room"
            self.left.append(event.number)
        else:
            self.put(event)

    def refill(self) -> None:
        """Take events up again that were left in the store."""
        durable = self.bus.durable
        assert durable is not None
        for _ in range(min(len(self.left), REFILL)):
            event = durable.load(self.left.popleft(), self)
            if event is not None:
                self.bus.trace.append(event)
                self.queue.append(event)
                self.bus.backlog += 1
                self.bus.backlog_bytes += weight(event)

    def lighten(self, event: Event) -> None:
        """An event was taken from the queue: its bytes no longer count."""
        self.bus.backlog_bytes -= weight(event)

    # -- backing off ------------------------------------------------------------------------------------------------

    def _back_off(self, reason: str) -> None:
        """No environment may be had: throttle the event at the head, give up on what gets too old, try again later."""
        now = self.bus.clock.now()
        self.throttles += 1
        throttled = Throttled(reason)
        head = self.queue[0]
        head.throttles += 1
        head.last = DetailedAttempt(now, 0.0, throttled, None, head.number, now - head.at, False, None, head.last)
        self.bus.journal.throttled(self, head)
        if self.throttles > 1 or self.settings.is_switched_off:
            # the first time the queue has just moved on: to look through it at every step would cost its square
            self._give_up_what_gets_too_old(throttled, now)
        if self.queue and not self.is_held:
            self.is_held = True
            self.bus.resting += len(self.queue)
            if not self._keeps_publishers_waiting:
                self.bus.backlog -= len(self.queue)
                self.bus.full.discard(self)
            self.pool.waiting.append(self)
            self._backoff = self.bus.clock.call_at(now + backoff(self.throttles), self._try_again)
        self.bus.make_room()
        self.bus.notice_rest()

    def _give_up_what_gets_too_old(self, throttled: Throttled, now: float) -> None:
        waiting, given_up = deque[Event](), list[tuple[Event, Reason]]()
        for event in self.queue:
            verdict = self.verdict(event, throttled, self.throttles, now)
            if isinstance(verdict, Discard):
                given_up.append((event, verdict.reason))
            else:
                waiting.append(event)
        if given_up:
            self.queue.clear()  # the environments hold on to this very deque
            self.queue.extend(waiting)
            self.bus.backlog -= len(given_up)
            for event, reason in given_up:
                self.bus.backlog_bytes -= weight(event)
                self.discard(event, reason)

    def _try_again(self) -> None:
        if self.is_held:
            self.release(self.throttles)
            self.attend()

    def release(self, throttles: int = 0) -> None:
        """End the back-off: an environment is free again, or, after so many throttles in a row, its time is up."""
        self.is_held = False
        self.throttles = throttles
        self.bus.resting -= len(self.queue)
        if not self._keeps_publishers_waiting:
            self.bus.backlog += len(self.queue)
        if self._backoff is not None:
            self._backoff.cancel()
            self._backoff = None
        if self in self.pool.waiting:
            self.pool.waiting.remove(self)

    # -- beginning and leaving --------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The bus is entered: initialise what is provisioned, and look at what was queued before."""
        self._provision_missing()
        self._bill_provisioned()
        self.attend()

    def close(self) -> list[Event]:
        """Take out everything that isn't running."""
        if self.is_held:
            self.release()
        self._bill_provisioned()
        self.bus.backlog -= len(self.queue)
        self.bus.resting -= len(self.waiting)
        self.bus.backlog_bytes -= sum(weight(event) for event in self.queue)
        left = [*self.queue, *sorted(self.waiting, key=lambda event: event.number)]
        self.queue.clear()
        self.waiting.clear()
        return left

    def interrupt(self) -> list[Event]:
        """Take out what is still running; late results are discarded."""
        running = [environment for environment in self.environments if environment.event is not None]
        left = [*self._cut_off, *(environment.interrupt() for environment in running)]
        self._cut_off.clear()
        return sorted(left, key=lambda event: event.number)

    def cut_off(self, environment: Environment) -> None:
        """An environment was cancelled inside a handler, along with the bus and everything around it."""
        self.bus.is_stopping = True  # what is freed must not begin anything new
        self._cut_off.append(environment.interrupt())
        self.bus.notice_rest()

    def end(self) -> None:
        """The version was deleted: what runs finishes, what is queued is given up."""
        self._provisioned = 0
        for event in self.close():
            self.discard(event, Reason.RESOURCE_NOT_FOUND)
        self.renew()
        self.bus.full.discard(self)
        self.bus.make_room()
        self.bus.notice_rest()
