"""A rule: which events of its event bus, or which instants, reach which targets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from eventbus.clock import Timer
from eventbus.delivery.payload import Encoded
from eventbus.delivery.targets import Source
from eventbus.iam.roles import Role
from eventbus.telemetry.trace import Cause
from triggers.eventbridge.delivery import Route, TargetDelivery
from triggers.eventbridge.errors import LimitExceeded, NotFound, NotValid
from triggers.eventbridge.events import BusEvent
from triggers.eventbridge.expressions import Expression, next_after
from triggers.eventbridge.rule_targets import RuleTarget, kind_of, parse_target, target_document
from triggers.keeping import as_row
from triggers.patterns.language import Pattern

if TYPE_CHECKING:
    from triggers.eventbridge.ruled import RuledBus

PRINCIPAL: Final = "events.amazonaws.com"
MOST_TARGETS: Final = 5
"""Targets of a rule (EventBridge quotas, 2026)."""


@attrs.frozen
class RuleSettings:
    """What PutRule sets."""

    pattern: Pattern | None = None
    schedule: Expression | None = None
    schedule_expression: str | None = None
    state: str = "ENABLED"
    description: str = ""


def _unknown_role(arn: str) -> None:
    """Roles have no names here unless somebody keeps them: `rule.target(..., role=Role(...))` takes the object."""


class Rule:
    """A rule of an event bus, made by `put_rule`. As a source it can be allowed: `queue.allow(rule)`."""

    principal = PRINCIPAL

    def __init__(self, event_bus: RuledBus, name: str, settings: RuleSettings) -> None:
        self.event_bus = event_bus
        self._bus = event_bus.bus
        self.name = name
        self.arn = event_bus.rule_arn(name)
        self.account_id = event_bus.account_id
        self.label = f'{event_bus.label}.rule("{name}")'
        self.source = Source(PRINCIPAL, self.arn, self.account_id, self.label)
        self.settings = settings
        self.is_deleted = False
        self.tags: dict[str, str] = {}
        self._targets: dict[str, RuleTarget] = {}
        self._role: Role | None = None
        self._timer: Timer | None = None
        self._since = self._bus.clock.now()
        """When the schedule was switched on: a rate counts from there."""

    def __repr__(self) -> str:
        return f"<Rule {self.name}: {self.settings.state}, {len(self._targets)} targets>"

    @property
    def is_enabled(self) -> bool:
        return self.settings.state != "DISABLED"

    @property
    def targets(self) -> tuple[RuleTarget, ...]:
        """The targets, in the order of putting."""
        return tuple(self._targets.values())

    @property
    def next_at(self) -> float | None:
        """When its schedule is due next; None without one, and while the rule is disabled."""
        if self.settings.schedule is None or not self.is_enabled:
            return None
        return next_after(self.settings.schedule, self._bus.clock.now(), since=self._since)

    # -- targets ------------------------------------------------------------------------------------------------------

    def target(
        self,
        target: object,
        *,
        id: str | None = None,  # noqa: A002 - AWS's name
        input: Any = None,  # noqa: A002 - AWS's name
        input_path: str | None = None,
        input_transformer: Mapping[str, Any] | None = None,
        role: Role | None = None,
        grant: bool = False,
        dead_letter: object = None,
        maximum_retry_attempts: int = 185,
        maximum_event_age: int = 86_400,
        group_id: str | None = None,
        partition_key_path: str | None = None,
    ) -> RuleTarget:
        """Send what the rule matches to a function, queue, topic, event bus or stream (object or ARN).

        - `input`: send this instead of the event, a JSON value or the JSON text of one; `input_path`: only the part at
          this JSONPath; `input_transformer`: `{"InputPathsMap": {name: path}, "InputTemplate": text}`.
        - `dead_letter`: the standard queue that takes what cannot be delivered, after `maximum_retry_attempts` (0 to
          185) within `maximum_event_age` seconds (60 to 86,400).
        - `role`: what the rule acts as; streams need one. Everything else lets the rule in by its resource policy.
        - `grant`: add the permissions that the delivery needs. Without them AWS lets the target pass, and so do we:
          every delivery fails then, so a warning in the log names the mending call.
        - `group_id`: for FIFO queues. `partition_key_path`: for streams; by default the event's id.

        Without an `id` the target is called after what it is; the same id replaces the target. Raises NotValid, or
        LimitExceeded for the sixth, with nothing changed.
        """
        arn = self._arn(target)
        if role is None and grant and kind_of(arn) == "stream":
            role = self._own_role()
        document = target_document(
            arn,
            id=id,
            input=input,
            input_path=input_path,
            input_transformer=input_transformer,
            dead_letter_arn=None if dead_letter is None else self._arn(dead_letter),
            maximum_retry_attempts=maximum_retry_attempts,
            maximum_event_age=maximum_event_age,
            group_id=group_id,
            partition_key_path=partition_key_path,
        )
        chosen = parse_target(document, self.source, self._assumed, role)
        self._put([chosen], grant=grant)
        return chosen

    def _arn(self, resource: object) -> str:
        return resource if isinstance(resource, str) else self._bus.resource(resource).arn

    def put_targets(
        self, targets: Iterable[Mapping[str, Any]], *, find_role: Callable[[str], Role | None] = _unknown_role
    ) -> dict[str, Any]:
        """Add or replace targets, in boto3's shape: PutTargets. All of them or, on an error, none.

        `find_role` gives the role of a target's RoleArn. Raises NotValid or LimitExceeded.
        """
        given: object = targets
        if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
            raise NotValid("Parameter Targets is not valid.", mend=f"give a list of targets, not {given!r}")
        chosen = [parse_target(target, self.source, self._assumed, find_role(_role_arn(target))) for target in targets]
        if not chosen:
            raise NotValid("Parameter Targets is not valid.", mend="give at least one target")
        self._put(chosen, grant=False)
        return {"FailedEntryCount": 0, "FailedEntries": []}

    def remove_targets(self, ids: Iterable[str]) -> dict[str, Any]:
        """Remove targets by their ids: RemoveTargets. What is under way to them is not delivered any more."""
        given: object = ids
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise NotValid("Parameter Ids is not valid.", mend=f"give a list of ids, not {given!r}")
        self._allowed("events:RemoveTargets")
        failed = [
            {"TargetId": id, "ErrorCode": "ResourceNotFoundException", "ErrorMessage": f"Target {id} does not exist."}
            for id in ids  # noqa: A001 - AWS's name
            if self._targets.pop(id, None) is None
        ]
        return {"FailedEntryCount": len(failed), "FailedEntries": failed}

    def list_targets(self) -> list[dict[str, Any]]:
        """The targets in boto3's shape: ListTargetsByRule."""
        return [target.as_document() for target in self._targets.values()]

    def _put(self, targets: list[RuleTarget], *, grant: bool) -> None:
        if self.is_deleted:
            raise unknown_rule(self.name, self.event_bus.name)
        self._allowed("events:PutTargets")
        if len(self._targets.keys() | {target.id for target in targets}) > MOST_TARGETS:
            raise LimitExceeded(mend=f"a rule has at most {MOST_TARGETS} targets; put another rule")
        for target in targets:
            self._permit(target, grant=grant)
            self._targets[target.id] = target
            self.event_bus.resume(self, target.id)

    def _allowed(self, action: str) -> None:
        self._bus.authorize(action, self.arn, None, self.label)

    def _assumed(self, role: Role, target_id: str) -> Source:
        # A sender that the bus knows by its principal is found again when a store brings back what it sent.
        source = self._bus.sender(str(role.session(self.name)), None, None, f"{self.label}.role", None)
        source.role = role
        return source

    @property
    def role(self) -> Role | None:
        """The role that `grant=True` has made for the rule's streams."""
        return self._role

    def _own_role(self) -> Role:
        if self._role is None:
            trust = {"Effect": "Allow", "Principal": {"Service": PRINCIPAL}, "Action": "sts:AssumeRole"}
            self._role = Role(
                f"{self.name[:50]}-events",
                self.account_id,
                trust_policy={"Version": "2012-10-17", "Statement": [trust]},
            )
        return self._role

    def _permit(self, target: RuleTarget, *, grant: bool) -> None:
        """Add the permissions that delivering needs, or warn about those that are missing."""
        for arn in (target.arn, target.dead_letter_arn):
            resource = None if arn is None else self._bus.find(arn)
            if resource is None:
                if arn is not None:
                    self._bus.log.warning("target_missing", rule=self.arn, target=arn)
                continue
            if self._bus.may_send(target.source, resource).is_allowed:
                continue
            allows = f"{resource.label}.allow({self.label})"
            if target.role is not None:
                allows = f"role.allow({resource.send_action!r}, {resource.label})"
            if not grant:
                mend = f"call {allows} or pass grant=True"
                self._bus.log.warning("target_not_permitted", rule=self.arn, target=resource.arn, mend=mend)
            elif target.role is not None:
                target.role.allow(resource.send_action, resource)
            else:
                resource.allow(self)

    # -- state --------------------------------------------------------------------------------------------------------

    def enable(self) -> None:
        """Match events and keep the schedule again: EnableRule."""
        self._set_state("ENABLED", "events:EnableRule")

    def disable(self) -> None:
        """Neither match events nor keep the schedule: DisableRule."""
        self._set_state("DISABLED", "events:DisableRule")

    def _set_state(self, state: str, action: str) -> None:
        if self.is_deleted:
            raise unknown_rule(self.name, self.event_bus.name)
        self._allowed(action)
        self.event_bus.change_rule(self, attrs.evolve(self.settings, state=state))

    def delete(self) -> None:
        """Delete the rule, which must have no targets: DeleteRule. Raises NotValid."""
        self.event_bus.delete_rule(self)

    def describe(self) -> dict[str, Any]:
        """The rule in boto3's shape: DescribeRule."""
        settings = self.settings
        document = {"Name": self.name, "Arn": self.arn}
        if settings.pattern is not None:
            document["EventPattern"] = json.dumps(settings.pattern.document, ensure_ascii=False, separators=(",", ":"))
        if settings.schedule_expression is not None:
            document["ScheduleExpression"] = settings.schedule_expression
        document["State"] = settings.state
        if settings.description:
            document["Description"] = settings.description
        return document | {"EventBusName": self.event_bus.name, "CreatedBy": self.account_id}

    def changed(self, settings: RuleSettings) -> None:
        """Called by the event bus: the rule was put again, enabled or disabled."""
        is_same_schedule = self.is_enabled and settings.schedule == self.settings.schedule
        self.settings = settings
        if not is_same_schedule:
            self._since = self._bus.clock.now()
        self.arm()

    def close(self) -> None:
        """Called by the event bus when the rule is deleted."""
        self.is_deleted = True
        self._targets.clear()
        self._disarm()

    # -- at work ------------------------------------------------------------------------------------------------------

    def arm(self) -> None:
        """Wait for the next instant of the schedule, if the bus runs and the rule is enabled."""
        self._disarm()
        due_at = self.next_at
        if due_at is not None and self._bus.is_running:
            self._timer = self._bus.clock.call_at(due_at, self._tick, due_at)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self, due_at: float) -> None:
        self._timer = None
        if self._bus.is_running:
            self.arm()
            self.event_bus.tick(self, due_at)

    def trigger(self, event: BusEvent, cause: Cause) -> None:
        """Send an event to every target."""
        self._bus.count("TriggeredRules", self.arn)
        for target in self.targets:
            self.event_bus.deliver(
                RuleDelivery(rule=self, id=target.id, event=event, cause=cause, begun_at=self._bus.clock.now())
            )

    def find_target(self, id: str) -> RuleTarget | None:  # noqa: A002 - AWS's name
        """The target with this id, or None."""
        return self._targets.get(id)

    def reaches(self, function_arn: str) -> bool:
        """Whether what the rule sends may reach this function, by itself or through a topic or an event bus."""
        for target in self._targets.values():
            if target.arn == function_arn:
                return True
            through = getattr(self._bus.find(target.arn), "reaches", None)
            if through is not None and through(function_arn):
                return True
        return False


@attrs.define(eq=False, kw_only=True)
class RuleDelivery(TargetDelivery):
    """One event on its way from a rule to one of its targets."""

    rule: Rule
    id: str
    event: BusEvent

    @property
    def owner(self) -> Rule:
        return self.rule

    @property
    def owner_arn(self) -> str:
        return self.rule.arn

    @property
    def target_id(self) -> str:
        return self.id

    def route(self) -> Route | None:
        target = self.rule.find_target(self.id)
        return None if target is None else target.route(self.event)

    def body(self) -> Encoded:
        return cast("RuleTarget", self.rule.find_target(self.id)).input.of(self.event, self.rule.arn)

    def dead_letter_body(self) -> Encoded:
        return self.event.body

    def row(self) -> bytes:
        body = self.event.body
        is_text = isinstance(body, str)
        return as_row(
            [self.id, self.begun_at, self.event.at, is_text], body.encode() if isinstance(body, str) else body
        )


def _role_arn(target: object) -> str:
    return str(target.get("RoleArn")) if isinstance(target, Mapping) else ""


def checked_state(state: str) -> str:
    """A state that a rule can have."""
    if state not in ("ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"):
        raise NotValid(
            f"1 validation error detected: Value '{state}' at 'state' failed to satisfy constraint: Member must "
            "satisfy enum value set: [ENABLED, DISABLED, ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS]"
        )
    return state


def unknown_rule(name: str, event_bus: str) -> NotFound:
    """AWS's error for a rule that isn't there."""
    return NotFound(f"Rule {name} does not exist on EventBus {event_bus}.")
