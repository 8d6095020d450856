"""What must hold of an event before a pattern can match it: the keywords under which an index files the pattern."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import NamedTuple

from triggers.patterns.addresses import AddressRange
from triggers.patterns.matchers import IgnoringCase, Matcher, NumberRange, Prefix, Same, Suffix
from triggers.patterns.tree import AnyOf, Leaf, Node
from triggers.patterns.wildcard import Wildcard


class Kind(Enum):
    """How a clue is looked up; its value is how well such clues tell events apart, lower is better."""

    LITERAL = 1
    FOLDED = 2
    PREFIX = 3
    SUFFIX = 3.5
    FOLDED_PREFIX = 4
    FOLDED_SUFFIX = 4.5
    NUMBERS = 8
    ADDRESSES = 8.5
    PRESENT = 32
    ABSENT = 64


class Clue(NamedTuple):
    """One value or range at one path; `argument` is a literal, a text, a pair of bounds or nothing, by `kind`."""

    path: str
    kind: Kind
    argument: object


def best_clues(root: Node, cost: Callable[[Clue], float]) -> list[Clue] | None:
    """The cheapest clues of which every matching event has at least one; None if every event matches.

    Of keys joined by AND one is enough, the cheapest; of `$or` every branch needs its own. So the clues grow with the
    size of the pattern and not with the number of its alternatives.
    """
    cheapest = _cheapest(root, cost)
    return None if cheapest is None else cheapest[1]


def _cheapest(node: Node, cost: Callable[[Clue], float]) -> tuple[float, list[Clue]] | None:
    if isinstance(node, Leaf):
        clues = list(_clues(node))
        return sum(map(cost, clues)), clues
    if isinstance(node, AnyOf):
        branches = [_cheapest(branch, cost) for branch in node.branches]
        known = [branch for branch in branches if branch is not None]
        if len(known) < len(branches):
            return None
        return sum(total for total, _ in known), [clue for _, clues in known for clue in clues]
    children = (_cheapest(child, cost) for child in node.children)
    return min((child for child in children if child is not None), key=lambda child: child[0], default=None)


def _clues(leaf: Leaf) -> Iterator[Clue]:
    path, condition = leaf.path.text, leaf.condition
    for value in condition.literals:
        yield Clue(path, Kind.LITERAL, value)
    for matcher in condition.matchers:
        yield Clue(path, *_clue(matcher))
    if condition.absent:
        yield Clue(path, Kind.ABSENT, None)


def _clue(matcher: Matcher) -> tuple[Kind, object]:
    match matcher:
        case Prefix(text):
            return Kind.PREFIX, text
        case Suffix(text):
            return Kind.SUFFIX, text
        case IgnoringCase(Same(text)):
            return Kind.FOLDED, text
        case IgnoringCase(Prefix(text)):
            return Kind.FOLDED_PREFIX, text
        case IgnoringCase(Suffix(text)):
            return Kind.FOLDED_SUFFIX, text
        case Wildcard(pieces):
            return _wildcard_clue(pieces)
        case NumberRange(low=low, high=high):
            return (Kind.LITERAL, low) if low == high else (Kind.NUMBERS, (low, high))
        case AddressRange(first, last):
            return Kind.ADDRESSES, (first, last)
        case _:
            return Kind.PRESENT, None


def _wildcard_clue(pieces: tuple[str, ...]) -> tuple[Kind, object]:
    first, last = pieces[0], pieces[-1]
    if len(pieces) == 1:
        return Kind.LITERAL, first
    if not first and not last:
        return Kind.PRESENT, None
    return (Kind.PREFIX, first) if len(first) >= len(last) else (Kind.SUFFIX, last)
