"""Order is a promise: random scripts of records, failures, throttles, restarts and resharding, against a simple model.

The model knows one rule: a record of a key (or a message group) may be with the function only when all records of its
key before it are dealt with, or stand before it in the batch. At the end everything is dealt with: nothing is lost.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, TypeAlias

import anyio
import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventbus import Faults, VirtualClock
from eventbus.storage.errors import StoreUnavailable
from eventbus.storage.memory import MemoryStore
from tests.polling.support import World, carried_by
from triggers.polling import EventSourceMapping

KEYS = "abcd"


@attrs.frozen
class Put:
    key: str
    fails: int
    """How many of its deliveries end in an error."""
    reports: bool
    """Whether such a failure is reported as one of the batch, or raised."""


@attrs.frozen
class Advance:
    seconds: float


@attrs.frozen
class Throttle:
    concurrency: int | None


@attrs.frozen
class Restart:
    """The mapping is disabled and enabled again."""


@attrs.frozen
class Update:
    batch_size: int
    parallelization_factor: int
    bisects: bool


@attrs.frozen
class Split:
    pass


Step: TypeAlias = Put | Advance | Throttle | Restart | Update | Split

puts = st.builds(Put, st.sampled_from(KEYS), st.sampled_from((0, 0, 0, 0, 1, 2, 5)), st.booleans())
steps = st.one_of(
    puts,
    puts,
    st.builds(Advance, st.sampled_from((0, 0.25, 0.5, 1, 3, 30, 31))),
    st.builds(Throttle, st.sampled_from((None, None, 0, 1, 2))),
    st.builds(Restart),
)
stream_steps = st.one_of(
    steps,
    st.builds(Update, st.integers(1, 5), st.integers(1, 4), st.booleans()),
    st.builds(Split),
)


class Model:
    """What has been put, and what is dealt with."""

    def __init__(self) -> None:
        self.by_key: defaultdict[str, list[str]] = defaultdict(list)
        self.fails: dict[str, int] = {}
        self.reports: dict[str, bool] = {}
        self.done: set[str] = set()
        self.held: set[str] = set()
        """With the function now."""
        self.violations: list[str] = []

    def put(self, step: Put) -> str:
        text = f"{step.key}{len(self.by_key[step.key])}"
        self.by_key[step.key].append(text)
        self.fails[text], self.reports[text] = step.fails, step.reports
        return text

    def delivered(self, batch: list[str]) -> None:
        """Check the one rule; a record that is dealt with may come again only after a restart."""
        before = set(self.done)
        for text in batch:
            line = self.by_key[text[0]]
            missing = [one for one in line[: line.index(text)] if one not in before]
            if missing:
                self.violations.append(f"{text} came while {missing} were not dealt with, in {batch}")
            if text in self.held:
                self.violations.append(f"{text} is with the function already")
            before.add(text)
        self.held.update(batch)

    def fate(self, batch: list[str]) -> tuple[list[str], bool]:
        """What has failed of a batch, and whether that is raised."""
        failed = [text for text in batch if self.fails[text] > 0]
        for text in failed:
            self.fails[text] -= 1
        return failed, any(not self.reports[text] for text in failed)

    def never_put(self, text: str) -> None:
        """Whoever put it was told that it failed."""
        self.by_key[text[0]].remove(text)

    def ended(self, batch: list[str], done: list[str]) -> None:
        self.held.difference_update(batch)
        self.done.update(done)

    @property
    def everything(self) -> set[str]:
        return {text for line in self.by_key.values() for text in line}


def is_behind(one: str, other: str) -> bool:
    """Whether one is the other, or comes after it in its group."""
    return one[0] == other[0] and int(one[1:]) >= int(other[1:])


class Script:
    """Runs one script against a bus; several of them, against buses that have one store and one model."""

    def __init__(
        self,
        kind: str,
        batch_size: int = 3,
        parallelization_factor: int = 1,
        *,
        model: Model | None = None,
        **options: Any,
    ) -> None:
        self.kind = kind
        self.world = World(**options)
        self.model = Model() if model is None else model
        self.function = self.world.bus.add_function("f", self.handler)
        polling: dict[str, Any] = {"batch_size": batch_size, "function_response_types": ["ReportBatchItemFailures"]}
        if kind == "kinesis":
            self.stream = self.world.stream(shards=2)
            polling |= {"starting_position": "TRIM_HORIZON", "parallelization_factor": parallelization_factor}
            source: Any = self.stream
        else:
            self.queue = self.world.sqs.create_queue("q.fifo", fifo=True, content_based_deduplication=True)
            source = self.queue
        self.mapping: EventSourceMapping = self.function.poll(source, grant=True, **polling)

    async def handler(self, event: dict[str, Any], context: Any) -> Any:
        batch = [carried_by(record) for record in event["Records"]]
        self.model.delivered(batch)
        await self.world.bus.clock.sleep_until(self.world.bus.clock.now() + 0.5)
        failed, is_raised = self.model.fate(batch)
        if self.kind == "kinesis":
            done = batch[: batch.index(failed[0])] if failed else batch
        else:  # as AWS asks for FIFO queues: what follows a failure in its group is reported too
            failed = [one for one in batch if any(is_behind(one, first) for first in failed)]
            done = [one for one in batch if one not in failed]
        self.model.ended(batch, [] if is_raised else done)
        if is_raised:
            raise ValueError(f"cannot take {failed}")
        return {"batchItemFailures": [{"itemIdentifier": self.identifier(event, batch, one)} for one in failed]}

    def identifier(self, event: dict[str, Any], batch: list[str], text: str) -> str:
        record = event["Records"][batch.index(text)]
        return str(record["messageId"] if self.kind == "sqs" else record["kinesis"]["sequenceNumber"])

    async def step(self, step: Step) -> None:
        match step:
            case Put():
                await self.put(step)
            case Advance(seconds):
                await self.world.advance(seconds)
            case Throttle(concurrency):
                self.function.update_configuration(reserved_concurrency=concurrency)
            case Restart():
                self.mapping.disable()
                await self.world.advance(1)
                self.mapping.enable()
            case Update(batch_size, factor, bisects):
                self.mapping.update(
                    batch_size=batch_size, parallelization_factor=factor, bisect_batch_on_function_error=bisects
                )
            case Split():
                shard = max(self.stream._open, key=lambda one: one.last_hash - one.first_hash)
                self.stream.split_shard(shard.shard_id, (shard.first_hash + shard.last_hash) // 2)

    async def put(self, step: Put) -> None:
        text = self.model.put(step)
        try:
            if self.kind == "kinesis":
                await self.stream.put_record(text, step.key)
            else:
                await self.queue.send(text, group_id=step.key)
        except StoreUnavailable:
            self.model.never_put(text)

    async def run(self, script: list[Step], store: MemoryStore | None = None) -> None:
        """Run the script; to the end, or until the store loses what is not safe, as with the process."""
        async with self.world.bus:
            for step in script:
                await self.step(step)
            if store is not None:
                store.crash()
                return
            self.function.update_configuration(reserved_concurrency=None)
            await self.world.bus.wait_idle(timeout=30)
        assert self.model.violations == []
        assert self.model.done == self.model.everything


async def run_lives(kind: str, lives: list[list[Step]], batch_size: int, factor: int, errors: float) -> None:
    """One process after another, each with a script of its own; every one but the last dies."""
    store, model, now = MemoryStore(), Model(), 1_767_225_600.0
    for number, script in enumerate([*lives, []]):
        clock = VirtualClock(now)
        faults = Faults(store_error=errors) if number < len(lives) else None
        life = Script(kind, batch_size, factor, model=model, store=store, clock=clock, faults=faults, grace=0.0)
        await life.run(script, store if number < len(lives) else None)
        model.held.clear()
        now = clock.now() + 1


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(script=st.lists(stream_steps, max_size=40), batch_size=st.integers(1, 5), factor=st.integers(1, 5))
def test_a_shard_keeps_its_order_and_loses_nothing(
    backend: str, script: list[Step], batch_size: int, factor: int
) -> None:
    """Whatever fails, throttles, restarts and splits."""
    anyio.run(Script("kinesis", batch_size, factor).run, script, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(script=st.lists(steps, max_size=40), batch_size=st.integers(1, 5))
def test_a_message_group_keeps_its_order_and_loses_nothing(backend: str, script: list[Step], batch_size: int) -> None:
    """Whatever fails, throttles and restarts."""
    anyio.run(Script("sqs", batch_size).run, script, backend=backend)


@pytest.mark.parametrize("kind", ["kinesis", "sqs"])
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), batch_size=st.integers(1, 5), factor=st.integers(1, 3), errors=st.sampled_from((0, 0.1, 0.4)))
def test_processes_that_die_keep_the_order_and_lose_nothing(
    kind: str, data: st.DataObject, batch_size: int, factor: int, errors: float
) -> None:
    """At least once: whatever was put safely is dealt with in the end, and never before what was put before it."""
    chosen = stream_steps if kind == "kinesis" else steps
    lives = data.draw(st.lists(st.lists(chosen, max_size=15), max_size=4))
    anyio.run(run_lives, kind, lives, batch_size, factor, errors)
