"""Why did nothing happen? Every rule of an event bus, and whether and why it sends an event on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from triggers.eventbridge.rule import Rule
    from triggers.eventbridge.rule_targets import RuleTarget
    from triggers.eventbridge.ruled import RuledBus


def explain(event_bus: RuledBus, event: dict[str, Any]) -> str:
    """One line for every rule, in the order of putting, and one below it for every target that is in reach."""
    if not event_bus.rules:
        return f"{event_bus.label} has no rules."
    return "\n".join(line for rule in event_bus.rules for line in _of_rule(rule, event))


def _of_rule(rule: Rule, event: dict[str, Any]) -> Iterator[str]:
    pattern = rule.settings.pattern
    if not rule.is_enabled:
        yield f"{rule.name}: is disabled; call {rule.label}.enable()."
    elif pattern is None:
        yield f"{rule.name}: has a schedule and no event pattern."
    elif not pattern.matches(event):
        yield f"{rule.name}: does not match: {pattern.explain(event)}"
    elif not rule.targets:
        yield f"{rule.name}: matches, but has no targets; call {rule.label}.target(...)."
    else:
        yield f"{rule.name}: matches."
        for target in rule.targets:
            yield f"  {target.id}: {_of_target(rule, target)}"


def _of_target(rule: Rule, target: RuleTarget) -> str:
    bus = rule.event_bus.bus
    resource = bus.find(target.arn)
    if resource is None:
        return f"can't get it: {target.arn} does not exist on this bus."
    if bus.may_send(target.source, resource).is_allowed:
        return "gets it."
    call = f"{resource.label}.allow({rule.label})"
    if target.role is not None:
        call = f"role.allow({resource.send_action!r}, {resource.label})"
    return f"can't get it: the rule may not send there; call {call}."
