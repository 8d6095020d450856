"""Permissions: who may invoke a function, and what it may do itself; every denial names the mending call.

Both are enforced as on AWS: a function's policy says who may trigger it, its role says what its handler may do.
"""

from typing import Any

import anyio

from eventbus import EventBus, VirtualClock
from eventbus.errors import AWSError
from triggers import S3

bus = EventBus(clock=VirtualClock())
s3 = S3(bus)
photos, thumbs = s3.create_bucket("photos"), s3.create_bucket("thumbs")


@bus.function(retries=0)
async def thumbnail(event: Any, context: Any) -> None:
    await s3["thumbs"].put_object("cat.jpg", b"small")
    print("made a thumbnail")


async def main() -> None:
    print("1. The bucket may not invoke the function, so S3 refuses the notification:")
    try:
        photos.notify(thumbnail, events="s3:ObjectCreated:*")
    except AWSError as error:
        print(f"{error.code}: {error}\n")
    thumbnail.allow(photos)  # the mending call
    photos.notify(thumbnail, events="s3:ObjectCreated:*")

    async with bus:
        print("2. The handler may not write, so the invocation fails:")
        await photos.put_object("cat.jpg", b"meow")
        await bus.wait_idle()
        print(f"{bus.dead_letters[0].reason}: {bus.dead_letters[0].error}\n")
        thumbnail.role.allow("s3:PutObject", thumbs)  # the mending call
        await bus.redrive(bus.dead_letters[0])
        await bus.wait_idle()

        print("\n3. Somebody else sends an event; it is not run at all:")
        await bus.push(thumbnail, {}, source="events.amazonaws.com")
        await bus.wait_idle()
        print(f"{bus.dead_letters[0].reason}: {bus.dead_letters[0].error}")


if __name__ == "__main__":
    anyio.run(main)
