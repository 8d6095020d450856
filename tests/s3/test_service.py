"""S3 itself, buckets as things, policies and permissions."""

from __future__ import annotations

from typing import Any

import pytest

import triggers.s3
from eventbus import EventBus, Reason, VirtualClock
from eventbus.delivery.targets import Target
from eventbus.errors import AccessDenied, ConfigurationError, MalformedPolicy
from tests.s3.doubles import Recorder
from triggers.s3 import S3, Bucket
from triggers.s3.errors import (
    BucketAlreadyOwnedByYou,
    BucketNotEmpty,
    IllegalVersioningConfiguration,
    InvalidBucketName,
    NoSuchBucket,
)

pytestmark = pytest.mark.anyio


def test_the_room_exports_two_names() -> None:
    assert triggers.s3.__all__ == ["S3", "Bucket"]


def test_buckets_are_found_by_name(s3: S3, photos: Bucket) -> None:
    s3.create_bucket("albums")
    assert s3["photos"] is photos
    assert list(s3) == ["albums", "photos"]
    assert ("photos" in s3, "nope" in s3, len(s3), bool(s3)) == (True, False, 2, True)
    for kind in (NoSuchBucket, KeyError, LookupError):
        with pytest.raises(kind) as caught:
            s3["nope"]
        assert str(caught.value) == "The specified bucket does not exist"
    assert (repr(s3), repr(photos)) == ("<S3: 2 buckets>", "<Bucket photos: 0 keys, 0 notifications>")
    assert photos


def test_a_bus_has_one_s3(bus: EventBus, s3: S3) -> None:
    with pytest.raises(ConfigurationError, match="has its S3 already"):
        S3(bus)


def test_creating_a_bucket_again(s3: S3, photos: Bucket) -> None:
    assert s3.create_bucket("photos") is photos
    assert photos.versioning is None
    assert s3.create_bucket("photos", versioning=True).versioning == "Enabled"
    elsewhere = S3(EventBus(region="eu-west-1"))
    elsewhere.create_bucket("photos")
    with pytest.raises(BucketAlreadyOwnedByYou) as caught:
        elsewhere.create_bucket("photos")
    assert str(caught.value) == "Your previous request to create the named bucket succeeded and you already own it."
    with pytest.raises(InvalidBucketName):
        s3.create_bucket("Photos")


async def test_only_an_empty_bucket_is_deleted(bus: EventBus, s3: S3, photos: Bucket) -> None:
    versioned = s3.create_bucket("versioned", versioning=True)
    async with bus:
        await photos.put_object("k", b"")
        with pytest.raises(BucketNotEmpty, match=r"^The bucket you tried to delete is not empty$"):
            s3.delete_bucket("photos")
        await photos.delete_object("k")
        s3.delete_bucket("photos")
        marker = await versioned.delete_object("k")
        with pytest.raises(BucketNotEmpty, match=r"not empty\. You must delete all versions in the bucket\."):
            s3.delete_bucket(versioned)
        await versioned.delete_object("k", marker.version_id)
        s3.delete_bucket(versioned)
    assert len(s3) == 0
    with pytest.raises(NoSuchBucket):
        s3.delete_bucket("photos")
    with pytest.raises(NoSuchBucket):
        photos.put_versioning("Enabled")
    assert s3.create_bucket("photos") is not photos


def test_versioning_never_goes_back(photos: Bucket) -> None:
    photos.put_versioning("Suspended")
    photos.put_versioning("Enabled")
    with pytest.raises(IllegalVersioningConfiguration, match="The Versioning element must be specified"):
        photos.put_versioning("Off")
    assert photos.versioning == "Enabled"


def test_a_bucket_is_a_target_and_a_source(bus: EventBus, photos: Bucket) -> None:
    assert isinstance(photos, Target)
    assert bus.resource("arn:aws:s3:::photos") is photos
    assert bus.source_of(photos) is photos.source
    assert photos.iam_resources == ("arn:aws:s3:::photos", "arn:aws:s3:::photos/*")
    assert (photos.label, photos.principal) == ('s3["photos"]', "s3.amazonaws.com")


CALLS: list[tuple[str, Any]] = [
    ("s3:PutObject", lambda b: b.put_object("k", b"")),
    ("s3:PutObjectTagging", lambda b: b.put_object("k", b"", tags={"a": "1"})),
    ("s3:PutObjectAcl", lambda b: b.put_object("k", b"", acl="private")),
    ("s3:GetObject", lambda b: b.get_object("k")),
    ("s3:GetObject", lambda b: b.head_object("k")),
    ("s3:GetObjectVersion", lambda b: b.get_object("k", version_id="null")),
    ("s3:DeleteObject", lambda b: b.delete_object("k")),
    ("s3:DeleteObjectVersion", lambda b: b.delete_object("k", "null")),
    ("s3:ListBucket", lambda b: b.list_objects()),
    ("s3:ListBucketVersions", lambda b: b.list_object_versions()),
    ("s3:ListBucket", lambda b: b.get_object("missing")),
    ("s3:GetObjectTagging", lambda b: b.get_object_tagging("k")),
    ("s3:PutObjectTagging", lambda b: b.put_object_tagging("k", {})),
    ("s3:DeleteObjectTagging", lambda b: b.delete_object_tagging("k")),
    ("s3:PutObjectAcl", lambda b: b.put_object_acl("k", "public-read")),
    ("s3:GetObject", lambda b: b.copy_object("photos/k", "l")),
    ("s3:GetObjectTagging", lambda b: b.copy_object("photos/tagged", "l")),
    ("s3:PutObjectTagging", lambda b: b.copy_object("photos/tagged", "l")),
    ("s3:AbortMultipartUpload", lambda b: b.abort_multipart_upload("k", "x")),
    ("s3:ListMultipartUploadParts", lambda b: b.list_parts("k", "x")),
    ("s3:ListBucketMultipartUploads", lambda b: b.list_multipart_uploads()),
]


@pytest.mark.parametrize(("action", "call"), CALLS, ids=[f"{n}-{row[0]}" for n, row in enumerate(CALLS)])
async def test_a_handler_needs_each_action(bus: EventBus, photos: Bucket, action: str, call: Any) -> None:
    caught: list[Exception] = []

    @bus.function
    async def handler(event: Any, context: Any) -> None:
        try:
            await call(photos)
        except Exception as error:
            caught.append(error)

    async with bus:
        await photos.put_object("k", b"")
        await photos.put_object("tagged", b"", tags={"a": "1"})
        handler.role.allow("s3:*", photos)
        handler.role.deny(action, photos)
        await bus.invoke(handler)
    (error,) = caught
    assert isinstance(error, AccessDenied)
    assert f"is not authorized to perform: {action} on resource" in str(error)


async def test_the_error_of_a_role_names_the_mending_call(bus: EventBus, photos: Bucket) -> None:
    @bus.function
    async def handler(event: Any, context: Any) -> None:
        await photos.put_object("k", b"")

    async with bus:
        failed = await bus.invoke(handler)
        assert (
            'call bus.functions["handler"].role.allow("s3:PutObject", s3["photos"])' in failed.payload["errorMessage"]
        )
        assert len(photos) == 0
        handler.role.allow("s3:PutObject", photos)
        assert (await bus.invoke(handler)).function_error is None
        assert len(photos) == 1


async def test_a_bucket_policy_lets_a_role_in_and_keeps_the_owner_out(bus: EventBus, photos: Bucket) -> None:
    @bus.function
    async def handler(event: Any, context: Any) -> None:
        await photos.put_object("k", b"")

    photos.allow(handler, "s3:PutObject", "s3:GetObject")
    async with bus:
        assert (await bus.invoke(handler)).function_error is None
        deny = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:PutObject",
            "Resource": "arn:aws:s3:::photos/locked/*",
        }
        photos.put_policy({"Version": "2012-10-17", "Statement": [deny]})
        with pytest.raises(AccessDenied):
            await photos.put_object("locked/k", b"")
        await photos.put_object("open/k", b"")
        with pytest.raises(MalformedPolicy):
            photos.put_policy({"Statement": "nonsense"})
        assert photos.policy == {"Version": "2012-10-17", "Statement": [deny]}
        photos.put_policy(None)
        await photos.put_object("locked/k", b"")


async def test_a_failed_event_is_stored_where_lambda_stores_it(bus: EventBus, photos: Bucket) -> None:
    @bus.function(retries=0)
    async def fails(event: Any, context: Any) -> None:
        raise ValueError

    fails.on_failure(photos, grant=True)
    queue = Recorder(bus, "queue", "q")
    photos.notify(queue, "s3:ObjectCreated:Put", grant=True)
    async with bus:
        await bus.push(fails, {"n": 1}, source="events.amazonaws.com")
        await bus.wait_idle()
        assert [letter.reason for letter in bus.dead_letters] == [Reason.ACCESS_DENIED]
        fails.allow("events.amazonaws.com")
        await bus.push(fails, {"n": 2}, source="events.amazonaws.com")
        await bus.wait_idle()
        (key,) = (await photos.list_objects()).keys
        body = (await photos.get_object(key)).body
    assert key.startswith("aws/lambda/async/fails/2026/01/01/2026-01-01T00.00.00-")
    assert b'"requestPayload":{"n":2}' in body
    assert len(queue.records) == 1


async def test_a_sequencer_grows_across_deletion_of_the_bucket(bus: EventBus, s3: S3) -> None:
    queue = Recorder(bus, "queue", "q")
    async with bus:
        for _ in range(2):
            bucket = s3.create_bucket("again")
            bucket.notify(queue, "s3:ObjectCreated:*", grant=True)
            await bucket.put_object("k", b"")
            await bucket.delete_object("k")
            s3.delete_bucket(bucket)
    first, second = (record["s3"]["object"]["sequencer"] for record in queue.records)
    assert first < second


def test_a_clock_before_the_epoch_is_no_trouble() -> None:
    assert S3(EventBus(clock=VirtualClock(0))).create_bucket("abc")
