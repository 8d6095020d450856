"""Hostile use, with figures: does the bus stay up, do others keep their latency, does memory stay bounded?

    python -m tests.reliability.hostile [--scale 1.0]

Each case runs in a process of its own, next to a function that must not suffer: its latency is measured from push to
handler, in real time, before the hostility and during it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from eventbus import EventBus, VirtualClock
from triggers import SNS, SQS

SOURCE = "s3.amazonaws.com"
Case = Callable[[float], Awaitable[str]]


class Bystander:
    """A well-behaved function, and how long it waits."""

    def __init__(self, bus: EventBus) -> None:
        self.bus = bus
        self.waits: list[float] = []
        self.function = bus.add_function("bystander", self.handle)
        self.function.allow(SOURCE)

    async def handle(self, event: float, context: Any) -> None:
        self.waits.append(time.perf_counter() - event)

    async def watch(self, seconds: float) -> str:
        """Push to it every few milliseconds; its median and worst wait."""
        self.waits.clear()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            await self.bus.push(self.function, time.perf_counter(), source=SOURCE)
            await anyio.sleep(0.002)
        waits = [1e6 * wait for wait in self.waits] or [float("nan")]
        return f"{statistics.median(waits):,.0f} µs median, {max(waits):,.0f} µs worst"


async def storm(scale: float, handler: Callable[..., Any], *, publish: int, **options: Any) -> str:
    """A hostile handler with many events, beside the bystander."""
    bus = EventBus(grace=0.1, queue_limit=200_000)
    bystander = Bystander(bus)
    hostile = bus.add_function("hostile", handler, **options)
    hostile.allow(SOURCE)
    async with bus:
        before = await bystander.watch(0.3)
        for number in range(int(publish * scale)):
            await bus.push(hostile, number, source=SOURCE)
        during = await bystander.watch(1.0)
        counted = bus.statistics()
        total = counted.finished + counted.dead_lettered + counted.queued + counted.waiting + counted.running
        assert counted.accepted == total, counted
    return f"bystander {before}; meanwhile {during}"


async def failing(scale: float) -> str:
    """A storm of failures."""

    async def handler(event: Any, context: Any) -> None:
        raise ValueError(event)

    return await storm(scale, handler, publish=20_000)


async def hanging(scale: float) -> str:
    """Handlers that never return, and swallow their cancellation once."""

    async def handler(event: Any, context: Any) -> None:
        try:
            await anyio.sleep_forever()
        except BaseException:
            pass

    return await storm(scale, handler, publish=500, timeout=0.2)


async def dying(scale: float) -> str:
    """Handlers that raise SystemExit, KeyboardInterrupt and BaseException."""

    async def handler(event: int, context: Any) -> None:
        raise (SystemExit(3), KeyboardInterrupt(), BaseException("odd"))[event % 3]

    return await storm(scale, handler, publish=5_000)


async def huge(scale: float) -> str:
    """Handlers that return 50 MB each."""

    async def handler(event: Any, context: Any) -> str:
        return "x" * 50_000_000

    return await storm(scale, handler, publish=20)


async def threads(scale: float) -> str:
    """Handlers in threads that start threads of their own and overrun."""

    def handler(event: Any, context: Any) -> None:
        threading.Thread(target=time.sleep, args=(0.05,), daemon=True).start()
        threading.Event().wait(0.3)

    return await storm(scale, handler, publish=100, timeout=0.1)


async def recursion(scale: float) -> str:
    """A function that publishes to itself, twice each time."""
    bus = EventBus(clock=VirtualClock())

    async def handler(event: int, context: Any) -> None:
        if event < 12:
            await bus.push(function, event + 1, source=SOURCE)
            await bus.push(function, event + 1, source=SOURCE)
        else:
            await bus.push(function, event, source=SOURCE)

    function = bus.add_function("echo", handler)
    function.allow(SOURCE)
    begun = time.perf_counter()
    async with bus:
        await bus.push(function, 0, source=SOURCE)
        await bus.wait_idle()
        counted = bus.statistics()
    assert counted.accepted == counted.finished + counted.dead_lettered
    return f"{counted.accepted:,} events, {counted.dead_lettered:,} stopped, {time.perf_counter() - begun:.2f} s"


async def many_functions(scale: float) -> str:
    """Ten thousand functions, each with an event of its own."""
    n = int(10_000 * scale)
    bus = EventBus()

    async def handler(event: Any, context: Any) -> None:
        pass

    begun = time.perf_counter()
    functions = [bus.add_function(f"f{number}", handler) for number in range(n)]
    for function in functions:
        function.allow(SOURCE)
    declared = time.perf_counter() - begun
    async with bus:
        begun = time.perf_counter()
        for number, function in enumerate(functions):
            await bus.push(function, number, source=SOURCE)
        await bus.wait_idle()
        cold = time.perf_counter() - begun
        begun = time.perf_counter()
        for number, function in enumerate(functions):
            await bus.push(function, number, source=SOURCE)
        await bus.wait_idle()
        warm = time.perf_counter() - begun
    return f"declared in {declared:.2f} s; {n / cold:,.0f} events/s cold, {n / warm:,.0f} events/s warm"


async def many_subscriptions(scale: float) -> str:
    """A topic with a hundred thousand subscriptions, of which one matches."""
    n = int(100_000 * scale)
    bus = EventBus()
    sns, sqs = SNS(bus), SQS(bus)
    topic = sns.create_topic("orders")
    begun = time.perf_counter()
    for number in range(n):
        queue = sqs.create_queue(f"q{number}")
        topic.subscribe(queue, filter_policy={"customer": [str(number)]}, grant=True)
    declared = time.perf_counter() - begun
    async with bus:
        begun = time.perf_counter()
        for number in range(2_000):
            await topic.publish("order", attributes={"customer": str(number * 37 % n)})
        taken = time.perf_counter() - begun
    return f"subscribed in {declared:.0f} s; {2_000 / taken:,.0f} publishes/s, one matching subscription each"


CASES: dict[str, Case] = {
    case.__name__: case
    for case in (failing, hanging, dying, huge, threads, recursion, many_functions, many_subscriptions)
}


def measure(name: str, scale: float, backend: str) -> str:
    """Run one case in this process; its figures and the process's peak memory."""
    said = anyio.run(CASES[name], scale, backend=backend)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"{said}; peak {peak:,.0f} MiB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio")
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    for name, case in CASES.items():
        with context.Pool(1) as pool:
            figures = pool.apply(measure, (name, arguments.scale, arguments.backend))
        print(f"{(case.__doc__ or '').rstrip('.')}: {figures}", flush=True)


if __name__ == "__main__":
    main()
