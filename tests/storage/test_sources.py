"""Buckets, queues and topics on a bus with a store: what a restart keeps, what a crash and a full disk take back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventbus import EventBus
from eventbus.storage.errors import StoreUnavailable
from eventbus.storage.memory import MemoryStore
from tests.storage.world import LARGE, START, Place, World, bucket_state, queue_state, running
from triggers.s3 import S3
from triggers.sqs import SQS

pytestmark = pytest.mark.anyio

FULL = OSError(28, "No space left on device")


@pytest.fixture(params=["memory", "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(tmp_path / "bus.db" if request.param == "sqlite" else None)


# -- what a restart keeps -----------------------------------------------------------------------------------------


async def objects(w: World) -> None:
    await w.plain.put_object("a", b"one", content_type="text/plain", metadata={"k": "ü"}, cache_control="no-cache")
    await w.plain.put_object("b", b"", tags={"x": "1"}, acl="public-read")
    await w.plain.put_object("a", b"two")
    await w.plain.put_object("gone", b"1")
    await w.plain.delete_object("gone")
    await w.plain.post_object("ü/\0", b"odd key")


async def tags_and_acls(w: World) -> None:
    await w.plain.put_object("a", b"one", tags={"x": "1"})
    await w.plain.put_object_tagging("a", {"y": "2"})
    await w.plain.put_object_acl("a", "public-read")
    await w.plain.put_object("b", b"", tags={"x": "1"})
    await w.plain.delete_object_tagging("b")


async def versions_and_markers(w: World) -> None:
    for body in (b"1", b"2", b"3"):
        first = await w.versioned.put_object("k", body)
        await w.clock.advance(1)
    await w.versioned.delete_object("k")
    await w.versioned.put_object("l", b"x")
    await w.versioned.delete_object("k", first.version_id)
    await w.versioned.delete_objects(["l", "m"])
    await w.plain.put_object("k", b"null 1")
    w.plain.put_versioning("Enabled")
    await w.plain.put_object("k", b"versioned from now on")
    w.plain.put_versioning("Suspended")
    await w.plain.put_object("k", b"null 2")
    await w.plain.put_object("l", b"null 3")
    await w.plain.delete_object("l")


async def copies(w: World) -> None:
    await w.plain.put_object("a", LARGE, metadata={"k": "v"})
    await w.versioned.copy_object("plain/a", "b")
    await w.versioned.copy_object("versioned/b", "b", metadata_directive="REPLACE", content_type="x/y")
    w.plain.copy_object_nowait("plain/a", "c")


async def uploads(w: World) -> None:
    part = bytes(5 * 1024 * 1024)
    done = await w.plain.create_multipart_upload("whole", metadata={"k": "v"}, tags={"t": "1"})
    parts = [await w.plain.upload_part("whole", done, 1, part), await w.plain.upload_part("whole", done, 2, b"end")]
    await w.plain.complete_multipart_upload("whole", done, parts)
    for key in ("open", "open", "another"):
        upload = await w.plain.create_multipart_upload(key, acl="public-read")
        await w.plain.upload_part(key, upload, 3, b"small")
        await w.plain.upload_part(key, upload, 7, LARGE)
        await w.plain.upload_part(key, upload, 7, b"replaced")
        await w.plain.upload_part_copy(key, upload, 8, "plain/whole", source_range="bytes=0-99999")
    await w.plain.abort_multipart_upload("another", upload)


async def large_bodies(w: World) -> None:
    await w.plain.put_object("a", LARGE)
    await w.plain.put_object("b", LARGE + b"!")
    w.plain.put_object_nowait("c", LARGE + b"?")
    await w.plain.put_object("a", b"small now")
    await w.plain.delete_object("b")


async def messages(w: World) -> None:
    await w.work.send("a", attributes={"n": 1, "b": b"\0\xff"}, trace_header="Root=1")
    await w.work.send("b", delay_seconds=20)
    await w.work.send("c", delay_seconds=2)
    await w.work.send_batch([{"body": "d"}, {"body": "e", "delay_seconds": 1}, {"body": "ü"}])
    await w.clock.advance(1.5)


async def receives(w: World) -> None:
    await messages(w)
    [first, second] = await w.work.receive(2)
    [third] = await w.work.receive(1, visibility_timeout=0)
    await w.work.change_visibility(second, 100)
    await w.work.delete(first)
    await w.clock.advance(5)
    await w.work.receive(1)
    await w.work.delete_batch([third])


async def dead_letters(w: World) -> None:
    await messages(w)
    for _ in range(3):
        await w.work.receive(10, visibility_timeout=1)
        await w.clock.advance(1)
    assert w.dead.statistics().total


async def fifo(w: World) -> None:
    for group, body in ("x1", "x2", "y1", "y1", "x3"):
        await w.orders.send(body, group_id=group, deduplication_id=group + body)
    [one] = await w.orders.receive(1)
    await w.orders.delete(one)
    await w.orders.receive(2)


async def purged(w: World) -> None:
    await messages(w)
    await w.work.receive(3)
    await w.work.purge()
    await w.work.send("after")


async def published(w: World) -> None:
    await w.news.publish("hello", subject="s", attributes={"a": [1, "b"]})
    await w.steps.publish("one", group_id="g", deduplication_id="1")
    await w.steps.publish("again", group_id="g", deduplication_id="1")
    await w.steps.publish_batch([{"message": "two", "group_id": "g", "deduplication_id": "2"}])


async def notifications(w: World) -> None:
    await w.plain.put_object("told/a", b"x")
    await w.plain.put_object("in/a", b"x")
    await w.bus.wait_idle()


KINDS: list[Callable[[World], Awaitable[None]]] = [
    objects,
    tags_and_acls,
    versions_and_markers,
    copies,
    uploads,
    large_bodies,
    messages,
    receives,
    dead_letters,
    fifo,
    purged,
    published,
    notifications,
]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_restart_keeps_everything(place: Place, kind: Callable[[World], Awaitable[None]]) -> None:
    """What can be observed is the same before and after, at the same virtual time."""
    async with running(place.store()) as world:
        await kind(world)
        before, now = await world.observe(), world.clock.now()
    for _ in range(2):  # what was read is kept as well as what was made
        async with running(place.store(), now) as world:
            assert await world.observe() == before


@pytest.mark.parametrize("kind", KINDS)
async def test_a_crash_behind_the_last_sync_keeps_everything(kind: Callable[[World], Awaitable[None]]) -> None:
    store = MemoryStore()
    async with running(store) as world:
        await kind(world)
        await world.bus.synced()
        before, now = await world.observe(), world.clock.now()
        store.crash()
    async with running(store, now) as world:
        assert await world.observe() == before


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_kept_can_be_used(place: Place, kind: Callable[[World], Awaitable[None]]) -> None:
    """After a restart queues hand out in the same order, at the same times, as they would have without one."""
    taken: list[Any] = []
    for restarts in (0, 1):
        here = Place(None if place.path is None else place.path.with_name(f"{restarts}.db"))
        async with running(here.store()) as world:
            await kind(world)
            now = world.clock.now()
            if not restarts:
                taken.append(await drained(world))
        if restarts:
            async with running(here.store(), now) as world:
                taken.append(await drained(world))
    assert taken[0] == taken[1]


async def drained(world: World) -> list[Any]:
    """Everything that comes out of the queues, one by one, with the time at which it does."""
    found = []
    for _ in range(70):
        for queue in world.sqs:
            for message in await queue.receive(1):
                shown = {**message.attributes, "ApproximateFirstReceiveTimestamp": None}
                found.append((world.clock.now(), queue.name, message.body, shown, message.md5_of_body))
                await queue.delete(message)
        await world.clock.advance(1)
    return found


async def test_receipt_handles_stay_good_and_time_goes_on(place: Place) -> None:
    async with running(place.store()) as world:
        await world.work.send("a")
        await world.work.send("b")
        [a, b] = await world.work.receive(2)
        await world.clock.advance(10)
        now = world.clock.now()
    async with running(place.store(), now) as world:
        await world.work.delete(a)
        assert world.work.statistics().in_flight == 1
        await world.clock.advance(19.5)
        assert await world.work.receive() == []
        await world.clock.advance(0.5)
        [again] = await world.work.receive()
        assert (again.message_id, again.receive_count) == (b.message_id, 2)
        first = "ApproximateFirstReceiveTimestamp"
        assert again.attributes[first] == b.attributes[first]
        await world.work.delete(b)  # an old handle, and no message of that number ever again
        assert world.work.statistics().in_flight == 1


async def test_retention_goes_on(place: Place) -> None:
    async with running(place.store()) as world:
        await world.work.send("a")
        await world.clock.advance(345_599)
        now = world.clock.now()
    async with running(place.store(), now) as world:
        assert world.work.statistics().visible == 1
        await world.clock.advance(1)
        assert world.work.statistics().total == 0
    async with running(place.store(), now) as world:
        assert world.work.statistics().total == 0


async def test_duplicates_are_known_for_five_minutes_and_sequences_grow(place: Place) -> None:
    async with running(place.store()) as world:
        sent = await world.orders.send("x", group_id="g")
        published = await world.steps.publish("x", group_id="g", deduplication_id="d")
        await world.clock.advance(299)
        now = world.clock.now()
    async with running(place.store(), now) as world:
        assert (await world.orders.send("x", group_id="g")).message_id == sent.message_id
        assert await world.steps.publish("y", group_id="g", deduplication_id="d") == published
        await world.clock.advance(1)
        second = await world.orders.send("x", group_id="g")
        third = await world.steps.publish("y", group_id="g", deduplication_id="d")
        assert second.message_id != sent.message_id
        assert (second.sequence_number or "") > (sent.sequence_number or "")
        assert (third.sequence_number or "") > (published.sequence_number or "")
        now = world.clock.now()
    async with running(place.store(), now) as world:
        assert len(world.orders._duplicates) == len(world.steps._duplicates) == 1


async def test_identifiers_are_not_drawn_twice(place: Place) -> None:
    """The seed is the same at every start, what is drawn is not: a version would take the place of another."""
    drawn: list[Any] = []
    sequencers: list[str] = []
    for _ in range(3):
        async with running(place.store()) as world:
            told = world.sqs["inbox"]
            await world.plain.put_object("told/k", b"x")
            [message] = await told.receive()
            while "Records" not in message.json():
                [message] = await told.receive()
            await told.delete(message)
            record = message.json()["Records"][0]
            sequencers.append(record["s3"]["object"]["sequencer"])
            drawn += [
                (await world.versioned.put_object("k", b"x")).version_id,
                await world.plain.create_multipart_upload("k"),
                (await world.work.send("x")).message_id,
                record["responseElements"]["x-amz-request-id"],
            ]
            host = record["responseElements"]["x-amz-id-2"]
    assert len(set(drawn)) == len(drawn)
    assert sequencers == sorted(set(sequencers))
    assert len(host) == 76
    async with running(place.store()) as world:
        assert len(world.versioned.list_object_versions_nowait().entries) == 3
        assert len((await world.plain.list_multipart_uploads()).uploads) == 3


async def test_a_destination_gets_one_test_event_however_often_the_bus_starts(place: Place) -> None:
    for _ in range(3):
        async with running(place.store()) as world:
            assert world.inbox.statistics().total == 1
    async with running(place.store()) as world:
        world.plain.notify(world.work, "s3:ObjectRemoved:*", grant=True)
        assert world.work.statistics().total == 1


async def test_content_waits_until_its_bucket_or_queue_is_declared(place: Place) -> None:
    async with running(place.store()) as world:
        late, later = world.s3.create_bucket("late", versioning=True), world.sqs.create_queue("later.fifo", fifo=True)
        await late.put_object("k", LARGE)
        await late.put_object("k", b"2")
        await later.send("m", group_id="g", deduplication_id="d")
        before = [await bucket_state(late), queue_state(later)]
    async with running(place.store()) as world:
        told = [(entry["event"], entry.get("bucket") or entry.get("queue")) for entry in world.logs]
        assert ("objects_of_undeclared_bucket", "late") in told
        assert ("messages_of_undeclared_queue", "later.fifo") in told
        assert len(told) == 2
    async with running(place.store()) as world:
        late, later = world.s3.create_bucket("late"), world.sqs.create_queue("later.fifo", fifo=True)
        assert [await bucket_state(late), queue_state(later)] == before
        assert late.versioning == "Enabled"  # nothing was declared, so what was set at run time holds
        await later.send("m", group_id="g", deduplication_id="d")
        assert queue_state(later) == before[1]


async def test_services_may_be_made_after_the_start(place: Place) -> None:
    async with EventBus(store=place.store()) as bus:
        await S3(bus).create_bucket("photos").put_object("k", b"x")
        await SQS(bus).create_queue("q").send("m")
    async with EventBus(store=place.store()) as bus:
        assert (await S3(bus).create_bucket("photos").get_object("k")).body == b"x"
        assert SQS(bus).create_queue("q").statistics().visible == 1


async def test_what_code_says_of_versioning_before_the_start_holds(place: Place) -> None:
    async with running(place.store()) as world:
        world.versioned.put_versioning("Suspended")
        world.plain.put_versioning("Suspended")
    async with running(place.store()) as world:
        assert (world.versioned.versioning, world.plain.versioning) == ("Enabled", "Suspended")


async def test_deleting_a_bucket_or_a_queue_removes_its_rows(place: Place) -> None:
    async with running(place.store()) as world:
        bucket, queue = world.s3.create_bucket("gone"), world.sqs.create_queue("gone.fifo", fifo=True)
        topic = world.sns.create_topic("gone.fifo", fifo=True)
        await bucket.put_object("k", LARGE)
        await bucket.delete_object("k")
        await bucket.upload_part("k", await bucket.create_multipart_upload("k"), 1, LARGE)
        bucket.put_versioning("Enabled")
        await queue.send("m", group_id="g", deduplication_id="d")
        await queue.receive()
        await topic.publish("m", group_id="g", deduplication_id="d")
        world.s3.delete_bucket("gone")
        world.sqs.delete_queue("gone.fifo")
        world.sns.delete_topic("gone.fifo")
    store = place.store()
    async with running(store) as world:
        for service in ("s3", "sqs", "sns"):
            for kind in ("buckets", "objects", "uploads", "parts", "files", "destinations", "messages", "standings"):
                keys = [key for key, _ in store.texts(f"{service}_{kind}").scan()]
                assert not [key for key in keys if "gone" in key]
            assert not list(store.texts(f"{service}_duplicates").scan())
            assert not list(store.texts("s3_files").scan())
        assert world.s3.create_bucket("gone").versioning is None


# -- what a crash loses -----------------------------------------------------------------------------------------


async def test_a_crash_loses_an_object_and_its_event_together() -> None:
    store = MemoryStore()
    async with running(store) as world:
        await world.plain.put_object("in/safe", b"x")
        await world.bus.wait_idle()
        await world.bus.synced()  # that the event has ended: else it would run again
        before, now = await world.observe(), world.clock.now()
        world.plain.put_object_nowait("in/lost", b"x")
        world.plain.put_object_nowait("told/lost", b"x")
        store.crash()
    async with running(store, now) as world:
        await world.bus.wait_idle()
        assert await world.observe() == before
        assert world.handled == []


async def test_what_is_safe_triggers_even_if_the_process_dies_at_once() -> None:
    store = MemoryStore()
    async with running(store) as world:
        await world.plain.put_object("in/safe", b"x")
        store.crash()
    async with running(store) as world:
        await world.bus.wait_idle()
        assert world.plain.list_objects_nowait().keys == ["in/safe"]
        assert world.handled == ["in/safe"]


async def test_a_redrive_is_one_transaction() -> None:
    """A message is in its queue or in the dead-letter queue, never in both, never in none."""
    for synced in (True, False):
        store = MemoryStore()
        async with running(store) as world:
            await world.work.send("m")
            for _ in range(2):
                await world.work.receive(visibility_timeout=0)
            assert world.work.receive_nowait() == []
            assert world.dead.statistics().visible == 1
            if synced:
                await world.bus.synced()
            store.crash()
        async with running(store) as world:
            assert (world.work.statistics().total, world.dead.statistics().total) == ((0, 1) if synced else (1, 0))


# -- what a full disk takes back ---------------------------------------------------------------------------------------

CHANGES: dict[str, Callable[[World, Any], Awaitable[Any]]] = {
    "put": lambda w, _: w.plain.put_object("new", b"x", tags={"a": "1"}),
    "put over": lambda w, _: w.plain.put_object("a", b"x"),
    "put a version": lambda w, _: w.versioned.put_object("k", b"x"),
    "put with an event": lambda w, _: w.plain.put_object("in/a", b"x"),
    "put with a message": lambda w, _: w.plain.put_object("told/a", b"x"),
    "post": lambda w, _: w.plain.post_object("new", b"x"),
    "copy": lambda w, _: w.plain.copy_object("plain/a", "copy"),
    "delete": lambda w, _: w.plain.delete_object("a"),
    "delete marker": lambda w, _: w.versioned.delete_object("k"),
    "delete a version": lambda w, known: w.versioned.delete_object("k", known["version"]),
    "delete several": lambda w, _: w.plain.delete_objects(["a", "b", "told/b"]),
    "tag": lambda w, _: w.plain.put_object_tagging("a", {"n": "1"}),
    "untag": lambda w, _: w.plain.delete_object_tagging("b"),
    "acl": lambda w, _: w.plain.put_object_acl("a", "public-read"),
    "begin an upload": lambda w, _: w.plain.create_multipart_upload("new"),
    "part": lambda w, known: w.plain.upload_part("up", known["upload"], 2, b"x"),
    "part over": lambda w, known: w.plain.upload_part("up", known["upload"], 1, b"x"),
    "part copied": lambda w, known: w.plain.upload_part_copy("up", known["upload"], 1, "plain/a"),
    "complete": lambda w, known: w.plain.complete_multipart_upload("up", known["upload"], [known["part"]]),
    "abort": lambda w, known: w.plain.abort_multipart_upload("up", known["upload"]),
    "send": lambda w, _: w.work.send("new"),
    "send delayed": lambda w, _: w.work.send("new", delay_seconds=5),
    "send in a batch": lambda w, _: w.work.send_batch([{"body": "1"}, {"body": "2"}]),
    "send in order": lambda w, _: w.orders.send("new", group_id="g"),
    "receive": lambda w, _: w.work.receive(2),
    "receive in order": lambda w, _: w.orders.receive(3),
    "receive and bury": lambda w, _: w.work.receive(10),
    "delete a message": lambda w, known: w.work.delete(known["message"]),
    "delete messages": lambda w, known: w.work.delete_batch([known["message"], known["other"]]),
    "show": lambda w, known: w.work.change_visibility(known["message"], 0),
    "purge": lambda w, _: w.work.purge(),
    "publish": lambda w, _: w.news.publish("new"),
    "publish in order": lambda w, _: w.steps.publish("new", group_id="g", deduplication_id="new"),
    "publish a batch": lambda w, _: w.news.publish_batch([{"message": "1"}, {"message": "2"}]),
}


async def prepared(w: World) -> dict[str, Any]:
    """Something of everything, so that every change has something to change."""
    known: dict[str, Any] = {}
    await w.plain.put_object("a", b"one", tags={"x": "1"})
    await w.plain.put_object("b", b"two", tags={"x": "1"})
    await w.plain.put_object("told/b", b"x")
    known["version"] = (await w.versioned.put_object("k", b"1")).version_id
    await w.versioned.put_object("k", b"2")
    known["upload"] = await w.plain.create_multipart_upload("up")
    known["part"] = await w.plain.upload_part("up", known["upload"], 1, b"part")
    await w.plain.create_multipart_upload("up")
    for body in "abcdef":
        await w.work.send(body)
        await w.orders.send(body, group_id="gh"[body < "d"])
    for _ in range(2):
        await w.work.receive(3, visibility_timeout=1)
        await w.clock.advance(1)
    [known["message"], known["other"]] = await w.work.receive(2, visibility_timeout=60)
    await w.orders.receive(1)
    return known


@pytest.mark.parametrize("change", CHANGES)
async def test_what_cannot_be_written_has_not_happened(change: str) -> None:
    """The caller is told, everything is as before, and the same call works when there is room again."""
    store = MemoryStore()
    async with running(store) as world:
        known = await prepared(world)
        before, now = await world.observe(), world.clock.now()
        for _ in range(2):
            store.failing = FULL
            with pytest.raises(StoreUnavailable, match="No space left on device"):
                await CHANGES[change](world, known)
            assert await world.observe() == before
            store.failing = None
            await world.bus.wait_idle()
            assert await world.observe() == before
            assert world.handled == []
        await CHANGES[change](world, known)
        after = await world.observe()
        assert after != before
        await world.bus.wait_idle()
        assert len(world.handled) == (change == "put with an event")
    async with running(store, now) as world:
        assert await world.observe() == after


async def test_changes_of_one_step_are_taken_back_in_their_order() -> None:
    """Changes that build on each other, none of them safe, all go."""
    store = MemoryStore()
    async with running(store) as world:
        known = await prepared(world)
        before = await world.observe()
        store.failing = FULL
        for body in (b"1", b"2"):
            world.plain.put_object_nowait("a", body)
            world.plain.put_object_tagging_nowait("a", {"n": "2"})
            world.versioned.put_object_nowait("k", body)
            world.versioned.delete_object_nowait("k")
        world.versioned.delete_object_nowait("k", known["version"])
        world.plain.delete_object_nowait("a")
        world.plain.upload_part_nowait("up", known["upload"], 1, b"x")
        world.plain.complete_multipart_upload_nowait("up", known["upload"], [(1, "9dd4e461268c8034f5c8564e155c67a6")])
        world.work.send_nowait("new")
        world.work.delete_nowait(known["message"])
        for message in world.work.receive_nowait(10):
            world.work.change_visibility_nowait(message, 0)
        for message in world.work.receive_nowait(10):
            world.work.delete_nowait(message)
        world.orders.send_nowait("new", group_id="g")
        world.orders.receive_nowait(10)
        world.work.purge_nowait()
        assert await world.observe() != before
        with pytest.raises(StoreUnavailable):
            await world.bus.synced()
        assert await world.observe() == before


async def test_what_a_function_leaves_in_a_queue_is_a_fact() -> None:
    """It is carried over, whatever a receiver has done with it meanwhile and could not."""
    store = MemoryStore()
    async with running(store) as world:
        store.failing = FULL
        with world.bus.facts():
            world.work.send_nowait("a fact")
        [message] = world.work.receive_nowait()
        world.work.delete_nowait(message)
        with pytest.raises(StoreUnavailable):
            await world.bus.synced()
        assert [m.body for m in world.work._store] == ["a fact"]
        store.failing = None
        await world.bus.synced()
        store.crash()
    async with running(store) as world:
        assert [m.body for m in world.work._store] == ["a fact"]
        assert world.work.statistics().visible == 1


async def test_what_is_undone_in_a_deleted_queue_or_bucket_stays_gone() -> None:
    store = MemoryStore()
    async with running(store) as world:
        bucket, queue = world.s3.create_bucket("gone"), world.sqs.create_queue("gone")
        await bucket.put_object("k", b"x")
        await queue.send("m")
        [message] = await queue.receive()
        store.failing = FULL
        bucket.delete_object_nowait("k")
        queue.delete_nowait(message)
        world.s3.delete_bucket("gone")
        world.sqs.delete_queue("gone")
        with pytest.raises(StoreUnavailable):
            await world.bus.synced()
        store.failing = None
        await world.bus.synced()
    async with running(store) as world:
        assert len(world.s3.create_bucket("gone")) == 0
        assert world.sqs.create_queue("gone").statistics().total == 0


async def test_a_receiver_who_waits_gets_what_was_put_back() -> None:
    store = MemoryStore()
    async with running(store) as world:
        await world.work.send("m")
        received: list[Any] = []

        async def wait() -> None:
            with anyio.fail_after(10):
                while not received:
                    try:
                        received.extend(await world.work.receive(wait=20))
                    except StoreUnavailable:
                        pass  # it was put back, and taken too early

        async with anyio.create_task_group() as tasks:
            store.failing = FULL
            world.work.receive_nowait()
            tasks.start_soon(wait)
            await anyio.lowlevel.checkpoint()
            with pytest.raises(StoreUnavailable):
                await world.bus.synced()
            store.failing = None
        [message] = received
        assert (message.body, message.receive_count, world.clock.elapsed) == ("m", 1, 0)


# -- anything, in any order -----------------------------------------------------------------------------------------

KEYS = st.sampled_from(["a", "in/b", "told/c"])
BODIES = st.sampled_from([b"", b"x", b"yy"])
OPERATIONS = st.one_of(
    st.tuples(st.sampled_from(["put", "version"]), KEYS, BODIES),
    st.tuples(st.sampled_from(["remove", "mark", "tag", "acl"]), KEYS),
    st.tuples(st.just("remove version"), KEYS, st.integers(0, 3)),
    st.tuples(st.sampled_from(["send", "order", "publish", "step"]), st.sampled_from("abc")),
    st.tuples(st.sampled_from(["receive", "receive in order"]), st.integers(1, 4), st.integers(0, 3)),
    st.tuples(st.sampled_from(["delete", "show"]), st.integers(0, 5)),
    st.tuples(st.sampled_from(["upload", "part", "complete", "abort"]), st.integers(0, 2)),
    st.tuples(st.just("purge")),
    st.tuples(st.just("pass"), st.sampled_from([1, 2, 70, 400])),
)
SCRIPT = st.lists(
    st.one_of(
        OPERATIONS.map(lambda operation: ("step", operation)),
        st.lists(OPERATIONS, min_size=1, max_size=4).map(lambda operations: ("fail", operations)),
        st.lists(OPERATIONS, min_size=1, max_size=4).map(lambda operations: ("crash", operations)),
        st.just(("restart", None)),
    ),
    max_size=14,
)


class Actor:
    """Does operations at once, and remembers what they answered."""

    def __init__(self) -> None:
        self.held: list[Any] = []
        self.open: list[tuple[str, Any]] = []

    def do(self, w: World, operation: tuple[Any, ...]) -> None:
        match operation:
            case ("put", key, body):
                w.plain.put_object_nowait(key, body, metadata={"m": key})
            case ("version", key, body):
                w.versioned.put_object_nowait(key, body)
            case ("remove", key):
                w.plain.delete_object_nowait(key)
            case ("mark", key):
                w.versioned.delete_object_nowait(key)
            case ("remove version", key, number):
                entries = w.versioned.list_object_versions_nowait(key).entries
                if entries:
                    w.versioned.delete_object_nowait(key, entries[number % len(entries)].version_id)
            case ("tag", key):
                if key in w.plain.list_objects_nowait().keys:
                    w.plain.put_object_tagging_nowait(key, {"n": "1"})
            case ("acl", key):
                if key in w.plain.list_objects_nowait().keys:
                    w.plain.put_object_acl_nowait(key, "public-read")
            case _:
                self.do_more(w, operation)

    def do_more(self, w: World, operation: tuple[Any, ...]) -> None:
        match operation:
            case ("send", body):
                w.work.send_nowait(body, delay_seconds="abc".index(body))
            case ("order", body):
                w.orders.send_nowait(body, group_id="gh"[body == "a"])
            case ("publish", body):
                w.news.publish_nowait(body)
            case ("step", body):
                w.steps.publish_nowait(body, group_id="g", deduplication_id=body)
            case ("receive", limit, seconds):
                self.held += w.work.receive_nowait(limit, visibility_timeout=seconds)
            case ("receive in order", limit, seconds):
                w.orders.receive_nowait(limit, visibility_timeout=seconds)
            case ("delete", number):
                if self.held:
                    w.work.delete_nowait(self.held[number % len(self.held)])
            case ("show", number):
                if self.held:
                    try:
                        w.work.change_visibility_nowait(self.held[number % len(self.held)], number)
                    except ValueError:
                        pass  # no longer in flight
            case ("purge",):
                if w.clock.now() >= w.work._purged_at + 60:
                    w.work.purge_nowait()


async def act(w: World, actor: Actor, operation: tuple[Any, ...]) -> None:
    """One operation, at once unless it has no such form."""
    match operation:
        case ("pass", seconds):
            await w.clock.advance(seconds)
        case ("upload" | "part" | "complete" | "abort", number):
            await upload(w, operation[0], number)
        case _:
            actor.do(w, operation)


async def upload(w: World, verb: str, number: int) -> None:
    under_way = (await w.plain.list_multipart_uploads()).uploads
    if verb == "upload":
        await w.plain.create_multipart_upload(f"u{number}")
    elif under_way:
        chosen = under_way[number % len(under_way)]
        if verb == "part":
            await w.plain.upload_part(chosen.key, chosen.upload_id, 1 + number, b"part")
        elif verb == "abort":
            await w.plain.abort_multipart_upload(chosen.key, chosen.upload_id)
        else:
            parts = (await w.plain.list_parts(chosen.key, chosen.upload_id)).parts
            if parts:
                await w.plain.complete_multipart_upload(chosen.key, chosen.upload_id, parts[-1:])


async def play(script: list[tuple[str, Any]]) -> None:
    """The model is what could be observed at the last point at which everything was safe."""
    store = MemoryStore()
    actor = Actor()
    now = START
    safe: dict[str, Any] | None = None
    pending = list(script)
    while pending or safe is None:
        async with running(store, now) as world:
            assert safe is None or await world.observe() == safe
            ends = False
            while pending and not ends:
                kind, what = pending.pop(0)
                safe = await world.observe()
                ends = await {"step": step, "fail": fail, "crash": crash, "restart": restart}[kind](
                    world, actor, store, what, safe
                )
                if kind == "step":
                    safe = await world.observe()
                now = world.clock.now()
            if not ends:
                await world.bus.wait_idle()
                await world.bus.synced()
                safe, now = await world.observe(), world.clock.now()
    async with running(store, now) as world:
        assert await world.observe() == safe


async def step(world: World, actor: Actor, store: MemoryStore, operation: Any, safe: Any) -> bool:
    await act(world, actor, operation)
    await world.bus.synced()
    return False


async def fail(world: World, actor: Actor, store: MemoryStore, operations: Any, safe: Any) -> bool:
    operations = [operation for operation in operations if operation[0] != "pass"]
    store.failing = FULL
    held, purged_at = list(actor.held), world.work._purged_at
    for operation in operations:
        try:
            await act(world, actor, operation)
        except StoreUnavailable:
            assert await world.observe() == safe
    try:
        await world.bus.synced()
    except StoreUnavailable:
        pass
    assert await world.observe() == safe
    store.failing = None
    actor.held, world.work._purged_at = held, purged_at
    await world.bus.synced()
    assert await world.observe() == safe
    return False


async def crash(world: World, actor: Actor, store: MemoryStore, operations: Any, safe: Any) -> bool:
    held = list(actor.held)
    for operation in operations:
        if operation[0] not in ("pass", "upload", "part", "complete", "abort"):
            actor.do(world, operation)
    store.crash()
    actor.held = held
    return True


async def restart(world: World, actor: Actor, store: MemoryStore, _: Any, safe: Any) -> bool:
    return True


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
def test_after_anything_the_state_is_that_of_the_last_safe_point(anyio_backend: str) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(SCRIPT)
    def check(script: list[tuple[str, Any]]) -> None:
        anyio.run(play, script, backend=anyio_backend)

    check()
