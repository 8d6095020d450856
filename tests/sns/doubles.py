"""A queue that is not always there."""

from __future__ import annotations

from typing import Any

from eventbus.delivery.targets import Message, Source
from eventbus.errors import AWSError
from eventbus.iam.access import AccessPolicy
from triggers.sqs import Queue


class Moody:
    """A queue whose service is down for some attempts."""

    kind = "queue"
    send_action = "sqs:SendMessage"
    label = "moody"
    is_fifo = True

    def __init__(self, queue: Queue, failures: int) -> None:
        self.name = "moody.fifo"
        self.arn = queue.arn.replace(queue.name, self.name)
        self.access = AccessPolicy(self.arn)
        self.queue = queue
        self.failures = failures
        self.attempts: list[float] = []

    def allow(self, source: Any) -> None:
        self.access.allow(source, self.send_action)

    def accept(self, message: Message, source: Source, **grouping: Any) -> Any:
        self.attempts.append(self.queue._bus.clock.now() - 1_767_225_600)
        if self.failures:
            self.failures -= 1
            raise AWSError("The service is down.")
        return self.queue.accept(message, source, **grouping)
