"""What follows an attempt at a batch: the rules as tables, without a bus."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from triggers.polling.decisions import (
    Batch,
    Failed,
    FailedFrom,
    Gathering,
    NotRun,
    Outcome,
    Processed,
    Rules,
    TooLarge,
    cut_off,
    decide,
    pause_before,
)
from triggers.polling.source import StreamRecord

FOREVER, ONCE, NEVER = Rules(), Rules(retry_attempts=1), Rules(retry_attempts=0)
BISECTING = Rules(retry_attempts=1, bisects=True)


@attrs.frozen
class R:
    sequence: int
    at: float = 0.0
    size: int = 1
    group: str = "g"
    cause: Any = None


def records(*sequences: int) -> tuple[StreamRecord, ...]:
    return tuple(R(sequence) for sequence in sequences)


def batch(*sequences: int, attempts: int = 0, tries: int = 0) -> Batch:
    return Batch(records(*sequences), attempts, tries)


def sequences(of: Batch | None) -> list[int]:
    return [] if of is None else [record.sequence for record in of.records]


TABLE: list[tuple[str, Batch, Outcome, Rules, int, list[int], list[list[int]], list[int]]] = [
    # what is said, batch, outcome, rules → done, given up, what is next, its attempts
    ("all is done", batch(1, 2, 3), Processed(), ONCE, 3, [], [], []),
    ("it fails for the first time", batch(1, 2), Failed(), ONCE, 0, [], [[1, 2]], [1]),
    ("its retries are used up", batch(1, 2, attempts=1), Failed(), ONCE, 0, [1, 2], [], []),
    ("it may not be retried", batch(1), Failed(), NEVER, 0, [1], [], []),
    ("there is no limit", batch(1, attempts=500), Failed(), FOREVER, 0, [], [[1]], [501]),
    ("no environment: no attempt", batch(1, attempts=1), NotRun(), ONCE, 0, [], [[1]], [1]),
    ("it fails from the third on: a fresh batch", batch(1, 2, 3, attempts=1), FailedFrom(2), ONCE, 2, [], [[3]], [0]),
    ("it fails from the first on: an attempt", batch(1, 2), FailedFrom(0), ONCE, 0, [], [[1, 2]], [1]),
    ("it fails from the first on, for good", batch(1, 2, attempts=1), FailedFrom(0), ONCE, 0, [1, 2], [], []),
    ("it is split at no cost", batch(1, 2, 3, 4), Failed(), BISECTING, 0, [], [[1, 2], [3, 4]], [0, 0]),
    ("an odd one is split", batch(1, 2, 3), Failed(), BISECTING, 0, [], [[1, 2], [3]], [0, 0]),
    ("a single one cannot be split", batch(3), Failed(), BISECTING, 0, [], [[3]], [1]),
    ("a single one is given up", batch(3, attempts=1), Failed(), BISECTING, 0, [3], [], []),
    ("split where the report says", batch(1, 2, 3, 4), FailedFrom(1), BISECTING, 1, [], [[2, 3, 4]], [0]),
    ("it is too large", batch(1, 2), TooLarge(), ONCE, 0, [], [[1], [2]], [0, 0]),
    ("one record is too large", batch(1), TooLarge(), NEVER, 0, [1], [], []),
]


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_what_follows_an_outcome(row: Any) -> None:
    """Each row of the table holds."""
    _, given, outcome, rules, done, given_up, then, attempts = row
    verdict = decide(given, outcome, rules)
    assert verdict.done == done
    assert sequences(verdict.given_up) == given_up
    assert [sequences(one) for one in verdict.then] == then
    assert [one.attempts for one in verdict.then] == attempts


def test_no_record_is_lost_or_doubled_by_a_verdict() -> None:
    """What is done, given up and next is always the batch, in order."""
    for _, given, outcome, rules, *_ in TABLE:
        verdict = decide(given, outcome, rules)
        rest = [*sequences(verdict.given_up), *(one for later in verdict.then for one in sequences(later))]
        assert sequences(given)[: verdict.done] + rest == sequences(given)


def test_a_minute_holds_eight_attempts() -> None:
    """As was recorded; and no pause is longer than a minute."""
    times = [0.0]
    while times[-1] < 60:
        times.append(times[-1] + pause_before(len(times)))
    assert len([at for at in times if at < 60]) == 8
    assert pause_before(10_000) == 60


def test_what_follows_a_partial_success_is_not_delayed() -> None:
    """The rest of a batch is a new batch."""
    assert decide(batch(1, 2), FailedFrom(1), ONCE).pause == 0
    assert decide(batch(1, 2), Failed(), ONCE).pause > 0


@pytest.mark.parametrize(
    ("now", "old", "rest"), [(59.9, [], [1, 2, 3]), (60, [1], [2, 3]), (75, [1, 2], [3]), (99, [1, 2, 3], [])]
)
def test_only_the_front_is_cut_off(now: float, old: list[int], rest: list[int]) -> None:
    """Those that have waited for a minute; the younger ones go on."""
    whole = Batch((R(1, 0.0), R(2, 10.0), R(3, 20.0)))
    cut, left = cut_off(whole, now, 60)
    assert (sequences(cut), sequences(left)) == (old, rest)


@pytest.mark.parametrize(
    ("sizes", "count", "is_closed"),
    [
        ([], 0, False),
        ([1, 1], 2, False),
        ([1, 1, 1], 3, True),
        ([1, 1, 1, 1], 3, True),
        ([60, 60], 1, True),
        ([40, 60], 2, False),
        ([101], 1, False),
        ([101, 1], 1, True),
    ],
)
def test_a_batch_is_closed_by_number_or_by_size(sizes: list[int], count: int, is_closed: bool) -> None:
    """Three records, or 100 bytes; one record is always taken."""
    line = [R(n, size=size) for n, size in enumerate(sizes)]
    assert Gathering().look(line, 3, 100) == (count, is_closed)
    growing = Gathering()
    looks = [growing.look(line[: end + 1], 3, 100) for end in range(len(line))]
    assert looks[-1:] == ([(count, is_closed)] if line else []), "it is the same when they come one by one"


def test_a_batch_ends_where_its_window_does() -> None:
    """It isn't closed by that: whether the window is over is asked of the clock."""
    line = [R(1, at=1), R(2, at=2), R(3, at=60), R(4, at=61)]
    assert Gathering().look(line, 3, 100, until=60) == (2, False)
    assert Gathering().look(line, 2, 100, until=60) == (2, True)


def test_every_record_is_looked_at_once() -> None:
    """However often somebody asks, so a long batching window costs no more than a short one."""
    asked = 0

    class Counted:
        size = 1

        @property
        def at(self) -> float:
            nonlocal asked
            asked += 1
            return 0.0

    line: list[Any] = []
    gathering = Gathering()
    for number in range(100):
        line.append(Counted())
        assert gathering.look(line, 1000, 1000) == (number + 1, False)
    assert asked == 100
