"""A lane: records of a shard that keep their order, one batch of which is with the function at a time.

What failed is before everything else. `decisions` says what follows an attempt; here it is done.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import attrs

from eventbus.telemetry.trace import counted
from triggers.polling import windows
from triggers.polling.answers import reported_failures
from triggers.polling.decisions import (
    RECORD_AGE_EXCEEDED,
    RETRY_ATTEMPTS_EXHAUSTED,
    Batch,
    Failed,
    FailedFrom,
    NotRun,
    Outcome,
    Processed,
    Rules,
    TooLarge,
    closing,
    cut_off,
    decide,
)
from triggers.polling.failure_records import report_given_up
from triggers.polling.invoking import FUNCTION_CALL_FAILED, Answered, Closed, Oversized, Refused, Throttled, invoke

if TYPE_CHECKING:
    from eventbus.answers import InvocationResult
    from eventbus.clock import Wakeup
    from eventbus.telemetry.trace import Cause
    from triggers.polling.readers import ShardReader
    from triggers.polling.source import StreamRecord
    from triggers.polling.windows import Window

SIZE_LIMIT = 6_291_456 - 65_536
"""Bytes of records in one batch: Lambda's 6 MB, less what surrounds them."""
LONGEST_CHAIN = 192
"""Nodes of the trace that hang together through a stream: 64 rounds of put, poll and invocation."""


class Lane:
    """Records that keep their order, in one task that lives while there is something to do."""

    def __init__(self, reader: ShardReader, window: Window | None) -> None:
        self._reader = reader
        self._poller = reader.poller
        self._mapping = reader.poller.mapping
        self._bus = reader.poller.bus
        self._shard = reader.shard
        self.todo: deque[StreamRecord] = deque()
        """Read and not delivered yet."""
        self._again: deque[Batch] = deque()
        """What failed, to be delivered before anything else."""
        self._again_at = 0.0
        self._current: Batch | None = None
        """What is with the function."""
        self._filling_since: float | None = None
        """When the batching window began."""
        self.window = window
        """The tumbling window that is open."""
        self._is_running = False
        self._wakeup: Wakeup | None = None

    @property
    def is_done(self) -> bool:
        return not (self._is_running or self.todo or self._again or self._current or self.window)

    def first_pending(self) -> StreamRecord | None:
        """The oldest record that isn't dealt with."""
        if self._current is not None and self._current.records:
            return self._current.records[0]
        if self._again and self._again[0].records:
            return self._again[0].records[0]
        return self.todo[0] if self.todo else None

    def wake(self, *, is_behind: bool) -> None:
        """Look again, or begin. New records are nothing to a lane that is about to try again."""
        if self._is_running:
            if self._wakeup is not None and not self._again:
                self._wakeup.set()
        elif is_behind or self.todo or self._again or self.window is not None:
            self._is_running = True
            self._poller.begin(self._run)

    async def _run(self) -> None:
        try:
            while not self._poller.is_stopped:
                batch = self._next(self._bus.clock.now())
                if batch is None:
                    return
                if isinstance(batch, Batch):
                    await self._deliver(batch)
                else:
                    await self._poller.rest(batch, self._rests)
                    self._wakeup = None
        finally:
            self._is_running = False
            if self._bus.is_running:
                self._poller.look_for_drained()

    def _rests(self, wakeup: Wakeup) -> None:
        self._wakeup = wakeup

    # -- which batch is next ------------------------------------------------------------------------------------------

    def _next(self, now: float) -> Batch | float | None:
        """The batch to deliver now, the instant to wait for, or nothing to do."""
        while True:
            if self._poller.is_held or self._reader.is_dropped:
                return None
            batch = self._retry(now) if self._again else self._fresh(now)
            if not isinstance(batch, Batch) or not batch.records:
                return batch
            old, rest = cut_off(batch, now, self._oldest)
            if old is None:
                return batch
            report_given_up(self._mapping, self._poller.source, self._shard, old, RECORD_AGE_EXCEEDED)
            if rest is not None:
                self._again.appendleft(rest)
            self._reader.save()

    @property
    def _oldest(self) -> float:
        """Seconds after which a record is given up: what the mapping says, or else when the stream drops it."""
        limit, kept = self._mapping.settings.maximum_record_age, self._poller.source.retention
        return kept if limit < 0 else min(limit, kept)

    def _retry(self, now: float) -> Batch | float:
        batch = self._again[0]
        if now < self._again_at:
            end = self._age_ends(batch)
            if now < end:
                return min(self._again_at, end)
        return self._again.popleft()

    def _age_ends(self, batch: Batch) -> float:
        if batch.records:
            return batch.records[0].at + self._oldest
        assert self.window is not None
        return self.window.end + self._oldest

    def _fresh(self, now: float) -> Batch | float | None:
        settings = self._mapping.settings
        if settings.tumbling_window:
            self._reader.fill(settings.batch_size + 1, self)  # whether a batch is the last shows in what is behind it
            return self._fresh_of_window(now, settings.tumbling_window)
        self._reader.fill(settings.batch_size, self)
        count, is_closed = closing(self.todo, settings.batch_size, SIZE_LIMIT)
        return self._closed(now, count, is_closed)

    def _closed(self, now: float, count: int, is_closed: bool) -> Batch | float | None:
        """The batch, if it is full or its batching window is over."""
        if not count:
            self._filling_since = None
            return None
        if self._filling_since is None:
            self._filling_since = now
        closes_at = self._filling_since + self._mapping.settings.batch_window
        if not is_closed and now < closes_at:
            return closes_at
        self._filling_since = None
        return Batch(tuple(self.todo.popleft() for _ in range(count)))

    def _fresh_of_window(self, now: float, length: int) -> Batch | float | None:
        if self.window is None:
            if not self.todo:
                return None
            self.window = windows.window_of(self.todo[0].at, length)
        if self.window.is_terminated:
            return Batch(())
        mine = windows.belonging(self.todo, self.window)
        count, is_closed = closing(mine, self._mapping.settings.batch_size, SIZE_LIMIT)
        is_over = now >= self.window.end
        batch = self._closed(now, count, is_closed or is_over)
        if batch is None:
            return Batch(()) if is_over else self.window.end
        return batch if isinstance(batch, Batch) else min(batch, self.window.end)

    def _is_final(self, batch: Batch) -> bool:
        """Whether this is the last invocation of the window: it is over, and nothing of it is left behind the batch."""
        window = self.window
        if window is None:
            return False
        if window.is_terminated:
            return not batch.records
        left = self._again or windows.belonging(self.todo, window)
        return not left and self._bus.clock.now() >= window.end

    # -- delivering it ------------------------------------------------------------------------------------------------

    async def _deliver(self, batch: Batch) -> None:
        self._current = batch
        event, cause = self._event(batch), _bounded(batch.records[-1].cause) if batch.records else None
        is_final = event.get("isFinalInvokeForWindow", False)
        action = self._bus.note("poll", self._poller.source, counted(len(batch.records), "record"), cause)
        action.hops = 0  # Lambda does not follow chains through streams
        if batch.records:
            age = self._bus.clock.now() - batch.records[-1].at
            self._bus.count("IteratorAge", self._mapping.function.arn, round(age * 1000))
        attempted = await invoke(self._bus, self._mapping.function, event, action)
        self._current = None
        if isinstance(attempted, Closed):
            self._again.appendleft(batch)
            self._poller.is_stopped = True
            return
        if isinstance(attempted, Refused):
            self._again.appendleft(batch)
            self._poller.hold(str(attempted.error))
            return
        if isinstance(attempted, Answered):
            batch = attrs.evolve(batch, report=attempted.result)
        elif isinstance(attempted, Throttled):
            action.note = "throttled"
        outcome = self._outcome(batch, attempted, is_final=is_final)
        if isinstance(outcome, FailedFrom):
            action.note = f"the function reported a failure from record {outcome.index + 1} on"
        self._conclude(batch, outcome, is_final=is_final)

    def _event(self, batch: Batch) -> dict[str, Any]:
        source, role = self._poller.source, self._mapping.function.role.arn
        event: dict[str, Any] = {"Records": [source.lambda_record(self._shard, one, role) for one in batch.records]}
        if self.window is not None:
            event |= windows.event_keys(self.window, self._shard.shard_id, source.arn, is_final=self._is_final(batch))
        return event

    def _outcome(self, batch: Batch, attempted: Answered | Throttled | Oversized, *, is_final: bool) -> Outcome:
        if isinstance(attempted, Throttled):
            return NotRun()
        if isinstance(attempted, Oversized):
            if len(batch.records) == 1:
                self._bus.count("OversizedRecordCount", self._mapping.function.arn)
            return TooLarge()
        outcome = self._answered(batch, attempted.result)
        if isinstance(outcome, Failed):
            return outcome
        if self.window is not None and not is_final:
            state = windows.state_of(attempted.result.payload)
            if state is None:
                return Failed()
            self.window = windows.continued(self.window, state)
        return outcome

    def _answered(self, batch: Batch, result: InvocationResult) -> Outcome:
        if result.function_error is not None:
            return Failed()
        if not self._mapping.settings.reports_failures:
            return Processed()
        sequences = [str(record.sequence) for record in batch.records]
        failed = reported_failures(result.payload, sequences)
        if failed is None:
            return Failed()
        return FailedFrom(min(map(sequences.index, failed))) if failed else Processed()

    def _conclude(self, batch: Batch, outcome: Outcome, *, is_final: bool) -> None:
        settings, mapping = self._mapping.settings, self._mapping
        verdict = decide(
            batch, outcome, Rules(settings.maximum_retry_attempts, settings.bisect_batch_on_function_error)
        )
        now = self._bus.clock.now()
        if isinstance(outcome, Processed | FailedFrom):
            mapping.count("InvokedEventCount", verdict.done)
        elif isinstance(outcome, Failed):
            mapping.count("FailedInvokeEventCount", len(batch.records))
        if not isinstance(outcome, NotRun) and not self._reader.is_dropped:
            mapping.last_processing_result = "OK" if isinstance(outcome, Processed) else FUNCTION_CALL_FAILED
        self._again.extendleft(reversed(verdict.then))
        self._again_at = now + verdict.pause
        if verdict.given_up is not None and batch.records:
            report_given_up(mapping, self._poller.source, self._shard, verdict.given_up, RETRY_ATTEMPTS_EXHAUSTED)
        if not batch.records and verdict.then and now >= self._age_ends(batch):
            self._again.clear()  # the last invocation of a window is not tried for ever either
        if is_final and not self._again:
            self.window = None
        self._reader.save()


def _bounded(cause: Cause | None) -> Cause | None:
    """The cause, unless it is the end of a long chain: a loop through a stream goes on for ever, and the trace begins
    anew now and then, else it would keep all of it alive."""
    node = cause
    for _ in range(LONGEST_CHAIN):
        if node is None:
            return cause
        node = node.cause
    return None
