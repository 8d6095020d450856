"""What a filter policy sees of an SNS message."""

from __future__ import annotations

import pytest

from triggers.patterns.language import attributes_as_event, body_as_event


@pytest.mark.parametrize(
    ("data_type", "text", "value"),
    [
        ("String", "12", "12"),
        ("String.label", "x", "x"),
        ("Number", "12", 12),
        ("Number", "-1.5", -1.5),
        ("Number", "1.2e1", 12.0),
        ("Number.int", "7", 7),
        ("Number", "9" * 5000, float("inf")),
        ("String.Array", '["a", 1, true, null, [2]]', ["a", 1, True, None, [2]]),
    ],
)
def test_an_attribute_becomes_a_value(data_type: str, text: str, value: object) -> None:
    """Of the JSON type that its data type says."""
    event = attributes_as_event({"k": {"DataType": data_type, "StringValue": text}})
    assert event == {"k": value}
    assert type(event["k"]) is type(value)


@pytest.mark.parametrize(
    ("data_type", "text"),
    [
        ("Number", "x"),
        ("Number", "1_0"),
        ("Number", "nan"),
        ("Number", "٣"),
        ("String.Array", "x"),
        ("String.Array", "1"),
    ],
)
def test_an_attribute_without_a_value_is_left_out(data_type: str, text: str) -> None:
    """Its text is not what its data type promises, which Publish refuses before."""
    assert attributes_as_event({"k": {"DataType": data_type, "StringValue": text}}) == {}


def test_binary_attributes_are_ignored() -> None:
    """Whatever key holds their bytes."""
    assert attributes_as_event({"k": {"DataType": "Binary", "BinaryValue": b"x"}}) == {}
    assert attributes_as_event({"k": {"DataType": "Binary.png", "StringValue": "x"}}) == {}


@pytest.mark.parametrize("message", ["", "plain text", "[1]", "1", '"x"', "null", "{", "[" * 100_000, '{"a":NaN}'])
def test_a_body_that_is_no_object_has_no_event(message: str) -> None:
    """No policy matches it."""
    assert body_as_event(message) is None


def test_a_body_that_is_an_object_is_the_event() -> None:
    """Parsed, and nothing else."""
    assert body_as_event('{"a": {"b": [1, null]}}') == {"a": {"b": [1, None]}}
