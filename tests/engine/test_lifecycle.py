"""Entering, leaving, waiting, cancelling: a bus begins and ends as a whole, and nothing hangs."""

from __future__ import annotations

import contextvars
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from eventbus import EventBus, Reason, SystemClock
from eventbus.errors import AccessDenied, BusAlreadyEntered, BusClosed, BusNotRunning, ConfigurationError
from eventbus.testing import Recorder
from tests.engine.support import S3, make_bus, virtual

pytestmark = pytest.mark.anyio


class Gate:
    """A handler that waits inside until it is let go."""

    def __init__(self) -> None:
        self.__name__ = "gate"
        self.entered, self.go = anyio.Event(), anyio.Event()
        self.finished = 0

    async def __call__(self, event: Any, context: Any) -> None:
        self.entered.set()
        await self.go.wait()
        self.finished += 1


# -- entering ----------------------------------------------------------------------------------------------------------


async def test_a_bus_is_entered_once() -> None:
    """Neither while it runs nor afterwards a second time."""
    bus = make_bus()
    async with bus as entered:
        assert entered is bus
        with pytest.raises(BusAlreadyEntered, match="this bus was entered already; a bus lives for one `async with`"):
            await bus.__aenter__()
        assert repr(bus).startswith("<EventBus running")
    with pytest.raises(BusAlreadyEntered):
        await bus.__aenter__()
    assert repr(bus).startswith("<EventBus closed")


CALLS: dict[str, Callable[[EventBus], Any]] = {
    "push": lambda bus: bus.push("f", 1, source=S3),
    "invoke": lambda bus: bus.invoke("f"),
    "redrive": lambda bus: bus.redrive(None),  # type: ignore[arg-type]
    "wait_idle": lambda bus: bus.wait_idle(),
}


@pytest.mark.parametrize("call", CALLS)
async def test_calls_need_a_running_bus(call: str) -> None:
    """Before entering one sentence, after leaving another, both naming the call."""
    bus = make_bus()
    bus.add_function("f", Recorder())
    with pytest.raises(BusNotRunning) as early:
        await CALLS[call](bus)
    assert str(early.value) == f"{call} needs a running bus: call it inside `async with bus:`"
    async with bus:
        pass
    with pytest.raises(BusClosed) as late:
        await CALLS[call](bus)
    assert str(late.value) == f"{call} was refused: the bus is closed and accepts no more events"
    assert bus.statistics().accepted == 0


async def test_functions_may_be_declared_while_the_bus_runs() -> None:
    """Configuration is before or after entering."""
    recorder = Recorder()
    async with make_bus() as bus:
        bus.add_function("late", recorder).allow(S3)
        await bus.push("late", 1, source=S3)
        await bus.wait_idle()
    assert recorder.events == [1]


async def test_two_buses_run_side_by_side() -> None:
    """Each with its own functions, permissions and account."""
    one, two = make_bus(), make_bus(account_id="111122223333")
    recorders = Recorder(), Recorder()
    for bus, recorder in zip((one, two), recorders, strict=True):
        bus.add_function("f", recorder).allow(S3)
    async with one, two:
        await one.push("f", "one", source=S3)
        await two.push("f", "two", source=S3)
        await one.wait_idle()
        await two.wait_idle()
    assert [recorder.events for recorder in recorders] == [["one"], ["two"]]
    assert recorders[1].contexts[0].invoked_function_arn == "arn:aws:lambda:us-east-1:111122223333:function:f"


# -- leaving -----------------------------------------------------------------------------------------------------------


async def test_leaving_lets_running_handlers_finish_and_reports_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    """Running ones end well; what is queued or waits for a retry is dead-lettered as BusClosed, with a warning."""
    bus, gate = make_bus(), Gate()
    bus.add_function("running", gate, reserved_concurrency=1).allow(S3)
    bus.add_function("failing", Recorder(fail="always")).allow(S3)
    async with anyio.create_task_group() as tasks:
        async with bus:
            await bus.push("running", "inside", source=S3)
            await bus.push("running", "queued", source=S3)
            await bus.push("failing", "waiting", source=S3)
            await wait_all_tasks_blocked()
            s = bus.statistics()
            assert (s.running, s.queued, s.waiting) == (1, 1, 1)

            async def let_go() -> None:
                await wait_all_tasks_blocked()
                gate.go.set()

            tasks.start_soon(let_go)
        assert gate.finished == 1
        assert [(letter.payload, letter.reason) for letter in bus.dead_letters] == [
            ("queued", Reason.BUS_CLOSED),
            ("waiting", Reason.BUS_CLOSED),
        ]
        assert bus.dead_letters[0].error == "the bus was left before it ended"
        assert bus.dead_letters[1].error == "ValueError: recorder was told to fail"
        s = bus.statistics()
        assert (s.accepted, s.finished, s.dead_lettered, s.queued, s.running, s.waiting) == (3, 1, 2, 0, 0, 0)
    assert "events_left_at_close" in caplog.text
    assert "count=2" in caplog.text


@pytest.mark.parametrize("attempt", range(20))
async def test_a_bus_can_be_left_right_after_an_event_was_pushed_to_an_idle_function(attempt: int) -> None:
    """Whichever task trio ends first: the environment that was to take the event, or the one that was to wake it."""
    bus = make_bus()
    bus.add_function("f", Recorder()).allow(S3)
    async with bus:
        await bus.push("f", "first", source=S3)
        await bus.wait_idle()
        await bus.push("f", "last", source=S3)
    s = bus.statistics()
    assert (s.accepted, s.finished + s.dead_lettered) == (2, 2)


async def test_a_handler_that_outlasts_the_grace_is_cancelled() -> None:
    """Its event is dead-lettered, and the bus ends."""
    bus, gate = make_bus(grace=0.01), Gate()
    bus.add_function("f", gate, timeout=900).allow(S3)
    with anyio.fail_after(10):
        async with bus:
            await bus.push("f", 1, source=S3)
            await gate.entered.wait()
    assert gate.finished == 0
    assert [(letter.reason, letter.attempts) for letter in bus.dead_letters] == [(Reason.BUS_CLOSED, 1)]


async def test_a_handler_that_finishes_during_the_grace_may_still_publish() -> None:
    """What it pushes is accepted and, since nothing new is begun, dead-lettered; a direct call is refused."""
    bus = make_bus()
    entered, go, refused = anyio.Event(), anyio.Event(), anyio.Event()
    late = Recorder()
    bus.add_function("late", late).allow(S3)

    @bus.function
    async def f(event: Any, context: Any) -> None:
        entered.set()
        await go.wait()
        await bus.push("late", "from the grace", source=S3)
        try:
            await bus.invoke("late")
        except BusClosed:
            refused.set()

    f.allow(S3)
    f.role.allow("lambda:InvokeFunction", bus.functions["late"])
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks, bus:
            await bus.push(f, 1, source=S3)
            await entered.wait()

            async def let_go() -> None:
                await wait_all_tasks_blocked()
                go.set()

            tasks.start_soon(let_go)
    assert refused.is_set()
    assert late.events == []
    assert [(letter.payload, letter.reason) for letter in bus.dead_letters] == [("from the grace", "BusClosed")]
    assert bus.statistics().finished == 1


async def test_an_exception_of_the_body_comes_out_bare() -> None:
    """Not wrapped in a group, and after the handlers have finished."""
    bus, recorder = make_bus(), Recorder()
    bus.add_function("f", recorder).allow(S3)

    async def body() -> None:
        async with bus:
            await bus.push("f", 1, source=S3)
            await bus.wait_idle()
            raise LookupError("mine")

    with pytest.raises(LookupError, match=r"^mine$"):
        await body()
    assert recorder.events == [1]


async def test_a_group_of_the_body_comes_out_as_it_was() -> None:
    """The user's own exception group is not wrapped once more."""

    async def body() -> None:
        async with make_bus(), anyio.create_task_group():
            raise LookupError("mine")

    with pytest.raises(ExceptionGroup) as caught:
        await body()
    assert [type(error) for error in caught.value.exceptions] == [LookupError]


@pytest.mark.parametrize("clock", ["virtual", "system"])
async def test_a_cancellation_from_outside_passes_through_at_once(clock: str) -> None:
    """The scope around the bus catches it; running handlers are cancelled too, and the grace is not waited for."""
    options = {"clock": SystemClock()} if clock == "system" else {}
    bus, gate = make_bus(grace=1000, **options), Gate()
    bus.add_function("f", gate, timeout=900, reserved_concurrency=1).allow(S3)
    with anyio.fail_after(10):
        with anyio.CancelScope() as scope:
            async with bus:
                await bus.push("f", 1, source=S3)
                await bus.push("f", 2, source=S3)
                await gate.entered.wait()
                scope.cancel()
                await bus.wait_idle()
        assert scope.cancelled_caught
    assert [letter.reason for letter in bus.dead_letters] == ["BusClosed"] * 2
    s = bus.statistics()
    assert (s.accepted, s.dead_lettered, s.running) == (2, 2, 0)


async def test_what_a_cancellation_frees_begins_nothing_new() -> None:
    """A function that waited for the cancelled one's environment doesn't start as the bus goes down."""
    bus, gate, waiting = make_bus(clock=SystemClock(), concurrency=1), Gate(), Recorder()
    bus.add_function("first", gate, timeout=900).allow(S3)
    bus.add_function("second", waiting).allow(S3)
    with anyio.fail_after(10), anyio.CancelScope() as scope:
        async with bus:
            await bus.push("first", 1, source=S3)
            await gate.entered.wait()
            await bus.push("second", 2, source=S3)
            scope.cancel()
            await anyio.sleep_forever()
    assert waiting.events == []
    assert [letter.reason for letter in bus.dead_letters] == ["BusClosed"] * 2


async def test_a_cancellation_during_the_grace_ends_it() -> None:
    """The user who runs out of patience doesn't wait for the rest of it."""
    bus, gate = make_bus(grace=1000), Gate()
    bus.add_function("f", gate, timeout=900).allow(S3)
    with anyio.fail_after(10):
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:

                async def impatient() -> None:
                    await wait_all_tasks_blocked()
                    scope.cancel()

                async with bus:
                    await bus.push("f", 1, source=S3)
                    await gate.entered.wait()
                    tasks.start_soon(impatient)
        assert scope.cancel_called
    assert [letter.reason for letter in bus.dead_letters] == ["BusClosed"]


async def test_a_move_on_after_around_the_bus_moves_on() -> None:
    """The plain way to run a bus for a while."""
    bus, gate = make_bus(grace=1000, clock=SystemClock()), Gate()
    bus.add_function("f", gate, timeout=900).allow(S3)
    with anyio.fail_after(10):
        with anyio.move_on_after(0.02) as scope:
            async with bus:
                await bus.push("f", 1, source=S3)
                await anyio.sleep_forever()
        assert scope.cancelled_caught


async def test_whoever_waits_for_idle_is_woken_when_the_bus_is_left() -> None:
    """A waiter in another task doesn't hang."""
    bus = make_bus(clock=SystemClock(), grace=0)
    bus.add_function("f", Recorder(fail="always")).allow(S3)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks, bus:
            await bus.push("f", 1, source=S3)
            tasks.start_soon(bus.wait_idle)
            await wait_all_tasks_blocked()


# -- waiting -----------------------------------------------------------------------------------------------------------


async def test_waiting_for_idle_on_an_idle_bus_returns_at_once() -> None:
    """Also with a time-out of nothing."""
    async with make_bus() as bus:
        await bus.wait_idle()
        await bus.wait_idle(timeout=0)
        assert virtual(bus).elapsed == 0


async def test_a_handler_cannot_wait_for_idle() -> None:
    """It would wait for itself."""
    bus = make_bus()
    errors: list[str] = []

    @bus.function
    async def f(event: Any, context: Any) -> None:
        try:
            await bus.wait_idle()
        except ConfigurationError as error:
            errors.append(str(error))

    async with bus:
        await bus.invoke(f)
    assert errors == ["wait_idle() inside a handler would wait for itself; call it from outside"]


async def test_a_handler_may_wait_for_another_bus() -> None:
    """Only its own would never be idle."""
    outer, inner, recorder = make_bus(), make_bus(), Recorder(fail=1)
    inner.add_function("f", recorder).allow(S3)

    @outer.function
    async def f(event: Any, context: Any) -> str:
        async with inner:
            await inner.push("f", 1, source=S3)
            await inner.wait_idle()
        return "done"

    async with outer:
        assert (await outer.invoke(f)).payload == "done"
    assert recorder.events == [1, 1]


async def test_the_time_out_of_waiting_says_what_is_left() -> None:
    """A TimeoutError with the status of the bus."""
    bus, gate = make_bus(), Gate()
    bus.add_function("f", gate).allow(S3)
    async with bus:
        await bus.push("f", 1, source=S3)
        with pytest.raises(TimeoutError) as caught:
            await bus.wait_idle(timeout=0.01)
        assert str(caught.value) == (
            "not idle after 0.01 seconds: <EventBus running: 1 functions, 0 queued, 1 running, "
            "0 waiting for a retry, 0 finished, 0 dead-lettered>"
        )
        gate.go.set()
        await bus.wait_idle()


async def test_many_may_wait_for_idle_at_once() -> None:
    """All of them return, and time passes once."""
    bus = make_bus()
    bus.add_function("f", Recorder(fail="always")).allow(S3)
    async with bus:
        await bus.push("f", 1, source=S3)
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(bus.wait_idle)
        assert virtual(bus).elapsed == 180
        assert len(bus.dead_letters) == 1


async def test_background_work_counts_until_it_ends() -> None:
    """Sources run deliveries in the background; `wait_idle` waits for them and jumps over their sleeps."""
    bus = make_bus()
    seen: list[float] = []

    async def deliver(times: int) -> None:
        for _ in range(times):
            await bus.background_sleep(20)
            seen.append(virtual(bus).elapsed)

    async with bus:
        bus.start_background(deliver, 3)
        await bus.wait_idle()
        assert seen == [20, 40, 60]
        assert bus.statistics().accepted == 0


# -- back-pressure -----------------------------------------------------------------------------------------------------


async def test_a_full_queue_makes_publishers_wait() -> None:
    """The backlog stays bounded; publishing goes on as the handlers catch up."""
    bus, gate = make_bus(queue_limit=10, concurrency=1), Gate()
    bus.add_function("f", gate).allow(S3)
    deepest = 0
    bus.account.shared.limit = 2
    seen: list[int] = []

    @bus.function
    async def quick(event: int, context: Any) -> None:
        nonlocal deepest
        deepest = max(deepest, bus.statistics().queued)
        seen.append(event)

    quick.allow(S3)
    async with bus:
        for number in range(500):
            await bus.push(quick, number, source=S3)
            deepest = max(deepest, bus.statistics().queued)
        await bus.wait_idle()
    assert seen == list(range(500))
    assert deepest == 10


async def test_a_publisher_that_is_cancelled_while_it_waits_has_published_nothing() -> None:
    """Its event was never accepted; those before it were."""
    bus = make_bus(queue_limit=3)
    accepted: list[int] = []

    @bus.function
    async def busy(event: int, context: Any) -> None:
        pass

    async def publish() -> None:
        for number in range(100):
            await bus.push(busy, number, source=S3)
            accepted.append(number)

    busy.allow(S3)
    async with bus:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await publish()
        assert bus.statistics().accepted == len(accepted) == 3
        await bus.wait_idle()
        assert bus.statistics().finished == 3


async def test_a_throttled_function_does_not_block_publishers() -> None:
    """Events that are held back make no backlog for others; whoever waited for room goes on."""
    bus, gate, recorder = make_bus(queue_limit=4), Gate(), Recorder()
    bus.add_function("slow", gate, reserved_concurrency=1, timeout=900).allow(S3)
    bus.add_function("quick", recorder).allow(S3)
    async with bus:
        with anyio.fail_after(10):
            for number in range(30):
                await bus.push("slow", number, source=S3)
            for number in range(30):
                await bus.push("quick", number, source=S3)
        await wait_all_tasks_blocked()
        assert len(recorder.events) == 30
        gate.go.set()
        await bus.wait_idle()
        assert gate.finished == 30


async def test_a_publisher_that_waits_when_the_bus_closes_is_refused() -> None:
    """It gets BusClosed, and its event was not accepted."""
    bus, refused = make_bus(queue_limit=1, grace=0), anyio.Event()
    blocked = Gate()
    bus.add_function("f", blocked, timeout=900).allow(S3)

    async def publish() -> None:
        try:
            while True:
                await bus.push("f", 1, source=S3)
        except BusClosed:
            refused.set()

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks, bus:
            tasks.start_soon(publish)
            await blocked.entered.wait()
    assert refused.is_set()
    s = bus.statistics()
    assert s.accepted == s.dead_lettered


async def test_a_handler_is_never_made_to_wait_for_room() -> None:
    """It would wait for the queue that it empties."""
    bus, recorder = make_bus(queue_limit=2, concurrency=1, clock=SystemClock()), Recorder()
    bus.add_function("f", recorder).allow(S3)

    @bus.function(timeout=900)
    async def fan(event: int, context: Any) -> None:
        for number in range(event):
            await bus.push("f", number, source=S3)

    fan.allow(S3)
    async with bus:
        with anyio.fail_after(10):
            await bus.push(fan, 200, source=S3)
            await bus.wait_idle()
    assert sorted(recorder.events) == list(range(200))


async def test_a_burst_gives_other_tasks_their_turns() -> None:
    """Between two beats of another task no more than a few budgets of events are published and run."""
    bus, recorder = make_bus(), Recorder()
    bus.add_function("f", recorder).allow(S3)
    published = 0
    gaps: list[int] = []

    async def beat() -> None:
        before = 0
        while True:
            await checkpoint()
            now = published + len(recorder.events)
            gaps.append(now - before)
            before = now

    async with bus, anyio.create_task_group() as tasks:
        tasks.start_soon(beat)
        for number in range(5000):
            await bus.push("f", number, source=S3)
            published += 1
        await bus.wait_idle()
        tasks.cancel_scope.cancel()
    assert len(recorder.events) == 5000
    # 64 published and 64 run; trio shuffles who goes first, so that two turns of each may lie between two beats
    assert max(gaps) <= 4 * 64


async def test_retries_that_fall_due_together_give_other_tasks_their_turns() -> None:
    """A thousand events that wake at the same instant are run in portions."""
    bus, recorder = make_bus(), Recorder(fail="always")
    bus.add_function("f", recorder, retries=1).allow(S3)
    gaps: list[int] = []

    async def beat() -> None:
        before = len(recorder.events)
        while True:
            await checkpoint()
            gaps.append(len(recorder.events) - before)
            before = len(recorder.events)

    async with bus:
        for number in range(1000):
            await bus.push("f", number, source=S3)
        await virtual(bus).advance(1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(beat)
            await bus.wait_idle()
            tasks.cancel_scope.cancel()
    assert len(recorder.events) == 2000
    assert max(gaps) <= 2 * 64


# -- threads -----------------------------------------------------------------------------------------------------------

user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")


async def test_context_variables_reach_threads() -> None:
    """What the publisher had set when the environment began is seen in the thread."""
    bus = make_bus()

    @bus.function
    def f(event: Any, context: Any) -> str:
        return user.get()

    user.set("ann")
    async with bus:
        assert (await bus.invoke(f)).payload == "ann"


async def test_a_thread_is_kept_from_one_event_to_the_next() -> None:
    """As a warm environment keeps its process."""
    import threading

    bus = make_bus()
    names: set[str] = set()

    @bus.function
    def f(event: Any, context: Any) -> None:
        names.add(threading.current_thread().name)

    f.allow(S3)
    async with bus:
        for number in range(5):
            await bus.push(f, number, source=S3)
            await bus.wait_idle()
    assert names == {"eventbus f 1"}


async def test_a_thread_calls_the_bus_through_from_thread() -> None:
    """What it pushes is caused by its event and done as its role; without it the call is refused, not corrupted."""
    bus, recorder = make_bus(), Recorder(result="inner")
    inner = bus.add_function("inner", recorder)
    errors: list[str] = []

    @bus.function
    def outer(event: Any, context: Any) -> Any:
        bus.from_thread(bus.push, inner, "pushed", source=S3)
        try:
            bus.from_thread(bus.invoke, inner, "refused")
        except AccessDenied:
            errors.append("denied")
        outer.role.allow("lambda:InvokeFunction", inner)
        return bus.from_thread(bus.invoke, inner, "called").payload

    inner.allow(S3)
    outer.allow(S3)
    outer.role.allow("iam:PutRolePolicy", outer.role)
    async with bus:
        await bus.push(outer, 1, source=S3)
        await bus.wait_idle()
        with pytest.raises(ConfigurationError, match="on the event loop await the call itself"):
            bus.from_thread(bus.wait_idle)
        tree = bus.trace.tree()
    assert sorted(recorder.events) == ["called", "pushed"]
    assert errors == ["denied"]
    assert [child["what"] for child in tree[0]["children"]] == ["inner", "inner"]
    with pytest.raises(BusClosed):
        bus.from_thread(bus.wait_idle)


async def test_a_thread_calls_a_synchronous_twin_between_two_turns_of_the_event_loop() -> None:
    """It runs on the loop's own thread, as the handler's role; what it raises comes out."""
    bus, threads = make_bus(), []

    def where() -> str:
        threads.append(threading.get_ident())
        return "done"

    def fail() -> None:
        raise KeyError("missing")

    @bus.function
    def outer(event: Any, context: Any) -> Any:
        with pytest.raises(KeyError, match="missing"):
            bus.from_thread_sync(fail)
        return bus.from_thread_sync(where)

    async with bus:
        assert (await bus.invoke(outer)).payload == "done"
        assert threads == [threading.get_ident()]
        with pytest.raises(ConfigurationError, match="on the event loop make the call itself"):
            bus.from_thread_sync(where)
    with pytest.raises(BusClosed):
        bus.from_thread_sync(where)


async def test_a_push_from_a_foreign_thread_is_refused() -> None:
    """With the call that mends it; nothing was accepted."""
    bus = make_bus()
    bus.add_function("f", Recorder()).allow(S3)

    def push() -> None:
        coroutine = bus.push("f", 1, source=S3)
        coroutine.send(None)

    async with bus:
        with pytest.raises(ConfigurationError, match="push was called from another thread than the bus's"):
            await anyio.to_thread.run_sync(push)
        assert bus.statistics().accepted == 0


def test_a_hung_thread_does_not_keep_the_process_alive(anyio_backend: str) -> None:
    """The bus is left, the loop ends, the process exits, although a handler still hangs."""
    script = textwrap.dedent(
        f"""
        import threading
        import anyio
        from eventbus import EventBus

        bus = EventBus(grace=0)

        @bus.function(timeout=0.05, retries=0)
        def hangs(event, context):
            threading.Event().wait()

        hangs.allow("{S3}")

        async def main():
            async with bus:
                await bus.push(hangs, 1, source="{S3}")
                await bus.wait_idle()
                await bus.push(hangs, 2, source="{S3}")

        anyio.run(main, backend="{anyio_backend}")
        print([str(letter.reason) for letter in bus.dead_letters])
        """
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert run.stdout == "['RetriesExhausted', 'BusClosed']\n", run.stderr
    assert run.returncode == 0
