"""Every refusal of Kinesis, in AWS's own words where they are known.

AWSError
├── KinesisError
│   ├── StreamNotFound                   400  (also a KeyError: `kinesis["nope"]`)
│   ├── ShardNotFound                    400
│   ├── ConsumerNotFound                 400
│   ├── ResourceInUse                    400  a stream of this name exists; a shard is closed, or subscribed to, already
│   ├── InvalidArgument                  400
│   ├── LimitExceeded                    400
│   ├── DryRunOperation                  400  it was only asked whether it could be done
│   ├── ExpiredIterator                  400
│   └── ProvisionedThroughputExceeded    400  only where throughput limits are switched on
└── ValidationFailed                     400  a parameter breaks a constraint of the service model
"""

from __future__ import annotations

from eventbus.errors import AWSError
from eventbus.timestamps import iso_time


class KinesisError(AWSError):
    """A refusal of Kinesis."""

    code = "InvalidArgumentException"
    status = 400


class StreamNotFound(KinesisError, KeyError):
    """There is no stream of this name, or it was deleted."""

    code = "ResourceNotFoundException"

    def __init__(self, name: str, account_id: str) -> None:
        super().__init__(f"Stream {name} under account {account_id} not found.")

    __str__ = Exception.__str__  # a KeyError would show its message in quotes


class ShardNotFound(KinesisError, LookupError):
    code = "ResourceNotFoundException"

    def __init__(self, shard_id: object, name: str, account_id: str) -> None:
        super().__init__(f"Could not find shard {shard_id} in stream {name} under account {account_id}.")


class ConsumerNotFound(KinesisError, LookupError):
    """There is no such consumer of a stream, or it was deregistered."""

    code = "ResourceNotFoundException"

    def __init__(self, consumer: str, account_id: str) -> None:
        super().__init__(f"Consumer {consumer}, account {account_id} not found.")


class ResourceInUse(KinesisError):
    code = "ResourceInUseException"


class InvalidArgument(KinesisError, ValueError):
    """An argument that Kinesis cannot take."""


class LimitExceeded(KinesisError):
    code = "LimitExceededException"


class DryRunOperation(KinesisError):
    """The call could have been made, but for being a dry run."""

    code = "DryRunOperationException"

    def __init__(self) -> None:
        super().__init__("Request would have succeeded, but DryRun flag is set.")


class ExpiredIterator(KinesisError):
    """A shard iterator is good for five minutes."""

    code = "ExpiredIteratorException"

    def __init__(self, made_at: float, now: float, life: float) -> None:
        super().__init__(
            f"Iterator expired. The iterator was created at time {iso_time(made_at)} while right now it is "
            f"{iso_time(now)} which is further in the future than the tolerated delay of {life * 1000:.0f} "
            "milliseconds.",
            mend="call get_shard_iterator(...) for a fresh one",
        )


class ProvisionedThroughputExceeded(KinesisError):
    """More than a shard takes in a second."""

    code = "ProvisionedThroughputExceededException"

    def __init__(self, shard_id: str, name: str, account_id: str) -> None:
        super().__init__(f"Rate exceeded for shard {shard_id} in stream {name} under account {account_id}.")
