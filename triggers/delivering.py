"""A delivery that could not be made at once: how topics, rules and schedules try it again, and keep it in the store.

    <service>              the next number
    <service>_deliveries   owner NUL number → what is on its way to one target: written once
    <service>_attempts     owner NUL number → how often that was tried, and when it is tried next

What a delivery follows from (a publication, an event) is written in the same step. If that could not be written, it
never happened: the delivery is withdrawn. How a delivery ends is a fact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import anyio
import attrs

from eventbus.errors import AWSError
from eventbus.telemetry.trace import Cause
from triggers.keeping import SEPARATOR, Numbers, dumps, loads, nothing, number_key

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.storage.port import Store

_THROTTLED: Final = ("ProvisionedThroughputExceededException",)
"""Codes that mean throttling although their status doesn't say so."""


@attrs.define(eq=False, kw_only=True)
class Delivery:
    """One message on its way to one target."""

    cause: Cause
    attempts: int = 0
    """How many have failed."""
    due_at: float = 0.0
    """When it is tried next."""
    number: int = -1
    """Its place in the store; -1 where nothing keeps it."""
    is_withdrawn: bool = False
    """What it follows from could not be written, so it never happened."""
    settled: anyio.Event | None = None
    """Set when what it follows from is safe, or withdrawn; None where that is certain from the beginning."""

    async def may_begin(self) -> bool:
        """Wait until what it follows from is safe; False if that never happened."""
        if self.settled is not None:
            await self.settled.wait()
        return not self.is_withdrawn

    def became_safe(self) -> None:
        if self.settled is not None:
            self.settled.set()

    def withdraw(self) -> None:
        self.is_withdrawn = True
        self.became_safe()


def is_throttled(error: AWSError) -> bool:
    """Whether a target refused because there was too much for it: that passes."""
    return error.status == 429 or error.code in _THROTTLED


class DeliveryRows:
    """The deliveries of one service in the store of its bus."""

    def __init__(self, store: Store, service: str) -> None:
        self.numbers = Numbers(store.texts(service))
        self.deliveries = store.texts(f"{service}_deliveries")
        self.attempts = store.texts(f"{service}_attempts")
        self._when_safe = store.log.when_safe

    def begin(self, owner: str, delivery: Delivery, row: bytes) -> None:
        """A delivery has not arrived at once."""
        delivery.number = self.numbers.draw()
        delivery.settled = anyio.Event()
        key = number_key(owner, delivery.number)
        self.deliveries.put(key, row, undo=delivery.withdraw, is_new=True)
        if delivery.attempts:
            self.attempts.put(key, dumps([delivery.attempts, delivery.due_at]), undo=nothing, is_new=True)
        self._when_safe(delivery.became_safe)

    def tried(self, owner: str, delivery: Delivery) -> None:
        """An attempt has failed, and there will be another one."""
        self.attempts.put(number_key(owner, delivery.number), dumps([delivery.attempts, delivery.due_at]))

    def end(self, owner: str, delivery: Delivery) -> None:
        """A delivery has arrived, or was given up."""
        key = number_key(owner, delivery.number)
        self.deliveries.delete(key)
        self.attempts.delete(key)

    def all(self) -> Iterator[tuple[str, int, bytes]]:
        """Owner, number and row of everything that is on its way."""
        for key, row in self.deliveries.scan(chunk=100):
            owner, _, number = key.partition(SEPARATOR)
            yield owner, int(number, 16), row

    def left(self, owner: str, number: int) -> tuple[bytes, int, float] | None:
        """The row of a delivery of an earlier process, its attempts and when it is due; None if it has ended."""
        key = number_key(owner, number)
        row = self.deliveries.get(key)
        if row is None:
            return None
        attempts, due_at = loads(self.attempts.get(key) or b"[0, 0.0]")
        return row, attempts, due_at


async def try_until_over(
    bus: EventBus, delivery: Delivery, is_over: Callable[[], bool], rows: DeliveryRows | None, owner: str
) -> None:
    """Wait until a delivery is due and try it, as often as it takes.

    `is_over` tries once, in one synchronous step; it answers False when it has set the time of the next attempt.
    """
    while True:
        wait = delivery.due_at - bus.clock.now()
        if wait > 0:
            await bus.background_sleep(wait)
        with bus.facts():
            over = is_over()
            if rows is not None:
                (rows.end if over else rows.tried)(owner, delivery)
            if over:
                return
