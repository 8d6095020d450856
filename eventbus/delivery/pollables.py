"""What functions can be made to read: streams, tables and queues, by their ARNs.

The engine knows of them only that they let themselves be polled into a function. How that is done is theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from eventbus.arn import is_arn
from eventbus.errors import ConfigurationError, InvalidParameterValue

_MISSING_QUEUE = (
    "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: "
    "The specified queue does not exist."
)


class Pollable(Protocol):
    """A source that functions read."""

    @property
    def arn(self) -> str: ...

    def poll_into(self, function: Any, **options: Any) -> Any:
        """Create the event source mapping of the function with this source, and return it."""

    def polled(self) -> Any:
        """The source as the pollers of a mapping see it."""


class Pollables:
    """The pollable sources of one bus."""

    def __init__(self) -> None:
        self._by_arn: dict[str, Pollable] = {}
        self._awaited: dict[str, dict[Callable[[Pollable], None], None]] = {}

    def add(self, source: Pollable) -> None:
        """Let functions poll this; it is found by its ARN too."""
        self._by_arn[source.arn] = source
        for found in self._awaited.pop(source.arn, ()):
            found(source)

    def remove(self, source: Pollable) -> None:
        """Take a source away."""
        self._by_arn.pop(source.arn, None)

    def wait_for(self, arn: str, found: Callable[[Pollable], None]) -> Callable[[], None]:
        """Call `found` with the source of this ARN, once, now or when it is made. Returns how to stop."""
        if (known := self._by_arn.get(arn)) is not None:
            found(known)
        else:
            self._awaited.setdefault(arn, {})[found] = None
        return partial(self._stop_waiting, arn, found)

    def _stop_waiting(self, arn: str, found: Callable[[Pollable], None]) -> None:
        waiting = self._awaited.get(arn, {})
        waiting.pop(found, None)
        if not waiting:
            self._awaited.pop(arn, None)

    def find(self, source: object) -> Pollable:
        """What an object or an ARN stands for.

        Raises InvalidParameterValue in Lambda's words for an ARN that names nothing here or nothing that can be polled,
        ConfigurationError for any other object.
        """
        if isinstance(source, str):
            if (found := self._by_arn.get(source)) is not None:
                return found
            raise InvalidParameterValue(complaint(source))
        if not hasattr(source, "poll_into"):
            raise ConfigurationError(
                f"{source!r} cannot be polled: give a Kinesis stream or its consumer, a DynamoDB table with a stream, "
                "an SQS queue, or the ARN of one"
            )
        known = self._by_arn.get(getattr(source, "arn", ""))
        if known is None or known is not source:
            raise ConfigurationError(f"{source!r} belongs to another bus, was deleted, or has no stream")
        return known


def complaint(arn: str) -> str:
    """What Lambda says when there is no such source."""
    service = arn.split(":")[2] if is_arn(arn) else ""
    if service == "sqs":
        return _MISSING_QUEUE
    if service in ("kinesis", "dynamodb"):
        return f"Stream not found: {arn}"
    return "Unrecognized event source."
