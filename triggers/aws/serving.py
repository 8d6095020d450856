"""Serving an application at a port until the task is cancelled: what `eventbus serve` runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import anyio

from triggers.aws.app import App
from triggers.connection import Application
from triggers.serving import address_of, serving


async def serve(
    app: Application, host: str = "127.0.0.1", port: int = 4566, *, listening: Callable[[str, int], None] | None = None
) -> None:
    """Answer whoever connects, until the task is cancelled; the bus has to run already, on this event loop.

    `listening(host, port)` is called once connections are taken; port 0 takes a port that is free. Raises
    ConfigurationError if nothing can listen there.
    """
    if isinstance(app, App):
        app.declare()
    async with serving(app, host=host, port=port) as address:
        if listening is not None:
            listening(*address)
        with app.served_at(address_of(*address)) if isinstance(app, App) else nullcontext():
            await anyio.sleep_forever()
