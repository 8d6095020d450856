"""What can be set on a queue: the values, their ranges and the names that AWS gives them.

Ranges: API_SetQueueAttributes, SQS quotas (2026). Durations are whole seconds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import attrs

from triggers.sqs.errors import InvalidAttributeName, InvalidAttributeValue, InvalidParameterValue

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")

RANGES = {
    "visibility_timeout": (0, 43_200),
    "delay_seconds": (0, 900),
    "message_retention": (60, 1_209_600),
    "maximum_message_size": (1_024, 1_048_576),
    "receive_wait": (0, 20),
}

ATTRIBUTE_NAMES = {
    "VisibilityTimeout": "visibility_timeout",
    "DelaySeconds": "delay_seconds",
    "MessageRetentionPeriod": "message_retention",
    "MaximumMessageSize": "maximum_message_size",
    "ReceiveMessageWaitTimeSeconds": "receive_wait",
    "ContentBasedDeduplication": "content_based_deduplication",
    "DeduplicationScope": "deduplication_scope",
    "FifoThroughputLimit": "throughput_limit",
    "RedrivePolicy": "redrive",
}
"""AWS's names of the attributes that can be set, and ours."""

_FIFO_ONLY = ("content_based_deduplication", "deduplication_scope", "throughput_limit")
_CHOICES = {"deduplication_scope": ("queue", "messageGroup"), "throughput_limit": ("perQueue", "perMessageGroupId")}


@attrs.frozen
class Redrive:
    """A redrive policy: after so many receives, the next one moves the message to another queue."""

    dead_letter_arn: str
    max_receive_count: int

    @property
    def document(self) -> str:
        """The policy as the JSON text that AWS stores."""
        return json.dumps(
            {"deadLetterTargetArn": self.dead_letter_arn, "maxReceiveCount": self.max_receive_count},
            separators=(",", ":"),
        )


@attrs.frozen
class QueueSettings:
    """Everything about a queue that can be changed later, besides its policy."""

    visibility_timeout: int = 30
    delay_seconds: int = 0
    message_retention: int = 345_600
    maximum_message_size: int = 1_048_576
    receive_wait: int = 0
    content_based_deduplication: bool = False
    deduplication_scope: str = "queue"
    throughput_limit: str = "perQueue"
    redrive: Redrive | None = None

    def __attrs_post_init__(self) -> None:
        for field, (low, high) in RANGES.items():
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise InvalidAttributeValue(aws_name(field))
        if not isinstance(self.content_based_deduplication, bool):
            raise InvalidAttributeValue("ContentBasedDeduplication")
        for field, choices in _CHOICES.items():
            if getattr(self, field) not in choices:
                raise InvalidAttributeValue(aws_name(field))

    def differing(self, other: QueueSettings) -> str | None:
        """AWS's name of the first attribute in which these settings differ, or None."""
        return next((name for name, f in ATTRIBUTE_NAMES.items() if getattr(self, f) != getattr(other, f)), None)

    def as_attributes(self, *, is_fifo: bool) -> dict[str, str]:
        """The settings in AWS's form: every value is a text, the FIFO ones only on FIFO queues."""
        shown: dict[str, str] = {}
        for name, field in ATTRIBUTE_NAMES.items():
            value = getattr(self, field)
            if value is None or (field in _FIFO_ONLY and not is_fifo):
                continue
            if isinstance(value, Redrive):
                shown[name] = value.document
            else:
                shown[name] = str(value).lower() if isinstance(value, bool) else str(value)
        return shown


def aws_name(field: str) -> str:
    """AWS's name of one of our settings."""
    return next(name for name, known in ATTRIBUTE_NAMES.items() if known == field)


def parse_attributes(attributes: Mapping[str, str], *, is_fifo: bool) -> dict[str, Any]:
    """Read attributes in AWS's form (all texts) into arguments for QueueSettings.

    Raises InvalidAttributeName or InvalidAttributeValue; RedrivePolicy errors are InvalidParameterValue.
    """
    parsed: dict[str, Any] = {}
    for name, text in attributes.items():
        field = ATTRIBUTE_NAMES.get(name)
        if field is None or (field in _FIFO_ONLY and not is_fifo):
            raise InvalidAttributeName(name)
        given: object = text
        if not isinstance(given, str):
            raise InvalidAttributeValue(name)
        parsed[field] = _parse_value(name, field, text)
    return parsed


def _parse_value(name: str, field: str, text: str) -> object:
    if field == "redrive":
        return parse_redrive(text) if text else None
    if field == "content_based_deduplication":
        if text not in ("true", "false"):
            raise InvalidAttributeValue(name)
        return text == "true"
    if field in _CHOICES:
        return text
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise InvalidAttributeValue(name)
    return int(text)


def parse_redrive(text: str) -> Redrive:
    """Read a RedrivePolicy document; whether the queue exists is checked by the service."""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise InvalidParameterValue.of(text, "RedrivePolicy", "Redrive policy is not a valid JSON map.")
    for key in ("deadLetterTargetArn", "maxReceiveCount"):
        if key not in document:
            reason = f"Redrive policy does not contain mandatory attribute: {key}."
            raise InvalidParameterValue.of(text, "RedrivePolicy", reason)
    return checked_redrive(str(document["deadLetterTargetArn"]), document["maxReceiveCount"])


def checked_redrive(arn: str, count: object) -> Redrive:
    """A redrive policy with a count from 1 to 1000 (a number or its text, as AWS takes both)."""
    number = int(count) if isinstance(count, str) and re.fullmatch(r"[0-9]{1,9}", count) else count
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= 1000:
        shown = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": count}, separators=(",", ":"), default=str)
        reason = f"Invalid value for maxReceiveCount: {count}, valid values are from 1 to 1000 both inclusive."
        raise InvalidParameterValue.of(shown, "RedrivePolicy", reason)
    return Redrive(arn, number)


def check_name(name: str, *, is_fifo: bool) -> None:
    """Refuse a queue name that AWS refuses; the name of a FIFO queue ends in `.fifo`, which counts for the length."""
    given: object = name
    if not isinstance(given, str):
        raise InvalidParameterValue(f"a queue's name is a text, not {given!r}")
    stem = name.removesuffix(".fifo") if is_fifo else name
    if is_fifo and (stem == name or not _NAME.fullmatch(stem) or len(name) > 80):
        raise InvalidParameterValue(
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with "
            ".fifo suffix and be 1 to 80 in length."
        )
    if not _NAME.fullmatch(stem):
        raise InvalidParameterValue(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length."
        )
