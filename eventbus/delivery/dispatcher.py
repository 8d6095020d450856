"""The dispatcher: gives a function one more environment whenever all it has are inside a handler and events are left.

Environments take events themselves, so nothing passes through here in the common case. An environment that enters a
handler with events left behind it asks to be watched; when the handler suspends, this task is next, sees that nobody
looks at the queue any more, and starts or wakes one more. Handlers that never suspend keep a single environment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from eventbus.delivery.lane import Lane


class Dispatcher:
    """One task per bus."""

    def __init__(self) -> None:
        self._watched: list[Lane] = []
        self._wake: anyio.Event | None = None

    def watch(self, lane: Lane) -> None:
        """Look at this lane when the running task suspends."""
        lane.is_watched = True
        self._watched.append(lane)
        if self._wake is not None:
            self._wake.set()
            self._wake = None

    async def run(self) -> None:
        """Grow lanes, until cancelled."""
        while True:
            lanes, self._watched = self._watched, []
            for lane in lanes:
                lane.is_watched = False
                if lane.active == lane.inside:
                    lane.attend()
            if not self._watched:
                wake = self._wake = anyio.Event()
                await wake.wait()
