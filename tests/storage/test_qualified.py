"""Events for versions and aliases on a bus with a store: they come back to whom they were addressed."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventbus import EventBus, VirtualClock
from eventbus.functions.invocable import Invocable
from eventbus.testing import Recorder
from tests.engine.support import ARN, S3

pytestmark = pytest.mark.anyio


def declare(bus: EventBus, recorder: Recorder, *, with_alias: bool = True) -> dict[str, Invocable]:
    f = bus.add_function("f", recorder)
    found: dict[str, Invocable] = {"f": f, "latest": f.version("$LATEST"), "version": f.publish_version()}
    if with_alias:
        found["alias"] = f.create_alias("prod", "1")
        found["alias"].put_event_invoke_config(retries=1)
    for target in found.values():
        if target.qualifier != "$LATEST":
            target.allow(S3)
    return found


async def test_every_event_comes_back_to_the_arn_that_it_was_addressed_to(tmp_path: Path) -> None:
    """They waited for a retry when the bus was left; the alias has its own number of attempts still."""
    file, clock = tmp_path / "bus.db", VirtualClock()
    failing = Recorder(fail="always")
    async with EventBus(store=file, clock=clock, seed=1) as bus:
        for name, target in declare(bus, failing).items():
            await bus.push(target, name, source=S3)
        await bus.settle()
    recorder = Recorder(fail="always")
    bus = EventBus(store=file, clock=VirtualClock(clock.now()), seed=1)
    declare(bus, recorder)
    async with bus:
        await bus.wait_idle()
        assert {letter.payload: (letter.target, letter.attempts) for letter in bus.dead_letters} == {
            "f": (f"{ARN}f", 3),
            "latest": (f"{ARN}f:$LATEST", 3),
            "version": (f"{ARN}f:1", 3),
            "alias": (f"{ARN}f:prod", 2),
        }
    assert {c.invoked_function_arn for c in recorder.contexts} == {
        f"{ARN}f{q}" for q in ("", ":$LATEST", ":1", ":prod")
    }


async def test_events_wait_for_an_alias_that_is_not_declared_yet(tmp_path: Path) -> None:
    """Under its name, until it is there."""
    file = tmp_path / "bus.db"
    async with EventBus(store=file, clock=VirtualClock(), seed=1) as bus:
        targets = declare(bus, Recorder(fail="always"))
        await bus.push(targets["alias"], "a", source=S3)
        await bus.settle()
    recorder = Recorder()
    bus = EventBus(store=file, clock=VirtualClock(), seed=1)
    declare(bus, recorder, with_alias=False)
    async with bus:
        await bus.wait_idle()
        assert bus.statistics().undeclared == {"f:prod": 1}
        bus.functions["f"].create_alias("prod", "1")
        await bus.wait_idle()
    assert recorder.events == ["a"]
