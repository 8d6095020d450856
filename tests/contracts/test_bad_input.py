"""What is mistyped is refused at the call, by the library's own errors, with nothing made: over all services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from eventbus import EventBus, VirtualClock
from eventbus.errors import EventBusError
from eventbus.testing import Recorder
from triggers import S3, SNS, SQS, DynamoDB, Kinesis
from triggers.dynamodb import Index

pytestmark = pytest.mark.anyio


class World:
    """A bus with one of each."""

    def __init__(self) -> None:
        self.bus = EventBus(clock=VirtualClock(), seed=7)
        self.db, self.kinesis, self.sqs = DynamoDB(self.bus), Kinesis(self.bus), SQS(self.bus)
        self.sns, self.s3 = SNS(self.bus), S3(self.bus)
        self.function = self.bus.add_function("f", Recorder())
        self.table = self.db.create_table("things", "id", stream="NEW_IMAGE")
        self.stream = self.kinesis.create_stream("s")
        self.queue = self.sqs.create_queue("q")
        self.topic = self.sns.create_topic("t")
        self.bucket = self.s3.create_bucket("photos")

    @property
    def made(self) -> tuple[Any, ...]:
        services = (self.db, self.kinesis, self.sqs, self.sns, self.s3)
        return (
            *(len(service) for service in services),
            self.queue.attributes,
            self.bucket.get_notification_configuration(),
            self.table.time_to_live,
            list(self.table.describe()),
        )


Call = Callable[[World], Any]
CONFIGURING: dict[str, Call] = {
    "key none": lambda w: w.db.create_table("tab", _any(None)),
    "key number": lambda w: w.db.create_table("tab", _any(5)),
    "key of a number": lambda w: w.db.create_table("tab", _any(("a", 5))),
    "key type": lambda w: w.db.create_table("tab", _any({"a": ["S"]})),
    "table name": lambda w: w.db.create_table(_any(None), "id"),
    "time to live": lambda w: w.db.create_table("tab", "id", time_to_live=_any(5)),
    "shards text": lambda w: w.db.create_table("tab", "id", stream="NEW_IMAGE", stream_shards=_any("2")),
    "shards broken": lambda w: w.db.create_table("tab", "id", stream="NEW_IMAGE", stream_shards=_any(1.5)),
    "indexes": lambda w: w.db.create_table("tab", "id", indexes=_any(["by-date"])),
    "index": lambda w: w.db.create_table("tab", "id", indexes={"by-date": _any(None)}),
    "projection": lambda w: w.db.create_table("tab", "id", indexes={"by-date": Index("d", projection=_any(5))}),
    "projected": lambda w: w.db.create_table("tab", "id", indexes={"by-date": Index("d", projection=_any([5]))}),
    "update time to live": lambda w: w.table.update_time_to_live(_any(5)),
    "queue name": lambda w: w.sqs.create_queue(_any(5)),
    "deduplication": lambda w: w.sqs.create_queue("q.fifo", fifo=True, content_based_deduplication=_any("no")),
    "attribute": lambda w: w.queue.set_attributes({"VisibilityTimeout": _any(5)}),
    "attributes": lambda w: w.queue.set_attributes(_any(5)),
    "topic name": lambda w: w.sns.create_topic(_any(5)),
    "versioning": lambda w: w.s3.create_bucket("another", versioning=_any("no")),
    "events": lambda w: w.bucket.notify(w.function, _any(5), grant=True),
    "prefix": lambda w: w.bucket.notify(w.function, "s3:ObjectCreated:*", prefix=_any(5), grant=True),
    "notification id": lambda w: w.bucket.notify(w.function, "s3:ObjectCreated:*", id=_any(5), grant=True),
    "filters": lambda w: w.function.poll(w.queue, filters={"Filters": 5}, grant=True),
    "filter": lambda w: w.function.poll(w.queue, filters={"Filters": [{"Patern": "{}"}]}, grant=True),
}
DOING: dict[str, Call] = {
    "stream timestamp": lambda w: w.stream.get_shard_iterator(
        "shardId-000000000000", "AT_TIMESTAMP", timestamp=_any("x")
    ),
    "table timestamp": lambda w: _table_iterator(w, "x"),
    "table nan": lambda w: _table_iterator(w, float("nan")),
    "send attributes": lambda w: w.queue.send_nowait("x", attributes=_any(5)),
    "send member": lambda w: w.queue.send_nowait(
        "x", attributes={"a": {"DataType": "String", "StringValue": "x", "Value": "y"}}
    ),
    "send batch": lambda w: w.queue.send_batch_nowait(_any("ab")),
    "delete batch": lambda w: w.queue.delete_batch_nowait("handle"),
    "change batch": lambda w: w.queue.change_visibility_batch_nowait(_any([5])),
    "publish attributes": lambda w: w.topic.publish_nowait("x", attributes=_any(5)),
    "publish member": lambda w: w.topic.publish_nowait(
        "x", attributes={"a": {"DataType": "String", "StringValue": "x", "Value": "y"}}
    ),
    "publish batch": lambda w: w.topic.publish_batch_nowait(_any(5)),
    "metadata": lambda w: w.bucket.put_object_nowait("k", b"", metadata=_any(5)),
    "content type": lambda w: w.bucket.put_object_nowait("k", b"", content_type=_any(5)),
}


def _any(value: Any) -> Any:
    return value


def _table_iterator(world: World, timestamp: Any) -> Any:
    stream = world.table.stream
    assert stream is not None
    shard = stream.describe()["Shards"][0]["ShardId"]
    return stream.get_shard_iterator(shard, "AT_TIMESTAMP", timestamp=timestamp)


@pytest.mark.parametrize("call", CONFIGURING.values(), ids=CONFIGURING)
def test_configuration(call: Call) -> None:
    world = World()
    before, role = world.made, world.function.role.version
    with pytest.raises(EventBusError):
        call(world)
    assert (world.made, world.function.role.version, world.function.policy) == (before, role, None)


@pytest.mark.parametrize("call", DOING.values(), ids=DOING)
async def test_data(call: Call) -> None:
    world = World()
    async with world.bus:
        with pytest.raises(EventBusError):
            call(world)
        assert world.queue.statistics().total == 0
        assert list((await world.bucket.list_objects()).keys) == []
