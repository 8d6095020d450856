"""Matching: what the worked examples do not show."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.patterns.naive import naive_matches
from tests.patterns.strategies import (
    KEYS,
    Object,
    absent_entry,
    anything,
    as_text,
    events,
    objects,
    patterns,
    present_entries,
    scalars,
)
from triggers.patterns.consistency import START
from triggers.patterns.dialect import EVENT_FILTER, EVENTBRIDGE, SNS_ATTRIBUTES, SNS_BODY, Dialect
from triggers.patterns.errors import InvalidPattern
from triggers.patterns.index import PatternIndex
from triggers.patterns.language import compile_pattern
from triggers.patterns.wildcard import Wildcard, parse_wildcard


def matches(document: dict[str, object], event: dict[str, object]) -> bool:
    return compile_pattern(document, EVENTBRIDGE).matches(event)


dialects = st.sampled_from((SNS_ATTRIBUTES, SNS_BODY, EVENTBRIDGE, EVENT_FILTER))


@settings(deadline=None)
@given(st.one_of(anything, patterns), dialects, events)
def test_every_document_compiles_or_is_refused(document: object, dialect: Dialect, event: Object) -> None:
    """Nothing else than InvalidPattern is raised, by an object or its text, and what compiles can be matched."""
    for form in (document, as_text(document)):
        if not isinstance(form, str | dict):
            continue
        try:
            pattern = compile_pattern(form, dialect)
        except InvalidPattern:
            continue
        assert pattern.matches(event) is (pattern.explain(event) == "The pattern matches.")


@settings(deadline=None)
@given(st.text(), dialects)
def test_every_text_compiles_or_is_refused(text: str, dialect: Dialect) -> None:
    """Nothing else than InvalidPattern is raised."""
    try:
        compile_pattern(text, dialect)
    except InvalidPattern:
        pass


@settings(deadline=None)
@given(patterns, st.dictionaries(st.text(max_size=3), anything))
def test_every_event_can_be_matched(document: Object, event: Object) -> None:
    """Matching and explaining never raise."""
    pattern = compile_pattern(document, EVENTBRIDGE)
    assert pattern.matches(event) is (pattern.explain(event) == "The pattern matches.")


@settings(deadline=None)
@given(
    objects(st.lists(present_entries, min_size=1, max_size=2)),
    st.one_of(events, st.dictionaries(st.sampled_from(KEYS), st.one_of(scalars, st.lists(scalars)))),
)
def test_the_engine_agrees_with_the_plain_rules(document: Object, event: Object) -> None:
    """Multiplying out every alternative and trying every combination of values gives the same answer."""
    assert matches(document, event) is naive_matches(document, event)


# Tables of zeros and ones, in which nearly every key meets a value and what matters is whether the row is the same.
bits = st.integers(0, 1)
cells = st.dictionaries(st.sampled_from("xyz"), bits, max_size=3)
details = st.lists(cells, max_size=2)
rows = st.lists(st.tuples(cells, details).map(lambda both: {**both[0], "t": both[1]}), max_size=3)
tables = st.fixed_dictionaries({"a": rows, "b": st.one_of(rows, st.lists(rows, max_size=2))})


def questions(leaf: st.SearchStrategy[object]) -> st.SearchStrategy[Object]:
    of_cells = st.dictionaries(st.sampled_from("xyz"), leaf, min_size=1, max_size=3)
    of_rows = st.one_of(of_cells, st.tuples(of_cells, of_cells).map(lambda both: {**both[0], "t": both[1]}))
    return st.dictionaries(st.sampled_from("ab"), of_rows, min_size=1, max_size=2)


of_bits = bits.map(lambda bit: [bit])
alternatives = st.lists(questions(of_bits), min_size=2, max_size=3)


@settings(deadline=None)
@given(questions(of_bits), alternatives, tables)
def test_array_consistency_agrees_with_trying_every_element(
    document: Object, branches: list[Object], event: Object
) -> None:
    """Whatever is matched below one array comes from one element, also when `$or` asks again."""
    joined: Object = {**document, "$or": branches}
    assert matches(document, event) is naive_matches(document, event)
    assert matches(joined, event) is naive_matches(joined, event)


@settings(deadline=None)
@given(questions(st.one_of(of_bits, st.just([absent_entry]))), tables)
def test_absence_in_arrays_agrees_with_trying_every_element(document: Object, event: Object) -> None:
    """In an array of objects, a key is absent if the chosen element lacks it."""
    assert matches(document, event) is naive_matches(document, event)


def test_a_key_outside_arrays_forgets_no_choice() -> None:
    """The row that `a.x` chose still counts when `$or` asks for another cell of it."""
    document: Object = {"a": {"x": [0]}, "c": {"d": [1]}, "$or": [{"a": {"y": [1]}}, {"a": {"z": [1]}}]}
    assert not matches(document, {"a": [{"x": 0}, {"y": 1}], "c": {"d": 1}})
    assert matches(document, {"a": [{"x": 0, "y": 1}], "c": {"d": 1}})


ABSENCE_IN_ARRAYS: list[tuple[Object, Object, bool]] = [
    ({"a": {"x": [0], "y": [absent_entry]}}, {"a": [{"x": 0}, {"x": 1, "y": 1}]}, True),
    ({"a": {"x": [0], "y": [absent_entry]}}, {"a": [{"x": 0, "y": 1}, {"x": 1}]}, False),
    ({"a": {"z": [0], "y": [absent_entry]}}, {"a": [{"z": 0}, {"y": 1}]}, True),
    ({"a": {"y": [absent_entry]}}, {"a": [{"z": 0}, {"y": 1}]}, False),
    # The second alternative chooses a row in which y is absent; the first, which chooses nothing, does not hide it.
    (
        {"a": {"y": [absent_entry]}, "$or": [{"c": [1]}, {"a": {"x": [0]}}]},
        {"c": 1, "a": [{"x": 0}, {"y": 1}]},
        True,
    ),
    (
        {"a": {"y": [0, absent_entry]}, "$or": [{"c": [1], "d": [absent_entry]}, {"a": {"x": [0]}}]},
        {"c": 1, "a": [{"x": 0}, {"y": 1}]},
        True,
    ),
]


@pytest.mark.parametrize(("document", "event", "expected"), ABSENCE_IN_ARRAYS)
def test_absence_is_asked_of_the_element_that_was_chosen(document: Object, event: Object, *, expected: bool) -> None:
    """Only where no element was chosen, the key must be absent from all of them. The index agrees."""
    pattern = compile_pattern(document, EVENTBRIDGE)
    assert pattern.matches(event) is expected
    index = PatternIndex[str]()
    index.add("key", pattern)
    assert index.match(event) == (["key"] if expected else [])


@pytest.mark.parametrize(
    ("entry", "value", "expected"),
    [
        (1, True, False),
        (True, 1, False),
        (0, False, False),
        (False, 0, False),
        (True, True, True),
        (1, 1.0, True),
        (10**20, 1e20, True),
        ({"anything-but": 1}, True, True),
        ({"numeric": [">=", 0]}, True, False),
        ({"numeric": [">", 0]}, math.inf, True),
        ({"numeric": [">", 0]}, math.nan, False),
        ({"prefix": ""}, None, False),
        ({"equals-ignore-case": "STRASSE"}, "straße", True),
        ("2001:db8::1", "2001:0DB8:0::1", True),
        ("2001:db8::1", "2001:db8::2", False),
        ({"cidr": "10.0.0.0/31"}, "10.0.0.1", True),
        ({"cidr": "10.0.0.77/24"}, "10.0.0.1", True),
        ({"cidr": "0.0.0.0/0"}, "::1", False),
        ({"wildcard": "ab*ba"}, "aba", False),
        ({"wildcard": "*a*a*"}, "a", False),
    ],
)
def test_an_entry_asks_for_type_and_value(entry: object, value: object, *, expected: bool) -> None:
    """Also where Python's own comparison would say otherwise."""
    assert matches({"k": [entry]}, {"k": value}) is expected


def test_a_pattern_keeps_its_own_copy() -> None:
    """Changes to the document do not reach the pattern."""
    entries = ["x"]
    pattern = compile_pattern({"a": {"b": entries}}, SNS_BODY)
    entries.append("y")
    assert pattern.document == {"a": {"b": ["x"]}}
    assert not pattern.matches({"a": {"b": "y"}})
    assert repr(pattern) == '<Pattern SNS_BODY {"a": {"b": ["x"]}}>'


@pytest.mark.parametrize(
    ("document", "event", "sentence"),
    [
        ({"a": ["x"]}, {"a": "y"}, '"a" is "y", but must match ["x"].'),
        ({"a": ["x"]}, {}, '"a" has no value, but must match ["x"].'),
        ({"a": ["x"], "b": [1]}, {"a": "x", "b": "1"}, '"b" is "1", but must match [1].'),
        ({"a": [1]}, {"a": [2, 3, 4, 5]}, '"a" is 2, 3, 4 and 1 more, but must match [1].'),
        ({"a": ["x"]}, {"a": "y" * 100}, f'"a" is "{"y" * 78}…, but must match ["x"].'),
        (
            {"$or": [{"a": [1]}, {"b": [1]}, {"c": [1]}, {"d": [1]}]},
            {"a": 2},
            'No alternative of $or matches: "a" is 2, but must match [1]; "b" has no value, but must match [1]; '
            '"c" has no value, but must match [1]; and 1 more.',
        ),
        (
            {"a": {"x": [1], "y": [2]}},
            {"a": [{"x": 1}, {"y": 2}]},
            "Every key has a matching value, but no single element of the arrays has all of them.",
        ),
        ({"a": ["x"]}, {"a": "x"}, "The pattern matches."),
    ],
)
def test_an_explanation_names_the_key(document: dict[str, object], event: dict[str, object], sentence: str) -> None:
    """One sentence says which key, what it has and what it should have."""
    assert compile_pattern(document, EVENTBRIDGE).explain(event) == sentence


class CountingText(str):
    """A text that counts how often it is searched."""

    searches = 0

    def find(self, *arguments: object) -> int:
        self.searches += 1
        return super().find(*arguments)  # type: ignore[arg-type]


def test_a_wildcard_searches_once_for_each_piece() -> None:
    """However the value repeats itself, no piece is tried at a second place: there is no back-tracking."""
    hostile = parse_wildcard("*a" * 20 + "*b")
    value = CountingText("a" * 10_000 + "c" + "b")
    assert hostile.accepts(value)
    assert value.searches == 20
    failing = CountingText("a" * 10_000)
    assert not parse_wildcard("*a" * 20 + "*b*").accepts(failing)
    assert failing.searches == 21


@settings(deadline=None)
@given(st.lists(st.text("ab", max_size=2), min_size=1, max_size=4), st.text("ab", max_size=8))
def test_a_wildcard_agrees_with_trying_everything(pieces: list[str], value: str) -> None:
    """Taking each piece at its leftmost place loses no match."""

    def tried(left: list[str], rest: str) -> bool:
        if len(left) == 1:
            return rest == left[0]
        return rest.startswith(left[0]) and any(
            tried(left[1:], rest[start:]) for start in range(len(left[0]), len(rest) + 1)
        )

    assert Wildcard(tuple(pieces)).accepts(value) is tried(pieces, value)


def test_states_stay_in_proportion_to_the_event() -> None:
    """Ten million alternatives over arrays of a hundred elements leave few states, and no product of anything."""
    branches: list[object] = [{"x": [n]} for n in range(10)]
    document = {f"k{key}": {"$or": branches, "y": [1]} for key in range(3)}
    event = {f"k{key}": [{"x": n % 10, "y": n % 2} for n in range(100)] for key in range(3)}
    pattern = compile_pattern(document, EVENTBRIDGE)
    assert pattern.matches(event)
    assert len(pattern.root.advance(event, START)) == 1


def test_deep_events_are_matched() -> None:
    """An event may be nested deeper than Python's stack."""
    nested: list[object] = ["x"]
    for _ in range(2_000):
        nested = [nested]
    assert matches({"a": ["x"]}, {"a": nested})
    assert not matches({"a": ["y"]}, {"a": nested})
