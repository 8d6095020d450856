"""Enhanced fan-out: consumers that are registered with a stream, and get its records pushed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from eventbus.errors import ValidationFailed
from triggers.kinesis.errors import ConsumerNotFound, KinesisError, LimitExceeded, ResourceInUse, StreamNotFound
from triggers.kinesis.polled import PolledConsumer
from triggers.kinesis.reading import Reading, starting_point
from triggers.kinesis.subscriptions import Subscription, may_take_over
from triggers.polling import poll_stream

if TYPE_CHECKING:
    from triggers.kinesis.shards import Shard
    from triggers.polling import EventSourceMapping

CONSUMERS = 20
"""Consumers of one stream (Kinesis quotas, 2026)."""
_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}")
_DIGITS = "0123456789"


class Consumer:
    """One consumer of a stream, made by `Stream.register_consumer`; `ACTIVE` at once.

    `name`, `arn`, `stream`, `created_at` (seconds since the epoch) and `tags`. A function can poll it in the stream's
    place: `function.poll(consumer, ...)`.
    """

    def __init__(self, stream: FanOut, name: str) -> None:
        self.bus = bus = stream._bus
        self.stream = stream
        self.name = name
        # AWS's number is the instant of creation; this one is drawn, so that it is the same after a restart.
        self.arn = f"{stream.arn}/consumer/{name}:1{bus.ids.text(9, _DIGITS)}"
        self.label = f'{stream.label}.consumers["{name}"]'
        self.created_at = bus.clock.now()
        self.tags: dict[str, str] = {}
        self.is_gone = False
        self._subscriptions: dict[str, Subscription] = {}

    def __repr__(self) -> str:
        return f"<Consumer {self.name} of {self.stream.name}: {len(self._subscriptions)} subscriptions>"

    def describe(self) -> dict[str, Any]:
        """The consumer in AWS's shape: DescribeStreamConsumer; the instant is in seconds since the epoch."""
        self.bus.authorize("kinesis:DescribeStreamConsumer", self.arn, None, self.label)
        return {**self.summary(), "StreamARN": self.stream.arn}

    def summary(self) -> dict[str, Any]:
        """The consumer as it is listed."""
        return {
            "ConsumerName": self.name,
            "ConsumerARN": self.arn,
            "ConsumerStatus": "ACTIVE",
            "ConsumerCreationTimestamp": self.created_at,
        }

    def deregister(self) -> None:
        """Take the consumer off its stream, and end its subscriptions: DeregisterStreamConsumer."""
        self.stream.deregister_consumer(self)

    def subscribe_to_shard(
        self,
        shard_id: str,
        starting_position: str,
        *,
        sequence_number: str | None = None,
        timestamp: float | None = None,
    ) -> Subscription:
        """Have the records of a shard pushed for five minutes: SubscribeToShard.

        `starting_position` is `TRIM_HORIZON`, `LATEST`, `AT_SEQUENCE_NUMBER` or `AFTER_SEQUENCE_NUMBER` with
        `sequence_number`, or `AT_TIMESTAMP` with `timestamp` in seconds since the epoch. An earlier subscription to the
        shard ends, unless it is younger than five seconds: then this raises ResourceInUse. Raises ConsumerNotFound,
        ShardNotFound, InvalidArgument or ValidationFailed, with nothing changed.
        """
        shard, position = self.check_subscription(
            shard_id, starting_position, sequence_number=sequence_number, timestamp=timestamp
        )
        earlier = self._subscriptions.get(shard_id)
        if earlier is not None:
            in_use = ResourceInUse(
                f"Another active subscription exists for this consumer: {self.stream.account_id}:{self.stream.name}:"
                f"{self.arn.rpartition('/')[2]}:{shard_id}."
            )
            if not may_take_over(earlier.opened_at, self.bus.clock.now()):
                raise in_use
            earlier.fail(in_use)
        children = partial(self.stream._children, shard)
        subscription = Subscription(self, shard, position, children, self._ended)
        self._subscriptions[shard_id] = subscription
        self.stream._service.subscriptions.add(subscription)
        return subscription

    def check_subscription(
        self, shard_id: str, starting_position: str, *, sequence_number: str | None, timestamp: float | None
    ) -> tuple[Shard, int]:
        """The shard and the position where a subscription would begin; raises what keeps it from that."""
        self.bus.accepting("subscribe_to_shard")
        self.bus.authorize("kinesis:SubscribeToShard", self.arn, None, self.label)
        if self.is_gone:
            raise ConsumerNotFound(self.arn, self.stream.account_id)
        shard = self.stream._shard(shard_id)
        position = starting_point(
            self.stream, shard, starting_position, sequence_number, timestamp, call="SubscribeToShard"
        )
        return shard, position

    def poll_into(self, function: Any, **options: Any) -> EventSourceMapping:
        """Called by `Function.poll`: have the records of the stream delivered to the function in batches."""
        if self.is_gone:
            raise ConsumerNotFound(self.arn, self.stream.account_id)
        return poll_stream(self.bus, self.polled(), function, **options)

    def polled(self) -> PolledConsumer:
        """Called by mappings: the stream as pollers see it through this consumer."""
        return PolledConsumer(self)

    def close(self, error: KinesisError) -> None:
        """Called by the stream: the consumer, or all of the stream, is gone."""
        self.is_gone = True
        self.bus.pollables.remove(self)
        for subscription in list(self._subscriptions.values()):
            subscription.fail(error)

    def _ended(self, subscription: Subscription) -> None:
        self.stream._service.subscriptions.remove(subscription)
        if self._subscriptions.get(subscription.shard_id) is subscription:
            del self._subscriptions[subscription.shard_id]


class FanOut(Reading):
    """The consumers of a stream."""

    @property
    def consumers(self) -> Mapping[str, Consumer]:
        """The registered consumers by name."""
        return MappingProxyType(self._consumers)

    def register_consumer(self, name: str) -> Consumer:
        """Register a consumer, which can subscribe at once: RegisterStreamConsumer.

        The name has 1 to 128 letters, digits, `_`, `.` and `-`. Raises ResourceInUse if there is one of this name,
        LimitExceeded for the twenty-first, ValidationFailed.
        """
        self._allowed("kinesis:RegisterStreamConsumer")
        if not _is_name(name):
            raise ValidationFailed(
                name, "consumerName", "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
            )
        if name in self._consumers:
            raise ResourceInUse(
                f"Consumer {name} under stream {self.arn} already exists for account {self.account_id}."
            )
        if len(self._consumers) >= CONSUMERS:
            raise LimitExceeded(
                f"Stream {self.name} under account {self.account_id} has {CONSUMERS} registered consumers, the most "
                "that a stream can have."
            )
        consumer = self._consumers[name] = Consumer(self, name)
        self._bus.pollables.add(consumer)
        return consumer

    def deregister_consumer(self, consumer: Consumer | str) -> None:
        """Take a consumer, given it or its name, off the stream: DeregisterStreamConsumer. Raises ConsumerNotFound."""
        found = self.consumer(consumer if isinstance(consumer, str) else consumer.name)
        self._bus.authorize("kinesis:DeregisterStreamConsumer", found.arn, None, found.label)
        del self._consumers[found.name]
        found.close(ConsumerNotFound(found.arn, self.account_id))
        self._notify()

    def consumer(self, name: str) -> Consumer:
        """The consumer of this name. Raises ConsumerNotFound."""
        if name not in self._consumers:
            raise ConsumerNotFound(name, self.account_id)
        return self._consumers[name]

    def list_consumers(self) -> list[dict[str, Any]]:
        """Every consumer in AWS's shape, by name: ListStreamConsumers."""
        self._allowed("kinesis:ListStreamConsumers")
        return [self._consumers[name].summary() for name in sorted(self._consumers)]

    def _forget_consumers(self) -> None:
        """The stream is deleted."""
        for consumer in self._consumers.values():
            consumer.close(StreamNotFound(self.name, self.account_id))
        self._consumers.clear()


def _is_name(name: object) -> bool:
    return isinstance(name, str) and _NAME.fullmatch(name) is not None
