"""Every refusal of DynamoDB and of its streams, in AWS's own words.

    AWSError
    └── DynamoDBError
        ├── ValidationError                     400  (also a ValueError) whatever is wrong with a request
        │   └── InvalidExpression                    its expressions, names or values, whatever the items are
        ├── ConditionalCheckFailed              400  `item` is the item that was found, if it was asked for
        ├── TransactionCanceled                 400  `reasons`, one for each action
        ├── IdempotentParameterMismatch         400
        ├── ResourceInUse                       400
        ├── TableNotFound                       400  (also a KeyError: `dynamodb["nope"]`)
        ├── StreamNotFound                      400  (also a LookupError)
        ├── ExpiredIterator                     400
        └── TrimmedDataAccess                   400
    EventBusError
    └── NotSerializable                              (also a TypeError) a Python value that no attribute can hold

The codes are those of the service models; most texts are the ones that users of DynamoDB meet, not recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eventbus.errors import AWSError, EventBusError


class DynamoDBError(AWSError):
    """A refusal of DynamoDB."""

    code = "ValidationException"
    status = 400


class ValidationError(DynamoDBError, ValueError):
    """Something about the request is wrong; nothing was changed."""

    @classmethod
    def of(cls, reason: str, mend: str | None = None) -> ValidationError:
        """The form that most sentences about values have."""
        return cls(f"One or more parameter values were invalid: {reason}", mend=mend)

    @classmethod
    def member(cls, value: object, name: str, constraint: str) -> ValidationError:
        """A parameter breaks a constraint of the service model."""
        return cls(
            f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: {constraint}"
        )


class InvalidExpression(ValidationError):
    """An expression, or what it is given, is wrong: no item could make it right."""


class ConditionalCheckFailed(DynamoDBError):
    """The item is not as the condition asks for; nothing was written."""

    code = "ConditionalCheckFailedException"

    def __init__(self, item: dict[str, Any] | None = None) -> None:
        super().__init__("The conditional request failed")
        self.item = item
        """The item that was found, if `return_values_on_condition_check_failure="ALL_OLD"` asked for it."""


class TransactionCanceled(DynamoDBError):
    """One action of a transaction could not be done, so none was."""

    code = "TransactionCanceledException"

    def __init__(self, reasons: Sequence[dict[str, Any]]) -> None:
        codes = ", ".join(reason["Code"] for reason in reasons)
        super().__init__(
            f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
        )
        self.reasons = list(reasons)
        """CancellationReasons: for each action `Code` (`None` for one that was fine), `Message` and `Item`."""


class IdempotentParameterMismatch(DynamoDBError):
    """A client request token was used before, for another transaction."""

    code = "IdempotentParameterMismatchException"

    def __init__(self) -> None:
        super().__init__("Request uses the same client token as a previous, but non-identical request")


class ResourceInUse(DynamoDBError):
    """A table of this name exists."""

    code = "ResourceInUseException"


class TableNotFound(DynamoDBError, KeyError):
    """There is no table of this name, or it was deleted."""

    code = "ResourceNotFoundException"

    def __init__(self, text: str = "Requested resource not found") -> None:
        super().__init__(text)

    __str__ = Exception.__str__  # a KeyError would show its message in quotes


class StreamNotFound(DynamoDBError, LookupError):
    """There is no such stream or shard (any more)."""

    code = "ResourceNotFoundException"


class ExpiredIterator(DynamoDBError):
    """A shard iterator is older than 15 minutes."""

    code = "ExpiredIteratorException"

    def __init__(self) -> None:
        super().__init__("Iterator expired", mend="call stream.get_shard_iterator(...) for another one")


class TrimmedDataAccess(DynamoDBError):
    """What is to be read is older than 24 hours, and gone."""

    code = "TrimmedDataAccessException"

    def __init__(self) -> None:
        super().__init__(
            "The operation attempted to read past the oldest stream record in a shard",
            mend='begin again at "TRIM_HORIZON"',
        )


class NotSerializable(EventBusError, TypeError):
    """A Python value that no attribute can hold."""
