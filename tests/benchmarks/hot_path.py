"""The hot path against a bare bounded anyio memory object stream, in the same run.

    python -m tests.benchmarks.hot_path [--events 50000] [--repetitions 7]

Each figure is the median of ratios: before every repetition the stream runs again, so that both see the same machine.
Everything is on: permission, the handler's own copy of the event, time limit, log, metrics and trace.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from eventbus import EventBus

Measure = Callable[[int], Awaitable[float]]


def s3_event(number: int) -> dict[str, Any]:
    """An S3 notification of 682 bytes: a realistic payload for `push`."""
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-11-22T07:30:34.123Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:AIDAEXAMPLEPRINCIPAL"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {
            "x-amz-request-id": "C3D13FE58DE4C810",
            "x-amz-id-2": "FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S",
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "uploads-to-thumbnailer",
            "bucket": {
                "name": "uploads",
                "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
                "arn": "arn:aws:s3:::uploads",
            },
            "object": {
                "key": f"incoming/images/{number:08d}.jpg",
                "size": 1024 + number,
                "eTag": "d41d8cd98f00b204e9800998ecf8427e",
                "sequencer": f"{number:016X}",
            },
        },
    }


EVENTS = [s3_event(number) for number in range(1024)]
SMALL = [{"order": number} for number in range(1024)]
KEYS = [f"incoming/images/{number:08d}.jpg" for number in range(1024)]


async def bare_stream(n: int) -> float:
    """The yardstick: a bounded anyio memory object stream, one task sending, one awaiting a no-op handler."""
    send, receive = anyio.create_memory_object_stream[dict[str, Any]](1000)

    async def handler(event: dict[str, Any]) -> None:
        pass

    async def consume() -> None:
        async with receive:
            async for event in receive:
                await handler(event)

    begun = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(consume)
        async with send:
            for number in range(n):
                await send.send(EVENTS[number & 1023])
    return time.perf_counter() - begun


def push(payloads: list[dict[str, Any]]) -> Measure:
    """`bus.push` to a no-op async handler."""

    async def measure(n: int) -> float:
        bus = EventBus()

        @bus.function
        async def handler(event: Any, context: Any) -> None:
            pass

        handler.allow("s3.amazonaws.com")
        source = bus.source_of("s3.amazonaws.com")
        async with bus:
            begun = time.perf_counter()
            for number in range(n):
                await bus.push(handler, payloads[number & 1023], source=source)
            await bus.wait_idle()
            taken = time.perf_counter() - begun
            assert bus.statistics().finished == n
        return taken

    return measure


async def put_object(n: int) -> float:
    """`bucket.put_object` that notifies a no-op async handler."""
    from triggers import S3

    bus = EventBus()
    bucket = S3(bus).create_bucket("uploads")

    @bucket.on("s3:ObjectCreated:*", prefix="incoming/")
    async def handler(event: Any, context: Any) -> None:
        pass

    async with bus:
        begun = time.perf_counter()
        for number in range(n):
            await bucket.put_object(KEYS[number & 1023], b"x" * 64)
        await bus.wait_idle()
        taken = time.perf_counter() - begun
        assert bus.statistics().finished == n
    return taken


def ratio(measure: Measure, backend: str, n: int, repetitions: int) -> tuple[float, float]:
    """Median ratio to the bare stream on the same event loop, and median events per second."""
    ratios, rates = [], []
    anyio.run(measure, 2000, backend=backend)
    for _ in range(repetitions):
        gc.collect()
        reference = n / anyio.run(bare_stream, n, backend=backend)
        gc.collect()
        rate = n / anyio.run(measure, n, backend=backend)
        rates.append(rate)
        ratios.append(rate / reference)
    return statistics.median(ratios), statistics.median(rates)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--repetitions", type=int, default=7)
    arguments = parser.parse_args()
    cases: dict[str, Measure] = {
        "push, 682-byte payload": push(EVENTS),
        "push, small payload": push(SMALL),
        "put_object, 64-byte body": put_object,
    }
    print(f"{'case':<28}{'loop':<10}{'ratio to bare stream':>22}{'events/s':>14}")
    for name, measure in cases.items():
        for backend in ("asyncio", "trio"):
            figure, rate = ratio(measure, backend, arguments.events, arguments.repetitions)
            print(f"{name:<28}{backend:<10}{figure:>22.2f}{rate:>14,.0f}", flush=True)


if __name__ == "__main__":
    main()
