"""What a bucket holds: objects, their versions and delete markers, and the order of the keys.

Each key has a chain of versions, the current one first. Keys are sorted only when somebody lists them, so a put costs
the same in a bucket of any size.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias, TypedDict

import attrs

from eventbus.storage.objects import ObjectFile
from triggers.s3.errors import MAX_KEY

NULL: Final = "null"
"""The version id of what was stored while versioning was off or suspended."""
EMPTY_ETAG: Final = "d41d8cd98f00b204e9800998ecf8427e"
"""The MD5 of nothing, which delete markers have as their entity tag in events."""
DEFAULT_CONTENT_TYPE: Final = "binary/octet-stream"
NOTHING: Final[Mapping[str, str]] = {}
PRIVATE: Final = "private"


Body: TypeAlias = bytes | ObjectFile
"""Content in memory, or a file beside the store that holds it; `len` is its size either way."""


class SystemHeaders(TypedDict, total=False):
    """The standard headers that are stored with an object and answered with it."""

    cache_control: str
    content_disposition: str
    content_encoding: str
    content_language: str
    expires: str
    storage_class: str
    website_redirect_location: str


@attrs.define(eq=False, weakref_slot=False)
class Version:
    """One version of an object, or a delete marker. Tags and ACL can change; everything else stays as it is."""

    key: str
    version_id: str
    stored_at: float
    body: Body
    etag: str
    """Without quotes."""
    content_type: str = DEFAULT_CONTENT_TYPE
    headers: SystemHeaders | None = None
    metadata: Mapping[str, str] = NOTHING
    tags: Mapping[str, str] = NOTHING
    acl: str = PRIVATE
    part_sizes: tuple[int, ...] = ()
    """The sizes of the parts that a multipart upload was made of."""
    is_delete_marker: bool = False
    older: Version | None = None
    number: int = 0
    """Greater than that of every version stored before, where a store keeps them."""


def end_of_prefix(prefix: str) -> str:
    """A text greater than every key that begins with the prefix, and not greater than any other key behind those."""
    while prefix:
        last = ord(prefix[-1])
        if last < 0x10FFFF:
            return prefix[:-1] + chr(last + 1)
        prefix = prefix[:-1]
    return "\U0010ffff" * MAX_KEY


def group_of(key: str, prefix: str, delimiter: str) -> str | None:
    """The common prefix that a key is listed under, or None if it is listed itself."""
    at = key.find(delimiter, len(prefix)) if delimiter else -1
    return None if at < 0 else key[: at + len(delimiter)]


class ObjectStore:
    """The chains of versions, by key."""

    def __init__(self) -> None:
        self.heads: dict[str, Version] = {}
        self._sorted: list[str] = []
        self._added: set[str] = set()
        self._removed: set[str] = set()

    def __len__(self) -> int:
        """How many keys have any version or marker."""
        return len(self.heads)

    def current(self, key: str) -> Version | None:
        """The version that a plain read sees, or None; a delete marker hides the object."""
        head = self.heads.get(key)
        return None if head is None or head.is_delete_marker else head

    def find(self, key: str, version_id: str) -> Version | None:
        """One version or marker by its id."""
        version = self.heads.get(key)
        while version is not None and version.version_id != version_id:
            version = version.older
        return version

    def add(self, version: Version) -> Version | None:
        """Make this the current version; a null version takes the place of an older null version, which is returned."""
        key = version.key
        head = self.heads.get(key)
        replaced = None
        if head is None:
            self._added.add(key)
        elif version.version_id == NULL:
            replaced = self._unlink(head, NULL)
            version.older = self.heads.get(key)
        else:
            version.older = head
        self.heads[key] = version
        return replaced

    def put_back(self, version: Version) -> None:
        """Undo a removal: put a version where its number places it."""
        newer, older = None, self.heads.get(version.key)
        if older is None:
            self._added.add(version.key)
        while older is not None and older.number > version.number:
            newer, older = older, older.older
        version.older = older
        if newer is None:
            self.heads[version.key] = version
        else:
            newer.older = version

    def remove(self, key: str, version_id: str) -> Version | None:
        """Take one version or marker out for good; returns it, or None if there is none."""
        head = self.heads.get(key)
        if head is None:
            return None
        removed = self._unlink(head, version_id)
        if key not in self.heads:
            self._disappear(key)
        return removed

    def _unlink(self, head: Version, version_id: str) -> Version | None:
        if head.version_id == version_id:
            if head.older is None:
                del self.heads[head.key]
            else:
                self.heads[head.key] = head.older
            return head
        newer = head
        while newer.older is not None:
            if newer.older.version_id == version_id:
                removed = newer.older
                newer.older = removed.older
                return removed
            newer = newer.older
        return None

    def _disappear(self, key: str) -> None:
        if key in self._added:
            self._added.discard(key)
        else:
            self._removed.add(key)

    def sorted_keys(self) -> list[str]:
        """All keys in the order of their UTF-8 bytes, which is the order of their code points."""
        if self._removed:
            self._sorted = [key for key in self._sorted if key not in self._removed]
            self._removed.clear()
        if self._added:
            # two sorted runs: sorting merges them in linear time
            self._sorted += sorted(self._added)
            self._sorted.sort()
            self._added.clear()
        return self._sorted

    def walk(self, prefix: str, start: str, delimiter: str) -> Iterator[tuple[str, Version | None]]:
        """The keys with a prefix, not before `start`, each with its current version.

        With a delimiter, keys that agree up to its first place behind the prefix are one common prefix, given once and
        without a version; only keys with a visible object count.
        """
        keys = self.sorted_keys()
        position = bisect_left(keys, max(prefix, start))
        while position < len(keys) and keys[position].startswith(prefix):
            key = keys[position]
            head = self.heads[key]
            position += 1
            if head.is_delete_marker:
                continue
            group = group_of(key, prefix, delimiter)
            if group is None:
                yield key, head
            else:
                yield group, None
                position = bisect_left(keys, end_of_prefix(group), position)

    def keys_from(self, prefix: str, start: str) -> Iterator[str]:
        """All keys with a prefix, not before `start`, also those that only have versions or markers left."""
        keys = self.sorted_keys()
        for position in range(bisect_left(keys, max(prefix, start)), len(keys)):
            if not keys[position].startswith(prefix):
                return
            yield keys[position]
