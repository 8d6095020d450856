"""JSON between text and values, driven by a shape; and the json protocol, which names the operation in a header."""

from __future__ import annotations

import json
from typing import Any

import orjson
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from triggers.aws.errors import Malformed
from triggers.aws.http import Request, Response
from triggers.aws.protocols.values import (
    DEEPEST,
    format_of,
    name_of,
    read_base64,
    read_float,
    read_instant,
    special_float,
    write_base64,
    write_instant,
)

TIMESTAMPS = "unixtimestamp"
_PYTHON = {"string": str, "character": str, "boolean": bool, "integer": int, "long": int}


def load(body: bytes) -> Any:
    """The value of a JSON text. Raises Malformed."""
    try:
        return orjson.loads(body)
    except ValueError:
        pass
    try:
        return json.loads(body)  # once more for what orjson is too strict with: numbers beyond 64 bits, NaN
    except (ValueError, RecursionError):
        raise Malformed("the body is not valid JSON") from None


def dump(value: Any) -> bytes:
    """The JSON text of a value."""
    try:
        return orjson.dumps(value)
    except TypeError:  # half of a surrogate pair, a number beyond 64 bits
        return json.dumps(value, separators=(",", ":")).encode()


def read(shape: Shape, value: Any, depth: int = 0) -> Any:
    """What a JSON value stands for. Raises Malformed where it is not of the shape's kind; null counts as absent."""
    if depth > DEEPEST:
        raise Malformed(f"the input is nested deeper than {DEEPEST} levels")
    if isinstance(shape, StructureShape):
        return _read_structure(shape, value, depth)
    if isinstance(shape, ListShape):
        if not isinstance(value, list):
            raise _unlike("list", value)
        return [None if item is None else read(shape.member, item, depth + 1) for item in value]
    if isinstance(shape, MapShape):
        if not isinstance(value, dict):
            raise _unlike("map", value)
        return {key: read(shape.value, item, depth + 1) for key, item in value.items() if item is not None}
    return _read_scalar(shape, value)


def _read_structure(shape: StructureShape, value: Any, depth: int) -> Any:
    if shape.is_document_type:
        return value
    if not isinstance(value, dict):
        raise _unlike("structure", value)
    values = {}
    for name, member in shape.members.items():
        item = value.get(name_of(member, name))
        if item is not None and member.serialization.get("location") is None:
            values[name] = read(member, item, depth + 1)
    return values


def _read_scalar(shape: Shape, value: Any) -> Any:
    kind = shape.type_name
    if kind == "timestamp":
        return read_instant(value, format_of(shape, TIMESTAMPS))
    if kind == "blob":
        if not isinstance(value, str):
            raise _unlike(kind, value)
        return read_base64(value)
    if kind in ("float", "double"):
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise _unlike(kind, value)
        return read_float(value) if isinstance(value, str) else value
    expected = _PYTHON[kind]
    if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
        raise _unlike(kind, value)
    return value


def _unlike(kind: str, value: Any) -> Malformed:
    return Malformed(f"a value of type {type(value).__name__} was found where a {kind} was expected")


def write(shape: Shape, value: Any) -> Any:
    """A value as JSON has it; members that are None, or belong elsewhere in the response, are left out."""
    if isinstance(shape, StructureShape):
        if shape.is_document_type:
            return value
        return {
            name_of(member, name): write(member, value[name])
            for name, member in shape.members.items()
            if value.get(name) is not None and member.serialization.get("location") is None
        }
    if isinstance(shape, ListShape):
        return [write(shape.member, item) for item in value]
    if isinstance(shape, MapShape):
        return {key: write(shape.value, item) for key, item in value.items()}
    match shape.type_name:
        case "timestamp":
            return write_instant(value, format_of(shape, TIMESTAMPS))
        case "blob":
            return write_base64(value)
        case "float" | "double":
            special = special_float(value)
            return value if special is None else special
        case _:
            return value


# -- the json protocol ------------------------------------------------------------------------------------------------


def parse(operation: OperationModel, request: Request) -> dict[str, Any]:
    """The operation's input. Raises Malformed."""
    shape = operation.input_shape
    value = load(request.body) if request.body else {}
    if shape is None:
        return {}
    values: dict[str, Any] = read(shape, value)
    return values


def answer(operation: OperationModel, result: dict[str, Any], request_id: str) -> Response:
    """The response to an operation that went well."""
    shape = operation.output_shape
    body = b"" if shape is None else dump(write(shape, result))
    return Response(200, _headers(operation, request_id), body)


def _headers(operation: OperationModel | None, request_id: str) -> dict[str, str]:
    version = "1.0" if operation is None else operation.metadata.get("jsonVersion", "1.0")
    return {"Content-Type": f"application/x-amz-json-{version}", "x-amzn-RequestId": request_id}


def refuse(
    operation: OperationModel | None, kind: str, message: str, status: int, fields: dict[str, Any], request_id: str
) -> Response:
    """The response to an operation that was refused; `kind` is the error's shape, `fields` its other members."""
    shapes = () if operation is None else operation.service_model.error_shapes
    shape = next((shape for shape in shapes if shape.name == kind), None)
    members = fields if shape is None else {**fields, **write(shape, fields)}
    body = {"__type": kind, "message": message, **members}
    return Response(status, _headers(operation, request_id), dump(body))
