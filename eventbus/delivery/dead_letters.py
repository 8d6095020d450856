"""Every event that the bus gave up on, with the reason, until somebody redrives or clears it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import attrs

from eventbus.delivery.payload import Encoded, compact, decode, encode
from eventbus.delivery.retry import EXPLANATIONS, Reason

if TYPE_CHECKING:
    from eventbus.delivery.event import Event
    from eventbus.delivery.targets import Source
    from eventbus.execution.outcome import Failed
    from eventbus.telemetry.trace import Cause


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
    """The ARN of the function, version or alias."""
    request_id: str
    accepted_at: float
    """Seconds since the epoch."""
    dead_at: float
    number: int
    body: Encoded
    """The payload as it was encoded; `payload` is what to read."""
    sender: Source
    cause: Cause | None
    """The event, as a node of the trace; None when the letter comes from an earlier process."""

    @property
    def payload(self) -> Any:
        """The payload, a fresh copy each time."""
        return decode(self.body)

    def __repr__(self) -> str:
        return f"<DeadLetter {self.reason} for {self.target}: {self.attempts} attempts, {self.error!r}>"


def letter_of(event: Event, failure: Failed | None) -> DeadLetter:
    """The letter of an event that was given up."""
    source, body = event.source, event.body
    reason = event.reason or Reason.RETRIES_EXHAUSTED
    return DeadLetter(
        reason=reason,
        attempts=event.attempts,
        error=str(failure) if failure is not None else event.note or EXPLANATIONS[reason],
        error_document=None if failure is None else dict(failure.document),
        source=source.arn or source.principal,
        target=event.addressed.arn,
        request_id=event.request_id,
        accepted_at=event.at,
        dead_at=event.lane.bus.clock.now(),
        number=event.number,
        body=compact(body) if isinstance(body, (bytes, str)) else encode(event.payload()),
        sender=source,
        cause=event,
    )


class DeadLetters(Sequence[DeadLetter]):
    """The dead-letter list: oldest first; a sequence that also knows `clear()`."""

    def __init__(self, left: Callable[[int, Callable[[], None]], None] | None = None) -> None:
        self._letters: dict[int, DeadLetter] = {}
        self._left = left

    def add(self, letter: DeadLetter) -> None:
        """Keep a letter; called by the engine."""
        self._letters[letter.number] = letter

    def take(self, letter: DeadLetter) -> None:
        """Remove a letter from the list. Raises ValueError if it isn't there."""
        if letter not in self:
            raise ValueError(f"{letter!r} is not in the dead-letter list")
        self._take(letter, list(self._letters).index(letter.number))

    def _take(self, letter: DeadLetter, place: int) -> None:
        del self._letters[letter.number]
        if self._left is not None:
            self._left(letter.number, lambda: self._put_back(letter, place))

    def _put_back(self, letter: DeadLetter, place: int) -> None:
        """Undo `take`: the store could not write it down."""
        letters = list(self._letters.items())
        letters.insert(place, (letter.number, letter))
        self._letters = dict(letters)

    def clear(self) -> None:
        """Forget all letters."""
        for place, letter in reversed(list(enumerate(self))):
            self._take(letter, place)

    def __contains__(self, letter: object) -> bool:
        return isinstance(letter, DeadLetter) and self._letters.get(letter.number) is letter

    def __len__(self) -> int:
        return len(self._letters)

    @overload
    def __getitem__(self, index: int) -> DeadLetter: ...
    @overload
    def __getitem__(self, index: slice) -> list[DeadLetter]: ...
    def __getitem__(self, index: int | slice) -> DeadLetter | list[DeadLetter]:
        return list(self._letters.values())[index]

    def __iter__(self) -> Iterator[DeadLetter]:
        return iter(list(self._letters.values()))

    def __repr__(self) -> str:
        return f"<DeadLetters: {len(self)}>"
