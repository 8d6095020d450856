"""A compiled pattern: leaves joined by AND and `$or`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import attrs

from triggers.patterns.consistency import NOWHERE, START, States, with_none, with_one
from triggers.patterns.fields import Path, find
from triggers.patterns.matchers import Condition

_MISSING = object()
_SCALARS = frozenset({str, int, float, bool, type(None)})


@attrs.frozen
class Leaf:
    """One key: a path, and what is asked of the values there."""

    path: Path
    condition: Condition
    depth: int = 1
    """How many keys lead to it; complexity counts them."""
    live: frozenset[str] = frozenset()
    """The paths through which keys go that are asked after this one."""

    def advance(self, event: Mapping[str, object], states: States) -> States:
        if self.path.is_one_key:
            # Most keys are a name and a scalar: no arrays, no choices.
            value = event.get(self.path.text, _MISSING)
            if value is _MISSING:
                return states if self.condition.absent else NOWHERE
            if type(value) in _SCALARS:
                return states if self.condition.accepts(value) else NOWHERE
        fields = find(event, self.path)
        accepts = self.condition.accepts
        taken = with_one(states, [field.choices for field in fields if accepts(field.value)], self.live)
        if self.condition.absent:
            return taken | with_none(states, [field.choices for field in fields])
        return taken


@attrs.frozen
class All:
    """Every child must match; no children match everything."""

    children: tuple[Node, ...]

    def advance(self, event: Mapping[str, object], states: States) -> States:
        for child in self.children:
            states = child.advance(event, states)
            if not states:
                return NOWHERE
        return states


@attrs.frozen
class AnyOf:
    """`$or`: one of the branches must match."""

    branches: tuple[Node, ...]
    live: frozenset[str] = frozenset()

    def advance(self, event: Mapping[str, object], states: States) -> States:
        possible: States = NOWHERE
        for branch in self.branches:
            reached = branch.advance(event, states)
            if reached is states and not self.live:
                return states  # nothing was chosen and nobody asks later
            possible = possible | reached
        return possible


Node: TypeAlias = Leaf | All | AnyOf


def matches(root: Node, event: Mapping[str, object]) -> bool:
    return bool(root.advance(event, START))


def leaves(node: Node) -> Iterator[Leaf]:
    """Every leaf below `node`, in the order in which they are asked."""
    match node:
        case Leaf():
            yield node
        case All(children) | AnyOf(branches=children):
            for child in children:
                yield from leaves(child)


def asks_for_absence(node: Node) -> bool:
    """Whether an `exists: false` is below `node`."""
    return any(leaf.condition.absent for leaf in leaves(node))


def in_order(children: Sequence[Node]) -> tuple[Node, ...]:
    """Children of one object in the order in which they are best asked.

    Absence is asked for last: inside an array of objects a key is absent if the element that the other keys chose does
    not have it. `$or` comes after plain keys because it costs more, but before a key of its own that asks for absence,
    because its branches may choose too.
    """
    return tuple(sorted(children, key=_rank))


def _rank(child: Node) -> tuple[bool, int]:
    if asks_for_absence(child):
        return True, (All, AnyOf, Leaf).index(type(child))
    return False, (Leaf, All, AnyOf).index(type(child))


def linked(node: Node, later: frozenset[str] = frozenset()) -> Node:
    """The same tree with each `live` filled in: the paths of the keys that are asked after it."""
    match node:
        case Leaf():
            return attrs.evolve(node, live=later)
        case AnyOf(branches):
            return AnyOf(tuple(linked(branch, later) for branch in branches), later)
        case All(children):
            done: list[Node] = []
            for child in reversed(children):
                done.append(linked(child, later))
                later = later.union(*(leaf.path.prefixes() for leaf in leaves(child)))
            return All(tuple(reversed(done)))
