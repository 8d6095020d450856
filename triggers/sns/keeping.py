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

import anyio
import attrs

from eventbus.delivery.targets import MessageAttributes
from eventbus.storage.batches import Space
from eventbus.telemetry.trace import Cause
from triggers.deduplication import DuplicateRows
from triggers.keeping import SEPARATOR, Numbers, as_row, dumps, from_row, loads, nothing, number_key, rows_of
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


@attrs.define(eq=False)
class Delivery:
    """One publication on its way to one subscription."""

    publication: Publication
    cause: Cause
    attempts: int = 0
    """How many have failed."""
    due_at: float = 0.0
    """When it is tried next."""
    number: int = -1
    """Its place in the store; -1 where nothing keeps it."""
    is_withdrawn: bool = False
    """The publication could not be written, so nothing was published."""
    settled: anyio.Event | None = None
    """Set when the publication is safe, or withdrawn; None where that is certain from the beginning."""

    async def may_begin(self) -> bool:
        """Wait until the publication is safe; False if it never happened."""
        if self.settled is not None:
            await self.settled.wait()
        return not self.is_withdrawn

    def _became_safe(self) -> None:
        if self.settled is not None:
            self.settled.set()

    def _withdraw(self) -> None:
        self.is_withdrawn = True
        self._became_safe()


class Keeping:
    """The spaces of a bus's topics."""

    def __init__(self, bus: EventBus, store: Store) -> None:
        self.log = store.log
        self.numbers = Numbers(store.texts("sns"))
        self.duplicates = store.texts("sns_duplicates")
        self.endpoints = store.texts("sns_endpoints")
        self.deliveries = store.texts("sns_deliveries")
        self.attempts = store.texts("sns_attempts")
        self.waiting: dict[str, dict[Endpoint, list[int]]] = {}
        """By topic and endpoint, the deliveries of earlier processes that nobody has taken up yet."""
        self._bus = bus
        for key, row in self.deliveries.scan(chunk=100):
            topic, _, number = key.partition(SEPARATOR)
            protocol, endpoint, *_ = from_row(row)[0]
            self.waiting.setdefault(topic, {}).setdefault((protocol, endpoint), []).append(int(number, 16))

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
        self._deliveries: Space[str] = keeping.deliveries
        self._attempts: Space[str] = keeping.attempts

    # -- deliveries ---------------------------------------------------------------------------------------------------

    def begin(self, subscription: Subscription, delivery: Delivery) -> None:
        """A delivery has not arrived at once."""
        delivery.number = self._keeping.numbers.draw()
        delivery.settled = anyio.Event()
        key = self._key(delivery.number)
        self._deliveries.put(key, _row(subscription, delivery.publication), undo=delivery._withdraw, is_new=True)
        if delivery.attempts:
            self._attempts.put(key, dumps([delivery.attempts, delivery.due_at]), undo=nothing, is_new=True)
        self._keeping.log.when_safe(delivery._became_safe)

    def tried(self, delivery: Delivery) -> None:
        """An attempt has failed, and there will be another one."""
        self._attempts.put(self._key(delivery.number), dumps([delivery.attempts, delivery.due_at]))

    def end(self, delivery: Delivery) -> None:
        """A delivery has arrived, or was given up."""
        self._deliveries.delete(self._key(delivery.number))
        self._attempts.delete(self._key(delivery.number))

    def left_for(self, subscription: Subscription) -> Iterator[Delivery]:
        """The deliveries of earlier processes to this endpoint, in the order of publishing; they wait no longer."""
        by_endpoint = self._keeping.waiting.get(self._topic.name, {})
        for number in by_endpoint.pop((subscription.protocol, subscription.endpoint), ()):
            row = self._deliveries.get(self._key(number))
            if row is None:
                continue
            publication = _publication(row, self._topic)
            cause = self._topic._bus.note("deliver again", subscription, publication.message_id)
            delivery = Delivery(publication, cause, number=number)
            tried = self._attempts.get(self._key(number))
            if tried is not None:
                delivery.attempts, delivery.due_at = loads(tried)
            yield delivery
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
        for space in (self._deliveries, self._attempts, self._keeping.endpoints):
            for key, _ in list(rows_of(space, self._topic.name)):
                space.delete(key)

    def _key(self, number: int) -> str:
        return number_key(self._topic.name, number)

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
