"""Listing: objects and versions, page by page."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from triggers.s3.core import BucketCore
from triggers.s3.errors import InvalidArgument
from triggers.s3.objects import Version, end_of_prefix, group_of
from triggers.s3.results import ListedObject, ListedVersion, ListObjectsResult, ListVersionsResult

MAX_KEYS = 1000
"""Entries of one page (S3 API reference, "ListObjectsV2")."""


class Listing(BucketCore):
    """The operations that answer what is in the bucket."""

    async def list_objects(
        self,
        prefix: str = "",
        *,
        delimiter: str = "",
        max_keys: int = MAX_KEYS,
        start_after: str = "",
        continuation_token: str | None = None,
    ) -> ListObjectsResult:
        """One page of the visible objects, in the order of their keys' UTF-8 bytes; AWS's ListObjectsV2.

        With a `delimiter`, keys that agree up to its first place behind the prefix are one of `common_prefixes`.
        `max_keys` counts both, and is at most 1,000. `start_after` begins behind a key, `continuation_token` where the
        page before ended. Raises InvalidArgument for a token that isn't ours or a negative number, NoSuchBucket or
        AccessDenied.
        """
        return self.list_objects_nowait(
            prefix,
            delimiter=delimiter,
            max_keys=max_keys,
            start_after=start_after,
            continuation_token=continuation_token,
        )

    def list_objects_nowait(
        self,
        prefix: str = "",
        *,
        delimiter: str = "",
        max_keys: int = MAX_KEYS,
        start_after: str = "",
        continuation_token: str | None = None,
    ) -> ListObjectsResult:
        """The synchronous twin of `list_objects`."""
        self._check("list_objects", "s3:ListBucket")
        limit = page_size(max_keys, "max-keys")
        start = _after(start_after) if continuation_token is None else _decode(continuation_token)
        contents: list[ListedObject] = []
        prefixes: list[str] = []
        token = None
        if limit:
            for name, version in self._store.walk(prefix, start, delimiter):
                if len(contents) + len(prefixes) == limit:
                    token = _encode(start)
                    break
                if version is None:
                    prefixes.append(name)
                    start = end_of_prefix(name)
                else:
                    contents.append(ListedObject.of(version))
                    start = _after(name)
        return ListObjectsResult(contents, prefixes, token is not None, token)

    async def list_object_versions(
        self,
        prefix: str = "",
        *,
        delimiter: str = "",
        max_keys: int = MAX_KEYS,
        key_marker: str = "",
        version_id_marker: str = "",
    ) -> ListVersionsResult:
        """One page of all versions and delete markers, by key and from the newest to the oldest.

        The page begins behind `key_marker`, or within that key behind `version_id_marker`. Raises InvalidArgument for a
        version marker without a key marker, NoSuchBucket or AccessDenied.
        """
        return self.list_object_versions_nowait(
            prefix,
            delimiter=delimiter,
            max_keys=max_keys,
            key_marker=key_marker,
            version_id_marker=version_id_marker,
        )

    def list_object_versions_nowait(
        self,
        prefix: str = "",
        *,
        delimiter: str = "",
        max_keys: int = MAX_KEYS,
        key_marker: str = "",
        version_id_marker: str = "",
    ) -> ListVersionsResult:
        """The synchronous twin of `list_object_versions`."""
        self._check("list_object_versions", "s3:ListBucketVersions")
        limit = page_size(max_keys, "max-keys")
        if version_id_marker and not key_marker:
            raise InvalidArgument(
                "A version-id marker cannot be specified without a key marker.", "version-id-marker", version_id_marker
            )
        entries: list[ListedVersion] = []
        prefixes: list[str] = []
        last: tuple[str, str | None] = ("", None)
        is_truncated = False
        for name, version, is_latest in self._entries(prefix, delimiter, key_marker, version_id_marker):
            if len(entries) + len(prefixes) >= limit:
                is_truncated = limit > 0
                break
            if version is None:
                prefixes.append(name)
                last = (name, None)
            else:
                entries.append(ListedVersion.of(version, is_latest=is_latest))
                last = (name, version.version_id)
        next_key, next_version = last if is_truncated else (None, None)
        return ListVersionsResult(entries, prefixes, is_truncated, next_key, next_version)

    def _entries(
        self, prefix: str, delimiter: str, key_marker: str, version_id_marker: str
    ) -> Iterator[tuple[str, Version | None, bool]]:
        """Behind the markers: common prefixes, and versions with whether they are the current one."""
        if version_id_marker:
            start = key_marker
        elif key_marker and group_of(key_marker, prefix, delimiter) == key_marker:
            start = end_of_prefix(key_marker)
        else:
            start = _after(key_marker)
        group = None
        for key in self._store.keys_from(prefix, start):
            shared = group_of(key, prefix, delimiter)
            if shared is None:
                head = self._store.heads[key]
                for version in _chain(head, version_id_marker if key == key_marker else ""):
                    yield key, version, version is head
            elif shared != group:
                group = shared
                yield group, None, False


def _chain(head: Version, marker: str) -> Iterator[Version]:
    """The versions of a key, newest first, behind a marker: all without one, none if it is not among them."""
    is_behind = not marker
    version: Version | None = head
    while version is not None:
        if is_behind:
            yield version
        elif version.version_id == marker:
            is_behind = True
        version = version.older


def page_size(given: object, name: str) -> int:
    """At most 1,000. Raises InvalidArgument for what is no number from 0 up."""
    if not isinstance(given, int) or given < 0:
        raise InvalidArgument(f"Argument {name} must be an integer between 0 and 2147483647", name, str(given))
    return min(given, MAX_KEYS)


def _after(key: str) -> str:
    """The first text behind a key."""
    return key + "\0" if key else ""


def _encode(start: str) -> str:
    return base64.urlsafe_b64encode(f"from {start}".encode("utf-8", "surrogatepass")).decode()


def _decode(token: str) -> str:
    """Where a page begins. Raises InvalidArgument for a token that no page ended with."""
    try:
        text = base64.b64decode(token, altchars=b"-_", validate=True).decode("utf-8", "surrogatepass")
    except (binascii.Error, ValueError):
        text = ""
    if not text.startswith("from "):
        raise InvalidArgument("The continuation token provided is incorrect", "continuation-token", token)
    return text.removeprefix("from ")
