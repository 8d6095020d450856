"""Reading: get and head, with ranges, parts and conditions."""

from __future__ import annotations

from triggers.s3.core import BucketCore
from triggers.s3.errors import InvalidArgument, InvalidPartNumber, InvalidRequest
from triggers.s3.objects import Version
from triggers.s3.preconditions import Instant, check_read, parse_range
from triggers.s3.results import GetObjectResult, HeadObjectResult


class Reading(BucketCore):
    """The operations that answer objects."""

    async def get_object(
        self,
        key: str,
        *,
        version_id: str | None = None,
        range: str | None = None,  # noqa: A002 - AWS's name
        part_number: int | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        if_modified_since: Instant | None = None,
        if_unmodified_since: Instant | None = None,
    ) -> GetObjectResult:
        """Read an object: `.body` is its bytes, beside `.etag`, `.content_type`, `.metadata`, `.last_modified`, ...

        `range` is `"bytes=0-99"`, `"bytes=100-"` or `"bytes=-10"`; `part_number` asks for one part of a multipart
        upload. Dates are aware datetimes or seconds since the epoch.

        Raises NoSuchKey, NoSuchVersion, MethodNotAllowed (the version is a delete marker), InvalidRange,
        InvalidPartNumber, InvalidRequest (range and part together), PreconditionFailed, NotModified, NoSuchBucket or
        AccessDenied: also where the key doesn't exist and the caller may not list the bucket.
        """
        version = self._readable("get_object", "GET", key, version_id)
        check_read(version.etag, version.stored_at, if_match, if_none_match, if_modified_since, if_unmodified_since)
        answer, start, end = self._answer(version, range, part_number)
        if isinstance(version.body, bytes):
            answer.body = version.body[start:end]
        elif self._kept is not None and self._kept.bodies is not None:
            answer.body = await self._kept.bodies.read(version.body, start, end)
        return answer

    async def head_object(
        self,
        key: str,
        *,
        version_id: str | None = None,
        range: str | None = None,  # noqa: A002 - AWS's name
        part_number: int | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        if_modified_since: Instant | None = None,
        if_unmodified_since: Instant | None = None,
    ) -> HeadObjectResult:
        """What `get_object` answers, without the body; takes and raises the same."""
        return self.head_object_nowait(
            key,
            version_id=version_id,
            range=range,
            part_number=part_number,
            if_match=if_match,
            if_none_match=if_none_match,
            if_modified_since=if_modified_since,
            if_unmodified_since=if_unmodified_since,
        )

    def get_object_nowait(
        self,
        key: str,
        *,
        version_id: str | None = None,
        range: str | None = None,  # noqa: A002 - AWS's name
        part_number: int | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        if_modified_since: Instant | None = None,
        if_unmodified_since: Instant | None = None,
    ) -> GetObjectResult:
        """The synchronous twin of `get_object`."""
        version = self._readable("get_object", "GET", key, version_id)
        check_read(version.etag, version.stored_at, if_match, if_none_match, if_modified_since, if_unmodified_since)
        answer, start, end = self._answer(version, range, part_number)
        if isinstance(version.body, bytes):
            answer.body = version.body[start:end]
        elif self._kept is not None and self._kept.bodies is not None:
            answer.body = self._kept.bodies.read_now(version.body, start, end)
        return answer

    def head_object_nowait(
        self,
        key: str,
        *,
        version_id: str | None = None,
        range: str | None = None,  # noqa: A002 - AWS's name
        part_number: int | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        if_modified_since: Instant | None = None,
        if_unmodified_since: Instant | None = None,
    ) -> HeadObjectResult:
        """The synchronous twin of `head_object`."""
        version = self._readable("head_object", "HEAD", key, version_id)
        check_read(version.etag, version.stored_at, if_match, if_none_match, if_modified_since, if_unmodified_since)
        return self._answer(version, range, part_number)[0]

    def _readable(self, call: str, method: str, key: str, version_id: str | None) -> Version:
        self._check(call, "s3:GetObject" if version_id is None else "s3:GetObjectVersion", key)
        return self._find(method, key, version_id)

    def _answer(
        self, version: Version, header: str | None, part_number: int | None
    ) -> tuple[HeadObjectResult, int, int]:
        """The answer without the body, and which bytes of it are asked for."""
        size = len(version.body)
        span = parse_range(header, size) if part_number is None else part_span(version, part_number, header)
        shown = self._shown(version.version_id)
        if span is None:
            return HeadObjectResult(version, shown, size), 0, size
        start, end = span
        return HeadObjectResult(version, shown, end - start, f"bytes {start}-{end - 1}/{size}"), start, end


def part_span(version: Version, part_number: int, header: str | None) -> tuple[int, int] | None:
    """First and one-past-last byte of a part; an object that was put in one go is its own part 1."""
    if header is not None:
        raise InvalidRequest("Cannot specify both Range header and partNumber query parameter")
    if not 1 <= part_number <= 10_000:
        raise InvalidArgument(
            "Part number must be an integer between 1 and 10000, inclusive", "partNumber", str(part_number)
        )
    sizes = version.part_sizes or (len(version.body),)
    if part_number > len(sizes):
        raise InvalidPartNumber(part_number, len(sizes))
    start = sum(sizes[: part_number - 1])
    # nothing to give a range of: an empty object is answered whole
    return (start, start + sizes[part_number - 1]) if version.body else None
