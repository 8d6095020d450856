"""Which service a request is for, and which of its operations.

The credential scope says it, of the Authorization header or of a presigned URL; then the X-Amz-Target header, the path
of rpc-v2-cbor, the host, the Action of a form; what says nothing at all is for S3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from triggers.aws.errors import UnknownOperation, UnknownService
from triggers.aws.http import Request
from triggers.aws.models import find_route, protocol_of, service_model
from triggers.aws.protocols import Protocol
from triggers.aws.protocols.query import form

SIGNING_NAMES: Mapping[str, str] = {
    "s3": "s3",
    "sns": "sns",
    "sqs": "sqs",
    "dynamodb": "dynamodb",
    "kinesis": "kinesis",
    "events": "events",
    "scheduler": "scheduler",
    "logs": "logs",
    "monitoring": "cloudwatch",
    "iam": "iam",
    "sts": "sts",
    "apigateway": "apigateway",
    "lambda": "lambda",
}
"""boto3's name of the service by the name that requests to it are signed with."""
TARGETS: Mapping[str, str] = {
    "AmazonSQS": "sqs",
    "DynamoDB_20120810": "dynamodb",
    "DynamoDBStreams_20120810": "dynamodbstreams",
    "Kinesis_20131202": "kinesis",
    "AWSEvents": "events",
    "Logs_20140328": "logs",
    "GraniteServiceVersion20100801": "cloudwatch",
}
"""boto3's name of the service by the first part of X-Amz-Target."""

_SCOPE = re.compile(r"Credential=[^/,\s]+/\d{8}/[^/,]*/([a-z0-9-]+)/aws4_request")
_CBOR_PATH = re.compile(r"/service/(\w+)/operation/(\w+)/?")
_SERVED = "s3|sns|sqs|queue|iam|sts|lambda"
_SERVICE_HOST = re.compile(rf"(?:^|\.)({_SERVED})(?:[.-][a-z0-9-]+)*\.(?:amazonaws\.com|localhost)$")
_BUCKET_HOST = re.compile(r"^(?P<bucket>.+?)\.s3(?:[.-][a-z0-9-]+)*\.(?:amazonaws\.com|localhost)$")
_LOCAL_BUCKET = re.compile(r"^(?P<bucket>[a-z0-9][a-z0-9.-]+)\.localhost$")


@attrs.frozen
class Address:
    """What a request is for."""

    service: str
    protocol: Protocol
    operation: str
    labels: Mapping[str, str]
    """Parts of the path, for the rest protocols."""


def find_service(request: Request) -> str:
    """boto3's name of the service. Raises UnknownService for one that this bus has nothing of."""
    target = request.headers.get("x-amz-target", "").partition(".")[0]
    scope = _SCOPE.search(request.headers.get("authorization", ""))
    signed = scope[1] if scope else (request.parameter("X-Amz-Credential") or "").rpartition("/aws4_request")[0]
    if name := signed.rpartition("/")[2]:
        if name not in SIGNING_NAMES:
            raise UnknownService(f"eventbus has no service {name[:50]!r}; it has {', '.join(SIGNING_NAMES)}")
        if name == "apigateway" and request.path.startswith("/v2/"):
            return "apigatewayv2"
        is_of_streams = name == "dynamodb" and TARGETS.get(target) == "dynamodbstreams"
        return "dynamodbstreams" if is_of_streams else SIGNING_NAMES[name]  # both are signed for as one
    if target:
        if target not in TARGETS:
            raise UnknownService(f"eventbus has no service with the target {target[:50]!r}")
        return TARGETS[target]
    if host := _SERVICE_HOST.search(request.host):
        return "sqs" if host[1] == "queue" else host[1]
    return _by_form(request) or "s3"


def _by_form(request: Request) -> str | None:
    """The service of an unsigned request in the query protocol, by its Action."""
    action = request.parameter("Action")
    if action is None and request.content_type == "application/x-www-form-urlencoded":
        action = dict(form(request)).get("Action")
    if action is None:
        return None
    return next((name for name in ("sns", "sqs", "sts", "iam") if action in service_model(name).operation_names), None)


def find_operation(service: str, request: Request) -> Address:
    """The operation. Raises UnknownOperation, or Malformed for a form that cannot be read."""
    protocol = protocol_of(service)
    if protocol.startswith("rest"):
        if service == "s3":
            request = with_bucket_in_path(request)
        operation, labels = find_route(service, request)
        return Address(service, protocol, operation, labels)
    if cbor := _CBOR_PATH.fullmatch(request.path):
        return Address(service, "smithy-rpc-v2-cbor", _known(service, cbor[2]), {})
    target = request.headers.get("x-amz-target", "")
    if target:
        return Address(service, "json", _known(service, target.rpartition(".")[2]), {})
    action = dict(form(request)).get("Action", "")
    return Address(service, "query", _known(service, action), {})


def _known(service: str, operation: str) -> str:
    if operation not in service_model(service).operation_names:
        raise UnknownOperation(
            f"Could not find operation {operation[:100]} for version {service_model(service).api_version}",
            code="InvalidAction",
        )
    return operation


def with_bucket_in_path(request: Request) -> Request:
    """The request in path style: a bucket that the host names goes to the front of the path."""
    found = _BUCKET_HOST.match(request.host) or _LOCAL_BUCKET.match(request.host)
    if found is None or found["bucket"] == "s3":
        return request
    path = request.path if request.path.startswith("/") else f"/{request.path}"
    return Request(request.method, f"/{found['bucket']}{path}", request.query_string, request.headers, request.body)
