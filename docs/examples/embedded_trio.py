"""Embedded in a trio application: publishers in a nursery, and handlers that use trio."""

import json
from typing import Any

import trio

from eventbus import EventBus, VirtualClock
from triggers import S3, SNS

bus = EventBus(clock=VirtualClock())
documents = S3(bus).create_bucket("documents")
finished = SNS(bus).create_topic("finished")
telling, told = trio.open_memory_channel[str](10)


@documents.on("s3:ObjectCreated:*", suffix=".txt", timeout=0.5)
async def convert(event: Any, context: Any) -> None:
    key = event["Records"][0]["s3"]["object"]["key"]
    await trio.sleep(
        60 if "endless" in key else 0.01
    )  # what takes longer than the time limit is cancelled, and retried
    await finished.publish(json.dumps({"key": key}))


@finished.on()
async def tell(event: Any, context: Any) -> None:
    await telling.send(json.loads(event["Records"][0]["Sns"]["Message"])["key"])


convert.role.allow("sns:Publish", finished)


async def main() -> None:
    async with bus, trio.open_nursery() as nursery:
        for key in ("one.txt", "two.txt", "picture.png", "endless.txt"):
            nursery.start_soon(documents.put_object, key, b"...")
        with trio.fail_after(10):
            print("converted:", sorted([await told.receive(), await told.receive()]))
        await bus.wait_idle()  # the retries too: 3 minutes of virtual time, and 3 x 0.5 s until the time limit strikes
        letter = bus.dead_letters[0]
        print(f"given up after {letter.attempts} attempts: {letter.error.partition(' ')[2]}")


if __name__ == "__main__":
    trio.run(main)
