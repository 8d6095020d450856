"""The query protocol: a form with `Action`, lists and maps as numbered fields; answers in XML."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, SubElement

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from triggers.aws.errors import Malformed
from triggers.aws.http import Pairs, Request, Response, pairs
from triggers.aws.protocols.values import DEEPEST, name_of, read_text
from triggers.aws.protocols.xml import document, write_members

TIMESTAMPS = "iso8601"
NAMESPACES = {"sqs": "http://queue.amazonaws.com/doc/2012-11-05/"}
"""Of services whose model says nothing of the query protocol any more, though AWS still speaks it."""

Tree = dict[str, Any]
"""A form, taken apart at its dots; the text of a field itself is under the empty name."""


def form(request: Request) -> Pairs:
    """The fields of a request, those of the query string before those of the body. Raises Malformed."""
    if not request.body:
        return request.query
    try:
        text = request.body.decode("ascii")
    except UnicodeDecodeError:
        raise Malformed("the body is not a form") from None
    return [*request.query, *pairs(text)]


def parse(operation: OperationModel, request: Request) -> dict[str, Any]:
    """The operation's input. Raises Malformed."""
    shape = operation.input_shape
    return {} if shape is None else _structure(shape, _tree(form(request)))


def _tree(fields: Pairs) -> Tree:
    tree: Tree = {}
    for name, value in fields:
        node = tree
        parts = name.split(".")
        if len(parts) > 2 * DEEPEST:
            raise Malformed("a field's name has too many parts")
        for part in parts:
            node = node.setdefault(part, {})
        node[""] = value
    return tree


def _value(shape: Shape, node: Tree) -> Any:
    if isinstance(shape, StructureShape):
        return _structure(shape, node)
    if isinstance(shape, ListShape):
        return _list(shape, node if shape.serialization.get("flattened") else _below(shape, node))
    if isinstance(shape, MapShape):
        return _map(shape, node if shape.serialization.get("flattened") else node.get("entry", {}))
    return read_text(shape, node.get("", ""), TIMESTAMPS)


def _structure(shape: StructureShape, node: Tree) -> dict[str, Any]:
    values = {}
    for name, member in shape.members.items():
        found = node.get(name_of(member, name))
        if (
            isinstance(member, ListShape)
            and member.serialization.get("flattened")
            and "name" in member.member.serialization
        ):
            found = node.get(name_of(member.member, name), found)
        if found is not None:
            values[name] = _value(member, found)
    return values


def _below(shape: ListShape, node: Tree) -> Tree:
    below: Tree = node.get(name_of(shape.member, "member"), {})
    return below


def _list(shape: ListShape, node: Tree) -> list[Any]:
    return [_value(shape.member, item) for item in _numbered(node)]


def _map(shape: MapShape, node: Tree) -> dict[str, Any]:
    key, value = name_of(shape.key, "key"), name_of(shape.value, "value")
    entries = {}
    for entry in _numbered(node):
        if key not in entry:
            raise Malformed(f"an entry of a map has no {key}")
        entries[entry[key].get("", "")] = _value(shape.value, entry.get(value, {}))
    return entries


def _numbered(node: Tree) -> list[Tree]:
    numbers = sorted((int(name), name) for name in node if name.isascii() and name.isdigit() and len(name) < 10)
    return [node[name] for _, name in numbers]


def answer(operation: OperationModel, result: dict[str, Any], request_id: str) -> Response:
    """The response to an operation that went well."""
    root = Element(f"{operation.name}Response")
    if namespace := _namespace(operation):
        root.attrib["xmlns"] = namespace
    shape = operation.output_shape
    if shape is not None:
        wrapper = shape.serialization.get("resultWrapper", f"{operation.name}Result" if is_foreign(operation) else None)
        write_members(shape, result, root if wrapper is None else SubElement(root, wrapper))
    SubElement(SubElement(root, "ResponseMetadata"), "RequestId").text = request_id
    return Response(200, {"Content-Type": "text/xml", "x-amzn-RequestId": request_id}, document(root))


def is_foreign(operation: OperationModel) -> bool:
    """Whether the model speaks of another protocol only."""
    return bool(operation.service_model.metadata["protocol"] != "query")


def _namespace(operation: OperationModel) -> str | None:
    service = operation.service_model
    return service.metadata.get("xmlNamespace") or NAMESPACES.get(service.service_name)


def refuse(
    operation: OperationModel | None, code: str, message: str, status: int, fields: dict[str, Any], request_id: str
) -> Response:
    """The response to an operation that was refused."""
    root = Element("ErrorResponse")
    if operation is not None and (namespace := _namespace(operation)):
        root.attrib["xmlns"] = namespace
    error = SubElement(root, "Error")
    for name, value in {
        "Type": "Sender" if status < 500 else "Receiver",
        "Code": code,
        "Message": message,
        **fields,
    }.items():
        SubElement(error, name).text = str(value)
    SubElement(root, "RequestId").text = request_id
    return Response(status, {"Content-Type": "text/xml", "x-amzn-RequestId": request_id}, document(root))
