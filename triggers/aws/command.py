"""`eventbus serve`: a bus at a port, until a signal stops it."""

from __future__ import annotations

import argparse
import sys
from functools import partial

import anyio

from eventbus import EventBus, VirtualClock
from eventbus.errors import EventBusError
from triggers.aws.app import App
from triggers.aws.serving import serve as serve_app
from triggers.running import run_until_idle
from triggers.script import BadScript, load, users_traceback


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
    app = App(bus, hosts=options.host_name, verify_signatures=options.verify_signatures, secrets=secrets)

    def listening(host: str, port: int) -> None:
        shown = "localhost" if host in ("127.0.0.1", "::1") else host
        print(f"eventbus serve: listening at http://{shown}:{port} (Ctrl-C stops)", flush=True)

    async def work() -> None:
        await serve_app(app, options.host, options.port, listening=listening)

    ending = anyio.run(partial(run_until_idle, bus, work), backend=options.backend)
    if isinstance(ending.failure, EventBusError):
        print(f"eventbus serve: {ending.failure}", file=sys.stderr)
        return 2
    if ending.failure is not None:
        raise ending.failure
    return 0


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
