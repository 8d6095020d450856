"""How many environments run at once, and what happens to events that find none."""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from eventbus import EventBus
from eventbus.errors import InvalidParameterValue, TooManyRequests
from eventbus.testing import Recorder
from tests.engine.support import S3, make_bus, virtual

pytestmark = pytest.mark.anyio


class Gauge:
    """A handler that suspends until it is let go, and knows how many of it are inside."""

    def __init__(self) -> None:
        self.__name__ = "gauge"
        self.inside = self.most = 0
        self.order: list[Any] = []
        self.go = anyio.Event()

    async def __call__(self, event: Any, context: Any) -> Any:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.order.append(event)
        await self.go.wait()
        await checkpoint()
        self.inside -= 1
        return event


@pytest.mark.parametrize(
    ("account", "reserved", "events", "most"),
    [(1000, None, 7, 7), (3, None, 7, 3), (1000, 2, 7, 2), (1000, 1, 7, 1), (1, None, 7, 1), (1000, 50, 7, 7)],
)
async def test_handlers_that_suspend_run_at_once_up_to_the_limit_and_not_beyond(
    account: int, reserved: int | None, events: int, most: int
) -> None:
    """The account's limit, or the function's reservation."""
    bus, gauge = make_bus(concurrency=account), Gauge()
    bus.add_function("f", gauge, reserved_concurrency=reserved).allow(S3)
    async with bus:
        for number in range(events):
            await bus.push("f", number, source=S3)
        await wait_all_tasks_blocked()
        assert gauge.inside == most
        assert bus.statistics().running == most
        gauge.go.set()
        await bus.wait_idle()
        assert gauge.most == most
        assert sorted(gauge.order) == list(range(events))
        assert bus.statistics().finished == events


async def test_handlers_that_never_suspend_share_one_environment() -> None:
    """A burst of quick events needs no second one."""
    bus, recorder = make_bus(), Recorder()
    bus.add_function("f", recorder).allow(S3)
    async with bus:
        for number in range(300):
            await bus.push("f", number, source=S3)
        await bus.wait_idle()
        assert len(bus.logs.streams("f")) == 1


async def test_environments_are_kept_and_used_again() -> None:
    """Three at once make three; the next three make no more."""
    bus, gauge = make_bus(), Gauge()
    bus.add_function("f", gauge).allow(S3)
    async with bus:
        for _ in range(2):
            for number in range(3):
                await bus.push("f", number, source=S3)
            await wait_all_tasks_blocked()
            gauge.go.set()
            await bus.wait_idle()
            gauge.go = anyio.Event()
        assert len(bus.logs.streams("f")) == 3


async def test_threads_really_run_at_the_same_time() -> None:
    """Three handlers meet at a barrier that only three can pass."""
    bus = make_bus()
    barrier = threading.Barrier(3)

    @bus.function(timeout=30)
    def f(event: Any, context: Any) -> str:
        barrier.wait(20)
        return threading.current_thread().name

    f.allow(S3)
    async with bus:
        for number in range(3):
            await bus.push(f, number, source=S3)
        await bus.wait_idle()
        assert bus.statistics().finished == 3


async def test_a_burst_for_one_reserved_environment_loses_nothing() -> None:
    """However short the events may live: waiting in a queue that moves is no reason to give one up."""
    bus = make_bus()
    done: list[int] = []

    @bus.function(reserved_concurrency=1, max_event_age=60)
    async def f(event: int, context: Any) -> None:
        await checkpoint()
        await checkpoint()
        done.append(event)

    f.allow(S3)
    async with bus:
        for number in range(200):
            await bus.push(f, number, source=S3)
        await bus.wait_idle()
        assert sorted(done) == list(range(200))
        assert virtual(bus).elapsed == 0


async def test_a_fan_out_from_a_handler_to_one_reserved_environment_loses_nothing() -> None:
    """A handler's pushes are not held back by the queue's limit; time must not pass meanwhile."""
    bus = make_bus(queue_limit=10)
    done: list[int] = []

    @bus.function(reserved_concurrency=1)
    async def slow(event: int, context: Any) -> None:
        await checkpoint()
        await checkpoint()
        done.append(event)

    @bus.function
    async def fan(event: int, context: Any) -> None:
        for number in range(event):
            await bus.push(slow, number, source=S3)

    slow.allow(S3)
    fan.allow(S3)
    async with bus:
        await bus.push(fan, 500, source=S3)
        await bus.wait_idle()
        assert len(done) == 500
        assert virtual(bus).elapsed == 0
        assert not bus.dead_letters


async def test_a_throttled_event_backs_off_and_is_counted() -> None:
    """While another function holds the only unit, tries follow at 1, 2, 4 … seconds and use up no attempt."""
    bus = make_bus(concurrency=1)
    recorder = Recorder()
    bus.add_function("waiting", recorder).allow(S3)
    hold = bus.account.shared
    async with bus:
        hold.busy += 1  # somebody else has the only unit, for as long as time is moved
        await bus.push("waiting", 1, source=S3)
        tries = []
        for _ in range(20):
            await virtual(bus).advance(1)
            tries.append(bus.metrics.query("Throttles", bus.functions["waiting"]).sum)
        # at 0, 1, 3, 7, 15 seconds
        assert tries == [2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 5]
        assert bus.statistics().queued == 1
        assert recorder.events == []
        hold.give_back()
        await virtual(bus).advance(0)
        assert recorder.events == [1]
        assert bus.statistics().finished == 1


async def test_a_throttled_event_is_given_up_when_its_age_allows_no_further_try() -> None:
    """With 60 seconds: tries at 0, 1, 3, 7, 15 and 31; the next would be at 63."""
    bus = make_bus(concurrency=1)
    bus.add_function("f", Recorder(), max_event_age=60).allow(S3)
    bus.account.shared.busy += 1
    async with bus:
        await bus.push("f", 1, source=S3)
        await bus.wait_idle()
        (letter,) = bus.dead_letters
        assert (letter.reason, letter.attempts) == ("EventAgeExceeded", 0)
        assert letter.dead_at - letter.accepted_at == 31
        assert "max_event_age" in letter.error
        assert bus.metrics.query("Throttles").sum == 6
        assert bus.metrics.query("AsyncEventsDropped").sum == 1


async def test_the_last_error_is_told_even_if_throttles_came_after_it() -> None:
    """An event that failed once and was then throttled until it was too old still says how it failed."""
    bus = make_bus(concurrency=1)
    bus.add_function("f", Recorder(fail="always"), max_event_age=100).allow(S3)
    async with bus:
        await bus.push("f", 1, source=S3)
        await virtual(bus).advance(1)
        bus.account.shared.busy += 1
        await bus.wait_idle()
        (letter,) = bus.dead_letters
        assert (letter.reason, letter.attempts) == ("EventAgeExceeded", 1)
        assert letter.error == "ValueError: recorder was told to fail"


async def test_two_functions_that_share_one_unit_take_turns() -> None:
    """A long backlog of one doesn't starve the other: it waits for one budget of events at most."""
    bus = make_bus(concurrency=1, queue_limit=10_000)
    order: list[str] = []

    async def handler(event: Any, context: Any) -> None:
        order.append(context.function_name)

    for name in ("a", "b"):
        bus.add_function(name, handler).allow(S3)

    @bus.function
    async def fill(event: Any, context: Any) -> None:
        for name in ("a", "b"):
            for number in range(500):
                await bus.push(name, number, source=S3)

    fill.allow(S3)
    async with bus:
        await bus.push(fill, 1, source=S3)
        await bus.wait_idle()
        assert virtual(bus).elapsed == 0
        turns = [0]
        for before, now in pairwise(order):
            if before != now:
                turns.append(0)
            turns[-1] += 1
        assert order.count("a") == order.count("b") == 500
        assert max(turns) <= 65
        assert len(turns) >= 15


async def test_a_slow_function_delays_no_other() -> None:
    """While every environment of one function is inside a handler, another's events run at once."""
    bus, slow, quick = make_bus(), Gauge(), Recorder()
    bus.add_function("slow", slow, reserved_concurrency=2).allow(S3)
    bus.add_function("quick", quick).allow(S3)
    async with bus:
        for number in range(20):
            await bus.push("slow", number, source=S3)
            await bus.push("quick", number, source=S3)
        await wait_all_tasks_blocked()
        assert len(quick.events) == 20
        assert slow.inside == 2
        slow.go.set()
        await bus.wait_idle()


# -- reservations ------------------------------------------------------------------------------------------------------


async def test_a_reservation_takes_from_the_account() -> None:
    """Three reserved of a limit of 103 leave a hundred; one more is refused and changes nothing."""
    bus = make_bus(concurrency=103)
    f = bus.add_function("f", Recorder(), reserved_concurrency=3)
    with pytest.raises(InvalidParameterValue) as caught:
        f.update_configuration(reserved_concurrency=4)
    assert str(caught.value) == (
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below "
        "its minimum value of [100]; at most 3 can be reserved; raise EventBus(concurrency=...) or reserve less"
    )
    assert f.configuration.reserved_concurrency == 3
    with pytest.raises(InvalidParameterValue):
        bus.add_function("g", Recorder(), reserved_concurrency=1)
    assert "g" not in bus.functions
    f.update_configuration(reserved_concurrency=None)
    bus.add_function("h", Recorder(), reserved_concurrency=3)


@pytest.mark.parametrize("change", [{"timeout": 5}, {"retries": 0}, {"reserved_concurrency": 1}, {"memory": 256}])
async def test_changing_settings_never_lends_out_a_unit_twice(change: dict[str, Any]) -> None:
    """A function with one reserved environment has one, before and after any change."""
    bus, gauge = make_bus(), Gauge()
    function = bus.add_function("f", gauge, reserved_concurrency=1)
    function.allow(S3)
    async with bus:
        await bus.push("f", 1, source=S3)
        await wait_all_tasks_blocked()
        function.update_configuration(**change)
        await bus.push("f", 2, source=S3)
        with pytest.raises(TooManyRequests):
            await bus.invoke("f", 3)
        await wait_all_tasks_blocked()
        assert gauge.inside == 1
        gauge.go.set()
        await bus.wait_idle()
        assert gauge.most == 1
        assert function.lane.pool.busy == 0


async def test_units_move_with_a_function_that_changes_its_pool() -> None:
    """From the shared pool to a reservation and back, with handlers inside: everything is given back in the end."""
    bus, gauge = make_bus(concurrency=110), Gauge()
    function = bus.add_function("f", gauge)
    function.allow(S3)
    async with bus:
        for number in range(3):
            await bus.push("f", number, source=S3)
        await wait_all_tasks_blocked()
        assert bus.account.shared.busy == 3
        function.update_configuration(reserved_concurrency=5)
        assert (bus.account.shared.busy, function.lane.pool.busy, function.lane.pool.limit) == (0, 3, 5)
        function.update_configuration(reserved_concurrency=2)
        assert (function.lane.pool.busy, function.lane.pool.has_room) == (3, False)
        function.update_configuration(reserved_concurrency=None)
        assert (bus.account.shared.busy, bus.account.shared.limit) == (3, 110)
        gauge.go.set()
        await bus.wait_idle()
        assert bus.account.shared.busy == 0


async def test_raising_a_reservation_lets_held_events_run_at_once() -> None:
    """They don't wait for their back-off to end."""
    bus, gauge = make_bus(), Gauge()
    function = bus.add_function("f", gauge, reserved_concurrency=1)
    function.allow(S3)
    async with bus:
        for number in range(4):
            await bus.push("f", number, source=S3)
        await wait_all_tasks_blocked()
        assert gauge.inside == 1
        function.update_configuration(reserved_concurrency=3)
        await wait_all_tasks_blocked()
        assert gauge.inside == 3
        gauge.go.set()
        await bus.wait_idle()


async def test_switching_a_function_off_gives_up_what_is_held() -> None:
    """Reserved concurrency 0 while events wait: they end at once, the running one finishes."""
    bus, gauge = make_bus(), Gauge()
    function = bus.add_function("f", gauge, reserved_concurrency=1)
    function.allow(S3)
    async with bus:
        for number in range(4):
            await bus.push("f", number, source=S3)
        await wait_all_tasks_blocked()
        function.update_configuration(reserved_concurrency=0)
        assert [letter.reason for letter in bus.dead_letters] == ["ZeroReservedConcurrency"] * 3
        gauge.go.set()
        await bus.wait_idle()
        assert bus.statistics().finished == 1
        function.update_configuration(reserved_concurrency=1)
        await bus.push("f", 9, source=S3)
        await bus.wait_idle()
        assert gauge.order[-1] == 9


# -- direct calls ------------------------------------------------------------------------------------------------------


async def call_many(bus: EventBus, count: int) -> list[Any]:
    """Call `f` so often at the same moment; what each got, or the reason it was refused for."""
    answers: list[Any] = [None] * count

    async def call(number: int) -> None:
        try:
            answers[number] = (await bus.invoke("f", number)).payload
        except TooManyRequests as error:
            answers[number] = error.reason

    async with anyio.create_task_group() as tasks:
        for number in range(count):
            tasks.start_soon(call, number)
    return answers


async def test_as_many_direct_calls_are_taken_as_there_are_units() -> None:
    """Two of three at the same moment for two reserved units; the third is refused, not queued."""
    bus = make_bus()

    @bus.function(reserved_concurrency=2)
    async def f(event: int, context: Any) -> int:
        await checkpoint()
        return event

    async with bus:
        answers = await call_many(bus, 3)
        refused = [answer for answer in answers if isinstance(answer, str)]
        assert refused == ["ReservedFunctionConcurrentInvocationLimitExceeded"]
        assert bus.metrics.query("Throttles", f).sum == 1


async def test_an_accepted_direct_call_is_answered_whatever_happens_to_the_settings() -> None:
    """Its environment was reserved when it was accepted."""
    bus = make_bus()

    @bus.function(reserved_concurrency=2)
    async def f(event: int, context: Any) -> int:
        f.update_configuration(reserved_concurrency=0)
        await checkpoint()
        return event

    f.role.allow("lambda:PutFunctionConcurrency", f)
    async with bus:
        with anyio.fail_after(10):
            assert await call_many(bus, 2) == [0, 1]
        assert not bus.dead_letters


async def test_a_direct_call_goes_ahead_of_queued_events() -> None:
    """It doesn't wait for a backlog of asynchronous ones."""
    bus, recorder = make_bus(), Recorder()
    f = bus.add_function("f", recorder)
    f.allow(S3)

    @bus.function
    async def fan(event: int, context: Any) -> None:
        for _ in range(event):
            bus.enqueue(f, b"0", bus.source_of(S3), None)

    async with bus:
        await bus.invoke(fan, 1000)
        await bus.invoke("f", "direct")
        assert recorder.events.index("direct") < 200
        await bus.wait_idle()
        assert len(recorder.events) == 1001


async def test_direct_calls_keep_their_order_among_themselves() -> None:
    """Calls that are made in the same step start in that order, in environments of their own."""
    bus = make_bus()
    order: list[int] = []

    @bus.function
    async def f(event: int, context: Any) -> None:
        order.append(event)

    @bus.function
    async def several(event: Any, context: Any) -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(bus.invoke, f, number)

    several.role.allow("lambda:InvokeFunction", f)
    async with bus:
        assert (await bus.invoke(several)).function_error is None
        assert sorted(order) == [0, 1, 2]
