"""Receivers that wait for a message: woken one at a time, in the order in which they came."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from eventbus.clock import Clock, Wakeup


class Waiters:
    """The line of waiting receivers of one queue.

    One of them always knows the next instant at which a hidden message is to be seen: whoever is woken looks and, if he
    goes on waiting, sets his timer to that instant. So that this stays true, every change that can show a message wakes
    one receiver, and so does every receiver that leaves, be it with messages, without, or cancelled.
    """

    def __init__(self) -> None:
        self._line: deque[Wakeup] = deque()
        self._watchers: dict[Callable[[], None], None] = {}

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call something whenever a receiver would be woken; returns how to stop."""
        self._watchers[wake] = None
        return lambda: self._watchers.pop(wake, None)

    def __len__(self) -> int:
        return len(self._line)

    def wake(self) -> None:
        """Let the receiver at the head of the line look."""
        if self._line:
            self._line.popleft().set()
        for watcher in tuple(self._watchers):
            watcher()

    def wake_all(self) -> None:
        """Let everybody look, because the queue is gone."""
        while self._line:
            self._line.popleft().set()
        self.wake()

    async def wait(self, clock: Clock, until: float) -> None:
        """Wait to be woken, or until this instant of the clock."""
        woken = clock.wakeup(until)
        self._line.append(woken)
        try:
            await woken.wait()
        finally:
            if woken in self._line:
                self._line.remove(woken)
