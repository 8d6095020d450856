"""A Live Tail session: what is written to some log groups, once a second, for as long as somebody looks.

Source of every number: CloudWatch Logs API reference, StartLiveTail and LiveTailSessionUpdate, and its quotas (2026).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

import attrs
from anyio.lowlevel import checkpoint

from eventbus.telemetry.errors import InvalidLogParameter, LiveTailLimitExceeded, LiveTailTimedOut
from eventbus.telemetry.following import LogFollower
from eventbus.telemetry.log_event import LogEvent

if TYPE_CHECKING:
    from eventbus.clock import Clock, Timer, Wakeup

EVERY = 1.0
"""Seconds between two updates."""
LONGEST = 3 * 3600.0
"""Seconds after which a session ends."""
MOST_EVENTS = 500
"""Of one update; of more a sample is shown."""
WAITING_UPDATES = 10
WAITING_EVENTS = 5000
"""What waits for a slow reader; beyond that the oldest updates are dropped."""
SESSIONS = 15
"""At the same time."""
MOST_GROUPS = 10
MOST_STREAMS = 100
"""Names of streams, or prefixes, of one session."""


@attrs.frozen
class TailedEvent:
    """One event, and the group that it was written to."""

    group: str
    event: LogEvent


@attrs.frozen
class LiveTailUpdate:
    """What was written since the update before."""

    events: Sequence[TailedEvent]
    is_sampled: bool = False
    """There were more than five hundred, of which these are a sample."""


@attrs.frozen
class Wanted:
    """Which events a session shows, beside its filter pattern. Raises InvalidLogParameter for what AWS refuses."""

    groups: Sequence[str]
    streams: Sequence[str] = ()
    prefixes: Sequence[str] = ()

    def __attrs_post_init__(self) -> None:
        _check_count("logGroupIdentifiers", self.groups, 1, MOST_GROUPS)
        _check_count("logStreamNames", self.streams, 0, MOST_STREAMS)
        _check_count("logStreamNamePrefixes", self.prefixes, 0, MOST_STREAMS)
        if self.streams and self.prefixes:
            raise InvalidLogParameter("Only one of logStreamNames and logStreamNamePrefixes can be given.")
        if (self.streams or self.prefixes) and len(self.groups) > 1:
            raise InvalidLogParameter(
                "logStreamNames and logStreamNamePrefixes can be given only with one log group.",
                mend="leave them out, or give one group",
            )

    def has(self, stream: str) -> bool:
        """Whether events of this stream are shown."""
        if self.streams:
            return stream in self.streams
        return not self.prefixes or stream.startswith(tuple(self.prefixes))


def _check_count(member: str, values: Sequence[str], least: int, most: int) -> None:
    if isinstance(values, str) or not least <= len(values) <= most:
        raise InvalidLogParameter(
            f"1 validation error detected: Value '{values}' at '{member}' failed to satisfy constraint: "
            f"Member must have length between {least} and {most}"
        )


def sampled(events: Sequence[TailedEvent], most: int = MOST_EVENTS) -> Sequence[TailedEvent]:
    """So many of them, evenly spaced and in their order; all if there are no more."""
    count = len(events)
    return events if count <= most else [events[n * count // most] for n in range(most)]


class FollowedGroup(LogFollower):
    """One of the groups of a session, which hears when the bus is left."""

    ended: Callable[[], None]

    def closed(self) -> None:
        super().closed()
        self.ended()


class LiveTail:
    """A session, from entering on. Made by `bus.logs.live_tail`.

        with bus.logs.live_tail(["app"], "ERROR") as session:
            async for update in session:
                ...

    There is an update every second of the bus's clock, also if nothing was written; a slow reader misses the oldest.
    The loop ends when the session is closed or the bus is left, and raises LiveTailTimedOut after three hours.
    """

    def __init__(
        self,
        session_id: str,
        clock: Clock,
        sessions: set[LiveTail],
        wanted: Wanted,
        followers: Sequence[FollowedGroup],
    ) -> None:
        self.session_id = session_id
        self._clock = clock
        self._sessions = sessions
        self._wanted = wanted
        self._followers = followers
        self._updates: deque[LiveTailUpdate] = deque()
        self._waiting_events = 0
        self._woken: Wakeup | None = None
        self._timer: Timer | None = None
        self._opened_at = 0.0
        self._ticks = 0
        self._is_open = self._has_timed_out = False

    def __repr__(self) -> str:
        groups = ", ".join(self._wanted.groups)
        return f"<LiveTail of {groups}: {'open' if self._is_open else 'closed'}, {len(self._updates)} updates waiting>"

    def __enter__(self) -> Self:
        if len(self._sessions) >= SESSIONS:
            raise LiveTailLimitExceeded(f"There are {SESSIONS} Live Tail sessions already.", mend="close one of them")
        self._opened_at = self._clock.now()
        self._sessions.add(self)
        for follower in self._followers:
            follower.ended = self.close
            follower.__enter__()
        self._is_open = True
        self._wait_for_tick()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self._updates.clear()

    def close(self) -> None:
        """End the session. Updates that wait can still be read; closing twice does nothing."""
        if not self._is_open:
            return
        self._is_open = False
        self._sessions.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        for follower in self._followers:
            follower.__exit__(None, None, None)
        self._wake()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> LiveTailUpdate:
        if self._updates or not self._is_open:
            await checkpoint()
        while not self._updates:
            if self._has_timed_out:
                raise LiveTailTimedOut
            if not self._is_open:
                raise StopAsyncIteration
            self._woken = self._clock.wakeup()
            await self._woken.wait()
        update = self._updates.popleft()
        self._waiting_events -= len(update.events)
        return update

    # -- every second -------------------------------------------------------------------------------------------------

    def _wait_for_tick(self) -> None:
        self._ticks += 1
        self._timer = self._clock.call_at(self._opened_at + self._ticks * EVERY, self._tick)

    def _tick(self) -> None:
        """A second has passed: gather what was written, whether somebody is ready for it or not."""
        self._put(self._gathered())
        if self._ticks * EVERY >= LONGEST:
            self._has_timed_out = True
            self.close()
        else:
            self._wait_for_tick()
            self._wake()

    def _gathered(self) -> LiveTailUpdate:
        dropped = sum(follower.dropped for follower in self._followers)
        found = [
            TailedEvent(follower.group, event)
            for follower in self._followers
            for event in follower.taken()
            if self._wanted.has(event.stream)
        ]
        for follower in self._followers:
            follower.dropped = 0
        found.sort(key=lambda one: one.event.ingested_at)
        shown = sampled(found)
        return LiveTailUpdate(shown, is_sampled=len(shown) < len(found) or dropped > 0)

    def _put(self, update: LiveTailUpdate) -> None:
        self._updates.append(update)
        self._waiting_events += len(update.events)
        while len(self._updates) > WAITING_UPDATES or self._waiting_events > WAITING_EVENTS:
            self._waiting_events -= len(self._updates.popleft().events)

    def _wake(self) -> None:
        if self._woken is not None:
            self._woken.set()
