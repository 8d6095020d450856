"""Which of many intervals hold a point, without looking at the others.

A centred interval tree: each node keeps the intervals around its centre, sorted by either end; those left and right of
it go to its children. It is built lazily and as a whole; what is added later waits beside it and is looked through one
by one, until it is worth building in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from operator import itemgetter
from typing import Any, Final, Generic, TypeAlias, TypeVar

import attrs

Item = TypeVar("Item")
Interval: TypeAlias = tuple[Any, Any, int]
"""The lowest and the highest point, both included, and the ticket. Points are of one ordered type."""

_FEW: Final = 32


@attrs.frozen
class _Node:
    centre: Any
    by_low: list[Interval]
    by_high: list[Interval]
    left: _Node | None
    right: _Node | None


class Intervals(Generic[Item]):
    """Intervals that can be added, removed and asked for those around a point."""

    def __init__(self) -> None:
        self._items: dict[int, tuple[Interval, Item]] = {}
        self._tickets = 0
        self._root: _Node | None = None
        self._built = 0
        self._waiting: dict[int, Interval] = {}
        self._latest: deque[Interval] = deque(maxlen=_FEW)

    def __len__(self) -> int:
        return len(self._items)

    def add(self, low: Any, high: Any, item: Item) -> int:
        """Add an interval and return the ticket that `remove` takes."""
        self._tickets += 1
        interval = (low, high, self._tickets)
        self._items[self._tickets] = (interval, item)
        self._waiting[self._tickets] = interval
        self._latest.append(interval)
        return self._tickets

    def crowd(self, low: Any, high: Any) -> float:
        """Estimate how many intervals overlap this one, from the few that were added last."""
        # Ranges that touch, like those of a scale, share a point at most and do not count.
        meeting = sum(1 for other_low, other_high, _ in self._latest if other_low < high and low < other_high)
        return len(self._items) * meeting / max(1, len(self._latest))

    def remove(self, ticket: int) -> None:
        """Forget an interval; the tree keeps it, unseen, until it is built again."""
        del self._items[ticket]
        self._waiting.pop(ticket, None)

    def around(self, point: Any) -> Iterator[Item]:
        """The items whose interval holds `point`."""
        unseen = self._built + len(self._waiting) - len(self._items)
        # Building waits until as much has changed as it costs, so that each change pays a constant share.
        if len(self._waiting) > _FEW + self._built // 4 or unseen > _FEW + self._built // 2:
            self._root = _build(sorted((interval for interval, _ in self._items.values()), key=itemgetter(0)))
            self._built = len(self._items)
            self._waiting.clear()
        for low, high, ticket in self._waiting.values():
            if low <= point <= high:
                yield self._items[ticket][1]
        for ticket in _stabbed(self._root, point):
            if ticket in self._items:
                yield self._items[ticket][1]


def _stabbed(node: _Node | None, point: Any) -> Iterator[int]:
    while node is not None:
        if point < node.centre:
            for low, _, ticket in node.by_low:
                if low > point:
                    break
                yield ticket
            node = node.left
        else:
            for _, high, ticket in node.by_high:
                if high < point:
                    break
                yield ticket
            node = node.right


def _build(by_low: list[Interval]) -> _Node | None:
    """Build a node of intervals sorted by their low ends; at most half of them go to either side."""
    if not by_low:
        return None
    # Around the middle one of the low ends: right of it begins the later half, left of it lies some of the earlier.
    centre = by_low[len(by_low) // 2][0]
    left = [interval for interval in by_low if interval[1] < centre]
    right = [interval for interval in by_low if interval[0] > centre]
    here = [interval for interval in by_low if interval[0] <= centre <= interval[1]]
    return _Node(centre, here, sorted(here, key=itemgetter(1), reverse=True), _build(left), _build(right))
