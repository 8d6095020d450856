"""What the bus answers with: values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from eventbus.delivery.event import Event


class Receipt:
    """The bus has accepted an event. Made blank, and filled in by the bus: one is made for every event."""

    __slots__ = ("_event",)

    _event: Event

    @property
    def request_id(self) -> str:
        """The id that every attempt of the event has, in `context.aws_request_id` and in the logs."""
        return self._event.request_id

    def __repr__(self) -> str:
        return f"<Receipt {self.request_id}>"


@attrs.frozen(kw_only=True)
class InvocationResult:
    """What a direct call gets back."""

    status_code: int
    """200, also when the function failed; 202 for an event that was queued, 204 for a dry run."""
    payload: Any
    """What the handler returned, or AWS's error document, as a JSON value."""
    function_error: str | None
    """`Unhandled` when the function failed, else None."""
    executed_version: str | None
    """`$LATEST` or the number of the version that ran, which tells what an alias chose; None if none has."""
    request_id: str
    log_tail: str | None
    """The last 4 KB of the invocation's log, if it was asked for."""


@attrs.frozen(kw_only=True)
class Statistics:
    """Asynchronous events, counted: `accepted` is always the sum of the other five."""

    accepted: int
    finished: int
    dead_lettered: int
    """Given up, whatever became of the letters since."""
    queued: int
    """Ready, or held back until an environment is free."""
    waiting: int
    """Waiting for a retry."""
    running: int
    undeclared: Mapping[str, int] = attrs.field(factory=dict)
    """Events that wait in the store for a function of this name to be declared; not part of `accepted`."""
