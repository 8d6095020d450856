"""What can be set on a topic and on a subscription, in AWS's names; pure.

Every parser takes the value as AWS has it, a text, or the plain Python value, and raises InvalidParameter with AWS's
text. `prefix` is what AWS puts before the reason: "Attributes Reason: " when subscribing, nothing when setting.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import attrs

from eventbus.arn import is_arn
from triggers.patterns.errors import InvalidPattern, NestingNotSupported
from triggers.patterns.language import SNS_ATTRIBUTES, SNS_BODY, Pattern, compile_pattern
from triggers.sns.errors import InvalidParameter
from triggers.sns.schedule import HttpPolicy, parse_topic_policy

ON_SUBSCRIBE: Final = "Attributes Reason: "
SMALL_MESSAGE: Final = 262_144
"""Above this size a topic has at most 100 subscriptions, all to functions or queues (SNS guide, message size, 2026)."""
SCOPES: Final = {"MessageAttributes": SNS_ATTRIBUTES, "MessageBody": SNS_BODY}


@attrs.frozen
class Filter:
    """A filter policy: its text as the caller wrote it, its scope, and what was compiled of it."""

    text: str = attrs.field(eq=False)
    document: Mapping[str, Any]
    scope: str
    pattern: Pattern = attrs.field(eq=False, repr=False)


@attrs.frozen(kw_only=True)
class SubscriptionSettings:
    """Everything about a subscription that can be changed later."""

    filter: Filter | None = None
    scope: str = "MessageAttributes"
    raw: bool = False
    dead_letter_arn: str | None = None
    delivery_policy: str | None = None
    http_policy: HttpPolicy | None = None


def parse_scope(scope: object) -> str:
    """Refuse a scope that is neither of the two."""
    if scope not in SCOPES:
        raise InvalidParameter(
            f"FilterPolicyScope: Invalid value [{scope}]. Please use either MessageBody or MessageAttributes"
        )
    return str(scope)


def parse_filter(policy: str | Mapping[str, Any] | None, scope: str, prefix: str) -> Filter | None:
    """Compile a filter policy; none, an empty text or `{}` is no filter."""
    if policy is None or policy == "" or (isinstance(policy, Mapping) and not policy):
        return None
    try:
        pattern = compile_pattern(policy, SCOPES[scope])
    except NestingNotSupported as error:
        raise InvalidParameter(error.reason) from error
    except InvalidPattern as error:
        raise InvalidParameter(f"{prefix}FilterPolicy: {error.reason}") from error
    if not pattern.document:
        return None
    text = policy if isinstance(policy, str) else json.dumps(pattern.document, ensure_ascii=False)
    return Filter(text, pattern.document, scope, pattern)


def parse_raw(raw: bool | str) -> bool:
    """RawMessageDelivery: a bool, or AWS's text of one."""
    if raw in (True, "true"):
        return True
    if raw in (False, "false"):
        return False
    raise InvalidParameter(f"Attributes Reason: RawMessageDelivery: Invalid value [{raw}]. Must be true or false.")


def parse_redrive(policy: str | Mapping[str, Any]) -> str | None:
    """RedrivePolicy: the ARN of the dead-letter queue; an empty text removes it."""
    if policy == "":
        return None
    try:
        document = json.loads(policy) if isinstance(policy, str) else policy
        arn = document["deadLetterTargetArn"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise InvalidParameter("RedrivePolicy: failed to parse JSON.") from None
    return checked_dead_letter(arn)


def checked_dead_letter(arn: object) -> str:
    """The ARN of a queue."""
    if not isinstance(arn, str) or not is_arn(arn) or arn.split(":")[2] != "sqs":
        raise InvalidParameter("RedrivePolicy: deadLetterTargetArn is an invalid arn")
    return arn


def redrive_document(arn: str) -> str:
    """The RedrivePolicy that AWS shows."""
    return json.dumps({"deadLetterTargetArn": arn})


@attrs.frozen(kw_only=True)
class TopicSettings:
    """Everything about a topic that can be changed later, besides its access policy."""

    display_name: str = ""
    content_based_deduplication: bool = False
    throughput_scope: str = "Topic"
    maximum_message_size: int = 262_144
    signature_version: str = "1"
    delivery_policy: str | None = None
    http_policy: HttpPolicy = attrs.field(factory=HttpPolicy)
    allows_overrides: bool = True

    def __attrs_post_init__(self) -> None:
        if len(self.display_name) > 100:
            raise InvalidParameter("DisplayName")
        if self.throughput_scope not in ("Topic", "MessageGroup"):
            raise InvalidParameter(
                "Attributes Reason: FifoThroughputScope: Invalid value. Must be Topic or MessageGroup."
            )
        if type(self.maximum_message_size) is not int or not 1_024 <= self.maximum_message_size <= 1_048_576:
            raise InvalidParameter("Attributes Reason: MaximumMessageSize: must be between 1024 and 1048576")
        if self.signature_version not in ("1", "2"):
            raise InvalidParameter("SignatureVersion")

    @property
    def effective_delivery_policy(self) -> str:
        """EffectiveDeliveryPolicy, as AWS shows it."""
        document = {
            "http": {
                "defaultHealthyRetryPolicy": self.http_policy.as_document(),
                "disableSubscriptionOverrides": not self.allows_overrides,
                "defaultRequestPolicy": {"headerContentType": "text/plain; charset=UTF-8"},
            }
        }
        return json.dumps(document, separators=(",", ":"))


_TOPIC_ATTRIBUTES: Final = {
    "DisplayName": "display_name",
    "ContentBasedDeduplication": "content_based_deduplication",
    "FifoThroughputScope": "throughput_scope",
    "MaximumMessageSize": "maximum_message_size",
    "SignatureVersion": "signature_version",
    "DeliveryPolicy": "delivery_policy",
}
_FIFO_ONLY: Final = ("ContentBasedDeduplication", "FifoThroughputScope")


def change_topic(settings: TopicSettings, name: str, value: str, *, is_fifo: bool) -> TopicSettings:
    """The settings with one attribute changed, given AWS's name and text."""
    field = _TOPIC_ATTRIBUTES.get(name)
    if field is None or (name in _FIFO_ONLY and not is_fifo):
        raise InvalidParameter("AttributeName")
    if field == "delivery_policy":
        return with_delivery_policy(settings, value)
    parsed: object = value
    if field == "content_based_deduplication":
        if value not in ("true", "false"):
            raise InvalidParameter(
                "Attributes Reason: ContentBasedDeduplication: Invalid value. Must be true or false."
            )
        parsed = value == "true"
    elif field == "maximum_message_size":
        parsed = int(value) if value.isascii() and value.isdigit() and len(value) < 9 else -1
    changed: dict[str, Any] = {field: parsed}
    return attrs.evolve(settings, **changed)


def with_delivery_policy(settings: TopicSettings, policy: str | Mapping[str, Any] | None) -> TopicSettings:
    """The settings with another DeliveryPolicy; none or an empty text goes back to the default."""
    if policy is None or policy == "":
        return attrs.evolve(settings, delivery_policy=None, http_policy=HttpPolicy(), allows_overrides=True)
    retries, allows_overrides, text = parse_topic_policy(policy)
    return attrs.evolve(settings, delivery_policy=text, http_policy=retries, allows_overrides=allows_overrides)


_OWNER_ACTIONS: Final = (
    "GetTopicAttributes",
    "SetTopicAttributes",
    "AddPermission",
    "RemovePermission",
    "DeleteTopic",
    "Subscribe",
    "ListSubscriptionsByTopic",
    "Publish",
)


def default_policy(arn: str, account_id: str) -> dict[str, Any]:
    """The access policy that a new topic has: whoever belongs to the owner's account."""
    return {
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [
            {
                "Sid": "__default_statement_ID",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": [f"SNS:{action}" for action in _OWNER_ACTIONS],
                "Resource": arn,
                "Condition": {"StringEquals": {"AWS:SourceOwner": account_id}},
            }
        ],
    }
