"""`eventbus doctor`: says what is in a store file and what is wrong with it, and exports what can be read."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import orjson

from eventbus.storage.doctor import Findings, Row, examine
from eventbus.timestamps import iso_time

SHOWN = 50
"""Findings, and functions, that are listed; of the others only the number."""


def check(path: Path, export: Path | None) -> int:
    """Examine a file and print what was found; returns the exit status.

    Raises StoreError for a file that is no store, OSError where the export cannot be written.
    """
    exported: list[int] = [0, 0]
    with nullcontext() if export is None else export.open("xb") as out:

        def write(row: Row) -> None:
            if out is not None:
                out.write(as_line(row))
                exported[row.is_damaged] += 1

        try:
            found = examine(path, write)
        except BaseException:
            if export is not None and not any(exported):
                export.unlink()
            raise
    for line in report(found):
        print(line)
    if export is not None:
        print(f"exported to {export}: {_count(sum(exported), 'row')}{_thereof(exported[1])}")
    return 1 if found.damage else 0


def as_line(row: Row) -> bytes:
    """A row as a line of JSON: the line of JSON that most rows begin with is the head, the rest the body."""
    fields: dict[str, Any] = {"space": row.space, "key": row.key}
    first, _, rest = row.content.partition(b"\n")
    try:
        head = orjson.loads(first)
    except ValueError:
        head = None
    if not isinstance(head, list | dict):
        head, rest = None, row.content
    fields["head"] = head
    try:
        fields["body"] = rest.decode()
    except UnicodeDecodeError:
        fields["body_base64"] = base64.b64encode(rest).decode()
    if row.is_damaged:
        fields["damaged"] = True
    return orjson.dumps(fields) + b"\n"


def report(found: Findings) -> Iterator[str]:
    """The lines that are printed."""
    use = "in use by a bus" if found.is_in_use else "not in use"
    yield f"{found.path}: a store of schema {found.schema}, {found.size:,} bytes, {use}"
    width = max(map(len, found.spaces), default=0)
    for name, count in found.spaces.items():
        yield f"  {name:<{width}}  {_count(count, 'row')}{_reasons(found) if name == 'dead_letters' else ''}"
        if name == "events":
            yield from _functions(found)
    if found.files:
        yield f"  files beside it: {found.files:,}"
    yield from (f"note: {note}" for note in found.notes)
    if not found.damage:
        yield "nothing wrong found"
        return
    yield f"DAMAGED: {_count(len(found.damage), 'finding')}"
    yield from (f"  {line}" for line in found.damage[:SHOWN])
    if len(found.damage) > SHOWN:
        yield f"  … and {len(found.damage) - SHOWN:,} more"


def _functions(found: Findings) -> Iterator[str]:
    for name, waiting in sorted(found.functions.items(), key=lambda item: -item[1].count)[:SHOWN]:
        due = "" if waiting.next_due is None else f", next retry due {iso_time(waiting.next_due)}"
        span = f"accepted {iso_time(waiting.oldest)}"
        if waiting.newest != waiting.oldest:
            span += f" to {iso_time(waiting.newest)}"
        yield f"    {name}: {waiting.count:,}, {span}{due}"
    if len(found.functions) > SHOWN:
        yield f"    … and {len(found.functions) - SHOWN:,} more functions"


def _reasons(found: Findings) -> str:
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in found.reasons.most_common())
    return f": {reasons}" if reasons else ""


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _thereof(damaged: int) -> str:
    return f", {damaged:,} of them with a wrong checksum" if damaged else ""
