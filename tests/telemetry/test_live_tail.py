"""Live Tail sessions: what they show, when, and how they end."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from eventbus import EventBus, VirtualClock
from eventbus.errors import AccessDenied, BusNotRunning
from eventbus.telemetry.errors import (
    InvalidFilterPattern,
    InvalidLogParameter,
    LiveTailLimitExceeded,
    LiveTailTimedOut,
    LogGroupNotFound,
)
from eventbus.telemetry.live_tail import LONGEST, SESSIONS, LiveTail, TailedEvent, sampled
from eventbus.telemetry.log_event import LogEvent

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def bus(clock: VirtualClock) -> EventBus:
    bus = EventBus(clock=clock, seed=1)
    for group in ("app", "other"):
        bus.logs.create_log_group(group)
        for stream in ("web-1", "web-2", "job"):
            bus.logs.create_log_stream(group, stream)
    return bus


def put(bus: EventBus, *messages: str, group: str = "app", stream: str = "web-1") -> None:
    bus.logs.put_log_events(group, stream, [(bus.clock.now(), message) for message in messages])


async def shown(session: LiveTail) -> list[str]:
    return [one.event.message for one in (await anext(session)).events]


async def test_every_second_shows_what_was_written_since_the_one_before(bus: EventBus, clock: VirtualClock) -> None:
    """Also if that is nothing, and what was written before the session is not shown."""
    put(bus, "before")
    async with bus:
        with bus.logs.live_tail(["app"]) as session:
            put(bus, "one", "two")
            await clock.advance(2)
            put(bus, "three")
            await clock.advance(1)
            assert [await shown(session) for _ in range(3)] == [["one", "two"], [], ["three"]]


async def test_a_reader_waits_for_the_second_to_end(bus: EventBus, clock: VirtualClock) -> None:
    """The update comes at the instant of the tick, on the bus's clock."""
    seen: list[tuple[float, list[str]]] = []

    async def read(session: LiveTail) -> None:
        for _ in range(2):
            messages = await shown(session)
            seen.append((clock.elapsed, messages))

    async with bus, anyio.create_task_group() as tasks:
        with bus.logs.live_tail(["app"]) as session:
            tasks.start_soon(read, session)
            await anyio.wait_all_tasks_blocked()
            await clock.advance(0.5)
            put(bus, "one")
            await clock.advance(5)
            assert seen == [(1, ["one"]), (2, [])]


async def test_patterns_streams_and_groups_choose_what_is_shown(bus: EventBus, clock: VirtualClock) -> None:
    """A pattern for all groups; names of streams, or what they begin with, for one."""
    async with bus:
        with (
            bus.logs.live_tail(["app", "other"], "ERROR") as errors,
            bus.logs.live_tail(["app"], streams=["job"]) as job,
            bus.logs.live_tail(["app"], stream_prefixes=["web-"]) as web,
        ):
            put(bus, "ERROR 1", "INFO 1")
            put(bus, "ERROR 2", group="other")
            put(bus, "INFO 2", stream="job")
            await clock.advance(1)
            update = await anext(errors)
            assert [(one.group, one.event.message) for one in update.events] == [
                ("app", "ERROR 1"), ("other", "ERROR 2"),
            ]  # fmt: skip
            assert (await shown(job), await shown(web)) == (["INFO 2"], ["ERROR 1", "INFO 1"])


async def test_a_function_is_followed_like_any_group(bus: EventBus, clock: VirtualClock) -> None:
    """Its events come when the invocation has ended."""

    @bus.function
    async def says(event: Any, context: Any) -> None:
        print("hello", event)

    async with bus:
        await bus.invoke(says, 1)
        with bus.logs.live_tail(["/aws/lambda/says"], "hello") as session:
            await bus.invoke(says, 2)
            await clock.advance(1)
            assert await shown(session) == ["hello 2\n"]


async def test_of_more_than_five_hundred_events_a_sample_is_shown(bus: EventBus, clock: VirtualClock) -> None:
    """Evenly spaced, in their order, and the update says so."""
    async with bus:
        with bus.logs.live_tail(["app"]) as session:
            put(bus, *map(str, range(1000)))
            await clock.advance(1)
            put(bus, *map(str, range(500)))
            await clock.advance(1)
            update = await anext(session)
            assert update.is_sampled
            assert [one.event.message for one in update.events] == [str(n) for n in range(0, 1000, 2)]
            update = await anext(session)
            assert (update.is_sampled, len(update.events)) == (False, 500)


@pytest.mark.parametrize("count", [0, 1, 500, 501, 999, 20_000])
async def test_a_sample_is_never_larger_and_keeps_the_order(count: int) -> None:
    """Of any number of events, five hundred at most, the first among them."""
    events = [TailedEvent("g", LogEvent(float(n), "s", "", "")) for n in range(count)]
    found = sampled(events)
    assert len(found) == min(count, 500)
    assert list(found) == sorted(set(found), key=lambda one: one.event.at)
    assert found[:1] == events[:1]


async def test_a_slow_reader_misses_the_oldest_updates(bus: EventBus, clock: VirtualClock) -> None:
    """Ten updates wait, with five thousand events at most."""
    async with bus:
        with bus.logs.live_tail(["app"]) as session:
            for n in range(15):
                put(bus, str(n))
                await clock.advance(1)
            assert [await shown(session) for _ in range(10)] == [[str(n)] for n in range(5, 15)]
            await clock.advance(1)
            assert await shown(session) == []


async def test_a_session_ends_after_three_hours(bus: EventBus, clock: VirtualClock) -> None:
    """What waits is shown, then the error is raised; nothing is left behind."""
    async with bus:
        with bus.logs.live_tail(["app"]) as session:
            await clock.advance(LONGEST - 1)
            put(bus, "last")
            await clock.advance(1)
            updates = [await shown(session) for _ in range(10)]
            assert updates[-2:] == [[], ["last"]]
            with pytest.raises(LiveTailTimedOut) as caught:
                await anext(session)
            assert caught.value.code == "SessionTimeoutException"
        assert clock.next_due() is None


async def test_a_session_that_is_left_leaves_nothing(bus: EventBus, clock: VirtualClock) -> None:
    """No timer, no listener; and who waits for an update is told that there are no more."""
    ended = False

    async def read(session: LiveTail) -> None:
        nonlocal ended
        async for _ in session:
            pass
        ended = True

    async with bus, anyio.create_task_group() as tasks:
        with bus.logs.live_tail(["app"]) as session:
            tasks.start_soon(read, session)
            await anyio.wait_all_tasks_blocked()
        await anyio.wait_all_tasks_blocked()
        assert ended
        assert clock.next_due() is None
        assert repr(session) == "<LiveTail of app: closed, 0 updates waiting>"
        await clock.advance(10)


async def test_a_session_ends_with_the_bus(bus: EventBus) -> None:
    """The loop ends; another follower of the same bus hears it as well."""
    async with bus:
        session = bus.logs.live_tail(["app", "other"]).__enter__()
        follower = bus.logs.follow("app").__enter__()
    assert [update async for update in session] == []
    assert [event async for event in follower] == []


async def test_a_handler_that_tails_lets_virtual_time_move(bus: EventBus, clock: VirtualClock) -> None:
    """It waits for time alone, so `wait_idle` jumps from second to second."""
    seen: list[list[str]] = []

    @bus.function
    async def tails(event: Any, context: Any) -> None:
        with bus.logs.live_tail(["app"]) as session:
            seen.extend([await shown(session) for _ in range(3)])

    tails.allow("events.amazonaws.com")
    tails.role.allow("logs:StartLiveTail", "arn:aws:logs:us-east-1:123456789012:log-group:app:*")
    async with bus:
        await bus.push(tails, {}, source="events.amazonaws.com")
        await bus.wait_idle()
    assert (seen, clock.elapsed) == ([[], [], []], 3)


async def test_sessions_are_limited(bus: EventBus) -> None:
    """Fifteen at the same time; one that is closed makes room."""
    async with bus:
        sessions = [bus.logs.live_tail(["app"]).__enter__() for _ in range(SESSIONS)]
        with pytest.raises(LiveTailLimitExceeded):
            bus.logs.live_tail(["app"]).__enter__()
        sessions[0].close()
        with bus.logs.live_tail(["app"]):
            pass


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"groups": ["none"]}, LogGroupNotFound),
        ({"groups": []}, InvalidLogParameter),
        ({"groups": ["app"] * 11}, InvalidLogParameter),
        ({"groups": "app"}, InvalidLogParameter),
        ({"groups": ["app"], "filter_pattern": '"'}, InvalidFilterPattern),
        ({"groups": ["app"], "streams": ["a"], "stream_prefixes": ["b"]}, InvalidLogParameter),
        ({"groups": ["app", "other"], "streams": ["a"]}, InvalidLogParameter),
        ({"groups": ["app"], "streams": ["a"] * 101}, InvalidLogParameter),
    ],
)
async def test_what_is_refused(bus: EventBus, given: dict[str, Any], error: type[Exception]) -> None:
    """Each with the error that AWS has for it."""
    async with bus:
        with pytest.raises(error):
            bus.logs.live_tail(**given)


async def test_a_session_needs_a_running_bus_and_in_a_handler_a_permission(bus: EventBus) -> None:
    """logs:StartLiveTail, on every group."""

    @bus.function
    async def tails(event: Any, context: Any) -> str:
        try:
            bus.logs.live_tail(["app"])
        except AccessDenied as denied:
            return denied.message
        return ""

    with pytest.raises(BusNotRunning):
        bus.logs.live_tail(["app"])
    async with bus:
        assert "logs:StartLiveTail" in (await bus.invoke(tails)).payload
