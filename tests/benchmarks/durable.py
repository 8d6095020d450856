"""The durable store against what it is made of: SQLite and the disk, in the same run.

    python -m tests.benchmarks.durable [--events 20000] [--repetitions 5] [--million]

- push to finished, with so many publishers, as a ratio to raw SQLite (insert, claim, delete) in groups of 1,000 with
  the same sync, and to a bare append with `fdatasync` per event;
- one lone publisher's push, as a multiple of one `fdatasync`;
- with `--million`: how soon after opening the first of a million recovered events runs, and memory per queued event.
"""

from __future__ import annotations

import argparse
import gc
import os
import sqlite3
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio

from eventbus import EventBus
from eventbus.delivery.payload import encode
from tests.benchmarks.hot_path import EVENTS

SOURCE = "s3.amazonaws.com"
BODY = bytes(encode(EVENTS[1]))  # type: ignore[arg-type]


def raw_sqlite(folder: Path, n: int) -> float:
    """Seconds for n rows: inserted, claimed and deleted in groups of 1,000, one synced commit each."""
    path = folder / "raw.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE q (id INTEGER PRIMARY KEY, state INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL)")
    begun = time.perf_counter()
    for first in range(0, n, 1000):
        numbers = range(first, min(first + 1000, n))
        for statement in (
            "INSERT INTO q (id, body) VALUES (?, ?)",
            "UPDATE q SET state = 1 WHERE id = ?",
            "DELETE FROM q WHERE id = ?",
        ):
            connection.execute("BEGIN IMMEDIATE")
            rows = [(i, BODY) for i in numbers] if statement.startswith("INSERT") else [(i,) for i in numbers]
            connection.executemany(statement, rows)
            connection.execute("COMMIT")
    taken = time.perf_counter() - begun
    connection.close()
    for file in folder.glob("raw.db*"):
        file.unlink()
    return taken


def bare_append(folder: Path, n: int) -> float:
    """Seconds for n appends, each followed by fdatasync."""
    descriptor = os.open(folder / "log", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    begun = time.perf_counter()
    for _ in range(n):
        os.write(descriptor, BODY)
        os.fdatasync(descriptor)
    taken = time.perf_counter() - begun
    os.close(descriptor)
    return taken


async def push_to_finished(folder: Path, n: int, publishers: int) -> float:
    """Seconds until n pushed events are finished and their end is written down."""
    bus = EventBus(store=folder / "bus.db")

    @bus.function
    async def handler(event: Any, context: Any) -> None:
        pass

    handler.allow(SOURCE)
    source = bus.source_of(SOURCE)

    async def publish(count: int) -> None:
        for number in range(count):
            await bus.push(handler, EVENTS[number & 1023], source=source)

    async with bus:
        begun = time.perf_counter()
        async with anyio.create_task_group() as tasks:
            for _ in range(publishers):
                tasks.start_soon(publish, n // publishers)
        await bus.wait_idle()
        await bus.synced()
        return time.perf_counter() - begun


def on_a_new_file(folder: Path, n: int, publishers: int, backend: str) -> float:
    """`push_to_finished`, leaving nothing behind."""
    taken = anyio.run(push_to_finished, folder, n, publishers, backend=backend)
    for file in folder.glob("bus.db*"):
        file.unlink()
    return taken


def median_ratio(measure: Callable[[], float], reference: Callable[[], float], repetitions: int) -> tuple[float, float]:
    """Median of `reference / measure`, run next to each other, and median of `measure`."""
    ratios, seconds = [], []
    for _ in range(repetitions):
        gc.collect()
        base = reference()
        gc.collect()
        taken = measure()
        ratios.append(base / taken)
        seconds.append(taken)
    return statistics.median(ratios), statistics.median(seconds)


def throughput(folder: Path, events: int, repetitions: int, backend: str) -> None:
    print(f"{'publishers':<12}{'loop':<10}{'events/s':>12}{'x raw SQLite':>16}{'x fdatasync each':>20}")
    for publishers in (1, 16, 256, 1000):
        n = max(publishers, events if publishers > 1 else events // 20)
        n -= n % publishers

        def measure(n: int = n, publishers: int = publishers) -> float:
            return on_a_new_file(folder, n, publishers, backend)

        to_sqlite, seconds = median_ratio(measure, lambda n=n: raw_sqlite(folder, n), repetitions)  # type: ignore[misc]
        appended = min(n, 2000)
        to_append, _ = median_ratio(
            lambda n=n, m=measure: m() / n,  # type: ignore[misc]
            lambda k=appended: bare_append(folder, k) / k,  # type: ignore[misc]
            repetitions,
        )
        print(f"{publishers:<12}{backend:<10}{n / seconds:>12,.0f}{to_sqlite:>16.2f}{to_append:>20.2f}", flush=True)


async def fill(path: Path, n: int) -> None:
    """Leave n events in a store, for a function that is not declared when they are taken up."""
    bus = EventBus(store=path, queue_limit=1000)
    handler = bus.add_function("handler", _suspend, reserved_concurrency=1)
    handler.allow(SOURCE)
    source = bus.source_of(SOURCE)
    async with bus:
        for number in range(n):
            bus.enqueue(handler, b'{"order":%d}' % number, source, None)
            if number % 5000 == 4999:
                await bus.synced()
        await bus.synced()


async def _suspend(event: Any, context: Any) -> None:
    await anyio.sleep_forever()


async def recover(path: Path) -> float:
    """Seconds from opening the store until the first recovered event runs."""
    first = anyio.Event()
    bus = EventBus(store=path, grace=0)

    async def handler(event: Any, context: Any) -> None:
        first.set()
        await anyio.sleep_forever()

    bus.add_function("handler", handler, reserved_concurrency=1).allow(SOURCE)
    begun = time.perf_counter()
    async with bus:
        await first.wait()
        return time.perf_counter() - begun


async def memory_per_event(store: Path | None, n: int, payload: dict[str, Any]) -> float:
    """Bytes of memory per queued event, traced by Python, its payload included."""
    bus = EventBus(store=store, queue_limit=n + 1 if store is None else 1000, history=1, grace=0)
    bus.add_function("handler", _suspend, reserved_concurrency=1).allow(SOURCE)
    source, handler = bus.source_of(SOURCE), bus.functions["handler"]
    async with bus:
        await bus.push(handler, payload, source=source)
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        body = encode(payload)
        for number in range(n):
            bus.enqueue(handler, bytes(bytearray(body)), source, None)  # type: ignore[arg-type]
            if store is not None and number % 5000 == 4999:
                await bus.synced()
        await bus.synced()
        gc.collect()
        used = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
    return used / n


def large(folder: Path, n: int) -> None:
    path = folder / "million.db"
    anyio.run(fill, path, n)
    size = sum(file.stat().st_size for file in folder.glob("million.db*")) / 2**20
    seconds = anyio.run(recover, path)
    print(f"{n:,} events in {size:,.0f} MiB: the first runs {seconds:.2f} s after opening")
    for file in folder.glob("million.db*"):
        file.unlink()
    payload = {"order": 17, "note": "x" * 80}
    size_of_payload = len(encode(payload))
    for name, store in (("memory", None), ("SQLite", folder / "memory.db")):
        used = anyio.run(memory_per_event, store, min(n, 100_000), payload)
        print(f"{name} store: {used:,.0f} bytes per queued event with a payload of {size_of_payload}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio")
    parser.add_argument("--million", type=int, nargs="?", const=1_000_000, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        throughput(folder, arguments.events, arguments.repetitions, arguments.backend)
        if arguments.million:
            large(folder, arguments.million)


if __name__ == "__main__":
    main()
