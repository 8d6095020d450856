"""Tags and ACLs: what of an object can change after it was stored."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from triggers.s3.content import check_acl
from triggers.s3.core import BucketCore
from triggers.s3.event_types import ACL_PUT, TAGGING_DELETE, TAGGING_PUT, EventType
from triggers.s3.names import Tags, clean_tags
from triggers.s3.objects import NOTHING, Version


class Tagging(BucketCore):
    """The operations on tags and ACLs. All of them raise what `get_object` raises for a missing object or version."""

    async def put_object_tagging(self, key: str, tags: Tags, *, version_id: str | None = None) -> str | None:
        """Replace the tags of an object, and send `s3:ObjectTagging:Put`; answers the version id.

        `tags` are a dict or boto3's TagSet, at most ten. Raises InvalidTag, TooManyTags or MalformedXML.
        """
        self._bus.accepting("put_object_tagging")
        await self._bus.room(self.reaches)
        shown = self.put_object_tagging_nowait(key, tags, version_id=version_id)
        if self._kept is not None:
            await self._bus.synced()
        return shown

    def put_object_tagging_nowait(self, key: str, tags: Tags, *, version_id: str | None = None) -> str | None:
        """The synchronous twin of `put_object_tagging`: no back-pressure."""
        version = self._taggable("put_object_tagging", "Put", key, version_id)
        self._set(version, clean_tags(tags), version.acl)
        return self._changed("put_object_tagging", TAGGING_PUT, version)

    async def get_object_tagging(self, key: str, *, version_id: str | None = None) -> dict[str, str]:
        """The tags of an object; `{}` when it has none."""
        return self.get_object_tagging_nowait(key, version_id=version_id)

    def get_object_tagging_nowait(self, key: str, *, version_id: str | None = None) -> dict[str, str]:
        """The synchronous twin of `get_object_tagging`."""
        return dict(self._taggable("get_object_tagging", "Get", key, version_id).tags)

    async def delete_object_tagging(self, key: str, *, version_id: str | None = None) -> str | None:
        """Remove all tags of an object, and send `s3:ObjectTagging:Delete`; answers the version id."""
        self._bus.accepting("delete_object_tagging")
        await self._bus.room(self.reaches)
        shown = self.delete_object_tagging_nowait(key, version_id=version_id)
        if self._kept is not None:
            await self._bus.synced()
        return shown

    def delete_object_tagging_nowait(self, key: str, *, version_id: str | None = None) -> str | None:
        """The synchronous twin of `delete_object_tagging`: no back-pressure."""
        version = self._taggable("delete_object_tagging", "Delete", key, version_id)
        self._set(version, NOTHING, version.acl)
        return self._changed("delete_object_tagging", TAGGING_DELETE, version)

    async def put_object_acl(self, key: str, acl: str, *, version_id: str | None = None) -> None:
        """Give an object a canned ACL; sends `s3:ObjectAcl:Put` only when that changes something.

        Raises InvalidArgument for an unknown canned ACL.
        """
        self._bus.accepting("put_object_acl")
        await self._bus.room(self.reaches)
        self.put_object_acl_nowait(key, acl, version_id=version_id)
        if self._kept is not None:
            await self._bus.synced()

    def put_object_acl_nowait(self, key: str, acl: str, *, version_id: str | None = None) -> None:
        """The synchronous twin of `put_object_acl`: no back-pressure."""
        action = "s3:PutObjectAcl" if version_id is None else "s3:PutObjectVersionAcl"
        self._check("put_object_acl", action, key)
        version = self._find("PUT", key, version_id)
        if check_acl(acl) == version.acl:
            self._bus.note("put_object_acl", self, key).note = "the ACL was the same before"
            return
        self._set(version, version.tags, acl)
        self._changed("put_object_acl", ACL_PUT, version)

    async def get_object_acl(self, key: str, *, version_id: str | None = None) -> str:
        """The canned ACL of an object; "private" when none was given."""
        return self.get_object_acl_nowait(key, version_id=version_id)

    def get_object_acl_nowait(self, key: str, *, version_id: str | None = None) -> str:
        """The synchronous twin of `get_object_acl`."""
        self._check("get_object_acl", "s3:GetObjectAcl" if version_id is None else "s3:GetObjectVersionAcl", key)
        return self._find("GET", key, version_id).acl

    def _taggable(self, call: str, verb: str, key: str, version_id: str | None) -> Version:
        self._check(call, f"s3:{verb}Object{'' if version_id is None else 'Version'}Tagging", key)
        return self._find(verb.upper(), key, version_id)

    def _set(self, version: Version, tags: Mapping[str, str], acl: str) -> None:
        before = (version.tags, version.acl)
        version.tags, version.acl = tags, acl
        if self._kept is not None:
            self._kept.changed(version, partial(_put_back, version, *before))

    def _changed(self, verb: str, kind: EventType, version: Version) -> str | None:
        self._announce(kind, version, self._bus.note(verb, self, version.key))
        return self._shown(version.version_id)


def _put_back(version: Version, tags: Mapping[str, str], acl: str) -> None:
    version.tags, version.acl = tags, acl
