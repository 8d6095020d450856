"""The seam between streams (DynamoDB streams, Kinesis) and event source mappings: what a poller asks of a stream.

A stream satisfies it structurally and imports nothing of the pollers but `poll_stream`, which it calls from its
`poll_into`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from eventbus.telemetry.trace import Cause


class StreamRecord(Protocol):
    """One record of a shard."""

    @property
    def sequence(self) -> int:
        """Compared as integers; grows within a shard."""

    @property
    def at(self) -> float:
        """When it arrived, seconds since the epoch."""

    @property
    def group(self) -> str:
        """What keeps its order within a parallelised shard: the partition key (Kinesis), the item's key (DynamoDB)."""

    @property
    def size(self) -> int:
        """Bytes that count toward the 6 MB of a batch."""

    @property
    def cause(self) -> Cause | None:
        """The trace's node of whoever wrote it; it carries the number of hops."""


class Shard(Protocol):
    """A sequence of records that keeps its order."""

    @property
    def shard_id(self) -> str: ...

    @property
    def parents(self) -> Sequence[str]:
        """Shards that must be drained first."""

    @property
    def is_closed(self) -> bool:
        """Whether no record will come any more."""

    @property
    def latest(self) -> int:
        """The sequence of the newest record ever, 0 if there was none: the position LATEST."""

    def after(self, sequence: int, limit: int) -> Sequence[StreamRecord]:
        """Kept records with a greater sequence, oldest first; trimmed ones are gone."""

    def position_at(self, timestamp: float) -> int:
        """The position just before the first record that arrived at or after this instant: AT_TIMESTAMP."""


class StreamSource(Protocol):
    """A stream that event source mappings read."""

    @property
    def arn(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def label(self) -> str:
        """How code names it: `kinesis["orders"]`."""

    @property
    def stream_kind(self) -> str:
        """`dynamodb` or `kinesis`."""

    @property
    def is_deleted(self) -> bool:
        """Whether it is gone for good; watchers are told. One of the same ARN may have been made since."""

    @property
    def retention(self) -> float:
        """Seconds for which records are kept."""

    def shards(self) -> Sequence[Shard]:
        """All shards whose records may still be read, parents before children."""

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake`, synchronously, when records were appended (and are safe in the store) or shards changed.

        Returns how to stop.
        """

    def lambda_record(self, shard: Any, record: Any, role_arn: str) -> dict[str, Any]:
        """The record as functions get it, fresh each time."""

    def filter_view(self, shard: Any, record: Any) -> dict[str, Any]:
        """What FilterCriteria see of a record: its data decoded, or left out where that is not possible."""

    def poll_actions(self) -> Sequence[str]:
        """The IAM actions that the function's role needs on `arn`, the one that is checked first at the front."""


class QueueMessage(Protocol):
    """A message that a poller holds."""

    @property
    def message_id(self) -> str: ...

    @property
    def body(self) -> str: ...

    @property
    def cause(self) -> Cause | None: ...


class QueueSource(Protocol):
    """A queue that event source mappings read; what they do is done by the service, the role was checked."""

    @property
    def arn(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def label(self) -> str: ...

    @property
    def is_fifo(self) -> bool: ...

    @property
    def is_deleted(self) -> bool:
        """Whether it is gone for good; watchers are told. One of the same ARN may have been made since."""

    @property
    def visibility_timeout(self) -> int:
        """Seconds for which a received message is hidden by default."""

    @property
    def maximum_message_size(self) -> int:
        """Bytes that a message may have."""

    @property
    def visible(self) -> int:
        """How many messages may be received now."""

    def next_instant(self) -> float | None:
        """When the next hidden message is to be seen, or None."""

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake`, synchronously, when a message may be received that couldn't before. Returns how to stop."""

    def take(self, limit: int, visibility_timeout: int) -> Sequence[Any]:
        """Receive up to `limit` messages. Raises an AWSError when the queue is gone or full of messages in flight."""

    def remove(self, messages: Sequence[Any]) -> Sequence[tuple[str, str]]:
        """Delete messages that were taken; returns the ids of those that cannot be any more, and why."""

    def lambda_record(self, message: Any) -> dict[str, Any]:
        """The message as functions get it, fresh each time."""
