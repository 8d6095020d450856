"""Events, rules, their overlap, and the index that finds them."""

from __future__ import annotations

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggers.s3.errors import InvalidArgument
from triggers.s3.event_types import EVENTS, expand
from triggers.s3.notifications import Index, Rule, check_overlap, find_overlap

LAMBDA = "arn:aws:lambda:us-east-1:123456789012:function:f"


def rule(
    events: str | list[str], prefix: str = "", suffix: str = "", identifier: str = "r", kind: str = "CloudFunction"
) -> Rule:
    names = (events,) if isinstance(events, str) else tuple(events)
    filters = tuple((n, v) for n, v in (("Prefix", prefix), ("Suffix", suffix)) if v)
    return Rule(identifier, kind, LAMBDA, names, expand(names), filters)


def test_the_events_are_those_of_botocores_model() -> None:
    model = botocore.session.get_session().get_service_model("s3")
    assert set(EVENTS) == set(model.shape_for("Event").enum)  # type: ignore[attr-defined]


def test_a_wildcard_means_every_event_of_its_family() -> None:
    assert expand(["s3:ObjectRemoved:*"]) == {"ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated"}
    assert len(expand(["s3:ObjectCreated:*", "s3:ObjectCreated:Put"])) == 4
    for name, events in EVENTS.items():
        family = name.removeprefix("s3:").removesuffix("*")
        assert all(event.startswith(family) for event in events)


@pytest.mark.parametrize(
    "name", ["s3:*", "ObjectCreated:*", "s3:ObjectCreated", "s3:TestEvent", "", "s3:objectcreated:*", 5]
)
def test_an_unknown_event_is_refused(name: object) -> None:
    with pytest.raises(InvalidArgument) as caught:
        expand([name])
    assert caught.value.message == "The event is not supported for notifications"
    assert caught.value.fields == {"ArgumentName": "Event", "ArgumentValue": str(name)}


def test_a_near_miss_is_named() -> None:
    with pytest.raises(InvalidArgument, match=r'did you mean "s3:ObjectCreated:Put"\?'):
        expand(["ObjectCreated:Put"])


C, P, COPY, R = "s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectCreated:Copy", "s3:ObjectRemoved:*"
MATRIX = [
    (rule(C), rule(P, "a/"), True),
    (rule(C, "img/"), rule(C, "img/raw/"), True),
    (rule(C, "img/"), rule(C, "doc/"), False),
    (rule(P, "img/", ".jpg"), rule(P, "img/", ".png"), False),
    (rule(C, "", ".jpg"), rule(C, "img/"), True),
    (rule(C, "", "g"), rule(COPY, "", ".jpg"), True),
    (rule(C), rule(R), False),
    (rule(P, "x"), rule(P, "x", kind="Topic"), True),
    (rule(P), rule(COPY), False),
    (rule(P, "a"), rule(P, "ab", ".jpg"), True),
    (rule(P, "a b/"), rule(P, "a+b/"), True),
]


@pytest.mark.parametrize(("one", "other", "clashes"), MATRIX)
def test_the_overlap_matrix_in_both_orders(one: Rule, other: Rule, clashes: bool) -> None:
    for pair in ([one, other], [other, one]):
        assert (find_overlap(pair) is not None) is clashes
    if clashes:
        with pytest.raises(InvalidArgument) as caught:
            check_overlap([one, other])
        assert caught.value.message == (
            "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are "
            "overlapping for the same event type."
        )


short = st.text("ab", max_size=3)
rules = st.builds(
    rule,
    st.lists(st.sampled_from(sorted(EVENTS)[:8]), min_size=1, max_size=2),
    short,
    short,
    st.uuids().map(str),
)


def overlaps(one: Rule, other: Rule) -> bool:
    """The definition of the user guide, word for word."""
    return (
        any(event in other.event_names for event in one.event_names)
        and (one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix))
        and (one.suffix.endswith(other.suffix) or other.suffix.endswith(one.suffix))
    )


@given(st.lists(rules, max_size=8))
def test_overlap_agrees_with_its_definition_and_is_symmetric(many: list[Rule]) -> None:
    expected = any(overlaps(one, other) for n, one in enumerate(many) for other in many[:n])
    assert (find_overlap(many) is not None) is expected
    assert (find_overlap(many[::-1]) is not None) is expected
    found = find_overlap(many)
    if found is not None:
        assert overlaps(found[0], found[1])
        assert found[2] in found[0].event_names & found[1].event_names


@given(st.lists(rules, max_size=12), st.text("ab", max_size=6), st.sampled_from(sorted(expand(EVENTS))))
def test_the_index_finds_what_comparing_every_rule_finds(many: list[Rule], key: str, event: str) -> None:
    chosen: list[Rule] = []
    for one in many:
        if find_overlap([*chosen, one]) is None:
            chosen.append(one)
    matching = [
        one for one in chosen if event in one.event_names and key.startswith(one.prefix) and key.endswith(one.suffix)
    ]
    assert len(matching) <= 1, "rules that don't overlap never match the same key"
    assert Index(chosen).match(event, key) is (matching[0] if matching else None)


def test_prefix_and_suffix_may_share_characters_of_the_key() -> None:
    one = rule(P, "abc", "bcd")
    assert Index([one]).match("ObjectCreated:Put", "abcd") is one
    assert Index([one]).match("ObjectCreated:Put", "abc") is None


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("a+b/", "a b/x"),
        ("a%2Bb/", "a+b/x"),
        ("%C3%A9t%C3%A9/", "été/x"),
        ("year%3D2026/", "year=2026/x"),
        ("a b/", "a b/x"),
    ],
)
def test_a_filter_is_written_url_encoded(written: str, key: str) -> None:
    one = rule(P, written)
    assert Index([one]).match("ObjectCreated:Put", key) is one
