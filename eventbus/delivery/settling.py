"""What becomes of a lane's events: whether one may be tried, what follows an attempt, where it ends.

The decisions are those of `retry`, functions of values; here they are done. An event that was addressed to an alias is
judged by the alias's policy and settings, in whichever version's lane it happens to be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventbus.delivery.dead_letters import DeadLetter, letter_of
from eventbus.delivery.destinations import send_to_dead_letter_queue, send_to_destination
from eventbus.delivery.event import Attempt, DetailedAttempt, Event, State
from eventbus.delivery.retry import MAX_HOPS, Decision, Discard, Finished, Reason, RetryAt, decide
from eventbus.errors import BusClosed, ResourceNotFound
from eventbus.execution.outcome import Failed, Outcome, Struck, Succeeded, Throttled
from eventbus.storage.errors import StoreUnavailable

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.delivery.retry import AsyncSettings
    from eventbus.delivery.targets import Source
    from eventbus.execution.concurrency import Pool
    from eventbus.functions.function import Function
    from eventbus.functions.version import Version
    from eventbus.iam.resource_policy import FunctionPolicy

HEAVY = 4096
"""Bytes from which on the payload of a queued event counts, beside the event itself."""
_SILENT = (Reason.ACCESS_DENIED, Reason.RESOURCE_NOT_FOUND)
"""Who may not invoke a function, or invokes one that is gone, makes it send nothing."""


class Settling:
    """The part of a lane that decides about its events."""

    access: FunctionPolicy
    pool: Pool
    permits: dict[Source, int]

    def __init__(self, target: Function | Version, bus: EventBus) -> None:
        self.target = target
        """The function (its `$LATEST`) or the version whose events these are."""
        self.function: Function = target.function
        self.bus = bus
        self.name = target.name
        self.arn = target.arn
        self.version = target.number
        self.settings: AsyncSettings = target.settings
        self.finished = 0
        self.dead_lettered = 0
        self.waiting: set[Event] = set()
        """Events that wait for a retry."""
        self.must_settle = False
        """Something follows a success; the hot path ends an event itself only where nothing does."""

    def put(self, event: Event) -> None:
        """Queue an event, and see that somebody looks at it."""
        raise NotImplementedError

    # -- before an attempt ------------------------------------------------------------------------------------------

    def admits(self, event: Event, age: float) -> bool:
        """Whether the event may be tried: not too old, and its source permitted. It is given up otherwise."""
        if event.reply is not None:
            return True
        settings = event.addressed.settings
        if age > settings.max_event_age:
            self.discard(event, Reason.EVENT_AGE_EXCEEDED)
            return False
        if event.is_recovered and event.attempts > settings.retries:
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
        event.last = DetailedAttempt(now, 0.0, throttled, None, event.number, now - event.at, False, None, event.last)
        self.bus.journal.throttled(self, event)
        match self.verdict(event, throttled, event.throttles, now):
            case RetryAt(when):
                self.wait_until(event, when)
            case Discard(reason):
                self.discard(event, reason)

    def _permits(self, event: Event) -> bool:
        """Whether the resource policy lets the source invoke it; remembered until the policy changes."""
        addressed = event.addressed
        version = addressed.access.version
        decision = self.bus.authority.may_send(event.source, addressed)
        if not decision.is_allowed:
            event.note = self.bus.denied(event.source, addressed, decision)
            return False
        # a role's own policies change without this version; the authority remembers those
        is_own = addressed.access is self.access
        if is_own and event.source.role is None and self.bus.authority.is_cacheable(event.source, addressed):
            self.permits[event.source] = version
        return True

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

    # -- after it ---------------------------------------------------------------------------------------------------

    def settle(self, event: Event, attempt: Attempt) -> None:
        """Decide what follows an attempt, and do it."""
        outcome = attempt.outcome
        if isinstance(attempt, DetailedAttempt) and event.target is not None:
            attempt.qualifier = event.target.qualifier
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
        match self.verdict(event, outcome, event.throttles, now):
            case RetryAt(when):
                self.wait_until(event, when)
                if self.bus.durable is not None:
                    self.bus.durable.retrying(event, when)
                    event.body = None
            case Discard(reason):
                self.discard(event, reason)
            case Finished():
                self._finish(event, outcome)

    def _finish(self, event: Event, outcome: Outcome) -> None:
        self.finished += 1
        destination = event.addressed.destinations.on_success
        if destination is not None:
            assert isinstance(outcome, Succeeded)
            send_to_destination(self, destination, event, "Success", outcome)
        self._end(event, State.FINISHED)

    def verdict(self, event: Event, outcome: Outcome, throttles: int, now: float) -> Decision:
        """What the rules say of an attempt."""
        return decide(
            outcome,
            attempts=event.attempts,
            throttles=throttles,
            age=now - event.at,
            settings=event.addressed.settings,
            now=now,
        )

    def wait_until(self, event: Event, due_at: float) -> None:
        """Let an event wait for its next attempt."""
        event.state = State.WAITING
        event.rest()
        self.waiting.add(event)
        self.bus.resting += 1
        self.bus.clock.call_at(due_at, self._retry, event)

    def _retry(self, event: Event) -> None:
        if event in self.waiting:
            self.waiting.discard(event)
            self.bus.resting -= 1
            event.state = State.QUEUED
            if event.body is None and self.bus.durable is not None:
                event.body = self.bus.durable.body(event.number)
            if event.target is not None and self.bus.find(event.target.arn) is event.target:
                event.lane = event.target.lane  # an alias draws anew for each attempt
            event.lane.put(event)

    # -- giving up --------------------------------------------------------------------------------------------------

    def discard(self, event: Event, reason: Reason) -> None:
        """Give up on an event: destination, dead-letter queue and dead-letter list get it."""
        if event.is_shadow:
            self._end(event, State.FINISHED)
            return
        if event.reply is not None:
            self._end(event, State.DEAD_LETTERED)
            is_gone = reason is Reason.RESOURCE_NOT_FOUND
            event.reply.refuse(ResourceNotFound(f"Function not found: {self.arn}") if is_gone else BusClosed("invoke"))
            return
        event.reason = reason
        self.dead_lettered += 1
        failure = _last_failure(event) if reason is not Reason.ZERO_RESERVED_CONCURRENCY else None
        if reason is not Reason.BUS_CLOSED:
            self._send_on(event, reason, failure)
        letter = letter_of(event, failure)
        self.bus.dead_letters.add(letter)
        self._end(event, State.DEAD_LETTERED, letter)

    def _send_on(self, event: Event, reason: Reason, failure: Failed | None) -> None:
        self.bus.journal.dropped(self, event, reason)
        # what a stopped loop sends on may come back as the loop's next event: that one ends here
        is_loop = reason is Reason.RECURSIVE_INVOCATION and event.hops > MAX_HOPS + 1
        if is_loop or reason in _SILENT:
            return
        on_failure, dead_letter = event.addressed.destinations.on_failure, self.function.destinations.dead_letter
        if on_failure is not None:
            send_to_destination(self, on_failure, event, reason.value, failure)
        if dead_letter is not None:
            send_to_dead_letter_queue(self, dead_letter, event, failure)

    def _end(self, event: Event, state: State, letter: DeadLetter | None = None) -> None:
        event.state = state
        if self.bus.durable is not None and event.is_counted:
            self.bus.durable.ended(event, letter)
        event.body = event.copy = None
        self.bus.outstanding -= 1
        if not event.is_counted:
            self.bus.direct -= 1

    def abandon(self, event: Event) -> None:
        """The bus was left before this event ended: a store keeps it, else it is a dead letter."""
        if event.is_counted and self.bus.durable is not None:
            self.bus.outstanding -= 1
        else:
            self.discard(event, Reason.BUS_CLOSED)


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
