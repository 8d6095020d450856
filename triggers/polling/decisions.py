"""What follows an attempt at a batch of a stream. Pure: values in, a verdict out.

A batch that fails is tried again, whole or in halves, until it succeeds or is given up; nothing behind it in its lane
moves before that. Sources: Lambda developer guide, "Using Lambda with Kinesis" and "… DynamoDB", "Error handling"
(2026), and recorded runs. Where AWS is silent, the choice is named on the fidelity page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import attrs

from triggers.polling.source import StreamRecord

RETRY_ATTEMPTS_EXHAUSTED = "RetryAttemptsExhausted"
RECORD_AGE_EXCEEDED = "RecordAgeExceeded"

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 60.0
"""Seconds before a retry; doubled each time. Chosen so that a minute holds eight attempts, as was recorded."""


@attrs.frozen
class Batch:
    """Records of one lane that are delivered together, and how often that failed."""

    records: tuple[StreamRecord, ...]
    attempts: int = 0
    """Failed attempts that count against the limit."""
    tries: int = 0
    """All attempts, those that were throttled too: the pause before the next grows with them."""
    report: object = None
    """What the last failed invocation answered, for the failure record."""


# -- outcomes ----------------------------------------------------------------------------------------------------------


@attrs.frozen
class Processed:
    """The function has dealt with all of it."""


@attrs.frozen
class FailedFrom:
    """The function reported a failure: all before this record is done."""

    index: int


@attrs.frozen
class Failed:
    """The function failed, or what it reported made no sense."""


@attrs.frozen
class NotRun:
    """There was no environment for it, or the service failed: no attempt of the function."""


@attrs.frozen
class TooLarge:
    """The records do not fit into one invocation together."""


Outcome: TypeAlias = Processed | FailedFrom | Failed | NotRun | TooLarge


# -- verdicts ----------------------------------------------------------------------------------------------------------


@attrs.frozen
class Verdict:
    """What to do after an attempt."""

    done: int
    """So many records at the front are dealt with: the checkpoint moves behind them."""
    given_up: Batch | None = None
    """What is given up, the checkpoint moves behind it too, and why is `RetryAttemptsExhausted`."""
    then: tuple[Batch, ...] = ()
    """What is tried next, in this order, before anything else of the lane."""
    pause: float = 0.0
    """Seconds before that."""


@attrs.frozen
class Rules:
    """The settings that decide; -1 is no limit."""

    retry_attempts: int = -1
    bisects: bool = False


def pause_before(attempt: int) -> float:
    """Seconds to wait before the next try after so many failed ones."""
    return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(attempt - 1, 30)))


def decide(batch: Batch, outcome: Outcome, rules: Rules) -> Verdict:
    """What follows this outcome of a batch."""
    match outcome:
        case Processed():
            return Verdict(len(batch.records))
        case FailedFrom(index) if index > 0:
            return Verdict(index, then=(Batch(batch.records[index:], report=batch.report),))
        case NotRun():
            again = attrs.evolve(batch, tries=batch.tries + 1)
            return Verdict(0, then=(again,), pause=pause_before(again.tries))
        case TooLarge() if len(batch.records) > 1:
            return Verdict(0, then=_halves(batch))
        case _:
            return _failed(batch, rules)


def _failed(batch: Batch, rules: Rules) -> Verdict:
    if rules.bisects and len(batch.records) > 1:
        again = _halves(attrs.evolve(batch, tries=batch.tries + 1))  # splitting costs no attempt
        return Verdict(0, then=again, pause=pause_before(again[0].tries))
    failed = attrs.evolve(batch, attempts=batch.attempts + 1, tries=batch.tries + 1)
    if 0 <= rules.retry_attempts < failed.attempts:
        return Verdict(0, given_up=failed)
    return Verdict(0, then=(failed,), pause=pause_before(failed.tries))


def _halves(batch: Batch) -> tuple[Batch, Batch]:
    middle = (len(batch.records) + 1) // 2
    return attrs.evolve(batch, records=batch.records[:middle]), attrs.evolve(batch, records=batch.records[middle:])


def cut_off(batch: Batch, now: float, oldest: float) -> tuple[Batch | None, Batch | None]:
    """The records at the front that have waited for `oldest` seconds, and the younger rest."""
    count = 0
    while count < len(batch.records) and now >= batch.records[count].at + oldest:
        count += 1
    if not count:
        return None, batch
    rest = attrs.evolve(batch, records=batch.records[count:]) if count < len(batch.records) else None
    return attrs.evolve(batch, records=batch.records[:count]), rest


class Gathering:
    """The next batch, which grows at the front of a line of records: each of them is looked at once."""

    def __init__(self) -> None:
        self._count = self._size = 0

    def look(
        self, line: Sequence[StreamRecord], batch_size: int, size_limit: int, until: float = math.inf
    ) -> tuple[int, bool]:
        """How many records make it now, and whether it is closed: no further record would join it.

        Records that arrived at `until` or later do not belong to it. The line has grown at most since the last look.
        """
        while self._count < min(len(line), batch_size):
            record = line[self._count]
            if record.at >= until:
                break
            if self._count and self._size + record.size > size_limit:
                return self._count, True
            self._count += 1
            self._size += record.size
        return self._count, self._count == batch_size
