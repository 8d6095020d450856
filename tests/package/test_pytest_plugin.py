"""The fixtures of the plugin, as a test of a user has them."""

from __future__ import annotations

from typing import Any

import pytest

from eventbus import EventBus
from triggers import DynamoDB, EventBridge, Kinesis, Schedule


@pytest.mark.anyio
async def test_the_newer_sources_are_on_the_bus_that_the_test_runs_in(
    bus: EventBus, dynamodb: DynamoDB, kinesis: Kinesis, eventbridge: EventBridge, schedule: Schedule
) -> None:
    seen: list[Any] = []

    @eventbridge.default.on({"source": ["shop"]})
    async def keeps(event: Any, context: Any) -> None:
        seen.append(event["detail"])

    await dynamodb.create_table("orders", "id").put_item({"id": "1"})
    await kinesis.create_stream("clicks").put_record(b"1", "p")
    await eventbridge.default.put("paid", {"total": 3}, source="shop")
    await bus.wait_idle()
    assert (seen, len(dynamodb), len(kinesis), len(schedule)) == ([{"total": 3}], 1, 1, 0)
