"""APIs on a port, inside the event loop that is there; the server is that of `triggers.serving`.

It needs the extra `eventbus[server]`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Any

from eventbus.errors import ConfigurationError
from triggers.http.checks import is_number, texts
from triggers.http.doors import Doors
from triggers.http.front import Front


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
    given: object = port
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= 65_535:
        raise ConfigurationError(f"port={port!r}: a whole number from 0 to 65535 is needed; 0 takes a free one")
    if grace is not None and not is_number(grace):
        raise ConfigurationError(f"grace={grace!r}: seconds are needed")
    doors = Doors(fronts, _hosts(host, allowed_hosts))
    for bus in doors.buses:
        bus.accepting("serve")
    patience = min(bus.grace for bus in doors.buses) if grace is None else grace
    async with serve_application(doors, host=host, port=port, grace=patience) as address:
        yield address


@asynccontextmanager
async def serve_application(application: Any, *, host: str, port: int, grace: float) -> AsyncGenerator[str, None]:
    """Serve any ASGI application, with the same limits; gives its address."""
    if find_spec("h11") is None:
        raise ConfigurationError('a server needs h11: install "eventbus[server]"')
    from triggers.serving import serving, shown

    async with serving(application, host=host, port=port, grace=grace) as (_, chosen):
        yield f"http://{shown(host)}:{chosen}"


def _hosts(host: str, allowed: Iterable[str]) -> list[str] | None:
    is_loopback = host in ("localhost", "::1") or host.startswith("127.")
    names = list(texts("allowed_hosts", allowed))
    return [host, *names] if is_loopback or names else None
