"""A deterministic simulation of a bus with a store: faults, crashes, restarts, changing policies, redrives, time.

    python -m tests.reliability.simulation --seeds 10000 [--first 0] [--backend asyncio]

Every seed is one run under the virtual clock. After every step the bus is compared with a simple model, and at the end,
when all faults are off and everything has been let through, with what was promised. A failing seed prints the command
that repeats it.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from typing import Any

import anyio
import attrs

from eventbus import EventBus, Faults, Function, VirtualClock
from eventbus.errors import EventBusError
from eventbus.storage.errors import StoreUnavailable
from eventbus.storage.memory import MemoryStore

SOURCE = "s3.amazonaws.com"
FUNCTIONS = ("steady", "flaky", "broken")
STEPS = 25
LIVES = 4
HANGS = 10.0
"""Seconds of real time, where a run takes milliseconds."""


class Violation(AssertionError):
    """The bus broke a promise."""


@attrs.define
class World:
    """What a seed's run knows, from outside of the bus, over all its lives."""

    seed: int
    chance: random.Random
    store: MemoryStore
    now: float = 1_767_225_600.0
    accepted: dict[str, str] = attrs.field(factory=dict)
    """Payloads whose push returned, with the function they were for."""
    refused: set[str] = attrs.field(factory=set)
    """Payloads whose push raised StoreUnavailable: they must never run."""
    runs: Counter[str] = attrs.field(factory=Counter)
    succeeded: set[str] = attrs.field(factory=set)
    lives: int = 0
    crashes: int = 0
    starts: dict[str, list[float]] = attrs.field(factory=dict)
    """When the attempts at a payload began, in this life."""
    redriven: Counter[str] = attrs.field(factory=Counter)

    def outcome(self, payload: str, run: int) -> bool:
        """Whether this run of a handler succeeds; the same every time it is asked."""
        return random.Random(f"{self.seed}:{payload}:{run}").random() < 0.6

    def demand(self, holds: bool, promise: str) -> None:
        if not holds:
            raise Violation(promise)


def declare(bus: EventBus, world: World) -> dict[str, Function]:
    """The functions of every life: one that always succeeds, one that sometimes does, one that never does."""

    def handler(name: str) -> Any:
        async def handle(event: str, context: Any) -> str:
            world.runs[event] += 1
            world.starts.setdefault(event, []).append(bus.clock.now())
            world.demand(event not in world.refused, f"{event} was refused and ran")
            if name == "broken" or (name == "flaky" and not world.outcome(event, world.runs[event])):
                raise ValueError(f"{event}, run {world.runs[event]}")
            world.succeeded.add(event)
            return event

        return handle

    functions = {name: bus.add_function(name, handler(name), retries=2) for name in FUNCTIONS}
    for function in functions.values():
        function.allow(SOURCE)
    return functions


def faults(world: World) -> Faults:
    """This life's faults: some lives have none."""
    chance = world.chance
    if chance.random() < 0.3:
        return Faults()
    return Faults(
        duplicate=chance.choice((0, 0, 0.2)),
        delay=chance.choice((0, 0.3)),
        throttle=chance.choice((0, 0.3)),
        crash=chance.choice((0, 0.2)),
        timeout=chance.choice((0, 0.1)),
        drop_ack=chance.choice((0, 0.2)),
        store_error=chance.choice((0, 0.05)),
        seed=chance.getrandbits(32),
    )


def check(bus: EventBus, world: World) -> None:
    """What must hold at every moment."""
    counted = bus.statistics()
    parts = (counted.finished, counted.dead_lettered, counted.queued, counted.waiting, counted.running)
    world.demand(min(parts) >= 0, f"a count is negative: {counted}")
    world.demand(counted.accepted == sum(parts), f"the counts do not add up: {counted}")
    letters = Counter(str(letter.payload) for letter in bus.dead_letters)
    world.demand(max(letters.values(), default=1) == 1, f"two letters for one event: {letters.most_common(1)}")
    for payload in letters:
        fine = payload in world.accepted or payload in world.refused or world.crashes or payload.startswith("lost")
        world.demand(bool(fine), f"{payload} was never accepted and is a dead letter")


async def step(bus: EventBus, functions: dict[str, Function], world: World, number: int) -> None:
    """One thing that somebody does."""
    chance = world.chance
    name = chance.choice(FUNCTIONS)
    match chance.choices(("push", "advance", "policy", "redrive", "settings", "disk"), (10, 4, 1, 2, 1, 1))[0]:
        case "push":
            payload = f"{world.lives}.{number}"
            try:
                await bus.push(functions[name], payload, source=SOURCE)
            except StoreUnavailable:
                world.refused.add(payload)
            else:
                world.accepted[payload] = name
        case "advance":
            assert isinstance(bus.clock, VirtualClock)
            await bus.clock.advance(chance.choice((0.0, 1.0, 59.0, 61.0, 200.0)))
        case "policy":
            function = functions[name]
            if function.policy is None:
                function.allow(SOURCE)
            else:
                function.remove_permission(function.policy["Statement"][0]["Sid"])
        case "redrive" if len(bus.dead_letters):
            letter = bus.dead_letters[chance.randrange(len(bus.dead_letters))]
            payload = str(letter.payload)
            try:
                await bus.redrive(letter)
            except StoreUnavailable:
                pass
            else:
                world.redriven[payload] += 1
        case "settings":
            functions[name].update_configuration(retries=chance.choice((0, 1, 2)))
        case "disk":
            failing = world.store.failing is None
            world.store.failing = OSError(28, "No space left on device") if failing else None


async def live(world: World, *, is_last: bool) -> None:
    """One life of the bus on its store: from a start to a leaving, or a crash."""
    world.lives += 1
    world.starts.clear()
    world.store.failing = None
    clock = VirtualClock(world.now)
    bus = EventBus(
        clock=clock, store=world.store, seed=world.seed, grace=0, faults=Faults() if is_last else faults(world)
    )
    functions = declare(bus, world)
    crashes = not is_last and world.chance.random() < 0.5
    async with bus:
        check(bus, world)
        for number in range(0 if is_last else STEPS):
            await step(bus, functions, world, number)
            check(bus, world)
        if is_last:
            await bus.wait_idle()
            check(bus, world)
            judge(bus, world)
        elif crashes:
            world.crashes += 1
            world.store.crash()
        else:
            world.store.failing = None
    world.now = clock.now()


def judge(bus: EventBus, world: World) -> None:
    """What must hold when everything has been let through."""
    counted = bus.statistics()
    world.demand(counted.queued == counted.waiting == counted.running == 0, f"idle, and yet {counted}")
    letters = {str(letter.payload) for letter in bus.dead_letters}
    for payload in world.accepted:
        ended = payload in world.succeeded or payload in letters
        world.demand(ended, f"{payload} was accepted and is neither finished nor a dead letter")
        if world.accepted[payload] == "broken":
            world.demand(payload not in world.succeeded, f"{payload} cannot have succeeded")
    for payload in world.accepted:
        # each life may run the attempt that a crash cut short once more, and a redriven event starts afresh;
        # a duplicate on demand runs once more in each life at the most
        limit = 3 * (1 + world.redriven[payload]) + 2 * world.lives
        world.demand(world.runs[payload] <= limit, f"{payload} ran {world.runs[payload]} times, {limit} at the most")


async def simulate(seed: int) -> World:
    """One seed's run. Raises Violation."""
    world = World(seed, random.Random(seed), MemoryStore())
    try:
        with anyio.fail_after(HANGS):
            for life in range(LIVES):
                await live(world, is_last=life == LIVES - 1)
    except TimeoutError:
        raise Violation(f"the bus hangs in life {world.lives}") from None
    return world


def command(seed: int, backend: str) -> str:
    """The command that repeats a seed."""
    return f"python -m tests.reliability.simulation --first {seed} --seeds 1 --backend {backend}"


def run(seed: int, backend: str = "asyncio") -> World:
    """Simulate a seed; a broken promise names the command that repeats it."""
    try:
        return anyio.run(simulate, seed, backend=backend)
    except (Violation, EventBusError, RuntimeError, AssertionError, BaseExceptionGroup) as error:
        raise Violation(f"seed {seed}: {_first(error)}\nrepeat with: {command(seed, backend)}") from error


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio")
    arguments = parser.parse_args()
    begun, events, crashes, failures = time.perf_counter(), 0, 0, 0
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        try:
            world = run(seed, arguments.backend)
        except Violation as error:
            failures += 1
            print(error, file=sys.stderr)
        else:
            events += len(world.accepted)
            crashes += world.crashes
    taken = time.perf_counter() - begun
    print(
        f"{arguments.seeds} seeds, {events} events, {crashes} crashes, {failures} violations, "
        f"{arguments.seeds / taken:.0f} seeds/s"
    )
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
