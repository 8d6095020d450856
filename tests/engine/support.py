"""What the tests of the engine share: a source, a queue that keeps its messages, a bus under a virtual clock."""

from __future__ import annotations

import json
from typing import Any

from eventbus import EventBus, VirtualClock
from eventbus.delivery.targets import Message, Source
from eventbus.errors import AWSError
from eventbus.iam.access import AccessPolicy
from eventbus.telemetry.trace import Cause

S3 = "s3.amazonaws.com"
ARN = "arn:aws:lambda:us-east-1:123456789012:function:"
UNDECLARED = "; declare it with @bus.function first; buckets, topics and queues are given as objects or ARNs"


def make_bus(**options: Any) -> EventBus:
    """A bus whose every run repeats."""
    options.setdefault("clock", VirtualClock())
    return EventBus(seed=7, **options)


def virtual(bus: EventBus) -> VirtualClock:
    """The bus's clock, as what it is."""
    assert isinstance(bus.clock, VirtualClock)
    return bus.clock


class Photos:
    """A source: anything with a principal and an ARN."""

    principal = S3
    arn = "arn:aws:s3:::photos"
    account_id = "123456789012"
    label = 's3["photos"]'


class Box:
    """A target that keeps what it is sent; `refusal` is raised instead, if there is one."""

    def __init__(self, bus: EventBus, name: str = "failed", *, kind: str = "queue", is_fifo: bool = False) -> None:
        service, action = {"queue": ("sqs", "SendMessage"), "topic": ("sns", "Publish"), "bucket": ("s3", "PutObject")}[
            kind
        ]
        self.name = name
        self.kind = kind
        self.is_fifo = is_fifo
        self.arn = f"arn:aws:{service}:us-east-1:123456789012:{name}"
        self.send_action = f"{service}:{action}"
        self.label = f'{service}["{name}"]'
        self.access = AccessPolicy(self.arn)
        self.messages: list[Message] = []
        self.senders: list[Source] = []
        self.refusal: Exception | None = None
        bus.register(self)

    def __repr__(self) -> str:
        return f"<Box {self.name}>"

    def allow(self, source: Any) -> None:
        self.access.allow(source, self.send_action)

    def accept(self, message: Message, source: Source) -> Cause:
        if self.refusal is not None:
            raise self.refusal
        self.messages.append(message)
        self.senders.append(source)
        assert message.cause is not None
        return message.cause

    @property
    def documents(self) -> list[Any]:
        """The bodies of all messages, parsed."""
        return [json.loads(message.body) for message in self.messages]


class QueueIsFull(AWSError):
    code = "OverLimit"
    status = 403
