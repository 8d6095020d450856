"""Reading a queue: batches that are with the function at the same time, and the wait for those that are hidden.

One task at a time gathers a batch; when it is closed the next may begin, so a slow trickle of messages is not scattered
over many pollers. What the function fails is not touched: it is seen again when its visibility time-out ends.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from eventbus.errors import AWSError, RecursiveInvocation
from eventbus.storage.errors import StoreUnavailable
from eventbus.telemetry.trace import counted
from triggers.polling.answers import reported_failures
from triggers.polling.decisions import pause_before
from triggers.polling.invoking import FUNCTION_CALL_FAILED, Answered, Closed, Oversized, Refused, invoke
from triggers.polling.poller import BasePoller
from triggers.polling.scaling import Scaling
from triggers.polling.settings import function_timeout

if TYPE_CHECKING:
    from eventbus.answers import InvocationResult
    from eventbus.clock import Timer, Wakeup
    from eventbus.telemetry.trace import Action
    from triggers.polling.mapping import EventSourceMapping
    from triggers.polling.source import QueueMessage, QueueSource

SIZE_LIMIT = 6_291_456
_RECEIVE = 10
"""Messages of one receive."""
_ENVELOPE = 1024
"""Bytes that a message's record has beside its body, roughly."""
_STORE_PAUSE = 1.0
"""Seconds before a batch is taken again that the store could not note."""
_EXTRA_VISIBILITY = 30
"""Seconds more than window and function may take, when the queue's own time-out is too short for them."""


class QueuePoller(BasePoller):
    """Reads one queue into one function."""

    read_action = "sqs:ReceiveMessage"
    delete_action = "sqs:DeleteMessage"

    def __init__(self, mapping: EventSourceMapping, source: QueueSource) -> None:
        super().__init__(mapping)
        self._queue = source
        self._scaling = Scaling(None, is_fifo=source.is_fifo)
        self._workers = 0
        self._gathering: Wakeup | None = None
        self._is_gathering = False
        self._is_deleting = False
        self._waiter: Wakeup | None = None
        self._waits_until: float | None = None
        self._is_waiting = False
        self._growth: Timer | None = None

    def open(self) -> None:
        """A queue has no position."""

    def forget(self) -> None:
        """Nor has its mapping."""

    def drop(self) -> None:
        """Nor is anything kept of it."""

    def take_over(self) -> None:
        self._queue = self.mapping.polled

    def start(self) -> None:
        self._scaling = Scaling(self.mapping.settings.maximum_concurrency, is_fifo=self._queue.is_fifo)
        super().start()

    def wake(self) -> None:
        if self._is_deleting or not self.may_go_on:
            return
        if self._is_gathering:
            if self._gathering is not None:
                self._gathering.set()
        else:
            self._grow()
        self._mind_hidden()

    def _grow(self) -> None:
        """One more batch, if there are messages, nobody gathers one, and it may be."""
        if self._is_gathering or not self.may_go_on:
            return
        if not self._queue.visible:
            self._scaling.drained()
            return
        now = self.bus.clock.now()
        if self._workers < self._scaling.limit(now):
            self._workers += 1
            self._is_gathering = True
            self.begin(self._work)
        elif (again := self._scaling.saturated(now)) is not None and (self._growth is None or not self._growth.is_live):
            self._growth = self.bus.clock.call_at(again, self.wake)

    # -- messages that nobody can see yet -----------------------------------------------------------------------------

    def _mind_hidden(self) -> None:
        """Wait for what is delayed or in flight: it will be delivered, so it is work that is left."""
        due = self._queue.next_instant()
        if not self._is_waiting:
            if due is not None:
                self._is_waiting = True
                self.begin(self._wait_for_hidden)
        elif self._waiter is not None and self._waits_until is not None:
            is_early = due is not None and due < self._waits_until
            if is_early or (not self._workers and due != self._waits_until):
                self._waiter.set()

    async def _wait_for_hidden(self) -> None:
        try:
            while self.may_go_on and (due := self._queue.next_instant()) is not None:
                self._waits_until = due
                await self.rest(due, self._is_waiter)
                self._waiter = None
                self._grow()
        finally:
            self._is_waiting = False

    def _is_waiter(self, wakeup: Wakeup) -> None:
        self._waiter = wakeup

    # -- a batch ------------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        """Gather a batch and deliver it, until there is none."""
        is_gathering = True
        try:
            while self.may_go_on:
                messages, taken_at = await self._gather()
                self._is_gathering = is_gathering = False
                if not messages:
                    return
                self._grow()
                await self._deliver(messages, taken_at + self._visibility())
                if self._is_gathering or self.is_held or self._workers > self._scaling.limit(self.bus.clock.now()):
                    return
                self._is_gathering = is_gathering = True
        finally:
            self._workers -= 1
            if is_gathering:
                self._is_gathering = False
            if self.may_go_on:
                self._mind_hidden()

    def _visibility(self) -> int:
        """Seconds for which a batch is hidden: longer than the queue says when window and function need that."""
        window = self.mapping.settings.batch_window
        timeout = math.ceil(function_timeout(self.mapping.function))
        own = self._queue.visibility_timeout
        return window + timeout + _EXTRA_VISIBILITY if window and window + timeout > own else own

    async def _gather(self) -> tuple[list[QueueMessage], float]:
        """The next batch, and when the first of it was taken; empty when there is nothing."""
        messages: list[QueueMessage] = []
        size = 0
        clock, settings = self.bus.clock, self.mapping.settings
        taken_at = clock.now()
        while self.may_go_on:
            taken = self._take(settings.batch_size - len(messages), size)
            if taken is None:
                break
            if not messages:
                taken_at = clock.now()
            messages += taken
            size += sum(len(message.body) + _ENVELOPE for message in taken)
            closes_at = taken_at + settings.batch_window
            if not messages or self._is_full(len(messages), size) or clock.now() >= closes_at:
                break
            await self.rest(closes_at, self._is_gatherer)
            self._gathering = None
        if messages and not await self._is_safe():
            return await self._gather()  # the queue has them back
        return messages, taken_at

    async def _is_safe(self) -> bool:
        """Whether the store has noted that the messages were received; if it cannot, wait for a moment."""
        try:
            await self.bus.synced()
        except StoreUnavailable:
            await self.rest(self.bus.clock.now() + _STORE_PAUSE)
            return False
        return True

    def _is_gatherer(self, wakeup: Wakeup) -> None:
        self._gathering = wakeup

    def _is_full(self, count: int, size: int) -> bool:
        return count >= self.mapping.settings.batch_size or size + self._queue.maximum_message_size > SIZE_LIMIT

    def _take(self, wanted: int, size: int) -> list[QueueMessage] | None:
        """Receive what there is, at most so many; what no filter wants is deleted. None: it is not possible."""
        if not self.may_read():
            return None
        kept: list[QueueMessage] = []
        queue, mapping = self._queue, self.mapping
        while len(kept) < wanted:
            limit = min(_RECEIVE, wanted - len(kept))
            if not queue.is_fifo:
                room = max(0, SIZE_LIMIT - size) // queue.maximum_message_size
                if not room and kept:
                    break
                limit = min(limit, max(1, room))
            try:
                taken = queue.take(limit, self._visibility())
            except AWSError as error:
                self.hold(str(error))
                return kept or None
            if not taken:
                break
            mapping.count("PolledEventCount", len(taken))
            unwanted: list[QueueMessage] = []
            for message in taken:
                if not mapping.filters or mapping.filters.match_message(queue.lambda_record(message)):
                    kept.append(message)
                    size += len(message.body) + _ENVELOPE
                else:
                    unwanted.append(message)
            mapping.count("FilteredOutEventCount", len(unwanted))
            self._delete(unwanted)
            if self.is_held or (queue.is_fifo and kept):
                break
        return kept

    def _delete(self, messages: Sequence[QueueMessage]) -> None:
        """Delete these, if the function's role still may; else they come back when their visibility time-out ends."""
        if not messages:
            return
        if not self.may(self.delete_action):
            reason = f"the role may not {self.delete_action}"
            self._not_deleted([(message.message_id, reason) for message in messages])
            return
        self._is_deleting = True  # the deletion tells us, and whoever deletes looks again himself
        refused = self._queue.remove(messages)
        self._is_deleting = False
        self._not_deleted(refused)
        self.mapping.count("DeletedEventCount", len(messages) - len(refused))

    def _not_deleted(self, refused: Iterable[tuple[str, str]]) -> None:
        for message_id, reason in refused:
            self.bus.log.warning("message_not_deleted", queue=self._queue.arn, message_id=message_id, reason=reason)

    async def _deliver(self, messages: Sequence[QueueMessage], visible_at: float) -> None:
        """Invoke the function with a batch, and delete what it has dealt with."""
        cause = max((one.cause for one in messages if one.cause is not None), key=lambda c: c.hops, default=None)
        action = self.bus.note("poll", self._queue, counted(len(messages), "message"), cause)
        tries = 0
        while True:
            event = {"Records": [self._queue.lambda_record(message) for message in messages]}
            match await invoke(self.bus, self.mapping.function, event, action):
                case Answered(result):
                    self._conclude(messages, result, action)
                case Oversized() if len(messages) > 1:
                    middle = (len(messages) + 1) // 2
                    await self._deliver(messages[:middle], visible_at)
                    await self._deliver(messages[middle:], visible_at)
                case Oversized():
                    self.bus.count("OversizedRecordCount", self.mapping.function.arn)
                    self.mapping.last_processing_result = FUNCTION_CALL_FAILED
                case Refused(error):
                    action.note = str(error)
                    self.mapping.count("FailedInvokeEventCount", len(messages))
                    self.mapping.last_processing_result = FUNCTION_CALL_FAILED
                    if not isinstance(error, RecursiveInvocation):
                        self.hold(str(error))
                case Closed():
                    self.is_stopped = True
                case _:
                    tries += 1
                    again_at = self.bus.clock.now() + pause_before(tries)
                    if again_at < visible_at and not self.is_stopped:
                        await self.rest(again_at)
                        if not self.is_stopped:
                            continue
                    action.note = "throttled until the messages were visible again"
            return

    def _conclude(self, messages: Sequence[QueueMessage], result: InvocationResult, action: Action) -> None:
        failed: frozenset[str] | None = frozenset()
        if result.function_error is not None:
            failed = None
        elif self.mapping.settings.reports_failures:
            failed = reported_failures(result.payload, {message.message_id for message in messages})
        if failed:
            action.note = f"the function reported {len(failed)} of them as failed"
        done = [] if failed is None else [message for message in messages if message.message_id not in failed]
        self._delete(done)
        self.wake()
        self.mapping.count("InvokedEventCount", len(done))
        self.mapping.count("FailedInvokeEventCount", len(messages) - len(done))
        if not self.is_held:
            self.mapping.last_processing_result = "OK" if len(done) == len(messages) else FUNCTION_CALL_FAILED
