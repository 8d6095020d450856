"""What topics keep in the bus's store: deliveries that have not arrived, and what tells repetitions from news.

    sns                the next number
    sns_duplicates     topic NUL group NUL id         → what became of a deduplication id
    sns_endpoints      topic NUL protocol NUL URL     → the ARN and the confirmation of a URL's subscription
    sns_deliveries     topic NUL number               → a message on its way to one subscription: written once
    sns_attempts       topic NUL number               → how often that was tried, and when it is tried next

Most deliveries arrive in the step that publishes; what is kept are retries that wait, what waits behind them in its
message group, and posts. A publication that could not be written has no deliveries, and none begins before it is safe.
How a delivery ends is a fact, and so is what it leaves in a queue. A delivery whose subscription is not declared waits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from eventbus.delivery.targets import MessageAttributes
from triggers.deduplication import DuplicateRows
from triggers.delivering import Delivery, DeliveryRows
from triggers.keeping import SEPARATOR, as_row, dumps, from_row, loads, rows_of
from triggers.message_attributes import from_json, to_json
from triggers.sns.publication import Publication

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.storage.port import Store
    from triggers.sns.subscription import Subscription
    from triggers.sns.topic import PublishResult, Topic

Endpoint: TypeAlias = tuple[str, str]
"""Protocol, and ARN or URL: what a subscription is known by after a restart."""
_NONE: Final[MessageAttributes] = {}


@attrs.define(eq=False, kw_only=True)
class TopicDelivery(Delivery):
    """One publication on its way to one subscription."""

    publication: Publication


class Keeping:
    """The spaces of a bus's topics."""

    def __init__(self, bus: EventBus, store: Store) -> None:
        self.log = store.log
        self.rows = DeliveryRows(store, "sns")
        self.numbers = self.rows.numbers
        self.duplicates = store.texts("sns_duplicates")
        self.endpoints = store.texts("sns_endpoints")
        self.waiting: dict[str, dict[Endpoint, list[int]]] = {}
        """By topic and endpoint, the deliveries of earlier processes that nobody has taken up yet."""
        self._bus = bus
        for topic, number, row in self.rows.all():
            protocol, endpoint, *_ = from_row(row)[0]
            self.waiting.setdefault(topic, {}).setdefault((protocol, endpoint), []).append(number)

    def duplicates_of(self, topic: str, make: type[PublishResult]) -> DuplicateRows[PublishResult]:
        """The rows of a topic's deduplication memory."""
        return DuplicateRows(self.duplicates, topic, make)

    def warn(self) -> None:
        """Say which deliveries wait for a subscription to be declared."""
        for topic, by_endpoint in self.waiting.items():
            for (_, endpoint), numbers in by_endpoint.items():
                self._bus.log.warning(
                    "deliveries_wait_for_subscription",
                    topic=topic,
                    endpoint=endpoint,
                    count=len(numbers),
                    mend=f'call sns["{topic}"].subscribe("{endpoint}")',
                )


class KeptTopic:
    """One topic in the store."""

    def __init__(self, keeping: Keeping, topic: Topic) -> None:
        self._keeping = keeping
        self._topic = topic
        self.rows = keeping.rows

    # -- deliveries ---------------------------------------------------------------------------------------------------

    def begin(self, subscription: Subscription, delivery: TopicDelivery) -> None:
        """A delivery has not arrived at once."""
        self.rows.begin(self._topic.name, delivery, _row(subscription, delivery.publication))

    def tried(self, delivery: TopicDelivery) -> None:
        """An attempt has failed, and there will be another one."""
        self.rows.tried(self._topic.name, delivery)

    def end(self, delivery: TopicDelivery) -> None:
        """A delivery has arrived, or was given up."""
        self.rows.end(self._topic.name, delivery)

    def left_for(self, subscription: Subscription) -> Iterator[TopicDelivery]:
        """The deliveries of earlier processes to this endpoint, in the order of publishing; they wait no longer."""
        by_endpoint = self._keeping.waiting.get(self._topic.name, {})
        for number in by_endpoint.pop((subscription.protocol, subscription.endpoint), ()):
            if (left := self.rows.left(self._topic.name, number)) is None:
                continue
            row, attempts, due_at = left
            publication = _publication(row, self._topic)
            cause = self._topic._bus.note("deliver again", subscription, publication.message_id)
            yield TopicDelivery(publication=publication, cause=cause, number=number, attempts=attempts, due_at=due_at)
        if not by_endpoint:
            self._keeping.waiting.pop(self._topic.name, None)

    # -- endpoints ----------------------------------------------------------------------------------------------------

    def endpoint(self, protocol: str, url: str) -> tuple[str, str, float, bool] | None:
        """What is known of a URL's subscription: its ARN, token, the token's end, and whether it was confirmed."""
        row = self._keeping.endpoints.get(self._endpoint_key(protocol, url))
        return None if row is None else tuple(loads(row))

    def subscribed(self, subscription: Subscription) -> None:
        """A URL was subscribed, or confirmed."""
        known = [subscription.arn, subscription.token, subscription.token_expires_at, subscription.is_confirmed]
        self._keeping.endpoints.put(self._endpoint_key(subscription.protocol, subscription.endpoint), dumps(known))

    def unsubscribed(self, subscription: Subscription) -> None:
        """A URL was unsubscribed."""
        self._keeping.endpoints.delete(self._endpoint_key(subscription.protocol, subscription.endpoint))

    def close(self) -> None:
        """The topic was deleted: a fact, and so is that nobody waits for its deliveries."""
        self._keeping.waiting.pop(self._topic.name, None)
        for space in (self.rows.deliveries, self.rows.attempts, self._keeping.endpoints):
            for key, _ in list(rows_of(space, self._topic.name)):
                space.delete(key)

    def _endpoint_key(self, protocol: str, url: str) -> str:
        return SEPARATOR.join((self._topic.name, protocol, url))


def counted(waiting: Mapping[str, Mapping[Endpoint, list[int]]]) -> dict[tuple[str, str], int]:
    """Deliveries that wait, by topic and endpoint."""
    return {(topic, name): len(n) for topic, endpoints in waiting.items() for (_, name), n in endpoints.items()}


def _row(subscription: Subscription, publication: Publication) -> bytes:
    head = [
        subscription.protocol,
        subscription.endpoint,
        publication.message_id,
        publication.at,
        publication.subject,
        to_json(publication.attributes) if publication.attributes else None,
        publication.texts,
        publication.signature_version,
        publication.group_id,
        publication.deduplication_id,
        publication.sequence_number,
    ]
    return as_row(head, publication.message.encode())


def _publication(row: bytes, topic: Any) -> Publication:
    (_, _, message_id, at, subject, attributes, texts, version, group, identifier, sequence), message = from_row(row)
    return Publication(
        topic.arn,
        message_id,
        at,
        message.decode(),
        subject,
        from_json(attributes) if attributes else _NONE,
        texts,
        topic.region,
        version,
        group,
        identifier,
        sequence,
    )
