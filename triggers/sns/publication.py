"""A message that was published, and the forms in which subscribers get it; pure.

Each form is built from the publication when it is delivered, so that nobody shares a dict with anybody. Key orders and
casings are AWS's (recorded, 2026): the Lambda event writes `SigningCertUrl`, the envelope `SigningCertURL`.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Final

import attrs
import orjson

from eventbus.delivery.targets import MessageAttributes
from eventbus.timestamps import iso_time

SIGNATURE: Final = base64.b64encode(b"eventbus emulates Amazon SNS and does not sign its messages").decode()
"""Stands where AWS's RSA signature is: base64, always the same, and verifies against nothing."""

_CERTIFICATE = "SimpleNotificationService-00000000000000000000000000000000.pem"


@attrs.define(eq=False, weakref_slot=False)
class Publication:
    """One published message."""

    topic_arn: str
    message_id: str
    at: float
    message: str
    subject: str | None
    attributes: MessageAttributes
    texts: dict[str, str] | None
    """The message by protocol, for MessageStructure "json"."""
    region: str
    signature_version: str
    group_id: str | None = None
    deduplication_id: str | None = None
    sequence_number: str | None = None

    def text(self, protocol: str) -> str:
        """What the subscribers of a protocol get to read."""
        if self.texts is None:
            return self.message
        return self.texts.get(protocol, self.texts["default"])

    @property
    def certificate_url(self) -> str:
        """Where the certificate would be that signed the message."""
        return f"https://sns.{self.region}.amazonaws.com/{_CERTIFICATE}"


@attrs.define(eq=False, weakref_slot=False)
class LambdaNotification:
    """What the queue of a function holds: the payload is built anew for each delivery."""

    publication: Publication
    subscription_arn: str
    unsubscribe_url: str

    def record(self, event: object) -> dict[str, Any]:
        """The Lambda event, fresh. `Subject` is null and `MessageAttributes` empty where there are none."""
        publication = self.publication
        return {
            "Records": [
                {
                    "EventSource": "aws:sns",
                    "EventVersion": "1.0",
                    "EventSubscriptionArn": self.subscription_arn,
                    "Sns": {
                        "Type": "Notification",
                        "MessageId": publication.message_id,
                        "TopicArn": publication.topic_arn,
                        "Subject": publication.subject,
                        "Message": publication.text("lambda"),
                        "Timestamp": iso_time(publication.at),
                        "SignatureVersion": "1",  # whatever the topic signs with
                        "Signature": SIGNATURE,
                        "SigningCertUrl": publication.certificate_url,
                        "UnsubscribeUrl": self.unsubscribe_url,
                        "MessageAttributes": lambda_attributes(publication.attributes),
                    },
                }
            ]
        }


def lambda_attributes(attributes: MessageAttributes) -> dict[str, dict[str, str]]:
    """Attributes as a function sees them: Binary in base64; Number and String.Array come as String (SNS guide)."""
    return {name: _shown(value, "String") for name, value in attributes.items()} if attributes else {}


def envelope_attributes(attributes: MessageAttributes) -> dict[str, dict[str, str]]:
    """Attributes as they stand in the envelope: Binary in base64, types as published."""
    return {name: _shown(value, None) for name, value in attributes.items()}


def _shown(attribute: Any, text_type: str | None) -> dict[str, str]:
    binary = attribute.get("BinaryValue")
    if binary is not None:
        return {"Type": attribute["DataType"], "Value": base64.b64encode(binary).decode()}
    return {"Type": text_type or attribute["DataType"], "Value": attribute["StringValue"]}


def notification(publication: Publication, protocol: str, unsubscribe_url: str) -> str:
    """The JSON envelope that queues and HTTP endpoints get; keys that aren't used are absent."""
    envelope: dict[str, Any] = {
        "Type": "Notification",
        "MessageId": publication.message_id,
        "TopicArn": publication.topic_arn,
    }
    if publication.sequence_number is not None:
        envelope["SequenceNumber"] = publication.sequence_number
    if publication.subject is not None:
        envelope["Subject"] = publication.subject
    envelope["Message"] = publication.text(protocol)
    envelope["Timestamp"] = iso_time(publication.at)
    envelope["SignatureVersion"] = publication.signature_version
    envelope["Signature"] = SIGNATURE
    envelope["SigningCertURL"] = publication.certificate_url
    envelope["UnsubscribeURL"] = unsubscribe_url
    if publication.attributes:
        envelope["MessageAttributes"] = envelope_attributes(publication.attributes)
    return as_json(envelope)


def confirmation(kind: str, *, publication: Publication, subscription_arn: str, token: str) -> str:
    """The JSON of a SubscriptionConfirmation or UnsubscribeConfirmation; `publication` gives its id and time."""
    topic = publication.topic_arn
    host = f"https://sns.{publication.region}.amazonaws.com"
    if kind == "SubscriptionConfirmation":
        text = f"You have chosen to subscribe to the topic {topic}.\nTo confirm the subscription, visit"
    else:
        text = (
            f"You have chosen to deactivate subscription {subscription_arn}.\n"
            "To cancel this operation and restore the subscription, visit"
        )
    return as_json(
        {
            "Type": kind,
            "MessageId": publication.message_id,
            "Token": token,
            "TopicArn": topic,
            "Message": f"{text} the SubscribeURL included in this message.",
            "SubscribeURL": f"{host}/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}",
            "Timestamp": iso_time(publication.at),
            "SignatureVersion": publication.signature_version,
            "Signature": SIGNATURE,
            "SigningCertURL": publication.certificate_url,
        }
    )


def as_json(value: dict[str, Any]) -> str:
    """Compact JSON with characters as they are."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # what orjson cannot carry, such as half of a surrogate pair
        return json.dumps(value, separators=(",", ":"))
