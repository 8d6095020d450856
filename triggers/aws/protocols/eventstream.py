"""Event streams: a sequence of framed messages in one body, as botocore's `EventStream` reads them.

    total length (4) | length of the headers (4) | CRC of these (4) | headers | payload | CRC of all before (4)

Format: Smithy specification, "application/vnd.amazon.eventstream" (2026).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any
from zlib import crc32

from botocore.model import OperationModel, Shape, StructureShape

from triggers.aws.protocols import json as json_bodies
from triggers.aws.protocols.layouts import layout_of

MEDIA_TYPE = "application/vnd.amazon.eventstream"
_TEXT = 7


def write(operation: OperationModel, shape: Shape, events: Iterable[Mapping[str, Any]]) -> bytes:
    """The events, each a dict of one member, as the stream whose members `shape` describes."""
    assert isinstance(shape, StructureShape)
    return b"".join(
        _message(operation, name, shape.members[name], value) for event in events for name, value in event.items()
    )


def _message(operation: OperationModel, name: str, shape: Shape, value: Mapping[str, Any]) -> bytes:
    """One event. A member that is marked as its payload is the payload as it is; else that is a JSON document."""
    assert isinstance(shape, StructureShape)
    raw = next((key for key, one in shape.members.items() if one.serialization.get("eventpayload")), None)
    if raw is None:
        document = json_bodies.write(layout_of(operation, shape), dict(value))
        content, payload = "application/json", json_bodies.dump(document)
    else:
        content, payload = "application/octet-stream", value.get(raw) or b""
    return framed({":message-type": "event", ":event-type": name, ":content-type": content}, payload)


def framed(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message with headers that are texts."""
    head = b"".join(
        bytes([len(name)]) + name.encode() + struct.pack("!BH", _TEXT, len(text)) + text.encode()
        for name, text in headers.items()
    )
    prelude = struct.pack("!II", 16 + len(head) + len(payload), len(head))
    body = prelude + struct.pack("!I", crc32(prelude)) + head + payload
    return body + struct.pack("!I", crc32(body))
