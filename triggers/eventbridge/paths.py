"""JSONPath, as far as InputPath and InputPathsMap have it: `$.detail.items[0]['item-id']`; pure.

The User Guide names dots, brackets, indices and wildcards, and nothing that would search or compute.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import attrs

_STEP: Final = re.compile(
    r"""\.(?P<name>[^.\[\]'"*\s]+) | \[(?P<index>\d{1,9})\] | \[(?:'(?P<single>[^']+)'|"(?P<double>[^"]+)")\]
    | (?P<all>\.\*|\[\*\])""",
    re.VERBOSE,
)
MISSING: Final = object()
"""What a path finds where there is nothing."""


@attrs.frozen
class JSONPath:
    """A parsed path; a step is a key, an index, or None for all members."""

    text: str
    steps: tuple[str | int | None, ...]

    def find(self, document: Any) -> Any:
        """The value at the path, or MISSING; with a wildcard the list of all values."""
        found = list(_find(document, self.steps))
        if None in self.steps:
            return found or MISSING
        return found[0] if found else MISSING


def parse_path(text: str) -> JSONPath:
    """Read a path. Raises ValueError, whose text says at which place it cannot be read."""
    if not text.startswith("$"):
        raise ValueError("a path begins with $")
    steps: list[str | int | None] = []
    position = 1
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None:
            raise ValueError(f"{text[position:]!r} is no step of a path; steps are .key, ['key'], [0], .* and [*]")
        position = step.end()
        if step["all"] is not None:
            steps.append(None)
        elif step["index"] is not None:
            steps.append(int(step["index"]))
        else:
            steps.append(step["name"] or step["single"] or step["double"])
    return JSONPath(text, tuple(steps))


def _find(value: Any, steps: tuple[str | int | None, ...]) -> Iterator[Any]:
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    if step is None:
        members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        for member in members:
            yield from _find(member, rest)
    elif isinstance(step, int):
        if isinstance(value, list) and step < len(value):
            yield from _find(value[step], rest)
    elif isinstance(value, dict) and step in value:
        yield from _find(value[step], rest)
