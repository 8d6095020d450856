"""A queue as the poller of an event source mapping sees it, and its messages as functions get them.

Source of the event: Lambda developer guide, "Using Lambda with Amazon SQS" (2026), and recorded events.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from eventbus.arn import Arn

if TYPE_CHECKING:
    from eventbus.iam.access import AccessPolicy
    from triggers.sqs.messages import ReceivedMessage
    from triggers.sqs.queue import Queue
    from triggers.sqs.waiting import Waiters


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

    def take(self, limit: int, visibility_timeout: int) -> Sequence[ReceivedMessage]:
        """Receive up to `limit` messages."""
        return self.queue.receive_nowait(limit, visibility_timeout=visibility_timeout)

    def remove(self, message: ReceivedMessage) -> None:
        """Delete a message that was received."""
        self.queue.discard(message)

    def lambda_record(self, message: ReceivedMessage) -> dict[str, Any]:
        """The message as functions get it."""
        return {
            "messageId": message.message_id,
            "receiptHandle": message.receipt_handle,
            "body": message.body,
            "attributes": dict(message.attributes),
            "messageAttributes": {name: _attribute(value) for name, value in message.message_attributes.items()},
            "md5OfMessageAttributes": message.md5_of_message_attributes,
            "md5OfBody": message.md5_of_body,
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
