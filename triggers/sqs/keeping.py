"""What queues keep in the bus's store.

    sqs                the next number and the key of the receipt handles
    sqs_messages       queue NUL order          → what a message is: written once
    sqs_standings      queue NUL order          → what receiving changes of it: count, visibility; absent before that
    sqs_duplicates     queue NUL group NUL id   → what became of a deduplication id

Whatever a caller does, receiving too, is taken back when it cannot be written: the caller is told that it failed, so
nobody holds the messages, and their counts must not grow. Only that a message's retention has ended, or that its queue
was deleted, is a fact. Messages that other resources send as a consequence of facts are written as such by them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from eventbus.storage.batches import Space
from eventbus.storage.port import Store as BusStore
from triggers.deduplication import DuplicateRows
from triggers.keeping import Numbers, as_row, dumps, from_row, loads, nothing, number_key, owners, rows_of
from triggers.message_attributes import from_json, to_json
from triggers.sqs.messages import SentMessage, Standing, State, StoredMessage

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from triggers.sqs.store import Store

Before = list[tuple[StoredMessage, Standing]]


class Keeping:
    """The spaces of a bus's queues."""

    def __init__(self, bus: EventBus, store: BusStore) -> None:
        facts = store.texts("sqs")
        self.messages = store.texts("sqs_messages")
        self.standings = store.texts("sqs_standings")
        self.duplicates = store.texts("sqs_duplicates")
        self.numbers = Numbers(facts)
        self._log = bus.log
        key = facts.get("handle_key")
        if key is None:
            key = bus.ids.hex(32).encode()
            facts.put("handle_key", key)
        self._key = key

    def tag(self, queue: str) -> str:
        """What the receipt handles of a queue are told by: the same after a restart."""
        return hashlib.sha256(self._key + queue.encode()).hexdigest()[:8].upper()

    def duplicates_of(self, queue: str) -> DuplicateRows[SentMessage]:
        """The rows of a queue's deduplication memory."""
        return DuplicateRows(self.duplicates, queue, SentMessage)

    def warn(self, declared: Mapping[str, Any]) -> None:
        """Say of which queues there are messages that nobody has declared."""
        for name in owners(self.messages):
            if name not in declared:
                self._log.warning("messages_of_undeclared_queue", queue=name, mend=f'call sqs.create_queue("{name}")')


class KeptMessages:
    """The messages of one queue in the store. Told of each change in the same step in which it is made."""

    def __init__(self, keeping: Keeping, queue: str, messages: Store, wake: Callable[[], None]) -> None:
        self._messages: Space[str] = keeping.messages
        self._standings: Space[str] = keeping.standings
        self._queue = queue
        self._live = messages
        self._wake = wake
        self._is_closed = False

    def load(self) -> Iterator[StoredMessage]:
        """The messages that the store holds, in the order of their arrival."""
        standings = {key: loads(row) for key, row in rows_of(self._standings, self._queue)}
        for key, row in rows_of(self._messages, self._queue):
            message = _message(int(key.rpartition("\0")[2], 16), row)
            if key in standings:
                state, *rest = standings[key]
                message.stand((State(state), *rest))
            yield message

    def sent(self, message: StoredMessage) -> None:
        """A message has come in."""
        self._messages.put(self._key(message), _row(message), undo=partial(self._live.take_back, message), is_new=True)

    def received(self, before: Before) -> None:
        """These messages were taken, or left for the dead-letter queue."""
        undo: Callable[[], None] = partial(self._undo, before)
        for message, standing in before:
            if message.state is State.GONE:
                self._messages.delete(self._key(message), undo=undo)
                if standing[3]:
                    self._standings.delete(self._key(message), undo=nothing)
            else:
                self._put_standing(message, undo, is_new=not standing[3])
            undo = nothing

    def hidden(self, message: StoredMessage, standing: Standing) -> None:
        """A message in flight is to be seen at another instant."""
        self._put_standing(message, partial(self._undo, [(message, standing)]))

    def deleted(self, before: Before) -> None:
        """A caller deletes these messages."""
        undo: Callable[[], None] = partial(self._undo, before)
        for message, standing in before:
            self._messages.delete(self._key(message), undo=undo)
            if standing[3]:
                self._standings.delete(self._key(message), undo=nothing)
            undo = nothing

    def expired(self, messages: Iterable[StoredMessage]) -> None:
        """The retention of these messages has ended."""
        for message in messages:
            self._messages.delete(self._key(message))
            self._standings.delete(self._key(message))

    def close(self) -> None:
        """The queue was deleted, with all that it holds."""
        self._is_closed = True
        self.expired(self._live)

    def _put_standing(self, message: StoredMessage, undo: Callable[[], None], *, is_new: bool = False) -> None:
        self._standings.put(self._key(message), dumps(message.standing()), undo=undo, is_new=is_new)

    def _undo(self, before: Before) -> None:
        if self._is_closed:
            # it was deleted after all, with the queue
            self.expired(message for message, _ in before)
            return
        for message, standing in before:
            self._live.put_back(message, standing)
        self._wake()

    def _key(self, message: StoredMessage) -> str:
        return number_key(self._queue, message.order)


def _row(message: StoredMessage) -> bytes:
    head = [
        message.message_id,
        to_json(message.attributes) if message.attributes else None,
        message.enqueued_at,
        message.sent_at,
        message.sender_id,
        message.group_id,
        message.deduplication_id,
        message.sequence_number,
        message.trace_header,
        message.dead_letter_source,
        message.state,
        message.visible_at,
        message.rank,
    ]
    return as_row(head, message.body.encode())


def _message(order: int, row: bytes) -> StoredMessage:
    head, body = from_row(row)
    (
        message_id,
        attributes,
        enqueued_at,
        sent_at,
        sender_id,
        group_id,
        deduplication_id,
        sequence_number,
        trace_header,
        dead_letter_source,
        state,
        visible_at,
        rank,
    ) = head
    return StoredMessage(
        message_id,
        body.decode(),
        from_json(attributes) if attributes else {},
        enqueued_at,
        sent_at,
        sender_id,
        None,
        group_id,
        deduplication_id,
        sequence_number,
        trace_header,
        dead_letter_source,
        order,
        State(state),
        visible_at,
        rank,
    )
