"""Multipart uploads."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from eventbus import EventBus
from triggers.s3 import Bucket
from triggers.s3.errors import (
    EntityTooSmall,
    InvalidArgument,
    InvalidPart,
    InvalidPartOrder,
    InvalidRequest,
    MalformedXML,
    NoSuchUpload,
    PreconditionFailed,
)

pytestmark = pytest.mark.anyio

FIVE_MIB = 5 * 1024 * 1024


async def test_an_object_of_two_parts(bus: EventBus, photos: Bucket) -> None:
    first, second = b"a" * FIVE_MIB, b"the end"
    async with bus:
        upload_id = await photos.create_multipart_upload("k", metadata={"A": "1"}, tags={"t": "1"}, content_type="x/y")
        parts = [
            await photos.upload_part("k", upload_id, 1, b"replaced"),
            await photos.upload_part("k", upload_id, 7, second),
            await photos.upload_part("k", upload_id, 1, first),
        ]
        listed = await photos.list_parts("k", upload_id)
        assert [(part.part_number, part.size) for part in listed.parts] == [(1, FIVE_MIB), (7, 7)]
        done = await photos.complete_multipart_upload(
            "k", upload_id, [parts[2], {"PartNumber": 7, "ETag": f'"{parts[1].etag}"'}]
        )
        got = await photos.get_object("k")
        assert got.body == first + second
        digests = hashlib.md5(first).digest() + hashlib.md5(second).digest()
        assert done.etag == got.etag == hashlib.md5(digests).hexdigest() + "-2"
        assert (got.metadata, got.tag_count, got.content_type, got.parts_count) == ({"a": "1"}, 1, "x/y", 2)
        part = await photos.get_object("k", part_number=2)
        assert (part.body, part.content_range) == (second, f"bytes {FIVE_MIB}-{FIVE_MIB + 6}/{FIVE_MIB + 7}")
        with pytest.raises(NoSuchUpload):
            await photos.complete_multipart_upload("k", upload_id, parts[2:])
        await photos.copy_object("photos/k", "copy")
        assert (await photos.head_object("copy")).etag == hashlib.md5(first + second).hexdigest()


async def test_what_completion_refuses(bus: EventBus, photos: Bucket) -> None:
    async with bus:
        upload_id = await photos.create_multipart_upload("k")
        one = await photos.upload_part("k", upload_id, 1, b"small")
        two = await photos.upload_part("k", upload_id, 2, b"small too")
        with pytest.raises(InvalidRequest, match=r"^You must specify at least one part$"):
            await photos.complete_multipart_upload("k", upload_id, [])
        for parts in ([two, one], [one, one]):
            with pytest.raises(InvalidPartOrder, match="The list of parts was not in ascending order"):
                await photos.complete_multipart_upload("k", upload_id, parts)
        with pytest.raises(InvalidPart) as caught:
            await photos.complete_multipart_upload("k", upload_id, [(1, two.etag)])
        assert str(caught.value) == (
            "One or more of the specified parts could not be found.  The part may not have been uploaded, or the "
            "specified entity tag may not match the part's entity tag."
        )
        with pytest.raises(InvalidPart):
            await photos.complete_multipart_upload("k", upload_id, [one, (3, one.etag)])
        with pytest.raises(EntityTooSmall) as small:
            await photos.complete_multipart_upload("k", upload_id, [one, two])
        assert small.value.fields == {
            "MinSizeAllowed": "5242880",
            "PartNumber": "1",
            "ProposedSize": "5",
            "ETag": one.etag,
        }
        bad: Any
        for bad in ([5], [{"PartNumber": 1}], [("1", "x")], [(1, 2, 3)]):
            with pytest.raises(MalformedXML):
                await photos.complete_multipart_upload("k", upload_id, bad)
        await photos.put_object("k", b"")
        with pytest.raises(PreconditionFailed):
            await photos.complete_multipart_upload("k", upload_id, [one], if_none_match="*")
        await photos.complete_multipart_upload("k", upload_id, [two])
        assert (await photos.get_object("k")).body == b"small too"


async def test_part_numbers_and_uploads_are_checked(bus: EventBus, photos: Bucket) -> None:
    async with bus:
        upload_id = await photos.create_multipart_upload("k")
        number: Any
        for number in (0, 10_001, -1, "1"):
            with pytest.raises(InvalidArgument, match="Part number must be an integer between 1 and 10000, inclusive"):
                await photos.upload_part("k", upload_id, number, b"")
        for key, identifier in (("other", upload_id), ("k", "nonsense")):
            with pytest.raises(NoSuchUpload) as caught:
                await photos.upload_part(key, identifier, 1, b"")
            assert str(caught.value) == (
                "The specified upload does not exist. The upload ID may be invalid, or the upload may have been "
                "aborted or completed."
            )
        await photos.abort_multipart_upload("k", upload_id)
        with pytest.raises(NoSuchUpload):
            await photos.list_parts("k", upload_id)
        assert not (await photos.list_multipart_uploads()).uploads


async def test_parts_that_are_copied(bus: EventBus, photos: Bucket) -> None:
    async with bus:
        await photos.put_object("source", b"0123456789")
        upload_id = await photos.create_multipart_upload("k")
        part = await photos.upload_part_copy("k", upload_id, 1, "photos/source", source_range="bytes=2-4")
        assert part.size == 3
        for header, words in (
            ("bytes=2-", "must be of the form"),
            ("bytes=4-2", "must be"),
            ("bytes=5-10", "size: 10"),
        ):
            with pytest.raises(InvalidArgument, match=words):
                await photos.upload_part_copy("k", upload_id, 1, "photos/source", source_range=header)
        await photos.complete_multipart_upload("k", upload_id, [part])
        assert (await photos.get_object("k")).body == b"234"


async def test_parts_are_listed_page_by_page(bus: EventBus, photos: Bucket) -> None:
    async with bus:
        upload_id = await photos.create_multipart_upload("k")
        for number in (5, 1, 3):
            await photos.upload_part("k", upload_id, number, b"")
        first = await photos.list_parts("k", upload_id, max_parts=2)
        assert ([part.part_number for part in first.parts], first.is_truncated) == ([1, 3], True)
        assert first.next_part_number_marker == 3
        rest = await photos.list_parts("k", upload_id, part_number_marker=3)
        assert ([part.part_number for part in rest.parts], rest.is_truncated) == ([5], False)


async def test_uploads_are_listed_page_by_page(bus: EventBus, photos: Bucket) -> None:
    async with bus:
        ids = [await photos.create_multipart_upload(key) for key in ("b", "a/2", "b", "a/1")]
        expected = [("a/1", ids[3]), ("a/2", ids[1]), ("b", ids[0]), ("b", ids[2])]
        found = []
        key_marker, id_marker = "", ""
        for _ in expected:
            page = await photos.list_multipart_uploads(max_uploads=1, key_marker=key_marker, upload_id_marker=id_marker)
            found += [(upload.key, upload.upload_id) for upload in page.uploads]
            assert page.is_truncated is (len(found) < len(expected))
            key_marker, id_marker = page.next_key_marker or "", page.next_upload_id_marker or ""
        assert found == expected
        grouped = await photos.list_multipart_uploads(delimiter="/", max_uploads=1)
        assert (grouped.common_prefixes, grouped.uploads, grouped.next_key_marker) == (["a/"], [], "a/")
        rest = await photos.list_multipart_uploads(delimiter="/", key_marker="a/")
        assert (rest.common_prefixes, [upload.key for upload in rest.uploads]) == ([], ["b", "b"])
