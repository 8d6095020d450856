"""Retries and dead letters: a function that fails is tried again after 1 minute and after 2 more, in no time here.

The first file fails twice and then succeeds. The second one never does: it ends in a queue, as the record that AWS
sends, and in the bus's own list, from where it can be sent again once the function is mended.
"""

import json
from typing import Any

import anyio

from eventbus import EventBus, VirtualClock
from triggers import S3, SQS

clock = VirtualClock()
bus = EventBus(clock=clock)
inbox = S3(bus).create_bucket("inbox")
failed = SQS(bus).create_queue("failed")
broken = {"flaky.txt": 2, "hopeless.txt": 99}  # how often each file still fails


@inbox.on("s3:ObjectCreated:*", retries=2)
async def read(event: Any, context: Any) -> None:
    key = event["Records"][0]["s3"]["object"]["key"]
    broken[key] -= 1
    works = broken[key] < 0
    print(f"+{clock.elapsed:>3.0f} s  {key}: {'read' if works else 'fails'}")
    if not works:
        raise OSError("the disk does not answer")


read.on_failure(failed, grant=True)


async def main() -> None:
    async with bus:
        await inbox.put_object("flaky.txt", b"...")
        await inbox.put_object("hopeless.txt", b"...")
        await bus.wait_idle()
        print(f"\n{bus.trace}\n\n{bus.dead_letters[0]!r}")
        record = json.loads((await failed.receive())[0].body)
        print(f"The queue got: {record['requestContext']['condition']}, {record['responsePayload']['errorMessage']}")

        broken["hopeless.txt"] = 0
        print("\nThe disk is mended; the dead letter is sent again:")
        await bus.redrive(bus.dead_letters[0])
        await bus.wait_idle()
        print(f"{bus.dead_letters!r}, after {clock.elapsed:.0f} seconds of virtual time")


if __name__ == "__main__":
    anyio.run(main)
