"""One watchdog for the time limits of all handlers: it sleeps until the earliest deadline that there can be.

A cancel scope per invocation would cost more than the rest of the bus together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import anyio

from eventbus.execution.environment import Phase

if TYPE_CHECKING:
    from eventbus.execution.environment import Environment


class Watchdog:
    """One task per bus; it measures in the event loop's time."""

    def __init__(self, environments: Callable[[], Iterable[Environment]]) -> None:
        self._environments = environments
        self._loop_time: Callable[[], float] | None = None
        self._wakes_at = float("inf")
        self._wake: anyio.Event | None = None

    def notice(self, timeout: float) -> None:
        """An environment with this time limit goes to work: be awake before its first deadline."""
        if self._loop_time is not None and self._wake is not None and self._loop_time() + timeout < self._wakes_at:
            self._wake.set()
            self._wake = None

    async def run(self, loop_time: Callable[[], float]) -> None:
        """End what overruns, until cancelled."""
        self._loop_time = loop_time
        while True:
            now = loop_time()
            self._wakes_at = self._end_overruns(now)
            wake = self._wake = anyio.Event()
            if self._wakes_at == float("inf"):
                await wake.wait()
            else:
                with anyio.move_on_after(self._wakes_at - now):
                    await wake.wait()

    def _end_overruns(self, now: float) -> float:
        """End every handler whose time is up; return when to look again."""
        earliest = float("inf")
        for environment in list(self._environments()):
            if environment.phase in (Phase.IDLE, Phase.GONE):
                continue
            if environment.event is not None and environment.deadline <= now:
                environment.overrun()
                continue
            # between two looks it may begin a new event, whose deadline is a whole time limit away
            deadline = environment.deadline if environment.event is not None else float("inf")
            earliest = min(earliest, deadline, now + environment.lane.timeout)
        return earliest
