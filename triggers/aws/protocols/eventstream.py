"""Event streams: a sequence of framed messages in one body, as botocore's `EventStream` reads them.

    total length (4) | length of the headers (4) | CRC of these (4) | headers | payload | CRC of all before (4)

Which member of an event is a header, which one is the payload as it is, and which are in a document of the service's
protocol, is said by botocore's shapes. Where the head of the response has no place for the other members of the output,
they come first, in a message of their own.

Format: Smithy specification, "application/vnd.amazon.eventstream" and "Event streams" (2026).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element
from zlib import crc32

import attrs
from botocore.model import OperationModel, Shape, StructureShape

from triggers.aws.http import Response
from triggers.aws.protocols import cbor, rest, xml
from triggers.aws.protocols import json as json_bodies
from triggers.aws.protocols.layouts import Layout, layouts_of
from triggers.aws.streaming import Event, Live, Pieces

MEDIA_TYPE = "application/vnd.amazon.eventstream"
INITIAL = "initial-response"
_DOCUMENTS = {
    "rest-json": "application/json",
    "rest-xml": "application/xml",
    "json": "application/x-amz-json-1.1",
    "smithy-rpc-v2-cbor": "application/cbor",
}
"""The media type of a document, by protocol."""


def answer(protocol: str, operation: OperationModel, result: dict[str, Any], request_id: str) -> Response:
    """The response whose body is a stream: events that are there, or `Live` ones, which are sent as they happen."""
    output = operation.output_shape
    assert isinstance(output, StructureShape)
    name: str = next(key for key, member in output.members.items() if member.serialization.get("eventstream"))
    shape = output.members[name]
    assert isinstance(shape, StructureShape)
    encoding = Encoding(protocol, shape, layouts_of(operation))
    rest_of_it = {key: value for key, value in result.items() if key != name}
    if protocol.startswith("rest"):
        response, beginning = rest.answer(operation, rest_of_it, request_id), b""
    else:
        response = Response(200, {"x-amzn-RequestId": request_id})
        beginning = encoding.message("event", INITIAL, output, rest_of_it)
    response.headers["Content-Type"] = MEDIA_TYPE
    events = result.get(name) or ()
    if isinstance(events, Live):
        response.pieces = Pieces(events, encoding, beginning)
    else:
        response.body = beginning + b"".join(map(encoding.event, events))
    return response


@attrs.frozen
class Encoding:
    """How the events of one stream are written: by the members of its shape, in a protocol."""

    protocol: str
    shape: StructureShape
    known: dict[str, Layout] = attrs.field(factory=dict)
    """Layouts of the same service."""

    def event(self, event: Event) -> bytes:
        """One event, a dict of one member."""
        ((name, value),) = event.items()
        return self.message("event", name, self.shape.members[name], value)

    def refusal(self, code: str, message: str, fields: Mapping[str, Any]) -> bytes:
        """An error: an exception if the stream has a member for it, else what any stream can end with."""
        for name, member in self.shape.members.items():
            if member.metadata.get("exception") and code in (name, member.name, getattr(member, "error_code", None)):
                return self.message("exception", name, member, {"message": message, "Message": message, **fields})
        return framed({":message-type": "error", ":error-code": code, ":error-message": message}, b"")

    def message(self, kind: str, name: str, shape: Shape, value: Mapping[str, Any]) -> bytes:
        """One message of a kind, with a value of a shape."""
        assert isinstance(shape, StructureShape)
        headers: dict[str, Any] = {":message-type": kind, f":{kind}-type": name}
        own: dict[str, bytes] = {}
        payload: str | None = None
        document: dict[str, Any] = {}
        for key, member in shape.members.items():
            if member.serialization.get("eventheader"):
                if value.get(key) is not None:
                    own[key] = _typed(member, value[key])
            elif member.serialization.get("eventpayload"):
                payload = key
            elif not member.serialization.get("eventstream"):
                document[key] = value.get(key)
        if payload is not None:
            content, body = self._payload(shape.members[payload], value.get(payload))
        else:  # an event without members has no document at all
            has_document = bool(document) or name == INITIAL
            content, body = _DOCUMENTS[self.protocol], self._document(shape, document) if has_document else b""
        if body:
            headers[":content-type"] = content
        return framed(headers, body, own)

    def _payload(self, shape: Shape, value: Any) -> tuple[str, bytes]:
        if shape.type_name == "blob":
            return "application/octet-stream", value or b""
        if shape.type_name == "string":
            return "text/plain", (value or "").encode()
        return _DOCUMENTS[self.protocol], b"" if value is None else self._document(shape, value)

    def _document(self, shape: Shape, value: Mapping[str, Any]) -> bytes:
        if self.protocol == "smithy-rpc-v2-cbor":
            out = bytearray()
            cbor.write(Layout(shape, self.known), value, out)
            return bytes(out)
        if self.protocol == "rest-xml":
            holder = Element("")
            xml.write_element(shape, value, holder, shape.name)
            return xml.document(holder[0])
        return json_bodies.dump(json_bodies.write(Layout(shape, self.known), value))


def framed(headers: Mapping[str, str], payload: bytes, own: Mapping[str, bytes] | None = None) -> bytes:
    """One message with headers that are texts, and `own` ones that have their type before them."""
    typed = {name: _text(text) for name, text in headers.items()} | dict(own or {})
    head = b"".join(bytes([len(name)]) + name.encode() + value for name, value in typed.items())
    prelude = struct.pack("!II", 16 + len(head) + len(payload), len(head))
    body = prelude + struct.pack("!I", crc32(prelude)) + head + payload
    return body + struct.pack("!I", crc32(body))


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("!BH", 7, len(data)) + data


def _typed(shape: Shape, value: Any) -> bytes:
    """The value of a header, with its type before it."""
    match shape.type_name:
        case "boolean":
            return b"\0" if value else b"\1"
        case "integer":
            return struct.pack("!Bi", 4, value)
        case "long":
            return struct.pack("!Bq", 5, value)
        case "blob":
            return struct.pack("!BH", 6, len(value)) + bytes(value)
        case "timestamp":
            seconds = value.timestamp() if isinstance(value, datetime) else value
            return struct.pack("!Bq", 8, round(seconds * 1000))
        case _:
            return _text(str(value))
