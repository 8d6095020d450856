"""Multipart uploads: parts come one by one, the object and its event at completion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, Final, TypeAlias, Unpack

from eventbus.storage.objects import ObjectFile
from triggers.s3.bodies import Staged
from triggers.s3.content import Bytes, Content, check_md5, etag_of, in_memory, read
from triggers.s3.copying import Copying, CopySource, parse_source
from triggers.s3.errors import (
    MIN_PART,
    EntityTooSmall,
    InvalidArgument,
    InvalidPart,
    InvalidPartOrder,
    InvalidRequest,
    MalformedXML,
)
from triggers.s3.event_types import COMPLETE_MULTIPART_UPLOAD
from triggers.s3.names import Tags, check_key
from triggers.s3.objects import Body, SystemHeaders
from triggers.s3.preconditions import bare
from triggers.s3.results import PutObjectResult, UploadedPart
from triggers.s3.under_way import UnderWay, shown
from triggers.s3.uploads import Part, Upload

MAX_PARTS: Final = 10_000
"""S3 user guide, "Amazon S3 multipart upload limits"."""
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._"

PartName: TypeAlias = UploadedPart | tuple[int, str] | Mapping[str, Any]
"""What `upload_part` answered, `(part_number, etag)`, or boto3's `{"PartNumber": ..., "ETag": ...}`."""


class Multipart(UnderWay, Copying):
    """The operations of multipart uploads."""

    async def create_multipart_upload(
        self,
        key: str,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        tags: Tags | None = None,
        acl: str | None = None,
        **headers: Unpack[SystemHeaders],
    ) -> str:
        """Begin an upload and answer its id; all but the content is given here. Arguments as for `put_object`."""
        upload_id = self.create_multipart_upload_nowait(
            key, content_type=content_type, metadata=metadata, tags=tags, acl=acl, **headers
        )
        if self._kept is not None:
            await self._bus.synced()
        return upload_id

    def create_multipart_upload_nowait(
        self,
        key: str,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        tags: Tags | None = None,
        acl: str | None = None,
        **headers: Unpack[SystemHeaders],
    ) -> str:
        """The synchronous twin of `create_multipart_upload`."""
        self._check("create_multipart_upload", "s3:PutObject", key)
        check_key(key)
        settings = self._settings(key, content_type, metadata, tags, acl, headers)
        upload_id = self._bus.ids.text(64, _ALPHABET)
        upload = Upload(key, upload_id, self._bus.clock.now(), settings)
        if self._kept is None:
            self._uploads[upload_id] = upload
        else:
            self._kept.begin(upload)
        return upload_id

    async def upload_part(
        self, key: str, upload_id: str, part_number: int, body: Content, *, content_md5: str | None = None
    ) -> UploadedPart:
        """Store one part, 1 to 10,000; the same number again replaces it.

        Every part but the last has at least 5 MiB, which is checked at completion. Raises NoSuchUpload,
        InvalidArgument, InvalidBody, EntityTooLarge, InvalidDigest, BadDigest, NoSuchBucket or AccessDenied.
        """
        self._bus.accepting("upload_part")
        data = await read(body)
        if self._kept is None:
            return self._upload_part(key, upload_id, part_number, data, content_md5)
        staged = await self._kept.stage(data)
        try:
            answer = self._upload_part(key, upload_id, part_number, data if staged is None else staged, content_md5)
        finally:
            if staged is not None:
                self._kept.release(staged)
        await self._bus.synced()
        return answer

    def upload_part_nowait(
        self, key: str, upload_id: str, part_number: int, body: Bytes, *, content_md5: str | None = None
    ) -> UploadedPart:
        """The synchronous twin of `upload_part`; the body is in memory."""
        return self._upload_part(key, upload_id, part_number, body, content_md5)

    def _upload_part(
        self, key: str, upload_id: str, part_number: int, body: Bytes | Staged, content_md5: str | None
    ) -> UploadedPart:
        self._check("upload_part", "s3:PutObject", key)
        data = body if isinstance(body, Staged) else in_memory(body)
        upload = self._upload(key, upload_id)
        if content_md5 is not None:
            check_md5(content_md5, data.etag if isinstance(data, Staged) else etag_of(data))
        return self._add_part(upload, part_number, data)

    async def upload_part_copy(
        self,
        key: str,
        upload_id: str,
        part_number: int,
        source: CopySource,
        *,
        source_version_id: str | None = None,
        source_range: str | None = None,
    ) -> UploadedPart:
        """Store a part that is copied from an object, whole or `source_range="bytes=first-last"`.

        The caller needs `s3:GetObject` there and `s3:PutObject` here. Raises what `upload_part` and `copy_object`
        raise.
        """
        self._check("upload_part_copy", "s3:PutObject", key)
        upload = self._upload(key, upload_id)
        _, found = self._source(parse_source(source, source_version_id))
        start, end = (0, len(found.body)) if source_range is None else _span(len(found.body), source_range)
        if not isinstance(found.body, ObjectFile):
            data = found.body[start:end]
        else:
            assert self._kept is not None
            assert self._kept.bodies is not None
            data = await self._kept.bodies.read(found.body, start, end)
        if self._kept is None:
            return self._add_part(upload, part_number, data)
        staged = await self._kept.stage(data)
        try:
            answer = self._add_part(self._upload(key, upload_id), part_number, data if staged is None else staged)
        finally:
            if staged is not None:
                self._kept.release(staged)
        await self._bus.synced()
        return answer

    def upload_part_copy_nowait(
        self,
        key: str,
        upload_id: str,
        part_number: int,
        source: CopySource,
        *,
        source_version_id: str | None = None,
        source_range: str | None = None,
    ) -> UploadedPart:
        """The synchronous twin of `upload_part_copy`."""
        self._check("upload_part_copy", "s3:PutObject", key)
        upload = self._upload(key, upload_id)
        _, found = self._source(parse_source(source, source_version_id))
        start, end = (0, len(found.body)) if source_range is None else _span(len(found.body), source_range)
        if not isinstance(found.body, ObjectFile):
            return self._add_part(upload, part_number, found.body[start:end])
        assert self._kept is not None
        assert self._kept.bodies is not None
        return self._add_part(upload, part_number, self._kept.bodies.read_now(found.body, start, end))

    def _add_part(self, upload: Upload, part_number: object, data: bytes | Staged) -> UploadedPart:
        if not isinstance(part_number, int) or not 1 <= part_number <= MAX_PARTS:
            raise InvalidArgument(
                "Part number must be an integer between 1 and 10000, inclusive", "partNumber", str(part_number)
            )
        now = self._bus.clock.now()
        part = Part(data.file, data.etag, now) if isinstance(data, Staged) else Part(data, etag_of(data), now)
        if self._kept is None:
            upload.parts[part_number] = part
        else:
            part.body = self._kept.placed(part.body)
            self._kept.add_part(upload, part_number, part)
            if isinstance(data, Staged):
                data.is_taken = True
        return shown(part_number, part)

    async def complete_multipart_upload(
        self,
        key: str,
        upload_id: str,
        parts: Iterable[PartName],
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> PutObjectResult:
        """Make the object of its parts, in ascending order, and send `s3:ObjectCreated:CompleteMultipartUpload`.

        `parts` are the answers of `upload_part`, `(part_number, etag)` or boto3's dicts; parts that are not named are
        dropped. Waits while the bus is full; when it is cancelled, the upload was completed, or nothing happened.
        Raises NoSuchUpload, InvalidRequest (no parts), InvalidPartOrder, InvalidPart, EntityTooSmall,
        PreconditionFailed.
        """
        self._bus.accepting("complete_multipart_upload")
        named = [_named(part) for part in parts]
        staged = None if self._kept is None else await self._stage_joined(key, upload_id, named)
        try:
            await self._bus.room(self.reaches)
            result = self._complete(key, upload_id, named, if_match, if_none_match, staged)
        finally:
            if staged is not None and self._kept is not None:
                self._kept.release(staged)
        if self._kept is not None:
            await self._bus.synced()
        return result

    def complete_multipart_upload_nowait(
        self,
        key: str,
        upload_id: str,
        parts: Iterable[PartName],
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> PutObjectResult:
        """The synchronous twin of `complete_multipart_upload`: no back-pressure, and no waiting for the store."""
        named = [_named(part) for part in parts]
        return self._complete(key, upload_id, named, if_match, if_none_match, None)

    async def _stage_joined(self, key: str, upload_id: str, named: list[tuple[int, str]]) -> Staged | None:
        """Join parts in a file ahead, where the object will lie in one."""
        self._check("complete_multipart_upload", "s3:PutObject", key)
        chosen = _chosen(self._upload(key, upload_id), named)
        if self._kept is None or self._kept.bodies is None or not self._kept.is_large(_size(chosen)):
            return None
        return await self._kept.bodies.stage([part.body for part in chosen], is_joined=True)

    def _joined(self, chosen: list[Part], staged: Staged | None) -> Body:
        """The content of the object. What was staged has the same: the entity tags of the parts say so."""
        if staged is not None:
            return staged.file
        if self._kept is not None and self._kept.bodies is not None and self._kept.is_large(_size(chosen)):
            return self._kept.bodies.stage_now([part.body for part in chosen], is_joined=True).file
        return b"".join(part.body for part in chosen if not isinstance(part.body, ObjectFile))

    def _complete(
        self,
        key: str,
        upload_id: str,
        named: list[tuple[int, str]],
        if_match: str | None,
        if_none_match: str | None,
        staged: Staged | None,
    ) -> PutObjectResult:
        self._check("complete_multipart_upload", "s3:PutObject", key)
        upload = self._upload(key, upload_id)
        chosen = _chosen(upload, named)
        if if_match is not None or if_none_match is not None:
            self._check_write(key, if_match, if_none_match)
        digests = b"".join(bytes.fromhex(part.etag) for part in chosen)
        etag = f"{etag_of(digests)}-{len(chosen)}"
        body = self._joined(chosen, staged)
        sizes = tuple(len(part.body) for part in chosen)
        version = self._new_version(key, body, etag, upload.settings, sizes)
        if self._kept is None:
            del self._uploads[upload_id]
        else:
            self._kept.end(upload)
        self._add(version)
        if staged is not None:
            staged.is_taken = True
        self._announce(COMPLETE_MULTIPART_UPLOAD, version, self._bus.note("complete_multipart_upload", self, key))
        return PutObjectResult(etag, self._shown(version.version_id), len(body))

    async def abort_multipart_upload(self, key: str, upload_id: str) -> None:
        """Forget an upload and its parts. Raises NoSuchUpload."""
        self.abort_multipart_upload_nowait(key, upload_id)
        if self._kept is not None:
            await self._bus.synced()

    def abort_multipart_upload_nowait(self, key: str, upload_id: str) -> None:
        """The synchronous twin of `abort_multipart_upload`."""
        self._check("abort_multipart_upload", "s3:AbortMultipartUpload", key)
        upload = self._upload(key, upload_id)
        if self._kept is None:
            del self._uploads[upload_id]
        else:
            self._kept.end(upload)


def _named(part: PartName) -> tuple[int, str]:
    if isinstance(part, UploadedPart):
        return part.part_number, part.etag
    try:
        number, etag = (part["PartNumber"], part["ETag"]) if isinstance(part, Mapping) else part
    except (KeyError, TypeError, ValueError):
        number, etag = None, None
    if not isinstance(number, int) or not isinstance(etag, str):
        raise MalformedXML('a part is {"PartNumber": 1, "ETag": "..."} or (1, "...")')
    return number, bare(etag)


def _chosen(upload: Upload, named: list[tuple[int, str]]) -> list[Part]:
    """The parts that were named. Raises unless they exist, ascend and are large enough."""
    if not named:
        raise InvalidRequest("You must specify at least one part")
    numbers = [number for number, _ in named]
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise InvalidPartOrder(upload.upload_id)
    chosen = []
    for number, etag in named:
        part = upload.parts.get(number)
        if part is None or part.etag != etag:
            raise InvalidPart(number, etag, upload.upload_id)
        chosen.append(part)
    for (number, etag), part in zip(named[:-1], chosen[:-1], strict=True):
        if len(part.body) < MIN_PART:
            raise EntityTooSmall(number, len(part.body), etag)
    return chosen


def _size(parts: list[Part]) -> int:
    return sum(len(part.body) for part in parts)


def _span(size: int, header: str) -> tuple[int, int]:
    """First and one-past-last byte of a copy's range, of which both ends are given."""
    first, dash, last = header.removeprefix("bytes=").partition("-")
    if (
        not header.startswith("bytes=")
        or not dash
        or not _is_number(first)
        or not _is_number(last)
        or int(last) < int(first)
    ):
        raise InvalidArgument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
            "zero-based offsets of the first and last bytes to copy",
            "x-amz-copy-source-range",
            header,
        )
    if int(last) >= size:
        raise InvalidArgument(
            f"Range specified is not valid for source object of size: {size}", "x-amz-copy-source-range", header
        )
    return int(first), int(last) + 1


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20
