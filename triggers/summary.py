"""The table that the commands end with: what every function did, and what became of the events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from eventbus import EventBus, VirtualClock
from eventbus.execution.outcome import Throttled

if TYPE_CHECKING:
    from eventbus.delivery.event import Attempt

_TITLES = ("function", "invocations", "errors", "retries", "dead letters")
LETTERS_SHOWN = 10


def summary(bus: EventBus, seconds: float | None = None) -> list[str]:
    """What every function did, what became of the events, and how long it took, as the lines of a table."""
    return [*_table(bus), "", _events(bus), *([] if seconds is None else [_time(bus, seconds)])]


def _table(bus: EventBus) -> list[str]:
    retries = Counter(a.environment.lane.name for a in bus.journal.attempts() if a.environment and _is_retry(a))
    rows: list[list[object]] = []
    for name, function in sorted(bus.functions.items()):
        invocations = int(bus.metrics.query("Invocations", function).sum)
        errors = int(bus.metrics.query("Errors", function).sum)
        rows.append([name, invocations, errors, retries[name], function.lane.dead_lettered])
    if not rows:
        return ["no functions"]
    if len(rows) > 1:
        rows.append(["all", *(sum(cast(int, row[column]) for row in rows) for column in range(1, 5))])
    width = max(len(_TITLES[0]), *(len(str(row[0])) for row in rows))
    title = _row(_TITLES, width)
    lines = [title, "─" * len(title), *(_row(row, width) for row in rows)]
    if len(rows) > 1:
        lines.insert(-1, lines[1])
    if bus.journal.forgotten:
        lines.append(
            f"(retries: among the last {len(bus.journal.attempts()):,} invocations, which are all that is kept)"
        )
    return lines


def _row(cells: Sequence[object], width: int) -> str:
    first, *others = cells
    return f"{first!s:<{width}}" + "".join(
        f"  {cell!s:>{len(title)}}" for cell, title in zip(others, _TITLES[1:], strict=True)
    )


def _is_retry(attempt: Attempt) -> bool:
    earlier = attempt.previous
    while earlier is not None and isinstance(earlier.outcome, Throttled):
        earlier = earlier.previous
    return earlier is not None


def _events(bus: EventBus) -> str:
    s = bus.statistics()
    parts = [(s.finished, "finished"), (s.dead_lettered, "dead-lettered"), (s.queued, "queued")]
    parts += [(s.waiting, "waiting for a retry"), (s.running, "running")]
    told = ", ".join(f"{number:,} {what}" for number, what in parts if number)
    return f"{count(s.accepted, 'event')}{': ' if told else ''}{told}"


def _time(bus: EventBus, seconds: float) -> str:
    real = f"{duration(seconds)} of real time"
    clock = bus.clock
    return f"{duration(clock.elapsed)} of virtual time, {real}" if isinstance(clock, VirtualClock) else real


def duration(seconds: float) -> str:
    """Seconds as people say them: `0.04 s`, `12 s`, `3 min 5 s`."""
    if seconds < 9.95:
        return f"{seconds:.2g} s" if seconds >= 0.01 or seconds == 0 else f"{seconds * 1000:.1g} ms"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def count(number: int, noun: str, plural: str = "") -> str:
    """A number and what it counts: `1 file`, `2 files`."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def dead_letters(bus: EventBus) -> list[str]:
    """What the bus gave up on and why, as lines with an empty one at the end; none when there is nothing."""
    letters = list(bus.dead_letters)
    if not letters:
        return []
    lines = [f"{count(len(letters), 'dead letter')}:"]
    for letter in letters[:LETTERS_SHOWN]:
        name = letter.target.rpartition(":")[2]
        tried = f" after {count(letter.attempts, 'attempt')}" if letter.attempts else ""
        lines.append(f"  {name}: {letter.reason}{tried}: {' '.join(letter.error.split()) or 'no error'}")
    if len(letters) > LETTERS_SHOWN:
        lines.append(f"  … and {len(letters) - LETTERS_SHOWN} more")
    return [*lines, ""]
