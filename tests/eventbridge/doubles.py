"""Targets that keep what they get, and that are not always there."""

from __future__ import annotations

from typing import Any

from eventbus import EventBus
from eventbus.delivery.payload import as_text
from eventbus.delivery.targets import Message, Source
from eventbus.errors import AWSError
from eventbus.iam.access import AccessPolicy
from eventbus.telemetry.trace import Cause

START = 1_767_225_600.0


class Throttled(AWSError):
    code = "ThrottlingException"
    status = 429


class Refused(AWSError):
    code = "InvalidParameterValue"
    status = 400


class Moody:
    """A resource of any kind that fails so often with `error`, and then takes everything."""

    is_fifo = False

    def __init__(self, bus: EventBus, kind: str = "queue", *, failures: int = 0, error: AWSError | None = None) -> None:
        service, self.send_action, resource = {
            "queue": ("sqs", "sqs:SendMessage", "moody"),
            "stream": ("kinesis", "kinesis:PutRecord", "stream/moody"),
        }[kind]
        self.kind = kind
        self.name = "moody"
        self.label = "moody"
        self.arn = f"arn:aws:{service}:{bus.region}:{bus.account_id}:{resource}"
        self.access = AccessPolicy(self.arn)
        self.failures = failures
        self.error = AWSError("The service is down.") if error is None else error
        self.attempts: list[float] = []
        """Seconds after the start."""
        self.bodies: list[str] = []
        self.options: list[dict[str, Any]] = []
        self._bus = bus
        bus.register(self)

    def allow(self, source: Any) -> None:
        self.access.allow(source, self.send_action)

    def accept(self, message: Message, source: Source, **options: Any) -> Cause:
        self.attempts.append(self._bus.clock.now() - START)
        if self.failures:
            self.failures -= 1
            raise self.error
        self.bodies.append(as_text(message.body))
        self.options.append(options)
        return self._bus.note("send", self, "", message.cause)
