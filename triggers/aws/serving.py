"""Serving a bus over a port, on the bus's own event loop. The HTTP server is Hypercorn, which runs on asyncio and trio."""

from __future__ import annotations

import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from hypercorn.config import Config

from eventbus.errors import ConfigurationError
from triggers.aws.app import App

HEAD = 65_536
"""Bytes of the head of a request, and seconds below for how long it may take."""
IDLE = 30.0


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens at this address; port 0 takes one that is free. Raises ConfigurationError."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except (OSError, OverflowError) as error:
        raise ConfigurationError(f"cannot listen at {host}:{port}: {error}") from error
    listening.setblocking(False)
    return listening


async def serve(app: App, listening: socket.socket, shutdown: Callable[[], Awaitable[Any]] | None = None) -> None:
    """Answer whoever connects, until `shutdown()` returns or the task is cancelled. The bus has to run already."""
    config = Config()
    config.bind = [f"fd://{listening.detach()}"]
    config.alpn_protocols = ["http/1.1"]
    config.h11_max_incomplete_size = HEAD
    config.keep_alive_timeout = IDLE
    config.read_timeout = 60
    config.graceful_timeout = 1.0
    config.shutdown_timeout = 2.0
    config.include_server_header = False
    config.keep_alive_max_requests = 1_000_000
    config.errorlog = logging.getLogger("eventbus.server")
    app.declare()
    if "asyncio" in anyio.lowlevel.current_token().backend_class.__module__:
        from hypercorn.asyncio import serve as run
    else:
        from hypercorn.trio import serve as run  # type: ignore[assignment]
    stop = anyio.Event()

    async def answer() -> None:
        # it ends by being asked to: a cancelled Hypercorn leaves its connections to complain
        with anyio.CancelScope(shield=True):
            await run(app, config, shutdown_trigger=stop.wait, mode="asgi")  # type: ignore[arg-type]

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(answer)
        try:
            await (anyio.sleep_forever() if shutdown is None else shutdown())
        finally:
            stop.set()
