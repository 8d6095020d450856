"""What CloudWatch Logs answers about groups, streams and events in its own terms: page by page, for who may read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from eventbus.telemetry.errors import InvalidLogParameter, LogGroupNotFound
from eventbus.telemetry.filter_patterns import compile_pattern
from eventbus.telemetry.log_event import LogEvent, milliseconds
from eventbus.telemetry.log_pages import MOST_EVENTS, FoundEvents, LogPage, numbered, page_of_group, page_of_stream

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.telemetry.log_groups import LogGroup, LogGroups

EVER = float("inf")


class ReadableLogs(ABC):
    """Reading in CloudWatch Logs' terms. Inside a handler the function's role needs the permission (`logs:...`)."""

    made: LogGroups
    _bus: EventBus

    @abstractmethod
    def _groups(self) -> list[str]:
        """The names of the log groups, for whoever may know them."""

    @abstractmethod
    def _streams(self, name: str) -> list[str]:
        """The names of a group's streams, for whoever may know them."""

    @abstractmethod
    def _read(self, name: str) -> list[LogEvent]:
        """The events of a group, oldest first, for whoever may read them."""

    @abstractmethod
    def _existing(self, group: str) -> str:
        """The name of a group that is there. Raises LogGroupNotFound."""

    @abstractmethod
    def _authorize(self, action: str, group: str, stream: str | None = None) -> None:
        """Raise AccessDenied unless the caller may."""

    def get_log_events(
        self,
        group: str,
        stream: str,
        *,
        start: float = -EVER,
        end: float = EVER,
        limit: int = MOST_EVENTS,
        token: str | None = None,
        from_head: bool = False,
    ) -> LogPage:
        """The last events of a stream, or the first ones with `from_head`: GetLogEvents.

        `start` (inclusive) and `end` (exclusive) are seconds since the epoch. A page has `next_forward_token` and
        `next_backward_token`, one of which is the `token` of another call; the same token again says that there is
        nothing more. Raises LogGroupNotFound, InvalidLogParameter.
        """
        self._authorize("GetLogEvents", group, stream)
        self._check_stream(group, stream)
        chosen = [
            e
            for e in numbered(self._read(self._existing(group)))
            if e.event.stream == stream and start <= e.event.at < end
        ]
        return page_of_stream(chosen, token, limit, from_head=from_head)

    def filter_log_events(
        self,
        group: str,
        filter_pattern: str = "",
        *,
        streams: Collection[str] | None = None,
        stream_prefix: str = "",
        start: float = -EVER,
        end: float = EVER,
        limit: int = MOST_EVENTS,
        token: str | None = None,
    ) -> FoundEvents:
        """The events of a group that a filter pattern wants, page by page: FilterLogEvents.

        Of these streams, or of those whose names begin so; `start` and `end`, both inclusive, are seconds since the
        epoch. Raises LogGroupNotFound, InvalidLogParameter, InvalidFilterPattern.
        """
        self._authorize("FilterLogEvents", group)
        self._existing(group)
        if streams and stream_prefix:
            raise InvalidLogParameter("Only one of logStreamNames and logStreamNamePrefix can be given.")
        for stream in streams or ():
            self._check_stream(group, stream)
        matches = compile_pattern(filter_pattern)
        chosen = [
            e
            for e in numbered(self._read(self._existing(group)))
            if start <= e.event.at <= end
            and (not streams or e.event.stream in streams)
            and e.event.stream.startswith(stream_prefix)
            and matches(e.event.message)
        ]
        return page_of_group(chosen, token, limit)

    def describe_log_groups(self) -> list[dict[str, Any]]:
        """Every group in boto3's shape, by name: DescribeLogGroups; instants are milliseconds since the epoch."""
        self._authorize("DescribeLogGroups", "")
        return [self._described(name, self.made.get(name)) for name in self._groups()]

    def _described(self, name: str, group: LogGroup | None) -> dict[str, Any]:
        events = self._read(name)
        created_at = group.created_at if group is not None else events[0].at
        arn = self._group_arn(name)
        document = {
            "logGroupName": name,
            "creationTime": milliseconds(created_at),
            "metricFilterCount": 0,
            "arn": f"{arn}:*",
            "logGroupArn": arn,
            "logGroupClass": "STANDARD",
            "storedBytes": sum(len(event.message.encode(errors="replace")) for event in events),
        }
        if group is not None and group.retention_days is not None:
            document["retentionInDays"] = group.retention_days
        return document

    def describe_log_streams(self, group: str) -> list[dict[str, Any]]:
        """Every stream of a group in boto3's shape, by name: DescribeLogStreams. Raises LogGroupNotFound."""
        self._authorize("DescribeLogStreams", group)
        name = self._existing(group)
        made, by_stream = self.made.get(name), dict[str, list[Any]]()
        for event in self._read(name):
            by_stream.setdefault(event.stream, []).append(event)
        described = []
        for stream in sorted(self._streams(name)):
            events = by_stream.get(stream, [])
            own = None if made is None else made.streams.get(stream)
            created_at = events[0].at if own is None else own
            document = {
                "logStreamName": stream,
                "creationTime": milliseconds(created_at),
                "arn": f"{self._group_arn(name)}:log-stream:{stream}",
                "storedBytes": 0,
            }
            if events:
                document["firstEventTimestamp"] = milliseconds(events[0].at)
                document["lastEventTimestamp"] = milliseconds(events[-1].at)
                document["lastIngestionTime"] = milliseconds(max(event.ingested_at for event in events))
            described.append(document)
        return described

    def delete_log_stream(self, group: str, stream: str) -> None:
        """Delete a stream that you made, with its events: DeleteLogStream. Raises LogGroupNotFound.

        That of an environment goes with its group only: InvalidLogParameter.
        """
        self._authorize("DeleteLogStream", group, stream)
        self._check_stream(group, stream)
        made = self.made.get(self._existing(group))
        if made is None or stream not in made.streams:
            raise InvalidLogParameter(
                f"The log stream {stream} is an environment's.", mend=f"call bus.logs.delete_log_group({group!r})"
            )
        made.forget(stream)

    def _check_stream(self, group: str, stream: str) -> None:
        if stream not in self._streams(self._existing(group)):
            raise LogGroupNotFound("The specified log stream does not exist.")

    def _group_arn(self, name: str) -> str:
        bus = self._bus
        return f"arn:{bus.partition}:logs:{bus.region}:{bus.account_id}:log-group:{name}"
