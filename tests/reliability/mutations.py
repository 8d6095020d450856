"""Ten ways to break the dispatcher and the store, and which seeds of the simulation notice.

    python -m tests.reliability.mutations [--seeds 200]

Each mutation replaces one small piece of the real code. A simulation that does not notice all ten is worth nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from eventbus.delivery import settling as settling_module
from eventbus.delivery.durable import DurableEvents
from eventbus.delivery.event import Event, State
from eventbus.delivery.lane import Lane
from eventbus.delivery.retry import Discard, Finished, Reason, RetryAt, decide
from eventbus.execution.outcome import Failed
from eventbus.storage.batches import BatchLog
from tests.reliability.simulation import Violation, run


@contextmanager
def replaced(owner: Any, name: str, broken: Callable[..., Any]) -> Iterator[None]:
    """Put broken code in the place of one function."""
    original = getattr(owner, name)
    setattr(owner, name, broken)
    try:
        yield
    finally:
        setattr(owner, name, original)


def lost_retry() -> Any:
    """A function error counts as finished: its retry never comes."""

    def broken(outcome: Any, **facts: Any) -> Any:
        verdict = decide(outcome, **facts)
        return Finished() if isinstance(verdict, RetryAt) and isinstance(outcome, Failed) else verdict

    return replaced(settling_module, "decide", broken)


def early_acknowledgement() -> Any:
    """The row is deleted before the handler runs: a crash loses the event."""
    original = DurableEvents._queue

    def broken(self: DurableEvents, event: Event) -> None:
        self._events.delete(event.number)
        event.copy = event.payload()
        original(self, event)

    return replaced(DurableEvents, "_queue", broken)


def counter_off_by_one() -> Any:
    """A dead letter is counted twice."""
    original = Lane.discard

    def broken(self: Lane, event: Event, reason: Reason) -> None:
        self.dead_lettered += 1
        original(self, event, reason)

    return replaced(Lane, "discard", broken)


def forgotten_retry_after_restart() -> Any:
    """Events that waited for a retry are not taken up again."""
    original = DurableEvents._take_up

    def broken(self: DurableEvents, number: int, row: bytes) -> None:
        if b",0.0,[" in row.partition(b"\n")[0]:
            original(self, number, row)

    return replaced(DurableEvents, "_take_up", broken)


def publish_before_it_is_safe() -> Any:
    """A push returns without waiting for the sync."""

    async def broken(self: DurableEvents) -> None:
        pass

    return replaced(DurableEvents, "synced", broken)


def no_undo() -> Any:
    """A batch that failed is not taken back."""
    original = BatchLog._take_back

    def broken(self: BatchLog, batch: Any, error: BaseException) -> None:
        batch.undo.clear()
        self._open.undo.clear()
        for then in batch.then:
            then()
        original(self, batch, error)

    return replaced(BatchLog, "_take_back", broken)


def lost_fact() -> Any:
    """What could not be written is forgotten, although it has happened."""
    original = BatchLog._take_back

    def broken(self: BatchLog, batch: Any, error: BaseException) -> None:
        batch.facts.clear()
        self._open.facts.clear()
        original(self, batch, error)

    return replaced(BatchLog, "_take_back", broken)


def letter_not_kept() -> Any:
    """A dead letter is in the list but not in the store."""
    original = DurableEvents.ended

    def broken(self: DurableEvents, event: Event, letter: Any) -> None:
        original(self, event, None)

    return replaced(DurableEvents, "ended", broken)


def lost_letter_on_redrive() -> Any:
    """A redrive that could not be written loses the letter."""

    def broken(self: DurableEvents, number: int, undo: Callable[[], None]) -> None:
        self._letters.delete(number)

    return replaced(DurableEvents, "letter_left", broken)


def two_ends() -> Any:
    """An event that is given up is tried once more."""
    original = Lane.discard

    def broken(self: Lane, event: Event, reason: Reason) -> None:
        again = Event(event.at, event.cause, event.hops, event.number, self, event.source, event.body)
        original(self, event, reason)
        if reason is Reason.RETRIES_EXHAUSTED and event.state is State.DEAD_LETTERED:
            self.bus.outstanding += 1
            self.put(again)

    return replaced(Lane, "discard", broken)


def endless_retries() -> Any:
    """The attempts are never used up."""

    def broken(outcome: Any, **facts: Any) -> Any:
        verdict = decide(outcome, **facts)
        exhausted = isinstance(verdict, Discard) and verdict.reason is Reason.RETRIES_EXHAUSTED
        return RetryAt(facts["now"] + 60) if exhausted and facts["attempts"] < 50 else verdict

    return replaced(settling_module, "decide", broken)


MUTATIONS: dict[str, Callable[[], Any]] = {
    broken.__name__: broken
    for broken in (
        lost_retry,
        early_acknowledgement,
        counter_off_by_one,
        forgotten_retry_after_restart,
        publish_before_it_is_safe,
        no_undo,
        lost_fact,
        letter_not_kept,
        lost_letter_on_redrive,
        two_ends,
        endless_retries,
    )
}


def first_seed_that_notices(name: str, seeds: int) -> tuple[int, str] | None:
    """The first seed whose run breaks a promise under a mutation, and which promise."""
    for seed in range(seeds):
        with MUTATIONS[name]():
            try:
                run(seed)
            except Violation as violation:
                return seed, str(violation).splitlines()[0].partition(": ")[2]
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200)
    arguments = parser.parse_args()
    missed = 0
    for name, broken in MUTATIONS.items():
        noticed = first_seed_that_notices(name, arguments.seeds)
        missed += noticed is None
        seed, promise = noticed or ("-", "NOT NOTICED")
        print(f"| {(broken.__doc__ or '').rstrip('.')} | {seed} | {promise} |", flush=True)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
