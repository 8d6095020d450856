"""Writing: put and post."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import md5
from typing import TYPE_CHECKING, Any, Unpack

from triggers.s3.bodies import Staged
from triggers.s3.content import PLAIN, Bytes, Content, Settings, check_md5, in_memory, read
from triggers.s3.core import BucketCore
from triggers.s3.event_types import POST, PUT, EventType
from triggers.s3.names import Tags, check_key
from triggers.s3.objects import NULL, Body, SystemHeaders, Version
from triggers.s3.preconditions import check_write
from triggers.s3.results import (
    PutObjectResult,
)

if TYPE_CHECKING:
    pass


class Writing(BucketCore):
    """The operations that put objects in."""

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
        await self._bus.room(self.reaches)
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
        await self._bus.room(self.reaches)
        return self._put_object("post_object", POST, key, data, content_type, metadata, tags, acl, headers)

    async def _put_safely(self, verb: str, kind: EventType, key: str, data: bytes, *rest: Any) -> PutObjectResult:
        """Put on a bus with a store: a large body is on disk before the step, and all is safe behind it."""
        assert self._kept is not None
        staged = await self._kept.stage(data)
        try:
            await self._bus.room(self.reaches)
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
