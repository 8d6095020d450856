"""Following a log while it is written."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio

from eventbus.telemetry.log_event import LogEvent

if TYPE_CHECKING:
    from eventbus.delivery.event import Attempt, Event
    from eventbus.delivery.settling import Settling
    from eventbus.telemetry.journal import Journal

WAITING = 10_000
"""Events that wait for a slow reader; from then on the oldest are dropped."""


class LogFollower:
    """The events of one log group, from the moment of entering. Made by `bus.logs.follow`.

        with bus.logs.follow("thumbnail") as events:
            async for event in events:
                ...

    An invocation's events come when it has ended. The loop ends when the bus is left.
    """

    def __init__(
        self,
        journal: Journal,
        followers: set[LogFollower],
        render: Callable[[list[Attempt]], list[LogEvent]],
        matches: Callable[[str], bool],
        group: str,
    ) -> None:
        self.group = group
        self._journal = journal
        self._followers = followers
        self._render = render
        self._matches = matches
        self._events: deque[LogEvent] = deque(maxlen=WAITING)
        self._is_open = False
        self._woken = anyio.Event()
        self.dropped = 0
        """Events that came while ten thousand others waited to be read."""

    def __enter__(self) -> Self:
        self._is_open = True
        self._followers.add(self)
        self._journal.listen(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.ignore(self)
        self._followers.discard(self)
        self.closed()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> LogEvent:
        while not self._events:
            if not self._is_open:
                raise StopAsyncIteration
            self._woken = anyio.Event()
            await self._woken.wait()
        return self._events.popleft()

    def taken(self) -> list[LogEvent]:
        """The events that wait to be read, without waiting for more."""
        events = list(self._events)
        self._events.clear()
        return events

    # -- what the journal tells -------------------------------------------------------------------------------------

    def invoked(self, attempts: list[Attempt]) -> None:
        """Attempts have ended."""
        self.written(self._render(attempts))

    def written(self, events: list[LogEvent]) -> None:
        """These events are in the log; those that the pattern wants are handed on."""
        events = [event for event in events if self._matches(event.message)]
        self.dropped += max(0, len(self._events) + len(events) - WAITING)
        self._events.extend(events)
        if events:
            self._woken.set()

    def throttled(self, lane: Settling, attempt: Attempt) -> None:
        """Nothing that a log shows."""

    def given_up(self, event: Event) -> None:
        """Nothing that a log shows."""

    def closed(self) -> None:
        """The bus was left."""
        self._is_open = False
        self._woken.set()
