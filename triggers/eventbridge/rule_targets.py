"""The targets of a rule: what PutTargets takes, and how each of them is delivered to."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from eventbus.arn import is_arn
from eventbus.delivery.payload import as_text, encode
from eventbus.delivery.targets import Source
from eventbus.errors import ConfigurationError
from eventbus.iam.roles import Role
from triggers.eventbridge.delivery import Route
from triggers.eventbridge.errors import NotValid
from triggers.eventbridge.events import BusEvent
from triggers.eventbridge.paths import MISSING, JSONPath, parse_path
from triggers.eventbridge.retrying import RetryPolicy
from triggers.eventbridge.transforming import Input, WholeEvent, json_text, parse_input

_ID: Final = re.compile(r"[.\-_A-Za-z0-9]{1,64}", re.ASCII)
_SERVICES: Final = {
    "lambda": "function",
    "sqs": "queue",
    "sns": "topic",
    "events": "event bus",
    "kinesis": "stream",
}
_KEYS: Final = {
    "Id", "Arn", "RoleArn", "Input", "InputPath", "InputTransformer", "RetryPolicy", "DeadLetterConfig",
    "SqsParameters", "KinesisParameters",
}  # fmt: skip
_INNER: Final = {
    "InputTransformer": {"InputPathsMap", "InputTemplate"},
    "RetryPolicy": {"MaximumRetryAttempts", "MaximumEventAgeInSeconds"},
    "DeadLetterConfig": {"Arn"},
    "SqsParameters": {"MessageGroupId"},
    "KinesisParameters": {"PartitionKeyPath"},
}
_ONLY: Final = {"SqsParameters": ("queue", "group_id"), "KinesisParameters": ("stream", "partition_key_path")}


@attrs.frozen(eq=False)
class RuleTarget:
    """One target of a rule, as a frozen value."""

    id: str
    arn: str
    source: Source
    """Who sends: the rule itself, or the role that it assumes."""
    input: Input = attrs.field(factory=WholeEvent)
    retry_policy: RetryPolicy = attrs.field(factory=RetryPolicy)
    dead_letter_arn: str | None = None
    role: Role | None = None
    group_id: str | None = None
    partition_key_path: JSONPath | None = None

    def __repr__(self) -> str:
        return f"<RuleTarget {self.id}: {self.arn}>"

    def route(self, event: BusEvent) -> Route:
        """Where an event goes from here."""
        return Route(
            self.arn,
            self.source,
            self.retry_policy,
            self.dead_letter_arn,
            self.group_id,
            self._partition_key(event) if ":kinesis:" in self.arn else None,
        )

    def _partition_key(self, event: BusEvent) -> str:
        """By default the event's id, as on AWS."""
        if self.partition_key_path is None:
            return event.id
        found = self.partition_key_path.find(event.document)
        return found if isinstance(found, str) else as_text(encode("" if found is MISSING else found))

    def as_document(self) -> dict[str, Any]:
        """The target in boto3's shape."""
        document: dict[str, Any] = {"Id": self.id, "Arn": self.arn}
        if self.role is not None:
            document["RoleArn"] = self.role.arn
        document |= self.input.as_document()
        if self.group_id is not None:
            document["SqsParameters"] = {"MessageGroupId": self.group_id}
        if self.partition_key_path is not None:
            document["KinesisParameters"] = {"PartitionKeyPath": self.partition_key_path.text}
        if self.dead_letter_arn is not None:
            document["DeadLetterConfig"] = {"Arn": self.dead_letter_arn}
        if self.retry_policy != RetryPolicy():
            document["RetryPolicy"] = self.retry_policy.as_document()
        return document


def kind_of(arn: str) -> str:
    """What an ARN is one of, in the engine's words. Raises NotValid for what cannot be a target."""
    service = arn.split(":")[2] if is_arn(arn) else ""
    if service not in _SERVICES:
        raise NotValid(
            f"Parameter {arn} is not valid. Reason: Provided Arn is not in correct format.",
            mend="targets are functions, queues, topics, event buses and streams",
        )
    return _SERVICES[service]


def default_id(arn: str) -> str:
    """What a target is called that has no id: `orders` for a queue, `f-prod` for the alias of a function."""
    resource = arn.removesuffix(":$LATEST").split(":", 5)[-1]
    for kind in ("function:", "event-bus/", "stream/"):
        resource = resource.removeprefix(kind)
    return re.sub(r"[^.\-_A-Za-z0-9]", "-", resource)[:64]


def target_document(
    arn: str,
    *,
    id: str | None = None,  # noqa: A002 - AWS's name
    input: Any = None,  # noqa: A002 - AWS's name
    input_path: str | None = None,
    input_transformer: Mapping[str, Any] | None = None,
    dead_letter_arn: str | None = None,
    maximum_retry_attempts: int = 185,
    maximum_event_age: int = 86_400,
    group_id: str | None = None,
    partition_key_path: str | None = None,
) -> dict[str, Any]:
    """What `rule.target(...)` is told, in the shape that PutTargets takes."""
    document: dict[str, Any] = {
        "Id": id or default_id(arn),
        "Arn": arn,
        "Input": json_text(input),
        "InputPath": input_path,
        "InputTransformer": input_transformer,
        "RetryPolicy": {
            "MaximumRetryAttempts": maximum_retry_attempts,
            "MaximumEventAgeInSeconds": maximum_event_age,
        },
        "DeadLetterConfig": None if dead_letter_arn is None else {"Arn": dead_letter_arn},
        "SqsParameters": None if group_id is None else {"MessageGroupId": group_id},
        "KinesisParameters": None if partition_key_path is None else {"PartitionKeyPath": partition_key_path},
    }
    return {key: value for key, value in document.items() if value is not None}


def parse_target(
    document: Mapping[str, Any], rule: Source, assumed: Callable[[Role, str], Source], role: Role | None = None
) -> RuleTarget:
    """Read one target of PutTargets, in boto3's shape. `assumed` gives the sender that acts as a role.

    Raises NotValid with AWS's text where it is known.
    """
    _check_shape(document)
    target_id, arn = document.get("Id"), document.get("Arn")
    if not isinstance(target_id, str) or not _ID.fullmatch(target_id):
        raise NotValid(
            f"1 validation error detected: Value '{target_id}' at 'targets.1.member.id' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+",
            mend="an Id has 1 to 64 letters, digits, dots, hyphens and underscores",
        )
    if not isinstance(arn, str):
        raise NotValid(f"Parameter Arn of target {target_id} is not valid.", mend="give it the ARN of the target")
    kind = kind_of(arn)
    _check_kind(document, target_id, arn, kind)
    chosen = _role_of(document, target_id, arn, kind, role)
    return RuleTarget(
        id=target_id,
        arn=arn.removesuffix(":$LATEST"),
        source=rule if chosen is None else assumed(chosen, target_id),
        input=parse_input(target_id, document),
        retry_policy=_retry_policy(document),
        dead_letter_arn=_dead_letter(document),
        role=chosen,
        group_id=(document.get("SqsParameters") or {}).get("MessageGroupId"),
        partition_key_path=_partition_key_path(document),
    )


def _check_shape(document: object) -> None:
    """Refuse what is misspelt: a dead-letter queue that isn't there would show when events are lost."""
    if not isinstance(document, Mapping) or not document.keys() <= _KEYS:
        raise NotValid(
            f"Target is not valid: {document!r}", mend=f"a target is a mapping of {', '.join(sorted(_KEYS))}"
        )
    for name, keys in _INNER.items():
        value = document.get(name)
        if value is not None and not (isinstance(value, Mapping) and value.keys() <= keys):
            raise NotValid(
                f"Parameter {name} is not valid: {value!r}.", mend=f"it is a mapping of {', '.join(sorted(keys))}"
            )


def _check_kind(document: Mapping[str, Any], target_id: str, arn: str, kind: str) -> None:
    is_fifo = arn.endswith(".fifo")
    for name, (only, option) in _ONLY.items():
        if document.get(name) is None:
            continue
        if kind != only:
            raise NotValid(
                f"Parameter(s) {name} not valid for target: {target_id}.",
                mend=f"{option}= is for a {only}",
            )
        if not all(isinstance(value, str) for value in document[name].values()):
            raise NotValid(f"Parameter {name} is not valid: {document[name]!r}.", mend=f"{option}= is a text")
    if kind == "queue" and is_fifo and not (document.get("SqsParameters") or {}).get("MessageGroupId"):
        raise NotValid(f"Parameter(s) SqsParameters must be specified for target: {target_id}.", mend="pass group_id=")
    if kind == "topic" and is_fifo:
        raise NotValid(f"Topic {arn} is a FIFO topic, which is not supported as target {target_id}.")
    if kind == "event bus" and any(key in document for key in ("Input", "InputPath", "InputTransformer")):
        raise NotValid(f"Target {target_id} is an event bus, which takes the event as it is.")


def _role_of(document: Mapping[str, Any], target_id: str, arn: str, kind: str, role: Role | None) -> Role | None:
    named = document.get("RoleArn")
    given: object = role
    if given is not None and not isinstance(given, Role):
        raise ConfigurationError(f'role={given!r}: a role is needed, such as bus.roles["..."]')
    if kind == "function":
        return None  # EventBridge invokes functions by their resource policy, whatever the target says
    if role is None and named is not None:
        raise NotValid(
            f"RoleArn {named} of target {target_id} is not known here", mend="pass role=Role(...) to rule.target"
        )
    if kind == "stream" and role is None:
        raise NotValid(f"RoleArn is required for target {arn}.", mend="pass role=Role(...), or grant=True")
    if role is not None and not role.can_be_assumed_by("events.amazonaws.com"):
        raise NotValid(
            f"Provided role {role.arn!r} cannot be assumed by principal 'events.amazonaws.com'.",
            mend="give it a trust_policy that lets events.amazonaws.com assume it",
        )
    return role


def _retry_policy(document: Mapping[str, Any]) -> RetryPolicy:
    given = document.get("RetryPolicy") or {}
    policy = RetryPolicy(
        given.get("MaximumRetryAttempts", RetryPolicy().maximum_retry_attempts),
        given.get("MaximumEventAgeInSeconds", RetryPolicy().maximum_event_age),
    )
    if (problem := policy.problem()) is not None:
        raise NotValid(f"Parameter RetryPolicy is not valid. Reason: {problem}.")
    return policy


def _dead_letter(document: Mapping[str, Any]) -> str | None:
    arn = (document.get("DeadLetterConfig") or {}).get("Arn")
    if arn is not None and (not is_arn(arn) or kind_of(arn) != "queue" or arn.endswith(".fifo")):
        raise NotValid(
            f"Parameter DeadLetterConfig.Arn is not valid. Reason: {arn} is not the ARN of a standard queue.",
            mend="give the ARN of a standard queue",
        )
    return None if arn is None else str(arn)


def _partition_key_path(document: Mapping[str, Any]) -> JSONPath | None:
    text = (document.get("KinesisParameters") or {}).get("PartitionKeyPath")
    if text is None:
        return None
    try:
        return parse_path(text)
    except ValueError as error:
        raise NotValid("Parameter PartitionKeyPath is not valid.", mend=str(error)) from None
