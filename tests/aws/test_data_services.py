"""DynamoDB, its streams and Kinesis as boto3 sees them: resources, paginators and waiters included."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import boto3
import pytest
from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from eventbus import EventBus, VirtualClock
from tests.aws.test_services import refusal
from triggers import DynamoDB, Kinesis
from triggers.aws import AWS

pytestmark = pytest.mark.usefixtures("aws")
SCHEMA: dict[str, Any] = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}],
    "AttributeDefinitions": [
        {"AttributeName": "id", "AttributeType": "S"},
        {"AttributeName": "n", "AttributeType": "N"},
    ],
    "BillingMode": "PAY_PER_REQUEST",
}
STREAM = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}}


@pytest.fixture
def table(aws: AWS) -> Any:
    return boto3.resource("dynamodb").create_table(TableName="cats", **SCHEMA, **STREAM)


class TestDynamoDB:
    def test_a_table_is_made_waited_for_described_and_deleted(self, table: Any) -> None:
        table.wait_until_exists()
        assert (table.table_status, table.item_count) == ("ACTIVE", 0)
        client = boto3.client("dynamodb")
        assert client.list_tables()["TableNames"] == ["cats"]
        table.delete()
        table.wait_until_not_exists()
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.describe_table(TableName="cats")

    def test_tables_are_listed_page_by_page(self) -> None:
        client = boto3.client("dynamodb")
        for name in ("one", "two", "three"):
            client.create_table(TableName=name, **SCHEMA)
        pages = client.get_paginator("list_tables").paginate(PaginationConfig={"PageSize": 1})
        assert [name for page in pages for name in page["TableNames"]] == ["one", "three", "two"]

    def test_only_a_provisioned_table_has_capacity_units_and_it_must(self) -> None:
        client = boto3.client("dynamodb")
        provisioned = {**SCHEMA, "BillingMode": "PROVISIONED"}
        units = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 2}
        assert refusal(client.create_table, TableName="cats", **provisioned) == ("ValidationException", 400)
        too_much = {**SCHEMA, "ProvisionedThroughput": units}
        assert refusal(client.create_table, TableName="cats", **too_much) == ("ValidationException", 400)
        client.create_table(TableName="cats", **provisioned, ProvisionedThroughput=units)
        found = client.describe_table(TableName="cats")["Table"]["ProvisionedThroughput"]
        assert {name: found[name] for name in units} == units
        client.update_table(TableName="cats", BillingMode="PAY_PER_REQUEST")
        found = client.describe_table(TableName="cats")["Table"]["ProvisionedThroughput"]
        assert (found["ReadCapacityUnits"], found["WriteCapacityUnits"]) == (0, 0)

    def test_every_type_of_attribute_comes_back(self, table: Any) -> None:
        item = {
            "id": "a", "n": 1, "none": None, "yes": True, "bytes": b"\xff\x00", "set": {"x", "y"}, "numbers": {1, 2},
            "blobs": {b"\x00"}, "list": [Decimal("1.5"), {"deep": [[]]}], "text": "ü漢\ud83d\ude00".encode(
                "utf-16", "surrogatepass").decode("utf-16"),
        }  # fmt: skip
        table.put_item(Item=item)
        assert table.get_item(Key={"id": "a", "n": 1})["Item"] == item

    def test_queries_and_scans_are_paged(self, table: Any) -> None:
        with table.batch_writer() as batch:
            for n in range(60):
                batch.put_item(Item={"id": "a", "n": n, "even": n % 2 == 0})
        found = table.query(
            KeyConditionExpression=Key("id").eq("a") & Key("n").between(10, 13), FilterExpression=Attr("even").eq(True)
        )
        assert [int(item["n"]) for item in found["Items"]] == [10, 12]
        pages = boto3.client("dynamodb").get_paginator("scan").paginate(TableName="cats", Limit=25)
        assert [page["Count"] for page in pages] == [25, 25, 10]

    def test_a_refused_condition_shows_the_item_that_was_found(self, table: Any) -> None:
        table.put_item(Item={"id": "a", "n": 1, "blob": b"\xff"})
        client = boto3.client("dynamodb")
        put: dict[str, Any] = {
            "TableName": "cats",
            "Item": {"id": {"S": "a"}, "n": {"N": "1"}},
            "ConditionExpression": "attribute_not_exists(id)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        with pytest.raises(client.exceptions.ConditionalCheckFailedException) as caught:
            client.put_item(**put)
        assert caught.value.response["Item"]["blob"] == {"B": b"\xff"}
        with pytest.raises(client.exceptions.TransactionCanceledException) as cancelled:
            client.transact_write_items(
                TransactItems=[{"Put": put}, {"Put": {**put, "Item": {**put["Item"], "n": {"N": "2"}}}}]
            )
        reasons = cancelled.value.response["CancellationReasons"]
        assert [reason["Code"] for reason in reasons] == ["ConditionalCheckFailed", "None"]
        assert reasons[0]["Item"]["blob"] == {"B": b"\xff"}

    def test_refusals_have_awss_codes_and_status_400(self, table: Any) -> None:
        client = boto3.client("dynamodb")
        assert refusal(client.get_item, TableName="none", Key={"id": {"S": "a"}}) == ("ResourceNotFoundException", 400)
        assert refusal(client.get_item, TableName="cats", Key={"id": {"S": "a"}}) == ("ValidationException", 400)
        assert refusal(client.create_table, TableName="cats", **SCHEMA) == ("ResourceInUseException", 400)
        stranger = boto3.client("dynamodb", aws_access_key_id="ASIAEVENTBUSNOBODY", aws_secret_access_key="x")
        assert refusal(stranger.list_tables) == ("UnrecognizedClientException", 400)
        assert refusal(client.list_backups) == ("NotImplemented", 501)

    def test_tags_and_time_to_live_are_kept(self, table: Any) -> None:
        client = boto3.client("dynamodb")
        client.tag_resource(ResourceArn=table.table_arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
        client.untag_resource(ResourceArn=table.table_arn, TagKeys=["a"])
        assert client.list_tags_of_resource(ResourceArn=table.table_arn)["Tags"] == [{"Key": "b", "Value": "2"}]
        client.update_time_to_live(
            TableName="cats", TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"}
        )
        found = client.describe_time_to_live(TableName="cats")["TimeToLiveDescription"]
        assert found == {"TimeToLiveStatus": "ENABLED", "AttributeName": "until"}

    def test_the_stream_of_a_table_is_read_with_a_client_of_its_own(self, table: Any) -> None:
        table.put_item(Item={"id": "a", "n": 1})
        table.delete_item(Key={"id": "a", "n": 1})
        streams = boto3.client("dynamodbstreams")
        [stream] = streams.list_streams(TableName="cats")["Streams"]
        [shard] = streams.describe_stream(StreamArn=stream["StreamArn"])["StreamDescription"]["Shards"]
        iterator = streams.get_shard_iterator(
            StreamArn=stream["StreamArn"], ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records = streams.get_records(ShardIterator=iterator)["Records"]
        assert [record["eventName"] for record in records] == ["INSERT", "REMOVE"]
        assert refusal(streams.describe_stream, StreamArn=stream["StreamArn"] + "x" * 10) == (
            "ResourceNotFoundException",
            400,
        )


class TestKinesis:
    @pytest.fixture
    def kinesis(self, aws: AWS) -> Any:
        client = boto3.client("kinesis")
        client.create_stream(StreamName="clicks", ShardCount=3, Tags={"team": "blue"})
        return client

    def test_a_stream_is_waited_for_and_described(self, kinesis: Any) -> None:
        kinesis.get_waiter("stream_exists").wait(StreamName="clicks")
        summary = kinesis.describe_stream_summary(StreamName="clicks")["StreamDescriptionSummary"]
        assert (summary["OpenShardCount"], summary["StreamStatus"]) == (3, "ACTIVE")
        by_arn = kinesis.describe_stream(StreamARN=summary["StreamARN"], Limit=2)["StreamDescription"]
        assert (len(by_arn["Shards"]), by_arn["HasMoreShards"]) == (2, True)
        kinesis.delete_stream(StreamName="clicks")
        kinesis.get_waiter("stream_not_exists").wait(StreamName="clicks")

    def test_streams_and_shards_are_listed_page_by_page(self, kinesis: Any) -> None:
        kinesis.create_stream(StreamName="views", ShardCount=1)
        for name, size in (("describe_stream", 3), ("list_shards", 3)):
            pages = kinesis.get_paginator(name).paginate(StreamName="clicks", PaginationConfig={"PageSize": 1})
            shards = [page.get("StreamDescription", page)["Shards"] for page in pages]
            assert [len(found) for found in shards] == [1] * size
        pages = kinesis.get_paginator("list_streams").paginate(PaginationConfig={"PageSize": 1})
        assert [name for page in pages for name in page["StreamNames"]] == ["clicks", "views"]

    def test_records_are_put_and_read(self, kinesis: Any) -> None:
        put = kinesis.put_record(StreamName="clicks", Data=b"\x00\xff", PartitionKey="p", ExplicitHashKey="0")
        kinesis.put_records(StreamName="clicks", Records=[{"Data": b"2", "PartitionKey": "p", "ExplicitHashKey": "1"}])
        iterator = kinesis.get_shard_iterator(
            StreamName="clicks", ShardId=put["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        found = kinesis.get_records(ShardIterator=iterator, Limit=1)
        assert [record["Data"] for record in found["Records"]] == [b"\x00\xff"]
        assert found["Records"][0]["SequenceNumber"] == put["SequenceNumber"]
        found = kinesis.get_records(ShardIterator=found["NextShardIterator"])
        assert ([record["Data"] for record in found["Records"]], found["MillisBehindLatest"]) == ([b"2"], 0)

    def test_shards_are_split_merged_and_counted(self, kinesis: Any) -> None:
        done = kinesis.update_shard_count(StreamName="clicks", TargetShardCount=2, ScalingType="UNIFORM_SCALING")
        assert (done["CurrentShardCount"], done["TargetShardCount"]) == (3, 2)
        one = next(
            s for s in kinesis.list_shards(StreamName="clicks")["Shards"]
            if "EndingSequenceNumber" not in s["SequenceNumberRange"]
        )  # fmt: skip
        middle = str(int(one["HashKeyRange"]["EndingHashKey"]) // 2)
        kinesis.split_shard(StreamName="clicks", ShardToSplit=one["ShardId"], NewStartingHashKey=middle)
        assert kinesis.describe_limits()["OpenShardCount"] == 3
        kinesis.increase_stream_retention_period(StreamName="clicks", RetentionPeriodHours=48)
        assert kinesis.describe_stream(StreamName="clicks")["StreamDescription"]["RetentionPeriodHours"] == 48

    def test_tags_are_kept(self, kinesis: Any) -> None:
        kinesis.add_tags_to_stream(StreamName="clicks", Tags={"a": "1"})
        kinesis.remove_tags_from_stream(StreamName="clicks", TagKeys=["team"])
        assert kinesis.list_tags_for_stream(StreamName="clicks")["Tags"] == [{"Key": "a", "Value": "1"}]

    def test_refusals_have_awss_codes(self, kinesis: Any) -> None:
        assert refusal(kinesis.describe_stream, StreamName="none") == ("ResourceNotFoundException", 400)
        assert refusal(kinesis.create_stream, StreamName="clicks", ShardCount=1) == ("ResourceInUseException", 400)
        assert refusal(kinesis.get_records, ShardIterator="nonsense") == ("InvalidArgumentException", 400)
        assert refusal(kinesis.describe_stream) == ("InvalidArgumentException", 400)
        with pytest.raises(ClientError, match="eventbus does not implement kinesis:EnableEnhancedMonitoring"):
            kinesis.enable_enhanced_monitoring(StreamName="clicks", ShardLevelMetrics=["ALL"])


@pytest.mark.anyio
async def test_handlers_write_with_the_permissions_of_their_role(bus: EventBus, aws: AWS) -> None:
    table, stream = DynamoDB(bus).create_table("cats", "id"), Kinesis(bus).create_stream("clicks")
    outcomes: list[Any] = []

    @bus.function
    async def writes(event: Any, context: Any) -> None:
        item = {"id": {"S": "1"}}
        for call, wanted in (
            (boto3.client("dynamodb").put_item, {"TableName": "cats", "Item": item}),
            (boto3.client("kinesis").put_record, {"StreamName": "clicks", "Data": b"1", "PartitionKey": "p"}),
        ):
            try:
                outcomes.append(call(**wanted)["ResponseMetadata"]["HTTPStatusCode"])
            except ClientError as error:
                outcomes.append((error.response["Error"]["Code"], "is not authorized to perform" in str(error)))

    async with bus:
        await bus.invoke(writes)
        writes.role.allow("dynamodb:PutItem", table)
        writes.role.allow("kinesis:PutRecord", stream)
        await bus.invoke(writes)
    assert outcomes == [("AccessDeniedException", True)] * 2 + [200] * 2


def test_a_change_in_a_table_made_by_boto3_runs_a_function() -> None:
    bus, seen = EventBus(clock=VirtualClock(), seed=1), list[str]()
    with AWS(bus) as aws:
        boto3.resource("dynamodb").create_table(TableName="cats", **SCHEMA, **STREAM)

        @bus.function
        async def watches(event: Any, context: Any) -> None:
            seen.extend(record["eventName"] for record in event["Records"])

        watches.poll(bus.service("DynamoDB")["cats"].stream, starting_position="TRIM_HORIZON", grant=True)
        boto3.resource("dynamodb").Table("cats").put_item(Item={"id": "a", "n": 1})
        aws.wait_idle()
    assert seen == ["INSERT"]
