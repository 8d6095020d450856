"""The dispatcher: gives a function one more environment whenever all it has are inside a handler and events are left.

Environments take events themselves, so nothing passes through here in the common case. An environment that enters a
handler with events left behind it asks to be watched; when the handler suspends, this task is next, sees that nobody
looks at the queue any more, and starts or wakes one more. Handlers that never suspend keep a single environment.

With a virtual clock the dispatcher also sees to it that environments begin one after another, never two in the same
turn of the event loop, and that one with a thread or a process comes to rest, or takes long, before the next begins:
what is due at the same instant then runs in the same order every time, whatever the event loop and its threads do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import checkpoint

from eventbus.execution.environment import Environment, Phase

if TYPE_CHECKING:
    from eventbus.delivery.lane import Lane

THREAD_TURN = 0.05
"""Seconds of real time that a handler in a thread or a process has for itself before the next environment begins."""


class Dispatcher:
    """One task per bus."""

    def __init__(self) -> None:
        self._watched: list[Lane] = []
        self._beginning: deque[tuple[Environment, Callable[[], None]]] = deque()
        self._wake: anyio.Event | None = None

    def begin(self, environment: Environment, begin: Callable[[], None]) -> None:
        """Let an environment begin when it is its turn."""
        self._beginning.append((environment, begin))
        self._look()

    def watch(self, lane: Lane) -> None:
        """Look at this lane when the running task suspends."""
        lane.is_watched = True
        self._watched.append(lane)
        self._look()

    def _look(self) -> None:
        if self._wake is not None:
            self._wake.set()
            self._wake = None

    async def _begin_next(self) -> None:
        environment, begin = self._beginning.popleft()
        if environment.phase is Phase.GONE:
            return  # it was chosen, and then the bus was left
        begin()
        await checkpoint()
        if environment.isolation != "task":
            with anyio.move_on_after(THREAD_TURN):
                await environment.rested()

    async def run(self) -> None:
        """Grow lanes, until cancelled."""
        while True:
            while self._beginning:
                await self._begin_next()
            lanes, self._watched = self._watched, []
            for lane in lanes:
                lane.is_watched = False
                if lane.active == lane.inside:
                    lane.attend()
            if not self._watched and not self._beginning:
                wake = self._wake = anyio.Event()
                await wake.wait()
