"""Many patterns, one event: which of them match?

Every pattern is filed under its *clues*: values, prefixes, ranges of which a matching event must have one at a certain
path. Of keys joined by AND the one is chosen whose clues are shared with the fewest other patterns. A match walks
through the event once, collects the patterns that are filed under what it finds, and verifies those few with
`Pattern.matches`. So the work depends on the event and on the patterns that could match, not on all of them. (Counting
satisfied keys, as textbooks have it, loses in Python: common values touch almost every pattern.)

Where values repeat, the answer is remembered under the values of the keys that any pattern mentions.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import partial
from typing import Final, Generic, TypeVar

import attrs

from triggers.patterns.clues import Clue, Kind, best_clues
from triggers.patterns.language import Pattern
from triggers.patterns.matchers import literal
from triggers.patterns.slots import Slot, Undo, put
from triggers.patterns.tree import leaves

T = TypeVar("T", bound=Hashable)

_MISSING: Final = object()
_SCALARS: Final = frozenset({int, float, bool, type(None)})
_MOST_REMEMBERED: Final = 1_024
_MOST_KEYS: Final = 8
_LONGEST_TEXT: Final = 256
"""Longer texts seldom repeat and would keep whole messages alive."""


@attrs.define(eq=False)
class _Entry(Generic[T]):
    sequence: int
    key: T
    pattern: Pattern | None
    undo: list[Undo] = attrs.Factory(list)


class PatternIndex(Generic[T]):
    """Patterns under keys, matched all at once; equal to asking each pattern, only quicker."""

    def __init__(self) -> None:
        self._entries: dict[T, _Entry[T]] = {}
        self._sequence = 0
        self._everything: dict[T, _Entry[T]] = {}
        self._slots: dict[str, Slot[_Entry[T]]] = {}
        self._ways: Counter[str] = Counter()
        """Paths on the way to a slot or at it, with how many clues go there: below others nothing is looked for."""
        self._absent: dict[str, set[_Entry[T]]] = {}
        self._mentioned: Counter[str] = Counter()
        """Keys of the event itself through which a pattern may look, with how many leaves do."""
        self._memo: OrderedDict[tuple[object, ...], tuple[T, ...]] = OrderedDict()
        self.last_candidates = 0
        """How many patterns the last `match` had to verify."""

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __repr__(self) -> str:
        return f"<PatternIndex of {len(self)} patterns at {len(self._slots)} paths>"

    def add(self, key: T, pattern: Pattern | None) -> None:
        """File a pattern under `key`; None matches everything. A known key gets the new pattern and keeps its place."""
        known = self._entries.get(key)
        if known is not None:
            self._withdraw(known)
            sequence = known.sequence
        else:
            self._sequence = sequence = self._sequence + 1
        entry = self._entries[key] = _Entry(sequence, key, pattern)
        self._file(entry)
        self._memo.clear()

    def remove(self, key: T) -> None:
        """Forget a key and its pattern; an unknown key is a KeyError."""
        self._withdraw(self._entries.pop(key))
        self._memo.clear()

    def match(self, event: Mapping[str, object]) -> list[T]:
        """The keys whose patterns match `event`, in the order in which the keys were first added."""
        values = self._memo_key(event)
        if values is not None and (known := self._memo.get(values)) is not None:
            self._memo.move_to_end(values)
            self.last_candidates = 0
            return list(known)
        candidates = self._candidates(event)
        self.last_candidates = len(candidates)
        matching = [entry for entry in candidates if entry.pattern is not None and entry.pattern.matches(event)]
        matching += self._everything.values()
        matching.sort(key=_by_sequence)
        keys = [entry.key for entry in matching]
        if values is not None:
            self._memo[values] = tuple(keys)
            if len(self._memo) > _MOST_REMEMBERED:
                self._memo.popitem(last=False)
        return keys

    def _memo_key(self, event: Mapping[str, object]) -> tuple[object, ...] | None:
        """The values on which the answer depends; None if they are too many, too long or not scalars."""
        if len(self._mentioned) > _MOST_KEYS:
            return None
        values: list[object] = []
        for name in self._mentioned:
            value = event.get(name, _MISSING)
            if isinstance(value, str):
                if len(value) > _LONGEST_TEXT:
                    return None
            elif value is not _MISSING and type(value) not in _SCALARS:
                return None
            values.append(literal(value))
        return tuple(values)

    def _candidates(self, event: Mapping[str, object]) -> set[_Entry[T]]:
        """Every entry that could match, and few others."""
        found: set[_Entry[T]] = set()
        outside_arrays: set[str] = set()
        for path, value, is_in_array in self._values(event):
            slot = self._slots.get(path)
            if slot is not None:
                slot.collect(value, found)
            if self._absent and not is_in_array:
                outside_arrays.add(path)
        for path, entries in self._absent.items():
            # Inside an array a value may be absent from one element and present in another.
            if path not in outside_arrays:
                found |= entries
        return found

    def _values(self, event: Mapping[str, object]) -> Iterator[tuple[str, object, bool]]:
        """The scalars of an event with their paths, as far as any clue looks, and whether they stand in an array."""
        ways = self._ways
        objects: list[tuple[str, Iterable[tuple[object, object]], bool]] = [("", event.items(), False)]
        while objects:
            way, members, is_in_array = objects.pop()
            for key, value in members:
                path = f"{way}{key}"
                if path not in ways:
                    continue
                if isinstance(value, Mapping):
                    objects.append((f"{path}.", value.items(), is_in_array))
                elif isinstance(value, (list, tuple)):
                    for element in _flattened(value):
                        if isinstance(element, Mapping):
                            objects.append((f"{path}.", element.items(), True))
                        else:
                            yield path, element, True
                else:
                    yield path, value, is_in_array

    def _file(self, entry: _Entry[T]) -> None:
        clues = None if entry.pattern is None else best_clues(entry.pattern.root, self._cost)
        if entry.pattern is None or clues is None:
            self._everything[entry.key] = entry
            return
        for clue in clues:
            self._ways.update(_prefixes(clue.path))
            if clue.kind is Kind.ABSENT:
                entry.undo.append(put(self._absent, clue.path, entry))
            else:
                entry.undo.append(self._slots.setdefault(clue.path, Slot()).put(clue, entry))
            entry.undo.append(partial(self._leave, clue.path))
        self._mentioned.update(_mentioned(entry.pattern))

    def _cost(self, clue: Clue) -> float:
        """How many entries share this clue, and how poorly clues of its kind tell events apart."""
        if clue.kind is Kind.ABSENT:
            return float(clue.kind.value) + len(self._absent.get(clue.path, ()))
        slot = self._slots.get(clue.path)
        return float(clue.kind.value) + (0 if slot is None else slot.crowd(clue))

    def _withdraw(self, entry: _Entry[T]) -> None:
        if self._everything.pop(entry.key, None) is not None:
            return
        for undo in entry.undo:
            undo()
        if entry.pattern is not None:
            _subtract(self._mentioned, _mentioned(entry.pattern))

    def _leave(self, path: str) -> None:
        """One clue less at `path`; what no clue needs any more is dropped."""
        ways = _prefixes(path)
        _subtract(self._ways, ways)
        for way in ways:
            if way not in self._ways:
                self._slots.pop(way, None)


def _by_sequence(entry: _Entry[T]) -> int:
    return entry.sequence


def _prefixes(path: str) -> list[str]:
    """A path and those on the way to it: `a`, `a.b`, `a.b.c`."""
    return [path[:end] for end, character in enumerate(path) if character == "."] + [path]


def _mentioned(pattern: Pattern) -> Iterator[str]:
    # A key of the event may itself hold dots, so each beginning of a path may be such a key.
    return (key for leaf in leaves(pattern.root) for key in leaf.path.prefixes())


def _subtract(counter: Counter[str], names: Iterable[str]) -> None:
    for name in names:
        counter[name] -= 1
        if not counter[name]:
            del counter[name]


def _flattened(array: Iterable[object]) -> Iterator[object]:
    """The elements of an array and of the arrays in it; with a stack of our own, because it may be nested deeply."""
    stack = [iter(array)]
    while stack:
        for element in stack[-1]:
            if isinstance(element, (list, tuple)):
                stack.append(iter(element))
                break
            yield element
        else:
            stack.pop()
