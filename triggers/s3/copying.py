"""Copying an object, or a part of one, from this bucket or another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, Unpack

import attrs

from eventbus.storage.objects import ObjectFile
from triggers.s3.bodies import Staged
from triggers.s3.content import Settings, etag_of
from triggers.s3.errors import MAX_OBJECT, EntityTooLarge, InvalidArgument, InvalidRequest, MethodNotAllowed
from triggers.s3.event_types import COPY
from triggers.s3.names import Tags, check_key
from triggers.s3.objects import Body, SystemHeaders, Version
from triggers.s3.preconditions import Instant, check_read
from triggers.s3.results import CopyObjectResult, last_modified
from triggers.s3.writing import Writing

CopySource: TypeAlias = str | tuple[object, str] | tuple[object, str, str | None] | Mapping[str, str]
"""`"photos/cat.jpg"`, `"photos/cat.jpg?versionId=..."`, `(bucket, key)`, `(bucket, key, version_id)` with a bucket or
its name, or boto3's `{"Bucket": ..., "Key": ..., "VersionId": ...}`. Keys are not URL-encoded."""


class Copying(Writing):
    """The operations that read one object to write another."""

    async def copy_object(
        self,
        source: CopySource,
        key: str,
        *,
        source_version_id: str | None = None,
        metadata_directive: str = "COPY",
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        tagging_directive: str = "COPY",
        tags: Tags | None = None,
        acl: str | None = None,
        source_if_match: str | None = None,
        source_if_none_match: str | None = None,
        source_if_modified_since: Instant | None = None,
        source_if_unmodified_since: Instant | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        **headers: Unpack[SystemHeaders],
    ) -> CopyObjectResult:
        """Store here what another object holds, and send `s3:ObjectCreated:Copy`.

        `source` is `"photos/cat.jpg"`, `("photos", "cat.jpg")` or `(bucket, key, version_id)`. With the directive
        "COPY" (the default) metadata and tags are the source's and those given are ignored, as on AWS; with "REPLACE"
        they are those given. ACL and storage class are never copied. `if_match` and `if_none_match` are as for
        `put_object`.

        The caller needs `s3:GetObject` on the source, `s3:PutObject` here, and the tagging actions where there are
        tags. Raises NoSuchBucket, NoSuchKey, NoSuchVersion, InvalidRequest (onto itself with nothing changed, or from
        a delete marker), PreconditionFailed, EntityTooLarge, or what `put_object` raises.
        """
        self._bus.accepting("copy_object")
        conditions = (
            source_if_match,
            source_if_none_match,
            source_if_modified_since,
            source_if_unmodified_since,
        )
        wanted = (if_match, if_none_match)
        settings = (metadata_directive, content_type, metadata, tagging_directive, tags, acl, headers)
        staged = None
        if self._kept is not None:
            staged = await self._stage_copy(parse_source(source, source_version_id), key)
        try:
            await self._bus.room(self.reaches)
            result = self._copy_object(source, key, source_version_id, conditions, wanted, *settings, staged)
        finally:
            if staged is not None and self._kept is not None:
                self._kept.release(staged)
        if self._kept is not None:
            await self._bus.synced()
        return result

    def copy_object_nowait(
        self,
        source: CopySource,
        key: str,
        *,
        source_version_id: str | None = None,
        metadata_directive: str = "COPY",
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        tagging_directive: str = "COPY",
        tags: Tags | None = None,
        acl: str | None = None,
        source_if_match: str | None = None,
        source_if_none_match: str | None = None,
        source_if_modified_since: Instant | None = None,
        source_if_unmodified_since: Instant | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        **headers: Unpack[SystemHeaders],
    ) -> CopyObjectResult:
        """The synchronous twin of `copy_object`: no back-pressure, and no waiting for the store."""
        conditions = (
            source_if_match,
            source_if_none_match,
            source_if_modified_since,
            source_if_unmodified_since,
        )
        wanted = (if_match, if_none_match)
        settings = (metadata_directive, content_type, metadata, tagging_directive, tags, acl, headers)
        return self._copy_object(source, key, source_version_id, conditions, wanted, *settings, None)

    def _copy_object(
        self,
        source: CopySource,
        key: str,
        source_version_id: str | None,
        conditions: tuple[str | None, str | None, Instant | None, Instant | None],
        wanted: tuple[str | None, str | None],
        metadata_directive: str,
        content_type: str | None,
        metadata: Mapping[str, str] | None,
        tagging_directive: str,
        tags: Tags | None,
        acl: str | None,
        headers: SystemHeaders,
        staged: Staged | None,
    ) -> CopyObjectResult:
        self._check("copy_object", "s3:PutObject", key)
        check_key(key)
        replaces_metadata = _is_replace("x-amz-metadata-directive", metadata_directive)
        replaces_tags = _is_replace("x-amz-tagging-directive", tagging_directive)
        origin = parse_source(source, source_version_id)
        bucket, found = self._source(origin)
        check_read(found.etag, found.stored_at, *conditions, "x-amz-copy-source-")
        self._check_write(key, *wanted)
        is_change = (
            replaces_metadata
            or origin.version_id is not None
            or {"storage_class", "website_redirect_location"} & set(headers)
        )
        if not is_change and bucket is self and origin.key == key:
            raise InvalidRequest(
                "This copy request is illegal because it is trying to copy an object to itself without changing the "
                "object's metadata, storage class, website redirect location or encryption attributes."
            )
        if replaces_tags:
            bucket, kept_tags = self, tags
        else:
            kept_tags = dict(found.tags)
            if kept_tags:
                bucket._allowed("s3:GetObjectTagging", origin.key)
        settings = self._settings(key, content_type, metadata, kept_tags, acl, headers)
        if not replaces_metadata:
            settings.content_type, settings.metadata = found.content_type, found.metadata
            settings.headers = _kept(found, headers)
        return self._copy(key, found, settings, origin, staged)

    def _copy(
        self, key: str, found: Version, settings: Settings, origin: SourceName, staged: Staged | None
    ) -> CopyObjectResult:
        body, etag = self._copied(found, staged)
        version = self._new_version(key, body, etag, settings)
        self._add(version)
        if staged is not None and staged.file is body:
            staged.is_taken = True
        self._announce(COPY, version, self._bus.note("copy_object", self, key))
        return CopyObjectResult(
            version.etag,
            last_modified(version.stored_at),
            self._shown(version.version_id),
            self._service[origin.bucket]._shown(found.version_id),
        )

    async def _stage_copy(self, origin: SourceName, key: str) -> Staged | None:
        """Copy a body that lies in a file ahead, after all that could be refused without looking at the settings."""
        self._check("copy_object", "s3:PutObject", key)
        check_key(key)
        found = self._source(origin)[1]
        if found.body.__class__ is not ObjectFile or self._kept is None or self._kept.bodies is None:
            return None
        return await self._kept.bodies.stage([found.body], found)

    def _copied(self, found: Version, staged: Staged | None) -> tuple[Body, str]:
        """Content and entity tag of the copy; another version than was staged, if it has come since, is copied now."""
        if staged is not None and staged.of is found:
            return staged.file, staged.etag
        if not isinstance(found.body, ObjectFile):
            return found.body if self._kept is None else self._kept.placed(found.body), etag_of(found.body)
        assert self._kept is not None
        assert self._kept.bodies is not None
        now = self._kept.bodies.stage_now([found.body])
        return now.file, now.etag

    def _source(self, origin: SourceName) -> tuple[Copying, Version]:
        """The bucket and the version that are to be copied, after the caller's permission to read it."""
        bucket: Copying = self._service[origin.bucket]
        bucket._allowed("s3:GetObject" if origin.version_id is None else "s3:GetObjectVersion", origin.key)
        try:
            found = bucket._find("GET", origin.key, origin.version_id)
        except MethodNotAllowed:
            raise InvalidRequest(
                "The source of a copy request may not specifically refer to a delete marker by version id."
            ) from None
        if len(found.body) > MAX_OBJECT:
            raise EntityTooLarge(len(found.body))
        return bucket, found


@attrs.frozen
class SourceName:
    """What a copy is made of."""

    bucket: str
    key: str
    version_id: str | None


def parse_source(source: object, version_id: str | None = None) -> SourceName:
    """Read the name of a source in any of its forms. Raises InvalidArgument."""
    if isinstance(source, str):
        path, _, named = source.partition("?versionId=")
        bucket, _, key = path.removeprefix("/").partition("/")
        parts: tuple[object, object, object] = (bucket, key, named or None)
    elif isinstance(source, Mapping):
        parts = (source.get("Bucket"), source.get("Key"), source.get("VersionId"))
    elif isinstance(source, tuple) and len(source) in (2, 3):
        parts = (source[0], source[1], source[2] if len(source) == 3 else None)
    else:
        parts = (None, None, None)
    name = parts[0] if isinstance(parts[0], str) else getattr(parts[0], "name", None)
    chosen = version_id or parts[2]
    if not name or not isinstance(parts[1], str) or not parts[1] or not (chosen is None or isinstance(chosen, str)):
        raise InvalidArgument(
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            "x-amz-copy-source",
            str(source),
        )
    return SourceName(name, parts[1], chosen)


def _is_replace(header: str, directive: str) -> bool:
    if directive not in ("COPY", "REPLACE"):
        word = "metadata" if "metadata" in header else "tagging"
        raise InvalidArgument(f"Unknown {word} directive.", header, str(directive), mend='it is "COPY" or "REPLACE"')
    return directive == "REPLACE"


def _kept(found: Version, given: SystemHeaders) -> SystemHeaders | None:
    """The source's headers, but its storage class and redirect only where they are given anew."""
    kept: SystemHeaders = {} if found.headers is None else found.headers.copy()
    kept.pop("storage_class", None)
    kept.pop("website_redirect_location", None)
    if "storage_class" in given:
        kept["storage_class"] = given["storage_class"]
    if "website_redirect_location" in given:
        kept["website_redirect_location"] = given["website_redirect_location"]
    return kept or None
