"""Every API and function URL of a bus, by its id: what the port of `eventbus serve` finds them by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from triggers.http.front import Front


class Endpoints:
    """The fronts of one bus: `bus.shared(Endpoints)`. The id of one is the first part of its host name on AWS."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self._fronts: dict[str, Front] = {}

    def __iter__(self) -> Iterator[Front]:
        return iter(list(self._fronts.values()))

    def add(self, front: Front) -> None:
        """A front was made."""
        self._fronts[_id(front)] = front

    def remove(self, front: Front) -> None:
        """A front was deleted: nobody finds it any more."""
        self._fronts.pop(_id(front), None)

    def find(self, endpoint_id: str) -> Front | None:
        """The front with this id; that of a function which was deleted is gone with it."""
        front = self._fronts.get(endpoint_id)
        function = getattr(front, "function", None)
        if front is not None and function is not None and self._bus.find(function.arn) is not function:
            self.remove(front)
            return None
        return front


def _id(front: Front) -> str:
    return front.domain.partition(".")[0]
