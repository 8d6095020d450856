"""The notification record, event by event."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventbus import EventBus, VirtualClock
from eventbus.errors import ConfigurationError
from tests.s3.doubles import Recorder
from triggers.s3 import S3, Bucket
from triggers.s3.event_types import EVENTS
from triggers.s3.records import encode_key

pytestmark = pytest.mark.anyio

EMPTY = "d41d8cd98f00b204e9800998ecf8427e"


@pytest.fixture
def everything(bus: EventBus, s3: S3, photos: Bucket) -> Recorder:
    """A queue that hears of every event of the bucket."""
    return listening(bus, photos)


def listening(bus: EventBus, bucket: Bucket) -> Recorder:
    queue = Recorder(bus, "queue", f"all-{bucket.name}")
    bucket.notify(queue, [name for name in EVENTS if name.endswith(":*")], id="all", grant=True)
    bucket.notify(queue, "s3:ObjectAcl:Put", id="acl")
    queue.messages.clear()
    return queue


async def test_the_whole_record(bus: EventBus, photos: Bucket, everything: Recorder) -> None:
    async with bus:
        await photos.put_object("in/red flower.jpg", b"x" * 1024)
    (record,) = everything.records
    sequencer = record["s3"]["object"].pop("sequencer")
    assert len(sequencer) == 18
    assert sequencer == sequencer.upper()
    request_id = record["responseElements"].pop("x-amz-request-id")
    assert len(request_id) == 16
    assert len(record["responseElements"].pop("x-amz-id-2")) == 76
    owner = record["s3"]["bucket"]["ownerIdentity"]["principalId"]
    assert owner[0] == "A"
    assert len(owner) == 14
    assert record == {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-01-01T00:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": f"AmazonCustomer:{owner}"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "all",
            "bucket": {"name": "photos", "ownerIdentity": {"principalId": owner}, "arn": "arn:aws:s3:::photos"},
            "object": {"key": "in/red+flower.jpg", "size": 1024, "eTag": hashlib.md5(b"x" * 1024).hexdigest()},
        },
    }
    assert list(record["s3"]) == ["s3SchemaVersion", "configurationId", "bucket", "object"]


Operation = Callable[[Bucket], Awaitable[Any]]


async def upload(bucket: Bucket) -> None:
    upload_id = await bucket.create_multipart_upload("k")
    part = await bucket.upload_part("k", upload_id, 1, b"meow")
    await bucket.complete_multipart_upload("k", upload_id, [part])


MEOW = hashlib.md5(b"meow").hexdigest()
OPERATIONS: list[tuple[str, Operation, str, dict[str, Any]]] = [
    ("ObjectCreated:Put", lambda b: b.put_object("k", b"meow"), "2.1", {"size": 4, "eTag": MEOW, "sequencer": ...}),
    ("ObjectCreated:Post", lambda b: b.post_object("k", b"meow"), "2.1", {"size": 4, "eTag": MEOW, "sequencer": ...}),
    (
        "ObjectCreated:Copy",
        lambda b: b.copy_object((b, "old"), "k"),
        "2.1",
        {"size": 4, "eTag": MEOW, "sequencer": ...},
    ),
    (
        "ObjectCreated:CompleteMultipartUpload",
        upload,
        "2.1",
        {"size": 4, "eTag": hashlib.md5(hashlib.md5(b"meow").digest()).hexdigest() + "-1", "sequencer": ...},
    ),
    ("ObjectRemoved:Delete", lambda b: b.delete_object("old", "null"), "2.1", {"sequencer": ...}),
    ("ObjectTagging:Put", lambda b: b.put_object_tagging("old", {"a": "1"}), "2.3", {"eTag": MEOW}),
    ("ObjectTagging:Delete", lambda b: b.delete_object_tagging("old"), "2.3", {"eTag": MEOW}),
    ("ObjectAcl:Put", lambda b: b.put_object_acl("old", "public-read"), "2.3", {"eTag": MEOW}),
]


@pytest.mark.parametrize(("name", "operation", "version", "fields"), OPERATIONS, ids=[row[0] for row in OPERATIONS])
@pytest.mark.parametrize("is_versioned", [False, True])
async def test_which_fields_appear(
    bus: EventBus,
    photos: Bucket,
    everything: Recorder,
    name: str,
    operation: Operation,
    version: str,
    fields: dict[str, Any],
    is_versioned: bool,
) -> None:
    async with bus:
        await photos.put_object("old", b"meow")
        if is_versioned:
            photos.put_versioning("Enabled")
        everything.messages.clear()
        await operation(photos)
    (record,) = everything.records
    assert record["eventName"] == name
    assert record["eventVersion"] == version
    item = record["s3"]["object"]
    assert item.pop("key") in ("k", "old")
    if is_versioned and name.startswith("ObjectCreated"):
        assert len(item.pop("versionId")) == 32
    assert "versionId" not in item, "none without versioning, and none for the null version"
    assert item == {**fields, **({"sequencer": item["sequencer"]} if "sequencer" in fields else {})}


async def test_a_marker_and_its_deletion(bus: EventBus, s3: S3) -> None:
    bucket = s3.create_bucket("versioned", versioning=True)
    queue = listening(bus, bucket)
    async with bus:
        put = await bucket.put_object("k", b"meow")
        marker = await bucket.delete_object("k")
        await bucket.delete_object("k", marker.version_id)
        await bucket.delete_object("k", put.version_id)
    records = created, marked, unmarked, deleted = queue.records
    names = [record["eventName"] for record in records]
    assert names == [
        "ObjectCreated:Put",
        "ObjectRemoved:DeleteMarkerCreated",
        "ObjectRemoved:Delete",
        "ObjectRemoved:Delete",
    ]
    sequencers = [record["s3"]["object"].pop("sequencer") for record in records]
    assert sequencers == sorted(set(sequencers))
    assert {len(sequencer) for sequencer in sequencers} == {18}
    assert created["s3"]["object"]["versionId"] == put.version_id
    assert marked["s3"]["object"] == {"key": "k", "eTag": EMPTY, "versionId": marker.version_id}
    assert unmarked["s3"]["object"] == {"key": "k", "versionId": marker.version_id}
    assert deleted["s3"]["object"] == {"key": "k", "versionId": put.version_id}


async def test_a_null_marker_shows_no_version(bus: EventBus, photos: Bucket, everything: Recorder) -> None:
    photos.put_versioning("Suspended")
    async with bus:
        await photos.delete_object("k")
    (record,) = everything.records
    assert record["eventName"] == "ObjectRemoved:DeleteMarkerCreated"
    assert "versionId" not in record["s3"]["object"]


async def test_what_changes_nothing_sends_nothing(bus: EventBus, photos: Bucket, everything: Recorder) -> None:
    async with bus:
        await photos.delete_object("missing")
        photos.put_versioning("Enabled")
        await photos.delete_object("missing", "A" * 32)
        put = await photos.put_object("k", b"")
        everything.messages.clear()
        await photos.put_object_acl("k", "private", version_id=put.version_id)
        upload_id = await photos.create_multipart_upload("k")
        await photos.upload_part("k", upload_id, 1, b"")
        await photos.abort_multipart_upload("k", upload_id)
    assert not everything.records


async def test_the_version_can_be_chosen(anyio_backend: str) -> None:
    bus = EventBus(clock=VirtualClock(), seed=1)
    bucket = S3(bus, event_version="2.6").create_bucket("photos")
    queue = listening(bus, bucket)
    async with bus:
        await bucket.put_object("k", b"")
        await bucket.put_object_tagging("k", {})
    assert [record["eventVersion"] for record in queue.records] == ["2.6", "2.6"]
    with pytest.raises(ConfigurationError, match="event_version"):
        S3(EventBus(), event_version="two")


async def test_a_handler_acts_under_its_role(bus: EventBus, photos: Bucket, everything: Recorder) -> None:
    @bus.function
    async def writer(event: Any, context: Any) -> None:
        await photos.put_object("k", b"")
        await photos.put_object("l", b"")

    writer.role.allow("s3:PutObject", photos)
    async with bus:
        assert (await bus.invoke(writer)).function_error is None
    principals = {record["userIdentity"]["principalId"] for record in everything.records}
    (principal,) = principals
    assert principal.startswith("AWS:AROA")
    assert principal.endswith(":writer")


async def test_the_same_seed_gives_the_same_records(anyio_backend: str) -> None:
    runs = []
    for _ in range(2):
        bus = EventBus(clock=VirtualClock(), seed=3)
        bucket = S3(bus).create_bucket("photos", versioning=True)
        queue = listening(bus, bucket)
        async with bus:
            await bucket.put_object("k", b"1")
            await bucket.delete_object("k")
        runs.append(queue.records)
    assert runs[0] == runs[1]
    assert len({record["responseElements"]["x-amz-request-id"] for record in runs[0]}) == 2


async def test_event_time_is_the_time_of_the_operation(
    bus: EventBus, clock: VirtualClock, photos: Bucket, everything: Recorder
) -> None:
    async with bus:
        await clock.advance(1.2345)
        await photos.put_object("k", b"")
    assert everything.records[0]["eventTime"] == "2026-01-01T00:00:01.234Z"


@pytest.mark.parametrize(
    ("key", "encoded"),
    [
        ("été/a b+c.txt", "%C3%A9t%C3%A9/a+b%2Bc.txt"),
        ("me@home", "me%40home"),
        ("a-b_c.d~e/f", "a-b_c.d~e/f"),
        ("100%", "100%25"),
        ("a=b&c", "a%3Db%26c"),
    ],
)
def test_keys_are_form_encoded(key: str, encoded: str) -> None:
    assert encode_key(key) == encoded


@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_any_key_decodes_with_unquote_plus(key: str) -> None:
    assert unquote_plus(encode_key(key)) == key
    assert encode_key(key).isascii()
