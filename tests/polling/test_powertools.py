"""An independent judge: Powertools for AWS Lambda reads our events and writes our answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes import KinesisStreamEvent, SQSEvent
from aws_lambda_powertools.utilities.data_classes.kinesis_stream_event import KinesisStreamRecord
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from tests.polling.support import World, put

pytestmark = pytest.mark.anyio


async def test_it_reads_the_event_of_a_stream() -> None:
    """Every property of the record."""
    world = World()
    stream = world.stream()
    function = world.function()
    function.poll(stream, starting_position="TRIM_HORIZON", grant=True)
    async with world.bus:
        [sequence] = put(stream, json.dumps({"order": 7}))
        await world.bus.wait_idle()
    [record] = KinesisStreamEvent(world.events[0]).records
    assert record.kinesis.data_as_json() == {"order": 7}
    assert record.kinesis.partition_key == "k"
    assert record.kinesis.sequence_number == sequence
    assert record.kinesis.kinesis_schema_version == "1.0"
    assert record.kinesis.approximate_arrival_timestamp == 1_767_225_600.0
    assert record.event_id == f"shardId-000000000000:{sequence}"
    assert (record.event_name, record.event_source) == ("aws:kinesis:record", "aws:kinesis")
    assert record.event_source_arn == stream.arn
    assert record.invoke_identity_arn == function.role.arn
    assert record.aws_region == "us-east-1"


async def test_it_reads_the_event_of_a_queue() -> None:
    """Bodies, attributes of both kinds, and those of a dead-letter queue."""
    world = World()
    dead = world.sqs.create_queue("dead")
    queue = world.sqs.create_queue("q", dead_letter=dead, max_receive_count=1)
    world.function(lambda carried: 1 / 0, name="failing").poll(queue, grant=True)
    world.function().poll(dead, grant=True)
    async with world.bus:
        sent = queue.send_nowait(json.dumps({"order": 7}), attributes={"n": 5, "b": b"\x00\xff"})
        await world.bus.wait_idle()
    [record] = SQSEvent(world.events[-1]).records
    assert record.json_body == {"order": 7}
    assert record.message_id == sent.message_id
    assert record.attributes.approximate_receive_count == "1"
    assert record.attributes.sent_timestamp == "1767225600000"
    assert record.attributes.dead_letter_queue_source_arn == queue.arn
    assert record.md5_of_body == sent.md5_of_body
    assert record.queue_url == dead.url
    assert record.message_attributes["n"] is not None
    assert record.message_attributes["b"] is not None
    number, binary = record.message_attributes["n"], record.message_attributes["b"]
    assert (number.data_type, number.string_value) == ("Number", "5")
    assert (binary.data_type, binary.binary_value) == ("Binary", "AP8=")


def powertools(kind: EventType, world: World) -> Any:
    """A handler that leaves batches to Powertools and fails for odd numbers the first time."""
    processor = BatchProcessor(event_type=kind)
    seen: set[int] = set()

    def one(record: Any) -> None:
        body = record.kinesis.data_as_text() if isinstance(record, KinesisStreamRecord) else record.body
        assert isinstance(record, KinesisStreamRecord | SQSRecord)
        number = int(body)
        if number % 2 and number not in seen:
            seen.add(number)
            raise ValueError(f"{number} is odd")

    async def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
        world.calls.append((world.elapsed, [str(len(event["Records"]))]))
        return process_partial_response(event=event, record_handler=one, processor=processor)

    return handler


async def test_its_answers_for_a_stream_are_understood() -> None:
    """Everything before the first failure is done, and the rest comes again."""
    world = World()
    stream = world.stream()
    function = world.bus.add_function("f", powertools(EventType.KinesisDataStreams, world))
    function.poll(
        stream, starting_position="TRIM_HORIZON", function_response_types=["ReportBatchItemFailures"], grant=True
    )
    async with world.bus:
        put(stream, "0", "1", "2", "3", "4")
        await world.bus.wait_idle()
    assert world.carried == ["5", "4"]


async def test_its_answers_for_a_queue_are_understood() -> None:
    """Only the odd ones come again."""
    world = World()
    queue = world.sqs.create_queue("q")
    function = world.bus.add_function("f", powertools(EventType.SQS, world))
    function.poll(queue, function_response_types=["ReportBatchItemFailures"], grant=True)
    async with world.bus:
        for number in range(5):
            queue.send_nowait(str(number))
        await world.bus.wait_idle()
        assert queue.statistics().total == 0
    assert world.calls == [(0.0, ["5"]), (30.0, ["2"])]
