"""Every operation of every service: what botocore writes we read, what we write botocore reads."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from botocore.model import OperationModel, Shape, StructureShape
from botocore.parsers import create_parser

from tests.aws.generated import SERVICES, request_of, structure
from triggers.aws import protocols
from triggers.aws.models import find_route, protocol_of, service_model

SEEDS = range(4)


def operations(service: str) -> list[OperationModel]:
    model = service_model(service)
    every = [model.operation_model(name) for name in model.operation_names]
    return [operation for operation in every if not operation.deprecated]  # whose place another has taken


def has_stream(shape: Shape | None) -> bool:
    return isinstance(shape, StructureShape) and any(m.serialization.get("eventstream") for m in shape.members.values())


@pytest.mark.parametrize("service", SERVICES)
def test_what_botocore_writes_is_read_as_what_was_meant(service: str) -> None:
    for operation in operations(service):
        if has_stream(operation.input_shape):
            continue
        for seed in SEEDS:
            shape = operation.input_shape
            values = {} if shape is None else structure(shape, Random(f"{operation.name}{seed}"), is_full=seed == 0)
            request = request_of(operation, values)
            labels: dict[str, str] = {}
            if protocol_of(service).startswith("rest"):
                name, labels = find_route(service, request)
                assert name == operation.name or operation.name == "ListDirectoryBuckets"
            read = protocols.parse(protocol_of(service), operation, request, labels)
            if "ContentLength" not in values:
                read.pop("ContentLength", None)  # which every request with a body has
            assert comparable(read) == comparable(values), operation.name


@pytest.mark.parametrize("service", SERVICES)
def test_what_we_answer_botocore_reads_as_what_was_meant(service: str) -> None:
    for operation in operations(service):
        if has_stream(operation.output_shape) or operation.name == "GetBucketLocation":  # read by a handler of its own
            continue
        for seed in SEEDS:
            shape = operation.output_shape
            values = {} if shape is None else structure(shape, Random(f"{operation.name}{seed}"), is_full=seed == 0)
            for name, member in {} if shape is None else shape.members.items():
                if member.serialization.get("location") == "statusCode":
                    values[name] = 200
            payload = body_member(shape)
            is_bytes = payload is not None and shape is not None and shape.members[payload].type_name == "blob"
            response = protocols.answer(protocol_of(service), operation, values, "the-request-id")
            parser: Any = create_parser(protocol_of(service))
            parsed = parser.parse(
                {
                    "status_code": response.status,
                    "headers": LowerCase(response.headers),
                    "body": bytearray(response.body) if is_bytes else response.body,  # which botocore leaves alone
                    "context": {"operation_name": operation.name},
                },
                shape,
            )
            metadata = parsed.pop("ResponseMetadata")
            assert metadata["RequestId"] == "the-request-id"
            if payload is not None:
                values.setdefault(payload, b"" if is_bytes else "")
            assert comparable(parsed) == comparable(values), operation.name


class LowerCase(dict[str, str]):
    """Headers as botocore has them: names in any case."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__({name.lower(): value for name, value in headers.items()})

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).lower())

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())


def body_member(shape: Any) -> str | None:
    """The member that is the whole body, as it is."""
    payload: str | None = None if shape is None else shape.serialization.get("payload")
    return payload if payload is not None and shape.members[payload].type_name in ("blob", "string") else None


def comparable(value: Any) -> Any:
    """Empty maps of headers, and empty bodies, are no difference."""
    if isinstance(value, dict):
        return {k: comparable(v) for k, v in value.items() if v not in ({}, None, b"", "")}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    return value
