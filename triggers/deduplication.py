"""What FIFO queues and FIFO topics share: a deduplication id seen within five minutes makes a duplicate."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeAlias, TypeVar

import attrs

from eventbus.storage.batches import Space
from triggers.keeping import SEPARATOR, dumps, loads, rows_of

WINDOW = 300.0
"""Seconds for which a deduplication id is remembered (SQS and SNS developer guides, FIFO pages, 2026)."""

T = TypeVar("T")
Key: TypeAlias = "tuple[str | None, str | None]"
"""The message group, where ids are told apart by it, and the deduplication id."""


class Deduplication(Generic[T]):
    """Remembers for five minutes what became of each deduplication id.

    The window begins with the first message and isn't extended by its duplicates. Time must not go backwards from call
    to call: so the oldest entry is always the first to be forgotten, and remembering costs O(1).
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[Key, tuple[float, T]] = OrderedDict()
        self._rows: DuplicateRows[T] | None = None

    def __len__(self) -> int:
        return len(self._seen)

    def find(self, key: Key, now: float) -> T | None:
        """What was remembered under this key less than five minutes ago, or None."""
        entry = self._seen.get(key)
        return entry[1] if entry is not None and now < entry[0] + WINDOW else None

    def remember(self, key: Key, value: T, now: float) -> None:
        """Remember a message that was accepted now, and forget whatever is too old."""
        seen = self._seen
        while seen and next(iter(seen.values()))[0] + WINDOW <= now:
            old = seen.popitem(last=False)[0]
            if self._rows is not None:
                self._rows.forget(old)
        seen.pop(key, None)
        seen[key] = (now, value)
        if self._rows is not None:
            self._rows.remember(key, value, now, partial(seen.pop, key, None))

    def keep(self, rows: DuplicateRows[T], now: float) -> None:
        """Take up what the store remembers, and keep there what is remembered from now on."""
        self._rows = rows
        kept = rows.load()
        for key, (at, _) in kept.items():
            if at + WINDOW <= now:
                rows.forget(key)
        live = [(key, entry) for key, entry in kept.items() if now < entry[0] + WINDOW]
        self._seen = OrderedDict(sorted(live, key=lambda item: item[1][0]))

    def clear(self) -> None:
        """Forget everything: the queue or topic is gone."""
        if self._rows is not None:
            for key in self._seen:
                self._rows.forget(key)
        self._seen.clear()


class DuplicateRows(Generic[T]):
    """The memory of one queue or topic in the store. `make` makes a value of the fields that it had."""

    def __init__(self, space: Space[str], owner: str, make: Callable[..., T]) -> None:
        self._space = space
        self._owner = owner
        self._make = make

    def load(self) -> dict[Key, tuple[float, T]]:
        """Everything that is remembered, with its time."""
        kept: dict[Key, tuple[float, T]] = {}
        for row_key, row in rows_of(self._space, self._owner):
            _, group, identifier = row_key.split(SEPARATOR)
            at, *fields = loads(row)
            kept[group or None, identifier] = (at, self._make(*fields))
        return kept

    def remember(self, key: Key, value: T, now: float, undo: Callable[[], object]) -> None:
        """Write one down."""
        row = dumps([now, *attrs.astuple(value)])  # type: ignore[arg-type]
        self._space.put(self._row_key(key), row, undo=undo)  # type: ignore[arg-type]

    def forget(self, key: Key) -> None:
        """Remove one. That its time is over is a fact, whatever becomes of what is written with it."""
        self._space.delete(self._row_key(key))

    def _row_key(self, key: Key) -> str:
        return SEPARATOR.join((self._owner, key[0] or "", key[1] or ""))


def content_id(body: str) -> str:
    """The content-based deduplication id: SHA-256 of the body in hexadecimal; attributes don't count."""
    return hashlib.sha256(body.encode()).hexdigest()
