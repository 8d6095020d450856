"""Faults on demand: every one does what its line in the documentation says, to whom it should, and repeatably."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eventbus import EventBus, Faults, Function
from eventbus.clock import VirtualClock
from eventbus.delivery.retry import Reason
from eventbus.errors import ConfigurationError
from eventbus.storage.errors import StoreUnavailable
from eventbus.storage.memory import MemoryStore
from eventbus.testing import Recorder
from tests.engine.support import S3, make_bus, virtual

ROOT = Path(__file__).parents[2]


def declared(bus: EventBus, recorder: Recorder, name: str = "f", **options: Any) -> Function:
    function = bus.add_function(name, recorder, **options)
    function.allow(S3)
    return function


@pytest.fixture(params=["without a store", "with a store"])
def store(request: pytest.FixtureRequest) -> MemoryStore | None:
    return MemoryStore() if request.param == "with a store" else None


@pytest.mark.anyio
async def test_duplicate_delivers_a_second_time(store: MemoryStore | None) -> None:
    """Under the same request id, and the event counts once."""
    recorder = Recorder()
    async with make_bus(store=store, faults=Faults(duplicate=1.0)) as bus:
        await bus.push(declared(bus, recorder), 1, source=S3)
        await bus.wait_idle()
        assert recorder.events == [1, 1]
        assert len(set(recorder.request_ids)) == 1
        assert (bus.statistics().accepted, bus.statistics().finished) == (1, 1)


@pytest.mark.anyio
async def test_a_duplicate_that_fails_is_not_tried_again(store: MemoryStore | None) -> None:
    """It is the one delivery too many, and no event."""
    recorder = Recorder(fail="always")
    async with make_bus(store=store, faults=Faults(duplicate=1.0)) as bus:
        await bus.push(declared(bus, recorder, retries=1), 1, source=S3)
        await bus.wait_idle()
        assert len(recorder.events) == 3
        assert len(bus.dead_letters) == 1


@pytest.mark.anyio
async def test_delay_lets_later_events_overtake(store: MemoryStore | None) -> None:
    """Up to `max_delay` seconds of the bus's clock, before the first attempt."""
    recorder = Recorder()
    async with make_bus(store=store, faults=Faults(delay=1.0, max_delay=10.0)) as bus:
        function = declared(bus, recorder)
        for number in range(20):
            await bus.push(function, number, source=S3)
        await virtual(bus).advance(0.0)
        assert recorder.events == []
        await virtual(bus).advance(5.0)
        assert 0 < len(recorder.events) < 20
        await virtual(bus).advance(5.0)
        assert sorted(recorder.events) == list(range(20)) != recorder.events


@pytest.mark.anyio
async def test_throttle_backs_off_and_uses_up_no_attempt(store: MemoryStore | None) -> None:
    """Until the event is too old."""
    recorder = Recorder()
    async with make_bus(store=store, faults=Faults(throttle=1.0)) as bus:
        await bus.push(declared(bus, recorder, max_event_age=60), 1, source=S3)
        await bus.wait_idle()
        assert recorder.events == []
        (letter,) = bus.dead_letters
        assert (letter.reason, letter.attempts) == (Reason.EVENT_AGE_EXCEEDED, 0)
        assert bus.metrics.query("Throttles", bus.functions["f"]).sum >= 5


@pytest.mark.anyio
async def test_throttle_now_and_then_only_costs_time(store: MemoryStore | None) -> None:
    """Every event is handled once."""
    recorder = Recorder()
    async with make_bus(store=store, faults=Faults(throttle=0.5)) as bus:
        function = declared(bus, recorder)
        for number in range(30):
            await bus.push(function, number, source=S3)
        await bus.wait_idle()
        assert sorted(recorder.events) == list(range(30))
        assert bus.statistics().finished == 30


@pytest.mark.anyio
async def test_crash_kills_the_environment_before_or_after_the_handler(store: MemoryStore | None) -> None:
    """About half of the attempts have run it; all have failed as AWS says it."""
    recorder = Recorder()
    async with make_bus(store=store, faults=Faults(crash=1.0)) as bus:
        function = declared(bus, recorder, retries=0)
        for number in range(100):
            await bus.push(function, number, source=S3)
        await bus.wait_idle()
        assert 25 < len(recorder.events) < 75
        assert len(bus.dead_letters) == 100
        assert {letter.attempts for letter in bus.dead_letters} == {1}
        assert {letter.error.partition(":")[0] for letter in bus.dead_letters} == {"Runtime.ExitError"}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("faults", "error"),
    [
        (Faults(timeout=1.0), "Task timed out after 3.00 seconds"),
        (Faults(drop_ack=1.0), "the acknowledgement was lost"),
    ],
)
async def test_what_is_reported_as_failed_although_the_work_was_done(
    store: MemoryStore | None, faults: Faults, error: str
) -> None:
    """The handler runs to its end in every attempt, until they are used up."""
    recorder = Recorder()
    async with make_bus(store=store, faults=faults) as bus:
        await bus.push(declared(bus, recorder), 1, source=S3)
        await bus.wait_idle()
        assert recorder.events == [1, 1, 1]
        (letter,) = bus.dead_letters
        assert (letter.reason, letter.attempts) == (Reason.RETRIES_EXHAUSTED, 3)
        assert error in letter.error


@pytest.mark.anyio
async def test_a_lost_acknowledgement_of_a_failure_changes_nothing() -> None:
    """It has failed anyway, with its own error."""
    async with make_bus(faults=Faults(drop_ack=1.0)) as bus:
        await bus.push(declared(bus, Recorder(fail="always"), retries=0), 1, source=S3)
        await bus.wait_idle()
        (letter,) = bus.dead_letters
        assert letter.error == "ValueError: recorder was told to fail"


@pytest.mark.anyio
async def test_store_error_refuses_publishers_and_nothing_has_happened() -> None:
    """With every batch, or with some."""
    recorder = Recorder()
    async with make_bus(store=MemoryStore(), faults=Faults(store_error=0.5)) as bus:
        function = declared(bus, recorder)
        accepted, errors = [], set()
        for number in range(60):
            try:
                await bus.push(function, number, source=S3)
            except StoreUnavailable as error:
                errors.add(str(error))
            else:
                accepted.append(number)
        await bus.wait_idle()
        assert errors == {
            "the store could not write this down ([Errno 5] Input/output error (on demand)): nothing of it was "
            "accepted; try again later"
        }
        assert recorder.events == accepted
        assert 15 < len(accepted) < 45
        assert bus.statistics().accepted == len(accepted)


@pytest.mark.anyio
@pytest.mark.parametrize("only", [{"hit"}, ["hit"], "a function"])
async def test_only_narrows_faults_to_functions(only: Any) -> None:
    """By name, or by the function itself; direct calls are never hit."""
    recorders = {name: Recorder() for name in ("hit", "spared")}
    bus = make_bus()
    chosen = [bus.add_function("hit", recorders["hit"])] if only == "a function" else only
    async with make_bus(faults=Faults(duplicate=1.0, drop_ack=1.0, only=chosen)) as bus:
        for name, recorder in recorders.items():
            await bus.push(declared(bus, recorder, name, retries=0), 1, source=S3)
        await bus.wait_idle()
        assert {name: len(recorder.events) for name, recorder in recorders.items()} == {"hit": 2, "spared": 1}
        (letter,) = bus.dead_letters
        assert letter.target.endswith(":hit")
        result = await bus.invoke("hit", 2)
        assert (result.function_error, len(recorders["hit"].events)) == (None, 3)


EVERYTHING: dict[str, Any] = {
    "duplicate": 0.3,
    "delay": 0.3,
    "throttle": 0.3,
    "crash": 0.2,
    "timeout": 0.2,
    "drop_ack": 0.2,
}


async def story(seed: int, faults: Faults) -> str:
    """Everything that a run with many faults shows."""
    bus = EventBus(clock=VirtualClock(), seed=seed, store=MemoryStore(), faults=faults)
    async with bus:
        functions = [declared(bus, Recorder(fail=number * 3), f"f{number}") for number in range(3)]
        refused = []
        for number in range(40):
            try:
                await bus.push(functions[number % 3], number, source=S3)
            except StoreUnavailable:
                refused.append(number)
        await bus.wait_idle()
        return f"{bus.trace}\n{refused}\n{bus.statistics()}\n{[repr(letter) for letter in bus.dead_letters]}"


@pytest.mark.anyio
async def test_the_same_seed_gives_the_same_trace_and_another_one_another() -> None:
    """Byte for byte; the seed of the faults goes before that of the bus."""
    first = await story(1, Faults(**EVERYTHING))
    assert await story(1, Faults(**EVERYTHING)) == first
    assert await story(2, Faults(**EVERYTHING)) != first
    assert await story(1, Faults(**EVERYTHING, seed=1)) == first
    assert await story(1, Faults(**EVERYTHING, seed=2)) != first


@pytest.mark.anyio
async def test_store_errors_repeat_as_well(anyio_backend: str) -> None:
    """As far as the same changes come together in a batch, which trio leaves to chance."""
    if anyio_backend == "trio":
        pytest.skip("trio runs what is ready in a random order, so batches differ, and their number decides")
    faults = Faults(**EVERYTHING, store_error=0.1)
    first = await story(1, faults)
    assert "[]" not in first.splitlines()
    assert await story(1, faults) == first
    assert await story(2, faults) != first


@pytest.mark.anyio
async def test_one_more_event_elsewhere_changes_nothing_for_the_others() -> None:
    """Chances are drawn from the event, not from a running generator."""
    runs = []
    for others in (0, 1):
        async with make_bus(faults=Faults(crash=0.5, drop_ack=0.3, only={"f"})) as bus:
            recorder = Recorder()
            function, other = declared(bus, recorder), declared(bus, Recorder(), "other")
            for number in range(30):
                await bus.push(function, number, source=S3)
            for _ in range(others):
                await bus.push(other, 0, source=S3)
            await bus.wait_idle()
            runs.append((recorder.events, [letter.payload for letter in bus.dead_letters]))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("name", ["duplicate", "delay", "throttle", "crash", "timeout", "drop_ack", "store_error"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), True, "1", None])
def test_a_chance_is_a_number_from_0_to_1(name: str, value: Any) -> None:
    """Anything else is refused by name."""
    with pytest.raises(ConfigurationError) as raised:
        Faults(**{name: value})
    assert str(raised.value) == f"{name}={value!r}: a chance is a number from 0 (never) to 1 (always)"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Faults(max_delay=-1), "max_delay=-1: seconds, 0 or more"),
        (lambda: Faults(max_delay="1"), "max_delay='1': seconds, 0 or more"),  # type: ignore[arg-type]
        (
            lambda: Faults(exit_at={"lunch": 1.0}),
            "exit_at has no point lunch; points are accepted, before handler, after handler, before commit, "
            "after commit",
        ),
        (lambda: Faults(only="f"), "only='f': give a collection of functions or names, {'f'}"),
    ],
)
def test_values_that_cannot_be_are_refused(make: Callable[[], Faults], sentence: str) -> None:
    """With what can be."""
    with pytest.raises(ConfigurationError) as raised:
        make()
    assert str(raised.value) == sentence


CHILD = """
import os, sys
import anyio
from eventbus import EventBus, Faults, VirtualClock

store, point = sys.argv[1:]

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

async def main():
    faults = Faults(exit_at={point: 0.1}, seed=3) if point else None
    async with EventBus(store=store, clock=VirtualClock(), faults=faults) as bus:
        @bus.function
        async def f(event, context):
            say("ran", event)
        f.allow("s3.amazonaws.com")
        for number in range(100 if point else 0):
            say("pushing", number)
            await bus.push(f, number, source="s3.amazonaws.com")
            say("accepted", number)
        await bus.wait_idle()
        for letter in bus.dead_letters:
            say("ran", letter.payload)

anyio.run(main, backend=os.environ["BACKEND"])
"""


def child(store: Path, point: str, backend: str) -> tuple[int, list[tuple[str, int]]]:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(store), point],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "BACKEND": backend},
        timeout=60,
    )
    words = [line.split() for line in done.stdout.decode().splitlines()]
    return done.returncode, [(word, int(number)) for word, number in words]


@pytest.mark.parametrize("point", ["accepted", "before handler", "after handler", "before commit", "after commit"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_exit_at_ends_the_process_and_the_next_one_keeps_the_promise(tmp_path: Path, point: str, backend: str) -> None:
    """Whatever was accepted runs; the one event whose push had not returned may."""
    status, before = child(tmp_path / "bus.db", point, backend)
    assert status == 137
    accepted = {number for word, number in before if word == "accepted"}
    pushing = {number for word, number in before if word == "pushing"}
    assert len(pushing) - len(accepted) <= 1
    status, after = child(tmp_path / "bus.db", "", backend)
    assert status == 0
    ran = {number for word, number in before + after if word == "ran"}
    assert accepted <= ran <= pushing
    assert child(tmp_path / "bus.db", "", backend) == (0, [])
