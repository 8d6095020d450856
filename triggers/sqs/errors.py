"""Every refusal of SQS, in AWS's own words.

    AWSError
    └── SQSError
        ├── QueueDoesNotExist              400  (also a KeyError: `sqs["nope"]`)
        ├── QueueNameExists                400
        ├── PurgeQueueInProgress           403
        ├── ReceiptHandleIsInvalid         404
        ├── InvalidParameterValue          400  a number out of range, a parameter of the other queue type, too long
        ├── InvalidAttributeName           400
        ├── InvalidAttributeValue          400
        ├── InvalidMessageContents         400
        ├── MissingParameter               400
        ├── OverLimit                      403
        ├── EmptyBatchRequest              400
        ├── TooManyEntriesInBatchRequest   400
        ├── BatchEntryIdsNotDistinct       400
        ├── BatchRequestTooLong            400
        └── InvalidBatchEntryId            400

Few of these texts are recorded; they are the ones that users of SQS meet (query protocol codes, botocore 1.44.5).
"""

from __future__ import annotations

from eventbus.errors import AWSError


class SQSError(AWSError):
    """A refusal of SQS."""

    code = "InvalidParameterValue"
    status = 400


class QueueDoesNotExist(SQSError, KeyError):
    """There is no queue of this name, or it was deleted."""

    code = "AWS.SimpleQueueService.NonExistentQueue"

    def __init__(self) -> None:
        super().__init__("The specified queue does not exist.")

    __str__ = Exception.__str__  # a KeyError would show its message in quotes


class QueueNameExists(SQSError):
    code = "QueueAlreadyExists"

    def __init__(self, attribute: str) -> None:
        super().__init__(f"A queue already exists with the same name and a different value for attribute {attribute}")


class PurgeQueueInProgress(SQSError):
    code = "AWS.SimpleQueueService.PurgeQueueInProgress"
    status = 403

    def __init__(self, name: str) -> None:
        super().__init__(f"Only one PurgeQueue operation on {name} is allowed every 60 seconds.")


class ReceiptHandleIsInvalid(SQSError, ValueError):
    code = "ReceiptHandleIsInvalid"
    status = 404

    def __init__(self, handle: object) -> None:
        super().__init__(f'The input receipt handle "{handle}" is not a valid receipt handle.')


class InvalidParameterValue(SQSError, ValueError):
    code = "InvalidParameterValue"

    @classmethod
    def of(cls, value: object, parameter: str, reason: str) -> InvalidParameterValue:
        """The common form of the sentence."""
        return cls(f"Value {value} for parameter {parameter} is invalid. Reason: {reason}")


class InvalidAttributeName(SQSError, ValueError):
    code = "InvalidAttributeName"

    def __init__(self, name: str) -> None:
        super().__init__(f"Unknown Attribute {name}.")


class InvalidAttributeValue(SQSError, ValueError):
    code = "InvalidAttributeValue"

    def __init__(self, attribute: str) -> None:
        super().__init__(f"Invalid value for the parameter {attribute}.")


class InvalidMessageContents(SQSError, ValueError):
    code = "InvalidMessageContents"

    def __init__(self, character: str) -> None:
        super().__init__(
            f"Invalid binary character '#x{ord(character):X}' was found in the message body, the set of allowed "
            "characters is #x9 | #xA | #xD | [#x20 to #xD7FF] | [#xE000 to #xFFFD] | [#x10000 to #x10FFFF]"
        )


class MissingParameter(SQSError, ValueError):
    code = "MissingParameter"

    def __init__(self, parameter: str) -> None:
        super().__init__(f"The request must contain the parameter {parameter}.")


class OverLimit(SQSError):
    code = "OverLimit"
    status = 403

    def __init__(self, limit: int) -> None:
        super().__init__(f"Too many messages are in flight: the limit of a queue is {limit}.")


class EmptyBatchRequest(SQSError, ValueError):
    code = "AWS.SimpleQueueService.EmptyBatchRequest"

    def __init__(self, entry: str) -> None:
        super().__init__(f"There should be at least one {entry} in the request.")


class TooManyEntriesInBatchRequest(SQSError, ValueError):
    code = "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"

    def __init__(self, count: int) -> None:
        super().__init__(f"Maximum number of entries per request are 10. You have sent {count}.")


class BatchEntryIdsNotDistinct(SQSError, ValueError):
    code = "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"

    def __init__(self, entry_id: str) -> None:
        super().__init__(f"Id {entry_id} repeated.")


class BatchRequestTooLong(SQSError, ValueError):
    code = "AWS.SimpleQueueService.BatchRequestTooLong"

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"Batch requests cannot be longer than {limit} bytes. You have sent {size} bytes.")


class InvalidBatchEntryId(SQSError, ValueError):
    code = "AWS.SimpleQueueService.InvalidBatchEntryId"

    def __init__(self) -> None:
        super().__init__(
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
            "It can be at most 80 letters long."
        )
