"""Partition keys and hash-key ranges. Pure.

A record goes to the shard whose range holds the MD5 of its partition key, read as a 128-bit number, or the explicit
hash key that it was given. Source: Kinesis developer guide, "Terminology and concepts", and API_PutRecord (2026).
"""

from __future__ import annotations

import hashlib

HASH_KEYS = 1 << 128
"""Hash keys go from 0 to one less than this."""


def hash_key(partition_key: str) -> int:
    """The hash key of a partition key."""
    return int.from_bytes(hashlib.md5(partition_key.encode(), usedforsecurity=False).digest())


def is_whole(value: object) -> bool:
    """Whether this is a whole number, and no bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def explicit(text: object) -> int | None:
    """The number that an explicit hash key spells, or None if it spells none."""
    if isinstance(text, int) and not isinstance(text, bool):
        number = text
    elif isinstance(text, str) and text.isascii() and text.isdigit() and (text == "0" or text[0] != "0"):
        number = int(text) if len(text) <= 39 else HASH_KEYS
    else:
        return None
    return number if 0 <= number < HASH_KEYS else None


def boundaries(shards: int) -> list[int]:
    """Where the ranges of so many equal shards begin."""
    return [index * HASH_KEYS // shards for index in range(shards)]
