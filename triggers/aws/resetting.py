"""What a reset takes away of the services whose resources are only configuration: all that code hasn't declared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from triggers.dynamodb import Table
    from triggers.eventbridge import Rule

_Delete = Callable[[], Any]


def names(bus: EventBus) -> set[str]:
    """ARNs of the tables, streams, event buses, rules, archives and schedules that there are; names of log groups."""
    return {arn for arn, _ in _resources(bus)} | set(bus.logs.made)


def drop(bus: EventBus, declared: set[str]) -> None:
    """Delete what is not among those."""
    for arn, delete in list(_resources(bus)):
        if arn not in declared:
            delete()
    for group in sorted(set(bus.logs.made) - declared):
        bus.logs.delete_log_group(group)


def _resources(bus: EventBus) -> Iterator[tuple[str, _Delete]]:
    """Every resource, with what deletes it; what belongs to another comes before that."""
    for service in (_tables, _streams, _events, _schedules):
        yield from service(bus)


def _tables(bus: EventBus) -> Iterator[tuple[str, _Delete]]:
    dynamodb = bus.service("DynamoDB")

    def delete(table: Table) -> None:
        table.deletion_protection = False
        dynamodb.delete_table(table)

    for table in dynamodb or ():
        yield table.arn, partial(delete, table)


def _streams(bus: EventBus) -> Iterator[tuple[str, _Delete]]:
    kinesis = bus.service("Kinesis")
    for stream in kinesis or ():
        for consumer in list(stream.consumers.values()):
            yield consumer.arn, consumer.deregister
        yield stream.arn, partial(kinesis.delete_stream, stream)


def _events(bus: EventBus) -> Iterator[tuple[str, _Delete]]:
    events = bus.service("EventBridge")
    for event_bus in events or ():
        for rule in event_bus.rules:
            yield rule.arn, partial(_delete_rule, rule)
        for archive in event_bus.archives.values():
            yield archive.arn, archive.delete
        if event_bus.name != "default":
            yield event_bus.arn, partial(events.delete_event_bus, event_bus)


def _delete_rule(rule: Rule) -> None:
    rule.remove_targets([target.id for target in rule.targets])
    rule.delete()


def _schedules(bus: EventBus) -> Iterator[tuple[str, _Delete]]:
    scheduler = bus.service("Schedule")
    for schedule in () if scheduler is None else scheduler:
        yield schedule.arn, schedule.delete
    for group in () if scheduler is None else scheduler.groups:
        if group != "default":
            yield scheduler.describe_group(group)["Arn"], partial(scheduler.delete_group, group)
