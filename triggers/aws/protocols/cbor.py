"""CBOR (RFC 8949) between bytes and values, and the rpc-v2-cbor protocol, which names the operation in the path."""

from __future__ import annotations

import struct
from datetime import datetime
from typing import Any

from botocore.model import OperationModel, Shape

from triggers.aws.errors import Malformed
from triggers.aws.http import Request, Response
from triggers.aws.protocols.json import read as read_json
from triggers.aws.protocols.layouts import Layout, layout_of_input, layout_of_output
from triggers.aws.protocols.values import DEEPEST, MOST, read_instant, write_instant

_SIMPLE = {20: False, 21: True, 22: None, 23: None}
_FLOATS = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}
_BREAK = object()


class _Reader:
    """Reads one document; every length is checked against what is left before anything is made."""

    def __init__(self, body: bytes) -> None:
        self._body = memoryview(body)
        self._at = self._count_of_items = 0

    def document(self) -> Any:
        value = self._item(0)
        if value is _BREAK or self._at != len(self._body):
            raise Malformed("the body is not one CBOR item")
        return value

    def _take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._body):
            raise Malformed("the CBOR body ends early")
        taken = bytes(self._body[self._at : end])
        self._at = end
        return taken

    def _item(self, depth: int) -> Any:
        if depth > DEEPEST:
            raise Malformed(f"the input is nested deeper than {DEEPEST} levels")
        self._count_of_items += 1
        if self._count_of_items > MOST:
            raise Malformed(f"the body has more than {MOST:,} values")
        first = self._take(1)[0]
        major, info = first >> 5, first & 31
        if major == 7:
            return self._simple(info)
        count = self._count(info) if info != 31 else None
        match major:
            case 0 | 1 if count is not None:
                return count if major == 0 else -1 - count
            case 2 | 3:
                data = self._chunks(major) if count is None else self._take(count)
                return data if major == 2 else _text(data)
            case 4:
                return self._array(count, depth)
            case 5:
                return self._map(count, depth)
            case 6 if count is not None:
                return self._tagged(count, depth)
        raise Malformed("the body holds what CBOR has no meaning for")

    def _count(self, info: int) -> int:
        if info < 24:
            return info
        if info > 27:
            raise Malformed("the body holds a CBOR length that cannot be read")
        return int.from_bytes(self._take(1 << (info - 24)), "big")

    def _chunks(self, major: int) -> bytes:
        chunks = []
        while (first := self._take(1)[0]) != 0xFF:
            if first >> 5 != major or first & 31 == 31:
                raise Malformed("a chunk of a CBOR string is of another kind")
            chunks.append(self._take(self._count(first & 31)))
        return b"".join(chunks)

    def _array(self, count: int | None, depth: int) -> list[Any]:
        items: list[Any] = []
        while count is None or len(items) < count:
            item = self._item(depth + 1)
            if item is _BREAK:
                if count is None:
                    break
                raise Malformed("a CBOR array ends early")
            items.append(item)
        return items

    def _map(self, count: int | None, depth: int) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        left = count
        while left is None or left > 0:
            key = self._item(depth + 1)
            if key is _BREAK and count is None:
                break
            value = self._item(depth + 1)
            if not isinstance(key, str) or value is _BREAK:
                raise Malformed("the keys of a CBOR map are texts")
            entries[key] = value
            left = None if left is None else left - 1
        return entries

    def _tagged(self, tag: int, depth: int) -> Any:
        value = self._item(depth + 1)
        if tag != 1:
            raise Malformed(f"a CBOR tag {tag} is not known here")
        return read_instant(value, "unixtimestamp")

    def _simple(self, info: int) -> Any:
        if info in _SIMPLE:
            return _SIMPLE[info]
        if info in _FLOATS:
            form, size = _FLOATS[info]
            return struct.unpack(form, self._take(size))[0]
        if info == 31:
            return _BREAK
        raise Malformed("the body holds a simple CBOR value that is not known here")


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Malformed("a CBOR text is not UTF-8") from None


def load(body: bytes) -> Any:
    """The value of a CBOR document; instants are datetimes. Raises Malformed."""
    return _Reader(body).document()


def read(layout: Layout, value: Any, depth: int = 0) -> Any:
    """What a CBOR value stands for: as in JSON, but for instants and bytes, which it has itself."""
    if depth > DEEPEST:
        raise Malformed(f"the input is nested deeper than {DEEPEST} levels")
    if layout.kind == "structure" and isinstance(value, dict):
        members = ((name, member, value.get(key)) for key, (name, member) in layout.members.items())
        return {name: read(member, item, depth + 1) for name, member, item in members if item is not None}
    if layout.kind == "list" and isinstance(value, list):
        return [read(layout.item, item, depth + 1) for item in value]
    if layout.kind == "map" and isinstance(value, dict):
        return {key: read(layout.item, item, depth + 1) for key, item in value.items() if item is not None}
    if layout.kind == "blob" and isinstance(value, bytes):
        return value
    if layout.kind == "timestamp" and isinstance(value, datetime):
        return value
    if isinstance(value, (bytes, datetime)):
        raise Malformed(f"a value of type {type(value).__name__} was found where a {layout.kind} was expected")
    return read_json(layout, value, depth)


# -- writing ----------------------------------------------------------------------------------------------------------


def write(layout: Layout, value: Any, out: bytearray) -> None:
    """Append a value; members that are None are left out."""
    if layout.kind == "structure":
        members = [
            (key, one, value[name]) for key, (name, one) in layout.members.items() if value.get(name) is not None
        ]
        _head(5, len(members), out)
        for key, member, item in members:
            _string(key, out)
            write(member, item, out)
    elif layout.kind == "list":
        _head(4, len(value), out)
        for item in value:
            write(layout.item, item, out)
    elif layout.kind == "map":
        _head(5, len(value), out)
        for key, item in value.items():
            _string(key, out)
            write(layout.item, item, out)
    else:
        _write_scalar(layout.shape, value, out)


def _write_scalar(shape: Shape, value: Any, out: bytearray) -> None:
    match shape.type_name:
        case "boolean":
            out.append(0xF5 if value else 0xF4)
        case "integer" | "long":
            _head(0, value, out) if value >= 0 else _head(1, -1 - value, out)
        case "float" | "double":
            out += struct.pack(">Bd", 0xFB, value)
        case "timestamp":
            out.append(0xC1)
            out += struct.pack(">Bd", 0xFB, write_instant(value, "unixtimestamp"))
        case "blob":
            _head(2, len(value), out)
            out += value
        case _:
            _string(str(value), out)


def _string(text: str, out: bytearray) -> None:
    data = text.encode(errors="replace")
    _head(3, len(data), out)
    out += data


def _head(major: int, count: int, out: bytearray) -> None:
    if count < 24:
        out.append(major << 5 | count)
        return
    size = next(n for n in range(4) if count < 1 << (8 << n))
    out.append(major << 5 | 24 + size)
    out += count.to_bytes(1 << size, "big")


# -- the protocol -----------------------------------------------------------------------------------------------------


def parse(operation: OperationModel, request: Request) -> dict[str, Any]:
    """The operation's input. Raises Malformed."""
    layout = layout_of_input(operation)
    value = load(request.body) if request.body else {}
    if layout is None:
        return {}
    if not isinstance(value, dict):
        raise Malformed("the body is not a CBOR map")
    values: dict[str, Any] = read(layout, value)
    return values


def answer(operation: OperationModel, result: dict[str, Any], request_id: str) -> Response:
    """The response to an operation that went well."""
    out = bytearray()
    layout = layout_of_output(operation)
    if layout is not None:
        write(layout, result, out)
    return Response(200, _headers(request_id), bytes(out))


def refuse(
    operation: OperationModel | None, kind: str, message: str, status: int, fields: dict[str, Any], request_id: str
) -> Response:
    """The response to an operation that was refused."""
    body = {"__type": kind, "message": message, **{name: str(value) for name, value in fields.items()}}
    out = bytearray()
    _head(5, len(body), out)
    for name, text in body.items():
        _string(name, out)
        _string(text, out)
    return Response(status, _headers(request_id), bytes(out))


def _headers(request_id: str) -> dict[str, str]:
    return {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor", "x-amzn-RequestId": request_id}
