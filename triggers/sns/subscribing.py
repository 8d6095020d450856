"""Who is subscribed to a topic; publishing is in `triggers.sns.topic`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from triggers.sns.configured import ConfiguredTopic
from triggers.sns.delivery import Deliveries
from triggers.sns.endpoints import Endpoint, resolve
from triggers.sns.errors import (
    FilterPolicyLimitExceeded,
    InvalidParameter,
    NotFound,
    SubscriptionLimitExceeded,
)
from triggers.sns.http import HttpDeliveries
from triggers.sns.keeping import KeptTopic
from triggers.sns.matching import Matching
from triggers.sns.publication import Publication
from triggers.sns.schedule import HttpPolicy, parse_subscription_policy
from triggers.sns.settings import (
    ON_SUBSCRIBE,
    SMALL_MESSAGE,
    SubscriptionSettings,
    TopicSettings,
    checked_dead_letter,
    parse_filter,
    parse_raw,
    parse_scope,
)
from triggers.sns.subscription import Subscription

if TYPE_CHECKING:
    from triggers.sns.service import SNS

TOKEN_LIFETIME = 2 * 24 * 3600
"""Seconds for which a confirmation token is good (API_ConfirmSubscription)."""
FIFO_SUBSCRIPTIONS = 100
"""Subscriptions of a FIFO topic (SNS quotas)."""


class SubscribedTopic(ConfiguredTopic):
    """A topic with its subscriptions."""

    def __init__(self, service: SNS, name: str, *, is_fifo: bool, settings: TopicSettings) -> None:
        super().__init__(service, name, is_fifo=is_fifo, settings=settings)
        self._subscriptions: dict[str, Subscription] = {}
        self._by_endpoint: dict[tuple[str, str], Subscription] = {}
        self._matching = Matching()
        self._deliveries = Deliveries(self._bus, self.source, self.arn, is_fifo=is_fifo)
        self._posts = HttpDeliveries(self._bus, self._deliveries)
        self._numbers = 0
        self._deleted_subscriptions = 0
        self._kept: KeptTopic | None = None
        """What the bus's store has of the topic; None without a store, and before the bus is entered."""

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """All subscriptions, pending ones too, in the order of subscribing."""
        return tuple(self._subscriptions.values())

    def subscription(self, arn: str) -> Subscription:
        """Find a subscription by its ARN. Raises NotFound."""
        if (found := self._subscriptions.get(arn)) is None:
            raise NotFound("Subscription")
        return found

    def subscribe(
        self,
        target: object,
        *,
        filter_policy: str | Mapping[str, Any] | None = None,
        filter_policy_scope: str = "MessageAttributes",
        raw: bool | str = False,
        dead_letter: object = None,
        grant: bool = False,
        protocol: str | None = None,
        delivery_policy: str | Mapping[str, Any] | None = None,
    ) -> Subscription:
        """Subscribe a function, a queue (each by object or ARN) or an http or https URL: Subscribe.

        - `filter_policy`: which messages it wants, as a mapping or JSON text; by attributes, or with
          `filter_policy_scope="MessageBody"` by the body.
        - `raw`: deliver the bare message instead of the envelope (queues and URLs; no effect on functions).
        - `dead_letter`: the queue (or its ARN) that takes what can't be delivered.
        - `grant`: add the permissions that the delivery needs. Without them AWS lets the subscription pass, and so do
          we: every delivery fails then, so a warning in the log names the mending call.
        - `delivery_policy`: the retries of a URL.

        A URL has to confirm, and needs a running bus for the request to do so. The same endpoint with equal settings
        gives the same subscription. Raises InvalidParameter with AWS's text, ResourceNotFound for an unknown ARN,
        ConfigurationError; nothing has changed then.
        """
        if self.is_deleted:
            raise NotFound("Topic")
        self.may("sns:Subscribe")
        endpoint = resolve(self._bus, target, protocol, self._service.allow_http)
        queue = None if dead_letter is None else self._dead_letter_arn(dead_letter)
        retries, policy_text = None, None
        if delivery_policy is not None:
            if endpoint.protocol not in ("http", "https"):
                raise InvalidParameter(f"{ON_SUBSCRIBE}DeliveryPolicy: only http and https endpoints have one")
            retries, policy_text = parse_subscription_policy(delivery_policy, ON_SUBSCRIBE)
        settings = SubscriptionSettings(
            filter=self.check_filter(filter_policy, filter_policy_scope),
            scope=filter_policy_scope,
            raw=parse_raw(raw),
            dead_letter_arn=queue,
            delivery_policy=policy_text,
            http_policy=retries,
        )
        self._check_endpoint(endpoint)
        subscription = self._known(endpoint, settings)
        if subscription is None:
            self.check_subscription(endpoint.protocol, settings)
            subscription = self._add(endpoint, settings)
        self._permit(subscription, endpoint, grant=grant)
        return subscription

    def check_filter(self, policy: str | Mapping[str, Any] | None, scope: str) -> Any:
        """Compile a filter policy as `subscribe` does, or raise InvalidParameter."""
        return parse_filter(policy, parse_scope(scope), ON_SUBSCRIBE)

    def check_subscription(
        self, protocol: str, settings: SubscriptionSettings, replacing: Subscription | None = None
    ) -> None:
        """Refuse settings that this topic can't have, and more of them than it may have."""
        arn = settings.dead_letter_arn
        if arn is not None and self.is_fifo and not arn.endswith(".fifo"):
            raise InvalidParameter(
                "RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic."
            )
        limit = self._service.filter_policies_per_topic
        before = self._matching.filters - (replacing is not None and replacing.settings.filter is not None)
        if limit is not None and settings.filter is not None and before >= limit:
            raise FilterPolicyLimitExceeded(limit)
        if replacing is not None:
            return
        if self.is_fifo and len(self._subscriptions) >= FIFO_SUBSCRIPTIONS:
            raise SubscriptionLimitExceeded(FIFO_SUBSCRIPTIONS)
        self._check_settings(self.settings, protocol)

    def confirm_subscription(self, token: str) -> Subscription:
        """Confirm the pending subscription that this token was made for: ConfirmSubscription. Good for two days."""
        now = self._bus.clock.now()
        for subscription in self._subscriptions.values():
            if subscription.token is not None and subscription.token == token and now < subscription.token_expires_at:
                if not subscription.is_confirmed:
                    subscription.is_confirmed = True
                    self._matching.put(subscription)
                    if self._kept is not None:
                        self._kept.subscribed(subscription)
                return subscription
        raise InvalidParameter("Token")

    def remove_subscription(self, subscription: Subscription) -> None:
        """Take a subscription off the topic; called by `Subscription.unsubscribe`."""
        if self._subscriptions.pop(subscription.arn, None) is None:
            return
        subscription.is_active = False
        del self._by_endpoint[subscription.protocol, subscription.endpoint]
        self._matching.remove(subscription)
        self._deleted_subscriptions += 1
        if self._kept is not None:
            self._kept.unsubscribed(subscription)
        if subscription.protocol in ("http", "https") and subscription.is_confirmed and self._service.is_running:
            self._posts.say_goodbye(subscription, self._service_message(), self._service.new_token())

    def subscription_changed(self, subscription: Subscription) -> None:
        """Take notice of a subscription's new settings."""
        if subscription.is_confirmed:
            self._matching.put(subscription)

    def close(self) -> None:
        """Called by the service when the topic is deleted: its subscriptions go with it."""
        for subscription in self.subscriptions:
            self.remove_subscription(subscription)
        self.is_deleted = True
        if self._kept is not None:
            self._kept.close()

    def http_policy(self, subscription: Subscription) -> HttpPolicy:
        """The retries that hold for a subscription: its own, unless the topic forbids that."""
        own = subscription.settings.http_policy
        return own if own is not None and self.settings.allows_overrides else self.settings.http_policy

    def _dead_letter_arn(self, dead_letter: object) -> str:
        return checked_dead_letter(dead_letter if isinstance(dead_letter, str) else self._bus.resource(dead_letter).arn)

    def _check_endpoint(self, endpoint: Endpoint) -> None:
        if self.is_fifo and endpoint.protocol != "sqs":
            raise InvalidParameter(
                "Invalid parameter: Endpoint Reason: Please use FIFO SQS queue",
                mend="subscribe a queue, and let the function poll that",
            )
        if not self.is_fifo and endpoint.target is not None and endpoint.protocol == "sqs" and endpoint.target.is_fifo:
            raise InvalidParameter(
                "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"
            )

    def _check_settings(self, settings: TopicSettings, *more: str) -> None:
        if settings.maximum_message_size <= SMALL_MESSAGE:
            return
        protocols = [*(subscription.protocol for subscription in self.subscriptions), *more]
        if len(protocols) > 100 or any(protocol not in ("sqs", "lambda") for protocol in protocols):
            raise InvalidParameter(
                "Attributes Reason: MaximumMessageSize: above 262144 a topic has at most 100 subscriptions, "
                "all of protocol sqs, lambda or firehose"
            )

    def _subscription_counts(self) -> tuple[int, int, int]:
        pending = sum(not subscription.is_confirmed for subscription in self._subscriptions.values())
        return len(self._subscriptions) - pending, pending, self._deleted_subscriptions

    def reaches(self, function_arn: str) -> bool:
        """Whether this function is subscribed."""
        return ("lambda", function_arn) in self._by_endpoint

    def _known(self, endpoint: Endpoint, settings: SubscriptionSettings) -> Subscription | None:
        known = self._by_endpoint.get((endpoint.protocol, endpoint.address))
        if known is not None and known.settings != settings:
            raise InvalidParameter("Attributes Reason: Subscription already exists with different attributes")
        return known

    def _add(self, endpoint: Endpoint, settings: SubscriptionSettings) -> Subscription:
        is_http = endpoint.protocol in ("http", "https")
        if is_http:
            self._bus.accepting("subscribing a URL")
        known = None if self._kept is None else self._kept.endpoint(endpoint.protocol, endpoint.address)
        arn = f"{self.arn}:{self._bus.ids.uuid()}" if known is None else known[0]
        self._numbers += 1
        subscription = Subscription(self, self._numbers, arn, endpoint.protocol, endpoint.address, settings)
        self._subscriptions[arn] = subscription
        self._by_endpoint[endpoint.protocol, endpoint.address] = subscription
        if is_http:
            self._ask_to_confirm(subscription, known)
        else:
            self._matching.put(subscription)
        self._resume(subscription)
        return subscription

    def _ask_to_confirm(self, subscription: Subscription, known: tuple[str, str, float, bool] | None) -> None:
        """Post the request, unless the endpoint has confirmed in an earlier process; a token that is good stays so."""
        subscription.is_confirmed = subscription.was_authenticated = False
        now = self._bus.clock.now()
        if known is None or (now >= known[2] and not known[3]):
            subscription.token = self._service.new_token()
            subscription.token_expires_at = now + TOKEN_LIFETIME
        else:
            _, subscription.token, subscription.token_expires_at, subscription.is_confirmed = known
        if subscription.is_confirmed:
            self._matching.put(subscription)
        else:
            self._posts.confirm(subscription, self._service_message())
        if self._kept is not None:
            self._kept.subscribed(subscription)

    def _resume(self, subscription: Subscription) -> None:
        """Take up what earlier processes had on the way to this endpoint."""
        if self._kept is None:
            return
        for delivery in self._kept.left_for(subscription):
            if subscription.protocol in ("http", "https"):
                self._posts.resume(subscription, delivery, self.http_policy(subscription))
            else:
                self._deliveries.resume(subscription, delivery)

    def _permit(self, subscription: Subscription, endpoint: Endpoint, *, grant: bool) -> None:
        """Add the permissions that delivering needs, or warn about those that are missing."""
        targets = [] if endpoint.target is None else [endpoint.target]
        if subscription.settings.dead_letter_arn is not None:
            try:
                targets.append(self._bus.resource(subscription.settings.dead_letter_arn))
            except LookupError:
                self._bus.log.warning(
                    "dead_letter_queue_missing", topic=self.arn, queue=subscription.settings.dead_letter_arn
                )
        for target in targets:
            if self._bus.may_send(self.source, target).is_allowed:
                continue
            if grant:
                target.allow(self)
            else:
                self._bus.log.warning(
                    "subscription_not_permitted",
                    topic=self.arn,
                    endpoint=target.arn,
                    mend=f"call {target.label}.allow({self.label}) or subscribe with grant=True",
                )

    def _service_message(self) -> Publication:
        """The id and time of a message that SNS itself sends."""
        now, uuid = self._bus.clock.now(), self._bus.ids.uuid()
        return Publication(self.arn, uuid, now, "", None, {}, None, self.region, self.settings.signature_version)
