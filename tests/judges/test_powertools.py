"""An independent judge: Powertools for AWS Lambda, unmodified, in handlers of all three kinds."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from eventbus import EventBus
from tests.contracts.environments import KINDS, declare, make_bus
from tests.judges import handlers
from triggers import S3, SNS, SQS, DynamoDB, EventBridge, HttpApi, Kinesis

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize(
        "kind",
        [
            pytest.param(k, marks=pytest.mark.skipif(k == "process" and sys.platform != "linux", reason="needs procfs"))
            for k in KINDS
        ],
    ),
]


def lines(bus: EventBus) -> list[str]:
    """What handlers wrote, without the platform's lines."""
    platform = ("INIT_START", "START", "END", "REPORT")
    return [event.message.rstrip("\n") for event in bus.logs.events("f") if not event.message.startswith(platform)]


async def test_a_logger_of_a_module_writes_to_the_function_log_once(kind: str) -> None:
    """It was made before the bus began; its records carry the context, and the root logger doesn't repeat them."""
    bus = make_bus()
    declare(bus, kind, handlers.log)
    async with bus:
        result = await bus.invoke("f", 7)
        written = lines(bus)
    sold, few = (json.loads(line) for line in written if line.startswith("{"))
    assert (sold["message"], sold["order"], sold["level"]) == ("sold", 7, "INFO")
    assert (sold["function_request_id"], sold["function_name"]) == (result.request_id, "f")
    assert kind != "process" or sold["cold_start"]  # in this process the module may have been used before
    assert (few["message"], few["service"]) == ("few left", "judged")
    assert written.count("a line of its own") == 1
    assert sum("by the root" in line for line in written) == 1
    assert sum("line of its own" in line for line in written) == (2 if kind == "process" else 1)  # on AWS both
    assert sum("sold" in line or "few left" in line for line in written) == 2


async def test_json_logs_are_filtered_by_the_level_that_a_logger_states(kind: str) -> None:
    """Of a function with JSON logs at WARN the records below it are missing, whatever made them."""
    bus = make_bus()
    declare(bus, kind, handlers.log, log_format="JSON", application_log_level="WARN")
    async with bus:
        await bus.invoke("f", 7)
        written = [json.loads(line) for line in lines(bus) if line.startswith("{")]
    own = [line["message"] for line in written if "type" not in line and line.get("logger") != "plain"]
    assert own == ["few left", "by the root"]


async def test_metrics_in_the_log_are_measured(kind: str) -> None:
    """Values and the cold start, under the dimensions that Powertools gives them."""
    bus = make_bus()
    declare(bus, kind, handlers.measure)
    async with bus:
        await bus.invoke("f", 2)
        await bus.invoke("f", 3)
        sold = bus.metrics.query("Sold", namespace="shop", dimensions={"service": "orders"})
        assert (sold.sum, sold.samples, sold.unit) == (10, 4, "Count")
        assert bus.metrics.query("ColdStart", namespace="shop").samples >= (1 if kind == "process" else 0)


async def test_a_batch_processor_returns_what_failed(kind: str) -> None:
    """The even messages of a queue are done, the odd ones come again until they are dead."""
    bus = make_bus()
    sqs = SQS(bus)
    dead = sqs.create_queue("dead")
    queue = sqs.create_queue("q", dead_letter=dead, max_receive_count=2, visibility_timeout=60)
    function = declare(bus, kind, handlers.batch)
    function.poll(queue, function_response_types=["ReportBatchItemFailures"], grant=True)
    async with bus:
        for number in range(4):
            queue.send_nowait(str(number))
        await bus.wait_idle()
        assert queue.statistics().total == 0
        assert sorted(message.body for message in await dead.receive(10)) == ["1", "3"]


async def test_an_idempotent_handler_answers_again_what_it_answered(kind: str) -> None:
    """The second event of an order charges nothing; layers in memory live as long as an environment's module."""
    bus = make_bus()
    declare(bus, kind, handlers.charge)
    order = f"{kind}-{id(bus)}"
    async with bus:
        first = (await bus.invoke("f", {"order": order})).payload
        again = (await bus.invoke("f", {"order": order})).payload
        other = (await bus.invoke("f", {"order": f"{order}-2"})).payload
    assert first == again
    assert other["charges"] == first["charges"] + 1


async def test_data_classes_read_every_property_of_every_event(kind: str) -> None:
    """What S3, SNS, SQS, DynamoDB, Kinesis, EventBridge and an HTTP API make of one happening each."""
    bus = make_bus()
    function = declare(bus, kind, handlers.read)
    bucket, topic, queue = S3(bus).create_bucket("photos"), SNS(bus).create_topic("t"), SQS(bus).create_queue("q")
    table = DynamoDB(bus).create_table("cats", key="name", stream="NEW_AND_OLD_IMAGES")
    stream, events, api = Kinesis(bus).create_stream("s"), EventBridge(bus), HttpApi(bus, "shop")
    bucket.notify(function, events=["s3:ObjectCreated:*"], grant=True)
    topic.subscribe(function, grant=True)
    function.poll(queue, grant=True)
    function.poll(table, starting_position="TRIM_HORIZON", grant=True)
    function.poll(stream, starting_position="TRIM_HORIZON", grant=True)
    rule = events["default"].put_rule("sold", event_pattern={"source": ["shop"]})
    rule.target(function, grant=True)
    api.route("GET /cats/{id}", function, grant=True)
    async with bus:
        await bucket.put_object("a/cat.jpg", b"meow")
        await topic.publish("hello", subject="cats", attributes={"color": "red"})
        await queue.send('{"order": 7}', attributes={"n": 5})
        await table.put_item({"name": "Tom", "lives": 9})
        await stream.put_record(b'{"order": 7}', "k")
        await events.put_events([{"Source": "shop", "DetailType": "sold", "Detail": '{"order": 7}'}])
        await api.request("GET", "/cats/1?color=red", headers={"Cookie": "a=b"})
        await bus.wait_idle()
        assert len(bus.dead_letters) == 0
        found: dict[str, Any] = {line["source"]: line["values"] for line in map(json.loads, lines(bus))}
    least = {"aws:s3": 20, "aws:sns": 15, "aws:sqs": 15, "aws:dynamodb": 12, "aws:kinesis": 12, "events": 9, "http": 15}
    assert {source: found.get(source, 0) >= values for source, values in least.items()} == dict.fromkeys(least, True), (
        found
    )
