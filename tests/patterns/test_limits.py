"""The limits of filter policies, at their edges."""

from __future__ import annotations

import pytest

from triggers.patterns.dialect import EVENTBRIDGE, SNS_ATTRIBUTES, SNS_BODY, Dialect
from triggers.patterns.errors import InvalidPattern
from triggers.patterns.language import compile_pattern
from triggers.patterns.limits import combinations, complexity, wildcard_points

COMPLEX = "Filter policy is too complex"
WILD = (
    "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard "
    "character"
)


def values(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def reason(document: str | dict[str, object], dialect: Dialect) -> str:
    with pytest.raises(InvalidPattern) as refused:
        compile_pattern(document, dialect)
    return refused.value.reason


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ('{"a":["1","2","3"],"b":["x","y"],"c":["q"]}', 6),
        ('{"a":{"b":{"c":["1","2"]}},"d":["x"]}', 6),
        ('{"s":["a"],"$or":[{"m":["1","2"]},{"n":["3"],"o":["4","5","6"]}]}', 5),
        ('{"a":{"$or":[{"b":["x"]},{"c":["y","z"]}]}}', 2 + 4),
        ('{"$or":[{"a":["1"]},{"b":["2"],"$or":[{"c":["3"]},{"d":["4","5"]}]}]}', 1 + 1 + 2),
        ("{}", 1),
    ],
)
def test_complexity_is_the_sum_over_the_alternatives(document: str, expected: int) -> None:
    """Each alternative counts the product of (values x depth)."""
    assert complexity(compile_pattern(document, SNS_BODY).root, 1_000) == expected


def test_a_complexity_of_150_is_accepted_and_151_is_not() -> None:
    """As one product, and as a sum over `$or`."""
    compile_pattern({"a": values(15), "b": values(10)}, SNS_ATTRIBUTES)
    compile_pattern({"a": values(150)}, SNS_ATTRIBUTES)
    assert reason({"a": values(151)}, SNS_ATTRIBUTES) == COMPLEX
    compile_pattern({"$or": [{"a": values(149)}, {"b": values(1)}]}, SNS_ATTRIBUTES)
    assert reason({"$or": [{"a": values(149)}, {"b": values(2)}]}, SNS_ATTRIBUTES) == COMPLEX
    compile_pattern({"a": {"b": values(75)}}, SNS_BODY)
    assert reason({"a": {"b": values(76)}}, SNS_BODY) == COMPLEX


def test_five_keys_are_accepted_and_six_are_not() -> None:
    """Leaf keys are counted, not the objects around them, and a key of two alternatives once."""
    too_many = "Filter policy can not have more than 5 keys"
    compile_pattern({key: ["x"] for key in "abcde"}, SNS_ATTRIBUTES)
    assert reason({key: ["x"] for key in "abcdef"}, SNS_ATTRIBUTES) == too_many
    compile_pattern({"a": {key: ["x"] for key in "abcde"}}, SNS_BODY)
    assert reason({"a": {key: ["x"] for key in "abc"}, "b": {key: ["x"] for key in "abc"}}, SNS_BODY) == too_many
    compile_pattern({"$or": [{key: ["x"] for key in "abcde"}, {"a": ["y"]}]}, SNS_ATTRIBUTES)


def test_a_policy_of_256_kilobytes_is_accepted_and_one_byte_more_is_not() -> None:
    """Bytes of the JSON text are counted."""
    frame = len('{"k":["é"]}'.encode())
    compile_pattern('{"k":["é' + "x" * (256 * 1024 - frame) + '"]}', SNS_ATTRIBUTES)
    too_long = "é" + "x" * (256 * 1024 - frame + 1)
    too_large = "Pattern is too large: 262145 bytes, the limit is 262144"
    assert reason('{"k":["' + too_long + '"]}', SNS_ATTRIBUTES) == too_large
    assert reason({"k": [too_long]}, SNS_ATTRIBUTES) == too_large


def test_seven_keys_with_ten_alternatives_each_are_counted_without_multiplying_them_out() -> None:
    """Ten million alternatives are one walk of the tree."""
    exploding: dict[str, object] = {f"k{key}": {"$or": [{f"a{n}": [n]} for n in range(10)]} for key in range(7)}
    assert reason(exploding, SNS_BODY) == "Filter policy can not have more than 5 keys"
    assert reason(exploding, EVENTBRIDGE) == "Rule is too complex - $or has more than 1000 combinations"
    five: dict[str, object] = {f"k{key}": {"$or": [{"a": [n]} for n in range(10)]} for key in range(5)}
    assert reason(five, SNS_BODY) == COMPLEX


def test_a_thousand_combinations_are_accepted_by_eventbridge() -> None:
    """And the next one is refused."""
    three: dict[str, object] = {key: {"$or": [{f"a{n}": [n]} for n in range(10)]} for key in "abc"}
    assert combinations(compile_pattern(three, EVENTBRIDGE).root, 10**6) == 1_000
    one_more: dict[str, object] = {"$or": [three, {"d": ["x"]}]}
    assert reason(one_more, EVENTBRIDGE) == "Rule is too complex - $or has more than 1000 combinations"


@pytest.mark.parametrize(
    ("entries", "points"),
    [
        ([{"wildcard": "a*"}], 1),
        ([{"wildcard": "a*b*"}], 3),
        ([{"wildcard": "a"}], 0),
        ([{"wildcard": "a\\*"}], 0),
        ([{"anything-but": {"wildcard": "a*b*"}}], 1),
        ([{"wildcard": "a*"}, {"wildcard": "a*b*"}], 8),
    ],
)
def test_wildcard_points(entries: list[object], points: int) -> None:
    """The sum of a field's points is multiplied by the number of its patterns."""
    assert wildcard_points(compile_pattern({"k": entries}, SNS_BODY).root) == points


def test_a_hundred_wildcard_points_are_accepted_and_more_are_not() -> None:
    """Ten patterns of a point in one field are a hundred."""
    compile_pattern({"k": [{"wildcard": f"{n}*"} for n in range(10)]}, SNS_ATTRIBUTES)
    assert reason({"k": [{"wildcard": f"{n}*"} for n in range(11)]}, SNS_ATTRIBUTES) == WILD
    assert reason({"k": [{"wildcard": f"{n}*"} for n in range(10)], "l": [{"wildcard": "*"}]}, SNS_ATTRIBUTES) == WILD


def test_three_stars_in_a_pattern_are_accepted_and_four_are_not() -> None:
    """The limit is SNS's; EventBridge has another one."""
    compile_pattern({"k": [{"wildcard": "*a*b*"}]}, SNS_ATTRIBUTES)
    assert reason({"k": [{"wildcard": "*a*b*c*"}]}, SNS_ATTRIBUTES) == WILD
    compile_pattern({"k": [{"wildcard": "*a*b*c*"}]}, EVENTBRIDGE)
