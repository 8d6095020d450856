"""Listing: objects and versions, page by page."""

from __future__ import annotations

import base64
import binascii

from triggers.s3.core import BucketCore
from triggers.s3.errors import InvalidArgument
from triggers.s3.objects import NULL, Version, end_of_prefix, group_of
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
                    # the page is full and there is more: the next one begins here
                    token = _encode(name)
                    break
                if version is None:
                    prefixes.append(name)
                else:
                    contents.append(ListedObject.of(version))
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
        last: tuple[str, str | None] | None = None
        is_truncated = False
        for key in self._keys_from(prefix, delimiter, key_marker, bool(version_id_marker)):
            group = group_of(key, prefix, delimiter)
            found = _chain(self._store.heads[key], version_id_marker if key == key_marker else "")
            for version, is_latest in [(None, False)] if group else found:
                if group and group in prefixes[-1:]:
                    continue
                if len(entries) + len(prefixes) == limit:
                    is_truncated = limit > 0
                    break
                if version is None:
                    prefixes.append(group or "")
                    last = (group or "", None)
                else:
                    entries.append(ListedVersion.of(version, is_latest=is_latest))
                    last = (key, version.version_id)
            if is_truncated or limit == 0:
                break
        next_key, next_version = last if is_truncated and last else (None, None)
        return ListVersionsResult(entries, prefixes, is_truncated, next_key, next_version)

    def _keys_from(self, prefix: str, delimiter: str, key_marker: str, is_within: bool) -> list[str]:
        """The keys with a prefix behind a marker; a marker that is a common prefix covers all its keys."""
        is_group = bool(key_marker) and not is_within and group_of(key_marker, prefix, delimiter) == key_marker
        start = (end_of_prefix(key_marker) or key_marker) if is_group else key_marker if is_within else _after(key_marker)
        return self._store.keys_from(prefix, start)


def _chain(head: Version, marker: str) -> list[tuple[Version | None, bool]]:
    """The versions of a key, newest first, behind a marker; all with no marker, none if the marker is not among them."""
    chain: list[tuple[Version | None, bool]] = []
    is_behind = not marker
    version: Version | None = head
    while version is not None:
        if is_behind:
            chain.append((version, version is head))
        elif (version.version_id or NULL) == marker:
            is_behind = True
        version = version.older
    return chain


def page_size(given: int, name: str) -> int:
    """At most 1,000. Raises InvalidArgument for what is no number from 0 up."""
    if not isinstance(given, int) or given < 0:
        raise InvalidArgument(f"Argument {name} must be an integer between 0 and 2147483647", name, str(given))
    return min(given, MAX_KEYS)


def _after(key: str) -> str:
    """The first text behind a key."""
    return key + "\0" if key else ""


def _encode(name: str) -> str:
    return base64.urlsafe_b64encode(f"from {name}".encode()).decode()


def _decode(token: str) -> str:
    """Where a page begins. Raises InvalidArgument for a token that no page ended with."""
    try:
        text = base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        text = ""
    if not text.startswith("from "):
        raise InvalidArgument("The continuation token provided is incorrect", "continuation-token", token)
    return text.removeprefix("from ")
