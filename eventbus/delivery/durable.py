"""Events and dead letters in a store: what a bus with `store=` does beyond one without.

    accepted ──► row written ──► safe: queued in memory, or, when that is full, left on disk until there is room
                                   │
         retry: row rewritten ◄────┤  attempt
                                   └──► ended: row deleted (and a dead letter's written, in the same transaction)

An event is run only when its row is safe, so a publish that fails never triggers. An event that was running when the
process died is run again. Its attempt cannot have been counted, so from then on every attempt is written down before it
begins: an event that kills the process is given up like any other that fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from eventbus.delivery.dead_letters import DeadLetter
from eventbus.delivery.event import Event, State
from eventbus.delivery.payload import Encoded, encode
from eventbus.delivery.retry import Reason
from eventbus.delivery.targets import Source
from eventbus.storage.batches import BatchLog, Space

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.delivery.lane import Lane
    from eventbus.functions.invocable import Invocable
    from eventbus.storage.port import Store

NUMBERS = 1_000_000
"""Event numbers are taken from the store in blocks of this size: none is used twice, for one write per block."""
CHUNK = 256
"""Events that are read from the store between two turns of the event loop."""


class DurableEvents:
    """The events and dead letters of one bus, in its store."""

    def __init__(self, bus: EventBus, store: Store) -> None:
        self._bus = bus
        self._store = store
        self._log: BatchLog
        self._events: Space[int]
        self._letters: Space[int]
        self._facts: Space[str]
        self._first = self._reserved = 0
        self.undeclared: dict[str, list[int]] = {}
        """Numbers of events that wait for the function, version or alias of this name (`f`, `f:7`) to be declared."""

    # -- numbers and keys -------------------------------------------------------------------------------------------

    def open(self) -> int:
        """Take over what the opened store says of the bus; returns the first number that was never used."""
        store = self._store
        self._log = store.log
        self._events, self._letters = store.integers("events"), store.integers("dead_letters")
        self._facts = store.texts("bus")
        key = self._facts.get("request_id_key")
        if key is None:
            self._facts.put("request_id_key", str(self._bus.ids.key).encode())
        else:
            self._bus.ids.key = int(key)
        starts = int(self._facts.get("starts") or 0)
        self._facts.put("starts", str(starts + 1).encode())
        if starts:
            self._bus.ids.begin_again(starts)
        first = self._first = self._reserved = int(self._facts.get("next_number") or 0)
        self.reserve(first + 1)
        return first

    def reserve(self, number: int) -> None:
        """Make sure that no later bus on this file uses this number."""
        if number > self._reserved:
            self._reserved += NUMBERS
            self._facts.put("next_number", str(self._reserved).encode())

    # -- the way of an event ----------------------------------------------------------------------------------------

    def accept(self, event: Event) -> None:
        """Write an event down; it is queued when it is safe, and taken back if it cannot be written."""
        self.reserve(event.number)
        self._events.put(event.number, self._row(event), undo=partial(self._take_back, event), is_new=True)
        self._log.when_safe(partial(self._queue, event))

    def _queue(self, event: Event) -> None:
        if event.state is State.QUEUED:
            event.lane.receive(event)

    def _take_back(self, event: Event) -> None:
        event.state = State.REFUSED
        event.body = event.copy = None
        self._bus.outstanding -= 1
        self._bus.uncounted += 1
        self._bus.notice_rest()

    def retrying(self, event: Event, due_at: float) -> None:
        """An event waits for its next attempt."""
        self._events.put(event.number, self._row(event, due_at))

    def begins(self, event: Event) -> None:
        """An attempt is about to begin that must be counted even if nobody lives to see its end."""
        self._events.put(event.number, self._row(event))

    def ended(self, event: Event, letter: DeadLetter | None) -> None:
        """An event is finished, or became a dead letter."""
        self._events.delete(event.number)
        if letter is not None:
            self._letters.put(event.number, _letter_row(letter))

    def letter_left(self, number: int, undo: Callable[[], None]) -> None:
        """A dead letter was redriven or cleared."""
        self._letters.delete(number, undo=undo)

    def facts(self) -> AbstractContextManager[None]:
        """What is changed within the block is not taken back."""
        return self._log.facts()

    async def synced(self) -> None:
        """Wait until everything so far is safe. Raises StoreUnavailable if it could not be written."""
        await self._log.synced()

    @property
    def has_followers(self) -> bool:
        """Whether something waits to begin until something else is safe."""
        return self._log.has_followers

    async def followed(self) -> None:
        """Wait until all of that has begun, or was taken back."""
        await self._log.followed()

    def load(self, number: int, lane: Lane) -> Event | None:
        """Read one event that was left in the store."""
        row = self._events.get(number)
        if row is None:
            return None
        event = self._event(number, row, lane, self._bus.named(orjson.loads(row.partition(b"\n")[0])[0]))[0]
        event.is_recovered = number <= self._first
        event.needs_care = event.needs_care or event.is_recovered or self._bus.faults is not None
        return event

    def body(self, number: int) -> Encoded:
        """The payload of an event whose envelope was kept without it."""
        row = self._events.get(number)
        if row is None:
            raise RuntimeError(f"event {number} is not in the store: a fault of eventbus")
        return row.partition(b"\n")[2]

    # -- after a restart --------------------------------------------------------------------------------------------

    async def restore(self) -> None:
        """Take up every event of earlier processes, oldest first, a chunk at a time; what can run begins at once."""
        bus = self._bus
        if not bus.is_running:
            return  # left before the first turn: the store is closed
        rows = self._events.scan(chunk=CHUNK)
        for read, (number, row) in enumerate(rows, 1):
            if number > self._first:
                break  # accepted by this very bus
            self._take_up(number, row)
            if read % CHUNK == 0 and not await bus.turn():
                return
        for name, numbers in self.undeclared.items():
            bus.log.warning(
                "events_wait_for_undeclared_function", function=name, count=len(numbers), mend="declare the function"
            )

    def restore_letters(self) -> Iterator[DeadLetter]:
        """The dead letters that the file holds."""
        for number, row in self._letters.scan():
            yield self._letter(number, row)

    def declared(self, target: Invocable) -> None:
        """Something was declared for which events may wait."""
        for number in self.undeclared.pop(target.name, ()):
            row = self._events.get(number)
            if row is not None:
                self._take_up(number, row)

    def _take_up(self, number: int, row: bytes) -> None:
        name = orjson.loads(row.partition(b"\n")[0])[0]
        target = self._bus.named(name)
        if target is None:
            self.undeclared.setdefault(name, []).append(number)
            return
        lane = target.lane
        event, due_at = self._event(number, row, lane, target)
        event.is_recovered = event.needs_care = True
        self._bus.took_up(event)
        if due_at > self._bus.clock.now():
            lane.wait_until(event, due_at)
        else:
            lane.put_or_leave(event)

    # -- rows -------------------------------------------------------------------------------------------------------

    def _row(self, event: Event, due_at: float = 0.0) -> bytes:
        """One line of JSON about the envelope, then the payload as it is."""
        source = event.source
        actor = source.actor
        body = event.body
        if body is None:
            body = self.body(event.number)
        elif not isinstance(body, bytes):
            body = body if isinstance(body, str) else encode(event.payload())
        head = orjson.dumps(
            [
                event.addressed.name,
                event.at,
                event.hops,
                event.attempts,
                event.throttles,
                due_at,
                [source.principal, source.arn, source.account, source.label, actor],
                isinstance(body, str),
            ]
        )
        return head + b"\n" + (body if isinstance(body, bytes) else body.encode())

    def _event(self, number: int, row: bytes, lane: Lane, target: Invocable | None) -> tuple[Event, float]:
        head, _, body = row.partition(b"\n")
        _, at, hops, attempts, throttles, due_at, source, is_text = orjson.loads(head)
        event = Event(at, None, hops, number, lane, self._source(source), body.decode() if is_text else body)
        event.attempts = attempts
        event.throttles = throttles
        if target is not None and target is not lane.target:
            event.address_to(target)
        return event, due_at

    def _source(self, row: list[Any]) -> Source:
        return self._bus.sender(*row)

    def _letter(self, number: int, row: bytes) -> DeadLetter:
        head, _, body = row.partition(b"\n")
        fields = orjson.loads(head)
        return DeadLetter(
            reason=Reason(fields["reason"]),
            attempts=fields["attempts"],
            error=fields["error"],
            error_document=fields["error_document"],
            source=fields["source"],
            target=fields["target"],
            request_id=self._bus.ids.request_id(number),
            accepted_at=fields["accepted_at"],
            dead_at=fields["dead_at"],
            body=body.decode() if fields["is_text"] else body,
            number=number,
            sender=self._source(fields["sender"]),
            cause=None,
        )


def _letter_row(letter: DeadLetter) -> bytes:
    sender = letter.sender
    body = letter.body
    head = orjson.dumps(
        {
            "reason": letter.reason.value,
            "attempts": letter.attempts,
            "error": letter.error,
            "error_document": letter.error_document,
            "source": letter.source,
            "target": letter.target,
            "accepted_at": letter.accepted_at,
            "dead_at": letter.dead_at,
            "sender": [sender.principal, sender.arn, sender.account, sender.label, sender.actor],
            "is_text": isinstance(body, str),
        }
    )
    return head + b"\n" + (body if isinstance(body, bytes) else body.encode())
