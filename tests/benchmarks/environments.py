"""What the three kinds of environments cost: a cold start, a warm invocation, and events a second, beside what nobody
can go below.

    python -m tests.benchmarks.environments [--repetitions 15] [--loop asyncio]

The yardsticks run between the repetitions, so that both see the same machine: starting a bare Python that does nothing,
and sending a line through a pipe to such a process and back. The handler returns its event. Asynchronous events are
pushed by one task, to a function with four units of reserved concurrency, until the last one has ended.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import anyio
import structlog

from eventbus import EventBus, Function
from tests.contracts.handlers import change as handler

KINDS = ("task", "thread", "process", "awslambdaric")
WARM = 200
EVENTS = 1000
"""Asynchronous events; twenty times as many for a task."""
EVENT = {"key": "incoming/images/00000001.jpg", "size": 1024}
ECHO = "import sys\nfor line in sys.stdin.buffer: sys.stdout.buffer.write(line); sys.stdout.buffer.flush()"


def bare_start() -> float:
    """A Python that does nothing, from start to end."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)
    return time.perf_counter() - began


def bare_round_trip() -> float:
    """A line there and back."""
    command = [sys.executable, "-I", "-S", "-u", "-c", ECHO]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        times = []
        for _ in range(WARM):
            began = time.perf_counter()
            process.stdin.write(b'{"key":"incoming/images/00000001.jpg","size":1024}\n')
            process.stdout.read(200)
            times.append(time.perf_counter() - began)
    return statistics.median(times)


def declare(bus: EventBus, kind: str) -> Function:
    async def task(event: Any, context: Any) -> Any:
        return handler(event, context)

    if kind == "task":
        return bus.add_function("f", task)
    if kind == "awslambdaric":
        return bus.add_function("f", handler, isolation="process", runtime=kind)
    return bus.add_function("f", handler, isolation=kind)


async def measure(kind: str) -> tuple[float, float]:
    """Seconds of the first invocation, and the median of those that follow."""
    bus, times = EventBus(), []
    function = declare(bus, kind)
    async with bus:
        for _ in range(WARM + 1):
            began = time.perf_counter()
            result = await bus.invoke(function, EVENT)
            times.append(time.perf_counter() - began)
            assert result.function_error is None, result.payload
    return times[0], statistics.median(times[1:])


async def throughput(kind: str) -> float:
    """Asynchronous events a second, their environments being warm."""
    bus, number = EventBus(), EVENTS * (20 if kind == "task" else 1)
    function = declare(bus, kind)
    function.update_configuration(reserved_concurrency=4)
    function.allow("s3.amazonaws.com")
    async with bus:
        for _ in range(8):
            await bus.push(function, EVENT, source="s3.amazonaws.com")
        await bus.wait_idle()
        began = time.perf_counter()
        for _ in range(number):
            await bus.push(function, EVENT, source="s3.amazonaws.com")
        await bus.wait_idle()
        took = time.perf_counter() - began
        assert bus.statistics().finished == number + 8
    return number / took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--loop", choices=("asyncio", "trio"), default="asyncio")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    found: dict[str, list[tuple[float, float, float, float]]] = {kind: [] for kind in KINDS}
    for _ in range(arguments.repetitions):
        for kind in KINDS:
            start, trip = bare_start(), bare_round_trip()
            found[kind].append((*anyio.run(measure, kind, backend=arguments.loop), start, trip))

    rates = {
        kind: statistics.median(anyio.run(throughput, kind, backend=arguments.loop) for _ in range(3)) for kind in KINDS
    }

    def middle(rows: list[tuple[float, float, float, float]], of: Callable[..., float]) -> float:
        return statistics.median(of(*row) for row in rows)

    print(f"{arguments.loop}, CPython {sys.version.split()[0]}, median of {arguments.repetitions}")
    print("| kind | cold start | of a bare start | warm invocation | of a bare round trip | events/s |")
    print("|---|---:|---:|---:|---:|---:|")
    for kind, rows in found.items():
        print(
            f"| {kind} | {1000 * middle(rows, lambda cold, *_: cold):.1f} ms "
            f"| {middle(rows, lambda cold, _, start, __: cold / start):.2f} "
            f"| {1e6 * middle(rows, lambda _, warm, *__: warm):,.0f} µs "
            f"| {middle(rows, lambda _, warm, __, trip: warm / trip):.1f} | {rates[kind]:,.0f} |"
        )
    rows = [row for each in found.values() for row in each]
    print(f"| bare | {1000 * middle(rows, lambda _, __, start, ___: start):.1f} ms | 1 ", end="")
    print(f"| {1e6 * middle(rows, lambda *row: row[3]):,.0f} µs | 1 | |")


if __name__ == "__main__":
    main()
