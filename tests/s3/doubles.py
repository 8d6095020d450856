"""A queue or a topic that keeps what it gets, and the ways to make one."""

from __future__ import annotations

import json
from typing import Any

from eventbus import EventBus
from eventbus.delivery.payload import as_text
from eventbus.delivery.targets import Message, Source
from eventbus.errors import AWSError
from eventbus.iam.access import AccessPolicy
from eventbus.telemetry.trace import Action, Cause


class Recorder:
    """A destination that records; as a topic, a queue or an event bus."""

    def __init__(self, bus: EventBus, kind: str, name: str, *, refuses: bool = False) -> None:
        service, action = {
            "topic": ("sns", "sns:Publish"),
            "queue": ("sqs", "sqs:SendMessage"),
            "event bus": ("events", "events:PutEvents"),
        }[kind]
        resource = f"event-bus/{name}" if kind == "event bus" else name
        self.bus = bus
        self.kind = kind
        self.name = name
        self.arn = f"arn:aws:{service}:{bus.region}:{bus.account_id}:{resource}"
        self.send_action = action
        self.label = f'{service}["{name}"]'
        self.is_fifo = name.endswith(".fifo")
        self.access = AccessPolicy(self.arn)
        self.refuses = refuses
        self.messages: list[Message] = []
        bus.register(self)

    def allow(self, source: Any) -> None:
        self.access.allow(source, self.send_action)

    def accept(self, message: Message, source: Source) -> Cause:
        if self.refuses:
            raise AWSError("no more room")
        self.messages.append(message)
        assert isinstance(message.cause, Action)
        return message.cause

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(as_text(message.body)) for message in self.messages]

    @property
    def records(self) -> list[Any]:
        return [body["Records"][0] for body in self.bodies if "Records" in body]
