"""Every event that the bus gave up on, with the reason, until somebody redrives or clears it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import attrs

from eventbus.delivery.payload import Encoded, decode, encode
from eventbus.delivery.retry import Reason

if TYPE_CHECKING:
    from eventbus.delivery.event import Event
    from eventbus.execution.outcome import Failed


@attrs.frozen(repr=False, eq=False)
class DeadLetter:
    """One event that the bus gave up on."""

    reason: Reason
    """Why: `RetriesExhausted`, `EventAgeExceeded`, `AccessDenied`, … ; compares equal to that text."""
    attempts: int
    """How often the handler was run."""
    error: str
    """The last error, as `ValueError: boom`; for a denial the sentence that says who may not do what, and the mending
    call."""
    error_document: dict[str, Any] | None
    """The last error as the document that AWS makes of it, or None if the handler never ran."""
    source: str
    """The ARN of what triggered it, or its principal where it has none."""
    target: str
    """The function's ARN."""
    request_id: str
    accepted_at: float
    """Seconds since the epoch."""
    dead_at: float
    _body: Encoded
    _event: Event

    @property
    def payload(self) -> Any:
        """The payload, a fresh copy each time."""
        return decode(self._body)

    def __repr__(self) -> str:
        return f"<DeadLetter {self.reason} for {self.target}: {self.attempts} attempts, {self.error!r}>"


class DeadLetters(Sequence[DeadLetter]):
    """The dead-letter list: oldest first; a sequence that also knows `clear()`."""

    def __init__(self) -> None:
        self._letters: list[DeadLetter] = []

    def add(self, event: Event, failure: Failed | None, now: float | None = None) -> None:
        """Keep an event that was given up; called by the engine."""
        source = event.source
        self._letters.append(
            DeadLetter(
                reason=event.reason or Reason.RETRIES_EXHAUSTED,
                attempts=event.attempts,
                error=str(failure) if failure is not None else event.note,
                error_document=None if failure is None else dict(failure.document),
                source=source.arn or source.principal,
                target=event.lane.arn,
                request_id=event.request_id,
                accepted_at=event.at,
                dead_at=event.lane.bus.clock.now(),
                body=event.body if isinstance(event.body, (bytes, str)) else encode(event.payload()),
                event=event,
            )
        )

    def take(self, letter: DeadLetter) -> Event:
        """Remove a letter from the list and return its event. Raises ValueError if it isn't there."""
        self._letters.remove(letter)
        return letter._event

    def clear(self) -> None:
        """Forget all letters."""
        self._letters.clear()

    def __len__(self) -> int:
        return len(self._letters)

    @overload
    def __getitem__(self, index: int) -> DeadLetter: ...
    @overload
    def __getitem__(self, index: slice) -> list[DeadLetter]: ...
    def __getitem__(self, index: int | slice) -> DeadLetter | list[DeadLetter]:
        return self._letters[index]

    def __iter__(self) -> Iterator[DeadLetter]:
        return iter(list(self._letters))

    def __repr__(self) -> str:
        return f"<DeadLetters: {len(self)}>"
