"""What FIFO queues and FIFO topics share: a deduplication id seen within five minutes makes a duplicate."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

WINDOW = 300.0
"""Seconds for which a deduplication id is remembered (SQS and SNS developer guides, FIFO pages, 2026)."""

T = TypeVar("T")


class Deduplication(Generic[T]):
    """Remembers for five minutes what became of each deduplication id.

    The window begins with the first message and isn't extended by its duplicates. Time must not go backwards from call
    to call: so the oldest entry is always the first to be forgotten, and remembering costs O(1).
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[Hashable, tuple[float, T]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def find(self, key: Hashable, now: float) -> T | None:
        """What was remembered under this key less than five minutes ago, or None."""
        entry = self._seen.get(key)
        return entry[1] if entry is not None and now < entry[0] + WINDOW else None

    def remember(self, key: Hashable, value: T, now: float) -> None:
        """Remember a message that was accepted now, and forget whatever is too old."""
        seen = self._seen
        while seen and next(iter(seen.values()))[0] + WINDOW <= now:
            seen.popitem(last=False)
        seen.pop(key, None)
        seen[key] = (now, value)


def content_id(body: str) -> str:
    """The content-based deduplication id: SHA-256 of the body in hexadecimal; attributes don't count."""
    return hashlib.sha256(body.encode()).hexdigest()
