"""Values as Hypothesis makes them: plain ones, and the typed form of each."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

NUMBERS = st.one_of(
    st.integers(-(10**37), 10**37),
    st.integers(-9, 9),
    st.decimals(min_value=-(10**9), max_value=10**9, allow_nan=False, allow_infinity=False, places=4),
    st.sampled_from([Decimal("1E-130"), Decimal("9.9E+125"), Decimal("1E+30"), Decimal("-0"), Decimal("0.10")]),
)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
SCALARS = st.one_of(NUMBERS, TEXTS, st.binary(max_size=8), st.booleans(), st.none())
SETS = st.one_of(
    st.sets(NUMBERS, min_size=1, max_size=4),
    st.sets(TEXTS, min_size=1, max_size=4),
    st.sets(st.binary(max_size=4), min_size=1, max_size=4),
)
NAMES = st.sampled_from(["a", "b", "c", "d"])


def plain_values() -> st.SearchStrategy[Any]:
    """Everything that an attribute can hold."""
    return st.recursive(
        st.one_of(SCALARS, SETS),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
        max_leaves=8,
    )
