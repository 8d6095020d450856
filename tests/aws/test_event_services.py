"""EventBridge and its Scheduler as boto3 sees them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from eventbus import EventBus, VirtualClock
from eventbus.testing import Recorder
from tests.aws.conftest import policy, queue_with_arn
from tests.aws.test_services import refusal
from triggers import EventBridge
from triggers.aws import AWS

pytestmark = pytest.mark.usefixtures("aws")
PATTERN = json.dumps({"source": ["shop"]})
ORDER = {"Source": "shop", "DetailType": "order", "Detail": '{"total": 3}'}
OFF = {"Mode": "OFF"}


def role_for(service: str, name: str = "sender") -> str:
    trust = policy(Principal={"Service": f"{service}.amazonaws.com"}, Action="sts:AssumeRole")
    role = boto3.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]
    assert isinstance(role["Arn"], str)
    return role["Arn"]


class TestEvents:
    @pytest.fixture
    def events(self, aws: AWS) -> Any:
        return boto3.client("events")

    def test_an_event_goes_by_way_of_a_rule_to_a_queue(self, events: Any, aws: AWS) -> None:
        url, arn = queue_with_arn(boto3.client("sqs"), "orders", "events")
        assert events.put_rule(Name="r", EventPattern=PATTERN)["RuleArn"].endswith(":rule/r")
        targets = [{"Id": "q", "Arn": arn, "InputPath": "$.detail"}]
        assert events.put_targets(Rule="r", Targets=targets)["FailedEntryCount"] == 0
        done = events.put_events(Entries=[ORDER, {**ORDER, "Detail": "{"}])
        assert done["FailedEntryCount"] == 1
        assert [entry.get("ErrorCode") for entry in done["Entries"]] == [None, "MalformedDetail"]
        aws.wait_idle()
        [message] = boto3.client("sqs").receive_message(QueueUrl=url)["Messages"]
        assert json.loads(message["Body"]) == {"total": 3}

    def test_a_pattern_is_tried_out(self, events: Any) -> None:
        event = {"id": "1", "account": "1", "source": "shop", "time": "2026-01-01T00:00:00Z", "region": "r",
                 "resources": [], "detail-type": "t", "detail": {}}  # fmt: skip
        for source, expected in (("shop", True), ("other", False)):
            asked = json.dumps({**event, "source": source})
            assert events.test_event_pattern(EventPattern=PATTERN, Event=asked)["Result"] is expected
        wrong = refusal(events.test_event_pattern, EventPattern='{"a": 1}', Event=json.dumps(event))
        assert wrong == ("InvalidEventPatternException", 400)

    def test_rules_are_listed_changed_and_deleted(self, events: Any, bus: EventBus) -> None:
        function = bus.add_function("f", Recorder())
        for n in range(3):
            events.put_rule(Name=f"r{n}", EventPattern=PATTERN, Tags=[{"Key": "n", "Value": str(n)}])
        pages = [events.list_rules(Limit=2)]
        pages.append(events.list_rules(Limit=2, NextToken=pages[0]["NextToken"]))
        assert [rule["Name"] for page in pages for rule in page["Rules"]] == ["r0", "r1", "r2"]
        every = events.get_paginator("list_rules").paginate(NamePrefix="r")
        assert sum(len(page["Rules"]) for page in every) == 3
        events.disable_rule(Name="r0")
        rule = events.describe_rule(Name="r0")
        assert rule["State"] == "DISABLED"
        assert events.list_tags_for_resource(ResourceARN=rule["Arn"])["Tags"] == [{"Key": "n", "Value": "0"}]
        events.put_targets(Rule="r1", Targets=[{"Id": "f", "Arn": function.arn}])
        assert events.list_rule_names_by_target(TargetArn=function.arn)["RuleNames"] == ["r1"]
        assert [target["Id"] for target in events.list_targets_by_rule(Rule="r1")["Targets"]] == ["f"]
        assert refusal(events.delete_rule, Name="r1") == ("ValidationException", 400)
        events.remove_targets(Rule="r1", Ids=["f"])
        events.delete_rule(Name="r1")
        assert refusal(events.describe_rule, Name="r1") == ("ResourceNotFoundException", 400)

    def test_event_buses_have_policies_and_descriptions(self, events: Any) -> None:
        arn = events.create_event_bus(Name="shop", Description="orders")["EventBusArn"]
        events.put_permission(EventBusName="shop", StatementId="s", Action="events:PutEvents", Principal="999999999999")
        found = events.describe_event_bus(Name=arn)
        assert found["Description"] == "orders"
        assert json.loads(found["Policy"])["Statement"][0]["Sid"] == "s"
        events.remove_permission(EventBusName="shop", StatementId="s")
        assert "Policy" not in events.describe_event_bus(Name="shop")
        assert [one["Name"] for one in events.list_event_buses()["EventBuses"]] == ["default", "shop"]
        assert refusal(events.create_event_bus, Name="shop") == ("ResourceAlreadyExistsException", 400)
        events.delete_event_bus(Name="shop")
        assert refusal(events.describe_event_bus, Name="shop") == ("ResourceNotFoundException", 400)

    def test_an_archive_is_replayed(self, events: Any, bus: EventBus, aws: AWS) -> None:
        recorder = Recorder()
        function = bus.add_function("f", recorder)
        source = events.describe_event_bus()["Arn"]
        archive = events.create_archive(ArchiveName="all", EventSourceArn=source, RetentionDays=1)["ArchiveArn"]
        events.put_events(Entries=[ORDER])
        events.put_rule(Name="r", EventPattern=PATTERN)
        events.put_targets(Rule="r", Targets=[{"Id": "f", "Arn": function.arn}])
        function.allow("events.amazonaws.com")
        events.start_replay(
            ReplayName="again", EventSourceArn=archive, Destination={"Arn": source},
            EventStartTime=datetime(2025, 12, 1, tzinfo=UTC), EventEndTime=datetime(2026, 2, 1, tzinfo=UTC),
        )  # fmt: skip
        aws.wait_idle()
        assert [event["replay-name"] for event in recorder.events] == ["again"]
        assert events.describe_replay(ReplayName="again")["State"] == "COMPLETED"
        assert events.describe_archive(ArchiveName="all")["EventCount"] == 1
        assert [one["ArchiveName"] for one in events.list_archives()["Archives"]] == ["all"]
        events.update_archive(ArchiveName="all", Description="changed")
        assert events.describe_archive(ArchiveName="all")["Description"] == "changed"

    def test_a_role_that_a_target_names_has_to_be_passed(self, events: Any, bus: EventBus) -> None:
        events.put_rule(Name="r", EventPattern=PATTERN)
        boto3.client("kinesis").create_stream(StreamName="s", ShardCount=1)
        arn = boto3.client("kinesis").describe_stream_summary(StreamName="s")["StreamDescriptionSummary"]["StreamARN"]
        target = {"Id": "s", "Arn": arn, "RoleArn": role_for("events")}
        assert events.put_targets(Rule="r", Targets=[target])["FailedEntryCount"] == 0
        unknown = {**target, "RoleArn": "arn:aws:iam::123456789012:role/nobody"}
        assert refusal(events.put_targets, Rule="r", Targets=[unknown]) == ("ValidationException", 400)


@pytest.mark.anyio
async def test_a_handler_passes_roles_only_with_permission(bus: EventBus, aws: AWS) -> None:
    rule = EventBridge(bus).default.put_rule("r", event_pattern=PATTERN)
    codes: list[str] = []
    target = {"Id": "q", "Arn": "arn:aws:sqs:us-east-1:123456789012:q", "RoleArn": role_for("events")}

    @bus.function
    async def wires(event: Any, context: Any) -> None:
        try:
            boto3.client("events").put_targets(Rule="r", Targets=[target])
            codes.append("done")
        except ClientError as error:
            codes.append(f"{error.response['Error']['Code']} {'iam:PassRole' in str(error)}")

    wires.role.allow("events:PutTargets", rule.arn)
    async with bus:
        await bus.invoke(wires)
        wires.role.allow("iam:PassRole", target["RoleArn"])
        await bus.invoke(wires)
    assert codes == ["AccessDeniedException True", "done"]


class TestScheduler:
    @pytest.fixture
    def scheduler(self, aws: AWS) -> Any:
        return boto3.client("scheduler")

    def test_a_schedule_runs_a_function_as_its_role(self, scheduler: Any, bus: EventBus, aws: AWS) -> None:
        recorder = Recorder()
        function = bus.add_function("f", recorder)
        role = role_for("scheduler")
        boto3.client("iam").put_role_policy(
            RoleName="sender",
            PolicyName="p",
            PolicyDocument=policy(Action="lambda:InvokeFunction", Resource=function.arn),
        )
        scheduler.create_schedule(
            Name="often",
            ScheduleExpression="rate(5 minutes)",
            FlexibleTimeWindow=OFF,
            Target={"Arn": function.arn, "RoleArn": role, "Input": '{"n": 1}'},
        )
        aws.wait_idle()
        assert isinstance(bus.clock, VirtualClock)
        bus.from_thread(bus.clock.advance, 900)
        aws.wait_idle()
        assert recorder.events == [{"n": 1}] * 3

    def test_schedules_are_described_listed_changed_and_deleted(self, scheduler: Any, bus: EventBus) -> None:
        target = {"Arn": bus.add_function("f", Recorder()).arn, "RoleArn": role_for("scheduler")}
        group = scheduler.create_schedule_group(Name="g", Tags=[{"Key": "a", "Value": "1"}])["ScheduleGroupArn"]
        scheduler.tag_resource(ResourceArn=group, Tags=[{"Key": "b", "Value": "2"}])
        scheduler.untag_resource(ResourceArn=group, TagKeys=["a"])
        assert scheduler.list_tags_for_resource(ResourceArn=group)["Tags"] == [{"Key": "b", "Value": "2"}]
        given: dict[str, Any] = {"GroupName": "g", "FlexibleTimeWindow": OFF, "Target": target}
        for name in ("a", "b", "c"):
            scheduler.create_schedule(Name=name, ScheduleExpression="rate(1 hour)", **given)
        pages = scheduler.get_paginator("list_schedules").paginate(GroupName="g", PaginationConfig={"PageSize": 2})
        assert [[one["Name"] for one in page["Schedules"]] for page in pages] == [["a", "b"], ["c"]]
        window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5}
        scheduler.update_schedule(
            Name="a", ScheduleExpression="rate(2 hours)", **{**given, "FlexibleTimeWindow": window}
        )
        found = scheduler.get_schedule(Name="a", GroupName="g")
        assert (found["ScheduleExpression"], found["FlexibleTimeWindow"]) == ("rate(2 hours)", window)
        scheduler.delete_schedule(Name="a", GroupName="g")
        assert [one["Name"] for one in scheduler.list_schedule_groups()["ScheduleGroups"]] == ["default", "g"]
        assert scheduler.get_schedule_group(Name="g")["State"] == "ACTIVE"
        scheduler.delete_schedule_group(Name="g")
        assert refusal(scheduler.get_schedule_group, Name="g") == ("ResourceNotFoundException", 404)

    def test_refusals_have_the_status_of_rest(self, scheduler: Any, bus: EventBus) -> None:
        arn = bus.add_function("f", Recorder()).arn
        given: dict[str, Any] = {
            "Name": "a",
            "ScheduleExpression": "rate(1 hour)",
            "FlexibleTimeWindow": OFF,
            "Target": {"Arn": arn, "RoleArn": role_for("scheduler")},
        }
        scheduler.create_schedule(**given)
        assert refusal(scheduler.create_schedule, **given) == ("ConflictException", 409)
        assert refusal(scheduler.get_schedule, Name="none") == ("ResourceNotFoundException", 404)
        wrong = {**given, "Name": "b", "ScheduleExpression": "often"}
        assert refusal(scheduler.create_schedule, **wrong) == ("ValidationException", 400)
        nobody = {**given, "Name": "b", "Target": {"Arn": arn, "RoleArn": "arn:aws:iam::123456789012:role/nobody"}}
        with pytest.raises(ClientError, match="must allow AWS EventBridge Scheduler to assume the role"):
            scheduler.create_schedule(**nobody)
