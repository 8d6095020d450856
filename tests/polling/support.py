"""What the tests of mappings share: a bus under a virtual clock, and a handler that keeps what it was given."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from eventbus import EventBus, Function, VirtualClock
from triggers.kinesis import Kinesis, Stream
from triggers.sqs import SQS

Behaviour = Callable[[list[str]], Any]
"""Given what a batch carries, answers or raises as the handler."""


def succeed(carried: list[str]) -> None:
    """The handler that is content."""


def raises_on(*poison: str) -> Behaviour:
    """The handler that raises for any batch that holds one of these."""

    def behave(carried: list[str]) -> None:
        if not set(poison).isdisjoint(carried):
            raise ValueError(f"cannot take {carried}")

    return behave


class World:
    """A bus with its services, and the calls of its handlers."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("clock", VirtualClock())
        self.bus = EventBus(seed=7, **options)
        self.kinesis = Kinesis(self.bus)
        self.sqs = SQS(self.bus)
        self.calls: list[tuple[float, list[str]]] = []
        """When a handler was called, in seconds of virtual time, and what the batch carried."""
        self.events: list[dict[str, Any]] = []
        self._began_at = self.bus.clock.now()

    @property
    def elapsed(self) -> float:
        return self.bus.clock.now() - self._began_at

    async def advance(self, seconds: float) -> None:
        """Move virtual time."""
        assert isinstance(self.bus.clock, VirtualClock)
        await self.bus.clock.advance(seconds)

    @property
    def batches(self) -> list[list[str]]:
        """What each call carried."""
        return [carried for _, carried in self.calls]

    @property
    def carried(self) -> list[str]:
        """Everything that was carried, in order."""
        return [one for batch in self.batches for one in batch]

    def function(self, behave: Behaviour = succeed, *, takes: float = 0.0, name: str = "f", **options: Any) -> Function:
        """A function that keeps its calls, takes so long in virtual time, and then behaves."""

        async def handler(event: dict[str, Any], context: Any) -> Any:
            carried = [carried_by(record) for record in event["Records"]]
            self.calls.append((round(self.elapsed, 3), carried))
            self.events.append(event)
            if takes:
                await self.bus.clock.sleep_until(self.bus.clock.now() + takes)
            return behave(carried)

        return self.bus.add_function(name, handler, **options)

    def stream(self, shards: int = 1, **options: Any) -> Stream:
        return self.kinesis.create_stream("s", shards, **options)


def carried_by(record: dict[str, Any]) -> str:
    """The text that a record of a stream or a message carries."""
    if "kinesis" in record:
        return base64.b64decode(record["kinesis"]["data"]).decode()
    return str(record["body"])


def put(stream: Stream, *texts: str, key: str = "k") -> list[str]:
    """Put records with one partition key; returns their sequence numbers."""
    return [stream.put_record_nowait(text, key).sequence_number for text in texts]


@contextmanager
def counted(world: World) -> Iterator[list[list[str]]]:
    """The batches of the calls within the block."""
    before = len(world.calls)
    batches: list[list[str]] = []
    yield batches
    batches += world.batches[before:]
