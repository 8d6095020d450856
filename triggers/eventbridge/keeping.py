"""What EventBridge and its Scheduler keep in the bus's store: deliveries that have not arrived, and archives.

    <service>              the next number
    <service>_deliveries   ARN of the rule or schedule NUL number → what is on its way to one target: written once
    <service>_attempts     the same key                           → how often that was tried, and when it is tried next
    eventbridge_archives   name of the archive NUL number         → an event, and when it happened

Most deliveries arrive in the step that the event is put in; what is kept are retries that wait. Those of an earlier
process are taken up when their target is declared again, and wait in the store until then.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from triggers.delivering import DeliveryRows
from triggers.keeping import from_row

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.storage.port import Store

ARCHIVES: Final = "eventbridge_archives"


class Keeping:
    """The deliveries of one service in the store of its bus."""

    def __init__(self, bus: EventBus, store: Store, service: str) -> None:
        self._bus = bus
        self.rows = DeliveryRows(store, service)
        self.numbers = self.rows.numbers
        self.archives = store.texts(ARCHIVES)
        self.waiting: dict[tuple[str, str], list[int]] = {}
        """By owner's ARN and target, the deliveries of earlier processes that nobody has taken up yet."""
        for owner, number, row in self.rows.all():
            self.waiting.setdefault((owner, from_row(row)[0][0]), []).append(number)

    def left_for(self, owner_arn: str, target_id: str) -> Iterator[tuple[int, Any, bytes, int, float]]:
        """What earlier processes had on the way to this target: number, row, content, attempts and when it is due."""
        for number in self.waiting.pop((owner_arn, target_id), ()):
            if (left := self.rows.left(owner_arn, number)) is not None:
                row, attempts, due_at = left
                yield number, *from_row(row), attempts, due_at

    def warn(self) -> None:
        """Say which deliveries wait for their target to be declared."""
        for (owner_arn, target_id), numbers in self.waiting.items():
            self._bus.log.warning(
                "deliveries_wait_for_target",
                owner=owner_arn,
                target=target_id,
                count=len(numbers),
                mend="declare the same rule and target, or the same schedule, again",
            )
