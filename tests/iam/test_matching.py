"""Wildcards: what they match, and that hostile patterns cost no more than harmless ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventbus.iam.context import Context
from eventbus.iam.matching import ArnPattern, Glob
from eventbus.iam.variables import Fragment

NOTHING = Context({})


class CountingText(str):
    """A text that counts how many of its characters are looked at."""

    __slots__ = ("looks",)
    looks: int

    def __iter__(self) -> Iterator[str]:
        self.looks = 0
        for char in super().__iter__():
            self.looks += 1
            yield char


def simply_matches(pattern: str, text: str) -> bool:
    """The textbook table: row by row, whether pattern[:i] matches text[:j]."""
    row = [True] + [False] * len(text)
    for char in pattern:
        above, row = row, [char == "*" and row[0]]
        for j, found in enumerate(text, start=1):
            row.append(above[j] or row[j - 1] if char == "*" else above[j - 1] and char in ("?", found))
    return row[-1]


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("", "", True),
        ("", "a", False),
        ("*", "", True),
        ("**", "x", True),
        ("?", "", False),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("*?", "", False),
        ("?*", "x\ny", True),
        ("a.c", "abc", False),
        ("[a]", "a", False),
        ("[a]*", "[a]b", True),
    ],
)
def test_wildcards_match_runs_and_characters(pattern: str, text: str, expected: bool) -> None:
    assert Glob.of(pattern).matches(text) is expected
    assert simply_matches(pattern, text) is expected


@given(st.text("ab*?", max_size=12), st.text("ab*?", max_size=12))
def test_wildcards_agree_with_the_textbook(pattern: str, text: str) -> None:
    assert Glob.of(pattern).matches(text) is simply_matches(pattern, text)


@given(st.lists(st.tuples(st.text("ab*?", max_size=4), st.booleans()), max_size=4))
def test_a_literal_piece_matches_itself_alone(pieces: list[tuple[str, bool]]) -> None:
    glob = Glob.compile(Fragment(text, is_literal) for text, is_literal in pieces)
    itself = "".join(text for text, _ in pieces)
    assert glob.matches(itself)
    if all(is_literal for _, is_literal in pieces):
        assert not glob.matches(itself.replace("*", "x") + "x")


@pytest.mark.parametrize(
    "pattern",
    ["*a*a*a*a*b", "*" * 2_000 + "b", "*" + "a" * 2_000 + "b", "*" + "a?" * 1_000 + "b", "*a" * 1_000 + "*b"],
    ids=lambda pattern: pattern[:12],
)
def test_a_hostile_pattern_looks_at_each_character_once(pattern: str) -> None:
    text = CountingText("a" * 10_000)
    assert not Glob.of(pattern).matches(text)
    assert text.looks == 10_000


@pytest.mark.parametrize(
    ("pattern", "arn", "expected"),
    [
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/x/y:z", True),
        ("arn:aws:s3:*:*:b", "arn:aws:s3:::b", True),
        ("arn:aws:lambda:*:function:f", "arn:aws:lambda:eu-west-1:111122223333:function:f", False),
        ("arn:aws:lambda:*:*:function:f", "arn:aws:lambda:eu-west-1:111122223333:function:f", True),
        ("arn:aws:sns:us-*-1:1*:t", "arn:aws:sns:us-east-1:111122223333:t", True),
        ("arn:aws:s3:::b", "arn:aws:s3:::b:c", False),
        ("arn:aws:sns:us-east-1:111122223333:t", "arn:aws:sqs:us-east-1:111122223333:t", False),
        ("arn:aws:sns:us-east-1:111122223333:t", "arn:aws:sns:us-east-2:111122223333:t", False),
        ("arn:aws:sns:us-east-1:111122223333:t", "arn:aws:sns:us-east-1:444455556666:t", False),
        ("arn:aws:sns:us-east-1:111122223333:t", "arn:aws-cn:sns:us-east-1:111122223333:t", False),
        ("arn:aws:s3:::*", "*", False),
        ("*", "arn:aws:s3:::b", False),
    ],
)
def test_arns_are_compared_part_by_part(pattern: str, arn: str, expected: bool) -> None:
    assert ArnPattern.parse(pattern, has_variables=True).matches(arn, NOTHING) is expected


def test_the_value_of_a_variable_cannot_move_the_parts_of_an_arn() -> None:
    pattern = ArnPattern.parse("arn:aws:s3:::${k}", has_variables=True)
    assert pattern.matches("arn:aws:s3:::a:b", Context.of({"k": "a:b"}))
    assert not pattern.matches("arn:aws:s3:::a", Context.of({"k": "*"}))
