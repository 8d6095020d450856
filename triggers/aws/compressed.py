"""Bodies that a client has compressed: botocore does it with what PutMetricData sends from 10 KB on."""

from __future__ import annotations

import zlib

import attrs

from triggers.aws.errors import Malformed
from triggers.aws.http import Request

LARGEST = 10 * 2**20
"""Bytes of a body that has been inflated: as much as the port takes of any other."""
_GZIP = 31
"""zlib's number for the format of gzip."""


def inflated(request: Request) -> Request:
    """The request with its body as it was before `Content-Encoding: gzip`. Raises Malformed."""
    if request.headers.get("content-encoding", "").strip().lower() != "gzip":
        return request
    reader = zlib.decompressobj(_GZIP)
    try:
        body = reader.decompress(request.body, LARGEST + 1)
    except zlib.error:
        raise Malformed("the body is not gzip, which its Content-Encoding says it is") from None
    if len(body) > LARGEST or not reader.eof:
        raise Malformed(f"the body ends early, or has more than {LARGEST:,} bytes once it is inflated")
    headers = {name: value for name, value in request.headers.items() if name != "content-encoding"}
    return attrs.evolve(request, headers=headers, body=body)
