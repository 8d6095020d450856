"""What the sources share in keeping things in the bus's store: numbers, names before keys, rows of JSON and content.

The key of a row is the name of the bucket, queue or topic that owns it, a NUL, and whatever tells its things apart. So
everything that one of them owns lies together, and what belongs to one that is not declared is never looked at.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import orjson

from eventbus.storage.batches import Space

SEPARATOR = "\0"
_BEHIND = "\1"
"""Follows the separator: a name with this at its end comes right behind all rows of the name."""
_CHUNK = 100
"""Rows that are read at a time; each may carry a body of 64 KiB, or a message of 1 MiB."""
NUMBERS = 100_000
"""Numbers are taken from the store in blocks of this size: none is used twice, for one write per block."""


class Numbers:
    """Numbers that grow and are never used twice, whatever becomes of the process. A restart leaves a gap."""

    def __init__(self, facts: Space[str], key: str = "next_number", first: int = 0) -> None:
        self._facts = facts
        self._key = key
        self._next = self._reserved = max(first, int(facts.get(key) or 0))

    def draw(self) -> int:
        """The next number."""
        number = self._next
        self._next = number + 1
        if number >= self._reserved:
            self._reserved = number + NUMBERS
            self._facts.put(self._key, b"%d" % self._reserved)
        return number


def number_key(owner: str, number: int) -> str:
    """The key of a thing that has a number; keys sort as the numbers do."""
    return f"{owner}\0{number:016x}"


def rows_of(space: Space[str], owner: str) -> Iterator[tuple[str, bytes]]:
    """The rows that belong to this name, in the order of their keys."""
    prefix = owner + SEPARATOR
    for key, row in space.scan(prefix, _CHUNK):
        if not key.startswith(prefix):
            return
        yield key, row


def owners(space: Space[str]) -> Iterator[str]:
    """The names that own something in this space, each once; what they own is not read."""
    after: str | None = None
    while (first := next(space.scan(after, 1), None)) is not None:
        name = first[0].partition(SEPARATOR)[0]
        yield name
        after = name + _BEHIND


def nothing() -> None:
    """The undo of a change that another change's undo takes back as well."""


def as_row(head: Any, content: bytes = b"") -> bytes:
    """One line of JSON, then the content as it is."""
    return dumps(head) + b"\n" + content


def from_row(row: bytes) -> tuple[Any, bytes]:
    """What `as_row` was given."""
    head, _, content = row.partition(b"\n")
    return loads(head), content


def dumps(value: Any) -> bytes:
    """Compact JSON on one line; also of what orjson cannot carry, such as half of a surrogate pair."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()


def loads(data: bytes) -> Any:
    """What `dumps` was given."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return json.loads(data)
