"""Fan-out: one message to a topic, three subscribers, each with its own copy, none delaying another."""

import json
from typing import Any

import anyio

from eventbus import EventBus
from triggers import SNS, SQS

bus = EventBus()
sns, sqs = SNS(bus), SQS(bus)
orders = sns.create_topic("orders")
archive = sqs.create_queue("archive")
orders.subscribe(archive, raw=True, grant=True)  # a queue subscribes as a function does


@orders.on()  # makes the function, allows the topic to invoke it, subscribes it
async def charge(event: Any, context: Any) -> None:
    order = json.loads(event["Records"][0]["Sns"]["Message"])
    await anyio.sleep(0.2)  # a slow payment provider
    print(f"charge: {order['total']} euros")


@orders.on()
def print_label(event: Any, context: Any) -> None:  # a plain function runs in a thread
    order = json.loads(event["Records"][0]["Sns"]["Message"])
    print(f"print_label: to {order['city']}")


async def main() -> None:
    async with bus:
        await orders.publish(json.dumps({"total": 12, "city": "Bergen"}))
        print("published: nobody has been waited for")
        await bus.wait_idle()
        for message in await archive.receive():
            print(f"archive: {message.body}")
            await archive.delete(message.receipt_handle)
        print(f"\n{bus.trace}\n\n{bus!r}")


if __name__ == "__main__":
    anyio.run(main)
