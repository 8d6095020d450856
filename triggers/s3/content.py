"""What goes into an object: its bytes, wherever they come from, and what is stored beside them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import inspect
from collections.abc import AsyncIterable, Mapping
from os import PathLike
from typing import Any, BinaryIO, Final, TypeAlias

import anyio
import anyio.to_thread
import attrs

from triggers.s3.errors import MAX_OBJECT, BadDigest, EntityTooLarge, InvalidArgument, InvalidBody, InvalidDigest
from triggers.s3.names import Tags, clean_metadata, clean_tags
from triggers.s3.objects import DEFAULT_CONTENT_TYPE, NOTHING, PRIVATE, SystemHeaders

Bytes: TypeAlias = bytes | bytearray | memoryview
Content: TypeAlias = Bytes | PathLike[str] | BinaryIO | AsyncIterable[bytes]
"""Bytes; a path or a binary file, read in a thread; an asynchronous file or iterator of bytes, collected."""

CANNED_ACLS: Final = frozenset(
    {
        "private",
        "public-read",
        "public-read-write",
        "aws-exec-read",
        "authenticated-read",
        "bucket-owner-read",
        "bucket-owner-full-control",
    }
)
"""S3 user guide, "Access control list (ACL) overview"."""
_HEADERS = frozenset(SystemHeaders.__annotations__)
_IN_MEMORY = "bytes, a bytearray or a memoryview (put_object also reads paths, binary files and async iterators)"
_ANYWHERE = "bytes, a path, a binary file or an async iterator of bytes"


def in_memory(body: Bytes) -> bytes:
    """A copy of bytes that are in memory. Raises InvalidBody or EntityTooLarge."""
    if body.__class__ is not bytes:
        if not isinstance(body, (bytes, bytearray, memoryview)):
            raise InvalidBody(body, _IN_MEMORY)
        body = bytes(body)
    if len(body) > MAX_OBJECT:
        raise EntityTooLarge(len(body))
    return body


async def read(body: Content) -> bytes:
    """All bytes of a content, without blocking the loop. Raises InvalidBody or EntityTooLarge."""
    if isinstance(body, (bytes, bytearray, memoryview)):
        return in_memory(body)
    if isinstance(body, (str, int)):
        raise InvalidBody(body, _ANYWHERE)
    if isinstance(body, PathLike):
        return in_memory(await anyio.Path(body).read_bytes())
    if isinstance(body, AsyncIterable):
        return await _collect(body)
    reader = getattr(body, "read", None)
    if reader is None:
        raise InvalidBody(body, _ANYWHERE)
    data = await reader() if inspect.iscoroutinefunction(reader) else await anyio.to_thread.run_sync(reader)
    return in_memory(data)


async def _collect(chunks: AsyncIterable[bytes]) -> bytes:
    collected = bytearray()
    try:
        async for chunk in chunks:
            if not isinstance(chunk, (bytes, bytearray, memoryview)):
                raise InvalidBody(chunk, "an async iterator of bytes")
            collected += chunk
            if len(collected) > MAX_OBJECT:
                raise EntityTooLarge(len(collected))
    finally:
        if inspect.isasyncgen(chunks):
            await chunks.aclose()
    return bytes(collected)


def etag_of(body: bytes) -> str:
    """The MD5 of the content, in hexadecimal digits, without quotes."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def check_md5(content_md5: str, etag: str) -> None:
    """Compare a Content-MD5 (base64) with what was received. Raises InvalidDigest or BadDigest."""
    try:
        digest = base64.b64decode(content_md5, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidDigest(content_md5) from None
    if len(digest) != 16:
        raise InvalidDigest(content_md5)
    if digest.hex() != etag:
        raise BadDigest(digest.hex(), base64.b64encode(bytes.fromhex(etag)).decode())


def check_acl(acl: str) -> str:
    """Raise InvalidArgument unless this is a canned ACL of objects."""
    if acl not in CANNED_ACLS:
        raise InvalidArgument("", "x-amz-acl", str(acl), mend=f"the canned ACLs are {', '.join(sorted(CANNED_ACLS))}")
    return acl


@attrs.define(eq=False, weakref_slot=False)
class Settings:
    """What is stored beside the bytes, checked."""

    content_type: str = DEFAULT_CONTENT_TYPE
    headers: SystemHeaders | None = None
    metadata: Mapping[str, str] = NOTHING
    tags: Mapping[str, str] = NOTHING
    acl: str = PRIVATE

    @classmethod
    def of(
        cls,
        content_type: str | None,
        metadata: Mapping[str, str] | None,
        tags: Tags | None,
        acl: str | None,
        headers: SystemHeaders | Mapping[str, Any],
    ) -> Settings:
        """Check what a caller gave. Raises MetadataTooLarge, InvalidTag, InvalidArgument or TypeError."""
        stray = [name for name in headers if name not in _HEADERS]
        if stray:
            raise TypeError(f"unexpected keyword argument {stray[0]!r}; headers are {', '.join(sorted(_HEADERS))}")
        texts: dict[str, object] = {"content_type": content_type, **headers}
        for name, value in texts.items():
            if value is not None and not isinstance(value, str):
                raise InvalidArgument(f"{name} is a text", name, repr(value))
        given: SystemHeaders = {name: value for name, value in headers.items() if value is not None}  # type: ignore[assignment]
        return cls(
            content_type or DEFAULT_CONTENT_TYPE,
            given or None,
            clean_metadata(metadata) if metadata else NOTHING,
            clean_tags(tags) if tags else NOTHING,
            PRIVATE if acl is None else check_acl(acl),
        )


PLAIN: Final = Settings()
"""What is stored beside the bytes when nothing is said."""
