"""Subscriptions to shards: records as they come, for five minutes.

Source of every number: Kinesis API reference, SubscribeToShard, and the developer guide's "Quotas and limits" (2026).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import anyio
from anyio.lowlevel import checkpoint

from triggers.kinesis.errors import KinesisError
from triggers.kinesis.results import SubscribeToShardEvent, fitting, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventbus.bus import EventBus
    from eventbus.clock import Wakeup
    from triggers.kinesis.consumers import Consumer
    from triggers.kinesis.shards import Shard, StoredRecord

LONGEST = 300.0
"""Seconds for which a subscription lasts."""
PROTECTED = 5.0
"""Seconds in which a subscription cannot be taken over by another one of the same consumer and shard."""
QUIET = 5.0
"""Seconds without a record after which an event without records says that the subscription lives; not documented."""
MOST_RECORDS = 10_000
MOST_BYTES = 2 * 2**20
"""Of one event: what a consumer gets of a shard in a second."""


def may_take_over(opened_at: float, now: float) -> bool:
    """Whether a subscription that was opened then gives way to another one now."""
    return now - opened_at >= PROTECTED


class Subscription:
    """The records of one shard, pushed. Made by `Consumer.subscribe_to_shard`, and open from then on.

        with consumer.subscribe_to_shard("shardId-000000000000", "LATEST") as events:
            async for event in events:
                ...

    The first event comes at once, the others with new records, or after five seconds without any. Nothing is read ahead
    of its reader. The loop ends after five minutes, at the end of a shard that is closed, or when the bus is left; it
    raises a KinesisError when another subscription takes over, or stream or consumer are gone.
    """

    def __init__(
        self,
        consumer: Consumer,
        shard: Shard,
        position: int,
        children: Callable[[], Sequence[dict[str, Any]]],
        gone: Callable[[Subscription], None],
    ) -> None:
        self.consumer = consumer
        self.shard_id = shard.shard_id
        self._shard = shard
        self._position = position
        self._children = children
        self._gone = gone
        self._clock = consumer.bus.clock
        self.opened_at = self._clock.now()
        self._event_due_at = self.opened_at
        self._is_open = True
        self._failure: KinesisError | None = None
        self._woken: Wakeup | None = None
        self._stop_watching = consumer.stream.watch(self._wake)
        self._expiry = self._clock.call_at(self.opened_at + LONGEST, self.close)

    def __repr__(self) -> str:
        state = "open" if self._is_open else "closed"
        return f"<Subscription of {self.consumer.name} to {self.shard_id}: {state}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def close(self) -> None:
        """End the subscription; closing twice does nothing."""
        if not self._is_open:
            return
        self._is_open = False
        self._expiry.cancel()
        self._stop_watching()
        self._gone(self)
        self._wake()

    def fail(self, error: KinesisError) -> None:
        """End it with an error, which its reader gets."""
        if self._is_open:
            self._failure = error
            self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SubscribeToShardEvent:
        if not self._is_open or self._has_event:
            await checkpoint()
        while True:
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            if not self._is_open:
                raise StopAsyncIteration
            if self._has_event:
                return self._next()
            self._woken = self._clock.wakeup(self._event_due_at)
            await self._woken.wait()

    # -- inside -------------------------------------------------------------------------------------------------------

    @property
    def _has_event(self) -> bool:
        is_due = self._clock.now() >= self._event_due_at
        return is_due or self._shard.is_closed or bool(self._shard.after(self._position, 1))

    def _next(self) -> SubscribeToShardEvent:
        """What there is now; at the end of the shard, the subscription ends with it."""
        now = self._clock.now()
        records: list[StoredRecord] = fitting(self._shard.after(self._position, MOST_RECORDS), MOST_BYTES)
        if records:
            self._position = records[-1].sequence
        left = self._shard.after(self._position, 1)
        is_at_end = self._shard.is_closed and not left
        self._event_due_at = now + QUIET
        if is_at_end:
            self.close()
        return SubscribeToShardEvent(
            records=tuple(map(shown, records)),
            continuation_sequence_number=None if is_at_end else str(self._continuation()),
            millis_behind_latest=max(0, round((now - left[0].at) * 1000)) if left else 0,
            child_shards=tuple(self._children()) if is_at_end else (),
        )

    def _continuation(self) -> int:
        """A sequence number of the shard after which another subscription goes on, though no record may have it."""
        return max(self._position, self._shard.starting_sequence)

    def _wake(self) -> None:
        if self._woken is not None:
            self._woken.set()


class Subscriptions:
    """The open subscriptions of one bus: they end when it is left."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self._open: set[Subscription] = set()
        self._is_watching = False

    def __len__(self) -> int:
        return len(self._open)

    def add(self, subscription: Subscription) -> None:
        """One more."""
        self._open.add(subscription)
        if not self._is_watching:
            self._is_watching = True
            self._bus.start_task(self._end_with_bus)

    def remove(self, subscription: Subscription) -> None:
        """One less."""
        self._open.discard(subscription)

    async def _end_with_bus(self) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            for subscription in list(self._open):
                subscription.close()
