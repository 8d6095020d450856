"""The part of an index that belongs to one path: which entries could be interested in a value there."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import Generic, TypeAlias, TypeVar, cast

from triggers.patterns.addresses import Address, address_of
from triggers.patterns.clues import Clue, Kind
from triggers.patterns.intervals import Intervals
from triggers.patterns.matchers import is_number, literal

Entry = TypeVar("Entry", bound=Hashable)
Lookup = TypeVar("Lookup", bound=Hashable)
Undo: TypeAlias = Callable[[], None]

_PREFIXES = (Kind.PREFIX, Kind.FOLDED_PREFIX)
_FOLDED = (Kind.FOLDED, Kind.FOLDED_PREFIX, Kind.FOLDED_SUFFIX)


def put(table: dict[Lookup, set[Entry]], lookup: Lookup, entry: Entry) -> Undo:
    """File `entry` in a table; the answer takes it out again, and its bucket when that is empty."""
    table.setdefault(lookup, set()).add(entry)
    return partial(_take, table, lookup, entry)


def _take(table: dict[Lookup, set[Entry]], lookup: Lookup, entry: Entry) -> None:
    bucket = table.get(lookup)
    if bucket is not None:
        bucket.discard(entry)
        if not bucket:
            del table[lookup]


class _Affixes(Generic[Entry]):
    """Prefixes or suffixes in one dict for each length: a value is cut to that length and looked up once."""

    def __init__(self, cut: Callable[[str, int], str]) -> None:
        self._cut = cut
        self._lengths: dict[int, dict[str, set[Entry]]] = {}

    def __bool__(self) -> bool:
        return bool(self._lengths)

    def crowd(self, text: str) -> int:
        return len(self._lengths.get(len(text), {}).get(text, ()))

    def put(self, text: str, entry: Entry) -> Undo:
        put(self._lengths.setdefault(len(text), {}), text, entry)
        return partial(self._take, text, entry)

    def _take(self, text: str, entry: Entry) -> None:
        table = self._lengths.get(len(text))
        if table is not None:
            _take(table, text, entry)
            if not table:
                del self._lengths[len(text)]

    def collect(self, value: str, found: set[Entry]) -> None:
        for length, table in self._lengths.items():
            if length <= len(value) and (bucket := table.get(self._cut(value, length))):
                found |= bucket


def _beginning(value: str, length: int) -> str:
    return value[:length]


def _ending(value: str, length: int) -> str:
    return value[len(value) - length :]


class _Texts(Generic[Entry]):
    """Whole texts, prefixes and suffixes; one of these for texts as they are and one for folded texts."""

    def __init__(self) -> None:
        self.whole: dict[str, set[Entry]] = {}
        self.prefixes = _Affixes[Entry](_beginning)
        self.suffixes = _Affixes[Entry](_ending)

    def __bool__(self) -> bool:
        return bool(self.whole) or bool(self.prefixes) or bool(self.suffixes)

    def collect(self, value: str, found: set[Entry]) -> None:
        if bucket := self.whole.get(value):
            found |= bucket
        self.prefixes.collect(value, found)
        self.suffixes.collect(value, found)


class Slot(Generic[Entry]):
    """All entries filed under one path."""

    def __init__(self) -> None:
        self._literals: dict[object, set[Entry]] = {}
        self._plain = _Texts[Entry]()
        self._folded = _Texts[Entry]()
        self._numbers = Intervals[Entry]()
        self._addresses = Intervals[Entry]()
        self._present: dict[None, set[Entry]] = {}
        self._others = 0
        """How many clues are neither exact values nor presence; without them a value is looked up once."""

    def crowd(self, clue: Clue) -> float:
        """How many entries a lookup of this clue would bring already, about."""
        match clue.kind:
            case Kind.LITERAL:
                return len(self._literals.get(clue.argument, ()))
            case Kind.NUMBERS:
                return self._numbers.crowd(*_bounds(clue))
            case Kind.ADDRESSES:
                return self._addresses.crowd(*_bounds(clue))
            case Kind.PRESENT:
                return len(self._present.get(None, ()))
            case Kind.FOLDED:
                return len(self._folded.whole.get(str(clue.argument), ()))
            case _:
                return self._affixes(clue.kind).crowd(str(clue.argument))

    def put(self, clue: Clue, entry: Entry) -> Undo:
        """File `entry` under a clue; the answer takes it out again."""
        match clue.kind:
            case Kind.LITERAL:
                return put(self._literals, clue.argument, entry)
            case Kind.PRESENT:
                return put(self._present, None, entry)
            case _:
                self._others += 1
                return partial(self._take_other, self._put_other(clue, entry))

    def _put_other(self, clue: Clue, entry: Entry) -> Undo:
        match clue.kind:
            case Kind.NUMBERS:
                return _put_interval(self._numbers, clue, entry)
            case Kind.ADDRESSES:
                return _put_interval(self._addresses, clue, entry)
            case Kind.FOLDED:
                return put(self._folded.whole, str(clue.argument), entry)
            case _:
                return self._affixes(clue.kind).put(str(clue.argument), entry)

    def _take_other(self, undo: Undo) -> None:
        self._others -= 1
        undo()

    def _affixes(self, kind: Kind) -> _Affixes[Entry]:
        texts = self._folded if kind in _FOLDED else self._plain
        return texts.prefixes if kind in _PREFIXES else texts.suffixes

    def collect(self, value: object, found: set[Entry]) -> None:
        """Add to `found` every entry that a scalar at this path could interest."""
        if bucket := self._literals.get(literal(value)):
            found |= bucket
        if self._present:
            found |= self._present[None]
        if self._others:
            self._collect_others(value, found)

    def _collect_others(self, value: object, found: set[Entry]) -> None:
        if isinstance(value, str):
            if self._plain:
                self._plain.collect(value, found)
            if self._folded:
                self._folded.collect(value.casefold(), found)
            if self._addresses and (address := address_of(value)) is not None:
                found.update(self._addresses.around(address))
        elif self._numbers and is_number(value):
            found.update(self._numbers.around(value))


def _put_interval(intervals: Intervals[Entry], clue: Clue, entry: Entry) -> Undo:
    low, high = _bounds(clue)
    return partial(intervals.remove, intervals.add(low, high, entry))


def _bounds(clue: Clue) -> tuple[float, float] | tuple[Address, Address]:
    return cast("tuple[float, float] | tuple[Address, Address]", clue.argument)
