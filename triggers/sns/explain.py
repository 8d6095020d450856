"""Why did nothing happen? Every subscription of a topic, and whether and why it gets a message."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from eventbus.delivery.targets import Source, Target
from eventbus.errors import EventBusError
from eventbus.iam.evaluation import Decision
from triggers.patterns.language import attributes_as_event, body_as_event
from triggers.sns.publication import Publication
from triggers.sns.subscription import Subscription

if TYPE_CHECKING:
    from triggers.sns.subscribing import SubscribedTopic


def explain(
    topic: SubscribedTopic,
    publication: Publication,
    resource: Callable[[str], Target],
    may_send: Callable[[Source, Target], Decision],
) -> str:
    """One line for every subscription, in the order of subscribing."""
    if not topic.subscriptions:
        return f"{topic.label} has no subscriptions."
    lines = []
    for subscription in topic.subscriptions:
        wants, reason = _filtered(subscription, publication)
        if wants and subscription.protocol not in ("http", "https"):
            reason = _undeliverable(topic, subscription, resource, may_send) or reason
        lines.append(f"{subscription.protocol} {subscription.endpoint}: {reason}")
    return "\n".join(lines)


def _filtered(subscription: Subscription, publication: Publication) -> tuple[bool, str]:
    if not subscription.is_confirmed:
        return False, "gets nothing before it is confirmed."
    chosen = subscription.settings.filter
    if chosen is None:
        return True, "gets every message."
    if chosen.scope == "MessageBody":
        event = body_as_event(publication.text(subscription.protocol))
        if event is None:
            return False, "is filtered out: the message is not a JSON object, which no filter on the body lets through."
    else:
        event = attributes_as_event(publication.attributes)
    if chosen.pattern.matches(event):
        return True, "matches its filter policy."
    return False, f"is filtered out: {chosen.pattern.explain(event)}"


def _undeliverable(
    topic: SubscribedTopic,
    subscription: Subscription,
    resource: Callable[[str], Target],
    may_send: Callable[[Source, Target], Decision],
) -> str | None:
    try:
        target = resource(subscription.endpoint)
    except EventBusError as error:
        return f"wants it, but can't get it: {error}."
    if may_send(topic.source, target).is_allowed:
        return None
    return f"wants it, but the topic may not send there; call {target.label}.allow({topic.label})."
