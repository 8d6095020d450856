"""What is said on the wire, and how it is said: requests are read and responses written from botocore's service models.

    values   scalars as text, instants
    xml      XML driven by a shape           rest    rest-xml and rest-json
    json     JSON driven by a shape          query   forms
    cbor     CBOR driven by a shape       eventstream   answers that are events, one after the other

Each protocol has `parse(operation, request)`, `answer(operation, result, request_id)` and a `refuse(...)`. Values are
as boto3 has them: bytes for blobs, aware datetimes for timestamps, dicts for structures.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from botocore.model import OperationModel

from triggers.aws.http import Request, Response
from triggers.aws.protocols import cbor, eventstream, json, query, rest

Protocol = Literal["rest-xml", "rest-json", "query", "json", "smithy-rpc-v2-cbor"]


def parse(protocol: Protocol, operation: OperationModel, request: Request, labels: Mapping[str, str]) -> dict[str, Any]:
    """The operation's input as boto3's caller gave it. Raises Malformed."""
    match protocol:
        case "query":
            return query.parse(operation, request)
        case "json":
            return json.parse(operation, request)
        case "smithy-rpc-v2-cbor":
            return cbor.parse(operation, request)
        case _:
            return rest.parse(operation, request, labels)


def answer(protocol: Protocol, operation: OperationModel, result: dict[str, Any], request_id: str) -> Response:
    """The response that botocore reads `result` from."""
    if _answers_events(operation):
        return eventstream.answer(protocol, operation, result, request_id)
    match protocol:
        case "query":
            return query.answer(operation, result, request_id)
        case "json":
            return json.answer(operation, result, request_id)
        case "smithy-rpc-v2-cbor":
            return cbor.answer(operation, result, request_id)
        case _:
            return rest.answer(operation, result, request_id)


@cache
def _answers_events(operation: OperationModel) -> bool:
    return bool(operation.has_event_stream_output)


def refuse(
    protocol: Protocol,
    operation: OperationModel | None,
    code: str,
    message: str,
    status: int,
    fields: dict[str, Any],
    request_id: str,
    kind: str = "",
) -> Response:
    """The response that botocore makes an exception of: the one whose shape is `kind`, or has this code."""
    match protocol:
        case "rest-xml":
            return rest.refuse_xml(code, message, status, fields, request_id)
        case "query":
            return query.refuse(operation, code, message, status, fields, request_id)
    kind = _kind(operation, code, kind)
    if protocol == "rest-json":
        return rest.refuse(operation, kind, message, status, fields, request_id)
    refuse_it = json.refuse if protocol == "json" else cbor.refuse
    response = refuse_it(operation, kind, message, status, fields, request_id)
    if operation is not None and operation.service_model.is_query_compatible:
        response.headers["x-amzn-query-error"] = f"{code};{'Sender' if status < 500 else 'Receiver'}"
    return response


def _kind(operation: OperationModel | None, code: str, kind: str) -> str:
    """The name of the error's shape: the one that is called so, or that the model has for the code."""
    if operation is None:
        return code
    if any(shape.name == kind for shape in operation.service_model.error_shapes):
        return kind
    shapes = {getattr(shape, "error_code", shape.name): shape.name for shape in operation.service_model.error_shapes}
    return str(shapes.get(code, code))
