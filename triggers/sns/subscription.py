"""A subscription: who gets what a topic publishes, and which part of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from triggers.sns.errors import InvalidParameter, NotFound
from triggers.sns.schedule import parse_subscription_policy
from triggers.sns.settings import (
    SubscriptionSettings,
    parse_filter,
    parse_raw,
    parse_redrive,
    parse_scope,
    redrive_document,
)

if TYPE_CHECKING:
    from triggers.sns.keeping import TopicDelivery
    from triggers.sns.subscribing import SubscribedTopic


class Subscription:
    """One endpoint's subscription to a topic, made by `Topic.subscribe`."""

    def __init__(
        self,
        topic: SubscribedTopic,
        number: int,
        arn: str,
        protocol: str,
        endpoint: str,
        settings: SubscriptionSettings,
    ) -> None:
        self.topic = topic
        self.number = number
        """Its place in the order of subscribing, in which it is delivered to."""
        self.arn = arn
        self.protocol = protocol
        self.endpoint = endpoint
        """The ARN or the URL."""
        self.settings = settings
        self.is_confirmed = True
        self.was_authenticated = True
        self.is_active = True
        self.token: str | None = None
        """What confirms it, while it is pending."""
        self.token_expires_at = 0.0
        self.unsubscribe_url = f"https://sns.{topic.region}.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={arn}"
        self.held_back: dict[str, deque[TopicDelivery]] = {}
        """FIFO topics only: by message group, what waits behind a delivery that is being retried."""

    def __repr__(self) -> str:
        state = "" if self.is_confirmed else ", pending confirmation"
        return f"<Subscription of {self.protocol} {self.endpoint} to {self.topic.name}{state}>"

    @property
    def name(self) -> str:
        """What the trace calls it."""
        return f"{self.topic.name} → {self.endpoint.rpartition(':')[2]}"

    @property
    def attributes(self) -> dict[str, str]:
        """GetSubscriptionAttributes: everything as text, under AWS's names."""
        settings, account = self.settings, self.topic.account_id
        shown = {
            "SubscriptionArn": self.arn if self.is_confirmed else "PendingConfirmation",
            "TopicArn": self.topic.arn,
            "Protocol": self.protocol,
            "Endpoint": self.endpoint,
            "Owner": account,
            "ConfirmationWasAuthenticated": _text(self.is_confirmed and self.was_authenticated),
            "PendingConfirmation": _text(not self.is_confirmed),
            "RawMessageDelivery": _text(settings.raw),
            "SubscriptionPrincipal": f"arn:aws:iam::{account}:root",
        }
        if settings.filter is not None:
            shown |= {"FilterPolicy": settings.filter.text, "FilterPolicyScope": settings.scope}
        if settings.dead_letter_arn is not None:
            shown["RedrivePolicy"] = redrive_document(settings.dead_letter_arn)
        if settings.delivery_policy is not None:
            shown["DeliveryPolicy"] = settings.delivery_policy
        return shown

    def set_filter_policy(self, policy: str | Mapping[str, Any] | None, scope: str | None = None) -> None:
        """Replace the filter policy, at once; None, `""` or `{}` removes it. `scope` changes with it if given.

        Raises InvalidParameter with AWS's text, with nothing changed.
        """
        self.topic.may("sns:SetSubscriptionAttributes")
        chosen = self.settings.scope if scope is None else parse_scope(scope)
        self._change(attrs.evolve(self.settings, filter=parse_filter(policy, chosen, ""), scope=chosen))

    def set_attribute(self, name: str, value: str) -> None:
        """SetSubscriptionAttributes: FilterPolicy(Scope), RawMessageDelivery, RedrivePolicy, DeliveryPolicy (URLs).

        Raises InvalidParameter with AWS's text, with nothing changed; NotFound after `unsubscribe`.
        """
        self.topic.may("sns:SetSubscriptionAttributes")
        settings = self.settings
        if name == "FilterPolicy":
            changed = attrs.evolve(settings, filter=parse_filter(value, settings.scope, ""))
        elif name == "FilterPolicyScope":
            policy = None if settings.filter is None else settings.filter.text
            scope = parse_scope(value)
            changed = attrs.evolve(settings, scope=scope, filter=parse_filter(policy, scope, ""))
        elif name == "RawMessageDelivery":
            changed = attrs.evolve(settings, raw=parse_raw(value))
        elif name == "RedrivePolicy":
            changed = attrs.evolve(settings, dead_letter_arn=parse_redrive(value))
        elif name == "DeliveryPolicy" and self.protocol in ("http", "https"):
            retries, text = (None, None) if value == "" else parse_subscription_policy(value, "")
            changed = attrs.evolve(settings, http_policy=retries, delivery_policy=text)
        else:
            raise InvalidParameter("AttributeName")
        self._change(changed)

    def unsubscribe(self) -> None:
        """Deliver nothing to it any more; doing it twice is fine, as on AWS."""
        self.topic.may("sns:Unsubscribe")
        self.topic.remove_subscription(self)

    def confirm(self, token: str) -> None:
        """Confirm a pending subscription with the token that its endpoint was sent. Raises InvalidParameter."""
        self.topic.confirm_subscription(token)

    def _change(self, settings: SubscriptionSettings) -> None:
        if not self.is_active:
            raise NotFound("Subscription")
        self.topic.check_subscription(self.protocol, settings, replacing=self)
        self.settings = settings
        self.topic.subscription_changed(self)


def _text(value: bool) -> str:
    return "true" if value else "false"
