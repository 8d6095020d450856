"""`eventbus serve`: a bus at a port, until a signal stops it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from eventbus import EventBus, VirtualClock
from eventbus.errors import EventBusError
from triggers.connection import Message, Receive, Send
from triggers.running import run_until_idle
from triggers.script import BadScript, load, users_traceback
from triggers.serving import address_of, serving

if TYPE_CHECKING:
    from triggers.aws.app import App


def serve(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    try:
        secrets = _secrets(options.credentials)
        bus = _bus(options)
    except (BadScript, EventBusError) as problem:
        print(f"eventbus serve: {problem}", file=sys.stderr)
        return 2
    except Exception as error:
        print(users_traceback(error, options.file), end="", file=sys.stderr)
        return 1
    options_of_app = {
        "hosts": options.host_name,
        "verify_signatures": options.verify_signatures,
        "secrets": secrets,
    }
    late = _Late(lambda: _app(bus, **options_of_app))
    if bus.store is not None:
        late.load()  # it has to do again what was set up before, when the bus is entered

    async def work() -> None:
        async with serving(late, host=options.host, port=options.port) as (host, port):
            shown = "localhost" if host in ("127.0.0.1", "::1") else host
            print(f"eventbus serve: listening at http://{shown}:{port} (Ctrl-C stops)", flush=True)
            app = await late.prepare()
            with app.served_at(address_of(host, port)):
                await anyio.sleep_forever()

    ending = anyio.run(partial(run_until_idle, bus, work), backend=options.backend)
    if isinstance(ending.failure, EventBusError):
        print(f"eventbus serve: {ending.failure}", file=sys.stderr)
        return 2
    if ending.failure is not None:
        raise ending.failure
    return 0


class _Late:
    """An application that is imported once there is a port: botocore's models take longer than all the rest."""

    def __init__(self, make: Callable[[], App]) -> None:
        self._make = make
        self._app: App | None = None
        self._lock = anyio.Lock()

    def load(self) -> App:
        """Make the application."""
        self._app = self._make()
        return self._app

    async def prepare(self) -> App:
        """The application; imported in a thread, and only once."""
        async with self._lock:
            if self._app is None:
                await anyio.to_thread.run_sync(_import)
                self.load().declare()
        assert self._app is not None
        return self._app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        app = self._app or await self.prepare()
        await app(scope, receive, send)


def _import() -> None:
    """Import the application, and the models that the event loop would wait longest for."""
    import triggers.aws.app  # noqa: F401
    from triggers.aws.models import routes, service_model

    for service in ("s3", "sns", "sqs"):
        service_model(service)
    routes("s3")


def _app(bus: EventBus, **options: Any) -> App:
    from triggers.aws.app import App

    return App(bus, **options)


def _bus(options: argparse.Namespace) -> EventBus:
    if options.file is None:
        return EventBus(clock=VirtualClock() if options.clock == "virtual" else None, store=options.store)
    if options.store is not None or options.clock != "system":
        raise BadScript(
            "--store and --clock are for a bus that is made here; the script makes its own: EventBus(store=...)"
        )
    script = load(options.file, [], options.bus)
    if script.has_run:
        raise BadScript(f"{options.file} ran its bus itself; leave `async with bus` to its main()")
    return script.bus


def _secrets(given: list[str]) -> dict[str, str]:
    secrets = {}
    for pair in given or ["test:test"]:
        key, colon, secret = pair.partition(":")
        if not (key and colon and secret):
            raise BadScript(f"--credentials {pair!r}: it reads KEY:SECRET")
        secrets[key] = secret
    return secrets
