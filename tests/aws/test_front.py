"""The front itself: the older protocol of SQS, temporary keys, presigned URLs, who is refused and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree

import attrs
import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from eventbus import EventBus, VirtualClock
from tests.aws.conftest import policy
from triggers import S3
from triggers.aws import AWS
from triggers.aws.front import Front
from triggers.aws.http import Request, Response
from triggers.aws.models import find_route
from triggers.aws.routing import with_bucket_in_path

SCOPE = "Credential=k/20260101/us-east-1/{}/aws4_request"


def signed(service: str, **headers: str) -> dict[str, str]:
    scope = SCOPE.format(service)
    return {"authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature={'0' * 64}", **headers}


def form(**fields: str) -> Request:
    headers = signed("sqs", **{"content-type": "application/x-www-form-urlencoded"})
    return Request("POST", "/", "", headers, urlencode(fields).encode())


def texts(response: Response) -> dict[str, str]:
    """The leaves of an XML answer, by name."""
    root = ElementTree.fromstring(response.body)
    return {node.tag.rpartition("}")[2]: node.text or "" for node in root.iter() if not len(node)}


@pytest.mark.anyio
async def test_sqs_still_speaks_the_query_protocol(bus: EventBus) -> None:
    front = Front(bus)
    async with bus:
        made = await front.answer(form(Action="CreateQueue", QueueName="q", **{
            "Attribute.1.Name": "VisibilityTimeout", "Attribute.1.Value": "60"}))  # fmt: skip
        url = texts(made)["QueueUrl"]
        sent = await front.answer(form(Action="SendMessage", QueueUrl=url, MessageBody="hällo", **{
            "MessageAttribute.1.Name": "n", "MessageAttribute.1.Value.DataType": "Number",
            "MessageAttribute.1.Value.StringValue": "7"}))  # fmt: skip
        found = await front.answer(form(Action="ReceiveMessage", QueueUrl=url, **{
            "MessageAttributeName.1": "All", "AttributeName.1": "SentTimestamp"}))  # fmt: skip
        assert (
            ElementTree.fromstring(found.body).tag
            == "{http://queue.amazonaws.com/doc/2012-11-05/}ReceiveMessageResponse"
        )
        assert texts(found)["Body"] == "hällo"
        assert texts(found)["StringValue"] == "7"
        assert texts(found)["MessageId"] == texts(sent)["MessageId"]
        assert bus.service("SQS")["q"].settings.visibility_timeout == 60
        refused = await front.answer(form(Action="GetQueueUrl", QueueName="none"))
    assert refused.status == 400
    assert texts(refused)["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert texts(refused)["Type"] == "Sender"


@pytest.mark.anyio
async def test_what_was_answered_is_safe(tmp_path: Path) -> None:
    put = Request("PUT", "/photos/k", "", signed("s3"), b"z" * 100_000)
    make, get = attrs.evolve(put, path="/photos", body=b""), attrs.evolve(put, method="GET", body=b"")
    for request in (put, get):  # as two processes would, one after the other
        bus = EventBus(store=tmp_path / "bus.db")
        async with bus:
            front = Front(bus)
            await front.answer(make)
            answered = await front.answer(request)
        assert answered.status == 200
    assert answered.body == b"z" * 100_000


@pytest.mark.anyio
async def test_temporary_keys_end(bus: EventBus, aws: AWS) -> None:
    trust = policy(Principal={"AWS": "*"}, Action="sts:AssumeRole")
    arn = boto3.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    keys = boto3.client("sts").assume_role(RoleArn=arn, RoleSessionName="me", DurationSeconds=900)["Credentials"]
    client = boto3.client(
        "sts",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    async with bus:
        assert client.get_caller_identity()["Arn"].endswith("assumed-role/r/me")
        assert isinstance(bus.clock, VirtualClock)
        await bus.clock.advance(900)
        with pytest.raises(ClientError, match="ExpiredToken"):
            client.get_caller_identity()


@pytest.mark.anyio
@pytest.mark.parametrize("version", ["s3v4", "s3"])
async def test_a_presigned_url_ends(version: str) -> None:
    bus = EventBus(clock=VirtualClock(start=4_000_000_000), seed=1)  # later than any client's clock
    S3(bus).create_bucket("photos")
    client = boto3.client(
        "s3", region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s",
        config=Config(signature_version=version),
    )  # fmt: skip
    url = urlsplit(client.generate_presigned_url("get_object", Params={"Bucket": "photos", "Key": "k"}))
    async with bus:
        refused = await Front(bus).answer(Request("GET", url.path, url.query, {"host": url.netloc}))
    assert (refused.status, texts(refused)["Message"]) == (403, "Request has expired")


@pytest.mark.anyio
@pytest.mark.parametrize("service", ["sns", "iam", "sts"])
async def test_who_does_not_sign_is_refused(bus: EventBus, service: str) -> None:
    actions = {"sns": "ListTopics", "iam": "ListRoles", "sts": "GetCallerIdentity"}
    async with bus:
        refused = await Front(bus).answer(Request("POST", "/", f"Action={actions[service]}", {}))
    assert (refused.status, texts(refused)["Code"]) == (403, "MissingAuthenticationToken")


@pytest.mark.anyio
async def test_a_service_that_is_not_here_is_named(bus: EventBus) -> None:
    async with bus:
        refused = await Front(bus).answer(Request("POST", "/", "", signed("ec2")))
    assert b"eventbus has no service 'ec2'" in refused.body


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("cloudformation", "list_stacks", {}),
        ("ec2", "describe_instances", {}),
        ("ssm", "get_parameter", {"Name": "x"}),
        ("eks", "list_clusters", {}),
        ("cloudfront", "list_distributions", {}),
    ],
)
def test_a_client_of_a_service_that_is_not_here_reads_why(
    aws: AWS, service: str, operation: str, arguments: dict[str, str]
) -> None:
    """Whatever its protocol."""
    client: Any = boto3.client(service, region_name="us-east-1")
    with pytest.raises(ClientError, match=f"eventbus has no service '{service}'; it has s3, sns"):
        getattr(client, operation)(**arguments)


@pytest.mark.anyio
async def test_a_missing_member_is_said_in_words(bus: EventBus) -> None:
    async with bus:
        front = Front(bus)
        headers = signed("sqs", **{"x-amz-target": "AmazonSQS.SendMessage"})
        refused = await front.answer(Request("POST", "/", "", headers, b'{"QueueUrl": "x"}'))
    assert refused.status == 400
    assert b'Missing required parameter in input: \\"MessageBody\\"' in refused.body


@pytest.mark.parametrize(
    ("host", "path", "expected"),
    [
        ("photos.s3.amazonaws.com", "/k", "/photos/k"),
        ("my.photos.s3.eu-west-1.amazonaws.com", "/", "/my.photos/"),
        ("photos.s3-eu-west-1.amazonaws.com", "/k", "/photos/k"),
        ("photos.s3.localhost:4566", "/k", "/photos/k"),
        ("photos.localhost:4566", "/a/b", "/photos/a/b"),
        ("s3.amazonaws.com", "/photos/k", "/photos/k"),
        ("s3.us-east-1.amazonaws.com", "/photos/k", "/photos/k"),
        ("localhost:4566", "/photos/k", "/photos/k"),
        ("s3.localhost", "/photos/k", "/photos/k"),
        ("127.0.0.1:4566", "/photos/k", "/photos/k"),
    ],
)
def test_a_bucket_is_found_in_host_and_path(host: str, path: str, expected: str) -> None:
    assert with_bucket_in_path(Request("GET", path, "", {"host": host})).path == expected


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "expected"),
    [
        ("GET", "/", "", {}, "ListBuckets"),
        ("GET", "/b", "", {}, "ListObjects"),
        ("GET", "/b/", "list-type=2", {}, "ListObjectsV2"),
        ("GET", "/b", "versions", {}, "ListObjectVersions"),
        ("PUT", "/b/k", "x-id=PutObject", {}, "PutObject"),
        ("PUT", "/b/k", "", {"x-amz-copy-source": "/b/o"}, "CopyObject"),
        ("PUT", "/b/k", "partNumber=1&uploadId=u", {}, "UploadPart"),
        ("PUT", "/b/k", "partNumber=1&uploadId=u", {"x-amz-copy-source": "/b/o"}, "UploadPartCopy"),
        ("POST", "/b/k", "uploads", {}, "CreateMultipartUpload"),
        ("POST", "/b/k", "uploadId=u", {}, "CompleteMultipartUpload"),
        ("DELETE", "/b/k", "uploadId=u", {}, "AbortMultipartUpload"),
        ("DELETE", "/b/k", "versionId=v", {}, "DeleteObject"),
        ("POST", "/b", "delete", {}, "DeleteObjects"),
        ("GET", "/b/a//b/", "", {}, "GetObject"),
        ("GET", "/b", "notification", {}, "GetBucketNotificationConfiguration"),
    ],
)
def test_s3_knows_its_operations_apart(method: str, path: str, query: str, headers: Any, expected: str) -> None:
    assert find_route("s3", Request(method, path, query, headers))[0] == expected


def test_a_key_keeps_every_slash() -> None:
    assert find_route("s3", Request("GET", "/b/a//b%2Fc/", "", {}))[1] == {"Bucket": "b", "Key": "a//b/c/"}
