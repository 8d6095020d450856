"""Array consistency: what a pattern matches below one array comes from one element of it.

A *state* is the set of elements chosen so far. Each key of a pattern takes the states that are possible before it and
leaves those that are possible after it; `$or` takes the union over its alternatives. No states left means no match.
That way alternatives are never multiplied out, and the work stays in proportion to the event: states are joined with
fields through a dict, and a choice is forgotten as soon as no later key passes through its array.

Source: https://github.com/aws/event-ruler, "And and Or Relationship among fields with Ruler" and "Arrays".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Set
from typing import Final, TypeAlias

from triggers.patterns.fields import Choice, Shape

State: TypeAlias = frozenset[Choice]
States: TypeAlias = Set[State]

START: Final[States] = frozenset({frozenset()})
"""One possibility, in which nothing is chosen yet."""
NOWHERE: Final[States] = frozenset()
"""No possibility: the pattern does not match."""


def with_one(states: States, fields: Collection[tuple[Choice, ...]], live: Set[str]) -> States:
    """The states after one of `fields` was taken; of arrays, only those at the paths `live` are remembered."""
    if not fields:
        return NOWHERE
    if not any(fields):
        return states  # no array on the way, nothing to choose
    keeper = _Keeper(live)
    partners = _Partners(states, fields, keeper)
    return {
        frozenset(choice for choice in state | partner if keeper.keeps(choice[0]))
        for state in states
        for partner in partners.of(state)
    }


def with_none(states: States, fields: Collection[tuple[Choice, ...]]) -> States:
    """The states in which none of `fields` can be seen: they all lie in elements that were not chosen."""
    if not fields:
        return states
    partners = _Partners(states, fields, _Keeper(frozenset()))
    return {state for state in states if next(partners.of(state), None) is None}


class _Keeper:
    """Knows which arrays matter to later keys."""

    def __init__(self, live: Set[str]) -> None:
        self._live = live
        self._known: dict[Shape, bool] = {}

    def keeps(self, shape: Shape) -> bool:
        known = self._known.get(shape)
        if known is None:
            known = self._known[shape] = ".".join(key for key in shape if key is not None) in self._live
        return known


class _Partners:
    """The fields that contradict nothing in a state, looked up by what both have chosen."""

    def __init__(self, states: States, fields: Iterable[tuple[Choice, ...]], keeper: _Keeper) -> None:
        relevant = {shape for state in states for shape, _ in state}
        self._groups: dict[frozenset[Shape], set[State]] = defaultdict(set)
        for field in fields:
            choices = frozenset(choice for choice in field if choice[0] in relevant or keeper.keeps(choice[0]))
            self._groups[_shapes(choices)].add(choices)
        self._lookups: dict[tuple[frozenset[Shape], frozenset[Shape]], dict[State, list[State]]] = {}

    def of(self, state: State) -> Iterator[State]:
        shapes = _shapes(state)
        for group in self._groups:
            common = shapes & group
            yield from self._lookup(group, common).get(_restricted(state, common), ())

    def _lookup(self, group: frozenset[Shape], common: frozenset[Shape]) -> dict[State, list[State]]:
        lookup = self._lookups.get((group, common))
        if lookup is None:
            lookup = self._lookups[group, common] = defaultdict(list)
            for choices in self._groups[group]:
                lookup[_restricted(choices, common)].append(choices)
        return lookup


def _shapes(state: State) -> frozenset[Shape]:
    return frozenset(shape for shape, _ in state)


def _restricted(state: State, shapes: frozenset[Shape]) -> State:
    return frozenset(choice for choice in state if choice[0] in shapes)
