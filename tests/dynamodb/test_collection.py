"""The order of items: against a plain sort, while partitions come and go."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triggers.dynamodb import collection
from triggers.dynamodb.collection import HASHES, Collection, Stored, hash_of

PLACES = st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 2))
STEPS = st.lists(st.tuples(st.sampled_from(["put", "remove", "scan"]), PLACES), max_size=40)


@settings(deadline=None)
@given(STEPS, st.sampled_from([0, 1, 1000]))
def test_items_are_in_the_order_of_their_hashes(steps: list[tuple[str, tuple[str, int]]], many: int) -> None:
    """Whenever somebody looks, and however soon empty partitions are taken out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collection, "MANY", many)
        items = Collection()
        expected: set[tuple[str, int]] = set()
        for step, place in [*steps, ("scan", ("a", 0))]:
            if step == "put":
                items.put(place, Stored({}, place, 5))
                expected.add(place)
            elif step == "remove":
                items.remove(place)
                expected.discard(place)
            else:
                wanted = sorted(expected, key=lambda place: (hash_of(place[0]), place))
                assert [stored.place for stored in items.scan(0, HASHES, None)] == wanted
                behind = [p for p in wanted if (hash_of(p[0]), p) > (hash_of(place[0]), place)]
                assert [stored.place for stored in items.scan(0, HASHES, place)] == behind
                assert (items.count, items.bytes) == (len(wanted), 5 * len(wanted))
                assert {stored.place for stored in items} == expected
