"""A topic: publish to it, and what it does with a message in one synchronous step."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from eventbus.delivery.payload import as_text
from eventbus.delivery.targets import Message, Source
from eventbus.errors import ConfigurationError
from eventbus.telemetry.trace import Action, Cause
from triggers.deduplication import Deduplication, content_id
from triggers.sns import attributes as message_attributes
from triggers.sns import validation
from triggers.sns.attributes import AttributeInput
from triggers.sns.batches import PublishBatchResult, publish_batch
from triggers.sns.errors import InvalidParameter, NotFound
from triggers.sns.explain import explain
from triggers.sns.keeping import Keeping, KeptTopic
from triggers.sns.publication import Publication
from triggers.sns.subscribing import SubscribedTopic
from triggers.sns.subscription import Subscription

if TYPE_CHECKING:
    from eventbus.functions.function import Function
    from triggers.sns.service import SNS
    from triggers.sns.settings import TopicSettings

_FIRST_SEQUENCE = 10_000_000_000_000_000_000  # twenty digits, as AWS writes them
_STEP = 1000
_S3 = "s3.amazonaws.com"


@attrs.frozen
class PublishResult:
    """What `publish` answers."""

    message_id: str
    sequence_number: str | None = None
    """Twenty digits, growing; only on FIFO topics."""


class Topic(SubscribedTopic):
    """A topic of SNS, made by `SNS.create_topic`.

    Publishing needs a running bus; inside a handler it needs the permission `sns:Publish` of the function's role.
    """

    def __init__(self, service: SNS, name: str, *, is_fifo: bool, settings: TopicSettings) -> None:
        super().__init__(service, name, is_fifo=is_fifo, settings=settings)
        self._duplicates: Deduplication[PublishResult] = Deduplication()
        self._sequence: Iterator[int] = itertools.count(_FIRST_SEQUENCE, _STEP)

    def __repr__(self) -> str:
        return f"<Topic {self.name}: {len(self.subscriptions)} subscriptions>"

    async def publish(
        self,
        message: str,
        *,
        subject: str | None = None,
        attributes: AttributeInput | None = None,
        structure: str | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
    ) -> PublishResult:
        """Publish a text to every subscription that wants it: Publish.

        `attributes` are in AWS's form or plain values (str, int, float, Decimal, bytes, list). `structure="json"` makes
        the message a JSON object of texts by protocol, with `default`. A FIFO topic needs `group_id`, and
        `deduplication_id` unless it is content-based. Raises SNSError, or StoreUnavailable, with nothing published.
        When cancelled, the message was published to everybody or to nobody.
        """
        self._bus.accepting("publish")
        await self._bus.room(self.reaches)
        result = self.publish_nowait(
            message,
            subject=subject,
            attributes=attributes,
            structure=structure,
            group_id=group_id,
            deduplication_id=deduplication_id,
        )
        if self._kept is not None:
            await self._bus.synced()
        return result

    def publish_nowait(
        self,
        message: str,
        *,
        subject: str | None = None,
        attributes: AttributeInput | None = None,
        structure: str | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
    ) -> PublishResult:
        """The synchronous twin of `publish`: no back-pressure, and no waiting for the store."""
        self._enter("publish")
        publication = self._checked(message, subject, attributes, structure, group_id, deduplication_id)
        return self._publish(publication, None)[0]

    async def publish_batch(self, entries: Iterable[Mapping[str, Any]]) -> PublishBatchResult:
        """Publish up to ten messages: PublishBatch.

        Each entry holds the arguments of `publish` (`{"message": "a", "subject": "s"}`) and may have an `id`; without
        one its position is its id. Raises SNSError if the batch as a whole is refused; an entry that is refused alone
        is in `failed`.
        """
        self._bus.accepting("publish_batch")
        await self._bus.room(self.reaches)
        result = self.publish_batch_nowait(entries)
        if self._kept is not None:
            await self._bus.synced()
        return result

    def publish_batch_nowait(self, entries: Iterable[Mapping[str, Any]]) -> PublishBatchResult:
        """The synchronous twin of `publish_batch`."""
        self._enter("publish_batch")
        return publish_batch(self.publish_nowait, entries, self.settings.maximum_message_size)

    def accept(self, message: Message, source: Source) -> Cause:
        """Publish what another resource sends, which has checked the permission. Returns the trace node."""
        if self.is_deleted:
            raise NotFound("Topic")
        subject = message.subject
        if subject is None and source.principal == _S3:
            subject = "Amazon S3 Notification"
        publication = self._checked(as_text(message.body), subject, message.attributes, None, None, None)
        return self._publish(publication, message.cause)[1]

    def on(
        self,
        handler: None = None,
        /,
        *,
        filter_policy: str | Mapping[str, Any] | None = None,
        filter_policy_scope: str = "MessageAttributes",
        dead_letter: object = None,
        **function_options: Any,
    ) -> Callable[[Callable[[Any, Any], Any]], Function]:
        """Make the decorated handler a function, let the topic invoke it, and subscribe it.

        `function_options` are those of `bus.function`: `@topic.on(filter_policy={"fruit": ["pear"]}, timeout=30)`.
        """

        if handler is not None:
            raise ConfigurationError("on() is called before it decorates: write @topic.on()")

        def declare(handler: Callable[[Any, Any], Any]) -> Function:
            self.check_filter(filter_policy, filter_policy_scope)
            function: Function = self._bus.function(**function_options)(handler)
            self.subscribe(
                function,
                filter_policy=filter_policy,
                filter_policy_scope=filter_policy_scope,
                dead_letter=dead_letter,
                grant=True,
            )
            return function

        return declare

    def explain(self, message: str, attributes: AttributeInput | None = None, *, structure: str | None = None) -> str:
        """Say of every subscription whether this message would reach it and, if not, why not. Publishes nothing."""
        validation.check_message(message)
        texts = validation.parse_structure(message, structure)
        publication = self._publication(message, None, message_attributes.normalise(attributes), texts, None, None)
        return explain(self, publication, self._bus.resource, self._bus.may_send)

    def keep(self, keeping: Keeping) -> None:
        """Called by the service: take up what the store has of this topic, and keep there what comes."""
        self._kept = self._deliveries.kept = KeptTopic(keeping, self)
        if self.is_fifo:
            self._duplicates.keep(keeping.duplicates_of(self.name, PublishResult), self._bus.clock.now())
            self._sequence = (_FIRST_SEQUENCE + _STEP * number for number in iter(keeping.numbers.draw, None))
        for subscription in self.subscriptions:
            self._resume(subscription)

    def close(self) -> None:
        super().close()
        self._duplicates.clear()

    def _enter(self, call: str) -> None:
        self._bus.accepting(call)
        if self.is_deleted:
            raise NotFound("Topic")
        self._bus.authorize("sns:Publish", self.arn, self.access, self.label)

    def _checked(
        self,
        message: str,
        subject: str | None,
        attributes: AttributeInput | None,
        structure: str | None,
        group_id: str | None,
        deduplication_id: str | None,
    ) -> Publication:
        """The publication that this request makes, with nothing changed yet."""
        settings = self.settings
        validation.check_message(message)
        if subject is not None:
            validation.check_subject(subject)
        if self.is_fifo or group_id is not None or deduplication_id is not None:
            content_based = settings.content_based_deduplication
            validation.check_grouping(group_id, deduplication_id, is_fifo=self.is_fifo, content_based=content_based)
        normal = message_attributes.normalise(attributes) if attributes else {}
        validation.check_size(_size(message, normal), settings.maximum_message_size)
        texts = None if structure is None else validation.parse_structure(message, structure)
        if self.is_fifo and deduplication_id is None:
            deduplication_id = content_id(message)
        return self._publication(message, subject, normal, texts, group_id, deduplication_id)

    def _publication(
        self,
        message: str,
        subject: str | None,
        attributes: Any,
        texts: dict[str, str] | None,
        group_id: str | None,
        deduplication_id: str | None,
    ) -> Publication:
        return Publication(
            self.arn,
            self._bus.ids.uuid(),
            self._bus.clock.now(),
            message,
            subject,
            attributes,
            texts,
            self.region,
            self.settings.signature_version,
            group_id,
            deduplication_id,
        )

    def _publish(self, publication: Publication, cause: Cause | None) -> tuple[PublishResult, Action]:
        """The one synchronous step: nothing has happened before it, everything has after it."""
        if self.is_fifo and (first := self._first_of(publication)) is not None:
            action = self._bus.note("publish", self, first.message_id, cause)
            action.note = "a duplicate within five minutes: accepted, not delivered"
            return first, action
        action = self._bus.note("publish", self, publication.message_id, cause)
        result = PublishResult(publication.message_id, publication.sequence_number)
        if self.is_fifo:
            self._duplicates.remember(self._duplicate_key(publication), result, publication.at)
        total = len(self._matching)
        matching = self._matching.match(publication) if total else []
        action.note = f"{len(matching)} of {total} subscriptions matched"
        self._count(total, len(matching), sum([self._deliver(s, publication, action) for s in matching]))
        return result, action

    def _deliver(self, subscription: Subscription, publication: Publication, action: Action) -> bool:
        if subscription.protocol in ("http", "https"):
            policy = self.http_policy(subscription)
            self._posts.notify(subscription, publication, action, policy)
            return False  # counted when it arrives
        return self._deliveries.deliver(subscription, publication, action)

    def _count(self, total: int, matching: int, delivered: int) -> None:
        count = self._bus.count
        count("NumberOfMessagesPublished", self.arn)
        if delivered:
            count("NumberOfNotificationsDelivered", self.arn, delivered)
        if total > matching:
            count("NumberOfNotificationsFilteredOut", self.arn, total - matching)

    def _first_of(self, publication: Publication) -> PublishResult | None:
        """The result of the message that this one repeats; without one, its sequence number is drawn."""
        first = self._duplicates.find(self._duplicate_key(publication), publication.at)
        if first is None:
            publication.sequence_number = f"{next(self._sequence):020d}"
        return first

    def _duplicate_key(self, publication: Publication) -> tuple[str | None, str | None]:
        by_group = self.settings.throughput_scope == "MessageGroup"
        return publication.group_id if by_group else None, publication.deduplication_id


def _size(message: str, attributes: Any) -> int:
    try:
        return len(message.encode()) + (message_attributes.size(attributes) if attributes else 0)
    except UnicodeEncodeError:
        raise InvalidParameter("Message Reason: the message is not valid UTF-8") from None
