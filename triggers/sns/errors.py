"""Every refusal of SNS, in AWS's own words.

    AWSError
    └── SNSError
        ├── InvalidParameter              400  nearly everything; the text begins with "Invalid parameter: "
        ├── ParameterValueInvalid         400  message attributes
        ├── NotFound                      404  (also a KeyError: `sns["nope"]`)
        ├── FilterPolicyLimitExceeded     403
        ├── SubscriptionLimitExceeded     403
        ├── EmptyBatchRequest             400
        ├── TooManyEntriesInBatchRequest  400
        ├── BatchEntryIdsNotDistinct      400
        ├── BatchRequestTooLong           400
        └── InvalidBatchEntryId           400

Codes: botocore 1.44.5. Texts: recorded against AWS (LocalStack's validated snapshots, 2026), where they are known.
"""

from __future__ import annotations

from eventbus.errors import AWSError


class SNSError(AWSError):
    """A refusal of SNS."""

    code = "InvalidParameter"
    status = 400


class InvalidParameter(SNSError, ValueError):
    """`detail` is AWS's text after "Invalid parameter: "."""

    def __init__(self, detail: str, *, mend: str | None = None) -> None:
        super().__init__(f"Invalid parameter: {detail}", mend=mend)


class ParameterValueInvalid(SNSError, ValueError):
    """A message attribute that SNS refuses."""

    code = "ParameterValueInvalid"


class NotFound(SNSError, KeyError):
    """There is no such topic or subscription."""

    code = "NotFound"
    status = 404

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} does not exist")

    __str__ = Exception.__str__  # a KeyError would show its message in quotes


class FilterPolicyLimitExceeded(SNSError):
    code = "FilterPolicyLimitExceeded"
    status = 403

    def __init__(self, limit: int) -> None:
        super().__init__(f"Filter policy limit exceeded: a topic has at most {limit} filter policies")


class SubscriptionLimitExceeded(SNSError):
    code = "SubscriptionLimitExceeded"
    status = 403

    def __init__(self, limit: int) -> None:
        super().__init__(f"Subscription limit exceeded: this topic has at most {limit} subscriptions")


class EmptyBatchRequest(SNSError, ValueError):
    code = "EmptyBatchRequest"

    def __init__(self) -> None:
        super().__init__("The batch request doesn't contain any entries.")


class TooManyEntriesInBatchRequest(SNSError, ValueError):
    code = "TooManyEntriesInBatchRequest"

    def __init__(self) -> None:
        super().__init__("The batch request contains more entries than permissible.")


class BatchEntryIdsNotDistinct(SNSError, ValueError):
    code = "BatchEntryIdsNotDistinct"

    def __init__(self) -> None:
        super().__init__("Two or more batch entries in the request have the same Id.")


class BatchRequestTooLong(SNSError, ValueError):
    code = "BatchRequestTooLong"

    def __init__(self) -> None:
        super().__init__("The length of all the messages put together is more than the limit.")


class InvalidBatchEntryId(SNSError, ValueError):
    code = "InvalidBatchEntryId"

    def __init__(self, entry_id: str) -> None:
        fault = "is too long" if len(entry_id) > 80 else "contains an impermissible character"
        super().__init__(f"The Id of a batch entry in the batch request {fault}: {entry_id}")
