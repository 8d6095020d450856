"""Streams: the records that changes leave, how they are read, and what pollers see of them."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
import botocore.validate
import pytest

from eventbus import EventBus, VirtualClock
from triggers.dynamodb import Delete, DynamoDB, Put, Stream, StreamNotFound, Table, ValidationError
from triggers.dynamodb.errors import ExpiredIterator, TrimmedDataAccess

pytestmark = pytest.mark.anyio

MODEL = botocore.session.get_session().get_service_model("dynamodbstreams")
DAY = 86_400


@pytest.fixture
def table(dynamodb: DynamoDB) -> Table:
    return dynamodb.create_table("Tab", {"Id": "N"}, stream="NEW_AND_OLD_IMAGES")


@pytest.fixture
def stream(table: Table) -> Stream:
    assert table.stream is not None
    return table.stream


def read(stream: Stream, iterator_type: str = "TRIM_HORIZON", **options: Any) -> list[dict[str, Any]]:
    """Every record of every shard, as GetRecords answers."""
    records = []
    for shard in stream.describe()["Shards"]:
        iterator = stream.get_shard_iterator(shard["ShardId"], iterator_type, **options)
        records += stream.get_records(iterator)["Records"]
    return records


def check_shape(name: str, value: Any) -> None:
    """botocore's model as the judge of a response."""
    report = botocore.validate.ParamValidator().validate(value, MODEL.shape_for(name))
    assert not report.has_errors(), report.generate_report()


async def test_the_whole_record(bus: EventBus, table: Table, stream: Stream) -> None:
    """As in AWS's sample event, also in size."""
    async with bus:
        await table.put_item({"Id": 101, "Message": "New item!"})
        [record] = read(stream)
    event_id, sequence = record.pop("eventID"), record["dynamodb"].pop("SequenceNumber")
    assert len(event_id) == 32
    assert int(event_id, 16)
    assert len(sequence) == 21
    assert record == {
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1767225600.0,
            "Keys": {"Id": {"N": "101"}},
            "NewImage": {"Id": {"N": "101"}, "Message": {"S": "New item!"}},
            "SizeBytes": 26,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    }


IMAGES = {
    "KEYS_ONLY": (set(), set(), set()),
    "NEW_IMAGE": ({"NewImage"}, {"NewImage"}, set()),
    "OLD_IMAGE": (set(), {"OldImage"}, {"OldImage"}),
    "NEW_AND_OLD_IMAGES": ({"NewImage"}, {"NewImage", "OldImage"}, {"OldImage"}),
}


@pytest.mark.parametrize("view_type", IMAGES)
async def test_a_view_type_shows_its_images(bus: EventBus, dynamodb: DynamoDB, view_type: str) -> None:
    """An insertion has no old image, a removal no new one; the keys are always there."""
    table = dynamodb.create_table("viewed", "id", stream=view_type)
    assert table.stream is not None
    async with bus:
        await table.put_item({"id": "a", "n": 1})
        await table.update_item({"id": "a"}, "SET n = :n", values={":n": 2})
        await table.delete_item({"id": "a"})
        records = read(table.stream)
    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY", "REMOVE"]
    for record, images in zip(records, IMAGES[view_type], strict=True):
        assert {"NewImage", "OldImage"} & record["dynamodb"].keys() == images
        assert record["dynamodb"]["Keys"] == {"id": {"S": "a"}}


async def test_what_changes_nothing_leaves_no_record(bus: EventBus, table: Table, stream: Stream) -> None:
    """An equal item put again, an update with equal values, a deletion of what is not there."""
    async with bus:
        await table.put_item({"Id": 1, "s": {"a", "b"}, "n": 1})
        await table.put_item({"Id": 1, "s": {"b", "a"}, "n": 1})
        await table.update_item({"Id": 1}, "SET n = :n ADD s :s", values={":n": 1, ":s": {"a"}})
        await table.delete_item({"Id": 2})
        assert len(read(stream)) == 1


async def test_every_write_of_a_batch_and_a_transaction_has_its_record(
    bus: EventBus, dynamodb: DynamoDB, table: Table, stream: Stream
) -> None:
    async with bus:
        await dynamodb.batch_write_item([Put(table, {"Id": n}) for n in range(3)])
        await dynamodb.transact_write_items([Delete(table, {"Id": 0}), Put(table, {"Id": 1, "x": 1})])
        names = [record["eventName"] for record in read(stream)]
    assert names == ["INSERT"] * 3 + ["REMOVE", "MODIFY"]


async def test_binary_is_bytes_for_clients_and_base64_for_functions(
    bus: EventBus, table: Table, stream: Stream
) -> None:
    async with bus:
        await table.put_item({"Id": 1, "b": b"\xff", "l": [{b"\x00"}]})
        assert read(stream)[0]["dynamodb"]["NewImage"]["b"] == {"B": b"\xff"}
        [shard] = stream.shards()
        [record] = shard.after(0, 10)
        event = stream.lambda_record(shard, record, "arn:aws:iam::123456789012:role/r")
        assert event["dynamodb"]["NewImage"]["b"] == {"B": "/w=="}
        assert event["dynamodb"]["NewImage"]["l"] == {"L": [{"BS": ["AA=="]}]}
        assert json.loads(json.dumps(event)) == event
        assert event["eventSourceARN"] == stream.arn
        event["dynamodb"]["NewImage"].clear()
        assert stream.filter_view(shard, record)["dynamodb"]["NewImage"]["b"] == {"B": "/w=="}


# -- reading -----------------------------------------------------------------------------------------------------------


async def test_answers_have_the_shapes_of_botocores_model(
    bus: EventBus, dynamodb: DynamoDB, table: Table, stream: Stream
) -> None:
    """Also when the stream is disabled, and its shards end."""
    async with bus:
        await table.put_item({"Id": 1, "b": b"x", "s": {"a"}})
        await table.delete_item({"Id": 1})
        for _ in range(2):
            description = await dynamodb.call("DescribeStream", {"StreamArn": stream.arn})
            check_shape("DescribeStreamOutput", description)
            shard = description["StreamDescription"]["Shards"][0]["ShardId"]
            request = {"StreamArn": stream.arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
            iterator = await dynamodb.call("GetShardIterator", request)
            check_shape("GetShardIteratorOutput", iterator)
            answer = await dynamodb.call("GetRecords", iterator)
            check_shape("GetRecordsOutput", answer)
            assert len(answer["Records"]) == 2
            check_shape("ListStreamsOutput", await dynamodb.call("ListStreams", {"TableName": "Tab"}))
            if table.stream is not None:
                table.disable_stream()


async def test_every_type_of_iterator_begins_where_it_says(
    bus: EventBus, clock: VirtualClock, table: Table, stream: Stream
) -> None:
    async with bus:
        for n in range(4):
            await table.put_item({"Id": n})
            await clock.advance(10)
        numbers = [record["dynamodb"]["SequenceNumber"] for record in read(stream)]

        def ids(*arguments: Any, **options: Any) -> list[str]:
            return [r["dynamodb"]["Keys"]["Id"]["N"] for r in read(stream, *arguments, **options)]

        assert ids() == ["0", "1", "2", "3"]
        assert ids("LATEST") == []
        assert ids("AT_SEQUENCE_NUMBER", sequence_number=numbers[2]) == ["2", "3"]
        assert ids("AFTER_SEQUENCE_NUMBER", sequence_number=numbers[2]) == ["3"]
        assert ids("AT_TIMESTAMP", timestamp=clock.now() - 25) == ["2", "3"]
        assert ids("AT_TIMESTAMP", timestamp=clock.now() + 1) == []
        [shard] = stream.shards()
        latest = stream.get_shard_iterator(shard.shard_id, "LATEST")
        await table.put_item({"Id": 9})
        assert [r["dynamodb"]["Keys"]["Id"]["N"] for r in stream.get_records(latest)["Records"]] == ["9"]


async def test_reading_goes_on_with_the_next_iterator(bus: EventBus, table: Table, stream: Stream) -> None:
    """An open shard always has one, a closed one until it is read."""
    async with bus:
        for n in range(5):
            await table.put_item({"Id": n})
        [shard] = stream.shards()
        iterator, found = stream.get_shard_iterator(shard.shard_id), []
        for _ in range(4):
            answer = stream.get_records(iterator, limit=2)
            found.append(len(answer["Records"]))
            iterator = answer["NextShardIterator"]
        assert found == [2, 2, 1, 0]
        table.disable_stream()
        assert "NextShardIterator" not in stream.get_records(iterator)
        assert "NextShardIterator" in stream.get_records(stream.get_shard_iterator(shard.shard_id), limit=2)


async def test_an_answer_holds_one_megabyte(bus: EventBus, table: Table, stream: Stream) -> None:
    async with bus:
        for n in range(4):
            await table.put_item({"Id": n, "x": "x" * 390_000})
        assert len(read(stream)) == 2


async def test_iterators_live_15_minutes(bus: EventBus, clock: VirtualClock, stream: Stream) -> None:
    async with bus:
        [shard] = stream.shards()
        iterator = stream.get_shard_iterator(shard.shard_id)
        await clock.advance(900)
        stream.get_records(iterator)
        await clock.advance(1)
        with pytest.raises(ExpiredIterator, match="Iterator expired"):
            stream.get_records(iterator)


async def test_records_live_24_hours(bus: EventBus, clock: VirtualClock, table: Table, stream: Stream) -> None:
    """Then a position among them is refused; the trim horizon is where the oldest is."""
    async with bus:
        await table.put_item({"Id": 1})
        await table.put_item({"Id": 2})
        [first, second] = [record["dynamodb"]["SequenceNumber"] for record in read(stream)]
        [shard] = stream.shards()
        await clock.advance(DAY - 600)
        iterator = stream.get_shard_iterator(shard.shard_id, "AFTER_SEQUENCE_NUMBER", sequence_number=first)
        await table.put_item({"Id": 3})
        assert len(read(stream)) == 3
        await clock.advance(602)
        assert [r["dynamodb"]["Keys"]["Id"]["N"] for r in read(stream)] == ["3"]
        with pytest.raises(TrimmedDataAccess):
            stream.get_records(iterator)
        with pytest.raises(TrimmedDataAccess):
            stream.get_shard_iterator(shard.shard_id, "AT_SEQUENCE_NUMBER", sequence_number=second)
        await clock.advance(DAY)
        assert read(stream) == []
        assert shard.oldest_at is None


@pytest.mark.parametrize("wrong", ["", "x", "a|1|b", "arn|1|bm9wZQ==", "arn:x|2|WyJhIiwxLDFd"])
async def test_a_wrong_iterator_is_refused(bus: EventBus, dynamodb: DynamoDB, stream: Stream, wrong: str) -> None:
    async with bus:
        with pytest.raises(ValidationError, match="Invalid ShardIterator"):
            stream.get_records(wrong)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (("SOMEWHERE",), {}),
        (("AT_SEQUENCE_NUMBER",), {}),
        (("TRIM_HORIZON",), {"sequence_number": "1" * 21}),
        (("AT_SEQUENCE_NUMBER",), {"sequence_number": "x"}),
        (("AT_TIMESTAMP",), {}),
        (("LATEST",), {"timestamp": 1.0}),
    ],
)
async def test_a_wrong_position_is_refused(bus: EventBus, stream: Stream, arguments: Any, options: Any) -> None:
    async with bus:
        [shard] = stream.shards()
        with pytest.raises(ValidationError):
            stream.get_shard_iterator(shard.shard_id, *arguments, **options)


async def test_what_is_not_there_is_not_found(bus: EventBus, dynamodb: DynamoDB, stream: Stream) -> None:
    async with bus:
        with pytest.raises(StreamNotFound):
            stream.get_shard_iterator("shardId-00000000000000000000-00000000")
        with pytest.raises(StreamNotFound):
            dynamodb.stream(stream.arn + "x")


# -- enabling ----------------------------------------------------------------------------------------------------------


async def test_each_time_a_stream_is_enabled_it_is_another(
    bus: EventBus, dynamodb: DynamoDB, clock: VirtualClock, table: Table, stream: Stream
) -> None:
    """The old one can be read for 24 hours, and gets nothing more."""
    async with bus:
        await table.put_item({"Id": 1})
        with pytest.raises(ValidationError, match="Table already has an enabled stream"):
            table.enable_stream()
        table.disable_stream()
        await table.put_item({"Id": 2})
        another = table.enable_stream("KEYS_ONLY", shards=2)
        await table.put_item({"Id": 3})
        assert another.arn != stream.arn
        assert stream.describe()["StreamStatus"] == "DISABLED"
        assert ([r["dynamodb"]["Keys"] for r in read(stream)], len(read(another))) == ([{"Id": {"N": "1"}}], 1)
        assert dynamodb.streams == [stream, another]
        await clock.advance(DAY + 1)
        assert dynamodb.streams == [another]
        with pytest.raises(StreamNotFound):
            dynamodb.stream(stream.arn)


# -- shards, and what pollers see --------------------------------------------------------------------------------------


async def test_an_item_stays_in_its_shard_and_in_order(bus: EventBus, dynamodb: DynamoDB) -> None:
    """Shards share the partition keys; sequence numbers grow."""
    table = dynamodb.create_table("sharded", ("pk", "sk"), stream="NEW_IMAGE", stream_shards=4)
    assert table.stream is not None
    async with bus:
        for n in range(3):
            for pk in range(40):
                await table.put_item({"pk": str(pk), "sk": "s", "n": n})
        where: dict[str, set[str]] = {}
        for shard in table.stream.shards():
            records = shard.after(0, 1000)
            assert [r.sequence for r in records] == sorted(r.sequence for r in records)
            for record in records:
                where.setdefault(record.keys["pk"]["S"], set()).add(shard.shard_id)
            for pk in {record.keys["pk"]["S"] for record in records}:
                assert [r.new and r.new["n"]["N"] for r in records if r.keys["pk"]["S"] == pk] == ["0", "1", "2"]
        assert len(where) == 40
        assert all(len(shards) == 1 for shards in where.values())
        assert len({shard for shards in where.values() for shard in shards}) == 4


async def test_shards_that_roll_have_children(bus: EventBus, clock: VirtualClock, table: Table, stream: Stream) -> None:
    """The parent is closed and can be read until its records are gone, then it is gone too."""
    async with bus:
        await table.put_item({"Id": 1})
        stream.roll_shards()
        await table.put_item({"Id": 2})
        [parent, child] = stream.shards()
        assert (parent.is_closed, child.is_closed, child.parents) == (True, False, (parent.shard_id,))
        assert [len(shard.after(0, 10)) for shard in (parent, child)] == [1, 1]
        assert child.starts_at > parent.latest
        described = stream.describe()["Shards"]
        assert described[1]["ParentShardId"] == described[0]["ShardId"]
        assert described[0]["SequenceNumberRange"]["EndingSequenceNumber"] == str(parent.latest)
        assert "EndingSequenceNumber" not in described[1]["SequenceNumberRange"]
        page = stream.describe(limit=1)
        rest = stream.describe(exclusive_start_shard_id=page["LastEvaluatedShardId"])
        assert page["Shards"] + rest["Shards"] == described
        await clock.advance(DAY + 2)
        assert list(stream.shards()) == [child]


async def test_watchers_hear_of_records_and_of_shards(bus: EventBus, table: Table, stream: Stream) -> None:
    """In the step in which they can be read, until they stop; two that are equal are two."""
    seen: list[int] = []

    def wake() -> None:
        seen.append(sum(len(shard.after(0, 100)) for shard in stream.shards()))

    stop, stop_other = stream.watch(wake), stream.watch(wake)
    async with bus:
        table.put_item_nowait({"Id": 1})
        assert seen == [1, 1]
        stop()
        stop()
        stream.roll_shards()
        assert seen == [1, 1, 1]
        stop_other()
        await table.put_item({"Id": 2})
        assert len(seen) == 3


async def test_positions_are_those_of_the_protocol(
    bus: EventBus, clock: VirtualClock, table: Table, stream: Stream
) -> None:
    """LATEST is behind the newest record ever; a time is just before the first record at or after it."""
    async with bus:
        [shard] = stream.shards()
        assert (shard.latest, list(shard.after(0, 10))) == (0, [])
        start = clock.now()
        for n in range(3):
            await table.put_item({"Id": n})
            await clock.advance(1)
        records = shard.after(0, 10)
        assert shard.latest == records[-1].sequence
        assert list(shard.after(shard.position_at(start), 10)) == list(records)
        assert list(shard.after(shard.position_at(start + 0.5), 10)) == list(records[1:])
        assert list(shard.after(shard.position_at(start + 9), 10)) == []
        assert list(shard.after(records[0].sequence, 1)) == [records[1]]
        assert len({record.group for record in records}) == 3
        assert all(record.cause is not None and record.size > 0 for record in records)
        assert (stream.stream_kind, stream.retention, stream.name) == ("dynamodb", DAY, "Tab")


async def test_a_handler_needs_its_roles_permission_on_the_stream(bus: EventBus, table: Table, stream: Stream) -> None:
    @bus.function
    async def reader(event: Any, context: Any) -> Any:
        return len(read(stream))

    async with bus:
        denied = await bus.invoke(reader)
        assert 'role.allow("dynamodb:DescribeStream", dynamodb["Tab"].stream)' in denied.payload["errorMessage"]
        reader.role.allow(list(stream.poll_actions()), stream)
        assert (await bus.invoke(reader)).payload == 0


async def test_a_deleted_tables_stream_can_still_be_read(
    bus: EventBus, dynamodb: DynamoDB, table: Table, stream: Stream
) -> None:
    async with bus:
        await table.put_item({"Id": 1})
        dynamodb.delete_table("Tab")
        assert len(read(dynamodb.stream(stream.arn))) == 1
