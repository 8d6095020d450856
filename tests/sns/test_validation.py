"""What SNS refuses, word by word (recorded against AWS where a recording is known)."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventbus.errors import AWSError
from triggers.sns import SNS, attributes, validation
from triggers.sns.publication import Publication, notification
from triggers.sns.schedule import parse_subscription_policy
from triggers.sns.settings import parse_filter, parse_raw, parse_redrive, parse_scope
from triggers.sns.topic import _size


def grouping(group: str | None, deduplication: str | None, *, is_fifo: bool) -> None:
    validation.check_grouping(group, deduplication, is_fifo=is_fifo, content_based=False)


REFUSED: list[tuple[Callable[[], object], str, str]] = [
    (lambda: validation.check_message(""), "InvalidParameter", "Invalid parameter: Empty message"),
    (
        lambda: validation.check_message({"a": 1}),
        "InvalidParameter",
        "Invalid parameter: Message must be a string, not dict; publish json.dumps(...) of the value",
    ),
    *(
        (lambda s=subject: validation.check_subject(s), "InvalidParameter", "Invalid parameter: Subject")
        for subject in ("", "x" * 100, "a\nb", "a\x07", "\u2028", "\ud800")
    ),
    (lambda: validation.check_size(262_145, 262_144), "InvalidParameter", "Invalid parameter: Message too long"),
    (
        lambda: validation.parse_structure("{}", "json"),
        "InvalidParameter",
        "Invalid parameter: Message Structure - No default entry in JSON message body",
    ),
    (
        lambda: validation.parse_structure('{"default": 1}', "json"),
        "InvalidParameter",
        "Invalid parameter: Message Structure - No default entry in JSON message body",
    ),
    (
        lambda: validation.parse_structure("hello", "json"),
        "InvalidParameter",
        "Invalid parameter: Message Structure - JSON message body failed to parse",
    ),
    (
        lambda: grouping(None, "d", is_fifo=True),
        "InvalidParameter",
        "Invalid parameter: The MessageGroupId parameter is required for FIFO topics",
    ),
    (
        lambda: grouping("g", None, is_fifo=True),
        "InvalidParameter",
        "Invalid parameter: The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId "
        "provided explicitly",
    ),
    (
        lambda: grouping("g", "d", is_fifo=False),
        "InvalidParameter",
        "Invalid parameter: MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that "
        "is not valid for this topic type",
    ),
    (
        lambda: validation.check_entries([str(n) for n in range(11)]),
        "TooManyEntriesInBatchRequest",
        "The batch request contains more entries than permissible.",
    ),
    (
        lambda: validation.check_entries(["a", "a"]),
        "BatchEntryIdsNotDistinct",
        "Two or more batch entries in the request have the same Id.",
    ),
    (
        lambda: validation.check_entries(["a b"]),
        "InvalidBatchEntryId",
        "The Id of a batch entry in the batch request contains an impermissible character: a b",
    ),
    (
        lambda: validation.check_entries(["a" * 81]),
        "InvalidBatchEntryId",
        f"The Id of a batch entry in the batch request is too long: {'a' * 81}",
    ),
    (
        lambda: validation.check_topic_arn("arn:aws:sns"),
        "InvalidParameter",
        "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 3",
    ),
    (
        lambda: validation.check_topic_arn("arn:aws:sqs:us-east-1:123456789012:t"),
        "InvalidParameter",
        "Invalid parameter: TopicArn",
    ),
    (
        lambda: parse_raw("yes"),
        "InvalidParameter",
        "Invalid parameter: Attributes Reason: RawMessageDelivery: Invalid value [yes]. Must be true or false.",
    ),
    (
        lambda: parse_redrive('{"deadLetterTargetArn": "x"}'),
        "InvalidParameter",
        "Invalid parameter: RedrivePolicy: deadLetterTargetArn is an invalid arn",
    ),
    (
        lambda: parse_scope("Message"),
        "InvalidParameter",
        "Invalid parameter: FilterPolicyScope: Invalid value [Message]. Please use either MessageBody or "
        "MessageAttributes",
    ),
    (
        lambda: parse_filter({"k": "v"}, "MessageAttributes", "Attributes Reason: "),
        "InvalidParameter",
        'Invalid parameter: Attributes Reason: FilterPolicy: "k" must be an object or an array',
    ),
    (
        lambda: parse_filter({"k": []}, "MessageAttributes", ""),
        "InvalidParameter",
        "Invalid parameter: FilterPolicy: Empty arrays are not allowed",
    ),
    (
        lambda: parse_filter({"a": {"b": ["c"]}}, "MessageAttributes", ""),
        "InvalidParameter",
        "Invalid parameter: Filter policy scope MessageAttributes does not support nested filter policy",
    ),
    (
        lambda: parse_subscription_policy({"healthyRetryPolicy": {"numRetries": 101}}, ""),
        "InvalidParameter",
        "Invalid parameter: DeliveryPolicy: numRetries must be between 0 and 100",
    ),
]


@pytest.mark.parametrize(("call", "code", "text"), REFUSED)
def test_a_refusal_has_the_code_and_the_text(call: Callable[[], object], code: str, text: str) -> None:
    with pytest.raises(AWSError) as refused:
        call()
    assert (refused.value.code, str(refused.value)) == (code, text)


ATTRIBUTES: list[tuple[dict[str, Any], str]] = [
    ({".a": "x"}, "Invalid message attribute name starting with character '.' was found."),
    ({"a.": "x"}, "Invalid message attribute name ending with character '.' was found."),
    ({"a..b": "x"}, "Message attribute name can not have successive '.' character."),
    ({"a" * 257: "x"}, "Length of message attribute name must be less than 256 bytes."),
    (
        {"a^b": "x"},
        "Invalid non-alphanumeric character '#x5E' was found in the message attribute name. Can only include "
        "alphanumeric characters, hyphens, underscores, or dots.",
    ),
    (
        {"attr1": {"DataType": "Text", "StringValue": "x"}},
        "The message attribute 'attr1' has an invalid message attribute type, the set of supported type prefixes is "
        "Binary, Number, and String.",
    ),
    (
        {"attr1": ""},
        "The message attribute 'attr1' must contain non-empty message attribute value for message attribute type "
        "'String'.",
    ),
    (
        {"attr1": {"DataType": "Number", "BinaryValue": b"1"}},
        "The message attribute 'attr1' with type 'Number' must use field 'String'.",
    ),
    (
        {"attr1": {"DataType": "Binary", "StringValue": "1"}},
        "The message attribute 'attr1' with type 'Binary' must use field 'Binary'.",
    ),
]


@pytest.mark.parametrize(("given", "text"), ATTRIBUTES)
def test_a_bad_attribute_is_refused(given: dict[str, Any], text: str) -> None:
    with pytest.raises(AWSError) as refused:
        attributes.normalise(given)
    assert (refused.value.code, str(refused.value)) == ("ParameterValueInvalid", text)


@pytest.mark.parametrize("value", [True, None, float("nan"), float("inf"), {1, 2}, [b"x"], Decimal("NaN")])
def test_a_value_without_an_awss_type_is_refused(value: object) -> None:
    with pytest.raises(AWSError):
        attributes.normalise({"a": value})


@pytest.mark.parametrize("text", ["1,2", "0x1", "", "1e", "1" * 39, "٣"])
def test_a_number_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(AWSError):
        attributes.normalise({"a": {"DataType": "Number", "StringValue": text}})


@pytest.mark.parametrize("text", ["x", "{}", '[["a"]]', "[1"])
def test_an_array_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(AWSError):
        attributes.normalise({"a": {"DataType": "String.Array", "StringValue": text}})


def test_plain_values_become_awss_form() -> None:
    given = {"s": "x", "i": 3, "f": 1.5, "d": Decimal("2.50"), "b": b"\x00", "a": ["x", 1, True, None]}
    assert attributes.normalise(given) == {
        "s": {"DataType": "String", "StringValue": "x"},
        "i": {"DataType": "Number", "StringValue": "3"},
        "f": {"DataType": "Number", "StringValue": "1.5"},
        "d": {"DataType": "Number", "StringValue": "2.50"},
        "b": {"DataType": "Binary", "BinaryValue": b"\x00"},
        "a": {"DataType": "String.Array", "StringValue": '["x", 1, true, null]'},
    }
    assert attributes.normalise(attributes.normalise(given)) == attributes.normalise(given)


def test_duplicate_keys_and_other_values_of_a_structured_message_are_fine() -> None:
    texts = validation.parse_structure('{"default": "a", "default": "b", "sqs": 3, "lambda": "l"}', "json")
    assert texts == {"default": "b", "lambda": "l"}


@pytest.mark.parametrize("name", ["", "a b", "a.fifo", "a" * 257, "é"])
def test_a_bad_name_of_a_topic_is_refused(sns: SNS, name: str) -> None:
    with pytest.raises(AWSError, match=r"^Invalid parameter: Topic Name"):
        sns.create_topic(name)
    assert len(sns) == 0


ANYTHING = st.one_of(
    st.text(max_size=5),
    st.binary(max_size=3),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.lists(st.text(max_size=2) | st.none() | st.binary(max_size=1), max_size=2),
    st.fixed_dictionaries(
        {},
        optional={
            "DataType": st.sampled_from(["String", "Number", "Binary", "String.Array", "String.\ud800", "", 3]),
            "StringValue": st.text(max_size=3) | st.sampled_from(["1", "[1]", "\ud800"]) | st.integers(),
            "BinaryValue": st.binary(max_size=2) | st.text(max_size=2),
        },
    ),
)


@settings(max_examples=300)
@given(
    st.text(st.characters(exclude_categories=()), max_size=10) | st.integers(),
    st.dictionaries(st.sampled_from(["a", "b"]) | st.text(max_size=4), ANYTHING, max_size=3),
)
def test_any_message_is_taken_or_refused_in_awss_words(body: Any, given_attributes: dict[str, Any]) -> None:
    """No input makes an error of another kind, and what is taken can be measured and written."""
    try:
        validation.check_message(body)
        normal = attributes.normalise(given_attributes)
        size = _size(body, normal)
    except AWSError:
        return
    assert size >= len(body)
    assert attributes.normalise(normal) == normal
    published = Publication("arn", "id", 0.0, body, None, normal, None, "us-east-1", "1")
    assert json.loads(notification(published, "sqs", "url"))["Message"] == body
