"""How an event gets from a rule, or from a schedule, to one target, and what happens when it can't.

A refusal that time cannot mend (no permission, no such target, a message that the target cannot read) is never retried.
Throttling and faults of the target are, by the target's retry policy. What is given up goes to the target's dead-letter
queue, or is dropped, counted and logged. Sources: EventBridge User Guide, "Retrying event delivery" and "Dead-letter
queues"; EventBridge Scheduler User Guide, "Dead-letter queue" (2026).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import attrs

from eventbus.delivery.payload import Encoded
from eventbus.delivery.targets import Message, MessageAttributes, Source, Target
from eventbus.errors import AWSError, ConfigurationError
from eventbus.telemetry.trace import Cause, Named
from triggers.delivering import Delivery, is_throttled, try_until_over
from triggers.eventbridge.retrying import Exhausted, RetryPolicy, decide

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from triggers.eventbridge.keeping import Keeping

_DRAWS: Final = 2**32


@attrs.frozen
class Route:
    """Where a delivery goes, as whom, and what becomes of it when it fails."""

    target_arn: str
    source: Source
    retry_policy: RetryPolicy
    dead_letter_arn: str | None
    group_id: str | None = None
    """The message group, for FIFO queues."""
    partition_key: str | None = None
    """For streams."""


class QueueTarget(Target, Protocol):
    """A FIFO queue, which takes the message group as well."""

    def accept(self, message: Message, source: Source, *, group_id: str | None = None) -> Cause: ...


class StreamTarget(Target, Protocol):
    """A stream, which takes the partition key as well."""

    def accept(self, message: Message, source: Source, *, partition_key: str | None = None) -> Cause: ...


@attrs.frozen
class Refusal:
    """Why an attempt failed."""

    code: str
    """What ERROR_CODE says on the dead-letter queue."""
    reason: str
    is_retryable: bool = False
    mend: str | None = None


@attrs.frozen
class MetricNames:
    """What the two services call the same counts."""

    attempts: str
    succeeded: str
    retried: str
    ended: str
    failed: str
    dead_lettered: str
    not_dead_lettered: str


@attrs.define(eq=False, kw_only=True)
class TargetDelivery(Delivery, ABC):
    """One event, or one run of a schedule, on its way to one target."""

    begun_at: float

    @property
    @abstractmethod
    def owner(self) -> Named:
        """The rule or the schedule."""

    @property
    @abstractmethod
    def owner_arn(self) -> str:
        """Its ARN, under which the delivery is counted and kept."""

    @property
    @abstractmethod
    def target_id(self) -> str:
        """Which of the owner's targets it goes to."""

    @abstractmethod
    def route(self) -> Route | None:
        """Where it goes; None when its owner does not want it delivered any more."""

    @abstractmethod
    def body(self) -> Encoded:
        """What the target gets in the next attempt."""

    @abstractmethod
    def dead_letter_body(self) -> Encoded:
        """What the dead-letter queue gets."""

    @abstractmethod
    def row(self) -> bytes:
        """The delivery as its owner reads it back from a store."""


class Deliveries:
    """The deliveries of one service. `owner_attribute` is what its dead letters call the rule or schedule."""

    def __init__(self, bus: EventBus, names: MetricNames, owner_attribute: str) -> None:
        self._bus = bus
        self._names = names
        self._owner_attribute = owner_attribute
        self.keeping: Keeping | None = None

    def deliver(self, delivery: TargetDelivery) -> None:
        """Deliver now, or begin to retry, in one synchronous step."""
        if self._is_over(delivery):
            return
        if self.keeping is not None:
            self.keeping.rows.begin(delivery.owner_arn, delivery, delivery.row())
        self.resume(delivery)

    def resume(self, delivery: TargetDelivery) -> None:
        """Carry on with a delivery that has failed before, perhaps in an earlier process."""
        self._bus.start_background(self._retry, delivery)

    async def _retry(self, delivery: TargetDelivery) -> None:
        if await delivery.may_begin():
            rows = None if self.keeping is None else self.keeping.rows
            is_over = partial(self._is_over, delivery)
            await try_until_over(self._bus, delivery, is_over, rows, delivery.owner_arn)

    def _is_over(self, delivery: TargetDelivery) -> bool:
        """Try once; if that fails in a way that may pass, set the time of the next attempt."""
        route = delivery.route()
        if route is None:
            return True
        self._count(self._names.attempts, delivery)
        if delivery.attempts:
            self._count(self._names.retried, delivery)
        refusal = self._attempt(route, delivery)
        if refusal is None:
            self._count(self._names.succeeded, delivery)
            self._count(self._names.ended, delivery)
            return True
        delivery.attempts += 1
        if not refusal.is_retryable:
            self._give_up(route, delivery, refusal, None)
            return True
        draw = int(self._bus.ids.hex(8), 16) / _DRAWS
        decision = decide(route.retry_policy, delivery.attempts, delivery.begun_at, self._bus.clock.now(), draw)
        if isinstance(decision, Exhausted):
            self._give_up(route, delivery, refusal, decision.condition)
            return True
        delivery.due_at = decision.due_at
        return False

    def _attempt(self, route: Route, delivery: TargetDelivery) -> Refusal | None:
        try:
            target = self._bus.resource(route.target_arn)
        except (AWSError, ConfigurationError) as error:
            return Refusal("NO_RESOURCE", str(error))
        if (denial := self._denial(route.source, target)) is not None:
            return denial
        try:
            _send(target, Message(delivery.body(), delivery.cause), route)
        except AWSError as error:
            return _refusal(error)
        return None

    def _denial(self, source: Source, target: Target) -> Refusal | None:
        decision = self._bus.may_send(source, target)
        if decision.is_allowed:
            return None
        if source.role is None:
            sentence = self._bus.denied(source, target, decision).partition("; ")[0]
            return Refusal("NO_PERMISSIONS", sentence, mend=f"call {target.label}.allow({source.label})")
        sentence = decision.message(self._bus.authority.send_request(source, target))
        mend = f"call {source.label}.allow({target.send_action!r}, {target.label})"
        return Refusal("NO_PERMISSIONS", sentence, mend=mend)

    def _give_up(self, route: Route, delivery: TargetDelivery, refusal: Refusal, condition: str | None) -> None:
        """A delivery will not arrive: dead-letter it, or drop it; count and log it either way."""
        self._count(self._names.ended, delivery)
        self._count(self._names.failed, delivery)
        node = self._bus.note("deliver", delivery.owner, route.target_arn.rpartition(":")[2], delivery.cause)
        node.note = refusal.reason if refusal.mend is None else f"{refusal.reason}; {refusal.mend}"
        facts: dict[str, Any] = {
            "sender": delivery.owner_arn,
            "target": route.target_arn,
            "error": refusal.code,
            "reason": refusal.reason,
        }
        if refusal.mend is not None:
            facts["mend"] = refusal.mend
        if route.dead_letter_arn is None:
            self._bus.log.warning("event_dropped", **facts)
            return
        attributes = self._dead_letter_attributes(route, delivery, refusal, condition)
        self._dead_letter(route, delivery, Message(delivery.dead_letter_body(), node, attributes=attributes), facts)

    def _dead_letter_attributes(
        self, route: Route, delivery: TargetDelivery, refusal: Refusal, condition: str | None
    ) -> MessageAttributes:
        texts = {
            self._owner_attribute: delivery.owner_arn,
            "TARGET_ARN": route.target_arn,
            "ERROR_CODE": refusal.code,
            "ERROR_MESSAGE": refusal.reason[:1024],
        }
        if condition is not None:
            texts |= {"EXHAUSTED_RETRY_CONDITION": condition, "RETRY_ATTEMPTS": str(delivery.attempts - 1)}
        return {name: {"DataType": "String", "StringValue": text} for name, text in texts.items()}

    def _dead_letter(self, route: Route, delivery: TargetDelivery, letter: Message, facts: dict[str, Any]) -> None:
        arn = cast("str", route.dead_letter_arn)
        problem: str | None = None
        try:
            queue = self._bus.resource(arn)
            if (denial := self._denial(route.source, queue)) is not None:
                problem = denial.reason
            else:
                queue.accept(letter, route.source)
        except (AWSError, ConfigurationError) as error:
            problem = str(error)
        if problem is None:
            self._count(self._names.dead_lettered, delivery)
            self._bus.log.info("event_dead_lettered", dead_letter_queue=arn, **facts)
        else:
            self._count(self._names.not_dead_lettered, delivery)
            self._bus.log.warning("event_dropped", dead_letter_queue=arn, dead_letter_error=problem, **facts)

    def _count(self, metric: str, delivery: TargetDelivery) -> None:
        self._bus.count(metric, delivery.owner_arn)


def _send(target: Target, message: Message, route: Route) -> None:
    if target.kind == "queue" and route.group_id is not None:
        cast("QueueTarget", target).accept(message, route.source, group_id=route.group_id)
    elif target.kind == "stream" and route.partition_key is not None:
        cast("StreamTarget", target).accept(message, route.source, partition_key=route.partition_key)
    else:
        target.accept(message, route.source)


def _refusal(error: AWSError) -> Refusal:
    """What a target's refusal means for the delivery: only throttling and faults of the target may pass."""
    if is_throttled(error):
        return Refusal("THROTTLING", f"{error.code}: {error.message}", is_retryable=True)
    if error.status >= 500:
        return Refusal("ERROR_FROM_TARGET", f"{error.code}: {error.message}", is_retryable=True)
    return Refusal("INVALID_PARAMETER", f"{error.code}: {error.message}", mend=error.mend)
