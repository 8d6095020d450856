"""Deleting objects, versions and delete markers, one or many at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from eventbus.errors import AccessDenied
from triggers.s3.core import BucketCore
from triggers.s3.errors import InvalidArgument, MalformedXML, S3Error
from triggers.s3.event_types import DELETE, DELETE_MARKER_CREATED
from triggers.s3.names import check_key
from triggers.s3.objects import NULL, Version
from triggers.s3.preconditions import check_delete
from triggers.s3.results import DeletedObject, DeleteFailure, DeleteObjectResult, DeleteObjectsResult

if TYPE_CHECKING:
    from eventbus.telemetry.trace import Action

MAX_DELETED_AT_ONCE = 1000
"""Keys of one DeleteObjects (S3 API reference, "DeleteObjects")."""

Named: TypeAlias = str | tuple[str, str | None] | Mapping[str, str]
"""A key, a key and a version id, or boto3's `{"Key": ..., "VersionId": ..., "ETag": ...}`."""


class Deleting(BucketCore):
    """The operations that take objects out."""

    async def delete_object(
        self, key: str, version_id: str | None = None, *, if_match: str | None = None
    ) -> DeleteObjectResult:
        """Delete an object; without an error when it is not there.

        `if_match` deletes only what has this entity tag, or with `*` only what is there.

        In a bucket with versioning a delete without `version_id` makes a delete marker, and one with it removes that
        version or marker for good. Sends `s3:ObjectRemoved:Delete` or `s3:ObjectRemoved:DeleteMarkerCreated`, or
        nothing where nothing was removed. Raises InvalidArgument for a version id in a bucket without versioning,
        PreconditionFailed, NoSuchBucket or AccessDenied.
        """
        self._bus.accepting("delete_object")
        await self._bus.room(self.reaches)
        result = self.delete_object_nowait(key, version_id, if_match=if_match)
        if self._kept is not None:
            await self._bus.synced()
        return result

    def delete_object_nowait(
        self, key: str, version_id: str | None = None, *, if_match: str | None = None
    ) -> DeleteObjectResult:
        """The synchronous twin of `delete_object`: no back-pressure."""
        self._check("delete_object", "s3:DeleteObject" if version_id is None else "s3:DeleteObjectVersion", key)
        check_key(key)
        if version_id is not None:
            self._check_version_id(version_id)
        if if_match is not None:
            found = self._store.current(key) if version_id is None else self._store.find(key, version_id)
            check_delete(None if found is None or found.is_delete_marker else found.etag, if_match)
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

        `keys` are keys, `(key, version_id)` pairs or boto3's `{"Key", "VersionId", "ETag"}`. What cannot be deleted is
        in `errors`; with `quiet` the result names nothing else. Raises MalformedXML for no keys or too many.
        """
        self._bus.accepting("delete_objects")
        await self._bus.room(self.reaches)
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
        for key, version_id, if_match in named:
            try:
                result = self.delete_object_nowait(key, version_id, if_match=if_match)
            except (S3Error, AccessDenied) as error:
                if self._is_deleted:
                    raise
                code = "AccessDenied" if isinstance(error, AccessDenied) else error.code
                errors.append(DeleteFailure(key, version_id, code, error.message))
            else:
                marker = result.version_id if result.delete_marker else None
                deleted.append(DeletedObject(key, version_id, result.delete_marker, marker))
        return DeleteObjectsResult([] if quiet else deleted, errors)

    async def empty(self) -> None:
        """Remove every version, marker and upload without an event: for tests that begin anew."""
        self._check("empty", "s3:DeleteObjectVersion")
        store = self._store if self._kept is None else self._kept
        for key in list(self._store.heads):
            version: Version | None = self._store.heads.get(key)
            while version is not None:
                older = version.older
                store.remove(key, version.version_id)
                version = older
        for upload in list(self._uploads.values()):
            if self._kept is None:
                del self._uploads[upload.upload_id]
            else:
                self._kept.end(upload)
        if self._kept is not None:
            await self._bus.synced()


def _name(named: Named) -> tuple[str, str | None, str | None]:
    if isinstance(named, str):
        return named, None, None
    if isinstance(named, Mapping):
        if "Key" not in named:
            raise MalformedXML("an object to delete has a Key")
        return named["Key"], named.get("VersionId"), named.get("ETag")
    if len(named) != 2:
        raise InvalidArgument("An object to delete is a key, or a key and a version id", "Object", repr(named))
    return *named, None
