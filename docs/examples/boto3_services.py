"""An order, by boto3 alone: an event bus sends it to a function, which keeps it in a table and measures it.

python docs/examples/boto3_services.py          needs the extra eventbus[aws], and boto3
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import boto3

from triggers.aws import mock_aws


def keep(event: dict, context: object) -> None:
    """A handler as it would be deployed."""
    order = event["detail"]
    print("keeping", order["id"])
    boto3.client("dynamodb").put_item(
        TableName="orders", Item={"id": {"S": order["id"]}, "total": {"N": str(order["total"])}}
    )
    data = [{"MetricName": "total", "Value": order["total"], "Unit": "Count"}]
    boto3.client("cloudwatch").put_metric_data(Namespace="shop", MetricData=data)


with mock_aws() as aws:
    table = boto3.resource("dynamodb").create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    function = aws.bus.add_function("keep", keep, reserved_concurrency=1)
    function.role.allow("dynamodb:PutItem", table.table_arn)
    function.role.allow("cloudwatch:PutMetricData", "*")
    events = boto3.client("events")
    rule = events.put_rule(Name="large", EventPattern='{"detail": {"total": [{"numeric": [">", 100]}]}}')
    events.put_targets(Rule="large", Targets=[{"Id": "keep", "Arn": function.arn}])
    function.add_permission("rule", "events.amazonaws.com", source_arn=rule["RuleArn"])

    orders = [{"id": "a", "total": 300}, {"id": "b", "total": 20}, {"id": "c", "total": 150}]
    entries = [{"Source": "shop", "DetailType": "order", "Detail": json.dumps(order)} for order in orders]
    refused = events.put_events(Entries=entries)["FailedEntryCount"]
    aws.wait_idle()

    print("refused:", refused)
    print("kept:", sorted((item["id"], int(item["total"])) for item in table.scan()["Items"]))
    logged = boto3.client("logs").filter_log_events(logGroupName="/aws/lambda/keep", filterPattern="keeping")
    print("logged:", sorted(event["message"] for event in logged["events"]))
    now = datetime.fromtimestamp(aws.bus.clock.now(), UTC)
    span = {"StartTime": now - timedelta(hours=1), "EndTime": now + timedelta(hours=1), "Period": 3600}
    where = {"Namespace": "shop", "MetricName": "total", "Statistics": ["Sum", "SampleCount"]}
    [point] = boto3.client("cloudwatch").get_metric_statistics(**where, **span)["Datapoints"]
    print(f"measured: {point['Sum']:.0f} in {point['SampleCount']:.0f} orders")
