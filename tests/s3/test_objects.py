"""Objects: put, get, head, copy, delete."""

from __future__ import annotations

import base64
import hashlib
import io
import pathlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from eventbus import EventBus, VirtualClock
from eventbus.errors import BusClosed, BusNotRunning, EventBusError
from triggers.s3 import S3, Bucket
from triggers.s3.errors import (
    BadDigest,
    InvalidArgument,
    InvalidBody,
    InvalidDigest,
    InvalidPartNumber,
    InvalidRequest,
    MalformedXML,
    MethodNotAllowed,
    NoSuchBucket,
    NoSuchKey,
    NoSuchVersion,
    PreconditionFailed,
)

pytestmark = pytest.mark.anyio


async def test_what_was_put_is_got(bus: EventBus, photos: Bucket) -> None:
    async with bus:
        put = await photos.put_object(
            "cat.jpg",
            b"meow",
            content_type="image/jpeg",
            metadata={"Camera": "X100"},
            tags="a=1&b=2",
            cache_control="no-store",
            storage_class="STANDARD_IA",
        )
        got = await photos.get_object("cat.jpg")
        head = await photos.head_object("cat.jpg")
    assert put.etag == got.etag == hashlib.md5(b"meow").hexdigest()
    assert (put.version_id, put.size) == (None, 4)
    assert (got.body, head.body) == (b"meow", b"")
    assert got.metadata == {"camera": "X100"}
    assert got.headers == {"cache_control": "no-store", "storage_class": "STANDARD_IA"}
    assert (got.tag_count, got.storage_class, got.parts_count, got.version_id) == (2, "STANDARD_IA", None, None)
    assert (got.status_code, got.content_range, got.content_length) == (200, None, 4)
    assert (head.content_type, head.content_length) == ("image/jpeg", 4)
    assert got.last_modified == datetime(2026, 1, 1, tzinfo=UTC)
    assert repr(got) == "<'cat.jpg', 4 bytes, etag 4a4be40c96ac6314e91d93f38043a634, status 200>"


async def test_plain_objects_have_s3s_defaults(bus: EventBus, photos: Bucket) -> None:
    async with bus:
        await photos.put_object("k")
        got = await photos.get_object("k")
    assert (got.body, got.content_type, got.metadata, got.headers) == (b"", "binary/octet-stream", {}, {})
    assert got.storage_class == "STANDARD"


async def chunks() -> AsyncIterator[bytes]:
    yield b"me"
    yield b"ow"


async def test_a_body_comes_from_many_places(bus: EventBus, photos: Bucket, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "cat"
    path.write_bytes(b"meow")
    file = await anyio.open_file(path, "rb")
    with path.open("rb") as opened:
        bodies: list[Any] = [
            b"meow",
            bytearray(b"meow"),
            memoryview(b"meow"),
            path,
            anyio.Path(path),
            opened,
            io.BytesIO(b"meow"),
            chunks(),
            file,
        ]
        async with bus, file:
            for number, body in enumerate(bodies):
                await photos.put_object(str(number), body)
                assert (await photos.get_object(str(number))).body == b"meow", body


async def test_bytes_are_copied_at_the_put(bus: EventBus, photos: Bucket) -> None:
    body = bytearray(b"meow")
    async with bus:
        photos.put_object_nowait("k", body)
        body[:] = b"woof"
        assert photos.get_object_nowait("k").body == b"meow"


async def texts() -> AsyncIterator[str]:
    yield "meow"


@pytest.mark.parametrize(
    ("body", "words"),
    [("meow", r"call \.encode\(\) on it"), (5, "of type int"), (None, "of type NoneType"), ([b"a"], "of type list")],
)
async def test_a_body_is_made_of_bytes(bus: EventBus, photos: Bucket, body: Any, words: str) -> None:
    async with bus:
        with pytest.raises(InvalidBody, match=words):
            await photos.put_object("k", body)
        with pytest.raises(TypeError, match=words):
            photos.put_object_nowait("k", body)
        for text in (texts(), io.StringIO("meow")):
            with pytest.raises(InvalidBody, match="encode"):
                await photos.put_object("k", text)  # type: ignore[arg-type]
        assert "k" not in (await photos.list_objects()).keys


async def test_a_stray_keyword_is_a_type_error(bus: EventBus, photos: Bucket) -> None:
    async with bus:
        with pytest.raises(TypeError, match="contenttype"):
            await photos.put_object("k", b"", contenttype="x")  # type: ignore[call-arg]


async def test_content_md5_is_compared(bus: EventBus, photos: Bucket) -> None:
    async with bus:
        await photos.put_object("k", b"meow", content_md5=base64.b64encode(hashlib.md5(b"meow").digest()).decode())
        with pytest.raises(BadDigest, match="did not match what we received"):
            await photos.put_object("k", b"woof", content_md5=base64.b64encode(hashlib.md5(b"meow").digest()).decode())
        for bad in ("nonsense", "AAAA", "é"):
            with pytest.raises(InvalidDigest, match="The Content-MD5 you specified was invalid"):
                await photos.put_object("k", b"woof", content_md5=bad)
        assert (await photos.get_object("k")).body == b"meow"


async def test_conditional_writes(bus: EventBus, photos: Bucket) -> None:
    async with bus:
        with pytest.raises(NoSuchKey):
            await photos.put_object("k", b"2", if_match="x")
        first = await photos.put_object("k", b"1", if_none_match="*")
        with pytest.raises(PreconditionFailed):
            await photos.put_object("k", b"2", if_none_match="*")
        await photos.put_object("k", b"2", if_match=f'"{first.etag}"')
        with pytest.raises(PreconditionFailed):
            await photos.put_object("k", b"3", if_match=first.etag)
        assert (await photos.get_object("k")).body == b"2"


async def test_ranges(bus: EventBus, photos: Bucket) -> None:
    async with bus:
        await photos.put_object("k", b"0123456789")
        got = await photos.get_object("k", range="bytes=2-4")
        head = await photos.head_object("k", range="bytes=-1")
        whole = await photos.get_object("k", range="bytes=4-2")
    assert (got.body, got.content_range, got.status_code, got.content_length) == (b"234", "bytes 2-4/10", 206, 3)
    assert (head.content_range, head.content_length) == ("bytes 9-9/10", 1)
    assert (whole.body, whole.status_code) == (b"0123456789", 200)


async def test_parts_of_an_object_that_was_put_in_one_go(bus: EventBus, photos: Bucket) -> None:
    async with bus:
        await photos.put_object("k", b"0123")
        await photos.put_object("empty", b"")
        assert (await photos.get_object("k", part_number=1)).content_range == "bytes 0-3/4"
        assert (await photos.get_object("empty", part_number=1)).status_code == 200
        with pytest.raises(InvalidPartNumber, match="The requested partnumber is not satisfiable"):
            await photos.get_object("k", part_number=2)
        with pytest.raises(InvalidArgument, match="between 1 and 10000, inclusive"):
            await photos.get_object("k", part_number=0)
        with pytest.raises(InvalidRequest, match="Cannot specify both Range header and partNumber query parameter"):
            await photos.get_object("k", part_number=1, range="bytes=0-1")


async def test_what_is_not_there(bus: EventBus, s3: S3, photos: Bucket) -> None:
    versioned = s3.create_bucket("versioned", versioning=True)
    async with bus:
        with pytest.raises(NoSuchKey) as missing:
            await photos.get_object("k")
        assert str(missing.value) == "The specified key does not exist."
        assert (missing.value.status, missing.value.fields, missing.value.delete_marker) == (404, {"Key": "k"}, None)
        with pytest.raises(InvalidArgument, match="Invalid version id specified"):
            await photos.get_object("k", version_id="x")
        with pytest.raises(NoSuchVersion) as unknown:
            await versioned.head_object("k", version_id="x")
        assert str(unknown.value) == "The specified version does not exist."
        marker = await versioned.delete_object("k")
        with pytest.raises(NoSuchKey) as hidden:
            await versioned.get_object("k")
        assert hidden.value.delete_marker == marker.version_id
        with pytest.raises(MethodNotAllowed) as named:
            await versioned.get_object("k", version_id=marker.version_id)
        assert named.value.fields == {"Method": "GET", "ResourceType": "DeleteMarker"}


async def test_versions(bus: EventBus, s3: S3) -> None:
    bucket = s3.create_bucket("versioned", versioning=True)
    async with bus:
        one = await bucket.put_object("k", b"1")
        two = await bucket.put_object("k", b"2")
        assert one.version_id != two.version_id
        assert (await bucket.get_object("k")).body == b"2"
        old = await bucket.get_object("k", version_id=one.version_id)
        assert (old.body, old.version_id) == (b"1", one.version_id)
        gone = await bucket.delete_object("k", two.version_id)
        assert (gone.delete_marker, gone.version_id) == (False, two.version_id)
        assert (await bucket.get_object("k")).body == b"1"
        bucket.put_versioning("Suspended")
        null = await bucket.put_object("k", b"null")
        assert null.version_id == "null"
        await bucket.put_object("k", b"null again")
        assert [v.version_id for v in (await bucket.list_object_versions()).versions] == ["null", one.version_id]
        assert (await bucket.get_object("k", version_id="null")).body == b"null again"


async def test_deleting_many(bus: EventBus, s3: S3, photos: Bucket) -> None:
    versioned = s3.create_bucket("versioned", versioning=True)
    async with bus:
        for key in "abc":
            await photos.put_object(key, b"")
        result = await photos.delete_objects(["a", ("b", None), {"Key": "missing"}, ("c", "bad")])
        assert [item.key for item in result.deleted] == ["a", "b", "missing"]
        assert [(e.key, e.version_id, e.code, e.message) for e in result.errors] == [
            ("c", "bad", "InvalidArgument", "Invalid version id specified")
        ]
        assert (await photos.list_objects()).keys == ["c"]
        quiet = await photos.delete_objects(["c"], quiet=True)
        assert (quiet.deleted, quiet.errors) == ([], [])
        (marked,) = (await versioned.delete_objects(["k"])).deleted
        assert (marked.delete_marker, marked.version_id) == (True, None)
        (removed,) = (await versioned.delete_objects([("k", marked.delete_marker_version_id)])).deleted
        assert removed.delete_marker
        assert removed.delete_marker_version_id == removed.version_id == marked.delete_marker_version_id
        keys: Any
        for keys in ([], ["k"] * 1001, "key", [{"key": "k"}]):
            with pytest.raises(MalformedXML):
                await photos.delete_objects(keys)


@pytest.mark.parametrize("form", ["text", "slash", "pair", "objects", "boto3"])
async def test_a_copy_takes_its_source_in_many_forms(bus: EventBus, s3: S3, photos: Bucket, form: str) -> None:
    thumbs = s3.create_bucket("thumbs")
    sources: dict[str, Any] = {
        "text": "photos/a/b c+d",
        "slash": "/photos/a/b c+d",
        "pair": ("photos", "a/b c+d"),
        "objects": (photos, "a/b c+d", None),
        "boto3": {"Bucket": "photos", "Key": "a/b c+d"},
    }
    async with bus:
        await photos.put_object(
            "a/b c+d", b"meow", metadata={"a": "1"}, tags={"t": "1"}, content_type="x/y", acl="public-read"
        )
        copied = await thumbs.copy_object(sources[form], "k")
        got = await thumbs.get_object("k")
        assert (got.body, got.metadata, got.content_type, got.tag_count) == (b"meow", {"a": "1"}, "x/y", 1)
        assert (copied.etag, copied.copy_source_version_id) == (got.etag, None)
        assert copied.last_modified == got.last_modified
        assert await thumbs.get_object_acl("k") == "private"


async def test_directives_of_a_copy(bus: EventBus, photos: Bucket) -> None:
    async with bus:
        await photos.put_object("a", b"", metadata={"a": "1"}, tags={"t": "1"}, content_type="x/y", cache_control="c")
        await photos.copy_object("photos/a", "kept", metadata={"b": "2"}, tags={"u": "2"}, storage_class="GLACIER")
        kept = await photos.get_object("kept")
        assert (kept.metadata, kept.content_type) == ({"a": "1"}, "x/y")
        assert kept.headers == {"cache_control": "c", "storage_class": "GLACIER"}
        assert await photos.get_object_tagging("kept") == {"t": "1"}
        await photos.copy_object(
            "photos/a",
            "new",
            metadata={"b": "2"},
            metadata_directive="REPLACE",
            tags={"u": "2"},
            tagging_directive="REPLACE",
        )
        new = await photos.get_object("new")
        assert (new.metadata, new.content_type, new.headers) == ({"b": "2"}, "binary/octet-stream", {})
        assert await photos.get_object_tagging("new") == {"u": "2"}
        assert (await photos.get_object("a")).metadata == {"a": "1"}
        await photos.copy_object("photos/kept", "plain")
        assert (await photos.get_object("plain")).headers == {"cache_control": "c"}
        with pytest.raises(InvalidArgument, match="Unknown metadata directive"):
            await photos.copy_object("photos/a", "b", metadata_directive="MERGE")


async def test_copies_that_s3_refuses(bus: EventBus, s3: S3, photos: Bucket) -> None:
    versioned = s3.create_bucket("versioned", versioning=True)
    async with bus:
        put = await photos.put_object("a", b"meow")
        with pytest.raises(InvalidRequest, match="trying to copy an object to itself without changing"):
            await photos.copy_object("photos/a", "a")
        await photos.copy_object("photos/a", "a", metadata_directive="REPLACE")
        with pytest.raises(NoSuchBucket):
            await photos.copy_object("nowhere/a", "b")
        with pytest.raises(NoSuchKey):
            await photos.copy_object("photos/missing", "b")
        with pytest.raises(PreconditionFailed):
            await photos.copy_object("photos/a", "b", source_if_none_match=put.etag)
        source: Any
        for source in ("photos", "", ("photos", ""), 5, ("a",)):
            with pytest.raises(InvalidArgument, match="Copy Source must mention"):
                await photos.copy_object(source, "b")
        marker = await versioned.delete_object("k")
        with pytest.raises(InvalidRequest, match="may not specifically refer to a delete marker by version id"):
            await photos.copy_object(f"versioned/k?versionId={marker.version_id}", "b")
        assert (await photos.list_objects()).keys == ["a"]


async def test_an_old_version_is_restored_by_copying_it_onto_itself(bus: EventBus, s3: S3) -> None:
    bucket = s3.create_bucket("versioned", versioning=True)
    async with bus:
        old = await bucket.put_object("k", b"old")
        await bucket.put_object("k", b"new")
        copied = await bucket.copy_object(f"versioned/k?versionId={old.version_id}", "k")
        assert copied.copy_source_version_id == old.version_id
        assert (await bucket.get_object("k")).body == b"old"


async def test_operations_need_a_running_bus_and_a_bucket(anyio_backend: str) -> None:
    bus = EventBus(clock=VirtualClock())
    s3 = S3(bus)
    bucket, doomed = s3.create_bucket("photos"), s3.create_bucket("doomed")
    with pytest.raises(BusNotRunning, match="put_object needs a running bus"):
        await bucket.put_object("k", b"")
    with pytest.raises(BusNotRunning, match="get_object"):
        await bucket.get_object("k")
    async with bus:
        s3.delete_bucket(doomed)
        with pytest.raises(NoSuchBucket) as caught:
            await doomed.put_object("k", b"")
        assert str(caught.value) == "The specified bucket does not exist"
        for call in (doomed.delete_objects(["k"]), doomed.list_objects(), doomed.create_multipart_upload("k")):
            with pytest.raises(NoSuchBucket):
                await call
    with pytest.raises(BusClosed):
        await bucket.put_object("k", b"")


async def test_a_cancelled_put_has_happened_whole_or_not_at_all(bus: EventBus, photos: Bucket) -> None:
    async def nothing(event: Any, context: Any) -> None: ...

    photos.on("s3:ObjectCreated:*", name="f")(nothing)
    async with bus:
        for number in range(200):
            with anyio.CancelScope() as scope:
                scope.cancel()
                await photos.put_object(str(number), b"x")
        await bus.wait_idle()
        stored = len((await photos.list_objects()).keys)
        assert bus.statistics().accepted == stored


async def test_every_error_of_s3_is_one_of_eventbus() -> None:
    with pytest.raises(EventBusError):
        raise NoSuchKey("k")
