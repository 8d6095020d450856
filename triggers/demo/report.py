"""What the demo says at the end: the tree of what happened, what was given up, and the table."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

from eventbus import EventBus
from triggers.demo.collect import shown
from triggers.demo.flow import Flow, file_of
from triggers.demo.narrator import Narrator
from triggers.running import Ending
from triggers.summary import LETTERS_SHOWN, count, summary

TREES_SHOWN = 20
"""With more files than these, only the first three and those with failures are shown; the others are counted."""
EXAMPLES = 3


def report(bus: EventBus, flow: Flow, ending: Ending, narrator: Narrator, *, is_mermaid: bool, shows_all: bool) -> None:
    """Print it: a diagram alone on stdout, with everything else on stderr; or all of it as text."""
    out = sys.stderr if is_mermaid else sys.stdout
    if is_mermaid:
        print(bus.trace.mermaid())
    else:
        narrator.say("\nWhat happened, and because of what:\n")
        print("\n".join(_tree(bus, shows_all=shows_all)))
    print("\n".join(["", *_given_up(bus, flow), *summary(bus, ending.seconds)]), file=out, flush=True)


def _given_up(bus: EventBus, flow: Flow) -> Iterator[str]:
    letters = list(bus.dead_letters)
    if not letters:
        return
    sent = flow.failed.statistics().visible
    yield f"Given up: {count(len(letters), 'event')}; the queue {flow.failed.name} got {count(sent, 'record')} of that."
    for letter in letters[:LETTERS_SHOWN]:
        yield f"  {shown(file_of(letter.payload))}: {letter.reason} after {count(letter.attempts, 'attempt')}"
        yield f"    {' '.join(letter.error.split())}"
    if len(letters) > LETTERS_SHOWN:
        yield f"  … and {len(letters) - LETTERS_SHOWN} more"
    yield ""


def _tree(bus: EventBus, *, shows_all: bool) -> list[str]:
    lines = str(bus.trace).splitlines()
    trees: list[list[str]] = []
    for line in lines:
        if trees and line[:1] in "├└│ ":
            trees[-1].append(line)
        else:
            trees.append([line])
    chosen = trees
    if len(trees) > TREES_SHOWN and not shows_all:
        failing = [tree for tree in trees[EXAMPLES:] if any("✗" in line for line in tree)]
        chosen = [*trees[:EXAMPLES], *failing[: TREES_SHOWN - EXAMPLES]]
    told = [_fitting(line) for tree in chosen for line in tree]
    if left := len(trees) - len(chosen):
        failing_left = sum(any("✗" in line for line in tree) for tree in trees if tree not in chosen)
        told.append(
            f"… and {count(left, 'more file')}, {failing_left or 'none'} of them with a failure (--full-tree shows all)"
        )
    return told


def _fitting(line: str) -> str:
    """A line that a terminal does not have to break; all of it when it goes elsewhere."""
    width = shutil.get_terminal_size().columns
    return line if not sys.stdout.isatty() or len(line) <= width else f"{line[: width - 1]}…"
