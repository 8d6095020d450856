"""Records through an event source mapping, against a bare loop that does the same without the bus, in the same run.

    python -m tests.benchmarks.mappings [--records 20000] [--repetitions 5]

The yardstick is a loop that takes 100 records (or 10 messages) at a time from a list, builds their event (base64 and
all), encodes and decodes it once, as any queue between two programs would, and awaits a no-op handler. The mapping does
that too, and keeps the records, checks permissions, runs the function in an environment with log, metrics and trace,
and keeps a position (streams) or hides and deletes each message (queues). A table keeps the item as well, and checks
and converts it.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import orjson

from eventbus import EventBus

Measure = Callable[[int], Awaitable[float]]
BATCH, MESSAGES = 100, 10
"""Records of a stream, and messages of a queue, in one invocation: the defaults."""
WRITES = 25
"""Items of one BatchWriteItem: as many as it takes."""
DATA = orjson.dumps({"order": 1, "city": "Bergen", "items": [{"sku": "pencil", "count": 2}] * 3})


def kinesis_record(data: bytes, number: int) -> dict[str, Any]:
    """What the bare loop builds for a record of a stream."""
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": str(number & 255),
            "sequenceNumber": str(number),
            "data": b64encode(data).decode(),
            "approximateArrivalTimestamp": 1545084650.987,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000000:{number}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/handler-role",
        "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/s",
    }


def dynamodb_record(data: bytes, number: int) -> dict[str, Any]:
    """What the bare loop builds for a record of a table's stream."""
    keys = {"id": {"N": str(number)}}
    return {
        "eventID": f"{number:032x}",
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1545084650.0,
            "Keys": keys,
            "NewImage": {**keys, "data": {"S": data.decode()}},
            "SequenceNumber": str(number),
            "SizeBytes": len(data),
            "StreamViewType": "NEW_IMAGE",
        },
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/2026-01-01T00:00:00.000",
    }


def sqs_record(data: bytes, number: int) -> dict[str, Any]:
    """What the bare loop builds for a message."""
    return {
        "messageId": str(number),
        "receiptHandle": str(number),
        "body": data.decode(),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1", "SenderId": "x"},
        "messageAttributes": {},
        "md5OfMessageAttributes": None,
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:q",
        "awsRegion": "us-east-1",
    }


def bare_loop(record: Callable[[bytes, int], dict[str, Any]], size: int) -> Measure:
    """The yardstick for one kind of source."""

    async def handler(event: Any, context: Any) -> None:
        pass

    async def measure(n: int) -> float:
        begun = time.perf_counter()
        records = [(DATA, number) for number in range(n)]
        for start in range(0, n, size):
            event = {"Records": [record(data, number) for data, number in records[start : start + size]]}
            await handler(orjson.loads(orjson.dumps(event)), None)
        return time.perf_counter() - begun

    return measure


def no_op(bus: EventBus) -> Any:
    """A function that counts what it gets and does nothing."""

    async def handler(event: Any, context: Any) -> None:
        bus.received += len(event["Records"])  # type: ignore[attr-defined]

    bus.received = 0  # type: ignore[attr-defined]
    return bus.add_function("handler", handler)


async def through(bus: EventBus, n: int, put: Callable[[], Awaitable[None]]) -> float:
    """Seconds from the first put to rest."""
    async with bus:
        begun = time.perf_counter()
        await put()
        await bus.wait_idle()
        taken = time.perf_counter() - begun
        assert bus.received == n, bus.received  # type: ignore[attr-defined]
    return taken


async def kinesis(n: int) -> float:
    """`put_records` in hundreds to a stream that a function polls."""
    from triggers import Kinesis

    bus = EventBus()
    stream = Kinesis(bus).create_stream("s")
    no_op(bus).poll(stream, starting_position="LATEST", batch_size=BATCH, grant=True)

    async def put() -> None:
        for start in range(0, n, BATCH):
            await stream.put_records(
                [{"data": DATA, "partition_key": str(number & 255)} for number in range(start, start + BATCH)]
            )

    return await through(bus, n, put)


async def dynamodb(n: int) -> float:
    """`batch_write_item` in twenty-fives to a table whose stream a function polls."""
    from triggers import DynamoDB
    from triggers.dynamodb import Put

    bus = EventBus()
    tables = DynamoDB(bus)
    table = tables.create_table("table", {"id": "N"}, stream="NEW_IMAGE")
    no_op(bus).poll(table, starting_position="LATEST", batch_size=BATCH, grant=True)
    text = DATA.decode()

    async def put() -> None:
        for start in range(0, n, WRITES):
            await tables.batch_write_item(
                [Put(table, {"id": number, "data": text}) for number in range(start, start + WRITES)]
            )

    return await through(bus, n, put)


async def sqs(n: int) -> float:
    """`send_batch` in tens to a queue that a function polls."""
    from triggers import SQS

    bus = EventBus()
    queue = SQS(bus).create_queue("q")
    no_op(bus).poll(queue, batch_size=MESSAGES, grant=True)
    body = DATA.decode()

    async def put() -> None:
        for _ in range(0, n, MESSAGES):
            await queue.send_batch([{"body": body}] * MESSAGES)

    return await through(bus, n, put)


CASES: dict[str, tuple[Measure, Measure]] = {
    "kinesis": (kinesis, bare_loop(kinesis_record, BATCH)),
    "dynamodb": (dynamodb, bare_loop(dynamodb_record, BATCH)),
    "sqs": (sqs, bare_loop(sqs_record, MESSAGES)),
}


def ratio(measure: Measure, yardstick: Measure, backend: str, n: int, repetitions: int) -> tuple[float, float]:
    """Median ratio to the bare loop on the same event loop, and median records per second."""
    ratios, rates = [], []
    anyio.run(measure, 1000, backend=backend)
    for _ in range(repetitions):
        gc.collect()
        reference = n / anyio.run(yardstick, n, backend=backend)
        gc.collect()
        rate = n / anyio.run(measure, n, backend=backend)
        rates.append(rate)
        ratios.append(rate / reference)
    return statistics.median(ratios), statistics.median(rates)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=20_000, help="a multiple of 100")
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    print(f"{'source':<12}{'loop':<10}{'ratio to bare loop':>20}{'records/s':>14}")
    for name, (measure, yardstick) in CASES.items():
        for backend in ("asyncio", "trio"):
            figure, rate = ratio(measure, yardstick, backend, arguments.records, arguments.repetitions)
            print(f"{name:<12}{backend:<10}{figure:>20.2f}{rate:>14,.0f}", flush=True)


if __name__ == "__main__":
    main()
