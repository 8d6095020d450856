"""Values: judged by boto3's own conversion, by DynamoDB's documented limits, and by a worked size."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dynamodb.strategies import NUMBERS, plain_values
from triggers.dynamodb import NotSerializable, ValidationError
from triggers.dynamodb.numbers import add, canonical, subtract
from triggers.dynamodb.plain import from_typed, to_typed
from triggers.dynamodb.values import checked, checked_item, copied, from_json, item_size, to_json, value_size

SERIALIZER, DESERIALIZER = TypeSerializer(), TypeDeserializer()


def without_binary(value: Any) -> Any:
    """boto3's answer with its `Binary` as bytes, which are equal but no JSON type either."""
    if isinstance(value, Binary):
        return bytes(value)
    if isinstance(value, dict):
        return {name: without_binary(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [without_binary(inner) for inner in value]
    if isinstance(value, set):
        return {without_binary(inner) for inner in value}
    return value


@settings(deadline=None)
@given(plain_values())
def test_the_typed_form_is_boto3s(value: Any) -> None:
    """But for the spelling of numbers and the order of sets, which DynamoDB changes as well."""
    assert checked(without_binary(SERIALIZER.serialize(value))) == to_typed(value)


@settings(deadline=None)
@given(plain_values())
def test_the_plain_form_is_boto3s(value: Any) -> None:
    """From the typed form, boto3 and we read the same."""
    typed = to_typed(value)
    assert without_binary(DESERIALIZER.deserialize(typed)) == from_typed(typed)


@settings(deadline=None)
@given(plain_values())
def test_what_is_stored_comes_back(value: Any) -> None:
    """Through the typed form, through a copy, through JSON, and checked again."""
    typed = to_typed(value)
    assert from_typed(typed) == without_binary(DESERIALIZER.deserialize(SERIALIZER.serialize(value)))
    assert copied(typed) == typed
    assert from_json(to_json(typed)) == typed
    assert checked(typed) == typed


@settings(deadline=None)
@given(NUMBERS)
def test_a_canonical_number_is_the_same_number(number: int | Decimal) -> None:
    """And canonical already."""
    text = canonical(str(number))
    assert Decimal(text) == number
    assert canonical(text) == text


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [("1.50", "1.5"), ("15e-1", "1.5"), ("-0", "0"), ("00012", "12"), ("1e3", "1000"), (".5", "0.5"), ("+7.", "7")],
)
def test_numbers_are_kept_in_one_spelling(given_text: str, kept: str) -> None:
    """So that equal numbers are equal texts."""
    assert canonical(given_text) == kept


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("1e126", "Number overflow. Attempting to store a number with magnitude larger than supported range"),
        ("1e-131", "Number underflow. Attempting to store a number with magnitude smaller than supported range"),
        ("1" * 39, "Attempting to store more than 38 significant digits in a Number"),
        ("abc", "The parameter cannot be converted to a numeric value: abc"),
        ("", "The parameter cannot be converted to a numeric value"),
        ("1_000", "The parameter cannot be converted to a numeric value: 1_000"),
        ("NaN", "The parameter cannot be converted to a numeric value: NaN"),
        ("1e999999999", "Number overflow. Attempting to store a number with magnitude larger than supported range"),
        ("1e9999999999", "The parameter cannot be converted to a numeric value: 1e9999999999"),
        ("١", "The parameter cannot be converted to a numeric value: ١"),
    ],
)
def test_a_number_that_cannot_be_is_refused(text: str, complaint: str) -> None:
    """In DynamoDB's words."""
    with pytest.raises(ValidationError) as caught:
        checked({"N": text})
    assert caught.value.message == complaint


@settings(deadline=None)
@given(st.integers(-(10**20), 10**20), st.integers(-(10**20), 10**20))
def test_sums_of_whole_numbers_are_exact(left: int, right: int) -> None:
    """Whichever way they are computed."""
    assert add(str(left), str(right)) == str(left + right)
    assert subtract(str(left), str(right)) == str(left - right)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({}, "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"),
        (
            {"S": "a", "N": "1"},
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported "
            "datatypes",
        ),
        ({"SS": []}, "One or more parameter values were invalid: An string set  may not be empty"),
        ({"NS": []}, "One or more parameter values were invalid: An number set  may not be empty"),
        ({"BS": []}, "One or more parameter values were invalid: Binary sets should not be empty"),
        ({"SS": ["a", "a"]}, "One or more parameter values were invalid: Input collection [a, a] contains duplicates."),
        ({"NS": ["1", "1.0"]}, "One or more parameter values were invalid: Input collection [1, 1] contains "
         "duplicates."),
        ({"NULL": False}, "One or more parameter values were invalid: Null attribute value types must have the "
         "value of true"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_refused(value: Any, complaint: str) -> None:
    """In DynamoDB's words."""
    with pytest.raises(ValidationError) as caught:
        checked(value)
    assert caught.value.message == complaint


@pytest.mark.parametrize("wrong", [{"S": 1}, {"N": 1}, {"B": "x"}, {"L": "x"}, {"M": []}, {"BOOL": 1}, {"X": 1}, "a"])
def test_a_value_of_another_type_than_it_says_is_refused(wrong: Any) -> None:
    """Whatever a client sends, no other exception comes out."""
    with pytest.raises(ValidationError):
        checked(wrong)


@pytest.mark.parametrize("wrong", [1.5, float("nan"), object(), {1, "a"}, Decimal("Infinity"), [object()], {"a": 2.0}])
def test_a_plain_value_that_no_attribute_holds_is_refused(wrong: Any) -> None:
    """As boto3 does: with a TypeError."""
    with pytest.raises(NotSerializable):
        to_typed(wrong)


def test_a_refused_float_names_the_decimal() -> None:
    with pytest.raises(
        NotSerializable, match=r"Float types are not supported. Use Decimal types instead: Decimal\('1.5'\)"
    ):
        to_typed(1.5)


def test_half_of_a_surrogate_pair_is_refused() -> None:
    """In values; it could not be sent to AWS either."""
    with pytest.raises(ValidationError, match="surrogate"):
        to_typed("\ud800")


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


def test_values_nest_to_32_levels() -> None:
    """And no further."""
    to_typed(nested(32))
    checked(to_typed(nested(32)))
    with pytest.raises(ValidationError, match="Nesting Levels have exceeded supported limits"):
        to_typed(nested(33))


@pytest.mark.parametrize(
    ("typed", "size"),
    [
        ({"S": "héllo"}, 6),
        ({"N": "101"}, 3),
        ({"N": "-101"}, 4),
        ({"N": "100"}, 2),
        ({"N": "0"}, 1),
        ({"N": "12345678901234567890123456789012345678"}, 20),
        ({"B": b"abc"}, 3),
        ({"NULL": True}, 1),
        ({"BOOL": False}, 1),
        ({"L": []}, 3),
        ({"L": [{"S": "a"}, {"N": "1"}]}, 3 + 1 + 1 + 1 + 2),
        ({"M": {"ab": {"S": "c"}}}, 3 + 1 + 2 + 1),
        ({"SS": ["a", "bc"]}, 3),
        ({"NS": ["1", "2"]}, 4),
    ],
)
def test_values_count_as_documented(typed: Any, size: int) -> None:
    """Item sizes and formats, developer guide."""
    assert value_size(typed) == size


def test_the_documented_example_has_its_size() -> None:
    """The record of AWS's sample event says SizeBytes 26."""
    key = {"Id": {"N": "101"}}
    assert item_size(key) + item_size({**key, "Message": {"S": "New item!"}}) == 26


def test_names_of_attributes_are_texts() -> None:
    with pytest.raises(ValidationError):
        checked_item({1: {"S": "a"}})
    with pytest.raises(ValidationError):
        checked_item({"": {"S": "a"}})
