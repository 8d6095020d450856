"""An execution environment: one long-lived task that takes events from its function's queue, one at a time.

    cold ──► starting ◄──► busy ◄──► idle      and from each of them to gone: it overran its time limit, was not
                └──────────────────────┘       needed for long, its version was changed or deleted, the bus was left

A provisioned environment is idle as soon as it has started; one whose process ended starts again while it is busy.

`Environment._serve` is the hot path: everything between taking an event and its outcome that is not the handler. It is
kept in one piece so that it can be read, and measured, whole. What it avoids, in order of what it would cost: a task
per event, a cancel scope per event (one watchdog serves all), a turn of the event loop per event (a budget of events
between two turns), formatting anything that nobody has asked for, and a call of `__init__` for what every event needs:
that costs as much again as the object itself, so contexts and attempts are made blank and filled in here.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from anyio.lowlevel import checkpoint

from eventbus.delivery.event import Attempt, DetailedAttempt, State
from eventbus.delivery.payload import decode
from eventbus.execution.context import LambdaContext
from eventbus.execution.current import counts_as_work, current_environment
from eventbus.execution.outcome import RETURNED_NONE, Failed, Outcome, raised, returned, timed_out
from eventbus.execution.variables import variables_of

if TYPE_CHECKING:
    from eventbus.delivery.event import Event
    from eventbus.delivery.lane import Lane
    from eventbus.functions.configuration import Configuration

LINE_LIMIT = 262_144
"""Characters of one log event; what is longer is cut (256 KB was CloudWatch's limit until 2025)."""
WRITTEN_KEPT = 1_048_576
"""Characters that are kept of one invocation."""
LINES_KEPT = 10_000
"""Log events of one invocation; what comes after is dropped."""
BUDGET = 64
"""Events that an environment may run before it gives the event loop a turn."""
TURN = 0.002
"""Seconds after which it does so in any case: no other task waits longer than for this and one handler."""


class Phase(enum.Enum):
    """Where an environment is in its life."""

    COLD = "cold"
    STARTING = "starting"
    BUSY = "busy"
    IDLE = "idle"
    GONE = "gone"


MOVES: dict[Phase, frozenset[Phase]] = {
    Phase.COLD: frozenset({Phase.STARTING, Phase.GONE}),
    Phase.STARTING: frozenset({Phase.BUSY, Phase.IDLE, Phase.GONE}),
    Phase.BUSY: frozenset({Phase.STARTING, Phase.IDLE, Phase.GONE}),
    Phase.IDLE: frozenset({Phase.BUSY, Phase.GONE}),
    Phase.GONE: frozenset(),
}


def diagram() -> str:
    """The life of an environment as a Mermaid state diagram, drawn from the table."""
    moves = [f"    {phase.value} --> {to.value}" for phase in Phase for to in Phase if to in MOVES[phase]]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {Phase.COLD.value}", *moves, f"    {Phase.GONE.value} --> [*]"])


class Environment:
    """One environment of one function. `event` is what its handler is working on, or None."""

    isolation = "task"
    summary = "task without a memory limit"
    """What `repr` says of the kind, and of what it cannot do."""
    logs_errors = False
    """Whether its runtime writes uncaught errors to the log itself."""

    def __init__(self, lane: Lane, number: int) -> None:
        self.lane = lane
        self.number = number
        self.generation = lane.generation
        self.configuration: Configuration = lane.configuration
        """What its function was configured with when it was made, and is for as long as it lives."""
        self.source = lane.source
        """Whom its code acts as: the role that its function had then."""
        self.phase = Phase.COLD
        self.event: Event | None = None
        self.started = 0.0
        """When the handler was called, in the event loop's time."""
        self.deadline = 0.0
        self.lines: list[tuple[float, str]] | None = None
        """What the running handler has written so far."""
        self._partial = ""
        self._written = self._dropped = 0
        self.is_cold = True
        """No event has been handled here yet."""
        self.init_type: str = "on-demand"
        """Or `provisioned-concurrency`."""
        self.is_surplus = False
        """It was provisioned, and is so no more: it ends when it would go idle."""
        self.holds_unit = False
        """It has taken a unit of concurrency from its lane's pool."""
        self.idle_since = 0.0
        self.init_started_at = lane.bus.clock.now()
        self.init_duration = 0.0
        """Seconds of real time that the initialisation took."""
        self.init_lines: list[tuple[float, str]] | None = None
        """What the initialisation has written."""
        self.repeated_lines: list[tuple[float, str]] | None = None
        """What it wrote when it was done again within the first invocation, and failed again."""
        self.init_failure: Failed | None = None
        """What went wrong in it, if anything."""
        self._scope = anyio.CancelScope()
        self._wake = anyio.Event()
        self._rested: anyio.Event | None = None
        self._stream: str | None = None
        self._tmp: Path | None = None
        self._variables: dict[str, str | None] | None = None

    def __repr__(self) -> str:
        return f"<Environment {self.number} of {self.lane.name}: {self.phase.value}, {self.summary}>"

    @property
    def log_stream(self) -> str:
        """The name of the log stream that this environment alone writes."""
        if self._stream is None:
            self._stream = self.lane.new_log_stream()
        return self._stream

    @property
    def is_provisioned(self) -> bool:
        """It is initialised ahead of need, and stays."""
        return self.init_type == "provisioned-concurrency"

    @property
    def tmp(self) -> Path:
        """The directory that stands for /tmp: this environment's alone, and there again on a warm start."""
        if self._tmp is None:
            self._tmp = self.lane.bus.new_tmp()
        return self._tmp

    def take_over(self, tmp: Path) -> None:
        """Go on with the directory of an environment that was reset."""
        self._tmp = tmp

    @property
    def variables(self) -> dict[str, str | None]:
        """What `os.environ` shows to the handler beside the process's own variables; None hides one of those."""
        if self._variables is None:
            self._variables = dict(variables_of(self))
        return self._variables

    async def rested(self) -> None:
        """Wait until this environment is idle or gone."""
        while self.phase in (Phase.COLD, Phase.STARTING, Phase.BUSY):
            self._rested = anyio.Event()
            await self._rested.wait()

    def move(self, phase: Phase) -> None:
        """Change the phase. Raises RuntimeError, changing nothing, for a move that the table doesn't have."""
        if phase not in MOVES[self.phase]:
            raise RuntimeError(f"{self!r} cannot become {phase.value}")
        self.phase = phase
        if self._rested is not None and phase in (Phase.IDLE, Phase.GONE):
            self._rested.set()

    def wake_up(self) -> None:
        """Take an idle environment back to work; the caller has taken its unit of concurrency."""
        self._go_to_work()
        self._wake.set()

    def _go_to_work(self) -> None:
        if self.phase is Phase.COLD:
            self.move(Phase.STARTING)
        self.move(Phase.BUSY)
        self.lane.bus.watch_deadlines(self.lane.timeout)

    def overrun(self) -> None:
        """End this environment because its handler overran, whatever the handler makes of being cancelled."""
        started, timeout = self.started, self.deadline - self.started
        lane = self.lane
        if self._tmp is not None:
            lane.inherited.append(self._tmp)  # an environment that is reset keeps its files
            self._tmp = None
        event = self.interrupt()
        outcome = timed_out(timeout, event.request_id)
        clock = lane.bus.clock
        at = clock.now() if clock.offset is None else started + clock.offset
        duration = clock.loop_time() - started
        attempt = event.last = DetailedAttempt(
            at, duration, outcome, self, event.number, at - event.at, self.is_cold, self._take_lines(), event.last
        )
        lane.settle(event, attempt)
        lane.bus.journal.fresh.append(attempt)
        lane.bus.journal.fold()
        lane.attend()
        lane.bus.notice_rest()

    def interrupt(self) -> Event:
        """End this environment in the middle of an invocation, whose event it returns."""
        event = self.event
        assert event is not None
        self.event = None
        self.move(Phase.GONE)
        self.lane.inside -= 1
        self.lane.lost(self)
        self._end()
        return event

    def retire(self) -> None:
        """End this environment, which is not inside a handler and is not used again."""
        self.move(Phase.GONE)
        self.lane.environments.discard(self)
        self._end()

    def _end(self) -> None:
        self._scope.cancel()
        if self._tmp is not None:
            self.lane.bus.remove_tmp(self._tmp)
            self._tmp = None

    def write(self, text: str) -> None:
        """Keep what the running handler prints: one log event per line."""
        *lines, self._partial = (self._partial + text).split("\n")
        for line in lines:
            self.write_line(f"{line}\n")

    def write_line(self, line: str) -> None:
        """Keep one log event of the running handler."""
        if self.lines is None:
            self.lines, self._written, self._dropped = [], 0, 0
        if len(self.lines) < LINES_KEPT and self._written < WRITTEN_KEPT:
            line = line[:LINE_LIMIT]
            self._written += len(line)
            self.lines.append((self.lane.bus.clock.now(), line))
        else:
            self._dropped += 1

    def _take_lines(self) -> list[tuple[float, str]] | None:
        """What the invocation that ends has written."""
        if self._partial:
            self.write_line(self._partial)
            self._partial = ""
        lines, self.lines = self.lines, None
        if lines is not None and self._dropped:
            lines.append((self.lane.bus.clock.now(), f"[eventbus] {self._dropped} more lines were dropped\n"))
        return lines

    async def call(self, payload: Any, context: LambdaContext) -> Any:
        """Run the handler; it lives in this task."""
        return await self.lane.handler(payload, context)

    def measure(self, attempt: Attempt) -> None:
        """Put into an attempt what the environment itself has measured."""

    async def initialise(self) -> None:
        """Do what comes before the first event: nothing, where the code is loaded already."""

    async def run(self) -> None:
        """Serve until retired. The bus runs this as one task."""
        current_environment.set(self)
        counts_as_work.set(True)
        try:
            with self._scope:
                if self.is_provisioned:
                    await self._stand_by()
                else:
                    self._go_to_work()
                await self._serve()
        finally:
            if self.event is not None:
                self.lane.cut_off(self)
            elif self.phase is not Phase.GONE:
                self.retire()

    async def _stand_by(self) -> None:
        self.move(Phase.STARTING)
        try:
            await self.initialise()
        finally:
            self.lane.stand_by(self)
        await self._wake.wait()
        self._wake = anyio.Event()

    async def _serve(self) -> None:
        lane = self.lane
        bus, queue, access, permits = lane.bus, lane.queue, lane.access, lane.permits
        call = self.call if self.isolation != "task" else lane.handler
        measure = self.measure if self.isolation == "process" else None
        now, loop_time, dispatcher, record = (
            bus.clock.now,
            bus.clock.loop_time,
            bus.dispatcher,
            bus.journal.fresh.append,
        )
        busy, offset = Phase.BUSY, bus.clock.offset
        running, finished = State.RUNNING, State.FINISHED  # a member of an enum costs as much as making an object
        # with a virtual clock real time decides nothing, so that a run repeats on a machine that is slow for a moment
        turn = TURN if offset is not None else float("inf")
        while self.phase is busy:
            budget, turn_ends = BUDGET, loop_time() + turn
            while queue and self.phase is busy:
                if lane.is_held:
                    lane.release()
                event = queue.popleft()
                bus.backlog -= 1
                if bus.backlog_bytes:
                    lane.lighten(event)
                started = loop_time()
                started_at = now() if offset is None else started + offset
                age = started_at - event.at
                if (
                    age > lane.settings.max_event_age
                    or (event.attempts == 0 and permits.get(event.source) != access.version)
                    or event.needs_care
                ) and not lane.admits(event, age):
                    continue
                if queue and not lane.is_watched:
                    dispatcher.watch(lane)  # the handler may suspend: somebody has to see what is left
                # every delivery gets its own copy: built from the source's envelope, or decoded
                body = event.body
                if body.__class__ is not bytes:
                    payload = event.payload()
                elif (payload := event.copy) is None:
                    payload = decode(body)
                else:
                    event.copy = None
                event.attempts += 1
                event.state = running
                self.event = event
                self.started = started
                self.deadline = started + lane.timeout
                lane.inside += 1
                try:
                    if event.needs_care:
                        await lane.prepare(event)
                    context = LambdaContext()
                    context._environment, context._event, context._started = self, event, started
                    result = await call(payload, context)
                    outcome: Outcome = RETURNED_NONE if result is None else returned(result, event)
                except BaseException as error:
                    if self._comes_from_outside(event, error):
                        raise
                    outcome = raised(error, event.request_id)
                if self.event is not event:
                    return  # the watchdog was here: this result is late, and discarded
                ended = loop_time()
                if ended > self.deadline:
                    self.overrun()  # the watchdog could not be here: the handler has kept the event loop to itself
                    return
                self.event = None
                lane.inside -= 1
                duration, is_cold, previous = ended - self.started, self.is_cold, event.last
                if measure is None and not event.needs_care:
                    attempt = event.last = Attempt()
                    attempt.at, attempt.duration, attempt.outcome = started_at, duration, outcome
                    attempt.environment, attempt.number, attempt.age = self, event.number, age
                    attempt.is_cold, attempt.lines, attempt.previous = is_cold, None, previous
                else:
                    attempt = event.last = DetailedAttempt(
                        started_at, duration, outcome, self, event.number, age, is_cold, None, previous
                    )
                    if measure is not None:
                        measure(attempt)
                self.is_cold = False
                if self.lines is not None or self._partial:
                    attempt.lines = self._take_lines()
                if outcome.__class__ is Failed or event.reply is not None or lane.must_settle or event.needs_care:
                    lane.settle(event, attempt)
                else:
                    event.state = finished
                    event.body = None
                    lane.finished += 1
                    bus.outstanding -= 1
                record(attempt)
                budget -= 1
                if budget <= 0 or ended > turn_ends:
                    bus.make_room()
                    bus.journal.fold()
                    if lane.pool.waiting:
                        break  # others of the pool are starved: queue up behind them
                    await checkpoint()
                    budget, turn_ends = BUDGET, loop_time() + turn
            if lane.left and self.phase is busy and self.generation == lane.generation:
                lane.refill()
            elif self.phase is busy:
                lane.went_idle(self)
                if self.phase is Phase.GONE:
                    return
                await self._wake.wait()
                self._wake = anyio.Event()

    def _comes_from_outside(self, event: Event, error: BaseException) -> bool:
        """Whether this is a cancellation that goes on its way: the watchdog's, or that of the bus itself."""
        if not isinstance(error, self.lane.bus.cancelled_error):
            return False
        return self.event is not event or anyio.current_effective_deadline() == float("-inf")
