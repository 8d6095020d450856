"""A queue as the poller of an event source mapping sees it, and its messages as functions get them.

Source of the event: Lambda developer guide, "Using Lambda with Amazon SQS" (2026), and recorded events.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from eventbus.arn import Arn
from triggers.sqs import attributes as message_attributes
from triggers.sqs.messages import EXPIRED, make_handle, md5

if TYPE_CHECKING:
    from eventbus.iam.access import AccessPolicy
    from triggers.sqs.messages import StoredMessage
    from triggers.sqs.queue import Queue
    from triggers.sqs.waiting import Waiters


class HeldMessage:
    """A message in flight, as it was when it was received: it may be received again while a function has it."""

    __slots__ = ("attributes", "body", "cause", "message_id", "receives", "stored")

    def __init__(self, stored: StoredMessage) -> None:
        self.stored = stored
        self.message_id = stored.message_id
        self.body = stored.body
        self.cause = stored.cause
        self.receives = stored.receives
        self.attributes = stored.system_attributes()


class PolledQueue:
    """One queue, for one mapping. What is done here is done by Lambda, which has asked the function's role."""

    def __init__(
        self, queue: Queue, waiters: Waiters, next_instant: Callable[[], float | None], now: Callable[[], float]
    ) -> None:
        self.queue = self.origin = queue
        self.arn = queue.arn
        self.name = queue.name
        self.label = queue.label
        self.is_fifo = queue.is_fifo
        self.access: AccessPolicy = queue.access
        self.watch = waiters.watch
        self._next_instant = next_instant
        self._now = now
        self._region = Arn.parse(queue.arn).region

    def __repr__(self) -> str:
        return repr(self.queue)

    @property
    def is_deleted(self) -> bool:
        return self.queue.is_deleted

    @property
    def visibility_timeout(self) -> int:
        return self.queue.settings.visibility_timeout

    @property
    def maximum_message_size(self) -> int:
        return self.queue.settings.maximum_message_size

    @property
    def visible(self) -> int:
        return self.queue.statistics().visible

    def next_instant(self) -> float | None:
        """When the next hidden message is to be seen, or None."""
        due = self._next_instant()
        if due is not None and due <= self._now():
            self.queue.statistics()  # lets time pass
            due = self._next_instant()
        return due

    def take(self, limit: int, visibility_timeout: int) -> Sequence[HeldMessage]:
        """Receive up to `limit` messages."""
        return [HeldMessage(message) for message in self.queue._take(limit, visibility_timeout)]

    def remove(self, messages: Iterable[HeldMessage]) -> Sequence[tuple[str, str]]:
        """Delete messages that were received; returns the ids of those that cannot be any more, and why."""
        refused = self.queue._discard([(message.stored, message.receives) for message in messages])
        return [(message.message_id, EXPIRED) for message in refused]

    def lambda_record(self, message: HeldMessage) -> dict[str, Any]:
        """The message as functions get it."""
        stored = message.stored
        return {
            "messageId": message.message_id,
            "receiptHandle": make_handle(self.queue._tag, stored.order, message.receives),
            "body": message.body,
            "attributes": dict(message.attributes),
            "messageAttributes": {name: _attribute(value) for name, value in stored.attributes.items()},
            "md5OfMessageAttributes": message_attributes.md5(stored.attributes),
            "md5OfBody": md5(message.body),
            "eventSource": "aws:sqs",
            "eventSourceARN": self.arn,
            "awsRegion": self._region,
        }


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if "StringValue" in value:
        shown["stringValue"] = value["StringValue"]
    else:
        shown["binaryValue"] = b64encode(value["BinaryValue"]).decode()
    return {**shown, "stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
