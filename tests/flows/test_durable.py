"""Sources that reach each other, on a bus with a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eventbus import EventBus, SystemClock, VirtualClock
from triggers import DynamoDB, EventBridge, Kinesis

pytestmark = pytest.mark.anyio


async def test_rest_includes_what_begins_when_the_store_has_written(tmp_path: Path) -> None:
    """A retry puts a record into a stream: nobody waits for the store there, and the record is read all the same."""
    bus = EventBus(clock=VirtualClock(), seed=7, store=str(tmp_path / "bus.db"))
    eb = EventBridge(bus)
    stream = Kinesis(bus, throughput_limits=True).create_stream("readings")
    eb.default.put_rule("r", event_pattern={"source": ["me"]}).target(
        stream, partition_key_path="$.detail.sensor", grant=True
    )
    received = 0

    @bus.function
    async def f(event: Any, context: Any) -> None:
        nonlocal received
        received += len(event["Records"])

    f.poll(stream, starting_position="TRIM_HORIZON", grant=True)
    async with bus:
        for start in range(0, 1010, 10):
            entries = [{"Source": "me", "DetailType": "t", "Detail": '{"sensor": "attic"}'} for _ in range(10)]
            await eb.default.put_events(entries[: 1003 - start])
        await bus.wait_idle()
        assert received == 1003


@pytest.mark.parametrize("clock", [VirtualClock, SystemClock])
async def test_rest_includes_changes_that_nobody_waited_for(tmp_path: Path, clock: Any) -> None:
    """The synchronous twins return before the store has written; the stream's readers are told after that."""
    bus = EventBus(clock=clock(), seed=7, store=str(tmp_path / "bus.db"))
    table = DynamoDB(bus).create_table("orders", "id", stream="NEW_IMAGE")
    keys: list[str] = []

    @bus.function
    async def f(event: Any, context: Any) -> None:
        keys.extend(record["dynamodb"]["Keys"]["id"]["S"] for record in event["Records"])

    f.poll(table, starting_position="TRIM_HORIZON", grant=True)
    async with bus:
        for number in range(3):
            table.put_item_nowait({"id": str(number)})
        await bus.wait_idle()
        assert keys == ["0", "1", "2"]
