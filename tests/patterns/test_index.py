"""An index gives the answer of asking every pattern, for the work of asking a few."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.patterns.strategies import Object, entries, events, patterns, scalars
from triggers.patterns.dialect import EVENTBRIDGE, SNS_ATTRIBUTES, SNS_BODY
from triggers.patterns.index import PatternIndex
from triggers.patterns.intervals import Intervals
from triggers.patterns.language import Pattern, compile_pattern

MANY = 10_000


def compiled(document: Object | None) -> Pattern | None:
    return None if document is None else compile_pattern(document, EVENTBRIDGE)


def asked_one_by_one(known: dict[int, Pattern | None], event: Object) -> list[int]:
    return [key for key, pattern in known.items() if pattern is None or pattern.matches(event)]


@settings(deadline=None)
@given(
    st.lists(st.one_of(patterns, st.none()), max_size=12),
    st.lists(events, min_size=1, max_size=5),
    st.lists(st.tuples(st.sampled_from(("remove", "replace")), st.integers(0, 11), patterns), max_size=6),
)
def test_an_index_equals_asking_every_pattern(
    documents: list[Object | None], probes: list[Object], changes: list[tuple[str, int, Object]]
) -> None:
    """Also after removals and replacements, and when the same event comes again."""
    index = PatternIndex[int]()
    known = {key: compiled(document) for key, document in enumerate(documents)}
    for key, pattern in known.items():
        index.add(key, pattern)
    for change, key, document in [("none", -1, {}), *changes]:
        if key in known and change == "remove":
            index.remove(key)
            del known[key]
        elif key in known and change == "replace":
            known[key] = compiled(document)
            index.add(key, known[key])
        for event in [*probes, *probes]:
            assert index.match(event) == asked_one_by_one(known, event)
    assert len(index) == len(known)


@settings(deadline=None)
@given(st.lists(patterns, max_size=6))
def test_an_emptied_index_keeps_nothing(documents: list[Object]) -> None:
    """What was filed is taken out again to the last bucket."""
    index = PatternIndex[int]()
    for key, document in enumerate(documents):
        index.add(key, compiled(document))
    for key in range(len(documents)):
        index.remove(key)
    held = {name for name, value in vars(index).items() if isinstance(value, dict) and value}
    assert held == set()


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)).map(sorted), min_size=40, max_size=100),
    st.sets(st.integers(0, 99), min_size=30),
    st.integers(-1, 21),
)
def test_intervals_around_a_point(bounds: list[list[int]], removed: set[int], point: int) -> None:
    """The tree, what waits beside it and what was removed from it agree with a plain search."""
    intervals = Intervals[int]()
    tickets = [intervals.add(low, high, number) for number, (low, high) in enumerate(bounds)]
    for _ in range(2):
        expected = {
            number
            for number, ticket in enumerate(tickets)
            if ticket and bounds[number][0] <= point <= bounds[number][1]
        }
        found = list(intervals.around(point))
        assert set(found) == expected
        assert len(found) == len(expected)
        for number in removed & set(range(len(tickets))):
            if tickets[number]:
                intervals.remove(tickets[number])
                tickets[number] = 0


@settings(deadline=None)
@given(st.lists(entries, min_size=1, max_size=20), st.lists(scalars, min_size=1, max_size=10))
def test_every_kind_of_entry_is_found_where_it_is_filed(asked: list[object], values: list[object]) -> None:
    """One entry a pattern, one value an event, so that each clue alone must lead to the pattern."""
    index = PatternIndex[int]()
    known = {number: compiled({"k": [entry]}) for number, entry in enumerate(asked)}
    for number, pattern in known.items():
        index.add(number, pattern)
    for value in values:
        probes: list[Object] = [{"k": value}, {"k": [value]}]
        for event in probes:
            assert index.match(event) == asked_one_by_one(known, event)


def entry_of_kind(kind: str, number: int) -> object:
    return {
        "exact": f"v{number}",
        "number": number,
        "prefix": {"prefix": f"v{number}-"},
        "suffix": {"suffix": f"-{number}v"},
        "folded": {"equals-ignore-case": f"V{number}"},
        "folded prefix": {"prefix": {"equals-ignore-case": f"V{number}-"}},
        "wildcard": {"wildcard": f"v{number}-*"},
        "numeric": {"numeric": [">=", number, "<", number + 1]},
        "cidr": {"cidr": f"{number >> 8}.{number & 255}.0.0/16"},
    }[kind]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("exact", "v77"),
        ("number", 77),
        ("prefix", "v77-x"),
        ("suffix", "x-77v"),
        ("folded", "V77"),
        ("folded prefix", "V77-X"),
        ("wildcard", "v77-x"),
        ("numeric", 77.5),
        ("cidr", "0.77.1.2"),
    ],
)
def test_the_work_depends_on_the_patterns_that_match(kind: str, value: object) -> None:
    """Of ten thousand patterns, of which three match, only a handful is verified, whatever operator they use."""
    index = PatternIndex[int]()
    for number in range(MANY):
        document: Object = {"type": ["common"], "key": [entry_of_kind(kind, number)]}
        index.add(number, compile_pattern(document, SNS_ATTRIBUTES))
    for extra in (MANY, MANY + 1):
        index.add(extra, compile_pattern({"key": [entry_of_kind(kind, 77)]}, SNS_ATTRIBUTES))
    assert index.match({"type": "common", "key": value}) == [77, MANY, MANY + 1]
    # Some patterns were filed under the common type while few shared it.
    assert 0 < index.last_candidates < 100


def test_common_values_are_not_what_patterns_are_filed_under() -> None:
    """Patterns that differ in one key only are filed under that key, wherever it stands, and below `$or` too."""
    index = PatternIndex[int]()
    for number in range(2_000):
        branches: list[object] = [{"b": {"id": [number]}}, {"c": [f"c{number}"]}]
        index.add(number, compile_pattern({"a": {"type": ["common"]}, "$or": branches}, SNS_BODY))
    assert index.match({"a": {"type": "common"}, "b": {"id": 5}, "c": "c7"}) == [5, 7]
    assert index.last_candidates < 100


def test_absence_is_indexed() -> None:
    """Patterns that only ask for absence are no candidates for events that have the key."""
    index = PatternIndex[int]()
    for number in range(1_000):
        index.add(number, compile_pattern({"k": [{"exists": False}], "l": [{"exists": False}]}, SNS_ATTRIBUTES))
    assert index.match({"k": 1, "l": 1}) == []
    assert index.last_candidates == 0
    assert len(index.match({})) == 1_000


def test_absence_in_an_array_is_no_reason_to_pass_a_pattern_over() -> None:
    """The key is present in one element and absent from the one that matches."""
    index = PatternIndex[int]()
    for number in range(200):  # so many that some are filed under the absence
        document: Object = {"a": {"x": [{"exists": True}], "y": [{"exists": False}]}}
        index.add(number, compile_pattern(document, SNS_BODY))
    assert len(index.match({"a": [{"x": 0}, {"y": 1}]})) == 200


@pytest.mark.parametrize("wildcard", ["ab*c", "a*bc", "*bc", "ab*", "*", "a*c", "*b*", "abxbc"])
def test_a_wildcard_is_found_by_one_of_its_ends(wildcard: str) -> None:
    """The longer end is where it is filed."""
    index = PatternIndex[str]()
    index.add(wildcard, compile_pattern({"k": [{"wildcard": wildcard}]}, SNS_ATTRIBUTES))
    assert index.match({"k": "abxbc"}) == [wildcard]


def test_a_repeated_event_is_remembered_until_a_pattern_changes() -> None:
    """The memo depends on the mentioned keys alone, and never mixes true with 1."""
    index = PatternIndex[str]()
    index.add("one", compile_pattern({"k": [1]}, SNS_ATTRIBUTES))
    assert index.match({"k": 1, "other": "x"}) == ["one"]
    assert index.last_candidates == 1
    assert index.match({"k": 1.0, "other": "y"}) == ["one"]
    assert index.last_candidates == 0
    assert index.match({"k": True}) == []
    index.add("true", compile_pattern({"k": [True]}, SNS_ATTRIBUTES))
    index.add("all", None)
    assert index.match({"k": True}) == ["true", "all"]
    index.remove("true")
    assert index.match({"k": True}) == ["all"]


def test_a_remembered_answer_cannot_be_changed_from_outside() -> None:
    """Every answer is a list of its own."""
    index = PatternIndex[str]()
    index.add("one", compile_pattern({"k": [1]}, SNS_ATTRIBUTES))
    index.match({"k": 1}).append("two")
    assert index.match({"k": 1}) == ["one"]
    index.match({"k": 1}).append("two")
    assert index.match({"k": 1}) == ["one"]


def test_the_memo_is_bounded() -> None:
    """Neither many events nor long texts are kept."""
    index = PatternIndex[str]()
    index.add("one", compile_pattern({"k": [1]}, SNS_ATTRIBUTES))
    for number in range(3_000):
        index.match({"k": number})
    index.match({"k": "x" * 1_000})
    assert len(index._memo) == 1_024
    assert not any("x" * 1_000 in values for values in index._memo)


def test_a_replaced_pattern_keeps_its_place() -> None:
    """As a subscription does whose filter policy is set anew."""
    index = PatternIndex[str]()
    for key in ("first", "second"):
        index.add(key, None)
    index.add("first", compile_pattern({"k": [1]}, SNS_ATTRIBUTES))
    assert index.match({"k": 1}) == ["first", "second"]
    assert index.match({"k": 2}) == ["second"]
    assert repr(index) == "<PatternIndex of 2 patterns at 1 paths>"


def test_removing_an_unknown_key_is_a_key_error() -> None:
    """Nothing is changed."""
    with pytest.raises(KeyError):
        PatternIndex[str]().remove("nobody")
