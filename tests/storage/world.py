"""A bus with buckets, queues and topics on a store, and everything about them that can be observed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog
from structlog.testing import LogCapture

from eventbus import EventBus, VirtualClock
from eventbus.storage.memory import MemoryStore
from eventbus.storage.port import Store
from eventbus.storage.sqlite import SQLiteStore
from triggers.deduplication import Deduplication
from triggers.s3 import S3
from triggers.sns import SNS
from triggers.sqs import SQS

START = 1_767_225_600.0
LARGE = bytes(range(256)) * 300
"""75 KiB: more than a row holds itself."""


class World:
    """A bus with one of everything, wired anew at every start."""

    def __init__(self, store: Store, now: float = START) -> None:
        self.clock = VirtualClock(start=now)
        self.bus = EventBus(clock=self.clock, seed=3, store=store)
        capture = LogCapture()
        self.bus.log = structlog.wrap_logger(None, processors=[capture])
        self.logs: list[Any] = capture.entries
        self.s3, self.sqs, self.sns = S3(self.bus), SQS(self.bus), SNS(self.bus)
        self.plain = self.s3.create_bucket("plain")
        self.versioned = self.s3.create_bucket("versioned", versioning=True)
        self.dead = self.sqs.create_queue("dead")
        self.work = self.sqs.create_queue("work", visibility_timeout=30, dead_letter=self.dead, max_receive_count=2)
        self.orders = self.sqs.create_queue("orders.fifo", fifo=True, content_based_deduplication=True)
        self.inbox = self.sqs.create_queue("inbox")
        self.ledger = self.sqs.create_queue("ledger.fifo", fifo=True)
        self.news = self.sns.create_topic("news")
        self.news.subscribe(self.inbox, grant=True)
        self.steps = self.sns.create_topic("steps.fifo", fifo=True)
        self.steps.subscribe(self.ledger, grant=True)
        self.handled: list[str] = []

        @self.plain.on("s3:ObjectCreated:*", name="handle", prefix="in/")
        def handle(event: Any, context: Any) -> None:
            self.handled.append(event["Records"][0]["s3"]["object"]["key"])

        self.plain.notify(self.inbox, "s3:ObjectCreated:*", prefix="told/", grant=True)

    async def observe(self) -> dict[str, Any]:
        """Everything that a user can find out, except what a restart must change."""
        return {
            **{f"bucket {b.name}": await bucket_state(b) for b in (self.plain, self.versioned)},
            **{f"queue {queue.name}": queue_state(queue) for queue in self.sqs},
            "ids of orders": self._known(self.orders._duplicates),
            "ids of steps": self._known(self.steps._duplicates),
        }

    def _known(self, memory: Deduplication[Any]) -> dict[Any, Any]:
        return {key: value for key in memory._seen if (value := memory.find(key, self.clock.now())) is not None}


async def bucket_state(bucket: Any) -> dict[str, Any]:
    versions = []
    for entry in bucket.list_object_versions_nowait().entries:
        shown: list[Any] = [entry]
        if not entry.is_delete_marker:
            version_id = entry.version_id if bucket.versioning else None
            answer = await bucket.get_object(entry.key, version_id=version_id)
            shown += [answer.body, answer.content_type, answer.headers, answer.metadata, answer.parts_count]
            shown += [await bucket.get_object_tagging(entry.key, version_id=version_id)]
            shown += [await bucket.get_object_acl(entry.key, version_id=version_id)]
        versions.append(shown)
    uploads = (await bucket.list_multipart_uploads()).uploads
    return {
        "versioning": bucket.versioning,
        "objects": bucket.list_objects_nowait(),
        "versions": versions,
        "uploads": [(u, await bucket.list_parts(u.key, u.upload_id)) for u in uploads],
    }


def queue_state(queue: Any) -> dict[str, Any]:
    statistics = queue.statistics()
    messages = [
        (m.message_id, m.body, m.attributes, m.system_attributes(), m.visible_at, m.receives, m.state, m.taken_at)
        for m in queue._store
    ]
    in_line = sorted((m.visible_at, m.rank, m.message_id) for m in queue._store)
    return {"statistics": statistics, "messages": messages, "line": [message_id for _, _, message_id in in_line]}


class Place:
    """Where a store survives: a file, or an object in memory."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.memory = MemoryStore()

    def store(self) -> Store:
        return self.memory if self.path is None else SQLiteStore(self.path)


@asynccontextmanager
async def running(store: Store, now: float = START) -> AsyncGenerator[World, None]:
    world = World(store, now)
    async with world.bus:
        yield world
