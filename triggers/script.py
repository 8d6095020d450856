"""A user's own script, for `eventbus run`: loading it, finding its bus, running its `main`."""

from __future__ import annotations

import contextlib
import inspect
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

import anyio

import eventbus
import triggers
from eventbus import EventBus
from eventbus.errors import BusClosed, BusNotRunning, EventBusError
from triggers.running import Ending, run_until_idle
from triggers.summary import count, duration

if TYPE_CHECKING:
    from triggers.http.front import Front

PATIENCE = 1.0
"""Seconds of waiting after which it is said what is waited for."""
_OURS = tuple(str(Path(inspect.getfile(package)).parent) for package in (eventbus, triggers))


class BadScript(Exception):
    """A script that cannot be run; the text says why, and what would do."""


class Script:
    """A script that was loaded: its bus and its `main`."""

    def __init__(self, path: Path, module: ModuleType, bus: EventBus) -> None:
        self.path = path
        self.module = module
        self.bus = bus
        self.has_run = _has_been_entered(bus)
        """Whether the script ran its bus itself, while it was loaded."""
        self.main = None if self.has_run else _main_of(path, module, bus)

    async def run(self, timeout: float | None, http: tuple[str, int] | None = None) -> Ending:
        """Run `main` and whatever the bus has to do then, as `run_until_idle` says.

        With `http`, a host and a port, serve the APIs at the top level of the script there, until a signal comes.
        """
        work = self._work if http is None else partial(self._serve, *http)
        return await run_until_idle(self.bus, work, timeout=timeout)

    async def _serve(self, host: str, port: int) -> None:
        from triggers.http import serve

        fronts = self.fronts()
        async with serve(*fronts, host=host, port=port) as url:
            places = [url] if len(fronts) == 1 else [f"{url}/{front.name}" for front in fronts]
            for front, place in zip(fronts, places, strict=True):
                print(f"eventbus: {front!r} at {place}", file=sys.stderr, flush=True)
            if self.main is not None:
                with _lent(self.bus):
                    await self.main()
            await anyio.sleep_forever()

    def fronts(self) -> list[Front]:
        """The APIs and function URLs of the bus that have a name at the top level. Raises BadScript without any."""
        from triggers.http.front import Front

        named = {id(value): value for value in vars(self.module).values() if isinstance(value, Front)}
        found = [front for front in named.values() if front.bus is self.bus]
        if not found:
            raise BadScript(
                f"{self.path} has nothing to serve at its top level, such as `api = HttpApi(bus)`; "
                f"{_what_is_there(self.module)}"
            )
        return found

    async def _work(self) -> None:
        if self.main is not None:
            with _lent(self.bus):
                await self.main()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_say_what_is_waited_for, self.bus)
            await self.bus.wait_idle()
            tasks.cancel_scope.cancel()


def load(path: Path, arguments: list[str], bus_name: str | None) -> Script:
    """Execute a file as a module, not as `__main__`, with `sys.argv` and `sys.path` as `python FILE` has them.

    Raises BadScript if it isn't there or hasn't exactly one bus, and whatever the file itself raises.
    """
    if not path.is_file():
        raise BadScript(f"{path} is a directory; give a file" if path.is_dir() else f"{path} does not exist")
    whole = path.absolute()
    is_free = path.stem.isidentifier() and path.stem not in sys.modules and path.stem not in sys.stdlib_module_names
    module = ModuleType(path.stem if is_free else "_script")
    module.__file__ = str(whole)
    code = compile(whole.read_bytes(), str(whole), "exec")
    sys.argv = [str(path), *arguments]
    sys.path.insert(0, str(whole.parent))
    sys.modules[module.__name__] = module
    exec(code, module.__dict__)
    return Script(path, module, _bus_of(path, module, bus_name))


def users_traceback(error: BaseException, path: Path) -> str:
    """The traceback as the user's own interpreter would show it: without the frames of those who ran the script.

    What eventbus refused on purpose ends at the user's line too: the frames below it explain nothing.
    """
    script = str(path.absolute())
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename != script:
        frames = frames.tb_next
    is_refusal = isinstance(error, EventBusError)
    shown = traceback.TracebackException(type(error), error, _without_ours(frames) if is_refusal else frames)
    return "".join(shown.format(chain=not is_refusal))


def _without_ours(frames: TracebackType | None) -> TracebackType | None:
    kept: list[TracebackType] = []
    while frames is not None and not frames.tb_frame.f_code.co_filename.startswith(_OURS):
        kept.append(frames)
        frames = frames.tb_next
    result = None
    for frame in reversed(kept):
        result = TracebackType(result, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return result


def _bus_of(path: Path, module: ModuleType, wanted: str | None) -> EventBus:
    buses = {name: value for name, value in vars(module).items() if isinstance(value, EventBus)}
    if wanted is not None:
        if wanted not in buses:
            there = f"its buses are {', '.join(buses)}" if buses else _what_is_there(module)
            raise BadScript(f"{path} has no EventBus named {wanted}; {there}")
        return buses[wanted]
    if not buses:
        raise BadScript(
            f"{path} has no EventBus at its top level, such as `bus = EventBus()`; {_what_is_there(module)}"
        )
    if len({id(bus) for bus in buses.values()}) > 1:
        raise BadScript(f"{path} has several buses: {', '.join(buses)}; choose one with --bus NAME")
    return next(iter(buses.values()))


def _what_is_there(module: ModuleType) -> str:
    own = [
        f"{name} ({type(value).__name__})"
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not isinstance(value, ModuleType)
        # imported functions and classes are not its own
        and not (callable(value) and getattr(value, "__module__", None) != module.__name__)
    ]
    more = f" and {len(own) - 8} more" if len(own) > 8 else ""
    return f"what it has is {', '.join(own[:8])}{more}" if own else "it has nothing of its own"


def _has_been_entered(bus: EventBus) -> bool:
    try:
        bus.accepting("run")
    except BusNotRunning:
        return False
    except BusClosed:
        pass
    return True


def _main_of(path: Path, module: ModuleType, bus: EventBus) -> Callable[[], Awaitable[Any]] | None:
    main = vars(module).get("main")
    if main is None:
        return None
    if not inspect.iscoroutinefunction(main):
        raise BadScript(
            f"main in {path} is not a coroutine function; `eventbus run` needs `async def main()` or "
            "`async def main(bus)`"
        )
    signature = inspect.signature(main)
    for arguments in ((), (bus,)):
        with contextlib.suppress(TypeError):
            signature.bind(*arguments)
            return lambda: main(*arguments)
    raise BadScript(f"main{signature} in {path} cannot be called; `eventbus run` calls main() or main(bus)")


@contextlib.contextmanager
def _lent(bus: EventBus) -> Iterator[None]:
    """Let `async with bus:` in the script's own main pass: the bus is running already, and goes on afterwards.

    So the same main works under `python FILE.py`, where it has to enter the bus, and here.
    """
    kind = type(bus)

    async def enter(self: EventBus) -> EventBus:
        return self

    async def leave(self: EventBus, *exception: object) -> None:
        if exception[0] is None:
            await self.wait_idle()

    bus.__class__ = type(kind.__name__, (kind,), {"__aenter__": enter, "__aexit__": leave})
    try:
        yield
    finally:
        bus.__class__ = kind


async def _say_what_is_waited_for(bus: EventBus) -> None:
    await anyio.sleep(PATIENCE)
    s = bus.statistics()
    told = [count(s.running, "running handler")] if s.running else []
    told += [count(s.queued, "queued event")] if s.queued else []
    if s.waiting:
        due = bus.clock.next_due()
        told.append(count(s.waiting, "retry", "retries"))
        if due is not None:
            told[-1] += f", the next one in {duration(max(0.0, due - bus.clock.now()))}"
    print(f"eventbus: waiting for {' and '.join(told) or 'the bus'} (Ctrl-C stops)", file=sys.stderr, flush=True)
