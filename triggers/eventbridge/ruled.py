"""The rules of an event bus; what is put in and sent on is in `triggers.eventbridge.event_bus`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from eventbus.delivery.targets import Source
from eventbus.errors import ConfigurationError
from eventbus.functions.configuration import handler_name
from eventbus.iam.roles import Role
from triggers.eventbridge import configured
from triggers.eventbridge.configured import ConfiguredBus
from triggers.eventbridge.errors import AlreadyExists, LimitExceeded, NotValid
from triggers.eventbridge.rule import Rule, RuleDelivery, RuleSettings, checked_state, unknown_rule
from triggers.eventbridge.rule_targets import parse_target, target_document
from triggers.patterns.index import PatternIndex

if TYPE_CHECKING:
    from eventbus.functions.function import Function
    from triggers.eventbridge.service import EventBridge

MOST_RULES: Final = 300
"""Rules of an event bus (EventBridge quotas, 2026)."""

_NOBODY: Final = Source("events.amazonaws.com", None, None, "")
"""Stands for a rule that is yet to be put."""


def _nobody(role: Role, target_id: str) -> Source:
    return _NOBODY


class RuledBus(ConfiguredBus, ABC):
    """An event bus with its rules."""

    def __init__(self, service: EventBridge, name: str, description: str = "") -> None:
        super().__init__(service, name, description)
        self._rules: dict[str, Rule] = {}
        self._index: PatternIndex[Rule] = PatternIndex()

    @abstractmethod
    def tick(self, rule: Rule, due_at: float) -> None:
        """The schedule of a rule is due."""

    @abstractmethod
    def deliver(self, delivery: RuleDelivery) -> None:
        """Send an event on to one target."""

    @abstractmethod
    def resume(self, rule: Rule, target_id: str) -> None:
        """Take up what earlier processes had on the way to a target that was declared again."""

    def put_rule(
        self,
        name: str,
        *,
        event_pattern: str | Mapping[str, Any] | None = None,
        schedule: str | None = None,
        state: str = "ENABLED",
        description: str = "",
    ) -> Rule:
        """Make a rule, or replace all of it but its targets: PutRule.

        It needs an `event_pattern` (a mapping or JSON text), or on the default event bus a `schedule`
        (`"rate(5 minutes)"`, `"cron(0 3 * * ? *)"`, in UTC), or both. Raises NotValid, InvalidEventPattern or
        LimitExceeded with AWS's text, with nothing changed.
        """
        if self.is_deleted:
            raise self.unknown(self.name)
        arn = self.rule_arn(configured.check_rule_name(name))
        self.bus.authorize("events:PutRule", arn, None, f'"{arn}"')
        settings = self._settings(event_pattern, schedule, state, description)
        rule = self._rules.get(name)
        if rule is None:
            if len(self._rules) >= MOST_RULES:
                raise LimitExceeded(mend=f"an event bus has at most {MOST_RULES} rules")
            rule = self._rules[name] = Rule(self, name, settings)
        self.change_rule(rule, settings)
        return rule

    def _settings(
        self, pattern: str | Mapping[str, Any] | None, schedule: str | None, state: str, description: str
    ) -> RuleSettings:
        if pattern is None and schedule is None:
            raise NotValid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
        if schedule is not None and self.name != "default":
            raise NotValid("ScheduleExpression is supported only on the default event bus.")
        return RuleSettings(
            pattern=None if pattern is None else configured.compiled(pattern),
            schedule=None if schedule is None else configured.parsed_schedule(schedule),
            schedule_expression=schedule,
            state=checked_state(state),
            description=configured.check_description(description),
        )

    def change_rule(self, rule: Rule, settings: RuleSettings) -> None:
        """Take notice of a rule's new settings."""
        if rule in self._index:
            self._index.remove(rule)
        if settings.pattern is not None and settings.state != "DISABLED":
            self._index.add(rule, settings.pattern)
        rule.changed(settings)

    def rule(self, name: str) -> Rule:
        """Find a rule by its name. Raises NotFound."""
        if (found := self._rules.get(name)) is None:
            raise unknown_rule(name, self.name)
        return found

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules, in the order of putting."""
        return tuple(self._rules.values())

    def list_rules(self, name_prefix: str = "") -> list[dict[str, Any]]:
        """The rules in boto3's shape: ListRules."""
        return [rule.describe() for rule in self._rules.values() if rule.name.startswith(name_prefix)]

    def list_rule_names_by_target(self, target: object) -> list[str]:
        """The names of the rules that send to a target, an object or its ARN: ListRuleNamesByTarget."""
        arn = target if isinstance(target, str) else self.bus.resource(target).arn
        return [rule.name for rule in self._rules.values() if any(t.arn == arn for t in rule.targets)]

    def delete_rule(self, rule: Rule | str) -> None:
        """Delete a rule, given it or its name: DeleteRule. An unknown one is fine.

        Raises NotValid while the rule has targets.
        """
        name = rule if isinstance(rule, str) else rule.name
        arn = self.rule_arn(name)
        self.bus.authorize("events:DeleteRule", arn, None, f'"{arn}"')
        doomed = self._rules.get(name)
        if doomed is None or (isinstance(rule, Rule) and doomed is not rule):
            return
        if doomed.targets:
            raise NotValid(
                "Rule can't be deleted since it has targets.", mend="call rule.remove_targets([...]) with their ids"
            )
        self._forget(doomed)

    def _forget(self, rule: Rule) -> None:
        del self._rules[rule.name]
        if rule in self._index:
            self._index.remove(rule)
        rule.close()

    def enable_rule(self, name: str) -> None:
        """EnableRule. Raises NotFound."""
        self.rule(name).enable()

    def disable_rule(self, name: str) -> None:
        """DisableRule. Raises NotFound."""
        self.rule(name).disable()

    def describe_rule(self, name: str) -> dict[str, Any]:
        """DescribeRule, in boto3's shape. Raises NotFound."""
        return self.rule(name).describe()

    def put_targets(self, rule: str, targets: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """PutTargets, in boto3's shape; `rule.target(...)` is friendlier. Raises NotFound, NotValid, LimitExceeded."""
        return self.rule(rule).put_targets(targets)

    def remove_targets(self, rule: str, ids: Iterable[str]) -> dict[str, Any]:
        """RemoveTargets. Raises NotFound."""
        return self.rule(rule).remove_targets(ids)

    def list_targets_by_rule(self, rule: str) -> list[dict[str, Any]]:
        """ListTargetsByRule, in boto3's shape. Raises NotFound."""
        return self.rule(rule).list_targets()

    def on(
        self,
        pattern: str | Mapping[str, Any] | None = None,
        *,
        schedule: str | None = None,
        rule: str | None = None,
        input: Any = None,  # noqa: A002 - AWS's name
        input_path: str | None = None,
        input_transformer: Mapping[str, Any] | None = None,
        dead_letter: object = None,
        maximum_retry_attempts: int = 185,
        maximum_event_age: int = 86_400,
        **function_options: Any,
    ) -> Callable[[Callable[[Any, Any], Any]], Function]:
        """Make the decorated handler a function, put a rule for it, let the rule invoke it, and make it the target.

            @event_bus.on({"source": ["shop.orders"], "detail": {"total": [{"numeric": [">", 100]}]}})
            async def big_order(event, context): ...

        `rule` is the rule's name, by default the function's. `function_options` are those of `bus.function`. Raises
        what `put_rule` and `rule.target` raise, and AlreadyExists for a rule that is there; no function is made then.
        """
        if callable(pattern):
            raise ConfigurationError('on() takes the pattern first: write @event_bus.on({"source": ["my.app"]})')
        self._settings(pattern, schedule, "ENABLED", "")

        def declare(handler: Callable[[Any, Any], Any]) -> Function:
            name = configured.check_rule_name(rule or function_options.get("name") or handler_name(handler))
            if name in self._rules:
                raise AlreadyExists(f"Rule {name} already exists.", mend="choose another name with rule=...")
            # Everything that can be wrong with the target is found out before the function exists.
            arn = f"arn:{self.bus.partition}:lambda:{self.bus.region}:{self.account_id}:function:{name}"
            dead_letter_arn = None if dead_letter is None else self.bus.resource(dead_letter).arn
            options: dict[str, Any] = {
                "input": input,
                "input_path": input_path,
                "input_transformer": input_transformer,
                "maximum_retry_attempts": maximum_retry_attempts,
                "maximum_event_age": maximum_event_age,
            }
            parse_target(target_document(arn, dead_letter_arn=dead_letter_arn, **options), _NOBODY, _nobody)
            function: Function = self.bus.function(**function_options)(handler)
            made = self.put_rule(name, event_pattern=pattern, schedule=schedule)
            made.target(function, grant=True, dead_letter=dead_letter, **options)
            return function

        return declare
