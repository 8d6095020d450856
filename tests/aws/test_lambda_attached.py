"""What is attached to functions over the wire: event source mappings, URLs, layers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from eventbus import EventBus
from tests.aws.conftest import policy, queue_with_arn
from tests.aws.packages import made_role, zipped
from tests.aws.test_lambda import ARN, create, error, plain
from triggers.aws import AWS
from triggers.kinesis import Kinesis

READ = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
BATCHES = zipped(app="def handler(event, context):\n    return {'seen': len(event['Records'])}\n")


@pytest.fixture
def client(aws: AWS) -> Any:
    return boto3.client("lambda")


@pytest.fixture
def role(aws: AWS) -> str:
    return made_role(boto3.client("iam"), Action=READ, Resource="*")


@pytest.fixture
def made(client: Any, role: str) -> dict[str, Any]:
    answer: dict[str, Any] = create(client, role, Code={"ZipFile": BATCHES})
    return answer


class TestMappings:
    def test_a_queue_is_mapped_read_and_let_go(self, aws: AWS, client: Any, made: dict[str, Any]) -> None:
        url, arn = queue_with_arn(boto3.client("sqs"), "work")
        mapping = client.create_event_source_mapping(EventSourceArn=arn, FunctionName="f", BatchSize=5)
        assert mapping["ResponseMetadata"]["HTTPStatusCode"] == 202
        assert (mapping["State"], mapping["StateTransitionReason"]) == ("Creating", "USER_INITIATED")
        assert (mapping["FunctionArn"], mapping["EventSourceArn"], mapping["BatchSize"]) == (ARN, arn, 5)
        assert mapping["LastModified"].tzinfo is not None
        boto3.client("sqs").send_message(QueueUrl=url, MessageBody="one")
        aws.wait_idle()
        uuid = mapping["UUID"]
        assert client.get_event_source_mapping(UUID=uuid)["State"] == "Enabled"
        assert aws.bus.metrics.query("Invocations", aws.bus.functions["f"]).sum == 1
        assert client.update_event_source_mapping(UUID=uuid, Enabled=False, BatchSize=7)["State"] == "Disabling"
        aws.wait_idle()
        shown = client.get_event_source_mapping(UUID=uuid)
        assert (shown["State"], shown["BatchSize"]) == ("Disabled", 7)
        assert client.delete_event_source_mapping(UUID=uuid)["State"] == "Deleting"
        aws.wait_idle()
        assert error(client.get_event_source_mapping, UUID=uuid)[:2] == ("ResourceNotFoundException", 404)

    def test_mappings_are_listed_by_function_and_by_source(self, client: Any, made: dict[str, Any], role: str) -> None:
        _, first = queue_with_arn(boto3.client("sqs"), "first")
        _, second = queue_with_arn(boto3.client("sqs"), "second")
        create(client, role, FunctionName="g")
        for function, arn in (("f", first), ("f", second), ("g", first)):
            client.create_event_source_mapping(EventSourceArn=arn, FunctionName=function)
        listed = client.list_event_source_mappings
        assert len(listed()["EventSourceMappings"]) == 3
        assert {one["EventSourceArn"] for one in listed(FunctionName="f")["EventSourceMappings"]} == {first, second}
        assert len(listed(EventSourceArn=first)["EventSourceMappings"]) == 2
        assert len(listed(FunctionName=ARN, EventSourceArn=second)["EventSourceMappings"]) == 1

    def test_a_function_that_is_not_there_is_a_wrong_value(self, client: Any, made: dict[str, Any]) -> None:
        _, arn = queue_with_arn(boto3.client("sqs"), "work")
        refused = ("InvalidParameterValueException", 400, "Function does not exist")
        for name in ("nope", "f:nope"):
            assert error(client.create_event_source_mapping, EventSourceArn=arn, FunctionName=name) == refused
        uuid = client.create_event_source_mapping(EventSourceArn=arn, FunctionName="f")["UUID"]
        assert error(client.update_event_source_mapping, UUID=uuid, FunctionName="nope") == refused

    def test_a_role_that_may_not_read_is_refused(self, client: Any, made: dict[str, Any]) -> None:
        _, arn = queue_with_arn(boto3.client("sqs"), "work")
        boto3.client("iam").delete_role_policy(RoleName="role", PolicyName="p")
        assert error(client.create_event_source_mapping, EventSourceArn=arn, FunctionName="f") == (
            "InvalidParameterValueException",
            400,
            "The function execution role does not have permissions to call ReceiveMessage on SQS",
        )

    def test_a_mapping_moves_to_another_function_whose_role_may_read(self, client: Any, made: dict[str, Any]) -> None:
        _, arn = queue_with_arn(boto3.client("sqs"), "work")
        create(client, made_role(boto3.client("iam"), "weak"), FunctionName="g")
        uuid = client.create_event_source_mapping(EventSourceArn=arn, FunctionName="f")["UUID"]
        code, _, _ = error(client.update_event_source_mapping, UUID=uuid, FunctionName="g")
        assert code == "InvalidParameterValueException"
        assert client.get_event_source_mapping(UUID=uuid)["FunctionArn"] == ARN
        boto3.client("iam").put_role_policy(
            RoleName="weak", PolicyName="p", PolicyDocument=policy(Action=READ, Resource="*")
        )
        moved = client.update_event_source_mapping(UUID=uuid, FunctionName="g")
        assert moved["FunctionArn"] == f"{ARN[:-1]}g"

    def test_a_stream_is_mapped_with_everything_that_can_be_set(
        self, bus: EventBus, client: Any, made: dict[str, Any]
    ) -> None:
        stream = Kinesis(bus).create_stream("orders", shards=1)
        actions = ["kinesis:*"]
        grant = policy(Action=actions, Resource="*")
        boto3.client("iam").put_role_policy(RoleName="role", PolicyName="p", PolicyDocument=grant)
        at = datetime(2026, 1, 2, tzinfo=UTC)
        given: dict[str, Any] = {
            "StartingPosition": "AT_TIMESTAMP",
            "StartingPositionTimestamp": at,
            "ParallelizationFactor": 2,
            "MaximumRecordAgeInSeconds": 600,
            "MaximumRetryAttempts": 3,
            "BisectBatchOnFunctionError": True,
            "TumblingWindowInSeconds": 0,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "FilterCriteria": {"Filters": [{"Pattern": '{"data": {"a": [1]}}'}]},
            "MetricsConfig": {"Metrics": ["EventCount"]},
        }
        mapping = client.create_event_source_mapping(EventSourceArn=stream.arn, FunctionName="f", **given)
        assert {name: mapping[name] for name in given} == given
        assert mapping["LastProcessingResult"] == "No records processed"


class TestUrls:
    def test_a_url_is_made_shown_changed_and_deleted(self, client: Any, made: dict[str, Any]) -> None:
        cors = {"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET"], "MaxAge": 60}
        url = client.create_function_url_config(FunctionName="f", AuthType="NONE", Cors=cors)
        assert url["FunctionUrl"].startswith("https://")
        assert url["FunctionUrl"].endswith(".lambda-url.us-east-1.on.aws/")
        assert (url["FunctionArn"], url["AuthType"], url["Cors"]) == (ARN, "NONE", cors)
        updated = client.update_function_url_config(FunctionName="f", AuthType="AWS_IAM")
        assert (updated["FunctionUrl"], updated["AuthType"], updated["Cors"]) == (url["FunctionUrl"], "AWS_IAM", cors)
        listed = client.list_function_url_configs(FunctionName="f")["FunctionUrlConfigs"]
        assert [one["FunctionUrl"] for one in listed] == [url["FunctionUrl"]]
        client.delete_function_url_config(FunctionName="f")
        assert error(client.get_function_url_config, FunctionName="f")[:2] == ("ResourceNotFoundException", 404)

    def test_there_is_one_url_for_each_function_or_alias(self, client: Any, made: dict[str, Any]) -> None:
        client.publish_version(FunctionName="f")
        client.create_alias(FunctionName="f", Name="prod", FunctionVersion="1")
        client.create_function_url_config(FunctionName="f", AuthType="NONE")
        client.create_function_url_config(FunctionName="f", Qualifier="prod", AuthType="NONE")
        code, status, _ = error(client.create_function_url_config, FunctionName="f", AuthType="NONE")
        assert (code, status) == ("ResourceConflictException", 409)
        assert len(client.list_function_url_configs(FunctionName="f")["FunctionUrlConfigs"]) == 2
        client.delete_alias(FunctionName="f", Name="prod")
        assert len(client.list_function_url_configs(FunctionName="f")["FunctionUrlConfigs"]) == 1


class TestLayers:
    def test_versions_are_published_found_and_deleted(self, client: Any) -> None:
        archive = zipped(python__shared="VALUE = 1\n")
        first = client.publish_layer_version(
            LayerName="shared", Content={"ZipFile": archive}, CompatibleRuntimes=["python3.13"], LicenseInfo="MIT"
        )
        arn = "arn:aws:lambda:us-east-1:123456789012:layer:shared"
        assert (first["LayerArn"], first["LayerVersionArn"], first["Version"]) == (arn, f"{arn}:1", 1)
        assert first["Content"]["CodeSize"] == len(archive)
        assert client.publish_layer_version(LayerName="shared", Content={"ZipFile": archive})["Version"] == 2
        same = plain(client.get_layer_version_by_arn(Arn=f"{arn}:1"))
        assert same == plain(client.get_layer_version(LayerName="shared", VersionNumber=1)) == plain(first)
        versions = client.list_layer_versions(LayerName=arn)["LayerVersions"]
        assert [one["Version"] for one in versions] == [2, 1]
        (layer,) = client.list_layers(CompatibleRuntime="python3.13")["Layers"]
        assert (layer["LayerName"], layer["LatestMatchingVersion"]["Version"]) == ("shared", 1)
        for number in (1, 2):
            client.delete_layer_version(LayerName="shared", VersionNumber=number)
        assert client.list_layers()["Layers"] == []
        assert client.publish_layer_version(LayerName="shared", Content={"ZipFile": archive})["Version"] == 3

    def test_a_function_imports_from_its_layers_later_ones_first(self, client: Any, role: str) -> None:
        arns = [
            client.publish_layer_version(LayerName=name, Content={"ZipFile": archive})["LayerVersionArn"]
            for name, archive in (
                ("first", zipped(python__shared="VALUE = 'first'\n", python__only="VALUE = 'only'\n")),
                ("second", zipped(python__shared="VALUE = 'second'\n")),
            )
        ]
        code = "import shared, only\ndef handler(event, context):\n    return [shared.VALUE, only.VALUE]\n"
        made = create(client, role, Code={"ZipFile": zipped(app=code)}, Layers=arns)
        assert [one["Arn"] for one in made["Layers"]] == arns
        client.delete_layer_version(LayerName="first", VersionNumber=1)
        assert json.load(client.invoke(FunctionName="f")["Payload"]) == ["second", "only"]

    def test_a_layer_that_is_not_there_is_refused(self, client: Any, role: str) -> None:
        missing = "arn:aws:lambda:us-east-1:123456789012:layer:no:1"
        code, _, message = error(create, client, role, Layers=[missing])
        assert (code, message) == ("InvalidParameterValueException", f"Layer version {missing} does not exist.")
