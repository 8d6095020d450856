"""A model of the dispatcher: random scripts, run under virtual time, agree with twenty lines of bookkeeping.

The model knows the rules of AWS and nothing of queues, environments or loops: what was accepted, when each event is
tried next, and how it ended. After every step the bus must say the same.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import anyio
import attrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventbus import EventBus, Function
from tests.engine.support import S3, make_bus, virtual

SNS = "sns.amazonaws.com"
FUNCTIONS = ("a", "b", "threaded")


@attrs.frozen
class Push:
    function: str
    source: str
    fails: int
    """How many of its attempts raise."""


@attrs.frozen
class Advance:
    seconds: float


@attrs.frozen
class Permit:
    function: str
    source: str
    is_allowed: bool


@attrs.frozen
class Redrive:
    index: int


@attrs.frozen
class Configure:
    function: str
    name: Literal["retries", "max_event_age", "reserved_concurrency"]
    value: int | None


Step: TypeAlias = Push | Advance | Permit | Redrive | Configure

functions = st.sampled_from(FUNCTIONS)
sources = st.sampled_from((S3, SNS))
steps = st.one_of(
    st.builds(Push, functions, st.sampled_from((S3, S3, SNS)), st.sampled_from((0, 0, 1, 2, 9))),
    st.builds(Push, functions, st.just(S3), st.sampled_from((0, 1, 2, 3, 9))),
    st.builds(Advance, st.sampled_from((0, 1, 30, 59.5, 60, 61, 120, 200, 3600))),
    st.builds(Permit, functions, sources, st.booleans()),
    st.builds(Redrive, st.integers(0, 5)),
    st.builds(Configure, functions, st.just("retries"), st.integers(0, 2)),
    st.builds(Configure, functions, st.just("max_event_age"), st.sampled_from((60, 61, 90, 180, 181, 21_600))),
    st.builds(Configure, functions, st.just("reserved_concurrency"), st.sampled_from((None, 0, 1, 5))),
)


@attrs.define(eq=False)
class Sent:
    """One event, as the model sees it."""

    number: int
    function: str
    source: str
    fails: int
    accepted_at: float
    attempts: int = 0
    due_at: float | None = None
    end: str | None = None


@attrs.define(eq=False)
class How:
    """One function, as the model sees it."""

    retries: int = 2
    max_event_age: float = 21_600
    reserved_concurrency: int | None = None
    allowed: set[str] = attrs.field(factory=lambda: {S3})


class Model:
    """The rules, without any machinery."""

    def __init__(self) -> None:
        self.now = 0.0
        self.events: list[Sent] = []
        self.functions = {name: How() for name in FUNCTIONS}
        self.dead: list[Sent] = []
        self.redriven = 0

    def push(self, function: str, source: str, fails: int) -> Sent:
        event = Sent(len(self.events), function, source, fails, self.now)
        self.events.append(event)
        return event

    def run_due(self, until: float) -> None:
        """Run what is due, instant by instant, up to and including `until`."""
        while due := [e for e in self.events if e.due_at is not None and e.due_at <= until]:
            self.now = max(self.now, min(e.due_at for e in due if e.due_at is not None))
            for event in [e for e in due if e.due_at is not None and e.due_at <= self.now]:
                event.due_at = None
                self.try_once(event)
        self.now = max(self.now, until)

    def try_once(self, event: Sent) -> None:
        how = self.functions[event.function]
        age = self.now - event.accepted_at
        if how.reserved_concurrency == 0:
            return self.give_up(event, "ZeroReservedConcurrency")
        if age > how.max_event_age:
            return self.give_up(event, "EventAgeExceeded")
        if event.attempts == 0 and event.source not in how.allowed:
            return self.give_up(event, "AccessDenied")
        event.attempts += 1
        if event.attempts > event.fails:
            event.end = "finished"
            return None
        if event.attempts > how.retries:
            return self.give_up(event, "RetriesExhausted")
        delay = (60, 120)[event.attempts - 1]
        if age + delay >= how.max_event_age:
            return self.give_up(event, "EventAgeExceeded")
        event.due_at = self.now + delay
        return None

    def give_up(self, event: Sent, reason: str) -> None:
        event.end = reason
        self.dead.append(event)


class Run:
    """One script, carried out on a bus and on the model."""

    def __init__(self) -> None:
        self.bus: EventBus = make_bus()
        self.model = Model()
        self.tried: dict[int, list[str]] = {}
        """The request ids under which each event was tried."""
        self.ids: dict[int, str] = {}

        async def task(event: dict[str, int], context: Any) -> None:
            self.handle(event, context)

        def thread(event: dict[str, int], context: Any) -> None:
            self.handle(event, context)

        self.functions: dict[str, Function] = {
            name: self.bus.add_function(name, thread if name == "threaded" else task, timeout=60) for name in FUNCTIONS
        }
        for function in self.functions.values():
            function.add_permission(S3.split(".")[0], S3)

    def handle(self, event: dict[str, int], context: Any) -> None:
        """A handler that fails as often as its event says, and vandalises its copy."""
        ids = self.tried.setdefault(event["number"], [])
        ids.append(context.aws_request_id)
        fails = event["fails"]
        event.clear()
        if len([i for i in ids if i == ids[-1]]) <= fails:
            raise ValueError("told to")

    async def play(self, script: list[Step]) -> None:
        async with self.bus:
            for step in script:
                await self.step(step)
                self.compare()
            await self.bus.wait_idle()
            self.model.run_due(float("inf"))
            self.compare()
            s = self.bus.statistics()
            assert s.accepted == s.finished + s.dead_lettered == len(self.model.events)
            assert self.bus.outstanding == self.bus.resting == self.bus.backlog == 0
            assert self.bus.account.shared.busy == 0

    async def step(self, step: Step) -> None:
        model = self.model
        match step:
            case Push(function, source, fails):
                event = model.push(function, source, fails)
                receipt = await self.bus.push(function, {"number": event.number, "fails": fails}, source=source)
                self.ids[event.number] = receipt.request_id
                event.due_at = model.now
            case Advance(seconds):
                model.run_due(model.now + seconds)
                await virtual(self.bus).advance(seconds)
                return
            case Permit(function, source, is_allowed):
                allowed = model.functions[function].allowed
                if is_allowed and source not in allowed:
                    self.functions[function].add_permission(source.split(".")[0], source)
                    allowed.add(source)
                elif not is_allowed and source in allowed:
                    self.functions[function].remove_permission(source.split(".")[0])
                    allowed.remove(source)
            case Redrive(index):
                if index < len(self.bus.dead_letters):
                    await self.redrive(index)
            case Configure(function, name, value):
                self.functions[function].update_configuration(**dict[str, Any]({name: value}))
                setattr(model.functions[function], name, value)
        model.run_due(model.now)
        await self.bus.settle()

    async def redrive(self, index: int) -> None:
        letter = self.bus.dead_letters[index]
        dead = next(e for e in self.model.dead if self.ids[e.number] == letter.request_id)
        self.model.dead.remove(dead)
        self.model.redriven += 1
        event = self.model.push(dead.function, dead.source, dead.fails)
        receipt = await self.bus.redrive(letter)
        self.ids[event.number] = receipt.request_id
        event.due_at = self.model.now

    def compare(self) -> None:
        bus, model = self.bus, self.model
        s = bus.statistics()
        ended = [e for e in model.events if e.end is not None]
        waiting = [e for e in model.events if e.due_at is not None]
        assert (s.accepted, s.queued, s.running) == (len(model.events), 0, 0)
        assert s.waiting == len(waiting) == len(model.events) - len(ended)
        assert s.finished == sum(e.end == "finished" for e in ended)
        assert s.dead_lettered == len(model.dead) + model.redriven
        letters = {letter.request_id: letter for letter in bus.dead_letters}
        assert len(letters) == len(bus.dead_letters) == len(model.dead)
        for event in model.dead:
            letter = letters[self.ids[event.number]]
            assert (str(letter.reason), letter.attempts) == (event.end, event.attempts)
            assert (letter.source, letter.target) == (event.source, self.functions[event.function].arn)
            assert letter.payload["fails"] == event.fails
            assert letter.error
        counts = {request_id: ids.count(request_id) for ids in self.tried.values() for request_id in ids}
        for event in model.events:
            assert counts.get(self.ids[event.number], 0) == event.attempts
        invocations = bus.metrics.query("Invocations").sum
        assert invocations == sum(e.attempts for e in model.events)
        assert bus.metrics.query("AsyncEventsDropped").sum == s.dead_lettered


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(steps, max_size=25))
def test_every_script_ends_as_the_rules_say(script: list[Step]) -> None:
    """Accepted, attempts, ends, dead letters, metrics: bus and model agree after every step."""
    anyio.run(Run().play, script)


@settings(max_examples=25, deadline=None)
@given(st.lists(steps, max_size=15))
def test_every_script_gives_the_same_trace_twice(script: list[Step]) -> None:
    """Same seed, same script: the same tree, the same dead letters, the same ids, byte for byte."""

    def play() -> tuple[str, list[tuple[str, str]]]:
        run = Run()
        anyio.run(run.play, script)
        return str(run.bus.trace), [(letter.request_id, letter.error) for letter in run.bus.dead_letters]

    assert play() == play()
