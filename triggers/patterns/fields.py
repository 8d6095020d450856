"""Where a dotted path leads in an event.

AWS's engine sees an event flattened: `{"a": {"b": 1}}` and `{"a.b": 1}` both have the value 1 at the path `a.b`, arrays
contribute each of their elements, nested arrays too, and an object or an empty array is no value at all. An event is
not flattened here; `find` walks only to the path that is asked for.

For arrays of objects the engine demands that everything a pattern matches below one array comes from one element of it
("array consistency"). So a field remembers on its way every array that it passed, and at which index.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

import attrs

Shape: TypeAlias = tuple[str | None, ...]
"""Which array it is, regardless of the elements chosen before: the keys that lead to it, None for each array passed."""
Choice: TypeAlias = tuple[Shape, tuple[int, ...]]
"""The element chosen: an array's shape, with the index chosen in it and in every array around it.

Two choices contradict each other exactly if the shape is the same and the indices are not.
"""


class Field(NamedTuple):
    """A scalar of the event, and the elements of arrays that lead to it."""

    value: object
    choices: tuple[Choice, ...]


@attrs.frozen
class Path:
    """The keys to a leaf joined by dots; each dot may be a step into an object or a part of a key."""

    text: str
    _dots: tuple[int, ...] = attrs.field(init=False, repr=False, eq=False)
    """Where a key may end: before each dot, and at the end of the text."""

    def __attrs_post_init__(self) -> None:
        dots = tuple(position for position, character in enumerate(self.text) if character == ".")
        object.__setattr__(self, "_dots", (*dots, len(self.text)))

    @property
    def is_one_key(self) -> bool:
        return len(self._dots) == 1

    @property
    def steps(self) -> int:
        """How many keys the path has at most."""
        return len(self._dots)

    def prefixes(self) -> Iterator[str]:
        """The paths on the way, from the first key to the path itself."""
        return (self.text[:end] for end in self._dots)

    def keys_after(self, step: int) -> Iterator[tuple[str, int]]:
        """The keys that may follow after `step` steps, each with the number of steps then taken."""
        start = self._dots[step - 1] + 1 if step else 0
        for taken in range(step, len(self._dots)):
            yield self.text[start : self._dots[taken]], taken + 1


def is_array(value: object) -> bool:
    return isinstance(value, list | tuple)


def find(event: Mapping[str, object], path: Path) -> list[Field]:
    """Every scalar of `event` at `path`, in the order of the event."""
    found: list[Field] = []
    # A stack of our own, because an event may be nested deeper than Python's.
    stack: list[tuple[object, int, Shape, tuple[int, ...], tuple[Choice, ...]]] = [(event, 0, (), (), ())]
    while stack:
        value, step, shape, indices, choices = stack.pop()
        if isinstance(value, Mapping):
            for key, taken in path.keys_after(step):
                if key in value:
                    stack.append((value[key], taken, (*shape, key), indices, choices))
        elif isinstance(value, list | tuple):
            inner = (*shape, None)
            for index, element in enumerate(value):
                chosen = (*indices, index)
                stack.append((element, step, inner, chosen, (*choices, (shape, chosen))))
        elif step == path.steps:
            found.append(Field(value, choices))
    found.reverse()
    return found
