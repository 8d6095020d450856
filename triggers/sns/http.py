"""Deliveries to http and https endpoints; the only part that talks to the world outside of the bus.

It needs the extra `eventbus[http]` and posts only to the hosts that `SNS(bus, allow_http=...)` names. Redirects are not
followed, proxies from the environment are not used.
"""

from __future__ import annotations

import importlib
import ssl
from collections.abc import Collection
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from eventbus.errors import ConfigurationError
from eventbus.telemetry.trace import Cause
from triggers.sns.delivery import Deliveries, Refusal
from triggers.sns.errors import InvalidParameter
from triggers.sns.keeping import TopicDelivery
from triggers.sns.publication import Publication, confirmation, notification
from triggers.sns.schedule import HttpPolicy
from triggers.sns.subscription import Subscription

if TYPE_CHECKING:
    from eventbus.bus import EventBus

ANSWER_TIMEOUT: Final = 15.0
"""Seconds of real time in which an endpoint has to answer (SNS developer guide, HTTP/S endpoints)."""
_PORTS: Final = {"http": 80, "https": 443}


def check_url(url: str, protocol: str, allowed: Collection[str]) -> None:
    """Refuse a URL of another scheme, one that can't be read, and one whose host isn't allowed."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InvalidParameter("HTTP(S) Endpoint") from None
    if parts.scheme != protocol:
        raise InvalidParameter("Endpoint must match the specified protocol")
    if not host:
        raise InvalidParameter("HTTP(S) Endpoint")
    place = f"{host}:{port or _PORTS[protocol]}"
    if place not in {name.lower() for name in allowed}:
        raise ConfigurationError(
            f"{url} was not subscribed: nothing is posted outside of the bus unless you name it; "
            f'pass SNS(bus, allow_http={{"{place}"}})'
        )
    _client_module()


@cache
def _client_module() -> Any:
    try:
        return importlib.import_module("httpx2")
    except ModuleNotFoundError:
        raise ConfigurationError('http and https endpoints need an HTTP client: install "eventbus[http]"') from None


@cache
def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context()


class HttpDeliveries:
    """The posts of one topic."""

    def __init__(self, bus: EventBus, deliveries: Deliveries) -> None:
        self._bus = bus
        self._deliveries = deliveries

    def confirm(self, subscription: Subscription, publication: Publication) -> None:
        """Ask an endpoint to confirm its subscription, in the background."""
        assert subscription.token is not None
        text = confirmation(
            "SubscriptionConfirmation",
            publication=publication,
            subscription_arn=subscription.arn,
            token=subscription.token,
        )
        headers = _headers("SubscriptionConfirmation", publication)
        self._bus.start_background(self._confirm, subscription, publication, text, headers)

    def notify(self, subscription: Subscription, publication: Publication, cause: Cause, policy: HttpPolicy) -> None:
        """Post a notification, in the background; as soon as it is safe in the store, if there is one."""
        delivery = TopicDelivery(publication=publication, cause=cause)
        if self._deliveries.kept is not None:
            self._deliveries.kept.begin(subscription, delivery)
        self._bus.start_background(self._notify, subscription, delivery, policy)

    def resume(self, subscription: Subscription, delivery: TopicDelivery, policy: HttpPolicy) -> None:
        """Take up a notification that an earlier process had to post."""
        self._bus.start_background(self._notify, subscription, delivery, policy)

    def say_goodbye(self, subscription: Subscription, publication: Publication, token: str) -> None:
        """Tell an endpoint that it was unsubscribed, in the background."""
        text = confirmation(
            "UnsubscribeConfirmation", publication=publication, subscription_arn=subscription.arn, token=token
        )
        headers = _headers("UnsubscribeConfirmation", publication, subscription)
        self._bus.start_background(self._confirm, subscription, publication, text, headers)

    async def _confirm(
        self, subscription: Subscription, publication: Publication, text: str, headers: dict[str, str]
    ) -> None:
        refusal = await self._post(subscription.endpoint, text, headers, HttpPolicy())
        if refusal is not None:
            self._bus.log.warning(
                "confirmation_not_delivered",
                topic=publication.topic_arn,
                endpoint=subscription.endpoint,
                reason=refusal.reason,
            )

    async def _notify(self, subscription: Subscription, delivery: TopicDelivery, policy: HttpPolicy) -> None:
        if not await delivery.may_begin():
            return
        publication = delivery.publication
        headers = _headers("Notification", publication, subscription)
        if subscription.settings.raw:
            headers["x-amz-sns-rawdelivery"] = "true"
            text = publication.text(subscription.protocol)
        else:
            text = notification(publication, subscription.protocol, subscription.unsubscribe_url)
        refusal = await self._post(subscription.endpoint, text, headers, policy, delivery)
        with self._bus.facts():
            if refusal is None:
                self._deliveries.delivered()
            else:
                self._deliveries.give_up(subscription, publication, delivery.cause, refusal)
            if self._deliveries.kept is not None:
                self._deliveries.kept.end(delivery)

    async def _post(
        self, url: str, text: str, headers: dict[str, str], policy: HttpPolicy, delivery: TopicDelivery | None = None
    ) -> Refusal | None:
        """Post until it is taken, refused for good, or the policy has no more retries."""
        if delivery is not None and (wait := delivery.due_at - self._bus.clock.now()) > 0:
            await self._bus.background_sleep(wait)
        http = _client_module()
        verify = _trusted() if url.startswith("https:") else False
        async with http.AsyncClient(
            verify=verify, follow_redirects=False, trust_env=False, timeout=ANSWER_TIMEOUT
        ) as client:
            delays = islice(policy.delays(), 0 if delivery is None else delivery.attempts, None)
            while True:
                refusal = await _attempt(http, client, url, text, headers)
                delay = next(delays, None)
                if refusal is None or not refusal.is_retryable or delay is None:
                    return refusal
                if delivery is not None:
                    self._failed(delivery, delay)
                await self._bus.background_sleep(delay)

    def _failed(self, delivery: TopicDelivery, delay: float) -> None:
        """An attempt has failed, and the next one is to come after a delay."""
        delivery.attempts += 1
        delivery.due_at = self._bus.clock.now() + delay
        if self._deliveries.kept is not None:
            self._deliveries.kept.tried(delivery)


async def _attempt(http: Any, client: Any, url: str, text: str, headers: dict[str, str]) -> Refusal | None:
    try:
        answer = await client.post(url, content=text.encode(), headers=headers)
    except http.HTTPError as error:
        return Refusal(f"no answer: {type(error).__name__}: {error}", is_retryable=True)
    status = answer.status_code
    if 200 <= status < 300:
        return None
    return Refusal(f"the endpoint answered {status}", is_retryable=status == 429 or status >= 500)


def _headers(kind: str, publication: Publication, subscription: Subscription | None = None) -> dict[str, str]:
    headers = {
        "x-amz-sns-message-type": kind,
        "x-amz-sns-message-id": publication.message_id,
        "x-amz-sns-topic-arn": publication.topic_arn,
    }
    if subscription is not None:
        headers["x-amz-sns-subscription-arn"] = subscription.arn
    headers |= {
        "Content-Type": "text/plain; charset=UTF-8",
        "User-Agent": "Amazon Simple Notification Service Agent",
        "Accept-Encoding": "gzip,deflate",
    }
    return headers
