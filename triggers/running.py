"""Running a bus from the command line: until it is idle, its time is up or a signal stops it."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from types import FrameType

import anyio
import attrs

from eventbus import EventBus
from triggers.summary import count

SIGNALS = (signal.SIGINT, signal.SIGTERM)
TIMED_OUT = 124
"""Exit status when the time was up, as of `timeout` of the GNU core utilities."""


@attrs.define
class Ending:
    """How a run ended."""

    signal: int | None = None
    has_timed_out: bool = False
    failure: BaseException | None = None
    """What the work itself raised."""
    seconds: float | None = None
    """Of real time; None if it ran elsewhere."""

    def status(self, bus: EventBus) -> int:
        """The exit status: 128 + the signal, 124 for a time-out, 1 with dead letters, else 0."""
        if self.signal is not None:
            return 128 + self.signal
        if self.has_timed_out:
            return TIMED_OUT
        return 1 if len(bus.dead_letters) else 0


async def run_until_idle(bus: EventBus, work: Callable[[], Awaitable[None]], *, timeout: float | None = None) -> Ending:
    """Enter the bus, do the work, wait until the bus is idle and leave it.

    SIGINT or SIGTERM, or `timeout` seconds, cut the work and the waiting short: the bus is left then, and running
    handlers get its grace time to finish. A second signal ends the process at once.
    """
    ending = Ending()
    began_at = anyio.current_time()
    with _interruptions(bus) as wait_for_signal, _without_advice(), _with_warnings():
        async with anyio.create_task_group() as tasks:
            scope = anyio.CancelScope()

            async def watch() -> None:
                ending.signal = await wait_for_signal()
                scope.cancel()

            tasks.start_soon(watch)
            try:
                async with bus:
                    with scope, anyio.move_on_after(timeout) as limit:
                        await work()
                        await bus.wait_idle()
                    ending.has_timed_out = limit.cancelled_caught
            except BaseException as failure:
                ending.failure = failure
            tasks.cancel_scope.cancel()
    ending.seconds = anyio.current_time() - began_at
    return ending


@contextlib.contextmanager
def _interruptions(bus: EventBus) -> Iterator[Callable[[], Awaitable[int]]]:
    """Catch the signals; gives what waits for one.

    Handlers of the standard library's kind, not the event loop's, so that even a handler that blocks the loop can be
    stopped: the first signal puts the default back, which ends the process when the second one comes.
    """
    receiver, sender = socket.socketpair()
    receiver.setblocking(False)
    sender.setblocking(False)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    # whoever started us may have switched a signal off (a shell does for what runs in the background): it stays off
    caught_here = [number for number, handler in before.items() if handler is not signal.SIG_IGN]

    def caught(number: int, frame: FrameType | None) -> None:
        for each in caught_here:
            signal.signal(each, signal.SIG_DFL)
        with contextlib.suppress(OSError):
            os.write(2, f"eventbus: stopping{_patience(bus)} (a second signal stops at once)\n".encode())
        sender.send(bytes([number]))

    async def wait() -> int:
        await anyio.wait_readable(receiver)
        return receiver.recv(1)[0]

    for number in caught_here:
        signal.signal(number, caught)
    try:
        yield wait
    finally:
        for number in caught_here:
            signal.signal(number, before[number] or signal.SIG_DFL)
        receiver.close()
        sender.close()


@contextlib.contextmanager
def _with_warnings() -> Iterator[None]:
    """Show what the bus warns of: a command is asked to show things, unlike a library. A script's own logging wins."""
    logger, handler = logging.getLogger("eventbus"), logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.addFilter(lambda record: not logging.getLogger().handlers[1:])  # the first one is the capture of the bus
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
    """Keep back the log's advice to wait until the bus is idle: whoever cut that short knows, and the table tells."""
    logger = logging.getLogger("eventbus")

    def is_wanted(record: logging.LogRecord) -> bool:
        return "events_left_at_close" not in record.getMessage()

    logger.addFilter(is_wanted)
    try:
        yield
    finally:
        logger.removeFilter(is_wanted)


def _patience(bus: EventBus) -> str:
    running = bus.statistics().running
    return f"; {count(running, 'running handler')} may take {bus.grace:g} s to finish" if running else ""
