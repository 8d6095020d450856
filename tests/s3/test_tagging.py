"""Tags and ACLs."""

from __future__ import annotations

from typing import Any

import pytest

from eventbus import EventBus
from triggers.s3 import S3, Bucket
from triggers.s3.errors import InvalidArgument, InvalidTag, NoSuchKey

pytestmark = pytest.mark.anyio


async def test_tags_are_replaced_whole(bus: EventBus, photos: Bucket) -> None:
    async with bus:
        await photos.put_object("k", b"")
        assert await photos.get_object_tagging("k") == {}
        assert await photos.put_object_tagging("k", {"a": "1"}) is None
        await photos.put_object_tagging("k", [{"Key": "b", "Value": "2"}])
        tags = await photos.get_object_tagging("k")
        assert tags == {"b": "2"}
        tags["b"] = "changed"
        with pytest.raises(InvalidTag):
            await photos.put_object_tagging("k", {"aws:x": "1"})
        assert await photos.get_object_tagging("k") == {"b": "2"}
        await photos.delete_object_tagging("k")
        assert await photos.get_object_tagging("k") == {}
        with pytest.raises(NoSuchKey):
            await photos.put_object_tagging("missing", {})


async def test_tags_belong_to_a_version(bus: EventBus, s3: S3) -> None:
    bucket = s3.create_bucket("versioned", versioning=True)
    async with bus:
        old = await bucket.put_object("k", b"1")
        await bucket.put_object("k", b"2")
        assert await bucket.put_object_tagging("k", {"a": "1"}, version_id=old.version_id) == old.version_id
        assert await bucket.get_object_tagging("k") == {}
        assert await bucket.get_object_tagging("k", version_id=old.version_id) == {"a": "1"}


async def test_canned_acls(bus: EventBus, photos: Bucket) -> None:
    async with bus:
        await photos.put_object("k", b"")
        assert await photos.get_object_acl("k") == "private"
        await photos.put_object_acl("k", "public-read")
        assert await photos.get_object_acl("k") == "public-read"
        await photos.put_object_acl("k", "public-read")
        assert "the ACL was the same before" in str(bus.trace)
        bad: Any
        for bad in ("open", "", None):
            with pytest.raises(InvalidArgument, match="the canned ACLs are"):
                await photos.put_object_acl("k", bad)
