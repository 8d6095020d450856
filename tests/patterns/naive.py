"""The rules of the language in their plainest form: a second opinion for the engine, slow and without any index.

Alternatives are multiplied out, events are flattened, and every combination of values is tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from triggers.patterns.dialect import EVENTBRIDGE
from triggers.patterns.expressions import parse_condition

Flat = tuple[str, object, dict[tuple[object, ...], int]]


def naive_matches(document: dict[str, object], event: dict[str, object]) -> bool:
    fields = list(flattened(event, "", (), {}))
    return any(_alternative_matches(alternative, fields) for alternative in alternatives(document, ""))


def alternatives(document: dict[str, object], way: str) -> list[list[tuple[str, list[object]]]]:
    """Each way through every `$or`, as a list of (path, entries)."""
    parts: list[list[list[tuple[str, list[object]]]]] = []
    for key, value in document.items():
        if isinstance(value, dict):
            parts.append(alternatives(value, f"{way}{key}."))
        elif key == "$or":
            assert isinstance(value, list)
            parts.append([alternative for branch in value for alternative in alternatives(branch, way)])
        else:
            assert isinstance(value, list)
            parts.append([[(f"{way}{key}", value)]])
    return [[leaf for part in chosen for leaf in part] for chosen in product(*parts)]


def flattened(
    value: object, path: str, place: tuple[object, ...], chosen: dict[tuple[object, ...], int]
) -> Iterator[Flat]:
    """Each scalar with its path and the index chosen in each array, told apart by the array's place in the event."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from flattened(below, f"{path}.{key}" if place else key, (*place, key), chosen)
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from flattened(element, path, (*place, index), {**chosen, place: index})
    else:
        yield path, value, chosen


def _alternative_matches(alternative: list[tuple[str, list[object]]], fields: list[Flat]) -> bool:
    conditions = [(path, parse_condition(entries, EVENTBRIDGE)) for path, entries in alternative]
    wanted = [
        [field for field in fields if field[0] == path and condition.accepts(field[1])]
        for path, condition in conditions
        if not condition.absent
    ]
    unwanted = [path for path, condition in conditions if condition.absent]
    for taken in product(*wanted):
        chosen: dict[tuple[object, ...], int] = {}
        if all(_agree(chosen, field[2]) and (chosen.update(field[2]) is None) for field in taken) and not any(
            field[0] in unwanted and _agree(chosen, field[2]) for field in fields
        ):
            return True
    return False


def _agree(chosen: dict[tuple[object, ...], int], other: dict[tuple[object, ...], int]) -> bool:
    return all(chosen.get(place, index) == index for place, index in other.items())
