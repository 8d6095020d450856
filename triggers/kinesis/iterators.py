"""Shard iterators: opaque texts that hold a position and live for five minutes. Pure."""

from __future__ import annotations

import base64
import binascii
import json

import attrs

from triggers.kinesis.errors import ExpiredIterator, InvalidArgument

LIFE = 300.0
"""Seconds (API_GetShardIterator, 2026)."""
TYPES = ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER", "TRIM_HORIZON", "LATEST", "AT_TIMESTAMP")
_PREFIX = "AAAAAAAAAA"


@attrs.frozen
class ShardIterator:
    """A position in a shard: the records after `sequence` are next."""

    stream_arn: str
    shard_id: str
    sequence: int
    made_at: float

    def __str__(self) -> str:
        text = json.dumps([self.stream_arn, self.shard_id, str(self.sequence), self.made_at], separators=(",", ":"))
        return _PREFIX + base64.urlsafe_b64encode(text.encode()).decode()


def read(text: object, stream_arn: str, now: float) -> ShardIterator:
    """The iterator that a text stands for.

    Raises InvalidArgument for one that this stream never gave out, ExpiredIterator for one that is too old.
    """
    iterator = _parsed(text)
    if iterator.stream_arn != stream_arn:
        raise InvalidArgument("Invalid ShardIterator.", mend=f"this iterator belongs to {iterator.stream_arn}")
    if now > iterator.made_at + LIFE:
        raise ExpiredIterator(iterator.made_at, now, LIFE)
    return iterator


def stream_arn(text: object) -> str:
    """The ARN of the stream that an iterator belongs to. Raises InvalidArgument."""
    return _parsed(text).stream_arn


def _parsed(text: object) -> ShardIterator:
    try:
        if not isinstance(text, str) or not text.startswith(_PREFIX):
            raise ValueError
        arn, shard_id, sequence, made_at = json.loads(base64.urlsafe_b64decode(text[len(_PREFIX) :]))
        return ShardIterator(str(arn), shard_id, int(sequence), float(made_at))
    except (ValueError, TypeError, binascii.Error):
        raise InvalidArgument("Invalid ShardIterator.") from None
