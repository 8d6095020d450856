"""The two rest protocols: members in the path, the query string, the headers and the body, which is JSON or XML."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from xml.etree.ElementTree import Element, SubElement

import attrs
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from triggers.aws.errors import Malformed
from triggers.aws.http import Request, Response, pairs
from triggers.aws.protocols import json as json_bodies
from triggers.aws.protocols import xml
from triggers.aws.protocols.layouts import layout_of
from triggers.aws.protocols.values import name_of, read_text, write_text

XML = "rest-xml"
S3_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_ITEM = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|((?:[A-Za-z]{3}, [^,]*)|[^,]*))\s*(?:,|$)')
_ROOTS = {
    "ListBuckets": "ListAllMyBucketsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListParts": "ListPartsResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "GetObjectTagging": "Tagging",
    "GetBucketTagging": "Tagging",
    "GetObjectAcl": "AccessControlPolicy",
    "GetBucketAcl": "AccessControlPolicy",
    "GetObjectAttributes": "GetObjectAttributesResponse",
}
"""How S3 calls the root of its answers where the model doesn't say (S3 API reference); SDKs don't look at it."""


# -- requests ---------------------------------------------------------------------------------------------------------


def parse(operation: OperationModel, request: Request, labels: Mapping[str, str]) -> dict[str, Any]:
    """The operation's input; `labels` are the parts of the path. Raises Malformed."""
    shape = operation.input_shape
    if shape is None:
        return {}
    plan = _plan(operation)
    values: dict[str, Any] = {}
    for name, key, member in plan.labels:
        if key in labels:
            values[name] = read_text(member, labels[key], "iso8601")
    if plan.query or plan.free:
        _read_query(plan, request, values)
    for header, text in request.headers.items():
        bound = plan.headers.get(header)
        if bound is not None:
            values[bound[0]] = _read_header(bound[1], text)
    for name, prefix in plan.prefixes:
        found = {k[len(prefix) :]: v for k, v in request.headers.items() if k.startswith(prefix) and k != prefix}
        if found:
            values[name] = found
    _read_body(operation, shape, request, values, plan.has_body)
    return values


@attrs.frozen
class _Plan:
    """Where the members of an operation's input stand in a request: each with its name on the wire."""

    labels: list[tuple[str, str, Shape]]
    query: list[tuple[str, str, Shape]]
    free: list[tuple[str, MapShape]]
    """Members that take all the parameters that no other member is bound to."""
    bound: set[str]
    """Those parameters."""
    headers: dict[str, tuple[str, Shape]]
    """By the header, in lower case: of the fifty members of a PutObject, most are not there."""
    prefixes: list[tuple[str, str]]
    """Members that take all headers which begin so."""
    has_body: bool
    """Whether the body has members, where it isn't one itself."""


@cache
def _plan(operation: OperationModel) -> _Plan:
    """The plan of an operation; botocore makes one object of each."""
    bound = {key for key, _ in pairs(operation.http["requestUri"].partition("?")[2])}
    plan = _Plan([], [], [], bound, {}, [], has_members_in_body(operation.input_shape))
    assert operation.input_shape is not None
    for name, member in operation.input_shape.members.items():
        key = name_of(member, name)
        match member.serialization.get("location"):
            case "uri":
                plan.labels.append((name, key, member))
            case "querystring" if isinstance(member, MapShape):
                plan.free.append((name, member))
                plan.bound.add(key)
            case "querystring":
                plan.query.append((name, key, member))
                plan.bound.add(key)
            case "header":
                plan.headers[key.lower()] = name, member
            case "headers":
                plan.prefixes.append((name, key.lower()))
    return plan


def has_members_in_body(shape: StructureShape | None) -> bool:
    """Whether some member of an input or output belongs neither in the path, the query string nor the head."""
    return shape is not None and any(m.serialization.get("location") is None for m in shape.members.values())


def _read_query(plan: _Plan, request: Request, values: dict[str, Any]) -> None:
    query: dict[str, list[str]] = {}
    for key, text in request.query:
        query.setdefault(key, []).append(text)
    for name, key, member in plan.query:
        if key in query:
            if isinstance(member, ListShape):
                values[name] = [read_text(member.member, text, "iso8601") for text in query[key]]
            else:
                values[name] = read_text(member, query[key][0], "iso8601")
    for name, free in plan.free:
        is_list = isinstance(free.value, ListShape)
        found = {k: v if is_list else v[0] for k, v in query.items() if k not in plan.bound}
        if found:
            values[name] = found


def _read_header(shape: Shape, text: str) -> Any:
    if isinstance(shape, ListShape):
        return [_read_header(shape.member, item) for item in _items(text)]
    if _is_json(shape):
        return json_bodies.load(_base64(text))
    return read_text(shape, text, "rfc822")


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except ValueError:
        raise Malformed("a header is not base64") from None


def _items(text: str) -> list[str]:
    """The items of a list in a header: bare or in quotes; a date keeps the comma after its day."""
    items, at = [], 0
    while at < len(text):
        found = _ITEM.match(text, at)
        if found is None or found.end() == at:
            break
        quoted, plain = found.groups()
        items.append(quoted.replace('\\"', '"') if quoted is not None else plain.strip())
        at = found.end()
    return items


def _is_json(shape: Shape) -> bool:
    return bool(getattr(shape, "serialization", {}).get("jsonvalue"))


def _read_body(
    operation: OperationModel, shape: StructureShape, request: Request, values: dict[str, Any], has_members: bool
) -> None:
    payload = shape.serialization.get("payload")
    if payload is not None:
        member = shape.members[payload]
        if member.type_name in ("blob", "string"):
            if request.body or member.serialization.get("streaming"):
                values[payload] = request.body if member.type_name == "blob" else _text(request.body)
        elif request.body:
            values[payload] = _document(operation, member, request.body)
    elif request.body and has_members:
        values.update(_document(operation, shape, request.body))


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Malformed("the body is not UTF-8") from None


def _document(operation: OperationModel, shape: Shape, body: bytes) -> Any:
    if is_xml(operation):
        return xml.read_element(shape, xml.read_document(body))
    return json_bodies.read(layout_of(operation, shape), json_bodies.load(body))


def is_xml(operation: OperationModel) -> bool:
    """Whether bodies are XML."""
    return operation.service_model.resolved_protocol == XML


# -- responses --------------------------------------------------------------------------------------------------------


def answer(operation: OperationModel, result: dict[str, Any], request_id: str) -> Response:
    """The response to an operation that went well."""
    response = Response(operation.http.get("responseCode", 200), _headers(operation, request_id))
    shape = operation.output_shape
    if shape is None:
        return response
    head, has_body = _head(operation)
    for name, key, where, member in head:
        value = result.get(name)
        if value is None:
            continue
        if where == "header":
            response.headers[key] = _write_header(member, value)
        elif where == "headers":
            response.headers.update({key + sub: header_text(text) for sub, text in value.items()})
        else:
            response.status = value
    payload = shape.serialization.get("payload")
    if payload is not None:
        _write_payload(operation, shape.members[payload], result.get(payload), response)
    elif has_body:
        _write_document(operation, shape, result, _ROOTS.get(operation.name, f"{operation.name}Result"), response)
    return response


@cache
def _head(operation: OperationModel) -> tuple[list[tuple[str, str, str, Shape]], bool]:
    """What of an operation's output belongs in the head, with its name there; and whether the body has members."""
    shape = operation.output_shape
    assert shape is not None
    head = [
        (name, name_of(member, name), member.serialization["location"], member)
        for name, member in shape.members.items()
        if "location" in member.serialization
    ]
    return head, has_members_in_body(shape)


def _write_header(shape: Shape, value: Any) -> str:
    if isinstance(shape, ListShape):
        return ",".join(_write_header(shape.member, item) for item in value)
    if _is_json(shape):
        return base64.b64encode(json.dumps(value, separators=(",", ":")).encode()).decode()
    return header_text(write_text(shape, value, "rfc822"))


def header_text(text: str) -> str:
    """A text that can stand in a header: no line ends or other control characters, and no blanks around it."""
    if not text.isprintable():
        text = "".join(char if char >= " " and char != "\x7f" else " " for char in text)
    return text.strip(" ")


def _write_payload(operation: OperationModel, member: Shape, value: Any, response: Response) -> None:
    if member.type_name in ("blob", "string"):
        response.body = value.encode() if isinstance(value, str) else value or b""
    elif value is not None:
        _write_document(operation, member, value, name_of(member, member.name), response)


def _write_document(operation: OperationModel, shape: Shape, value: Any, root_name: str, response: Response) -> None:
    if not is_xml(operation):
        response.headers.setdefault("Content-Type", "application/json")
        response.body = json_bodies.dump(json_bodies.write(layout_of(operation, shape), value))
        return
    response.headers.setdefault("Content-Type", "application/xml")
    if operation.name == "GetBucketLocation":  # the one answer whose root is a member
        root = Element("LocationConstraint")
        root.text = value.get("LocationConstraint") or None
    else:
        holder = Element("")
        xml.write_element(shape, value, holder, root_name)
        root = holder[0]
    if "xmlns" not in root.attrib:
        root.attrib["xmlns"] = S3_NAMESPACE
    response.body = xml.document(root)


def _headers(operation: OperationModel | None, request_id: str) -> dict[str, str]:
    name = "x-amz-request-id" if operation is None or is_xml(operation) else "x-amzn-RequestId"
    return {name: request_id}


def refuse(
    operation: OperationModel | None, kind: str, message: str, status: int, fields: dict[str, Any], request_id: str
) -> Response:
    """The response of rest-json to an operation that was refused."""
    headers = {**_headers(operation, request_id), "Content-Type": "application/json", "x-amzn-errortype": kind}
    return Response(status, headers, json_bodies.dump({"message": message, **fields}))


def refuse_xml(code: str, message: str, status: int, fields: dict[str, Any], request_id: str) -> Response:
    """The response of S3 to an operation that was refused."""
    headers = {"x-amz-request-id": request_id, "x-amz-id-2": request_id * 2}
    if status == 304:
        return Response(status, headers)
    root = Element("Error")
    for name, value in {
        "Code": code,
        "Message": message,
        **fields,
        "RequestId": request_id,
        "HostId": request_id * 2,
    }.items():
        SubElement(root, name).text = xml.clean(str(value))
    return Response(status, {**headers, "Content-Type": "application/xml"}, xml.document(root))
