"""Which subscriptions want a message: one index per filter scope, so the cost follows the matching ones, not all."""

from __future__ import annotations

from collections import Counter
from typing import Final

from triggers.patterns.index import PatternIndex
from triggers.patterns.language import attributes_as_event, body_as_event
from triggers.sns.publication import Publication
from triggers.sns.subscription import Subscription

_NOTHING: Final[dict[str, object]] = {}


class Matching:
    """The confirmed subscriptions of one topic."""

    def __init__(self) -> None:
        self._by_attributes: PatternIndex[Subscription] = PatternIndex()  # those without a filter are here too
        self._by_body: PatternIndex[Subscription] = PatternIndex()
        self._attribute_filters: set[Subscription] = set()
        self._body_protocols: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._by_attributes) + len(self._by_body)

    @property
    def filters(self) -> int:
        """How many subscriptions have a filter policy."""
        return len(self._attribute_filters) + len(self._by_body)

    def put(self, subscription: Subscription) -> None:
        """Add a subscription, or take notice of its changed filter."""
        chosen = subscription.settings.filter
        if chosen is not None and chosen.scope == "MessageBody":
            self.remove(subscription)
            self._by_body.add(subscription, chosen.pattern)
            self._body_protocols[subscription.protocol] += 1
            return
        if subscription in self._by_body:
            self.remove(subscription)
        self._attribute_filters.discard(subscription)
        if chosen is not None:
            self._attribute_filters.add(subscription)
        self._by_attributes.add(subscription, None if chosen is None else chosen.pattern)

    def remove(self, subscription: Subscription) -> None:
        """Forget a subscription; unknown ones are fine."""
        self._attribute_filters.discard(subscription)
        if subscription in self._by_attributes:
            self._by_attributes.remove(subscription)
        if subscription in self._by_body:
            self._by_body.remove(subscription)
            self._body_protocols[subscription.protocol] -= 1

    def match(self, publication: Publication) -> list[Subscription]:
        """The subscriptions that want this message, in the order of subscribing."""
        event = _NOTHING
        if self._attribute_filters and publication.attributes:
            event = attributes_as_event(publication.attributes)
        found = self._by_attributes.match(event)
        if len(self._by_body):
            found += self._match_bodies(publication)
        if len(found) > 1:
            found.sort(key=_by_number)  # nearly in order already: a change of scope puts one at the end of an index
        return found

    def _match_bodies(self, publication: Publication) -> list[Subscription]:
        if publication.texts is None:
            body = body_as_event(publication.message)
            return [] if body is None else self._by_body.match(body)
        found = []
        protocols = [protocol for protocol, count in self._body_protocols.items() if count]
        for text in dict.fromkeys(publication.text(protocol) for protocol in protocols):
            body = body_as_event(text)
            if body is not None:
                found += [s for s in self._by_body.match(body) if publication.text(s.protocol) == text]
        return found


def _by_number(subscription: Subscription) -> int:
    return subscription.number
