"""EventBridge: operations, event buses, rules, archives and replays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from eventbus.arn import is_arn
from triggers.aws.services import JSONServiceMap, page, tag_list, tags_of
from triggers.aws.services.deeds import Deed, Input, Result, deed, given
from triggers.eventbridge import EventBridge, EventBridgeBus, NotFound, Rule
from triggers.eventbridge.archive import Archive, Replay

PAGE = 100
"""Items of one page (EventBridge API reference, ListRules and its kin, 2026)."""


class EventsMap(JSONServiceMap):
    """Event buses are found by their names or ARNs; without one it is the default event bus."""

    service = "events"
    codes = {"MalformedPolicyDocument": "ValidationException"}  # noqa: RUF012

    @property
    def _events(self) -> EventBridge:
        found = self.bus.service("EventBridge")
        return found if found is not None else EventBridge(self.bus)

    def _bus(self, name: str | None, action: str | None = None) -> EventBridgeBus:
        name = name or "default"
        short = name.rpartition("/")[2] if is_arn(name) else name
        if short not in self._events or (is_arn(name) and self._events[short].arn != name):
            raise EventBridgeBus.unknown(short)
        found = self._events[short]
        if action is not None:
            self.allow(f"events:{action}", found)
        return found

    def _rule(self, wanted: Input, name: str = "Name", action: str | None = None) -> Rule:
        rule = self._bus(wanted.get("EventBusName")).rule(wanted[name])
        if action is not None:
            self.allow(f"events:{action}", rule)
        return rule

    # -- event buses --------------------------------------------------------------------------------------------------

    def create_event_bus(self, wanted: Input) -> Result:
        name = wanted["Name"]
        made = self._events.create_event_bus(name, description=wanted.get("Description", ""))
        made.tags = tags_of(wanted.get("Tags"))
        return {"EventBusArn": made.arn} | given(Description=wanted.get("Description"))

    def delete_event_bus(self, wanted: Input) -> Result:
        self._events.delete_event_bus(wanted["Name"])
        return {}

    def describe_event_bus(self, wanted: Input) -> Result:
        return self._bus(wanted.get("Name"), "DescribeEventBus").describe()

    def update_event_bus(self, wanted: Input) -> Result:
        found = self._bus(wanted.get("Name"), "UpdateEventBus")
        found.description = wanted.get("Description", found.description)
        return {"Arn": found.arn, "Name": found.name, "Description": found.description or None}

    def list_event_buses(self, wanted: Input) -> Result:
        self.allow("events:ListEventBuses", None, self._events.default.arn.replace("/default", "/*"))
        prefix = wanted.get("NamePrefix", "")
        return _listed("EventBuses", (b.describe() for b in self._events if b.name.startswith(prefix)), wanted)

    def put_permission(self, wanted: Input) -> Result:
        found = self._bus(wanted.get("EventBusName"))
        if "Policy" in wanted:
            found.may("events:PutPermission")
            found.access.set(wanted["Policy"])
        else:
            options = given(action=wanted.get("Action"), condition=wanted.get("Condition"))
            found.put_permission(wanted.get("StatementId", ""), wanted.get("Principal", ""), **options)
        return {}

    def remove_permission(self, wanted: Input) -> Result:
        found = self._bus(wanted.get("EventBusName"))
        found.remove_permission(
            wanted.get("StatementId"), remove_all_permissions=wanted.get("RemoveAllPermissions", False)
        )
        return {}

    # -- events -------------------------------------------------------------------------------------------------------

    def put_events(self, wanted: Input) -> Deed:
        return deed(self._events.put_events, wanted["Entries"]).then(lambda result: result.as_document())

    def test_event_pattern(self, wanted: Input) -> Result:
        self.allow("events:TestEventPattern", None, "*")
        return {"Result": self._events.test_event_pattern(wanted["EventPattern"], wanted["Event"])}

    # -- rules --------------------------------------------------------------------------------------------------------

    def put_rule(self, wanted: Input) -> Result:
        rule = self._bus(wanted.get("EventBusName")).put_rule(
            wanted["Name"],
            event_pattern=wanted.get("EventPattern"),
            schedule=wanted.get("ScheduleExpression"),
            state=wanted.get("State", "ENABLED"),
            description=wanted.get("Description", ""),
        )
        rule.tags |= tags_of(wanted.get("Tags"))
        return {"RuleArn": rule.arn}

    def delete_rule(self, wanted: Input) -> Result:
        self._bus(wanted.get("EventBusName")).delete_rule(wanted["Name"])
        return {}

    def describe_rule(self, wanted: Input) -> Result:
        return self._rule(wanted, action="DescribeRule").describe()

    def enable_rule(self, wanted: Input) -> Result:
        self._rule(wanted).enable()
        return {}

    def disable_rule(self, wanted: Input) -> Result:
        self._rule(wanted).disable()
        return {}

    def list_rules(self, wanted: Input) -> Result:
        rules = self._bus(wanted.get("EventBusName"), "ListRules").list_rules(wanted.get("NamePrefix", ""))
        return _listed("Rules", rules, wanted)

    def list_rule_names_by_target(self, wanted: Input) -> Result:
        found = self._bus(wanted.get("EventBusName"), "ListRuleNamesByTarget")
        names, token = page(
            found.list_rule_names_by_target(wanted["TargetArn"]), wanted.get("NextToken"), wanted.get("Limit", PAGE)
        )
        return {"RuleNames": names, "NextToken": token}

    def put_targets(self, wanted: Input) -> Result:
        rule = self._rule(wanted, "Rule")
        roles = {role.arn: role for role in map(self.passed_role, _role_arns(wanted["Targets"])) if role is not None}
        return rule.put_targets(wanted["Targets"], find_role=roles.get)

    def remove_targets(self, wanted: Input) -> Result:
        return self._rule(wanted, "Rule").remove_targets(wanted["Ids"])

    def list_targets_by_rule(self, wanted: Input) -> Result:
        targets = self._rule(wanted, "Rule", "ListTargetsByRule").list_targets()
        return _listed("Targets", targets, wanted, key="Id")

    # -- archives and replays -----------------------------------------------------------------------------------------

    def create_archive(self, wanted: Input) -> Result:
        archive = self._bus(wanted["EventSourceArn"]).create_archive(
            wanted["ArchiveName"],
            event_pattern=wanted.get("EventPattern"),
            retention_days=wanted.get("RetentionDays", 0),
            description=wanted.get("Description", ""),
        )
        return _created(archive)

    def describe_archive(self, wanted: Input) -> Result:
        return self._archive(wanted, "DescribeArchive").describe()

    def update_archive(self, wanted: Input) -> Result:
        archive = self._archive(wanted, "UpdateArchive")
        archive.update(
            event_pattern=wanted.get("EventPattern"),
            retention_days=wanted.get("RetentionDays"),
            description=wanted.get("Description"),
        )
        return _created(archive)

    def delete_archive(self, wanted: Input) -> Result:
        self._archive(wanted, "DeleteArchive").delete()
        return {}

    def list_archives(self, wanted: Input) -> Result:
        self.allow("events:ListArchives", None, "*")
        prefix, source = wanted.get("NamePrefix", ""), wanted.get("EventSourceArn")
        found = [
            archive.describe()
            for name, archive in self._events.archives.items()
            if name.startswith(prefix) and source in (None, archive.event_bus.arn)
        ]
        if state := wanted.get("State"):
            found = [archive for archive in found if archive["State"] == state]
        return _listed("Archives", found, wanted, key="ArchiveName")

    def start_replay(self, wanted: Input) -> Result:
        to = wanted["Destination"]
        replay = self._events.start_replay(
            wanted["ReplayName"],
            wanted["EventSourceArn"],
            wanted["EventStartTime"],
            wanted["EventEndTime"],
            rules=to.get("FilterArns") or (),
            destination=to["Arn"],
        )
        return _shown(replay, "ReplayArn", "State", "ReplayStartTime")

    def cancel_replay(self, wanted: Input) -> Result:
        replay = self._replay(wanted, "CancelReplay")
        replay.cancel()
        return _shown(replay, "ReplayArn", "State")

    def describe_replay(self, wanted: Input) -> Result:
        return self._replay(wanted, "DescribeReplay").describe()

    def list_replays(self, wanted: Input) -> Result:
        self.allow("events:ListReplays", None, "*")
        prefix, state, source = wanted.get("NamePrefix", ""), wanted.get("State"), wanted.get("EventSourceArn")
        found = [
            replay.describe()
            for name, replay in self._events.replays.items()
            if name.startswith(prefix) and state in (None, replay.state) and source in (None, replay.archive.arn)
        ]
        return _listed("Replays", found, wanted, key="ReplayName")

    def _archive(self, wanted: Input, action: str) -> Archive:
        archive = self._events.archive(wanted["ArchiveName"])
        self.allow(f"events:{action}", archive)
        return archive

    def _replay(self, wanted: Input, action: str) -> Replay:
        replay = self._events.replay(wanted["ReplayName"])
        self.allow(f"events:{action}", replay)
        return replay

    # -- tags ---------------------------------------------------------------------------------------------------------

    def tag_resource(self, wanted: Input) -> Result:
        self._tagged(wanted, "TagResource").tags |= tags_of(wanted["Tags"])
        return {}

    def untag_resource(self, wanted: Input) -> Result:
        tags = self._tagged(wanted, "UntagResource").tags
        for key in wanted["TagKeys"]:
            tags.pop(key, None)
        return {}

    def list_tags_for_resource(self, wanted: Input) -> Result:
        return {"Tags": tag_list(self._tagged(wanted, "ListTagsForResource").tags)}

    def _tagged(self, wanted: Input, action: str) -> EventBridgeBus | Rule:
        arn = wanted["ResourceARN"]
        buses = list(self._events)
        every: list[EventBridgeBus | Rule] = [*buses, *(rule for one in buses for rule in one.rules)]
        found = next((one for one in every if one.arn == arn), None)
        if found is None:
            raise NotFound(f"Resource {arn} does not exist.")
        self.allow(f"events:{action}", found)
        return found


def _role_arns(targets: Iterable[Input]) -> set[str]:
    return {target["RoleArn"] for target in targets if "RoleArn" in target}


def _listed(member: str, documents: Iterable[Result], wanted: Input, *, key: str = "Name") -> Result:
    shown, token = page(documents, wanted.get("NextToken"), wanted.get("Limit", PAGE), key=lambda one: one[key])
    return {member: shown, "NextToken": token}


def _created(archive: Archive) -> Result:
    return _shown(archive, "ArchiveArn", "State", "CreationTime")


def _shown(one: Any, *members: str) -> Result:
    document = one.describe()
    return {member: document[member] for member in members}
