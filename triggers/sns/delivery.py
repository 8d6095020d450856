"""How a published message gets to one subscription, and what happens when it can't.

A fault on the caller's side (the endpoint is gone, its policy lets SNS no longer in, it refuses the message) is never
retried: the message goes to the subscription's dead-letter queue, or is dropped, counted and logged. A fault on the
endpoint's side is retried by the schedule of the protocol. Source: SNS developer guide, "Message delivery retries" and
"Dead-letter queues" (2026).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, cast

import attrs

from eventbus.delivery.targets import Message, Source, Target
from eventbus.errors import AWSError, ConfigurationError
from eventbus.telemetry.trace import Cause
from triggers.delivering import is_throttled, try_until_over
from triggers.sns.keeping import KeptTopic, TopicDelivery
from triggers.sns.publication import LambdaNotification, Publication, notification
from triggers.sns.schedule import delivery_delays
from triggers.sns.subscription import Subscription

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.functions.function import Function

MOST_RAW_ATTRIBUTES = 10
"""With raw delivery a message with more attributes is dropped (SNS developer guide, raw message delivery)."""


class QueueTarget(Target, Protocol):
    """A queue, which takes what orders its messages as well."""

    def accept(
        self,
        message: Message,
        source: Source,
        *,
        group_id: str | None = None,
        deduplication_id: str | None = None,
    ) -> Cause:
        """Take a message, with the group and the deduplication id that it was published with."""


@attrs.frozen
class Refusal:
    """Why an attempt failed."""

    reason: str
    is_retryable: bool = False
    mend: str | None = None


class Deliveries:
    """The deliveries of one topic."""

    def __init__(self, bus: EventBus, source: Source, arn: str, *, is_fifo: bool) -> None:
        self._bus = bus
        self._source = source
        self._arn = arn
        self._is_fifo = is_fifo
        self.kept: KeptTopic | None = None

    def deliver(self, subscription: Subscription, publication: Publication, cause: Cause) -> bool:
        """Deliver to a function or a queue, now, or begin to retry. Returns whether it has arrived."""
        if self._is_fifo and (publication.group_id or "") in subscription.held_back:
            delivery = TopicDelivery(publication=publication, cause=cause)
        else:
            refusal = self._attempt(subscription, publication, cause)
            if refusal is None:
                return True
            if not refusal.is_retryable:
                self.give_up(subscription, publication, cause, refusal)
                return False
            due_at = self._bus.clock.now() + next(delivery_delays(subscription.protocol))
            delivery = TopicDelivery(publication=publication, cause=cause, attempts=1, due_at=due_at)
        if self.kept is not None:
            self.kept.begin(subscription, delivery)
        self._carry_on(subscription, delivery)
        return False

    def _attempt(self, subscription: Subscription, publication: Publication, cause: Cause) -> Refusal | None:
        try:
            target = self._bus.resource(subscription.endpoint)
        except (AWSError, ConfigurationError) as error:
            return Refusal(f"the endpoint is gone: {error}")
        decision = self._bus.may_send(self._source, target)
        if not decision.is_allowed:
            sentence = self._bus.denied(self._source, target, decision)
            return Refusal(sentence, mend=f"call {target.label}.allow({self._source.label})")
        try:
            if target.kind == "function":
                notified = LambdaNotification(publication, subscription.arn, subscription.unsubscribe_url)
                self._bus.enqueue(cast("Function", target), notified, self._source, cause)
            else:
                self._send(cast("QueueTarget", target), subscription, publication, cause)
        except AWSError as error:
            return Refusal(f"{error.code}: {error}", is_retryable=is_throttled(error) or error.status >= 500)
        return None

    def _send(self, queue: QueueTarget, subscription: Subscription, publication: Publication, cause: Cause) -> None:
        if subscription.settings.raw and len(publication.attributes) > MOST_RAW_ATTRIBUTES:
            raise TooManyAttributes(len(publication.attributes))
        queue.accept(
            self._message(subscription, publication, cause),
            self._source,
            group_id=publication.group_id,
            deduplication_id=publication.deduplication_id if queue.is_fifo else None,
        )

    def _message(self, subscription: Subscription, publication: Publication, cause: Cause) -> Message:
        if subscription.settings.raw and subscription.protocol != "lambda":
            return Message(publication.text(subscription.protocol), cause, attributes=publication.attributes)
        return Message(notification(publication, subscription.protocol, subscription.unsubscribe_url), cause)

    def resume(self, subscription: Subscription, delivery: TopicDelivery) -> None:
        """Take up a delivery of an earlier process to a function or a queue."""
        self._carry_on(subscription, delivery)

    def _carry_on(self, subscription: Subscription, delivery: TopicDelivery) -> None:
        held_back = deque([delivery])
        group = delivery.publication.group_id or ""
        if self._is_fifo:
            if group in subscription.held_back:
                subscription.held_back[group].append(delivery)
                return
            subscription.held_back[group] = held_back
        self._bus.start_background(self._retry, subscription, group, held_back)

    async def _retry(self, subscription: Subscription, group: str, held_back: deque[TopicDelivery]) -> None:
        """Deliver what is held back, in order, each by the schedule of the protocol."""
        try:
            while held_back:
                if await held_back[0].may_begin():
                    await self._deliver_again(subscription, held_back[0])
                held_back.popleft()
        finally:
            subscription.held_back.pop(group, None)

    async def _deliver_again(self, subscription: Subscription, delivery: TopicDelivery) -> None:
        """Wait and try, until the delivery needs no more of that."""
        delays = islice(delivery_delays(subscription.protocol), delivery.attempts, None)
        rows = None if self.kept is None else self.kept.rows
        is_over = partial(self._is_over, subscription, delivery, delays)
        await try_until_over(self._bus, delivery, is_over, rows, subscription.topic.name)

    def _is_over(self, subscription: Subscription, delivery: TopicDelivery, delays: Iterator[float]) -> bool:
        """Try once; if that fails in a way that may pass, set the time of the next attempt."""
        if not subscription.is_active:
            return True
        publication, cause = delivery.publication, delivery.cause
        refusal = self._attempt(subscription, publication, cause)
        if refusal is None:
            self.delivered()
            return True
        delay = next(delays, None) if refusal.is_retryable else None
        if delay is None:
            final = Refusal("every retry failed") if refusal.is_retryable else refusal
            self.give_up(subscription, publication, cause, final)
            return True
        delivery.attempts += 1
        delivery.due_at = self._bus.clock.now() + delay
        return False

    def delivered(self, count: int = 1) -> None:
        """Count notifications that arrived."""
        self._bus.count("NumberOfNotificationsDelivered", self._arn, count)

    def give_up(self, subscription: Subscription, publication: Publication, cause: Cause, refusal: Refusal) -> None:
        """A notification will not arrive: dead-letter it, or drop it; count and log it either way."""
        self._bus.count("NumberOfNotificationsFailed", self._arn)
        failed = self._bus.note("deliver", subscription, publication.message_id, cause)
        failed.note = refusal.reason
        facts: dict[str, Any] = {
            "topic": self._arn,
            "subscription": subscription.arn,
            "endpoint": subscription.endpoint,
            "message_id": publication.message_id,
            "reason": refusal.reason,
        }
        if refusal.mend is not None:
            facts["mend"] = refusal.mend
        if subscription.settings.dead_letter_arn is None:
            self._bus.log.warning("notification_dropped", **facts)
        else:
            self._dead_letter(subscription, publication, failed, facts)

    def _dead_letter(
        self, subscription: Subscription, publication: Publication, cause: Cause, facts: dict[str, Any]
    ) -> None:
        arn = subscription.settings.dead_letter_arn
        try:
            queue = self._bus.resource(arn)
            decision = self._bus.may_send(self._source, queue)
            if not decision.is_allowed:
                raise ConfigurationError(self._bus.denied(self._source, queue, decision))
            cast("QueueTarget", queue).accept(
                self._message(subscription, publication, cause),
                self._source,
                group_id=publication.group_id,
                deduplication_id=publication.deduplication_id if queue.is_fifo else None,
            )
        except (AWSError, ConfigurationError) as error:
            self._bus.count("NumberOfNotificationsFailedToRedriveToDlq", self._arn)
            self._bus.log.warning("notification_dropped", dead_letter_queue=arn, dead_letter_error=str(error), **facts)
            return
        self._bus.count("NumberOfNotificationsRedrivenToDlq", self._arn)
        self._bus.log.info("notification_dead_lettered", dead_letter_queue=arn, **facts)


class TooManyAttributes(AWSError):
    """Raw delivery to a queue carries ten attributes."""

    code = "InvalidParameterValue"
    status = 400

    def __init__(self, count: int) -> None:
        super().__init__(f"Number of message attributes [{count}] exceeds the allowed maximum [{MOST_RAW_ATTRIBUTES}].")
