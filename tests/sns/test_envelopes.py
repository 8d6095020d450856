"""What subscribers see, key by key and in AWS's order."""

from __future__ import annotations

import json
from typing import Any

from eventbus.delivery.targets import MessageAttributes
from triggers.sns.attributes import normalise
from triggers.sns.publication import LambdaNotification, Publication, confirmation, notification

TOPIC = "arn:aws:sns:us-east-1:123456789012:t"
ARN = f"{TOPIC}:21be56ed-a058-49f5-8c98-aedd2564c486"
URL = f"https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={ARN}"


def publication(**changes: Any) -> Publication:
    values: dict[str, Any] = {
        "topic_arn": TOPIC,
        "message_id": "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
        "at": 1_767_357_907.25,
        "message": "Hällo",
        "subject": None,
        "attributes": {},
        "texts": None,
        "region": "us-east-1",
        "signature_version": "2",
    }
    return Publication(**{**values, **changes})


def all_attributes() -> MessageAttributes:
    return normalise({"grade": "A", "n": 3, "bytes": b"\x00\x01", "list": ["a"]})


def test_the_lambda_event_has_awss_shape() -> None:
    notified = LambdaNotification(publication(attributes=all_attributes()), ARN, URL)
    [record] = notified.record(None)["Records"]
    assert list(record) == ["EventSource", "EventVersion", "EventSubscriptionArn", "Sns"]
    sns = record["Sns"]
    assert list(sns) == [
        "Type",
        "MessageId",
        "TopicArn",
        "Subject",
        "Message",
        "Timestamp",
        "SignatureVersion",
        "Signature",
        "SigningCertUrl",
        "UnsubscribeUrl",
        "MessageAttributes",
    ]
    assert (record["EventSource"], record["EventVersion"], record["EventSubscriptionArn"]) == ("aws:sns", "1.0", ARN)
    assert sns["Timestamp"] == "2026-01-02T12:45:07.250Z"
    assert sns["SignatureVersion"] == "1"  # though the topic signs with version 2
    assert sns["UnsubscribeUrl"] == URL
    assert sns["MessageAttributes"] == {
        "grade": {"Type": "String", "Value": "A"},
        "n": {"Type": "String", "Value": "3"},
        "bytes": {"Type": "Binary", "Value": "AAE="},
        "list": {"Type": "String", "Value": '["a"]'},
    }


def test_what_is_missing_is_null_or_empty_in_the_lambda_event() -> None:
    [record] = LambdaNotification(publication(), ARN, URL).record(None)["Records"]
    assert record["Sns"]["Subject"] is None
    assert record["Sns"]["MessageAttributes"] == {}


def test_every_delivery_has_its_own_event() -> None:
    notified = LambdaNotification(publication(attributes=all_attributes()), ARN, URL)
    one = notified.record(None)
    one["Records"][0]["Sns"]["MessageAttributes"]["grade"]["Value"] = "spoilt"
    one["Records"].clear()
    assert notified.record(None)["Records"][0]["Sns"]["MessageAttributes"]["grade"]["Value"] == "A"


def test_the_envelope_has_awss_keys_in_awss_order() -> None:
    full = publication(subject="s", sequence_number="1" * 20, attributes=all_attributes())
    envelope = json.loads(notification(full, "sqs", URL))
    assert list(envelope) == [
        "Type",
        "MessageId",
        "TopicArn",
        "SequenceNumber",
        "Subject",
        "Message",
        "Timestamp",
        "SignatureVersion",
        "Signature",
        "SigningCertURL",
        "UnsubscribeURL",
        "MessageAttributes",
    ]
    assert envelope["Message"] == "Hällo"
    assert envelope["SignatureVersion"] == "2"
    assert envelope["MessageAttributes"]["n"] == {"Type": "Number", "Value": "3"}
    assert envelope["MessageAttributes"]["list"] == {"Type": "String.Array", "Value": '["a"]'}


def test_what_is_missing_is_absent_from_the_envelope() -> None:
    assert list(json.loads(notification(publication(), "sqs", URL))) == [
        "Type",
        "MessageId",
        "TopicArn",
        "Message",
        "Timestamp",
        "SignatureVersion",
        "Signature",
        "SigningCertURL",
        "UnsubscribeURL",
    ]


def test_a_structured_message_has_a_text_for_each_protocol() -> None:
    structured = publication(texts={"default": "d", "lambda": "for functions"})
    assert json.loads(notification(structured, "sqs", URL))["Message"] == "d"
    assert LambdaNotification(structured, ARN, URL).record(None)["Records"][0]["Sns"]["Message"] == "for functions"


def test_the_confirmations_read_as_awss() -> None:
    def read(kind: str) -> dict[str, Any]:
        text = confirmation(kind, publication=publication(), subscription_arn=ARN, token="abc")
        value: dict[str, Any] = json.loads(text)
        return value

    envelope = read("SubscriptionConfirmation")
    assert list(envelope) == [
        "Type",
        "MessageId",
        "Token",
        "TopicArn",
        "Message",
        "SubscribeURL",
        "Timestamp",
        "SignatureVersion",
        "Signature",
        "SigningCertURL",
    ]
    assert envelope["Message"] == (
        f"You have chosen to subscribe to the topic {TOPIC}.\n"
        "To confirm the subscription, visit the SubscribeURL included in this message."
    )
    assert envelope["SubscribeURL"] == (
        f"https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=abc"
    )
    assert read("UnsubscribeConfirmation")["Message"] == (
        f"You have chosen to deactivate subscription {ARN}.\n"
        "To cancel this operation and restore the subscription, visit the SubscribeURL included in this message."
    )
