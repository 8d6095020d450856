"""Patterns and events from a small world, so that they often meet."""

from __future__ import annotations

import json
from typing import TypeAlias

from hypothesis import strategies as st

JSON: TypeAlias = object
Object: TypeAlias = dict[str, object]

KEYS = ("a", "b", "c", "a.b", "b.c")
TEXTS = ("", "a", "A", "ab", "Ab", "aab", "b", "ba", "1", "true", "10.0.0.1", "2001:db8::1", "2001:db8:0::1", "ß", "SS")
NUMBERS = (0, 1, 1.0, 2, 2.5, -1, 1e300, 10**20)

keys = st.sampled_from(KEYS)
texts = st.sampled_from(TEXTS)
numbers = st.sampled_from(NUMBERS)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)

values: st.SearchStrategy[JSON] = st.recursive(
    scalars,
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(keys, below, max_size=3)),
    max_leaves=8,
)
events: st.SearchStrategy[Object] = st.dictionaries(keys, values, max_size=4)

anything: st.SearchStrategy[JSON] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(st.text(max_size=5), below, max_size=3)),
    max_leaves=8,
)
"""Any JSON value, and NaN and the infinities too."""

wildcards = st.sampled_from(("*", "a*", "*b", "a*b", "*a*", "a*a*b", "ab", "", "\\**"))


def _single(operator: str, argument: st.SearchStrategy[JSON]) -> st.SearchStrategy[JSON]:
    return st.fixed_dictionaries({operator: argument})


def _ignoring_case(operator: str) -> st.SearchStrategy[JSON]:
    return _single(operator, _single("equals-ignore-case", texts))


_ranges = st.tuples(st.sampled_from((">", ">=")), st.sampled_from((-1, 0, 1)), st.sampled_from(("<", "<=")), numbers)
_excluded = st.one_of(
    texts,
    numbers,
    st.lists(texts, min_size=1, max_size=3),
    st.lists(numbers, min_size=1, max_size=3),
    _single("prefix", st.sampled_from(("a", "A"))),
    _single("suffix", st.sampled_from(("b", "B"))),
    _single("equals-ignore-case", st.lists(texts, min_size=1, max_size=2)),
    _single("wildcard", wildcards),
)

present_entries: st.SearchStrategy[JSON] = st.one_of(
    scalars,
    _single("prefix", texts),
    _single("suffix", texts),
    _ignoring_case("prefix"),
    _ignoring_case("suffix"),
    _single("equals-ignore-case", texts),
    _single("wildcard", wildcards),
    _single("numeric", st.tuples(st.sampled_from(("=", "<", "<=", ">", ">=")), numbers).map(list)),
    _single("numeric", _ranges.filter(lambda range_: range_[1] < range_[3]).map(list)),
    _single("cidr", st.sampled_from(("10.0.0.0/8", "10.0.0.0/31", "2001:db8::/32"))),
    _single("exists", st.just(True)),
    _single("anything-but", _excluded),
)
"""Entries that ask for a value."""

absent_entry: JSON = {"exists": False}
entries = st.one_of(present_entries, st.just(absent_entry))


def objects(
    leaf: st.SearchStrategy[JSON], *, with_or: bool = True, names: tuple[str, ...] = KEYS
) -> st.SearchStrategy[Object]:
    """Patterns whose keys hold `leaf` arrays; with a few dozen alternatives at most."""
    some = st.sampled_from(names)
    flat = st.dictionaries(some, leaf, min_size=1, max_size=2)
    nested = st.dictionaries(some, st.one_of(leaf, flat), min_size=1, max_size=3)
    if not with_or:
        return st.dictionaries(some, st.one_of(leaf, flat, nested), min_size=1, max_size=3)
    below = st.one_of(flat, _joined(flat, flat))
    return st.one_of(
        nested,
        _joined(nested, st.one_of(flat, _joined(flat, flat))),
        st.dictionaries(some, st.one_of(leaf, below), min_size=1, max_size=3),
    )


def _joined(plain: st.SearchStrategy[Object], branch: st.SearchStrategy[Object]) -> st.SearchStrategy[Object]:
    return st.tuples(plain, st.lists(branch, min_size=2, max_size=3)).map(lambda both: {**both[0], "$or": both[1]})


patterns = objects(st.lists(entries, min_size=1, max_size=3))


def as_text(document: JSON) -> str:
    return json.dumps(document)
