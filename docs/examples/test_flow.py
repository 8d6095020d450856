"""Testing an event flow with pytest: the fixtures come with eventbus, minutes of retries take milliseconds.

Run it with `pytest docs/examples/test_flow.py`. The tests run inside `async with bus`, on asyncio and on trio.
"""

import json
from typing import Any

import pytest

from eventbus import EventBus
from triggers import S3, SNS, SQS

pytestmark = pytest.mark.anyio


async def test_what_always_fails_is_dead_lettered_after_three_attempts(bus: EventBus, s3: S3) -> None:
    @s3.create_bucket("photos").on("s3:ObjectCreated:*")
    async def thumbnail(event: Any, context: Any) -> None:
        raise ValueError("not a picture")

    await s3["photos"].put_object("cat.jpg", b"meow")
    await bus.wait_idle()
    assert bus.dead_letters[0].attempts == 3
    assert bus.dead_letters[0].error == "ValueError: not a picture"


async def test_only_big_orders_reach_the_manager(bus: EventBus, sns: SNS) -> None:
    seen = []

    @sns.create_topic("orders").on(filter_policy={"total": [{"numeric": [">", 1000]}]})
    async def manager(event: Any, context: Any) -> None:
        seen.append(event["Records"][0]["Sns"]["Message"])

    await sns["orders"].publish("a pencil", attributes={"total": 2})
    await sns["orders"].publish("a piano", attributes={"total": 4900})
    await bus.wait_idle()
    assert seen == ["a piano"]


async def test_the_queue_gets_the_record_of_a_failure(bus: EventBus, s3: S3, sqs: SQS) -> None:
    @s3.create_bucket("photos").on("s3:ObjectCreated:*", retries=0)
    async def thumbnail(event: Any, context: Any) -> None:
        raise ValueError("not a picture")

    thumbnail.on_failure(sqs.create_queue("failed"), grant=True)
    await s3["photos"].put_object("cat.jpg", b"meow")
    await bus.wait_idle()
    [message] = await sqs["failed"].receive()
    assert json.loads(message.body)["requestContext"]["condition"] == "RetriesExhausted"
