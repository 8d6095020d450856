"""On a bus with a store: archives and deliveries survive; what was never put in is never sent."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from eventbus import EventBus, VirtualClock
from eventbus.storage.errors import StoreUnavailable
from eventbus.storage.memory import MemoryStore
from eventbus.testing import Recorder
from tests.eventbridge.doubles import START, Moody
from tests.eventbridge.test_putting import EVERYTHING
from triggers import EventBridge, Schedule

pytestmark = pytest.mark.anyio


class Wired:
    """An event bus and a schedule with a target that may fail."""

    def __init__(self, store: MemoryStore, now: float, failures: int, is_declared: bool) -> None:
        self.clock = VirtualClock(start=now)
        self.bus = EventBus(clock=self.clock, seed=1, store=store)
        capture = LogCapture()
        self.bus.log = structlog.wrap_logger(None, processors=[capture])
        self.logs: list[Any] = capture.entries
        self.eb, self.schedule = EventBridge(self.bus), Schedule(self.bus)
        self.moody = Moody(self.bus, failures=failures)
        self.archive = self.eb.default.create_archive("all")
        if is_declared:
            self.declare()

    def declare(self) -> None:
        rule = self.eb.default.put_rule("r", event_pattern=EVERYTHING)
        rule.target(self.moody, input_path="$.detail", grant=True)
        self.schedule.create(
            "s", "at(2026-01-01T01:00:00)", self.moody, input="<aws.scheduler.scheduled-time>", grant=True
        )


@asynccontextmanager
async def running(
    store: MemoryStore, now: float = START, failures: int = 0, is_declared: bool = True
) -> AsyncGenerator[Wired, None]:
    wired = Wired(store, now, failures, is_declared)
    async with wired.bus:
        yield wired


def left(store: MemoryStore) -> int:
    """Deliveries that the store holds."""
    return sum(len(store._rows[f"{service}_deliveries"]) for service in ("eventbridge", "scheduler"))


@pytest.mark.parametrize("ends", ["restart", "crash"])
async def test_retries_go_on_after_a_restart(ends: str) -> None:
    store = MemoryStore()
    async with running(store, failures=10**9) as w:
        await w.eb.default.put("t", {"n": 1}, "me")
        await w.clock.advance(3700)
        now, attempts = w.clock.now(), len(w.moody.attempts)
        await w.bus.synced()
        assert left(store) == 2
        if ends == "crash":
            store.crash()
    async with running(store, now) as w:
        await w.bus.wait_idle()
        assert sorted(w.moody.bodies) == ["2026-01-01T01:00:00Z", '{"n":1}']
        assert w.clock.elapsed > 0
        assert attempts > 10
    assert left(store) == 0


async def test_deliveries_wait_for_their_target_to_be_declared() -> None:
    store = MemoryStore()
    async with running(store, failures=10**9) as w:
        await w.eb.default.put("t", {"n": 1}, "me")
        await w.clock.advance(3700)
    async with running(store, START + 3700, is_declared=False) as w:
        await w.bus.wait_idle()
        assert [log["event"] for log in w.logs].count("deliveries_wait_for_target") == 2
        assert left(store) == 2
        w.declare()
        await w.bus.wait_idle()
        assert len(w.moody.bodies) == 2
    assert left(store) == 0


async def test_an_event_that_could_not_be_written_was_never_put_in() -> None:
    store = MemoryStore()
    async with running(store, failures=1) as w:
        store.failing = OSError(28, "No space left on device")
        with pytest.raises(StoreUnavailable):
            await w.eb.default.put("t", {"n": 1}, "me")
        store.failing = None
        await w.bus.wait_idle()
        assert len(w.moody.attempts) == 1
        assert w.archive.event_count == 0
    assert left(store) == 0


async def test_archives_survive_and_can_be_replayed() -> None:
    store = MemoryStore()
    async with running(store) as w:
        await w.eb.default.put("t", {"n": 1}, "me")
        await w.eb.default.put("t", {"n": 2}, "me")
    async with running(store, START + 60) as w:
        assert w.archive.event_count == 2
        w.eb.start_replay("again", w.archive, START, START + 1)
        await w.bus.wait_idle()
        assert w.moody.bodies == ['{"n":1}', '{"n":2}']
        w.archive.delete()
    async with running(store, START + 60) as w:
        assert w.archive.event_count == 0


async def test_what_a_schedule_has_sent_to_a_function_keeps_its_role() -> None:
    """The event waits for a retry in the store, and is still allowed after the restart."""
    store = MemoryStore()
    now = START
    outcomes: tuple[Any, ...] = ("always", 0)
    for fail in outcomes:
        recorder = Recorder(fail=fail, name="f")
        bus = EventBus(clock=VirtualClock(start=now), seed=1, store=store)
        if fail:
            Schedule(bus).on("at(2026-01-01T00:01:00)")(recorder)
        else:
            bus.function(recorder)
            Schedule(bus).create("f", "at(2026-01-01T00:01:00)", bus.functions["f"], grant=True)
        async with bus:
            if fail:
                await bus.clock.advance(61)  # type: ignore[attr-defined]
                now = bus.clock.now()
            else:
                await bus.wait_idle()
                assert len(recorder.events) == 1
                assert len(bus.dead_letters) == 0
