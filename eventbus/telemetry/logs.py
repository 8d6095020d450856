"""CloudWatch-like logs: a group per function, a stream per environment, the platform's lines around the handler's own.

Everything is rendered from the journal when it is read. Formats: recorded log events and Lambda developer guide,
"Using CloudWatch logs with Lambda" (2026).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs

from eventbus.execution.outcome import Failed
from eventbus.telemetry.journal import Journal

if TYPE_CHECKING:
    from eventbus.delivery.event import Attempt
    from eventbus.ids import Ids


@attrs.frozen
class LogEvent:
    """One line of a log stream."""

    at: float
    """Seconds since the epoch."""
    stream: str
    message: str
    """The text, with the line's end as on AWS."""
    request_id: str


class Logs:
    """`bus.logs`: the log groups of all functions."""

    def __init__(self, journal: Journal, ids: Ids) -> None:
        self._journal = journal
        self._ids = ids

    def __repr__(self) -> str:
        groups = ", ".join(self.groups()) or "empty"
        forgotten = f"; {self._journal.forgotten} earlier invocations are forgotten" if self._journal.forgotten else ""
        return f"<Logs: {groups}{forgotten}>"

    def groups(self) -> list[str]:
        """The names of the log groups that hold something, `/aws/lambda/<function>`."""
        attempts = self._journal.attempts()
        return sorted({a.environment.lane.log_group for a in attempts if a.environment is not None})

    def streams(self, group: str) -> list[str]:
        """The names of a group's streams, one per environment."""
        return list(dict.fromkeys(event.stream for event in self.tail(group)))

    def tail(self, group: str, limit: int | None = None) -> list[LogEvent]:
        """The last `limit` events of a group, oldest first; all that are kept without a limit.

        `group` is a name as in `groups()`, or a function's name.
        """
        name = group if group.startswith("/") else f"/aws/lambda/{group}"
        events: list[LogEvent] = []
        for attempt in self._journal.attempts():
            if attempt.environment is not None and attempt.environment.lane.log_group == name:
                events.extend(self._lines(attempt))
        return events if limit is None else events[-limit:]

    def text(self, group: str) -> str:
        """The messages of a group as one text."""
        return "".join(event.message for event in self.tail(group))

    def of_attempt(self, attempt: Attempt) -> str:
        """The log of one invocation."""
        return "".join(event.message for event in self._lines(attempt))

    def _lines(self, attempt: Attempt) -> Iterator[LogEvent]:
        environment = attempt.environment
        assert environment is not None
        lane = environment.lane
        stream, request_id, ended_at = environment.log_stream, self._ids.request_id(attempt.number), attempt.at
        yield LogEvent(attempt.at, stream, f"START RequestId: {request_id} Version: {lane.version}\n", request_id)
        for at, line in attempt.lines or ():
            yield LogEvent(at, stream, line, request_id)
            ended_at = max(ended_at, at)
        is_logged = environment.isolation == "process"  # by the runtime itself
        if isinstance(attempt.outcome, Failed) and attempt.outcome.status == "failure" and not is_logged:
            yield LogEvent(ended_at, stream, error_text(attempt.outcome), request_id)
        yield LogEvent(ended_at, stream, f"END RequestId: {request_id}\n", request_id)
        yield LogEvent(ended_at, stream, report_line(attempt, request_id, lane.configuration.memory), request_id)


def last_bytes(text: str, limit: int) -> str:
    """The end of a text, so that it has at most `limit` bytes of UTF-8."""
    return text.encode(errors="replace")[-limit:].decode(errors="ignore")


def error_text(outcome: Failed) -> str:
    """An uncaught error as the Python runtime logs it."""
    stack = "".join(outcome.document.get("stackTrace", ()))
    trace = f"\nTraceback (most recent call last):\n{stack}".rstrip("\n") if stack else ""
    return f"[ERROR] {outcome.error_type}: {outcome.error_message}{trace}\n"


def report_line(attempt: Attempt, request_id: str, memory: int) -> str:
    """The REPORT line of an attempt. Memory used is not measured in a task or a thread, and reads 0."""
    milliseconds = attempt.duration * 1000
    outcome, status = attempt.outcome, ""
    if isinstance(outcome, Failed) and outcome.status != "failure":
        kind = "" if outcome.status == "timeout" else f"\tError Type: {outcome.reported_type or outcome.error_type}"
        status = f"Status: {outcome.status}{kind}"
    return (
        f"REPORT RequestId: {request_id}\tDuration: {milliseconds:.2f} ms\t"
        f"Billed Duration: {math.ceil(milliseconds)} ms\tMemory Size: {memory} MB\t"
        f"Max Memory Used: {attempt.memory_used} MB\t{status}\n"
    )
