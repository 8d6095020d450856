"""Values for any shape of a service model, and requests made of them by botocore itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any
from urllib.parse import urlencode, urlsplit

from botocore.awsrequest import AWSRequest, create_request_object, prepare_request_dict
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from botocore.serialize import create_serializer

from triggers.aws.http import Request

SERVICES = (
    "s3", "sns", "sqs", "iam", "sts", "lambda", "dynamodb", "dynamodbstreams", "kinesis", "events", "scheduler",
    "logs", "cloudwatch", "apigateway", "apigatewayv2",
)  # fmt: skip
TEXTS = ("a", "b c", "ü&<>'\"", "1", "x/y+z=~", "漢字", "a-b_c.d")
LABELS = ("abc", "b1-2", "x.y")


def value(shape: Shape, random: Random, depth: int = 0, *, is_head: bool = False, is_full: bool = False) -> Any:
    """A value that the shape describes. `is_head`: for a header or a path, which cannot carry everything."""
    if isinstance(shape, StructureShape):
        return structure(shape, random, depth, is_full=is_full)
    if isinstance(shape, ListShape):
        low = max(1, shape.metadata.get("min", 1))
        return [
            value(shape.member, random, depth + 1, is_head=is_head) for _ in range(min(low + random.randrange(2), 3))
        ]
    if isinstance(shape, MapShape):
        keys = enum_of(shape.key) or ["k1", "k2-x"]
        return {key: value(shape.value, random, depth + 1, is_head=is_head) for key in keys[: 1 + random.randrange(2)]}
    match shape.type_name:
        case "string" | "character":
            if chosen := enum_of(shape):
                return random.choice(chosen)
            return random.choice(LABELS if is_head else TEXTS)
        case "integer" | "long":
            return random.choice([1, 7, 200, 4096])
        case "float" | "double":
            return random.choice([0.5, 1.0, -2.25, 1e10])
        case "boolean":
            return random.random() < 0.5
        case "timestamp":
            return datetime(
                2026, random.randrange(1, 13), random.randrange(1, 28), 10, 20, random.randrange(60), tzinfo=UTC
            )
        case "blob":
            return random.choice([b"bytes", b"\x00\xff\x80", b"x" * 100])
    raise AssertionError(shape.type_name)


def enum_of(shape: Shape) -> list[str]:
    return list(getattr(shape, "enum", ()))


def structure(shape: StructureShape, random: Random, depth: int = 0, *, is_full: bool = False) -> Any:
    if shape.is_document_type:
        return {"any": ["thing", 1, None]}
    members = list(shape.members)
    if shape.is_tagged_union:
        members = [random.choice(members)]
    values = {}
    for name in members:
        member = shape.members[name]
        is_wanted = name in shape.required_members or shape.is_tagged_union
        if not is_wanted and (depth > 3 or not (is_full or random.random() < 0.6)):
            continue
        if member.serialization.get("eventstream"):
            continue
        if depth > 12:
            continue
        if member.serialization.get("jsonvalue"):
            values[name] = {"json": [1, "two"]}
            continue
        is_head = member.serialization.get("location") is not None or bool(member.serialization.get("hostLabel"))
        values[name] = value(member, random, depth + 1, is_head=is_head)
    if not values and members and depth and depth < 12:  # the query protocol has no way to say "an empty structure"
        values[members[0]] = value(shape.members[members[0]], random, depth + 1)
    return values


def request_of(operation: OperationModel, values: Mapping[str, Any], host: str = "https://service.test") -> Request:
    """The request that botocore makes of an operation's input, as a server gets it."""
    service = operation.service_model
    made = create_serializer(service.resolved_protocol, False).serialize_to_request(dict(values), operation)
    made.pop("host_prefix", None)
    prepare_request_dict(made, endpoint_url=host, context={})
    return received(create_request_object(made))


def text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def received(request: AWSRequest) -> Request:
    prepared = request.prepare()
    url = urlsplit(prepared.url)
    headers = {str(k).lower(): text(v) for k, v in prepared.headers.items()}
    headers.setdefault("host", url.netloc)
    body: Any = prepared.body
    if body is None:
        body = b""
    elif isinstance(body, str):
        body = body.encode()
    elif isinstance(body, dict):
        body = urlencode(body).encode()
    elif not isinstance(body, (bytes, bytearray)):
        body = body.read()
    return Request(prepared.method, url.path or "/", url.query, headers, bytes(body))
