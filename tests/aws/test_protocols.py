"""Every operation of every service: what botocore writes we read, what we write botocore reads."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from botocore.model import OperationModel, Shape, StructureShape
from botocore.parsers import create_parser
from botocore.validate import ParamValidator

from tests.aws.generated import SERVICES, request_of, structure
from triggers.aws import protocols
from triggers.aws.models import find_route, operation_model, protocol_of, service_model
from triggers.aws.protocols.layouts import layout_of_input

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


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_taken_at_once_is_what_botocores_validator_takes(service: str) -> None:
    """Good inputs but for a few are taken without it; of spoiled ones none that it has something against."""
    taken = refused = 0
    validator = ParamValidator()
    for operation in operations(service):
        layout = layout_of_input(operation)
        if layout is None:
            continue
        for seed in range(12):
            random = Random(f"{operation.name}{seed}")
            values = structure(layout.shape, random, is_full=seed == 0)  # type: ignore[arg-type]
            taken += layout.accepts(values)
            spoiled = spoil(values, random)
            if validator.validate(spoiled, layout.shape).has_errors():
                refused += 1
                assert not layout.accepts(spoiled), (operation.name, spoiled)
    assert taken
    assert refused


def test_a_layout_that_contains_itself_is_made_once() -> None:
    """However deep a value is nested, nothing more is remembered of the model."""
    layout = layout_of_input(service_model("dynamodb").operation_model("PutItem"))
    assert layout is not None
    attribute = layout.members["Item"][1].item
    assert attribute.members["M"][1].item is attribute
    assert attribute.members["L"][1].item is attribute


def test_each_protocol_of_a_service_has_layouts_of_its_own() -> None:
    """SQS calls the same members otherwise in forms than in JSON."""
    form, document = (layout_of_input(operation_model("sqs", "SendMessage", protocol)) for protocol in ("query", None))
    assert form is not None
    assert document is not None
    assert form.accepts(value := {"QueueUrl": "u", "MessageBody": "b", "MessageAttributes": {"a": {"DataType": "x"}}})
    assert document.accepts(value)
    inner = document.members["MessageAttributes"][1].item
    assert inner is not form.members["MessageAttribute"][1].item
    assert set(inner.members) >= {"StringValue", "DataType"}


def spoil(value: Any, random: Random) -> Any:
    """The value with something wrong somewhere: left out, added, emptied or of another kind."""
    if isinstance(value, dict) and value:
        key = random.choice(sorted(value))
        match random.randrange(5):
            case 0:
                return {k: v for k, v in value.items() if k != key}
            case 1:
                return {**value, "NoSuchMember": 1}
            case _:
                return {**value, key: spoil(value[key], random)}
    if isinstance(value, list) and value and random.random() < 0.7:
        return [spoil(value[0], random), *value[1:]]
    return random.choice([None, 1, True, "", "text", b"", [], {}, 1.5, -1])


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
