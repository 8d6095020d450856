"""One asynchronous event on its way to one function: the envelope that the queue holds."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar

import attrs

from eventbus.delivery.payload import Encoded, JSONValue, compact, decode
from eventbus.delivery.retry import Reason
from eventbus.telemetry.trace import Cause

if TYPE_CHECKING:
    from eventbus.clock import Clock, Wakeup
    from eventbus.delivery.lane import Lane
    from eventbus.delivery.targets import Source
    from eventbus.errors import EventBusError
    from eventbus.execution.context import ClientContext
    from eventbus.execution.environment import Environment
    from eventbus.execution.outcome import Failed, Outcome, Succeeded
    from eventbus.execution.streaming import Sink
    from eventbus.functions.invocable import Invocable


class Record(Protocol):
    """A source's own small envelope, from which the payload is built for each delivery.

    Building it anew is what isolates handlers from one another, at a tenth of the price of a deep copy.
    """

    def record(self, event: Event) -> JSONValue: ...


Body: TypeAlias = Encoded | Record


T = TypeVar("T")


class Rarely(Generic[T]):
    """A field that nearly no event has: it takes no room, and no time, until it is set."""

    def __init__(self, default: T) -> None:
        self._default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, event: Event, owner: type) -> T:
        rare = event.rare
        found: T = self._default if rare is None else rare.get(self._name, self._default)
        return found

    def __set__(self, event: Event, value: T) -> None:
        if event.rare is None:
            event.rare = {}
        event.rare[self._name] = value


class State(enum.Enum):
    """Where an accepted event stands; it ends in exactly one of FINISHED and DEAD_LETTERED."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting for a retry"
    REFUSED = "refused"
    """It could not be written down, so it was never accepted."""
    FINISHED = "finished"
    DEAD_LETTERED = "dead-lettered"


@attrs.define(eq=False, weakref_slot=False, init=False)
class Attempt:
    """One try at an event, as the logs, the metrics and the trace read it.

    It names its event by number: a reference back would be a cycle, and cycles cost a garbage collection each. It is
    made blank and filled in on the hot path; everybody else makes a `DetailedAttempt` of all that is to be said.
    """

    at: float
    """When the handler was called, seconds since the epoch."""
    duration: float
    """Seconds of real time in the handler."""
    outcome: Outcome
    environment: Environment | None
    """Where it ran; None for a throttled try."""
    number: int
    age: float
    """Seconds since the event was accepted; negative for a direct call, which has no age."""
    is_cold: bool
    lines: list[tuple[float, str]] | None
    """What the handler wrote."""
    previous: Attempt | None
    """The try before this one: a linked list, since nearly every event has exactly one."""

    if TYPE_CHECKING:
        memory_used: int = attrs.field(init=False)
        """Megabytes, the environment's peak so far; 0 where it is not measured."""
        qualifier: str | None = attrs.field(init=False)
        """The version or alias that was addressed; None if none was named."""
    else:
        memory_used = 0
        qualifier = None


@attrs.define(eq=False, weakref_slot=False)
class DetailedAttempt(Attempt):
    """One of which there may be more to say: it ran in a process, or was addressed to a version or an alias."""

    memory_used: int = attrs.field(default=0, init=False)
    qualifier: str | None = attrs.field(default=None, init=False)


class Reply:
    """A direct caller's waiting place."""

    def __init__(self, client_context: ClientContext | None, sink: Sink | None = None) -> None:
        self.client_context = client_context
        self.sink = sink
        """Where a streaming handler's chunks go; None for a caller who waits for the whole."""
        self.outcome: Succeeded | Failed | None = None
        self.attempt: Attempt | None = None
        self._refusal: EventBusError | None = None
        self._wakeup: Wakeup | None = None

    def answer(self, outcome: Succeeded | Failed, attempt: Attempt) -> None:
        self.outcome, self.attempt = outcome, attempt
        if self._wakeup is not None:
            self._wakeup.set()

    def refuse(self, error: EventBusError) -> None:
        """There will be no answer."""
        self._refusal = error
        if self._wakeup is not None:
            self._wakeup.set()

    async def wait(self, clock: Clock) -> tuple[Succeeded | Failed, Attempt]:
        """Wait for the answer. Work that waits here rests: virtual time may move for the handler that sleeps."""
        if self.outcome is None and self._refusal is None:
            self._wakeup = clock.wakeup()
            await self._wakeup.wait()
        if self._refusal is not None:
            raise self._refusal
        assert self.outcome is not None
        assert self.attempt is not None
        return self.outcome, self.attempt


@attrs.define(eq=False, weakref_slot=False, repr=False)
class Event(Cause):
    """The envelope. It is its own node in the trace; when it has ended it gives its body back."""

    number: int
    lane: Lane
    source: Source
    body: Body | None
    copy: JSONValue = None
    """A decoded copy, good for one delivery, kept only while the queue is short."""
    state: State = State.QUEUED
    attempts: int = 0
    last: Attempt | None = None
    needs_care: bool = False
    """Recovered, subject to faults or addressed to an alias: the lane looks at it before and after every attempt."""
    reply: Reply | None = None
    """Where a direct caller waits; None for an asynchronous event."""
    rare: dict[str, Any] | None = None
    """What the fields below hold, once one of them is set."""

    throttles = Rarely(0)
    reason = Rarely[Reason | None](None)
    """Why the bus gave up on it."""
    is_recovered = Rarely(False)
    """It was running, or about to, when an earlier process ended: its attempts are written down before they begin."""
    is_shadow = Rarely(False)
    """A second delivery on demand, whose end counts for nothing."""
    note = Rarely("")
    """What else there is to say: who denied it, which destination did not take it."""
    target = Rarely["Invocable | None"](None)
    """The alias, or `$LATEST` by that name, that it was addressed to; None for what the lane itself stands for."""

    def address_to(self, target: Invocable) -> None:
        """It goes by the name of an alias, which has a policy and settings of its own, or of `$LATEST`."""
        self.target = target
        self.needs_care = True

    @property
    def addressed(self) -> Invocable:
        """The function, version or alias that it was addressed to, whose policy and settings count."""
        return self.lane.target if self.target is None else self.target

    @property
    def is_counted(self) -> bool:
        """Whether this is an event that was accepted, and not a direct call or a second delivery on demand."""
        return self.reply is None and not self.is_shadow

    @property
    def client_context(self) -> ClientContext | None:
        return None if self.reply is None else self.reply.client_context

    @property
    def request_id(self) -> str:
        """The id of the invocation, the same for every attempt."""
        return self.lane.bus.ids.request_id(self.number)

    @property
    def history(self) -> list[Attempt]:
        """Every try, oldest first."""
        tries: list[Attempt] = []
        attempt = self.last
        while attempt is not None:
            tries.append(attempt)
            attempt = attempt.previous
        return tries[::-1]

    def __repr__(self) -> str:
        return f"<Event {self.request_id} for {self.addressed.name}: {self.state.value}, {self.attempts} attempts>"

    def rest(self) -> None:
        """Make the envelope small: it will wait for a while."""
        self.copy = None
        if self.body.__class__ is bytes:
            self.body = compact(self.body)

    def payload(self) -> Any:
        """A fresh copy of the payload."""
        body = self.body
        if body is None:
            raise RuntimeError(f"{self!r} has ended and given its payload back")
        return decode(body) if isinstance(body, (bytes, str)) else body.record(self)
