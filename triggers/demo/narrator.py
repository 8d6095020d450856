"""What the demo says while it works: a line per file, and per result of a function as soon as it is known."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from eventbus import EventBus
from eventbus.delivery.event import Attempt, Event, State
from eventbus.execution.outcome import Failed, Succeeded
from eventbus.telemetry.trace import Action, Cause
from triggers.demo.collect import File, shown
from triggers.summary import count, duration

_COLUMN = 15


class Narrator:
    """Writes what is new about a bus, each time it is asked to."""

    def __init__(self, bus: EventBus, out: TextIO, *, is_quiet: bool) -> None:
        self._bus = bus
        self._out = out
        self._is_quiet = is_quiet
        self._is_live = not is_quiet and out.isatty()
        self._has_live_line = False
        self._told: dict[int, int] = {}
        """How many attempts of an event have been told, by its number."""
        self._began_at = bus.clock.now()
        self._current = ""
        """The key that the lines are about, unless they say otherwise."""

    def say(self, line: str = "") -> None:
        """Write a line of progress."""
        if not self._is_quiet:
            self._clear()
            print(line, file=self._out, flush=True)

    def file(self, number: int, total: int, file: File) -> None:
        """A file is put into the bucket."""
        self._current = file.key
        self.say(f"{f'[{number}/{total}]':>7} {shown(file.key)}  ({count(file.size, 'byte')})")

    def skipped(self, key: str, reason: str) -> None:
        """A file cannot be taken: said even when quiet, since it is missing then."""
        self._clear()
        print(f"skipped {shown(key)}: {reason}", file=sys.stderr, flush=True)

    def all_files_are_in(self) -> None:
        """From here on, lines say which file they are about, and when it is."""
        self._current = ""

    def catch_up(self) -> None:
        """Tell the attempts that are new."""
        if self._is_quiet:
            return
        for node in self._bus.trace:
            if isinstance(node, Event):
                told = self._told.get(node.number, 0)
                if node.attempts > told:
                    self._told[node.number] = node.attempts
                    for number, attempt in list(enumerate(node.history, 1))[told:]:
                        self._tell(node, number, attempt)

    def waiting(self) -> None:
        """Count down to the next retry, where a terminal can show that."""
        due = self._bus.clock.next_due()
        waiting = self._bus.statistics().waiting
        if self._is_live and due is not None and waiting:
            left = duration(max(0.0, due - self._bus.clock.now()) // 1)
            self._out.write(f"\r\x1b[K        {count(waiting, 'event')} to try again in {left} (Ctrl-C stops)")
            self._out.flush()
            self._has_live_line = True

    def _clear(self) -> None:
        if self._has_live_line:
            self._out.write("\r\x1b[K")
            self._has_live_line = False

    def _tell(self, event: Event, number: int, attempt: Attempt) -> None:
        key = _key_of(event)
        about = "" if key == self._current else f"{shown(key)}: "
        at = "" if self._current else f"+{duration(round(attempt.at - self._began_at))}"
        mark, *lines = _told(event, number, attempt)
        self.say(f"{at:>7} {mark} {event.lane.name:<{_COLUMN}} {about}{lines[0]}")
        for line in lines[1:]:
            self.say(f"{'':>10}{line}")


def _told(event: Event, number: int, attempt: Attempt) -> Iterator[str]:
    """A mark, and the lines that tell what became of an attempt."""
    outcome, before = attempt.outcome, attempt.previous
    if isinstance(outcome, Succeeded):
        yield "✓"
        yield _as_text(json.loads(outcome.result))
        return
    yield "✗"
    if number == event.attempts and event.state is State.DEAD_LETTERED:
        yield f"attempt {number} failed, given up"
    else:
        yield f"attempt {number} failed, again in {number} min"
    said = " ".join(str(outcome).split()) if isinstance(outcome, Failed) else str(outcome)
    if before is None or str(before.outcome) != str(outcome):
        yield said


def _as_text(result: Any) -> str:
    if not isinstance(result, dict):
        return json.dumps(result, ensure_ascii=False)
    return ", ".join(f"{name} {value}" for name, value in result.items())


def _key_of(event: Event) -> str:
    """The key of the file that an event began with."""
    node: Cause = event
    while node.cause is not None:
        node = node.cause
    return node.detail if isinstance(node, Action) else ""
