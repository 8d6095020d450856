"""What the operations of a bucket answer. Names are AWS's in our grammar; entity tags are without quotes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import attrs

from triggers.s3.objects import SystemHeaders, Version


def last_modified(stored_at: float) -> datetime:
    """An instant as S3 shows it: in UTC, in whole seconds."""
    return datetime.fromtimestamp(int(stored_at), UTC)


@attrs.define(eq=False, weakref_slot=False)
class PutObjectResult:
    """`version_id` is None in a bucket that never had versioning."""

    etag: str
    version_id: str | None
    size: int


@attrs.define(eq=False, weakref_slot=False)
class CopyObjectResult:
    etag: str
    last_modified: datetime
    version_id: str | None
    copy_source_version_id: str | None


@attrs.define(eq=False, weakref_slot=False, repr=False)
class HeadObjectResult:
    """An object without its content; `get_object` adds the `body`."""

    _version: Version
    version_id: str | None
    """None in a bucket that never had versioning; "null" for what was stored before, or while it was suspended."""
    content_length: int
    """Bytes of this answer: of the range or part, where one was asked for."""
    content_range: str | None = None
    """`bytes 0-4/10` in the answer to a range or a part."""
    body: bytes = b""

    def __repr__(self) -> str:
        return f"<{self.key!r}, {self.content_length} bytes, etag {self.etag}, status {self.status_code}>"

    @property
    def key(self) -> str:
        return self._version.key

    @property
    def etag(self) -> str:
        return self._version.etag

    @property
    def status_code(self) -> int:
        """200, or 206 where a range or a part was answered."""
        return 200 if self.content_range is None else 206

    @property
    def content_type(self) -> str:
        return self._version.content_type

    @property
    def headers(self) -> SystemHeaders:
        """The other standard headers that were stored: `cache_control`, `content_encoding`, ..."""
        return {} if self._version.headers is None else self._version.headers

    @property
    def storage_class(self) -> str:
        return self.headers.get("storage_class", "STANDARD")

    @property
    def metadata(self) -> Mapping[str, str]:
        return dict(self._version.metadata)

    @property
    def tag_count(self) -> int:
        return len(self._version.tags)

    @property
    def parts_count(self) -> int | None:
        """How many parts the object was uploaded in; None for a single put."""
        return len(self._version.part_sizes) or None

    @property
    def last_modified(self) -> datetime:
        """In UTC, in whole seconds."""
        return last_modified(self._version.stored_at)


GetObjectResult = HeadObjectResult


@attrs.frozen
class DeleteObjectResult:
    """`delete_marker` says that a marker was made, or that what was removed was one."""

    delete_marker: bool
    version_id: str | None


@attrs.frozen
class DeletedObject:
    key: str
    version_id: str | None = None
    """The version that was named."""
    delete_marker: bool = False
    delete_marker_version_id: str | None = None


@attrs.frozen
class DeleteFailure:
    key: str
    version_id: str | None
    code: str
    message: str


@attrs.frozen
class DeleteObjectsResult:
    deleted: list[DeletedObject]
    errors: list[DeleteFailure]


@attrs.define(weakref_slot=False)
class ListedObject:
    """One object of a listing."""

    key: str
    size: int
    etag: str
    last_modified: datetime
    storage_class: str

    @classmethod
    def of(cls, version: Version) -> ListedObject:
        storage_class = (version.headers or {}).get("storage_class", "STANDARD")
        return cls(version.key, len(version.body), version.etag, last_modified(version.stored_at), storage_class)


@attrs.frozen
class ListObjectsResult:
    """One page; `next_continuation_token` leads to the next one."""

    contents: list[ListedObject]
    common_prefixes: list[str]
    is_truncated: bool
    next_continuation_token: str | None

    @property
    def key_count(self) -> int:
        """Objects and common prefixes together."""
        return len(self.contents) + len(self.common_prefixes)

    @property
    def keys(self) -> list[str]:
        return [item.key for item in self.contents]


@attrs.frozen
class ListedVersion:
    """One version or delete marker of a listing; a marker has neither size nor entity tag."""

    key: str
    version_id: str
    is_latest: bool
    is_delete_marker: bool
    size: int
    etag: str
    last_modified: datetime

    @classmethod
    def of(cls, version: Version, *, is_latest: bool) -> ListedVersion:
        return cls(
            version.key,
            version.version_id,
            is_latest,
            version.is_delete_marker,
            len(version.body),
            "" if version.is_delete_marker else version.etag,
            last_modified(version.stored_at),
        )


@attrs.frozen
class ListVersionsResult:
    """One page, by key and from the newest version to the oldest."""

    entries: list[ListedVersion]
    common_prefixes: list[str]
    is_truncated: bool
    next_key_marker: str | None
    next_version_id_marker: str | None

    @property
    def versions(self) -> list[ListedVersion]:
        return [entry for entry in self.entries if not entry.is_delete_marker]

    @property
    def delete_markers(self) -> list[ListedVersion]:
        return [entry for entry in self.entries if entry.is_delete_marker]


@attrs.frozen
class UploadedPart:
    part_number: int
    etag: str
    size: int
    last_modified: datetime


@attrs.frozen
class ListPartsResult:
    key: str
    upload_id: str
    parts: list[UploadedPart]
    is_truncated: bool
    next_part_number_marker: int | None


@attrs.frozen
class ListedUpload:
    key: str
    upload_id: str
    initiated: datetime


@attrs.frozen
class ListUploadsResult:
    uploads: list[ListedUpload]
    common_prefixes: list[str]
    is_truncated: bool
    next_key_marker: str | None
    next_upload_id_marker: str | None
