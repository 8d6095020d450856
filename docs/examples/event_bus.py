"""An event bus: rules choose by pattern, transform for their targets, and a replay repeats what was archived."""

from typing import Any

import anyio

from eventbus import EventBus, VirtualClock
from triggers import S3, SQS, EventBridge

bus = EventBus(clock=VirtualClock(), seed=1)
eb = EventBridge(bus)
orders = eb.create_event_bus("orders")
archive = orders.create_archive("all-orders", retention_days=30)
labels = SQS(bus).create_queue("labels")


@orders.on({"source": ["shop"], "detail-type": ["paid"], "detail": {"total": [{"numeric": [">", 100]}]}})
async def big_order(event: Any, context: Any) -> None:
    again = f" (replay {event['replay-name']})" if "replay-name" in event else ""
    print(f"  big_order: {event['detail']['customer']} paid {event['detail']['total']}{again}")


paid = orders.put_rule("paid", event_pattern={"detail-type": ["paid"]})
paid.target(
    labels,
    input_transformer={"InputPathsMap": {"who": "$.detail.customer"}, "InputTemplate": '"A parcel for <who>"'},
    grant=True,
)

photos = S3(bus).create_bucket("photos")
photos.put_notification_configuration({"EventBridgeConfiguration": {}})  # everything goes to the default event bus


@eb.default.on({"source": ["aws.s3"], "detail": {"object": {"key": [{"suffix": ".jpg"}]}}})
async def new_photo(event: Any, context: Any) -> None:
    print(f"  new_photo: {event['detail-type']}, {event['detail']['object']['key']}")


async def main() -> None:
    async with bus:
        start = bus.clock.now()
        await orders.put("paid", {"customer": "Ann", "total": 300}, source="shop")
        await orders.put("paid", {"customer": "Bo", "total": 20}, source="shop")
        await photos.put_object("my cat.jpg", b"meow")
        await bus.wait_idle()
        print("labels:", [message.body for message in await labels.receive(10)])
        print(orders.explain("paid", {"customer": "Bo", "total": 20}, source="shop"))
        eb.start_replay("again", archive, start, start + 60)
        await bus.wait_idle()


if __name__ == "__main__":
    anyio.run(main)
