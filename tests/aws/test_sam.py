"""What AWS's own SAM translator makes of a template is deployed call by call, and works."""

from __future__ import annotations

import json
import re
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from tests.aws.deploying import Deployment
from tests.aws.packages import zipped
from triggers.aws import AWS

CODE = zipped(
    app="""
def fails(event, context):
    raise ValueError(event["Records"][0]["s3"]["object"]["key"])

def works(event, context):
    import shared
    print(shared.WORD, len(event["Records"]))

def web(event, context):
    return {"body": event["rawPath"]}
"""
)
ASYNCHRONOUS: dict[str, Any] = {
    "Photos": {"Type": "AWS::S3::Bucket"},
    "Failed": {"Type": "AWS::SQS::Queue"},
    "Thumbnail": {
        "Type": "AWS::Serverless::Function",
        "Properties": {
            "CodeUri": "s3://packages/app.zip",
            "Handler": "app.fails",
            "Runtime": "python3.13",
            "AutoPublishAlias": "live",
            "EventInvokeConfig": {
                "MaximumRetryAttempts": 1,
                "DestinationConfig": {
                    "OnFailure": {"Type": "SQS", "Destination": {"Fn::GetAtt": ["Failed", "Arn"]}},
                },
            },
            "Events": {
                "Put": {"Type": "S3", "Properties": {"Bucket": {"Ref": "Photos"}, "Events": "s3:ObjectCreated:*"}}
            },
        },
    },
}
PULLED: dict[str, Any] = {
    "Work": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 60}},
    "Shared": {
        "Type": "AWS::Serverless::LayerVersion",
        "Properties": {"ContentUri": "s3://packages/layer.zip", "CompatibleRuntimes": ["python3.13"]},
    },
    "Worker": {
        "Type": "AWS::Serverless::Function",
        "Properties": {
            "CodeUri": "s3://packages/app.zip",
            "Handler": "app.works",
            "Runtime": "python3.13",
            "Layers": [{"Ref": "Shared"}],
            "Events": {
                "Queue": {"Type": "SQS", "Properties": {"Queue": {"Fn::GetAtt": ["Work", "Arn"]}, "BatchSize": 5}}
            },
        },
    },
    "Web": {
        "Type": "AWS::Serverless::Function",
        "Properties": {
            "CodeUri": "s3://packages/app.zip",
            "Handler": "app.web",
            "Runtime": "python3.13",
            "FunctionUrlConfig": {"AuthType": "NONE"},
        },
    },
}


class _Session:
    region_name = "us-east-1"


def deploy(resources: dict[str, Any]) -> Deployment:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="packages")
    s3.put_object(Bucket="packages", Key="app.zip", Body=CODE)
    s3.put_object(Bucket="packages", Key="layer.zip", Body=zipped(python__shared="WORD = 'shared'\n"))
    names = ("AWSLambdaBasicExecutionRole", "service-role/AWSLambdaSQSQueueExecutionRole")
    managed = {name.rpartition("/")[2]: f"arn:aws:iam::aws:policy/{name}" for name in names}
    translator = Translator(managed, Parser(), boto_session=_Session())
    template = translator.translate({"Transform": "AWS::Serverless-2016-10-31", "Resources": resources}, {})
    deployment = Deployment(template)
    deployment.run()
    return deployment


def test_an_object_runs_the_alias_and_its_failure_is_sent_on(aws: AWS) -> None:
    """Put, alias, retry, destination: nothing was granted but what SAM grants."""
    deployment = deploy(ASYNCHRONOUS)
    boto3.client("s3").put_object(Bucket="photos", Key="cat.jpg", Body=b"meow")
    aws.wait_idle()
    url = deployment.attributes("Failed")["Ref"]
    (message,) = boto3.client("sqs").receive_message(QueueUrl=url)["Messages"]
    record = json.loads(message["Body"])
    assert record["requestContext"]["functionArn"].endswith(":function:Thumbnail:live")
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["responsePayload"]["errorMessage"] == "cat.jpg"


def test_a_queue_feeds_a_function_with_a_layer(aws: AWS) -> None:
    deployment = deploy(PULLED)
    url = deployment.attributes("Work")["Ref"]
    for number in range(2):
        boto3.client("sqs").send_message(QueueUrl=url, MessageBody=str(number))
    aws.wait_idle()
    batches = re.findall(r"shared (\d)", aws.bus.logs.text("/aws/lambda/Worker"))
    assert sum(map(int, batches)) == 2
    policy = json.loads(boto3.client("lambda").get_policy(FunctionName="Web")["Policy"])
    assert len(policy["Statement"]) == 2
    address = boto3.client("lambda").get_function_url_config(FunctionName="Web")["FunctionUrl"]
    assert address == deployment.attributes("WebUrl")["FunctionUrl"]
