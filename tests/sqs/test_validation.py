"""What SQS refuses, word by word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventbus.errors import AWSError
from triggers.sqs import SQS, attributes, validation
from triggers.sqs.settings import QueueSettings, parse_attributes, parse_redrive

OTHER_TYPE = "The request include parameter that is not valid for this queue type."
ALLOWED = "#x9 | #xA | #xD | [#x20 to #xD7FF] | [#xE000 to #xFFFD] | [#x10000 to #x10FFFF]"


def grouping(group: str | None, deduplication: str | None, *, is_fifo: bool, content_based: bool = False) -> None:
    validation.check_grouping(group, deduplication, is_fifo=is_fifo, content_based=content_based)


REFUSED: list[tuple[Callable[[], object], str, str]] = [
    (lambda: validation.check_body(""), "MissingParameter", "The request must contain the parameter MessageBody."),
    (
        lambda: validation.check_body("a\x00"),
        "InvalidMessageContents",
        f"Invalid binary character '#x0' was found in the message body, the set of allowed characters is {ALLOWED}",
    ),
    (
        lambda: validation.check_size(1025, 1024),
        "InvalidParameterValue",
        "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes.",
    ),
    (
        lambda: validation.checked_delay(901, 0, is_fifo=False),
        "InvalidParameterValue",
        "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.",
    ),
    (
        lambda: validation.checked_delay(5, 0, is_fifo=True),
        "InvalidParameterValue",
        f"Value 5 for parameter DelaySeconds is invalid. Reason: {OTHER_TYPE}",
    ),
    (
        lambda: validation.checked_visibility(43201, 0),
        "InvalidParameterValue",
        "Value 43201 for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200, if provided.",
    ),
    (
        lambda: validation.check_receive(11, 0),
        "InvalidParameterValue",
        "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.",
    ),
    (
        lambda: validation.check_receive(1, 21),
        "InvalidParameterValue",
        "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.",
    ),
    (
        lambda: grouping(None, "d", is_fifo=True),
        "MissingParameter",
        "The request must contain the parameter MessageGroupId.",
    ),
    (
        lambda: grouping("g", None, is_fifo=True),
        "InvalidParameterValue",
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    ),
    (
        lambda: grouping(None, "d", is_fifo=False),
        "InvalidParameterValue",
        f"Value d for parameter MessageDeduplicationId is invalid. Reason: {OTHER_TYPE}",
    ),
    (
        lambda: validation.check_entries([], "SendMessageBatchRequestEntry"),
        "AWS.SimpleQueueService.EmptyBatchRequest",
        "There should be at least one SendMessageBatchRequestEntry in the request.",
    ),
    (
        lambda: validation.check_entries([str(n) for n in range(11)], "x"),
        "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
        "Maximum number of entries per request are 10. You have sent 11.",
    ),
    (
        lambda: validation.check_entries(["a", "a"], "x"),
        "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
        "Id a repeated.",
    ),
    (
        lambda: validation.check_entries(["a b"], "x"),
        "AWS.SimpleQueueService.InvalidBatchEntryId",
        "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
        "It can be at most 80 letters long.",
    ),
    (
        lambda: QueueSettings(visibility_timeout=43201),
        "InvalidAttributeValue",
        "Invalid value for the parameter VisibilityTimeout.",
    ),
    (
        lambda: QueueSettings(message_retention=59),
        "InvalidAttributeValue",
        "Invalid value for the parameter MessageRetentionPeriod.",
    ),
    (lambda: parse_attributes({"Nope": "1"}, is_fifo=False), "InvalidAttributeName", "Unknown Attribute Nope."),
    (
        lambda: parse_attributes({"ContentBasedDeduplication": "true"}, is_fifo=False),
        "InvalidAttributeName",
        "Unknown Attribute ContentBasedDeduplication.",
    ),
    (
        lambda: parse_attributes({"DelaySeconds": "x"}, is_fifo=False),
        "InvalidAttributeValue",
        "Invalid value for the parameter DelaySeconds.",
    ),
    (
        lambda: parse_redrive('{"maxReceiveCount": 3}'),
        "InvalidParameterValue",
        'Value {"maxReceiveCount": 3} for parameter RedrivePolicy is invalid. Reason: Redrive policy does not contain '
        "mandatory attribute: deadLetterTargetArn.",
    ),
    (
        lambda: parse_redrive('{"deadLetterTargetArn":"a","maxReceiveCount":0}'),
        "InvalidParameterValue",
        'Value {"deadLetterTargetArn":"a","maxReceiveCount":0} for parameter RedrivePolicy is invalid. Reason: Invalid '
        "value for maxReceiveCount: 0, valid values are from 1 to 1000 both inclusive.",
    ),
]


@pytest.mark.parametrize(("call", "code", "text"), REFUSED)
def test_a_refusal_has_the_code_and_the_text(call: Callable[[], object], code: str, text: str) -> None:
    with pytest.raises(AWSError) as refused:
        call()
    assert (refused.value.code, str(refused.value)) == (code, text)


@pytest.mark.parametrize("name", ["", "a b", "a" * 81, "é", "a.fifo", "a\n"])
def test_a_bad_name_of_a_queue_is_refused(sqs: SQS, name: str) -> None:
    text = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length."
    with pytest.raises(AWSError) as refused:
        sqs.create_queue(name)
    assert (refused.value.code, str(refused.value)) == ("InvalidParameterValue", text)
    assert len(sqs) == 0


@pytest.mark.parametrize("name", ["a", ".fifo", "a" * 76 + ".fifo", "a.b.fifo"])
def test_a_bad_name_of_a_fifo_queue_is_refused(sqs: SQS, name: str) -> None:
    with pytest.raises(AWSError, match=r"^The name of a FIFO queue can only include .* 1 to 80 in length\.$"):
        sqs.create_queue(name, fifo=True)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"AWS.x": "a"}, "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'."),
        ({"a b": "a"}, "Message (user) attributes name can only contain"),
        ({"a": ""}, "Message (user) attribute 'a' must contain a non-empty value of type 'String'."),
        ({"a": True}, "Message (user) attribute 'a' must be text, a number, bytes or a mapping"),
        ({"a": {"DataType": "Text", "StringValue": "a"}}, "The message attribute 'a' has an invalid message attribute"),
        ({"a": {"DataType": "Number", "StringValue": "x"}}, "Can't cast the value of message (user) attribute 'a'"),
        ({str(n): "a" for n in range(11)}, "Number of message attributes [11] exceeds the allowed maximum [10]."),
    ],
)
def test_a_bad_attribute_is_refused(given: dict[str, Any], text: str) -> None:
    with pytest.raises(AWSError) as refused:
        attributes.normalise(given)
    assert refused.value.code == "InvalidParameterValue"
    assert str(refused.value).startswith(text)


@pytest.mark.parametrize(
    ("data_type", "digest"),
    [("Number", "235c5c510d26fb653d073faed50ae77c"), ("Number.java.lang.Long", "2e2e4876d8e0bd6b8c2c8f556831c349")],
)
def test_the_digest_of_attributes_is_that_of_aws(data_type: str, digest: str) -> None:
    """Digests that AWS clients have recorded for a time stamp."""
    normal = attributes.normalise({"timestamp": {"DataType": data_type, "StringValue": "1493147359900"}})
    assert attributes.md5(normal) == digest


def test_the_digest_covers_binary_values_and_ignores_the_order() -> None:
    """The transport byte tells text and binary of the same bytes apart."""
    one = attributes.normalise({"a": b"x", "b": 1})
    assert attributes.md5(one) == attributes.md5(dict(sorted(one.items(), reverse=True)))
    assert attributes.md5(one) != attributes.md5(attributes.normalise({"a": "x", "b": 1}))
    assert attributes.md5({}) is None


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
        validation.check_body(body)
        normal = attributes.normalise(given_attributes)
    except AWSError:
        return
    assert len(body.encode()) + attributes.size(normal) > 0
    assert (attributes.md5(normal) is None) == (not normal)
    assert attributes.normalise(normal) == normal
