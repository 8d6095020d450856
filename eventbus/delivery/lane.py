"""The queue of one function, and the environments that take from it.

Every function has a lane of its own: that is why a slow, throttled or failing one never delays another. Choosing an
environment and reserving it is one synchronous step (`attend`); only running the handler is awaited.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from eventbus.delivery.dead_letters import DeadLetter, letter_of
from eventbus.delivery.destinations import send_to_dead_letter_queue, send_to_destination
from eventbus.delivery.event import Attempt, Event, State
from eventbus.delivery.retry import (
    MAX_HOPS,
    AsyncSettings,
    Decision,
    Discard,
    Finished,
    Reason,
    RetryAt,
    backoff,
    decide,
)
from eventbus.errors import BusClosed
from eventbus.execution.environment import Environment, Phase
from eventbus.execution.outcome import Failed, Outcome, Struck, Succeeded, Throttled
from eventbus.execution.process import ProcessEnvironment
from eventbus.execution.thread import ThreadEnvironment
from eventbus.storage.errors import StoreUnavailable

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.clock import Timer
    from eventbus.delivery.targets import Source, Target
    from eventbus.execution.concurrency import Pool
    from eventbus.functions.function import Function

HEAVY = 4096
"""Bytes from which on the payload of a queued event counts, beside the event itself."""
KINDS: dict[str, type[Environment]] = {
    kind.isolation: kind for kind in (Environment, ThreadEnvironment, ProcessEnvironment)
}
REFILL = 128
"""Events that are read from the store at a time."""


class Lane:
    """One function's events: queued here, taken by its environments, settled by the rules of `retry`."""

    def __init__(self, function: Function, bus: EventBus) -> None:
        self.function = function
        self.bus = bus
        self.name = function.name
        self.arn = function.arn
        self.version = "$LATEST"
        self.handler: Callable[[Any, Any], Any] = function.handler
        self.access = function.access
        self.queue: deque[Event] = deque()
        self.environments: set[Environment] = set()
        self.idle: list[Environment] = []
        self.active = 0
        """Environments that hold a unit of concurrency."""
        self.inside = 0
        """How many of them are inside a handler; when all are, nobody looks at the queue."""
        self.is_watched = False
        self.is_held = False
        """The queue waits out a back-off, because no environment could be had for it."""
        self.throttles = 0
        """Throttled tries in a row."""
        self.permits: dict[Source, int] = {}
        """Sources that were allowed to invoke, with the policy version that allowed them."""
        self.left: deque[int] = deque()
        """Numbers of events that the store holds and the queue has no room for, oldest first."""
        self.finished = 0
        self.dead_lettered = 0
        self.waiting: set[Event] = set()
        """Events that wait for a retry."""
        self.must_settle = bus.durable is not None or bus.faults is not None
        """Something follows a success; the hot path ends an event itself only where nothing does."""
        self.on_success: Target | None = None
        self.on_failure: Target | None = None
        self.dead_letter: Target | None = None
        self._made = 0
        self._backoff: Timer | None = None
        self._cut_off: list[Event] = []
        self.pool: Pool = bus.account.shared
        self.apply_configuration()

    def __repr__(self) -> str:
        return (
            f"<Lane {self.name}: {len(self.queue)} queued, {self.inside} running, "
            f"{len(self.waiting)} waiting for a retry, {len(self.environments)} environments>"
        )

    def apply_configuration(self) -> None:
        """Take over what the function's configuration says; units that are in use move to the new pool."""
        configuration = self.function.configuration
        pool = self.bus.account.reserve(self.name, configuration.reserved_concurrency)
        self.configuration = configuration
        self.timeout = configuration.timeout
        self.settings = AsyncSettings(
            configuration.retries, configuration.max_event_age, configuration.reserved_concurrency == 0
        )
        if self.is_held:
            self.release()
        before, self.pool = self.pool, pool
        before.busy -= self.active
        pool.busy += self.active
        before.let_in()
        self.attend()
        if self.active:
            self.bus.watch_deadlines(self.timeout)

    @property
    def _keeps_publishers_waiting(self) -> bool:
        """Whether events that are held back count as a full queue; with a virtual clock nobody would move time on."""
        return not self.bus.clock.is_virtual

    @property
    def depth(self) -> int:
        """Asynchronous events in the queue, those left in the store included."""
        return sum(1 for event in self.queue if event.is_counted) + len(self.left)

    @property
    def log_group(self) -> str:
        return f"/aws/lambda/{self.name}"

    def new_log_stream(self) -> str:
        """A name as AWS makes them: the date, the version and 32 hexadecimal digits."""
        return f"{self.bus.today()}/[{self.version}]{self.bus.ids.hex(32).lower()}"

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

    def attend(self) -> None:
        """Give the queue one more environment: an idle one, else a new one, else back off."""
        if self.active > self.inside:
            return  # one is on its way to the queue
        if not self.queue or self.is_held or self.bus.is_stopping:
            return
        if not self.pool.has_room:
            self._back_off()
            return
        self._engage()

    def _engage(self) -> None:
        self.pool.busy += 1
        self.active += 1
        self.throttles = 0
        if self.idle:
            environment = self.idle.pop()
            begin = environment.wake_up
        else:
            self._made += 1
            environment = KINDS[self.configuration.isolation](self, self._made)
            self.environments.add(environment)
            begin = partial(self.bus.start_task, environment.run)
        if self.bus.clock.is_virtual:
            self.bus.dispatcher.begin(environment, begin)
        else:
            begin()

    def went_idle(self, environment: Environment) -> None:
        """An environment found nothing more to take, or stepped back behind starved functions."""
        environment.move(Phase.IDLE)
        self.idle.append(environment)
        self._give_back()
        self.attend()
        self.bus.journal.fold()
        self.bus.make_room()
        self.bus.notice_rest()

    def lost(self, environment: Environment) -> None:
        """An environment is gone in the middle of an invocation."""
        self.environments.discard(environment)
        self._give_back()

    def _give_back(self) -> None:
        self.active -= 1
        self.pool.give_back()

    # -- backing off ------------------------------------------------------------------------------------------------

    def _back_off(self) -> None:
        """No environment may be had: throttle the event at the head, give up on what gets too old, try again later."""
        now = self.bus.clock.now()
        self.throttles += 1
        throttled = Throttled(self.pool.reason)
        head = self.queue[0]
        head.throttles += 1
        head.last = Attempt(now, 0.0, throttled, None, head.number, now - head.at, False, None, head.last)
        self.bus.journal.throttled(self, head.last)
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
            verdict = self._verdict(event, throttled, self.throttles, now)
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

    # -- judging ----------------------------------------------------------------------------------------------------

    def admits(self, event: Event, age: float) -> bool:
        """Whether the event may be tried: not too old, and its source permitted. It is given up otherwise."""
        if event.reply is not None:
            return True
        if age > self.settings.max_event_age:
            self.discard(event, Reason.EVENT_AGE_EXCEEDED)
            return False
        if event.is_recovered and event.attempts > self.settings.retries:
            event.note = "the process ended during its last attempt"
            self.discard(event, Reason.RETRIES_EXHAUSTED)
            return False
        if event.attempts == 0 and not self._permits(event):
            self.discard(event, Reason.ACCESS_DENIED)
            return False
        faults = self.bus.faults
        if faults is not None and faults.concerns(event) and faults.is_throttled(event):
            self._throttle(event)
            return False
        return True

    def _throttle(self, event: Event) -> None:
        """Send one event back to wait, on demand."""
        now = self.bus.clock.now()
        event.throttles += 1
        throttled = Throttled(self.pool.reason)
        event.last = Attempt(now, 0.0, throttled, None, event.number, now - event.at, False, None, event.last)
        self.bus.journal.throttled(self, event.last)
        match self._verdict(event, throttled, event.throttles, now):
            case RetryAt(when):
                self.wait_until(event, when)
            case Discard(reason):
                self.discard(event, reason)

    def _permits(self, event: Event) -> bool:
        """Whether the function's resource policy lets the source invoke it; remembered until the policy changes."""
        version = self.access.version
        decision = self.bus.authority.may_send(event.source, self.function)
        if not decision.is_allowed:
            event.note = self.bus.denied(event.source, self.function, decision)
            return False
        # a role's own policies change without this version; the authority remembers those
        if event.source.role is None and self.bus.authority.is_cacheable(event.source, self.function):
            self.permits[event.source] = version
        return True

    def settle(self, event: Event, attempt: Attempt) -> None:
        """Decide what follows an attempt, and do it."""
        outcome = attempt.outcome
        if event.reply is not None:
            assert not isinstance(outcome, Throttled)
            attempt.age = -1.0  # a direct call has no age
            self._end(event, State.FINISHED)
            event.reply.answer(outcome, attempt)
            return
        if event.is_shadow:
            self._end(event, State.FINISHED)
            return
        faults = self.bus.faults
        if isinstance(outcome, Throttled):
            attempt.environment = None
        elif faults is not None and faults.concerns(event):
            outcome = attempt.outcome = faults.after(event, outcome)
        now = self.bus.clock.now()
        match self._verdict(event, outcome, event.throttles, now):
            case RetryAt(when):
                self.wait_until(event, when)
                if self.bus.durable is not None:
                    self.bus.durable.retrying(event, when)
                    event.body = None
            case Discard(reason):
                self.discard(event, reason)
            case Finished():
                self.finished += 1
                if self.on_success is not None:
                    assert isinstance(outcome, Succeeded)
                    send_to_destination(self, self.on_success, event, "Success", outcome)
                self._end(event, State.FINISHED)

    def wait_until(self, event: Event, due_at: float) -> None:
        """Let an event wait for its next attempt."""
        event.state = State.WAITING
        event.rest()
        self.waiting.add(event)
        self.bus.resting += 1
        self.bus.clock.call_at(due_at, self._retry, event)

    async def prepare(self, event: Event) -> None:
        """What has to be done before an attempt at an event that needs care.

        An attempt at a recovered one is written down before it begins. Raises Struck if a fault hits it.
        """
        durable, faults = self.bus.durable, self.bus.faults
        if durable is not None and event.is_recovered:
            durable.begins(event)
            try:
                await durable.synced()
            except StoreUnavailable:
                # it has not begun: not an attempt that failed, but one for which the time has not come
                event.attempts -= 1
                event.throttles += 1
                raise Struck(Throttled("ServiceException")) from None
        if faults is not None and faults.concerns(event):
            faults.before(event)

    def _verdict(self, event: Event, outcome: Outcome, throttles: int, now: float) -> Decision:
        return decide(
            outcome, attempts=event.attempts, throttles=throttles, age=now - event.at, settings=self.settings, now=now
        )

    def _retry(self, event: Event) -> None:
        if event in self.waiting:
            self.waiting.discard(event)
            self.bus.resting -= 1
            event.state = State.QUEUED
            if event.body is None and self.bus.durable is not None:
                event.body = self.bus.durable.body(event.number)
            self.put(event)

    def discard(self, event: Event, reason: Reason) -> None:
        """Give up on an event: destination, dead-letter queue and dead-letter list get it."""
        if event.is_shadow:
            self._end(event, State.FINISHED)
            return
        event.reason = reason
        self.dead_lettered += 1
        failure = _last_failure(event) if reason is not Reason.ZERO_RESERVED_CONCURRENCY else None
        if reason is not Reason.BUS_CLOSED:
            self.bus.journal.dropped(self, event, reason)
            # what a stopped loop sends on may come back as the loop's next event: that one ends here
            is_loop = reason is Reason.RECURSIVE_INVOCATION and event.hops > MAX_HOPS + 1
            goes_on = reason is not Reason.ACCESS_DENIED and not is_loop
            if self.on_failure is not None and goes_on:
                send_to_destination(self, self.on_failure, event, reason.value, failure)
            if self.dead_letter is not None and goes_on:
                send_to_dead_letter_queue(self, self.dead_letter, event, failure)
        letter = letter_of(event, failure)
        self.bus.dead_letters.add(letter)
        self._end(event, State.DEAD_LETTERED, letter)

    def _end(self, event: Event, state: State, letter: DeadLetter | None = None) -> None:
        event.state = state
        if self.bus.durable is not None and event.is_counted:
            self.bus.durable.ended(event, letter)
        event.body = event.copy = None
        self.bus.outstanding -= 1
        if not event.is_counted:
            self.bus.direct -= 1

    # -- leaving the bus --------------------------------------------------------------------------------------------

    def close(self) -> list[Event]:
        """Take out everything that isn't running."""
        if self.is_held:
            self.release()
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

    def abandon(self, event: Event) -> None:
        """The bus was left before this event ended: a store keeps it, else it is a dead letter."""
        if event.is_counted and self.bus.durable is not None:
            self.bus.outstanding -= 1
        elif event.reply is None:
            self.discard(event, Reason.BUS_CLOSED)
        else:
            self._end(event, State.DEAD_LETTERED)
            event.reply.refuse(BusClosed("invoke"))


def weight(event: Event) -> int:
    """The bytes that a queued event counts with."""
    size = len(event.body) if isinstance(event.body, bytes) else 0
    return size if size > HEAVY else 0


def _last_failure(event: Event) -> Failed | None:
    """What went wrong in the last attempt that ran; throttled tries say nothing about the event."""
    attempt = event.last
    while attempt is not None and isinstance(attempt.outcome, Throttled):
        attempt = attempt.previous
    return attempt.outcome if attempt is not None and isinstance(attempt.outcome, Failed) else None
