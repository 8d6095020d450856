"""APIs on a port: Hypercorn, which runs on asyncio and on trio, inside the event loop that is there.

It needs the extra `eventbus[server]`.
"""

from __future__ import annotations

import importlib
import logging
import socket
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio

from eventbus.errors import ConfigurationError
from triggers.http.doors import Doors
from triggers.http.front import Front

LARGEST_HEAD: Final = 65_536
"""Bytes of a request's head that are read before the connection is closed."""
HEAD_TIMEOUT: Final = 30
"""Seconds in which a head has to arrive, and for which an idle connection is kept."""
BACKLOG: Final = 100


@asynccontextmanager
async def serve(
    *fronts: Front,
    host: str = "127.0.0.1",
    port: int = 0,
    allowed_hosts: Iterable[str] = (),
    grace: float | None = None,
) -> AsyncGenerator[str, None]:
    """Serve APIs and function URLs on a port, for as long as the block lasts.

        async with bus, serve(api) as url:                       # http://127.0.0.1:54321
            await client.get(f"{url}/cats/1")

    `port` 0 takes one that is free. With several fronts each is found below its name (`/shop/cats/1`) or at
    `shop.localhost`. On a loopback address only requests are answered whose Host is a loopback name, that of a front,
    or among `allowed_hosts`. Leaving the block takes no new requests and gives running ones `grace` seconds, by
    default those of the bus.

    Raises ConfigurationError without the extra or for a port that is taken, BusNotRunning and BusClosed.
    """
    doors = Doors(fronts, _hosts(host, allowed_hosts))
    for bus in doors.buses:
        bus.accepting("serve")
    patience = min(bus.grace for bus in doors.buses) if grace is None else grace
    async with serve_application(doors, host=host, port=port, grace=patience) as address:
        yield address


@asynccontextmanager
async def serve_application(application: Any, *, host: str, port: int, grace: float) -> AsyncGenerator[str, None]:
    """Serve any ASGI application, with the same limits; gives its address."""
    run = _runner()
    listener = _listen(host, port)
    address = f"http://{_shown(host)}:{listener.getsockname()[1]}"
    config = _config(listener, grace)
    stop = anyio.Event()
    failure: BaseException | None = None
    async with anyio.create_task_group() as tasks:

        async def work() -> None:
            with anyio.CancelScope(shield=True):  # it ends by being told to, within its grace
                await run(application, config, shutdown_trigger=stop.wait, mode="asgi")

        tasks.start_soon(work)
        try:
            yield address
        except BaseException as error:
            failure = error  # raised below, outside of the group, which would wrap it
        stop.set()
    if failure is not None:
        raise failure


def _hosts(host: str, allowed: Iterable[str]) -> list[str] | None:
    is_loopback = host in ("localhost", "::1") or host.startswith("127.")
    names = list(allowed)
    return [host, *names] if is_loopback or names else None


def _runner() -> Any:
    """The server for the event loop that runs."""
    backend = "trio" if anyio.get_cancelled_exc_class().__module__.startswith("trio") else "asyncio"
    try:
        return importlib.import_module(f"hypercorn.{backend}").serve
    except ModuleNotFoundError:
        raise ConfigurationError('a server needs Hypercorn: install "eventbus[server]"') from None


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigurationError(f"host={host!r}: {error.strerror or error}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise ConfigurationError(f"cannot listen on {_shown(host)}:{port}: {error.strerror}") from None
    return listener


def _config(listener: socket.socket, grace: float) -> Any:
    config = importlib.import_module("hypercorn.config").Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = logging.getLogger("eventbus.http")
    config.include_server_header = False
    config.h11_max_incomplete_size = LARGEST_HEAD
    config.h11_pass_raw_headers = True  # REST APIs show header names as they were sent
    config.keep_alive_timeout = HEAD_TIMEOUT
    config.graceful_timeout = config.shutdown_timeout = grace
    return config


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
