"""Items in order: by the hash of the partition key, and within a partition by the sort key. A table has one of these,
and each of its indexes another, of the same items."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from hashlib import md5
from typing import Any

import attrs

from triggers.dynamodb.keys import Place
from triggers.dynamodb.values import Item

HASHES = 1 << 64
"""The hashes of partition keys are below this."""


MANY = 1000
"""Empty partitions that are not worth a thought."""


@attrs.define(eq=False)
class Stored:
    """An item as a table keeps it; never changed."""

    item: Item
    place: Place
    size: int


class Partition:
    """The items of one partition key."""

    __slots__ = ("by_sort", "sorts")

    def __init__(self) -> None:
        self.sorts: list[Any] = []
        """Sort keys in ascending order."""
        self.by_sort: dict[Any, Stored] = {}


class Collection:
    """A sorted set of items."""

    def __init__(self) -> None:
        self._partitions: dict[Any, Partition] = {}
        self._order: list[tuple[int, Any]] = []
        """(hash, partition key) of partitions, in ascending order: those that the latest scan knew."""
        self._fresh: list[Any] = []
        """Partition keys that have come since; sorted in when somebody scans, so that writing stays cheap."""
        self._empty = 0
        """Partitions without items, which are taken out when they are many."""
        self.count = 0
        self.bytes = 0

    def get(self, place: Place) -> Stored | None:
        """The item at a place."""
        partition = self._partitions.get(place[0])
        return None if partition is None else partition.by_sort.get(place[1])

    def partition(self, content: Any) -> Partition:
        """The items with this partition key."""
        return self._partitions.get(content) or Partition()

    def put(self, place: Place, stored: Stored) -> None:
        """Put an item at a place, instead of what is there."""
        content, sort = place
        partition = self._partitions.get(content)
        if partition is None:
            partition = self._partitions[content] = Partition()
            self._fresh.append(content)
        elif not partition.sorts:
            self._empty -= 1
        before = partition.by_sort.get(sort)
        if before is None:
            insort(partition.sorts, sort)
            self.count += 1
        else:
            self.bytes -= before.size
        self.bytes += stored.size
        partition.by_sort[sort] = stored

    def remove(self, place: Place) -> None:
        """Take the item at a place out, if there is one."""
        content, sort = place
        partition = self._partitions.get(content)
        if partition is None or sort not in partition.by_sort:
            return
        self.bytes -= partition.by_sort.pop(sort).size
        self.count -= 1
        del partition.sorts[bisect_left(partition.sorts, sort)]
        if not partition.sorts:
            self._empty += 1
            if self._empty > MANY and self._empty * 2 > len(self._partitions):
                self._purge()

    def _purge(self) -> None:
        self._partitions = {content: each for content, each in self._partitions.items() if each.sorts}
        self._order = [entry for entry in self._order if entry[1] in self._partitions]
        self._fresh = [content for content in self._fresh if content in self._partitions]
        self._empty = 0

    def scan(self, low: int, high: int, after: Place | None) -> Iterator[Stored]:
        """Every item whose hash is in a range, in order, beginning behind a place."""
        if self._fresh:
            self._order += [(hash_of(content), content) for content in self._fresh]
            self._order.sort()
            self._fresh = []
        at = bisect_left(self._order, low, key=lambda entry: entry[0])
        skip: Any = None
        if after is not None:
            start = (hash_of(after[0]), after[0])
            at = max(at, bisect_left(self._order, start))
            skip = after[0]
        while at < len(self._order) and self._order[at][0] < high:
            content = self._order[at][1]
            partition = self._partitions[content]
            first = 0
            if after is not None and content == skip:
                first = bisect_right(partition.sorts, after[1])
            for sort in partition.sorts[first:]:
                yield partition.by_sort[sort]
            at += 1

    def __iter__(self) -> Iterator[Stored]:
        for partition in self._partitions.values():
            yield from partition.by_sort.values()


def hash_of(content: Any) -> int:
    """The hash of a partition key: it decides the order of a scan, the segment, and the shard of the stream."""
    data = content if isinstance(content, bytes) else content.encode()
    return int.from_bytes(md5(data, usedforsecurity=False).digest()[:8], "big")
