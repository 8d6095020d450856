"""A queue: what callers do with it. Its messages are kept by a `Store`, which decides; here is what makes it happen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import attrs

from eventbus.storage.errors import StoreUnavailable
from triggers.polling import poll_queue
from triggers.sqs import validation
from triggers.sqs.batches import change_batch, delete_batch
from triggers.sqs.errors import InvalidParameterValue, OverLimit, PurgeQueueInProgress
from triggers.sqs.messages import (
    EXPIRED,
    DeleteBatchResult,
    QueueStatistics,
    ReceivedMessage,
    State,
    StoredMessage,
    read_handle,
    received,
)
from triggers.sqs.polled import PolledQueue
from triggers.sqs.sending import SendingQueue

if TYPE_CHECKING:
    from triggers.polling import EventSourceMapping
    from triggers.sqs.keeping import Before, Keeping
    from triggers.sqs.service import SQS
    from triggers.sqs.settings import QueueSettings

IN_FLIGHT_LIMIT = 120_000
"""Messages in flight in one queue (SQS quotas, 2026)."""
_LONGEST_HOLD = 43_200


class Queue(SendingQueue):
    """A queue of SQS, made by `SQS.create_queue`.

    Data operations are coroutines that need a running bus; the twins ending in `_nowait` do the same at once, without
    back-pressure. Inside a handler they need the permission of the function's role (`sqs:SendMessage`, ...).
    """

    def __init__(self, service: SQS, name: str, *, is_fifo: bool, settings: QueueSettings) -> None:
        super().__init__(service, name, is_fifo=is_fifo, settings=settings)
        self._tag = self._bus.ids.hex(8)
        self._purged_at = float("-inf")

    def __repr__(self) -> str:
        now = self.statistics()
        return f"<Queue {self.name}: {now.visible} visible, {now.in_flight} in flight, {now.delayed} delayed>"

    async def receive(
        self, max_messages: int = 1, *, wait: float | None = None, visibility_timeout: int | None = None
    ) -> list[ReceivedMessage]:
        """Take up to ten messages: ReceiveMessage.

        They are hidden from other receivers for `visibility_timeout` seconds (by default the queue's); delete them
        before that ends. `wait` seconds (at most 20, by default the queue's `receive_wait`) for the first message of an
        empty queue. When cancelled while waiting, no message has been taken; when cancelled while the store writes that
        they were, they are visible again after the time-out. Raises SQSError, or StoreUnavailable with none taken.
        """
        self._enter("receive", "sqs:ReceiveMessage")
        wait = self._settings.receive_wait if wait is None else wait
        validation.check_receive(max_messages, wait)
        clock = self._bus.clock
        deadline = clock.now() + wait
        await anyio.lowlevel.checkpoint()
        try:
            while not (messages := self.receive_nowait(max_messages, visibility_timeout=visibility_timeout)):
                if clock.now() >= deadline:
                    self._bus.count("NumberOfEmptyReceives", self.arn)
                    break
                await self._waiters.wait(clock, min(deadline, self._store.next_instant() or deadline))
        finally:
            self._waiters.wake()
        if messages and self._kept is not None:
            await self._bus.synced()
        return messages

    def receive_nowait(self, max_messages: int = 1, *, visibility_timeout: int | None = None) -> list[ReceivedMessage]:
        """The synchronous twin of `receive`: take what is visible now."""
        return [received(message, self._tag) for message in self._take(max_messages, visibility_timeout)]

    def _take(self, max_messages: int, visibility_timeout: int | None) -> list[StoredMessage]:
        """The messages themselves, which pollers hold."""
        self._enter("receive", "sqs:ReceiveMessage")
        validation.check_receive(max_messages, 0)
        visibility = validation.checked_visibility(visibility_timeout, self._settings.visibility_timeout)
        now = self._pass_time()
        room = IN_FLIGHT_LIMIT - self._store.in_flight
        if room <= 0 and not self.is_fifo:
            raise OverLimit(IN_FLIGHT_LIMIT)
        redrive = self._settings.redrive
        dead_letters = None if redrive is None else self._service.dead_letter_queue(redrive)
        receives = None if redrive is None or dead_letters is None else redrive.max_receive_count
        before: Before | None = None if self._kept is None else []
        taken, dead = self._store.take(now, min(max_messages, room), visibility, receives, before)
        if before and self._kept is not None:
            self._kept.received(before)
        if dead_letters is not None:
            for message in dead:
                dead_letters.take_dead(message, self)
        if taken:
            self._bus.count("NumberOfMessagesReceived", self.arn, len(taken))
        return taken

    def take_dead(self, message: StoredMessage, source: Queue) -> None:
        """Take over a message that `source` has given up on: same id, and in a standard queue the same age."""
        now = self._pass_time()
        moved = attrs.evolve(
            message,
            enqueued_at=now if self.is_fifo else message.enqueued_at,
            dead_letter_source=source.arn,
            order=-1,
            state=State.DELAYED,
            ticket=-1,
            receives=0,
            first_received_at=None,
            taken_at=0.0,
        )
        moved.cause = self._bus.note("dead-letter", self, message.message_id, message.cause)
        moved.cause.note = f"received {message.receives} times from {source.name}"
        self._store.add(moved, now, 0)
        if self._kept is not None:
            self._kept.sent(moved)
        self._waiters.wake()

    async def delete(self, message: ReceivedMessage | str) -> None:
        """Delete a received message, given it or its receipt handle: DeleteMessage.

        A message that is gone already is fine. A handle from before the latest receive deletes nothing, as AWS warns;
        on a FIFO queue a handle whose time-out has passed is refused. Raises ReceiptHandleIsInvalid for anything else.
        """
        self._bus.accepting("delete")
        await anyio.lowlevel.checkpoint()
        self.delete_nowait(message)
        if self._kept is not None:
            await self._bus.synced()

    def delete_nowait(self, message: ReceivedMessage | str) -> None:
        """The synchronous twin of `delete`."""
        self._enter("delete", "sqs:DeleteMessage")
        handle, stored, is_latest = self._held(message)
        if stored is not None and self._discard([(stored, stored.receives if is_latest else -1)]):
            raise InvalidParameterValue.of(handle, "ReceiptHandle", EXPIRED)

    def _discard(self, held: Iterable[tuple[StoredMessage, int]]) -> list[StoredMessage]:
        """Delete messages, each with the number of the receive that it is held by; returns those that cannot be.

        Called by pollers too, which may still delete what is dealt with while the bus is left.
        """
        self._pass_time()
        doomed: list[StoredMessage] = []
        refused: list[StoredMessage] = []
        for message, receives in held:
            if self._store.find(message.order) is not message:
                continue
            is_latest = message.receives == receives
            if self.is_fifo and not (is_latest and message.state is State.IN_FLIGHT):
                refused.append(message)
            elif is_latest:
                doomed.append(message)
            else:
                self._bus.log.warning("stale_receipt_handle", queue=self.arn, message_id=message.message_id)
        if doomed:
            if self._kept is not None:
                self._kept.deleted([(message, message.standing()) for message in doomed])
            for message in doomed:
                self._store.remove(message)
            self._bus.count("NumberOfMessagesDeleted", self.arn, len(doomed))
            self._waiters.wake()
        return refused

    async def delete_batch(self, messages: Iterable[ReceivedMessage | str]) -> DeleteBatchResult:
        """Delete up to ten messages: DeleteMessageBatch. The ids in the result are the positions in the call."""
        self._bus.accepting("delete_batch")
        await anyio.lowlevel.checkpoint()
        result = self.delete_batch_nowait(messages)
        if self._kept is not None:
            await self._bus.synced()
        return result

    def delete_batch_nowait(self, messages: Iterable[ReceivedMessage | str]) -> DeleteBatchResult:
        """The synchronous twin of `delete_batch`."""
        self._enter("delete_batch", "sqs:DeleteMessage")
        return delete_batch(self.delete_nowait, messages)

    async def change_visibility(self, message: ReceivedMessage | str, timeout: int) -> None:
        """Let a received message be seen again in `timeout` seconds from now, 0 for at once: ChangeMessageVisibility.

        At most 12 hours after it was received. Raises SQSError with nothing changed.
        """
        self._bus.accepting("change_visibility")
        await anyio.lowlevel.checkpoint()
        self.change_visibility_nowait(message, timeout)
        if self._kept is not None:
            await self._bus.synced()

    def change_visibility_nowait(self, message: ReceivedMessage | str, timeout: int) -> None:
        """The synchronous twin of `change_visibility`."""
        self._enter("change_visibility", "sqs:ChangeMessageVisibility")
        timeout = validation.checked_visibility(timeout, 0)
        handle, stored, is_latest = self._held(message)
        if stored is None or not is_latest or stored.state is not State.IN_FLIGHT:
            reason = "Message does not exist or is not available for visibility timeout change."
            raise InvalidParameterValue.of(handle, "ReceiptHandle", reason)
        now = self._bus.clock.now()
        if now + timeout > stored.taken_at + _LONGEST_HOLD:
            reason = f"Total VisibilityTimeout for the message is beyond the limit [{_LONGEST_HOLD} seconds]"
            raise InvalidParameterValue.of(timeout, "VisibilityTimeout", reason)
        before = None if self._kept is None else stored.standing()
        self._store.show_at(stored, now + timeout, now)
        if self._kept is not None and before is not None:
            self._kept.hidden(stored, before)
        self._waiters.wake()

    async def change_visibility_batch(
        self, entries: Iterable[tuple[str, ReceivedMessage | str, int]]
    ) -> DeleteBatchResult:
        """Change up to ten messages, each `(id, message, timeout)`: ChangeMessageVisibilityBatch."""
        self._bus.accepting("change_visibility_batch")
        await anyio.lowlevel.checkpoint()
        result = self.change_visibility_batch_nowait(entries)
        if self._kept is not None:
            await self._bus.synced()
        return result

    def change_visibility_batch_nowait(
        self, entries: Iterable[tuple[str, ReceivedMessage | str, int]]
    ) -> DeleteBatchResult:
        """The synchronous twin of `change_visibility_batch`."""
        self._enter("change_visibility_batch", "sqs:ChangeMessageVisibility")
        return change_batch(self.change_visibility_nowait, entries)

    def _held(self, message: ReceivedMessage | str) -> tuple[str, StoredMessage | None, bool]:
        """The handle, the message that it stands for if that still exists, and whether it is of the latest receive."""
        handle = message.receipt_handle if isinstance(message, ReceivedMessage) else message
        order, receives = read_handle(self._tag, handle)
        self._pass_time()
        stored = self._store.find(order)
        return handle, stored, stored is not None and stored.receives == receives

    async def purge(self) -> None:
        """Delete every message, delayed and in flight ones too: PurgeQueue. At most once a minute, as on AWS."""
        self._bus.accepting("purge")
        await anyio.lowlevel.checkpoint()
        before = self._purged_at
        self.purge_nowait()
        if self._kept is not None:
            try:
                await self._bus.synced()
            except StoreUnavailable:
                self._purged_at = before  # it may be tried again at once
                raise

    def purge_nowait(self) -> None:
        """The synchronous twin of `purge`."""
        self._enter("purge", "sqs:PurgeQueue")
        now = self._bus.clock.now()
        if now < self._purged_at + 60:
            raise PurgeQueueInProgress(self.name)
        self._purged_at = now
        if self._kept is not None:
            self._kept.deleted([(message, message.standing()) for message in self._store])
        self._store.clear()

    def poll_into(self, function: Any, **options: Any) -> EventSourceMapping:
        """Called by `Function.poll`: have messages of this queue delivered to the function in batches."""
        return poll_queue(self._bus, self.polled(), function, **options)

    def polled(self) -> PolledQueue:
        """Called by mappings: this queue as pollers see it."""
        return PolledQueue(self, self._waiters, self._store.next_instant, self._bus.clock.now)

    def empty(self) -> None:
        """Forget every message, as often as one likes: for tests that begin anew."""
        self._bus.accepting("empty")
        if self._kept is not None:
            self._kept.deleted([(message, message.standing()) for message in self._store])
        self._store.clear()
        self._purged_at = float("-inf")

    def statistics(self) -> QueueStatistics:
        """How many messages are visible, in flight and delayed now, and how old the oldest is."""
        return self._store.statistics(self._pass_time())

    def keep(self, keeping: Keeping) -> None:
        super().keep(keeping)
        self._tag = keeping.tag(self.name)
        self._waiters.wake()

    def close(self) -> None:
        """Called by the service when the queue is deleted: its messages are gone, whoever waits is told."""
        self.is_deleted = True
        if self._kept is not None:
            self._kept.close()
            self._duplicates.clear()
        self._store.clear()
        self._waiters.wake_all()

    def _pass_time(self) -> float:
        now = self._bus.clock.now()
        if dropped := self._store.pass_time(now, self._settings.message_retention):
            if self._kept is not None:
                self._kept.expired(dropped)
            self._bus.log.info("retention_ended", queue=self.arn, messages=len(dropped))
            self._bus.count("NumberOfMessagesExpired", self.arn, len(dropped))
        return now
