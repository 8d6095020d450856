"""Requests a second: in process, and over a port against a bare ASGI application on the same server.

    python -m tests.benchmarks.http [--requests 2000] [--repetitions 5] [--clients 8]

The bare application answers every request with two bytes and does nothing else. Clients keep their connections; they
run in the same process, so both figures over the port include them.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from eventbus import EventBus
from triggers import HttpApi
from triggers.http.serving import serve, serve_application

REQUEST = b"GET /cats/1 HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application that does nothing."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    else:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})


async def handler(event: Any, context: Any) -> Any:
    return "ok"


async def in_process(api: HttpApi, requests: int) -> float:
    """Requests a second of one caller."""
    started = time.perf_counter()
    for _ in range(requests):
        await api.request("GET", "/cats/1")
    return requests / (time.perf_counter() - started)


async def over_the_port(address: str, requests: int, clients: int) -> float:
    """Requests a second of several clients with raw connections."""

    async def client() -> None:
        async with await anyio.connect_tcp("127.0.0.1", int(address.rpartition(":")[2])) as connection:
            for _ in range(requests // clients):
                await connection.send(REQUEST)
                while b"\r\n\r\n" not in (received := await connection.receive()):
                    pass
                assert received.startswith(b"HTTP/1.1 200"), received

    started = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        for _ in range(clients):
            tasks.start_soon(client)
    return requests / (time.perf_counter() - started)


async def measure(requests: int, repetitions: int, clients: int) -> None:
    """Print the medians."""
    bus = EventBus(seed=1)
    api = HttpApi(bus, "api", rate=1e9, burst=1e9)
    api.route("GET /cats/{id}", bus.add_function("cat", handler), grant=True)
    async with bus, serve(api) as ours, serve_application(bare, host="127.0.0.1", port=0, grace=1) as theirs:
        cases: dict[str, Callable[[], Awaitable[float]]] = {
            "in process": lambda: in_process(api, requests),
            "bare ASGI application, on a port": lambda: over_the_port(theirs, requests, clients),
            "HTTP API, on a port": lambda: over_the_port(ours, requests, clients),
        }
        rates: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(repetitions):
            for name, case in cases.items():
                rates[name].append(await case())
    for name, found in rates.items():
        print(f"{name:34} {statistics.median(found):8,.0f} requests/s")
    _, yardstick, measured = rates.values()
    ratios = [ours / theirs for ours, theirs in zip(measured, yardstick, strict=True)]
    print(f"{'ratio on the port':34} {statistics.median(ratios):8.2f}")


def main() -> None:
    """Read the arguments and measure on both event loops."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--clients", type=int, default=8)
    options = parser.parse_args()
    for backend in ("asyncio", "trio"):
        print(f"{backend}:")
        anyio.run(measure, options.requests, options.repetitions, options.clients, backend=backend)


if __name__ == "__main__":
    main()
