"""CloudWatch-like logs: a group per function, a stream per environment, the platform's lines around the handler's own.

The logs of functions are rendered from the journal when they are read; groups of your own keep what you put there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from eventbus.telemetry.embedded import measurements
from eventbus.telemetry.errors import LogGroupNotFound, LogStreamExists
from eventbus.telemetry.filter_patterns import compile_pattern
from eventbus.telemetry.following import LogFollower
from eventbus.telemetry.journal import grouped
from eventbus.telemetry.live_tail import FollowedGroup, LiveTail, Wanted
from eventbus.telemetry.log_access import LogAccess
from eventbus.telemetry.log_event import LogEvent
from eventbus.telemetry.log_groups import LogGroups, RejectedLogEvents, check_retention, check_stream_name
from eventbus.telemetry.platform_log import invocation, kept_lines, log_of
from eventbus.telemetry.readable_logs import EVER, ReadableLogs

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.delivery.event import Attempt
    from eventbus.telemetry.journal import Groups
    from eventbus.telemetry.metrics import Metrics

F = TypeVar("F", bound=LogFollower)


class Logs(ReadableLogs):
    """`bus.logs`: the log groups of all functions, and groups of your own."""

    def __init__(self, bus: EventBus, metrics: Metrics, limit: int) -> None:
        self._bus = bus
        self._metrics = metrics
        self._journal = bus.journal
        self._access = LogAccess(bus)
        self.made = LogGroups(limit)
        """Groups that somebody made, functions included."""
        self._followers: set[LogFollower] = set()
        self._sessions: set[LiveTail] = set()
        bus.journal.logs = self._take_over

    def __repr__(self) -> str:
        groups = ", ".join(self.groups()) or "empty"
        forgotten = f"; {self._journal.forgotten} earlier invocations are forgotten" if self._journal.forgotten else ""
        return f"<Logs: {groups}{forgotten}>"

    # -- reading ----------------------------------------------------------------------------------------------------

    def groups(self) -> list[str]:
        """The names of the log groups that hold something, `/aws/lambda/<function>`, and of those that you made."""
        written = {a.environment.lane.log_group for a in self._journal.logged() if a.environment is not None}
        own = {name for name in self.made if (group := self.made.get(name)) and (group.is_own or group.events)}
        return sorted(own | {name for name in written if not self._may_expire(name) or any(self.events(name))})

    def streams(self, group: str) -> list[str]:
        """The names of a group's streams, one per environment, and of those that you made."""
        own = self.made.get(self._named(group))
        return list(dict.fromkeys([*(own.streams if own else ()), *(event.stream for event in self.events(group))]))

    def events(
        self,
        group: str,
        filter_pattern: str = "",
        *,
        stream: str | None = None,
        start: float = -EVER,
        end: float = EVER,
    ) -> Iterator[LogEvent]:
        """The events of a group, oldest first, that a filter pattern wants.

        `group` is a name as in `groups()`, or a function's name; `stream` a stream's name; `start` and `end`, both
        inclusive, are seconds since the epoch. A group that does not exist has no events. Raises InvalidFilterPattern.
        """
        matches = compile_pattern(filter_pattern)
        name = self._named(group)
        own = self.made.get(name)
        first = start if own is None else max(start, own.begins_at(self._bus.clock.now()))
        events = [event for attempt in self._journal.logged() for event in self._of(attempt, name)]
        events.extend(own.events if own is not None else ())
        events.sort(key=lambda event: event.at)
        return (
            event
            for event in events
            if first <= event.at <= end and stream in (None, event.stream) and matches(event.message)
        )

    def filter(
        self,
        group: str,
        filter_pattern: str,
        *,
        limit: int | None = None,
        stream: str | None = None,
        start: float = -EVER,
        end: float = EVER,
    ) -> list[LogEvent]:
        """The first `limit` events that a filter pattern wants, oldest first; all without a limit. See `events`."""
        return list(islice(self.events(group, filter_pattern, stream=stream, start=start, end=end), limit))

    def tail(
        self,
        group: str,
        limit: int | None = None,
        *,
        filter_pattern: str = "",
        stream: str | None = None,
        start: float = -EVER,
        end: float = EVER,
    ) -> list[LogEvent]:
        """The last `limit` events of a group, oldest first; all that are kept without a limit. See `events`."""
        events = self.filter(group, filter_pattern, stream=stream, start=start, end=end)
        return events if limit is None else events[max(0, len(events) - limit) :]

    def text(self, group: str) -> str:
        """The messages of a group as one text."""
        return "".join(event.message for event in self.events(group))

    def of_attempt(self, attempt: Attempt) -> str:
        """The log of one invocation, without its environment's initialisation: what a direct caller may have."""
        lines = invocation(attempt, self._bus.ids.request_id(attempt.number), self._bus.billing_unit)
        return "".join(event.message for event in lines)

    def follow(self, group: str, filter_pattern: str = "") -> LogFollower:
        """Follow a group from now on: `with bus.logs.follow("f") as events: async for event in events: …`.

        An invocation's events come when it has ended. Raises InvalidFilterPattern.
        """
        return self._follower(LogFollower, group, compile_pattern(filter_pattern))

    def live_tail(
        self,
        groups: Sequence[str],
        filter_pattern: str = "",
        *,
        streams: Sequence[str] = (),
        stream_prefixes: Sequence[str] = (),
    ) -> LiveTail:
        """A session that shows what is written to up to ten groups, every second: StartLiveTail.

        `with bus.logs.live_tail(["app"]) as session: async for update in session: …`. Of one group, `streams` or
        `stream_prefixes` choose streams. Raises LogGroupNotFound, InvalidLogParameter or InvalidFilterPattern; entering
        raises LiveTailLimitExceeded where there are fifteen sessions.
        """
        self._bus.accepting("live_tail")
        wanted = Wanted(groups, streams, stream_prefixes)
        for group in groups:
            self._authorize("StartLiveTail", group)
            self._existing(group)
        matches = compile_pattern(filter_pattern)
        followers = [self._follower(FollowedGroup, group, matches) for group in dict.fromkeys(groups)]
        return LiveTail(self._bus.ids.uuid(), self._bus.clock, self._sessions, wanted, followers)

    def _follower(self, kind: type[F], group: str, matches: Callable[[str], bool]) -> F:
        name = self._named(group)

        def render(attempts: list[Attempt]) -> list[LogEvent]:
            written = self._access.writable(attempts, grouped(attempts))
            return [event for attempt in written for event in self._of(attempt, name)]

        return kind(self._journal, self._followers, render, matches, name)

    # -- groups of your own -----------------------------------------------------------------------------------------

    def create_log_group(self, name: str) -> None:
        """Make a log group. Raises InvalidLogParameter for a bad name, LogGroupExists for one that is taken."""
        self._authorize("CreateLogGroup", name)
        self.made.create(name, self._bus.clock.now()).is_own = True

    def delete_log_group(self, name: str) -> None:
        """Delete a log group with all its events; a function's comes back with its next invocation.

        Raises LogGroupNotFound.
        """
        self._authorize("DeleteLogGroup", name)
        name = self._existing(name)
        self._journal.forget(name)
        self.made.delete(name)

    def create_log_stream(self, group: str, stream: str) -> None:
        """Make a stream in a group.

        Raises LogGroupNotFound, InvalidLogParameter for a bad name, LogStreamExists for one that is taken.
        """
        self._authorize("CreateLogStream", group, stream)
        check_stream_name(stream)
        now, name = self._bus.clock.now(), self._existing(group)
        if stream in self.streams(name):
            raise LogStreamExists("The specified log stream already exists")
        self.made.open(name, now).streams[stream] = now

    def put_log_events(self, group: str, stream: str, events: Iterable[tuple[float, str]]) -> RejectedLogEvents:
        """Write events, pairs of an instant in seconds and a message, into a stream; returns what was left out.

        Raises LogGroupNotFound without group or stream, InvalidLogParameter for a batch that CloudWatch Logs refuses:
        out of order, over more than 24 hours, more than 10,000 events or 1 MB.
        """
        self._authorize("PutLogEvents", group, stream)
        now = self._bus.clock.now()
        taken, rejected = self.made.open(self._existing(group), now).take(stream, list(events), now)
        self._metrics.measured(m for event in taken for m in measurements(event.message))
        for follower in self._followers:
            if follower.group == self._named(group):
                follower.written(taken)
        return rejected

    def put_retention_policy(self, group: str, days: int) -> None:
        """Let events of a group expire after so many days, by the bus's clock.

        Raises InvalidLogParameter for a number of days that AWS does not accept, LogGroupNotFound.
        """
        self._authorize("PutRetentionPolicy", group)
        check_retention(days)
        self.made.open(self._existing(group), self._bus.clock.now()).retention_days = days

    def delete_retention_policy(self, group: str) -> None:
        """Keep the events of a group forever. Raises LogGroupNotFound."""
        self._authorize("DeleteRetentionPolicy", group)
        self.made.open(self._existing(group), self._bus.clock.now()).retention_days = None

    def tags(self, group: str) -> dict[str, str]:
        """The tags of a group, which you may change. Raises LogGroupNotFound."""
        return self.made.open(self._existing(group), self._bus.clock.now()).tags

    def retention(self, group: str) -> int | None:
        """After how many days the events of a group expire; None for never. Raises LogGroupNotFound."""
        found = self.made.get(self._existing(group))
        return None if found is None else found.retention_days

    # -- inside -----------------------------------------------------------------------------------------------------

    def _named(self, group: str) -> str:
        """The group that a name stands for: its own, or that of a function of this name."""
        if group.startswith("/") or group in self.made:
            return group
        function = self._bus.functions.get(group)
        return f"/aws/lambda/{group}" if function is None else function.lane.log_group

    def _existing(self, group: str) -> str:
        self._journal.logged()
        name = self._named(group)
        if name not in self.made:
            raise LogGroupNotFound(
                "The specified log group does not exist.",
                mend=f"call bus.logs.create_log_group({name!r}); a function's group is made by its first invocation",
            )
        return name

    def _may_expire(self, group: str) -> bool:
        found = self.made.get(group)
        return found is not None and found.retention_days is not None

    def _of(self, attempt: Attempt, group: str) -> list[LogEvent]:
        """What an attempt wrote to a group."""
        environment = attempt.environment
        if environment is None or environment.lane.log_group != group:
            return []
        return log_of(attempt, self._bus.ids.request_id(attempt.number), self._bus.billing_unit)

    def _take_over(self, attempts: list[Attempt], groups: Groups) -> list[Attempt]:
        """A batch of attempts: what of it the logs keep, and the metrics that are written in it."""
        writable = self._access.writable(attempts, groups)
        for attempt in [attempt for attempt in writable if attempt.lines]:
            self._metrics.measured(m for line in kept_lines(attempt) for m in measurements(line))
        return writable

    def _authorize(self, action: str, group: str, stream: str | None = None) -> None:
        bus = self._bus
        arn = f"arn:{bus.partition}:logs:{bus.region}:{bus.account_id}:log-group:{self._named(group)}"
        # What is about a whole group is about a stream without a name, so that a policy for "...:group:*" allows it.
        bus.authorize(f"logs:{action}", f"{arn}:log-stream:{stream or ''}", None, '"*"')


def last_bytes(text: str, limit: int) -> str:
    """The end of a text, so that it has at most `limit` bytes of UTF-8."""
    return text.encode(errors="replace")[-limit:].decode(errors="ignore")
