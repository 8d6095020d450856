"""Shard iterators: a position in a shard with the instant at which it was given out, as an opaque text."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

import attrs

from triggers.dynamodb.errors import ExpiredIterator, ValidationError

LIFE = 900.0
"""Seconds for which an iterator can be used (developer guide, DynamoDB Streams)."""
TYPES = ("AFTER_SEQUENCE_NUMBER", "AT_SEQUENCE_NUMBER", "AT_TIMESTAMP", "LATEST", "TRIM_HORIZON")


@attrs.frozen
class Iterator:
    """Where to read on: behind `sequence` in a shard."""

    stream_arn: str
    shard_id: str
    sequence: int
    """0 is the oldest record that there is, whatever has been trimmed."""
    given_at: float

    def token(self) -> str:
        """The text that stands for it."""
        inner = json.dumps([self.shard_id, self.sequence, self.given_at]).encode()
        return f"{self.stream_arn}|1|{urlsafe_b64encode(inner).decode()}"


def read_iterator(token: object, now: float) -> Iterator:
    """What a text stands for. Raises ValidationError, or ExpiredIterator after 15 minutes."""
    try:
        stream_arn, version, inner = str(token).split("|")
        shard_id, sequence, given_at = json.loads(urlsafe_b64decode(inner))
        found = Iterator(stream_arn, str(shard_id), int(sequence), float(given_at))
    except (ValueError, TypeError):
        raise ValidationError("Invalid ShardIterator") from None
    if version != "1":
        raise ValidationError("Invalid ShardIterator")
    if now - found.given_at > LIFE:
        raise ExpiredIterator
    return found
