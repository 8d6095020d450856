"""A reset leaves of the newer services what code has declared."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from eventbus import EventBus
from tests.aws.test_data_services import SCHEMA
from tests.aws.test_event_services import OFF, PATTERN, role_for
from triggers import DynamoDB, EventBridge, Kinesis, Schedule
from triggers.aws import AWS
from triggers.aws.control import Control
from triggers.aws.http import Request


@pytest.mark.anyio
async def test_what_was_made_over_the_wire_is_gone_and_what_code_declared_is_there(bus: EventBus, aws: AWS) -> None:
    dynamodb, kinesis, events, schedule = DynamoDB(bus), Kinesis(bus), EventBridge(bus), Schedule(bus)
    dynamodb.create_table("own", "id")
    kinesis.create_stream("own").register_consumer("own")
    events.create_event_bus("own").put_rule("own", event_pattern=PATTERN)
    function = bus.add_function("f", lambda event, context: None)
    schedule.create("own", "rate(1 hour)", function, grant=True)
    bus.logs.create_log_group("own")
    control = Control(aws.front)
    control.declare()
    async with bus:
        make_others(function.arn)
        request = Request("POST", "/_eventbus/reset", "", {"content-type": "application/json"}, b"{}")
        assert (await control.answer(request)).status == 200
    assert [table.name for table in dynamodb] == ["own"]
    assert [(stream.name, list(stream.consumers)) for stream in kinesis] == [("own", ["own"])]
    assert [(one.name, [rule.name for rule in one.rules]) for one in events] == [("default", []), ("own", ["own"])]
    assert ([one.name for one in schedule], schedule.groups, events.archives) == (["own"], ("default",), {})
    assert bus.logs.groups() == ["own"]


def make_others(target: str) -> None:
    boto3.client("dynamodb").create_table(TableName="other", DeletionProtectionEnabled=True, **SCHEMA)
    kinesis = boto3.client("kinesis")
    kinesis.create_stream(StreamName="other", ShardCount=1)
    for name in ("own", "other"):
        summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        kinesis.register_stream_consumer(StreamARN=summary["StreamARN"], ConsumerName="other")
    events = boto3.client("events")
    arn = events.create_event_bus(Name="other")["EventBusArn"]
    events.create_archive(ArchiveName="other", EventSourceArn=events.describe_event_bus()["Arn"])
    events.create_archive(ArchiveName="another", EventSourceArn=arn)
    for name in ("default", "other"):
        events.put_rule(Name="other", EventPattern=PATTERN, EventBusName=name)
        events.put_targets(Rule="other", EventBusName=name, Targets=[{"Id": "1", "Arn": target}])
    scheduler = boto3.client("scheduler")
    given: dict[str, Any] = {"FlexibleTimeWindow": OFF, "Target": {"Arn": target, "RoleArn": role_for("scheduler")}}
    scheduler.create_schedule_group(Name="other")
    for group in ("default", "other"):
        scheduler.create_schedule(Name="other", GroupName=group, ScheduleExpression="rate(1 hour)", **given)
    boto3.client("logs").create_log_group(logGroupName="other")
