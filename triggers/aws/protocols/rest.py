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
    values: dict[str, Any] = {}
    query: dict[str, list[str]] = {}
    for key, value in request.query:
        query.setdefault(key, []).append(value)
    plan = _plan(operation)
    for name, member, header in plan.members:
        if header is not None and header not in request.headers:
            continue  # of the fifty members of a PutObject, most are not there
        found = _bound(name, member, request, query, labels, plan.bound)
        if found is not None:
            values[name] = found
    _read_body(operation, shape, request, values)
    return values


@attrs.frozen
class _Plan:
    """Where the members of an operation's input stand in a request."""

    members: list[tuple[str, Shape, str | None]]
    """Those outside of the body; with the header, in lower case, that has to be there."""
    bound: set[str]
    """Parameters of the query string that have a member of their own."""


@cache
def _plan(operation: OperationModel) -> _Plan:
    """The plan of an operation; botocore makes one object of each."""
    members: list[tuple[str, Shape, str | None]] = []
    bound = {key for key, _ in pairs(operation.http["requestUri"].partition("?")[2])}
    assert operation.input_shape is not None
    for name, member in operation.input_shape.members.items():
        where, key = member.serialization.get("location"), name_of(member, name)
        if where == "querystring":
            bound.add(key)
        if where is not None:
            members.append((name, member, key.lower() if where == "header" else None))
    return _Plan(members, bound)


def _bound(
    name: str, member: Shape, request: Request, query: dict[str, list[str]], labels: Mapping[str, str], bound: set[str]
) -> Any:
    """What path, query string and headers say of a member; None if nothing."""
    key = name_of(member, name)
    match member.serialization.get("location"):
        case "uri":
            return None if key not in labels else read_text(member, labels[key], "iso8601")
        case "querystring" if isinstance(member, MapShape):
            is_list = isinstance(member.value, ListShape)
            free = {k: v if is_list else v[0] for k, v in query.items() if k not in bound}
            return free or None
        case "querystring" if isinstance(member, ListShape):
            return [read_text(member.member, text, "iso8601") for text in query[key]] if key in query else None
        case "querystring":
            return read_text(member, query[key][0], "iso8601") if key in query else None
        case "header":
            text = request.headers.get(key.lower())
            return None if text is None else _read_header(member, text)
        case "headers":
            prefix = key.lower()
            found = {k[len(prefix) :]: v for k, v in request.headers.items() if k.startswith(prefix) and k != prefix}
            return found or None
    return None


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


def _read_body(operation: OperationModel, shape: StructureShape, request: Request, values: dict[str, Any]) -> None:
    payload = shape.serialization.get("payload")
    if payload is not None:
        member = shape.members[payload]
        if member.type_name in ("blob", "string"):
            if request.body or member.serialization.get("streaming"):
                values[payload] = request.body if member.type_name == "blob" else _text(request.body)
        elif request.body:
            values[payload] = _document(operation, member, request.body)
    elif request.body and any(m.serialization.get("location") is None for m in shape.members.values()):
        values.update(_document(operation, shape, request.body))


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Malformed("the body is not UTF-8") from None


def _document(operation: OperationModel, shape: Shape, body: bytes) -> Any:
    if is_xml(operation):
        return xml.read_element(shape, xml.read_document(body))
    return json_bodies.read(shape, json_bodies.load(body))


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
    for name, member in shape.members.items():
        value = result.get(name)
        if value is not None:
            _place(name, member, value, response)
    payload = shape.serialization.get("payload")
    if payload is not None:
        _write_payload(operation, shape.members[payload], result.get(payload), response)
    elif any(m.serialization.get("location") is None for m in shape.members.values()):
        _write_document(operation, shape, result, _ROOTS.get(operation.name, f"{operation.name}Result"), response)
    return response


def _place(name: str, member: Shape, value: Any, response: Response) -> None:
    """Put what belongs in the head of the response there."""
    key = name_of(member, name)
    match member.serialization.get("location"):
        case "header":
            response.headers[key] = _write_header(member, value)
        case "headers":
            response.headers.update({key + sub: header_text(text) for sub, text in value.items()})
        case "statusCode":
            response.status = value


def _write_header(shape: Shape, value: Any) -> str:
    if isinstance(shape, ListShape):
        return ",".join(_write_header(shape.member, item) for item in value)
    if _is_json(shape):
        return base64.b64encode(json.dumps(value, separators=(",", ":")).encode()).decode()
    return header_text(write_text(shape, value, "rfc822"))


def header_text(text: str) -> str:
    """A text that can stand in a header: no line ends, and nothing else that would end it early."""
    return "".join(char if char >= " " and char != "\x7f" else " " for char in text)


def _write_payload(operation: OperationModel, member: Shape, value: Any, response: Response) -> None:
    if member.type_name in ("blob", "string"):
        response.body = value.encode() if isinstance(value, str) else value or b""
    elif value is not None:
        _write_document(operation, member, value, name_of(member, member.name), response)


def _write_document(operation: OperationModel, shape: Shape, value: Any, root_name: str, response: Response) -> None:
    if not is_xml(operation):
        response.headers.setdefault("Content-Type", "application/json")
        response.body = json_bodies.dump(json_bodies.write(shape, value))
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
