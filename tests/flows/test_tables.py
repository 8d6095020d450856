"""From a table through its stream to a function, a destination and back: rooms that were built apart, together."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes import DynamoDBStreamEvent
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord

from eventbus import EventBus, Function, VirtualClock
from triggers import S3, SNS, SQS, DynamoDB
from triggers.dynamodb import Table

pytestmark = pytest.mark.anyio


@pytest.fixture
def bus() -> EventBus:
    return EventBus(clock=VirtualClock(), seed=7)


@pytest.fixture
def table(bus: EventBus) -> Table:
    return DynamoDB(bus).create_table("orders", {"id": "N"}, stream="NEW_AND_OLD_IMAGES")


def numbers(event: Any) -> list[int]:
    return [int(record["dynamodb"]["Keys"]["id"]["N"]) for record in event["Records"]]


def picky(bus: EventBus, poison: int, calls: list[tuple[str, list[int]]]) -> Function:
    """A function that raises for one item, and keeps which version was called with what."""

    async def handler(event: Any, context: Any) -> None:
        calls.append((context.function_version, numbers(event)))
        if poison in numbers(event):
            raise ValueError(f"cannot take {poison}")

    return bus.add_function("picky", handler)


async def test_powertools_reads_the_records_and_its_answers_are_understood(bus: EventBus, table: Table) -> None:
    """Everything before the first failure is done, the rest comes again."""
    batches: list[list[int]] = []
    failed: set[int] = set()
    processor = BatchProcessor(event_type=EventType.DynamoDBStreams)

    def one(record: DynamoDBRecord) -> None:
        assert record.dynamodb is not None
        number = int(record.dynamodb.new_image["id"])
        inner = {"list": [None, True, "AA=="]}  # Powertools leaves binary in base64
        assert record.dynamodb.new_image == {"id": number, "tags": {"a"}, "inner": inner}
        if number == 2 and not failed:
            failed.add(number)
            raise ValueError("not yet")

    @bus.function
    async def f(event: Any, context: Any) -> Any:
        batches.append(
            [int(record.dynamodb.keys["id"]) for record in DynamoDBStreamEvent(event).records if record.dynamodb]
        )
        return process_partial_response(event=event, record_handler=one, processor=processor)

    f.poll(table, starting_position="TRIM_HORIZON", function_response_types=["ReportBatchItemFailures"], grant=True)
    async with bus:
        for number in range(4):
            await table.put_item({"id": number, "tags": {"a"}, "inner": {"list": [None, True, b"\x00"]}})
        await bus.wait_idle()
    assert batches == [[0, 1, 2, 3], [2, 3]]


@pytest.mark.parametrize("kind", ["queue", "topic", "bucket"])
async def test_what_an_alias_cannot_take_reaches_every_kind_of_destination(
    bus: EventBus, table: Table, kind: str
) -> None:
    """Both versions of the alias are tried, each attempt draws anew; the record names the function as it was mapped."""
    queue, bucket = SQS(bus).create_queue("failed"), S3(bus).create_bucket("failed")
    topic = SNS(bus).create_topic("failed")
    topic.subscribe(queue, raw=True, grant=True)
    calls: list[tuple[str, list[int]]] = []
    function = picky(bus, 1, calls)
    first = function.publish_version()
    function.update_configuration(memory=256)
    second = function.publish_version()
    alias = function.create_alias("prod", first, weights={str(second.qualifier): 0.5})
    mapping = alias.poll(
        table,
        starting_position="TRIM_HORIZON",
        batch_size=1,
        maximum_retry_attempts=3,
        on_failure={"queue": queue, "topic": topic, "bucket": bucket}[kind],
        grant=True,
    )
    async with bus:
        for number in range(8):
            await table.put_item({"id": number})
        await bus.wait_idle()
        assert [ids[0] for _, ids in calls] == [0, 1, 1, 1, 1, 2, 3, 4, 5, 6, 7]
        assert {version for version, _ in calls} == {"1", "2"}
        if kind == "bucket":
            [entry] = (await bucket.list_objects()).contents
            text = (await bucket.get_object(entry.key)).body.decode()
        else:
            [message] = await queue.receive(10)
            text = message.body
        assert bus.metrics.query("IteratorAge", alias).samples == 11
    record = json.loads(text)
    assert record["requestContext"]["functionArn"] == alias.arn
    assert record["requestContext"]["approximateInvokeCount"] == 4
    assert record["DDBStreamBatchInfo"]["batchSize"] == 1
    assert ("payload" in record) is (kind == "bucket")
    assert mapping.last_processing_result == "OK"


async def test_the_trace_tells_one_story_from_the_item_to_the_queue(bus: EventBus, table: Table) -> None:
    """Who wrote, who polled, what failed and where it ended."""
    queue = SQS(bus).create_queue("failed")
    picky(bus, 1, []).poll(
        table, starting_position="TRIM_HORIZON", maximum_retry_attempts=0, on_failure=queue, grant=True
    )
    async with bus:
        await table.put_item({"id": 1})
        await bus.wait_idle()
        [message] = await queue.receive()
    assert str(bus.trace).splitlines() == [
        "put_item orders/1",
        "├─ poll orders/1 record",
        "│  └─ λ picky  ✗ failed",
        "│     └─ attempt 1 after 0 s: ValueError: cannot take 1",
        "└─ give up orders/1 record  (RetryAttemptsExhausted)",
        f"   └─ send failed/{message.message_id}",
    ]


async def test_a_partial_answer_is_seen_in_the_trace(bus: EventBus, table: Table) -> None:
    """The function finished; what it reported is beside the poll."""
    queue = SQS(bus).create_queue("jobs", visibility_timeout=30)

    @bus.function
    async def f(event: Any, context: Any) -> Any:
        last = event["Records"][-1]
        if len(event["Records"]) == 1:
            return None
        identifier = last["messageId"] if "messageId" in last else last["dynamodb"]["SequenceNumber"]
        return {"batchItemFailures": [{"itemIdentifier": identifier}]}

    for source, options in ((table, {"starting_position": "TRIM_HORIZON"}), (queue, {})):
        f.poll(source, function_response_types=["ReportBatchItemFailures"], grant=True, **options)
    async with bus:
        for number in range(3):
            await table.put_item({"id": number})
            await queue.send(str(number))
        await bus.wait_idle()
    notes = {node["what"]: node["note"] for root in bus.trace.tree() for node in root["children"]}
    assert notes == {
        "poll orders/3 records": "the function reported a failure from record 3 on",
        "poll orders/1 record": "",
        "poll jobs/3 messages": "the function reported 1 of them as failed",
        "poll jobs/1 message": "",
    }
