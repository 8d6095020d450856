"""What a topic is and how it is set; who is subscribed to it is in `triggers.sns.subscribing`."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from eventbus.delivery.targets import Source
from eventbus.iam.access import AccessPolicy
from triggers.sns.settings import SMALL_MESSAGE, TopicSettings, change_topic, default_policy

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from triggers.sns.service import SNS


class ConfiguredTopic(ABC):
    """Identity, settings and policy of a topic; configuration needs no running bus."""

    kind = "topic"
    send_action = "sns:Publish"
    principal = "sns.amazonaws.com"

    def __init__(self, service: SNS, name: str, *, is_fifo: bool, settings: TopicSettings) -> None:
        bus = service.bus
        self._service = service
        self._bus: EventBus = bus
        self.name = name
        self.is_fifo = is_fifo
        self.region = bus.region
        self.account_id = bus.account_id
        self.arn = f"arn:{bus.partition}:sns:{bus.region}:{bus.account_id}:{name}"
        self.label = f'sns["{name}"]'
        self.source = Source(self.principal, self.arn, self.account_id, self.label)
        self.access = AccessPolicy(self.arn, default=default_policy(self.arn, self.account_id))
        self.settings = settings
        self.is_deleted = False

    @property
    def policy(self) -> dict[str, Any]:
        """The access policy as a plain document; a new topic has AWS's default."""
        return self.access.document or {}

    def set_policy(self, document: str | Mapping[str, Any] | None) -> None:
        """Replace the access policy; None goes back to the default. Raises MalformedPolicy, with nothing changed."""
        self._may_change_policy()
        self.access.set(document)

    def allow(self, source: Any, actions: str | Iterable[str] = "sns:Publish") -> None:
        """Add a statement to the topic's policy that lets a source (a bucket, a function, a role, an ARN) publish."""
        self._may_change_policy()
        self.access.allow(source, actions)

    @property
    def attributes(self) -> dict[str, str]:
        """GetTopicAttributes: everything as text, under AWS's names."""
        settings = self.settings
        confirmed, pending, deleted = self._subscription_counts()
        shown = {
            "TopicArn": self.arn,
            "Owner": self.account_id,
            "DisplayName": settings.display_name,
            "Policy": json.dumps(self.policy, separators=(",", ":")),
            "EffectiveDeliveryPolicy": settings.effective_delivery_policy,
            "SubscriptionsConfirmed": str(confirmed),
            "SubscriptionsDeleted": str(deleted),
            "SubscriptionsPending": str(pending),
        }
        if settings.delivery_policy is not None:
            shown["DeliveryPolicy"] = settings.delivery_policy
        if settings.maximum_message_size != SMALL_MESSAGE:
            shown["MaximumMessageSize"] = str(settings.maximum_message_size)
        if settings.signature_version != "1":
            shown["SignatureVersion"] = settings.signature_version
        if self.is_fifo:
            shown["FifoTopic"] = "true"
            shown["ContentBasedDeduplication"] = str(settings.content_based_deduplication).lower()
            shown["FifoThroughputScope"] = settings.throughput_scope
        return shown

    def set_attribute(self, name: str, value: str) -> None:
        """SetTopicAttributes, given AWS's name and text. Raises InvalidParameter with nothing changed."""
        self.may("sns:SetTopicAttributes")
        if name == "Policy":
            self.access.set(value or None)
            return
        settings = change_topic(self.settings, name, value, is_fifo=self.is_fifo)
        self._check_settings(settings)
        self.settings = settings

    def may(self, action: str) -> None:
        """Refuse a caller who may not do this with the topic."""
        self._bus.authorize(action, self.arn, self.access, self.label)

    def _may_change_policy(self) -> None:
        """The owner always may, so that a policy that denies everything can be taken back."""
        if self._bus.caller() is not None:
            self.may("sns:SetTopicAttributes")

    @abstractmethod
    def _subscription_counts(self) -> tuple[int, int, int]:
        """How many subscriptions are confirmed, pending and deleted."""

    @abstractmethod
    def _check_settings(self, settings: TopicSettings) -> None:
        """Refuse settings that the subscriptions forbid."""
