"""SQS on one bus: its queues by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from eventbus.errors import ConfigurationError, EventBusError
from triggers.looking_up import named
from triggers.sqs.errors import InvalidParameterValue, QueueDoesNotExist, QueueNameExists
from triggers.sqs.keeping import Keeping
from triggers.sqs.queue import Queue
from triggers.sqs.settings import QueueSettings, Redrive, check_name, checked_redrive

if TYPE_CHECKING:
    from eventbus.bus import EventBus

DEFAULT_RECEIVES = 10
"""maxReceiveCount where none is given (API_CreateQueue, 2026)."""


class SQS:
    """The queues of a bus; make it once.

    On a bus with a store the messages, what receiving changed of them, and the memory of FIFO queues survive; queues
    are declared again at start, and what the store has of one that isn't waits there until it is.

    `sqs["orders"]` looks a queue up (QueueDoesNotExist, a KeyError, if there is none); `in`, iteration over the queues
    and `len` work as for a mapping.
    """

    name = "sqs"

    def __init__(self, bus: EventBus) -> None:
        self.bus = bus
        self.arn = f"arn:{bus.partition}:sqs:{bus.region}:{bus.account_id}:*"
        self.owner_id = f"AIDA{bus.account_id}{bus.account_id}"[:21]
        """SenderId of what the account's owner and its functions send."""
        self._queues: dict[str, Queue] = {}
        self._keeping: Keeping | None = None
        bus.claim("SQS", self)
        bus.when_started(self._take_up)

    def __repr__(self) -> str:
        return f"<SQS: {len(self._queues)} queues>"

    def __getitem__(self, name: str) -> Queue:
        try:
            return self._queues[name]
        except KeyError:
            raise named(QueueDoesNotExist(), "queue", name, self._queues) from None

    def __contains__(self, name: object) -> bool:
        return name in self._queues

    def __iter__(self) -> Iterator[Queue]:
        return iter(list(self._queues.values()))

    def __len__(self) -> int:
        return len(self._queues)

    def create_queue(
        self,
        name: str,
        fifo: bool = False,
        visibility_timeout: int = 30,
        *,
        delay_seconds: int = 0,
        message_retention: int = 345_600,
        maximum_message_size: int = 1_048_576,
        receive_wait: int = 0,
        dead_letter: Queue | str | None = None,
        max_receive_count: int | None = None,
        content_based_deduplication: bool = False,
        deduplication_scope: str = "queue",
        throughput_limit: str = "perQueue",
    ) -> Queue:
        """Make a queue: CreateQueue. All durations are seconds.

        The name of a FIFO queue ends in `.fifo`. `dead_letter` (a queue or its ARN, of the same type) takes messages
        that were received `max_receive_count` times (1 to 1000, by default 10) and would be received again. The same
        name with the same settings gives the same queue; with others it raises QueueNameExists. Raises SQSError with
        nothing changed.
        """
        arn = f"{self.arn.removesuffix('*')}{name}"
        self.bus.authorize("sqs:CreateQueue", arn, None, f'"{arn}"')
        check_name(name, is_fifo=fifo)
        if not fifo and (
            content_based_deduplication or deduplication_scope != "queue" or throughput_limit != "perQueue"
        ):
            raise InvalidParameterValue(
                "content_based_deduplication, deduplication_scope and throughput_limit are for FIFO queues; "
                "pass fifo=True and a name that ends in .fifo"
            )
        settings = QueueSettings(
            visibility_timeout=visibility_timeout,
            delay_seconds=delay_seconds,
            message_retention=message_retention,
            maximum_message_size=maximum_message_size,
            receive_wait=receive_wait,
            content_based_deduplication=content_based_deduplication,
            deduplication_scope=deduplication_scope,
            throughput_limit=throughput_limit,
            redrive=_redrive(dead_letter, max_receive_count),
        )
        if (known := self._queues.get(name)) is not None:
            if (differing := known.settings.differing(settings)) is not None:
                raise QueueNameExists(differing)
            return known
        self.check_redrive(settings.redrive, is_fifo=fifo)
        queue = Queue(self, name, is_fifo=fifo, settings=settings)
        self.bus.register(queue)
        self._queues[name] = queue
        if self._keeping is not None:
            queue.keep(self._keeping)
        self.bus.pollables.add(queue)
        return queue

    def delete_queue(self, queue: Queue | str) -> None:
        """Delete a queue, given it or its name, and its messages: DeleteQueue. Raises QueueDoesNotExist."""
        doomed = self[queue.name if isinstance(queue, Queue) else queue]
        if isinstance(queue, Queue) and doomed is not queue:
            raise QueueDoesNotExist
        doomed.may("sqs:DeleteQueue")
        del self._queues[doomed.name]
        self.bus.unregister(doomed)
        self.bus.pollables.remove(doomed)
        doomed.close()

    def _take_up(self) -> None:
        """The bus is entered: load what its store has of the queues that are declared."""
        if self.bus.store is None:
            return
        self._keeping = Keeping(self.bus, self.bus.store)
        for queue in self._queues.values():
            queue.keep(self._keeping)
        self._keeping.warn(self._queues)

    def check_redrive(self, redrive: Redrive | None, *, is_fifo: bool) -> None:
        """Refuse a redrive policy whose dead-letter queue is missing or of the other type."""
        if redrive is None:
            return
        target = self.dead_letter_queue(redrive)
        if target is None:
            raise InvalidParameterValue.of(redrive.document, "RedrivePolicy", "Dead letter target does not exist.")
        if target.is_fifo != is_fifo:
            reason = "Dead-letter queue must be same type of queue as the source."
            raise InvalidParameterValue.of(redrive.document, "RedrivePolicy", reason)

    def dead_letter_queue(self, redrive: Redrive) -> Queue | None:
        """The queue that a redrive policy names, or None if it is gone."""
        try:
            target = self.bus.resource(redrive.dead_letter_arn)
        except EventBusError:
            return None
        return target if isinstance(target, Queue) else None


def _redrive(dead_letter: Queue | str | None, max_receive_count: int | None) -> Redrive | None:
    if dead_letter is None:
        if max_receive_count is not None:
            raise ConfigurationError("max_receive_count needs a dead_letter queue to move messages to")
        return None
    arn = dead_letter.arn if isinstance(dead_letter, Queue) else dead_letter
    return checked_redrive(arn, DEFAULT_RECEIVES if max_receive_count is None else max_receive_count)
