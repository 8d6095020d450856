"""Say in one sentence why a pattern did not match."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from triggers.patterns.consistency import START
from triggers.patterns.fields import find
from triggers.patterns.tree import All, AnyOf, Leaf, Node

_LONGEST_VALUE: Final = 80
_MOST_NAMED: Final = 3


def explanation(root: Node, event: Mapping[str, object]) -> str:
    """The sentence for `event`; it names the first key that alone keeps the pattern from matching."""
    if root.advance(event, START):
        return "The pattern matches."
    failure = _failure(root, event)
    if failure is None:
        return "Every key has a matching value, but no single element of the arrays has all of them."
    return f"{failure}."


def _failure(node: Node, event: Mapping[str, object]) -> str | None:
    match node:
        case Leaf():
            return None if node.advance(event, START) else _leaf_failure(node, event)
        case All(children):
            return next((failure for child in children if (failure := _failure(child, event)) is not None), None)
        case AnyOf(branches):
            return _or_failure(branches, event)


def _or_failure(branches: tuple[Node, ...], event: Mapping[str, object]) -> str | None:
    failures: list[str] = []
    for branch in branches:
        failure = _failure(branch, event)
        if failure is None and branch.advance(event, START):
            return None
        failures.append(failure or "no single element of the arrays has all of its values")
    named = "; ".join(failures[:_MOST_NAMED])
    more = len(failures) - _MOST_NAMED
    return f"No alternative of $or matches: {named}" + (f"; and {more} more" if more > 0 else "")


def _leaf_failure(leaf: Leaf, event: Mapping[str, object]) -> str:
    key, wanted = json.dumps(leaf.path.text, ensure_ascii=False), _shortened(leaf.condition.wanted)
    values = [field.value for field in find(event, leaf.path)]
    if not values:
        return f"{key} has no value, but must match {wanted}"
    named = ", ".join(_shortened(json.dumps(value, ensure_ascii=False, default=str)) for value in values[:_MOST_NAMED])
    more = f" and {len(values) - _MOST_NAMED} more" if len(values) > _MOST_NAMED else ""
    return f"{key} is {named}{more}, but must match {wanted}"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
