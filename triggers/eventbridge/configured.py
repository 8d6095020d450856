"""What an event bus is and who may use it; its rules and events are in `triggers.eventbridge.event_bus`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from eventbus.errors import ConfigurationError
from eventbus.iam.access import AccessPolicy
from triggers.eventbridge.errors import InvalidEventPattern, NotFound, NotValid
from triggers.eventbridge.expressions import Expression, InvalidExpression, parse_rule_schedule
from triggers.patterns.language import EVENTBRIDGE, InvalidPattern, Pattern, compile_pattern

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from triggers.eventbridge.service import EventBridge

_BUS_NAME: Final = re.compile(r"[.\-_A-Za-z0-9]{1,256}", re.ASCII)
_RULE_NAME: Final = re.compile(r"[.\-_A-Za-z0-9]{1,64}", re.ASCII)
_ARCHIVE_NAME: Final = re.compile(r"[.\-_A-Za-z0-9]{1,48}", re.ASCII)
LONGEST_DESCRIPTION: Final = 512
"""Characters (EventBridge and Scheduler API references, 2026)."""
_CONDITION: Final = {"Type", "Key", "Value"}
_ALLOWED: Final = "letters, digits, dots, hyphens and underscores"


class ConfiguredBus:
    """Identity and resource policy of an event bus; configuration needs no running bus."""

    kind = "event bus"
    send_action = "events:PutEvents"
    is_fifo = False

    def __init__(self, service: EventBridge, name: str, description: str) -> None:
        bus = service.bus
        self._service = service
        self.bus: EventBus = bus
        self.name = name
        self.description = description
        self.account_id = bus.account_id
        self.arn = f"arn:{bus.partition}:events:{bus.region}:{bus.account_id}:event-bus/{name}"
        self.label = f'eb["{name}"]'
        self.access = AccessPolicy(self.arn)
        self.created_at = bus.clock.now()
        self.tags: dict[str, str] = {}
        self.is_deleted = False

    def rule_arn(self, rule: str) -> str:
        """The ARN that a rule of this name has."""
        on = "" if self.name == "default" else f"{self.name}/"
        return f"arn:{self.bus.partition}:events:{self.bus.region}:{self.account_id}:rule/{on}{rule}"

    @property
    def policy(self) -> dict[str, Any] | None:
        """The resource policy as a plain document, or None."""
        return self.access.document

    def set_policy(self, document: str | Mapping[str, Any] | None) -> None:
        """Replace the resource policy; None removes it. Raises MalformedPolicy, with nothing changed."""
        if self.bus.caller() is not None:  # the owner always may: what denies everything can be taken back
            self.may("events:PutPermission")
        self.access.set(document)

    def may(self, action: str) -> None:
        """Refuse a caller who may not do this with the event bus."""
        self.bus.authorize(action, self.arn, self.access, self.label)

    def allow(self, source: Any, actions: str | Iterable[str] = "events:PutEvents") -> None:
        """Add a statement to the policy that lets a source (a rule, a function, a role, an ARN) put events in."""
        if self.bus.caller() is not None:
            self.may("events:PutPermission")
        self.access.allow(source, actions)

    def put_permission(
        self,
        statement_id: str,
        principal: str,
        *,
        action: str = "events:PutEvents",
        condition: Mapping[str, str] | None = None,
    ) -> None:
        """Let an account, or `"*"`, put events in: PutPermission. The same id replaces the statement.

        `condition` is `{"Type": "StringEquals", "Key": "aws:PrincipalOrgID", "Value": ...}`.
        """
        self.may("events:PutPermission")
        if not re.fullmatch(r"[a-zA-Z0-9-_]{1,64}", str(statement_id)):
            raise NotValid(f"StatementId {statement_id!r} is not valid", mend="1 to 64 letters, digits, - and _")
        if principal != "*" and not re.fullmatch(r"\d{12}", str(principal)):
            raise NotValid(f"Principal {principal!r} is not valid", mend='give an account id, or "*"')
        named = principal if principal == "*" else {"AWS": f"arn:aws:iam::{principal}:root"}
        statement: dict[str, Any] = {"Sid": statement_id, "Effect": "Allow", "Principal": named, "Action": action}
        statement["Resource"] = self.arn
        if condition is not None:
            given: object = condition
            if not isinstance(given, Mapping) or given.keys() != _CONDITION:
                raise NotValid("Parameter Condition is not valid.", mend="it has Type, Key and Value, and nothing else")
            statement["Condition"] = {condition["Type"]: {condition["Key"]: condition["Value"]}}
        kept = [s for s in self._statements() if s.get("Sid") != statement_id]
        self.access.set({"Version": "2012-10-17", "Statement": [*kept, statement]})

    def remove_permission(self, statement_id: str | None = None, *, remove_all_permissions: bool = False) -> None:
        """Take back a statement, or all of them: RemovePermission. Raises NotFound."""
        self.may("events:RemovePermission")
        if remove_all_permissions:
            self.access.set(None)
            return
        kept = [s for s in self._statements() if s.get("Sid") != statement_id]
        if len(kept) == len(self._statements()):
            raise NotFound("Statement with the provided id does not exist.")
        self.access.set({"Version": "2012-10-17", "Statement": kept} if kept else None)

    def _statements(self) -> list[dict[str, Any]]:
        statements = (self.policy or {}).get("Statement", [])
        return [statements] if isinstance(statements, dict) else list(statements)

    def describe(self) -> dict[str, Any]:
        """The event bus in boto3's shape: DescribeEventBus."""
        document: dict[str, Any] = {"Name": self.name, "Arn": self.arn, "CreationTime": self.created_at}
        if self.description:
            document["Description"] = self.description
        if self.access.policy is not None:
            document["Policy"] = self.access.policy.text
        return document

    @staticmethod
    def unknown(name: str) -> NotFound:
        """AWS's error for an event bus that isn't there."""
        return NotFound(f"Event bus {name} does not exist.")


def check_bus_name(name: str) -> str:
    """A name that a custom event bus can have; names with a slash are for partners."""
    return _checked(name, _BUS_NAME, "EventBusName", 256)


def check_rule_name(name: str) -> str:
    """A name that a rule can have."""
    return _checked(name, _RULE_NAME, "Name", 64)


def check_archive(name: object, retention_days: object) -> None:
    """Refuse a name, or a retention, that an archive cannot have."""
    _checked(name, _ARCHIVE_NAME, "ArchiveName", 48)
    if isinstance(retention_days, bool) or not isinstance(retention_days, int) or retention_days < 0:
        raise NotValid(f"Parameter RetentionDays is not valid: {retention_days!r}.", mend="0 keeps events for good")


def check_description(description: object) -> str:
    """A description that anything of EventBridge can have."""
    if not isinstance(description, str) or len(description) > LONGEST_DESCRIPTION:
        raise NotValid(
            f"1 validation error detected: Value {description!r} at 'description' failed to satisfy constraint: Member "
            f"must have length less than or equal to {LONGEST_DESCRIPTION}"
        )
    return description


def check_replay_name(name: str) -> str:
    """A name that a replay can have."""
    return _checked(name, _RULE_NAME, "ReplayName", 64)


def _checked(name: object, pattern: re.Pattern[str], parameter: str, longest: int) -> str:
    if not isinstance(name, str) or not pattern.fullmatch(name):
        raise NotValid(f"Parameter {parameter} is not valid: {name!r}.", mend=f"1 to {longest} {_ALLOWED} are accepted")
    return name


def compiled(pattern: str | Mapping[str, Any]) -> Pattern:
    """Compile an event pattern, or raise InvalidEventPattern with AWS's text."""
    if not isinstance(pattern, str | Mapping):
        raise ConfigurationError(f"{pattern!r} is no event pattern; one is a mapping or the JSON text of one")
    try:
        return compile_pattern(pattern, EVENTBRIDGE)
    except InvalidPattern as error:
        raise InvalidEventPattern(error.reason) from None


def parsed_schedule(expression: str) -> Expression:
    """Read the schedule of a rule, or raise NotValid with AWS's text."""
    try:
        return parse_rule_schedule(expression)
    except InvalidExpression as error:
        raise NotValid("Parameter ScheduleExpression is not valid.", mend=str(error)) from None
