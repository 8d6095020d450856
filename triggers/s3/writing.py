"""Writing: put, copy and delete."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import md5
from typing import TYPE_CHECKING, Any, TypeAlias, Unpack

from eventbus.errors import AccessDenied
from triggers.s3.bodies import Staged
from triggers.s3.content import PLAIN, Bytes, Content, Settings, check_md5, in_memory, read
from triggers.s3.core import BucketCore
from triggers.s3.errors import InvalidArgument, MalformedXML, S3Error
from triggers.s3.event_types import DELETE, DELETE_MARKER_CREATED, POST, PUT, EventType
from triggers.s3.names import Tags, check_key
from triggers.s3.objects import NULL, Body, SystemHeaders, Version
from triggers.s3.preconditions import check_write
from triggers.s3.results import (
    DeletedObject,
    DeleteFailure,
    DeleteObjectResult,
    DeleteObjectsResult,
    PutObjectResult,
)

if TYPE_CHECKING:
    from eventbus.telemetry.trace import Action

MAX_DELETED_AT_ONCE = 1000
"""Keys of one DeleteObjects (S3 API reference, "DeleteObjects")."""

Named: TypeAlias = str | tuple[str, str | None] | Mapping[str, str]
"""A key, a key and a version id, or boto3's `{"Key": ..., "VersionId": ...}`."""


class Writing(BucketCore):
    """The operations that put objects in and take them out."""

    async def put_object(
        self,
        key: str,
        body: Content = b"",
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        tags: Tags | None = None,
        acl: str | None = None,
        content_md5: str | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        **headers: Unpack[SystemHeaders],
    ) -> PutObjectResult:
        """Store an object, or a new version of it, and send `s3:ObjectCreated:Put`.

        `body` is bytes (copied), a path or a binary file (read in a thread), or an async iterator of bytes. `tags` are
        a dict, boto3's TagSet or the text of the header; `acl` is the name of a canned ACL; `if_none_match="*"` creates
        only; `if_match` replaces only the version with this entity tag. `headers` are `cache_control`,
        `content_disposition`, `content_encoding`, `content_language`, `expires`, `storage_class` and
        `website_redirect_location`.

        Waits while the bus is full, and until object and event are safe in the store, if there is one. When it is
        cancelled, the object was stored and its event sent, or neither. Raises StoreUnavailable, InvalidBody,
        InvalidArgument, KeyTooLongError, EntityTooLarge, MetadataTooLarge, InvalidTag, TooManyTags, InvalidDigest,
        BadDigest, PreconditionFailed, NoSuchKey (`if_match` without an object), NotImplementedByS3, NoSuchBucket or
        AccessDenied.
        """
        self._bus.accepting("put_object")
        if body.__class__ is not bytes:
            body = await read(body)
        if self._kept is not None:
            return await self._put_safely(
                "put_object",
                PUT,
                key,
                body,
                content_type,
                metadata,
                tags,
                acl,
                headers,
                content_md5,
                if_match,
                if_none_match,
            )
        await self._bus.room()
        return self._put_object(
            "put_object",
            PUT,
            key,
            body,
            content_type,
            metadata,
            tags,
            acl,
            headers,
            content_md5,
            if_match,
            if_none_match,
        )

    def put_object_nowait(
        self,
        key: str,
        body: Bytes = b"",
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        tags: Tags | None = None,
        acl: str | None = None,
        content_md5: str | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        **headers: Unpack[SystemHeaders],
    ) -> PutObjectResult:
        """The synchronous twin of `put_object`: no back-pressure, no waiting for the store; the body is in memory."""
        return self._put_object(
            "put_object",
            PUT,
            key,
            body,
            content_type,
            metadata,
            tags,
            acl,
            headers,
            content_md5,
            if_match,
            if_none_match,
        )

    async def post_object(
        self,
        key: str,
        body: Content = b"",
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        tags: Tags | None = None,
        acl: str | None = None,
        **headers: Unpack[SystemHeaders],
    ) -> PutObjectResult:
        """Store an object as a browser's form upload does, and send `s3:ObjectCreated:Post`; else like `put_object`."""
        self._bus.accepting("post_object")
        data = await read(body)
        if self._kept is not None:
            return await self._put_safely("post_object", POST, key, data, content_type, metadata, tags, acl, headers)
        await self._bus.room()
        return self._put_object("post_object", POST, key, data, content_type, metadata, tags, acl, headers)

    async def _put_safely(self, verb: str, kind: EventType, key: str, data: bytes, *rest: Any) -> PutObjectResult:
        """Put on a bus with a store: a large body is on disk before the step, and all is safe behind it."""
        assert self._kept is not None
        staged = await self._kept.stage(data)
        try:
            await self._bus.room()
            result = self._put_object(verb, kind, key, data if staged is None else staged, *rest)
        finally:
            if staged is not None:
                self._kept.release(staged)
        await self._bus.synced()
        return result

    def _settings(
        self,
        key: str,
        content_type: str | None,
        metadata: Mapping[str, str] | None,
        tags: Tags | None,
        acl: str | None,
        headers: SystemHeaders,
    ) -> Settings:
        if tags:
            self._allowed("s3:PutObjectTagging", key)
        if acl:
            self._allowed("s3:PutObjectAcl", key)
        return Settings.of(content_type, metadata, tags, acl, headers)

    def _put_object(
        self,
        verb: str,
        kind: EventType,
        key: str,
        body: Bytes | Staged,
        content_type: str | None,
        metadata: Mapping[str, str] | None,
        tags: Tags | None,
        acl: str | None,
        headers: SystemHeaders,
        content_md5: str | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> PutObjectResult:
        # The hot path: check, store, note, announce; nothing is formatted that nobody reads.
        self._check(verb, "s3:PutObject", key)
        settings = PLAIN
        if content_type or metadata or tags or acl or headers:
            settings = self._settings(key, content_type, metadata, tags, acl, headers)
        check_key(key)
        data: Body
        if body.__class__ is Staged:
            data, etag = body.file, body.etag
        else:
            data = body if body.__class__ is bytes else in_memory(body)  # type: ignore[arg-type]
            etag = md5(data, usedforsecurity=False).hexdigest()
        if content_md5 is not None:
            check_md5(content_md5, etag)
        if if_match is not None or if_none_match is not None:
            self._check_write(key, if_match, if_none_match)
        if self._kept is not None:
            data = self._kept.placed(data)
        version = self._new_version(key, data, etag, settings)
        self._add(version)
        if body.__class__ is Staged:
            body.is_taken = True
        self._announce(kind, version, self._bus.note(verb, self, key))
        return PutObjectResult(etag, None if self._versioning is None else version.version_id, len(data))

    def _new_version(
        self, key: str, body: Body, etag: str, settings: Settings, part_sizes: tuple[int, ...] = ()
    ) -> Version:
        return Version(
            key,
            NULL if self._versioning is None else self._new_version_id(),
            self._bus.clock.now(),
            body,
            etag,
            settings.content_type,
            settings.headers,
            settings.metadata,
            settings.tags,
            settings.acl,
            part_sizes,
            number=0 if self._kept is None else self._next_number(),
        )

    def _check_write(self, key: str, if_match: str | None, if_none_match: str | None) -> None:
        current = self._store.current(key)
        check_write(key, None if current is None else current.etag, if_match, if_none_match)

    # -- delete -------------------------------------------------------------------------------------------------------

    async def delete_object(self, key: str, version_id: str | None = None) -> DeleteObjectResult:
        """Delete an object; without an error when it is not there.

        In a bucket with versioning a delete without `version_id` makes a delete marker, and one with it removes that
        version or marker for good. Sends `s3:ObjectRemoved:Delete` or `s3:ObjectRemoved:DeleteMarkerCreated`, or
        nothing where nothing was removed. Raises InvalidArgument for a version id in a bucket without versioning,
        NoSuchBucket or AccessDenied.
        """
        self._bus.accepting("delete_object")
        await self._bus.room()
        result = self.delete_object_nowait(key, version_id)
        if self._kept is not None:
            await self._bus.synced()
        return result

    def delete_object_nowait(self, key: str, version_id: str | None = None) -> DeleteObjectResult:
        """The synchronous twin of `delete_object`: no back-pressure."""
        self._check("delete_object", "s3:DeleteObject" if version_id is None else "s3:DeleteObjectVersion", key)
        check_key(key)
        if version_id is not None:
            self._check_version_id(version_id)
        return self._delete(key, version_id)

    def _delete(self, key: str, version_id: str | None) -> DeleteObjectResult:
        action = self._bus.note("delete_object", self, key)
        if version_id is None and self._versioning is not None:
            return self._mark_deleted(key, action)
        removed = (self._store if self._kept is None else self._kept).remove(key, version_id or NULL)
        if removed is None:
            action.note = "there was nothing to delete"
            return DeleteObjectResult(False, version_id if self._versioning else None)
        self._announce(DELETE, removed, action)
        return DeleteObjectResult(removed.is_delete_marker, self._shown(removed.version_id))

    def _mark_deleted(self, key: str, action: Action) -> DeleteObjectResult:
        number = 0 if self._kept is None else self._next_number()
        now = self._bus.clock.now()
        marker = Version(key, self._new_version_id(), now, b"", "", is_delete_marker=True, number=number)
        self._add(marker)
        self._announce(DELETE_MARKER_CREATED, marker, action)
        return DeleteObjectResult(True, marker.version_id)

    async def delete_objects(self, keys: Iterable[Named], *, quiet: bool = False) -> DeleteObjectsResult:
        """Delete up to 1,000 objects or versions in one call; each sends its own event, in the given order.

        `keys` are keys, `(key, version_id)` pairs or boto3's `{"Key", "VersionId"}`. What cannot be deleted is in
        `errors`; with `quiet` the result names nothing else. Raises MalformedXML for no keys or too many.
        """
        self._bus.accepting("delete_objects")
        await self._bus.room()
        result = self.delete_objects_nowait(keys, quiet=quiet)
        if self._kept is not None:
            await self._bus.synced()
        return result

    def delete_objects_nowait(self, keys: Iterable[Named], *, quiet: bool = False) -> DeleteObjectsResult:
        """The synchronous twin of `delete_objects`: no back-pressure."""
        if isinstance(keys, str):
            raise MalformedXML("delete_objects takes a list of keys; delete_object takes one key")
        named = [_name(key) for key in keys]
        if not 1 <= len(named) <= MAX_DELETED_AT_ONCE:
            raise MalformedXML(f"delete_objects takes 1 to {MAX_DELETED_AT_ONCE} keys")
        deleted, errors = [], []
        for key, version_id in named:
            try:
                result = self.delete_object_nowait(key, version_id)
            except (S3Error, AccessDenied) as error:
                if self._is_deleted:
                    raise
                code = "AccessDenied" if isinstance(error, AccessDenied) else error.code
                errors.append(DeleteFailure(key, version_id, code, error.message))
            else:
                marker = result.version_id if result.delete_marker else None
                deleted.append(DeletedObject(key, version_id, result.delete_marker, marker))
        return DeleteObjectsResult([] if quiet else deleted, errors)


def _name(named: Named) -> tuple[str, str | None]:
    if isinstance(named, str):
        return named, None
    if isinstance(named, Mapping):
        if "Key" not in named:
            raise MalformedXML("an object to delete has a Key")
        return named["Key"], named.get("VersionId")
    if len(named) != 2:
        raise InvalidArgument("An object to delete is a key, or a key and a version id", "Object", repr(named))
    return named
