"""Time: what moves it, in which order it fires, and what it leaves behind."""

from __future__ import annotations

import time

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from eventbus import EventBus, SystemClock, VirtualClock
from eventbus.clock import DEFAULT_START
from eventbus.errors import ConfigurationError
from eventbus.testing import Recorder
from tests.engine.support import S3, make_bus, virtual

pytestmark = pytest.mark.anyio


async def test_virtual_time_begins_with_2026_and_stands_still() -> None:
    """Nothing but `advance` moves it."""
    clock = VirtualClock()
    assert clock.now() == DEFAULT_START == 1_767_225_600
    await checkpoint()
    assert clock.now() == DEFAULT_START
    assert repr(clock) == "VirtualClock(elapsed=0)"


async def test_advancing_moves_time_by_exactly_that() -> None:
    """Also by nothing, and by fractions."""
    clock = VirtualClock(start=100)
    await clock.advance(0)
    await clock.advance(2.5)
    await clock.advance(60)
    assert (clock.now(), clock.elapsed) == (162.5, 62.5)
    assert repr(clock) == "VirtualClock(elapsed=62.5)"


@pytest.mark.parametrize("seconds", [-1, -0.001, float("-inf"), float("nan")])
async def test_time_never_goes_back(seconds: float) -> None:
    """A negative step is refused and changes nothing."""
    clock = VirtualClock()
    with pytest.raises(ConfigurationError, match="a clock only moves forward"):
        await clock.advance(seconds)
    assert clock.elapsed == 0


async def test_timers_fire_in_order_of_instant_then_creation() -> None:
    """Earlier instants first; at the same instant, the older timer first."""
    clock = VirtualClock(start=0)
    fired: list[str] = []
    for name, due in (("c", 20), ("a1", 10), ("b", 15), ("a2", 10), ("a3", 10), ("past", -5)):
        clock.call_at(due, fired.append, name)
    await clock.advance(20)
    assert fired == ["past", "a1", "a2", "a3", "b", "c"]


async def test_advancing_stops_at_every_due_instant() -> None:
    """A timer sees the instant it was set for, not the end of the step."""
    clock = VirtualClock(start=0)
    seen: list[float] = []
    for due in (1, 5, 5, 9.5, 11):
        clock.call_at(due, lambda: seen.append(clock.now()))
    await clock.advance(10)
    assert seen == [1, 5, 5, 9.5]
    assert clock.now() == 10
    await clock.advance(1)
    assert seen[-1] == 11


async def test_a_timer_that_sets_a_timer_within_the_step_sees_it_fire() -> None:
    """Consequences that fall due within the step belong to the step."""
    clock = VirtualClock(start=0)
    seen: list[float] = []

    def tick() -> None:
        seen.append(clock.now())
        clock.call_at(clock.now() + 3, tick)

    clock.call_at(3, tick)
    await clock.advance(10)
    assert seen == [3, 6, 9]


async def test_a_cancelled_timer_never_fires_and_is_not_due() -> None:
    """Cancelling takes it back; cancelling again, or after it fired, is harmless."""
    clock = VirtualClock(start=0)
    fired: list[str] = []
    early, late = clock.call_at(1, fired.append, "early"), clock.call_at(2, fired.append, "late")
    assert clock.next_due() == 1
    early.cancel()
    early.cancel()
    assert not early.is_live
    assert clock.next_due() == 2
    await clock.advance(5)
    late.cancel()
    assert fired == ["late"]
    assert clock.next_due() is None


async def test_a_sleeper_acts_at_its_own_instant() -> None:
    """A user's task that sleeps on the clock runs before time moves on, and so do its events."""
    bus = make_bus()
    at: list[float] = []

    @bus.function
    async def handler(event: object, context: object) -> None:
        at.append(virtual(bus).elapsed)

    handler.allow(S3)
    async with bus, anyio.create_task_group() as tasks:

        async def publish() -> None:
            for _ in range(3):
                await virtual(bus).sleep(10)
                await bus.push(handler, 1, source=S3)

        tasks.start_soon(publish)
        await wait_all_tasks_blocked()
        await virtual(bus).advance(100)
        assert at == [10, 20, 30]


async def test_sleepers_wake_without_a_bus_too() -> None:
    """A virtual clock of one's own needs no bus."""
    clock = VirtualClock(start=0)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.now()))

    async with anyio.create_task_group() as tasks:
        for name, seconds in (("b", 2), ("a", 1), ("c", 2.5)):
            tasks.start_soon(sleeper, name, seconds)
        await wait_all_tasks_blocked()
        await clock.advance(2)
        assert woken == [("a", 1), ("b", 2)]
        await clock.advance(1)
        assert woken[-1] == ("c", 2.5)


@pytest.mark.parametrize("clock", [VirtualClock(), SystemClock()], ids=repr)
async def test_a_cancelled_sleep_leaves_no_timer(clock: VirtualClock | SystemClock) -> None:
    """Neither `sleep` nor `sleep_until` leaves anything due."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.sleep, 100)
        tasks.start_soon(clock.sleep_until, clock.now() + 50)
        await wait_all_tasks_blocked()
        assert clock.next_due() is not None
        tasks.cancel_scope.cancel()
    assert clock.next_due() is None


async def test_a_cancelled_advance_stays_at_the_instant_it_reached() -> None:
    """Time is never rolled back, nor moved to the end of the step."""
    bus = make_bus()
    entered, go = anyio.Event(), anyio.Event()

    @bus.function
    async def handler(event: object, context: object) -> None:
        entered.set()
        await go.wait()

    handler.allow(S3)
    async with bus:

        def push() -> None:
            bus.enqueue(handler, b"1", bus.source_of(S3), None)

        bus.clock.call_at(bus.clock.now() + 7, push)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(virtual(bus).advance, 100)
            await entered.wait()
            tasks.cancel_scope.cancel()
        assert virtual(bus).elapsed == 7
        go.set()
        await bus.wait_idle()


async def test_time_waits_for_a_running_handler() -> None:
    """While a handler runs, in a task or a thread, time stands still."""
    bus = make_bus()
    seen: list[tuple[str, float]] = []

    @bus.function
    async def task(event: object, context: object) -> None:
        for _ in range(5):
            await checkpoint()
        seen.append(("task", virtual(bus).elapsed))

    @bus.function
    def thread(event: object, context: object) -> None:
        seen.append(("thread", virtual(bus).elapsed))

    task.allow(S3)
    thread.allow(S3)
    async with bus:
        await bus.push(task, 1, source=S3)
        await bus.push(thread, 1, source=S3)
        await virtual(bus).advance(1000)
        assert sorted(seen) == [("task", 0), ("thread", 0)]
        assert virtual(bus).elapsed == 1000


async def test_advancing_by_hand_runs_the_retries_on_the_way() -> None:
    """At 59 s nothing, at 60 the second attempt, at 180 the third."""
    recorder = Recorder(fail="always")
    bus = make_bus()
    bus.add_function("f", recorder).allow(S3)
    async with bus:
        await bus.push("f", 1, source=S3)
        counts = []
        for step in (0, 59, 1, 119, 1):
            await virtual(bus).advance(step)
            counts.append(len(recorder.events))
        assert counts == [1, 1, 2, 2, 3]
        assert bus.dead_letters[0].dead_at == bus.clock.now()


async def test_a_handler_that_waits_for_virtual_time_gets_it() -> None:
    """Time moves while every handler only waits for time, and each goes on at its instant."""
    bus = make_bus()
    seen: list[tuple[str, int, float]] = []

    @bus.function
    async def slow(event: int, context: object) -> None:
        seen.append(("begin", event, virtual(bus).elapsed))
        await virtual(bus).sleep(event)
        seen.append(("end", event, virtual(bus).elapsed))

    slow.allow(S3)
    async with bus:
        for seconds in (30, 10, 20):
            await bus.push(slow, seconds, source=S3)
        await bus.wait_idle()
        assert seen[:3] == [("begin", 30, 0), ("begin", 10, 0), ("begin", 20, 0)]
        assert seen[3:] == [("end", 10, 10), ("end", 20, 20), ("end", 30, 30)]
        assert virtual(bus).elapsed == 30
        assert bus.outstanding == bus.resting == 0


async def test_time_that_a_handler_slept_counts_for_the_age_of_its_event() -> None:
    """It fails after 50 virtual seconds, so that its retry comes at 110."""
    bus = make_bus()
    at: list[float] = []

    @bus.function
    async def slow(event: int, context: object) -> None:
        at.append(virtual(bus).elapsed)
        await virtual(bus).sleep(50)
        raise ValueError("boom")

    slow.allow(S3)
    async with bus:
        await bus.push(slow, 1, source=S3)
        await bus.wait_idle()
    assert at == [0, 110, 280]


async def test_a_sleeping_handler_that_overruns_its_real_time_leaves_nothing_behind() -> None:
    """Time limits are real: a handler that nobody moves time for is ended, and its sleep is forgotten."""
    bus = make_bus()

    @bus.function(timeout=0.01, retries=0)
    async def slow(event: int, context: object) -> None:
        await virtual(bus).sleep(50)

    async with bus:
        result = await bus.invoke(slow)
        assert result.payload["errorType"] == "Sandbox.Timedout"
        await bus.wait_idle()
        assert virtual(bus).next_due() is None
        assert bus.outstanding == bus.resting == 0


async def test_a_handler_cannot_move_the_clock() -> None:
    """It would wait for itself; it is told so instead of hanging."""
    bus = make_bus()

    @bus.function(retries=0)
    async def handler(event: object, context: object) -> None:
        await virtual(bus).advance(1)

    handler.allow(S3)
    async with bus:
        await bus.push(handler, 1, source=S3)
        await bus.wait_idle()
        assert bus.dead_letters[0].error == (
            "ConfigurationError: a handler cannot move the clock, which waits for it; move it from outside"
        )


@pytest.mark.parametrize("clock", [VirtualClock(), SystemClock()], ids=repr)
async def test_a_clock_serves_one_running_bus_at_a_time(clock: VirtualClock | SystemClock) -> None:
    """The second bus is refused and can be entered later; after the first it may have the clock."""
    first, second = EventBus(clock=clock), EventBus(clock=clock)
    async with first:
        with pytest.raises(ConfigurationError, match="give each bus a clock of its own"):
            await second.__aenter__()
    async with second:
        assert repr(second).startswith("<EventBus running")


async def test_a_system_clock_never_goes_back() -> None:
    """Not while it is read, not when a bus starts, not when it stops."""
    clock = SystemClock()
    readings = [clock.now()]
    async with EventBus(clock=clock):
        readings += [clock.now() for _ in range(1000)]
        await checkpoint()
        readings.append(clock.now())
    readings.append(clock.now())
    assert readings == sorted(readings)
    assert abs(readings[-1] - time.time()) < 3600


async def test_a_system_clock_fires_what_falls_due_in_order() -> None:
    """A timer that is set later but is due earlier is not overlooked."""
    clock = SystemClock()
    fired: list[str] = []
    done = anyio.Event()
    async with EventBus(clock=clock):
        await wait_all_tasks_blocked()
        clock.call_at(clock.now() + 3600, fired.append, "never")
        clock.call_at(clock.now() + 0.02, done.set)
        clock.call_at(clock.now() + 0.01, fired.append, "soon")
        clock.call_at(clock.now() - 1, fired.append, "past")
        with anyio.fail_after(5):
            await done.wait()
    assert fired == ["past", "soon"]
    assert clock.next_due() is None
