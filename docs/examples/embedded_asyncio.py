"""Embedded in an asyncio application: its own tasks publish and await, the bus runs beside them."""

import asyncio
import contextlib
import json
from typing import Any

from eventbus import EventBus
from triggers import SNS

bus = EventBus()
readings = SNS(bus).create_topic("readings")
alarms: asyncio.Queue[str] = asyncio.Queue()


@readings.on(filter_policy={"celsius": [{"numeric": [">", 30]}]}, filter_policy_scope="MessageBody")
async def too_warm(event: Any, context: Any) -> None:
    reading = json.loads(event["Records"][0]["Sns"]["Message"])
    await asyncio.sleep(0)  # a handler is a task of the application's own loop, and awaits what that has
    alarms.put_nowait(f"{reading['room']} has {reading['celsius']} degrees")


async def sensor(room: str, values: list[int]) -> None:
    for celsius in values:
        await readings.publish(json.dumps({"room": room, "celsius": celsius}))
        await asyncio.sleep(0.01)


async def watchman() -> None:
    while True:
        print(f"alarm: {await alarms.get()}")


async def main() -> None:
    async with bus:
        watching = asyncio.create_task(watchman())
        await asyncio.gather(sensor("kitchen", [24, 31, 26]), sensor("attic", [33, 35]))
        await bus.wait_idle()
        await asyncio.sleep(0)  # the last alarm is in the queue; let the watchman have it
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
    s = bus.statistics()
    print(f"{s.finished} of 5 readings reached the function, {s.dead_lettered} were lost")


if __name__ == "__main__":
    asyncio.run(main())
