"""What a queue keeps of a message, and what a receiver gets to see."""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
from collections.abc import Mapping
from typing import Any, TypeAlias

import attrs

from eventbus.delivery import payload
from eventbus.delivery.targets import MessageAttributes
from eventbus.telemetry.trace import Cause
from triggers.batches import BatchFailure
from triggers.sqs import attributes as message_attributes
from triggers.sqs.errors import ReceiptHandleIsInvalid


class State(enum.IntEnum):
    """Where a message stands.

    delayed → visible, visible → in flight, in flight → visible, and from each of them → gone.
    """

    DELAYED = 0
    VISIBLE = 1
    IN_FLIGHT = 2
    GONE = 3


Standing: TypeAlias = tuple[State, float, int, int, float | None, float]
"""What receiving changes of a message: state, visible_at, rank, receives, first_received_at and taken_at."""


@attrs.define(eq=False, weakref_slot=False)
class StoredMessage:
    """One message in one queue."""

    message_id: str
    body: str
    attributes: MessageAttributes
    enqueued_at: float
    """When its retention began to count."""
    sent_at: float
    sender_id: str
    cause: Cause | None
    group_id: str | None = None
    deduplication_id: str | None = None
    sequence_number: str | None = None
    trace_header: str | None = None
    dead_letter_source: str | None = None
    order: int = -1
    """Its place in the order of arrival in this queue; given by the store."""
    state: State = State.DELAYED
    visible_at: float = 0.0
    """From when on it is to be seen, or was."""
    rank: int = -1
    """Its place among those to be seen from the same instant on."""
    ticket: int = -1
    """Which entry among the hidden messages is its current one; -1 for none."""
    receives: int = 0
    first_received_at: float | None = None
    taken_at: float = 0.0
    """When it was received last; a visibility time-out ends at most 12 hours later."""

    def standing(self) -> Standing:
        """What receiving changes, as it is now."""
        return (self.state, self.visible_at, self.rank, self.receives, self.first_received_at, self.taken_at)

    def stand(self, standing: Standing) -> None:
        """Make it what it was."""
        self.state, self.visible_at, self.rank, self.receives, self.first_received_at, self.taken_at = standing

    def system_attributes(self) -> dict[str, str]:
        """What SQS itself says of a received message; every value is a text."""
        shown = {
            "SenderId": self.sender_id,
            "SentTimestamp": _milliseconds(self.sent_at),
            "ApproximateReceiveCount": str(self.receives),
        }
        if self.first_received_at is not None:
            shown["ApproximateFirstReceiveTimestamp"] = _milliseconds(self.first_received_at)
        for name, value in (
            ("SequenceNumber", self.sequence_number),
            ("MessageGroupId", self.group_id),
            ("MessageDeduplicationId", self.deduplication_id),
            ("AWSTraceHeader", self.trace_header),
            ("DeadLetterQueueSourceArn", self.dead_letter_source),
        ):
            if value is not None:
                shown[name] = value
        return shown


def _milliseconds(at: float) -> str:
    return str(round(at * 1000))


@attrs.frozen
class ReceivedMessage:
    """A message that a receiver holds until its visibility time-out ends.

    `attributes` are SQS's own (`ApproximateReceiveCount`, `SentTimestamp`, ...), all texts; `message_attributes` are
    the sender's, as `{"name": {"DataType": ..., "StringValue" | "BinaryValue": ...}}`.
    """

    message_id: str
    receipt_handle: str
    body: str
    attributes: Mapping[str, str]
    message_attributes: MessageAttributes
    md5_of_body: str
    md5_of_message_attributes: str | None
    cause: Cause | None = attrs.field(default=None, repr=False, eq=False)
    """What brought it here, for the trace: pass it on as the cause of whatever follows."""

    @property
    def receive_count(self) -> int:
        """How often it was received, this time included."""
        return int(self.attributes["ApproximateReceiveCount"])

    def json(self) -> Any:
        """The body as a JSON value; raises ValueError if it isn't JSON."""
        return payload.parse(self.body)


@attrs.frozen
class SentMessage:
    """What `send` answers."""

    message_id: str
    md5_of_body: str
    md5_of_message_attributes: str | None = None
    sequence_number: str | None = None
    """Twenty digits, growing; only on FIFO queues."""


@attrs.frozen
class SendBatchResult:
    """What `send_batch` answers, each by the id of its entry."""

    successful: Mapping[str, SentMessage]
    failed: tuple[BatchFailure, ...] = ()


@attrs.frozen
class DeleteBatchResult:
    """What `delete_batch` answers, by the position of the message in the call."""

    successful: tuple[str, ...]
    failed: tuple[BatchFailure, ...] = ()


@attrs.frozen
class QueueStatistics:
    """How a queue stands at one instant."""

    visible: int
    in_flight: int
    delayed: int
    oldest_age: float
    """Seconds since the oldest message was sent; 0 for an empty queue."""

    @property
    def total(self) -> int:
        """Every message that the queue holds."""
        return self.visible + self.in_flight + self.delayed


def md5(text: str) -> str:
    """MD5OfMessageBody."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def received(message: StoredMessage, tag: str) -> ReceivedMessage:
    """The view of a message for the receiver that has just taken it."""
    return ReceivedMessage(
        message_id=message.message_id,
        receipt_handle=make_handle(tag, message.order, message.receives),
        body=message.body,
        attributes=message.system_attributes(),
        message_attributes={name: dict(value) for name, value in message.attributes.items()},
        md5_of_body=md5(message.body),
        md5_of_message_attributes=message_attributes.md5(message.attributes),
        cause=message.cause,
    )


_PREFIX = "AQEB"
EXPIRED = "The receipt handle has expired."
"""Of a FIFO queue, when the visibility time-out of a receive has ended."""


def make_handle(tag: str, order: int, receives: int) -> str:
    """The receipt handle of one receive: which queue, which message, which time; opaque to the receiver."""
    return _PREFIX + base64.b64encode(f"{tag}:{order}:{receives}".encode()).decode()


def read_handle(tag: str, handle: str) -> tuple[int, int]:
    """The message's place and the number of the receive. Raises ReceiptHandleIsInvalid for a foreign handle."""
    try:
        if not handle.startswith(_PREFIX):
            raise ReceiptHandleIsInvalid(handle)
        text = base64.b64decode(handle[len(_PREFIX) :], validate=True).decode()
        _, order, receives = text.split(":")
        numbers = int(order), int(receives)
    except (AttributeError, TypeError, binascii.Error, UnicodeError):
        raise ReceiptHandleIsInvalid(handle) from None
    except ReceiptHandleIsInvalid:
        raise
    except ValueError:
        raise ReceiptHandleIsInvalid(handle) from None
    if make_handle(tag, *numbers) != handle:
        raise ReceiptHandleIsInvalid(handle)
    return numbers
