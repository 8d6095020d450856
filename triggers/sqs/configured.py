"""What a queue is and how it is set; what is done with its messages is in `triggers.sqs.queue`."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from eventbus.errors import ConfigurationError
from eventbus.iam.access import AccessPolicy
from triggers.sqs.messages import QueueStatistics
from triggers.sqs.settings import QueueSettings, parse_attributes

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from triggers.sqs.service import SQS


class ConfiguredQueue(ABC):
    """Identity, settings and policy of a queue; configuration needs no running bus."""

    kind = "queue"
    send_action = "sqs:SendMessage"

    def __init__(self, service: SQS, name: str, *, is_fifo: bool, settings: QueueSettings) -> None:
        bus = service.bus
        self._service = service
        self._bus: EventBus = bus
        self.name = name
        self.is_fifo = is_fifo
        self.account_id = bus.account_id
        self.arn = f"arn:{bus.partition}:sqs:{bus.region}:{bus.account_id}:{name}"
        self.url = f"https://sqs.{bus.region}.amazonaws.com/{bus.account_id}/{name}"
        self.label = f'sqs["{name}"]'
        self.access = AccessPolicy(self.arn)
        self.created_at = self.modified_at = bus.clock.now()
        self._settings = settings

    @property
    def settings(self) -> QueueSettings:
        """How the queue is set, as a frozen value."""
        return self._settings

    @property
    def policy(self) -> dict[str, Any] | None:
        """The queue's resource policy as a plain document, or None."""
        return self.access.document

    def set_policy(self, document: str | Mapping[str, Any] | None) -> None:
        """Replace the resource policy; None removes it. Raises MalformedPolicy, with nothing changed."""
        self._may_change_policy()
        self.access.set(document)

    def allow(self, source: Any, actions: str | Iterable[str] = "sqs:SendMessage") -> None:
        """Add a statement to the queue's policy that lets a source (a topic, a bucket, a function) send here."""
        self._may_change_policy()
        self.access.allow(source, actions)

    @property
    def attributes(self) -> dict[str, str]:
        """GetQueueAttributes: everything as text, under AWS's names."""
        now = self.statistics()
        shown = {
            "QueueArn": self.arn,
            "ApproximateNumberOfMessages": str(now.visible),
            "ApproximateNumberOfMessagesNotVisible": str(now.in_flight),
            "ApproximateNumberOfMessagesDelayed": str(now.delayed),
            "CreatedTimestamp": str(int(self.created_at)),
            "LastModifiedTimestamp": str(int(self.modified_at)),
            "SqsManagedSseEnabled": "true",
            **self._settings.as_attributes(is_fifo=self.is_fifo),
        }
        if self.is_fifo:
            shown["FifoQueue"] = "true"
        if self.access.policy is not None:
            shown["Policy"] = json.dumps(self.access.document, separators=(",", ":"))
        return shown

    def set_attributes(self, attributes: Mapping[str, str]) -> None:
        """SetQueueAttributes: change settings by AWS's names, all values texts; all of them or, on an error, none."""
        self.may("sqs:SetQueueAttributes")
        given: object = attributes
        if not isinstance(given, Mapping):
            raise ConfigurationError(f"attributes={given!r}: a mapping of names to texts is needed")
        wanted = dict(attributes)
        has_policy = "Policy" in wanted
        policy = wanted.pop("Policy", None)
        settings = attrs.evolve(self._settings, **parse_attributes(wanted, is_fifo=self.is_fifo))
        self._service.check_redrive(settings.redrive, is_fifo=self.is_fifo)
        if has_policy:
            self.access.set(policy or None)
        self._settings = settings
        self.modified_at = self._bus.clock.now()
        self._changed()

    def may(self, action: str) -> None:
        """Refuse a caller who may not do this with the queue."""
        self._bus.authorize(action, self.arn, self.access, self.label)

    def _may_change_policy(self) -> None:
        """The owner always may, so that a policy that denies everything can be taken back."""
        if self._bus.caller() is not None:
            self.may("sqs:SetQueueAttributes")

    @abstractmethod
    def statistics(self) -> QueueStatistics:
        """How many messages are visible, in flight and delayed now, and how old the oldest is."""

    @abstractmethod
    def _changed(self) -> None:
        """The settings have changed."""
