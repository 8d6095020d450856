"""Time to live: which items have expired, and when the next one will."""

from __future__ import annotations

import heapq
import itertools
import math
from decimal import Decimal

from triggers.dynamodb.keys import Place
from triggers.dynamodb.values import Item

TOO_OLD = 5 * 365 * 86_400.0
"""An item whose time is longer past than five years is not deleted (developer guide, using time to live)."""
DELAY = 1.0
"""Seconds after its time at which an item is deleted: expired is what is past, not what is now."""


def expires_at(item: Item, attribute: str) -> float | None:
    """When an item expires, in seconds since the epoch; None for never: the attribute is no number, or not there."""
    text = item.get(attribute, {}).get("N")
    if text is None:
        return None
    moment = Decimal(text)
    return float(moment) if -1e15 < moment < 1e15 else None


def is_due(item: Item, attribute: str, now: float) -> bool:
    """Whether an item is to be deleted now."""
    moment = expires_at(item, attribute)
    return moment is not None and now - TOO_OLD <= moment <= now - DELAY


class Expirations:
    """Places of items by the instant at which to look at them: once for each, however often its time is put off.

    Whether an item has expired must be asked then, and if it hasn't, its place added again.
    """

    def __init__(self) -> None:
        self._waiting: dict[Place, float] = {}
        self._heap: list[tuple[float, int, Place]] = []
        self._order = itertools.count()

    def add(self, place: Place, due_at: float) -> None:
        """Look at this place at this instant, unless that is to be done before."""
        if self._waiting.get(place, math.inf) <= due_at:
            return
        self._waiting[place] = due_at
        heapq.heappush(self._heap, (due_at, next(self._order), place))

    @property
    def next_due(self) -> float | None:
        """The earliest instant."""
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> list[Place]:
        """The places whose time has come, taken out."""
        places = []
        while self._heap and self._heap[0][0] <= now:
            due_at, _, place = heapq.heappop(self._heap)
            if self._waiting.get(place) == due_at:  # else it has been looked at before
                del self._waiting[place]
                places.append(place)
        return places
