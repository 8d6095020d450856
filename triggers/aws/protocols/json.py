"""JSON between text and values, driven by a shape; and the json protocol, which names the operation in a header."""

from __future__ import annotations

import json
from typing import Any

import orjson
from botocore.model import OperationModel, Shape

from triggers.aws.errors import Malformed
from triggers.aws.http import Request, Response
from triggers.aws.protocols.layouts import Layout, layout_of, layout_of_input, layout_of_output
from triggers.aws.protocols.values import (
    DEEPEST,
    MOST,
    format_of,
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
        value = orjson.loads(body)
    except ValueError:
        try:
            value = json.loads(body)  # once more for what orjson is too strict with: numbers beyond 64 bits, NaN
        except (ValueError, RecursionError):
            raise Malformed("the body is not valid JSON") from None
    if body.count(b",") >= MOST:  # many, unless they stand in texts
        check_count(value)
    return value


def check_count(value: Any) -> None:
    """Raise Malformed for more values than any request has."""
    count, left = 0, [value]
    while left:
        one = left.pop()
        if isinstance(one, (dict, list)):
            count += len(one)
            if count > MOST:
                raise Malformed(f"the body has more than {MOST:,} values")
            left.extend(one.values() if isinstance(one, dict) else one)


def dump(value: Any) -> bytes:
    """The JSON text of a value."""
    try:
        return orjson.dumps(value)
    except TypeError:  # half of a surrogate pair, a number beyond 64 bits
        return json.dumps(value, separators=(",", ":")).encode()


def read(layout: Layout, value: Any, depth: int = 0) -> Any:
    """What a JSON value stands for. Raises Malformed where it is not of the shape's kind; null counts as absent."""
    if depth > DEEPEST:
        raise Malformed(f"the input is nested deeper than {DEEPEST} levels")
    match layout.kind:
        case "structure":
            return _read_structure(layout, value, depth)
        case "list":
            if not isinstance(value, list):
                raise _unlike("list", value)
            return [None if item is None else read(layout.item, item, depth + 1) for item in value]
        case "map":
            if not isinstance(value, dict):
                raise _unlike("map", value)
            return {key: read(layout.item, item, depth + 1) for key, item in value.items() if item is not None}
        case _:
            return read_scalar(layout.shape, value)


def _read_structure(layout: Layout, value: Any, depth: int) -> Any:
    if layout.is_document:
        return value
    if not isinstance(value, dict):
        raise _unlike("structure", value)
    values, members = {}, layout.members
    for key, item in value.items():
        if item is not None and key in members:
            name, member = members[key]
            values[name] = read(member, item, depth + 1)
    return values


def read_scalar(shape: Shape, value: Any) -> Any:
    """What a JSON value stands for that has no others in it. Raises Malformed."""
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


def write(layout: Layout, value: Any) -> Any:
    """A value as JSON has it; members that are None, or belong elsewhere in the response, are left out."""
    match layout.kind:
        case "structure" if layout.is_document:
            return value
        case "structure":
            return {
                key: write(member, value[name])
                for key, (name, member) in layout.members.items()
                if value.get(name) is not None
            }
        case "list":
            return [write(layout.item, item) for item in value]
        case "map":
            return {key: write(layout.item, item) for key, item in value.items()}
        case "timestamp":
            return write_instant(value, format_of(layout.shape, TIMESTAMPS))
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
    layout = layout_of_input(operation)
    value = load(request.body) if request.body else {}
    if layout is None:
        return {}
    values: dict[str, Any] = read(layout, value)
    return values


def answer(operation: OperationModel, result: dict[str, Any], request_id: str) -> Response:
    """The response to an operation that went well."""
    layout = layout_of_output(operation)
    body = b"" if layout is None else dump(write(layout, result))
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
    members = fields if shape is None or operation is None else {**fields, **write(layout_of(operation, shape), fields)}
    body = {"__type": kind, "message": message, **members}
    return Response(status, _headers(operation, request_id), dump(body))
