"""SQS: queues to send to, to receive from, and to put dead letters in."""

from triggers.batches import BatchFailure
from triggers.sqs.errors import (
    InvalidMessageContents,
    InvalidParameterValue,
    QueueDoesNotExist,
    QueueNameExists,
    ReceiptHandleIsInvalid,
    SQSError,
)
from triggers.sqs.messages import (
    DeleteBatchResult,
    QueueStatistics,
    ReceivedMessage,
    SendBatchResult,
    SentMessage,
)
from triggers.sqs.queue import Queue
from triggers.sqs.service import SQS
from triggers.sqs.settings import QueueSettings

__all__ = [
    "SQS",
    "BatchFailure",
    "DeleteBatchResult",
    "InvalidMessageContents",
    "InvalidParameterValue",
    "Queue",
    "QueueDoesNotExist",
    "QueueNameExists",
    "QueueSettings",
    "QueueStatistics",
    "ReceiptHandleIsInvalid",
    "ReceivedMessage",
    "SQSError",
    "SendBatchResult",
    "SentMessage",
]
