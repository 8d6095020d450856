"""How messages get into a queue: from callers, and from other resources."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from eventbus.delivery.payload import as_text
from eventbus.delivery.targets import Message, MessageAttributes, Source
from eventbus.telemetry.trace import Cause
from triggers.deduplication import Deduplication, content_id
from triggers.sqs import attributes as message_attributes
from triggers.sqs import validation
from triggers.sqs.attributes import AttributeInput
from triggers.sqs.batches import send_batch
from triggers.sqs.configured import ConfiguredQueue
from triggers.sqs.errors import QueueDoesNotExist
from triggers.sqs.fifo import FifoStore
from triggers.sqs.keeping import KeptMessages
from triggers.sqs.messages import SendBatchResult, SentMessage, StoredMessage, md5
from triggers.sqs.store import StandardStore
from triggers.sqs.waiting import Waiters

if TYPE_CHECKING:
    from triggers.sqs.keeping import Keeping
    from triggers.sqs.service import SQS
    from triggers.sqs.settings import QueueSettings

_FIRST_SEQUENCE = 18_850_000_000_000_000_000  # twenty digits, as AWS writes them
_STEP = 256
_SERVICE_SENDER = "AIDAIT2UOQQY3AUEKVGXU"


def _reaches_nobody(function_arn: str) -> bool:
    """A queue hands its messages to nobody by itself."""
    return False


class SendingQueue(ConfiguredQueue):
    """The half of a queue that senders see, with the messages and the receivers that wait for them."""

    def __init__(self, service: SQS, name: str, *, is_fifo: bool, settings: QueueSettings) -> None:
        super().__init__(service, name, is_fifo=is_fifo, settings=settings)
        self.is_deleted = False
        self._store = FifoStore() if is_fifo else StandardStore()
        self._waiters = Waiters()
        self._duplicates: Deduplication[SentMessage] = Deduplication()
        self._sequence: Iterator[int] = itertools.count(_FIRST_SEQUENCE, _STEP)
        self._kept: KeptMessages | None = None
        """What the bus's store has of the messages; None without a store, and before the bus is entered."""

    async def send(
        self,
        body: str,
        *,
        attributes: AttributeInput | None = None,
        delay_seconds: int | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        trace_header: str | None = None,
    ) -> SentMessage:
        """Put a message on the queue: SendMessage.

        `body` is text. `attributes` are in AWS's form or plain values (str, int, float, Decimal, bytes). A FIFO queue
        needs `group_id`, and `deduplication_id` unless it is content-based. Raises SQSError, or StoreUnavailable, with
        nothing changed. When cancelled, the message has been sent or not, never half.
        """
        self._bus.accepting("send")
        await self._bus.room(_reaches_nobody)
        sent = self.send_nowait(
            body,
            attributes=attributes,
            delay_seconds=delay_seconds,
            group_id=group_id,
            deduplication_id=deduplication_id,
            trace_header=trace_header,
        )
        if self._kept is not None:
            await self._bus.synced()
        return sent

    def send_nowait(
        self,
        body: str,
        *,
        attributes: AttributeInput | None = None,
        delay_seconds: int | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        trace_header: str | None = None,
    ) -> SentMessage:
        """The synchronous twin of `send`: no back-pressure, and no waiting for the store."""
        self._enter("send", "sqs:SendMessage")
        message = self._checked(body, attributes, group_id, deduplication_id)
        message.trace_header = trace_header
        delay = validation.checked_delay(delay_seconds, self._settings.delay_seconds, is_fifo=self.is_fifo)
        return self._put(message, delay, None)

    async def send_batch(self, entries: Iterable[Mapping[str, Any]]) -> SendBatchResult:
        """Send up to ten messages: SendMessageBatch.

        Each entry holds the arguments of `send` (`{"body": "a", "group_id": "g"}`) and may have an `id`; without one
        its position is its id. Raises SQSError if the batch as a whole is refused; an entry that is refused alone is in
        `failed`.
        """
        self._bus.accepting("send_batch")
        await self._bus.room(_reaches_nobody)
        result = self.send_batch_nowait(entries)
        if self._kept is not None:
            await self._bus.synced()
        return result

    def send_batch_nowait(self, entries: Iterable[Mapping[str, Any]]) -> SendBatchResult:
        """The synchronous twin of `send_batch`."""
        self._enter("send_batch", "sqs:SendMessage")
        return send_batch(self.send_nowait, entries, self._settings.maximum_message_size)

    def accept(
        self,
        message: Message,
        source: Source,
        *,
        group_id: str | None = None,
        deduplication_id: str | None = None,
    ) -> Cause:
        """Take a message from another resource, which has checked the permission. Returns its trace node."""
        if self.is_deleted:
            raise QueueDoesNotExist
        stored = self._checked(as_text(message.body), message.attributes, group_id, deduplication_id)
        stored.sender_id = _SERVICE_SENDER
        self._put(stored, self._settings.delay_seconds, message.cause)
        assert stored.cause is not None
        return stored.cause

    def _checked(
        self, body: str, attributes: AttributeInput | None, group_id: str | None, deduplication_id: str | None
    ) -> StoredMessage:
        """The message that this request makes, with nothing changed yet."""
        settings = self._settings
        validation.check_body(body)
        normal: MessageAttributes = message_attributes.normalise(attributes) if attributes else {}
        validation.check_size(len(body.encode()) + message_attributes.size(normal), settings.maximum_message_size)
        if self.is_fifo or group_id is not None or deduplication_id is not None:
            content_based = settings.content_based_deduplication
            validation.check_grouping(group_id, deduplication_id, is_fifo=self.is_fifo, content_based=content_based)
            if self.is_fifo and deduplication_id is None:
                deduplication_id = content_id(body)
        now = self._bus.clock.now()
        return StoredMessage(
            message_id="",
            body=body,
            attributes=normal,
            enqueued_at=now,
            sent_at=now,
            sender_id=self._service.owner_id,
            cause=None,
            group_id=group_id,
            deduplication_id=deduplication_id,
        )

    def _put(self, message: StoredMessage, delay: float, cause: Cause | None) -> SentMessage:
        now = message.sent_at
        digest = message_attributes.md5(message.attributes)
        by_group = self._settings.deduplication_scope == "messageGroup"
        key = (message.group_id if by_group else None, message.deduplication_id)
        if self.is_fifo:
            if (first := self._duplicates.find(key, now)) is not None:
                node = message.cause = self._bus.note("send", self, first.message_id, cause)
                node.note = "a duplicate within five minutes: accepted, not delivered"
                return attrs.evolve(first, md5_of_body=md5(message.body), md5_of_message_attributes=digest)
            message.sequence_number = f"{next(self._sequence):020d}"
        message.message_id = self._bus.ids.uuid()
        message.cause = self._bus.note("send", self, message.message_id, cause)
        self._store.add(message, now, delay)
        if self._kept is not None:
            self._kept.sent(message)
        self._bus.count("NumberOfMessagesSent", self.arn)
        self._waiters.wake()
        sent = SentMessage(message.message_id, md5(message.body), digest, message.sequence_number)
        if self.is_fifo:
            self._duplicates.remember(key, sent, now)
        return sent

    def keep(self, keeping: Keeping) -> None:
        """Called by the service: take up what the store has of this queue, and keep there what comes."""
        self._kept = KeptMessages(keeping, self.name, self._store, self._waiters.wake)
        with self._bus.facts():  # what was accepted before, by nobody who waits to hear of it
            for early in self._store.adopt(self._kept.load(), keeping.numbers.draw):
                self._kept.sent(early)
        if self.is_fifo:
            self._duplicates.keep(keeping.duplicates_of(self.name), self._bus.clock.now())
            self._sequence = (_FIRST_SEQUENCE + _STEP * number for number in iter(keeping.numbers.draw, None))

    def _changed(self) -> None:
        self._waiters.wake()

    def _enter(self, call: str, action: str) -> None:
        self._bus.accepting(call)
        if self.is_deleted:
            raise QueueDoesNotExist
        self._bus.authorize(action, self.arn, self.access, self.label)
