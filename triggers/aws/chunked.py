"""Bodies as current SDKs send them: `aws-chunked` with checksums behind, and the checksums themselves.

Signatures of single chunks are not verified; that of the head is, where signatures are.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Mapping
from functools import cache

import attrs

from triggers.aws.errors import WireError
from triggers.aws.http import Request

LONGEST_LINE = 8192
PURE_LIMIT = 1_048_576
"""Bytes up to which the two checksums that Python has no fast code for are computed; beyond it they are believed."""

_UNMATCHED = "The {} you specified did not match the calculated checksum."


class InvalidChunk(WireError, ValueError):
    code = "IncompleteBody"
    status = 400


class BadChecksum(WireError, ValueError):
    code = "BadDigest"
    status = 400


class InvalidChecksum(WireError, ValueError):
    code = "InvalidRequest"
    status = 400


def decoded(request: Request) -> Request:
    """The request with its body as it is meant, and the trailers among its headers; checksums are compared.

    Raises InvalidChunk, BadChecksum or InvalidChecksum.
    """
    encoding = [part.strip() for part in request.headers.get("content-encoding", "").split(",") if part.strip()]
    is_chunked = "aws-chunked" in encoding or request.headers.get("x-amz-content-sha256", "").startswith("STREAMING-")
    if is_chunked:
        body, trailers = unchunk(request.body)
        _check_length(request.headers.get("x-amz-decoded-content-length"), len(body))
        rest = ",".join(part for part in encoding if part != "aws-chunked")
        headers = {**request.headers, **trailers, "content-length": str(len(body)), "content-encoding": rest}
        if not rest:
            del headers["content-encoding"]
        request = attrs.evolve(request, headers=headers, body=body)
    check(request.headers, request.body)
    return request


def _check_length(announced: str | None, size: int) -> None:
    if announced is not None and announced != str(size):
        raise InvalidChunk("You did not provide the number of bytes specified by the Content-Length HTTP header")


def unchunk(body: bytes) -> tuple[bytes, dict[str, str]]:
    """The content of an aws-chunked body, and the trailers behind it. Raises InvalidChunk."""
    chunks, at = [], 0
    while True:
        line, at = _line(body, at)
        text = line.partition(b";")[0].strip()
        if not text or len(text) > 8 or text.strip(b"0123456789abcdefABCDEF"):
            raise InvalidChunk("The chunked encoding of the body cannot be read")
        size = int(text, 16)
        if size == 0:
            break
        chunks.append(body[at : at + size])
        at += size
        if body[at : at + 2] != b"\r\n":
            raise InvalidChunk("A chunk of the body is shorter than it says")
        at += 2
    return b"".join(chunks), _trailers(body, at)


def _trailers(body: bytes, at: int) -> dict[str, str]:
    trailers: dict[str, str] = {}
    while at < len(body) and len(trailers) < 20:
        line, at = _line(body, at)
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            trailers[name.strip().lower()] = value.strip()
    return {name: value for name, value in trailers.items() if name.startswith("x-amz-checksum-")}


def _line(body: bytes, at: int) -> tuple[bytes, int]:
    end = body.find(b"\r\n", at, at + LONGEST_LINE)
    if end < 0:
        raise InvalidChunk("The chunked encoding of the body ends early")
    return body[at:end], end + 2


# -- checksums --------------------------------------------------------------------------------------------------------


def check(headers: Mapping[str, str], body: bytes) -> None:
    """Compare the checksum that was sent, if any, with the body. Raises BadChecksum or InvalidChecksum."""
    for name, compute in ALGORITHMS.items():
        sent = headers.get(f"x-amz-checksum-{name}")
        if sent is None or "-" in sent or (compute in _SLOW and len(body) > PURE_LIMIT):
            continue
        calculated = compute(body)
        try:
            is_right_size = len(base64.b64decode(sent, validate=True)) == len(calculated)
        except ValueError:
            is_right_size = False
        if not is_right_size:
            raise InvalidChecksum(f"Value for x-amz-checksum-{name} header is invalid.")
        if sent != base64.b64encode(calculated).decode():
            raise BadChecksum(_UNMATCHED.format(name.upper()))


def _crc32(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(4, "big")


def _sha1(body: bytes) -> bytes:
    return hashlib.sha1(body, usedforsecurity=False).digest()


def _sha256(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


def _crc32c(body: bytes) -> bytes:
    return _reflected(body, 0x82F63B78, 32).to_bytes(4, "big")


def _crc64nvme(body: bytes) -> bytes:
    return _reflected(body, 0x9A6C9329AC4BC9B5, 64).to_bytes(8, "big")


@cache
def _table(polynomial: int) -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (polynomial if value & 1 else 0)
        table.append(value)
    return tuple(table)


def _reflected(body: bytes, polynomial: int, bits: int) -> int:
    """A cyclic redundancy check with reflected input and output."""
    table, mask = _table(polynomial), (1 << bits) - 1
    value = mask
    for byte in body:
        value = value >> 8 ^ table[(value ^ byte) & 0xFF]
    return value ^ mask


ALGORITHMS: Mapping[str, Callable[[bytes], bytes]] = {
    "crc32": _crc32,
    "crc32c": _crc32c,
    "crc64nvme": _crc64nvme,
    "sha1": _sha1,
    "sha256": _sha256,
}
_SLOW = (_crc32c, _crc64nvme)
