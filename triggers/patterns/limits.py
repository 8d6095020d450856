"""How large a pattern may be.

Alternatives are never written out: the sum over all alternatives of the products of their keys is the product over the
keys of the sums over their branches, so one walk of the tree gives the number, however many alternatives there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Final

from triggers.patterns.dialect import Dialect
from triggers.patterns.errors import InvalidPattern
from triggers.patterns.matchers import AnythingBut
from triggers.patterns.tree import AnyOf, Leaf, Node, leaves
from triggers.patterns.wildcard import Wildcard

_TOO_MANY_WILDCARDS: Final = (
    "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard "
    "character"
)


def check_limits(root: Node, dialect: Dialect) -> None:
    """Raise InvalidPattern if a compiled pattern exceeds one of its dialect's limits."""
    keys = {leaf.path.text for leaf in leaves(root)}
    if dialect.max_keys is not None and len(keys) > dialect.max_keys:
        raise InvalidPattern(f"Filter policy can not have more than {dialect.max_keys} keys")
    if dialect.max_complexity is not None and complexity(root, dialect.max_complexity) > dialect.max_complexity:
        raise InvalidPattern("Filter policy is too complex")
    if dialect.max_combinations is not None and combinations(root, dialect.max_combinations) > dialect.max_combinations:
        # AWS documents the number but not the text; these are our words.
        raise InvalidPattern(f"Rule is too complex - $or has more than {dialect.max_combinations} combinations")
    if dialect.max_wildcards is not None and most_wildcards(root) > dialect.max_wildcards:
        raise InvalidPattern(_TOO_MANY_WILDCARDS)
    if dialect.max_wildcard_points is not None and wildcard_points(root) > dialect.max_wildcard_points:
        raise InvalidPattern(_TOO_MANY_WILDCARDS)


def complexity(root: Node, limit: int) -> int:
    """The sum over all alternatives of the products of (values x depth); anything above `limit` is `limit + 1`."""
    return _multiplied_out(root, lambda leaf: leaf.condition.entries * leaf.depth, limit)


def combinations(root: Node, limit: int) -> int:
    """The number of alternatives when every `$or` is multiplied out; anything above `limit` is `limit + 1`."""
    return _multiplied_out(root, lambda leaf: 1, limit)


def _multiplied_out(node: Node, size: Callable[[Leaf], int], limit: int) -> int:
    total = 0 if isinstance(node, AnyOf) else 1
    if isinstance(node, Leaf):
        total = size(node)
    elif isinstance(node, AnyOf):
        for branch in node.branches:
            total = min(total + _multiplied_out(branch, size, limit), limit + 1)
    else:
        for child in node.children:
            total = min(total * _multiplied_out(child, size, limit), limit + 1)
    return total


def most_wildcards(root: Node) -> int:
    """The stars in the pattern that has the most of them."""
    return max((stars for leaf in leaves(root) for stars, _ in _wildcards(leaf)), default=0)


def wildcard_points(root: Node) -> int:
    """The sum over the fields of (points of the field's wildcards) x (their number).

    Source: SNS Developer Guide, "Filter policy constraints", 2026: a pattern has one point with a single star and three
    with several, inside anything-but always one.
    """
    fields: defaultdict[str, list[int]] = defaultdict(list)
    for leaf in leaves(root):
        fields[leaf.path.text] += [1 if excluded or stars == 1 else 3 for stars, excluded in _wildcards(leaf) if stars]
    return sum(sum(points) * len(points) for points in fields.values())


def _wildcards(leaf: Leaf) -> list[tuple[int, bool]]:
    """The stars of each wildcard of a key, and whether it stands inside anything-but."""
    found: list[tuple[int, bool]] = []
    for matcher in leaf.condition.matchers:
        if isinstance(matcher, Wildcard):
            found.append((matcher.stars, False))
        elif isinstance(matcher, AnythingBut):
            found += [(excluded.stars, True) for excluded in matcher.matchers if isinstance(excluded, Wildcard)]
    return found
