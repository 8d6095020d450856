"""A table's stream into a function: what changed, in order; filtered; and after a failure from where it was left."""

from typing import Any

import anyio

from eventbus import EventBus, VirtualClock
from triggers import DynamoDB

bus = EventBus(clock=VirtualClock(), seed=1)
orders = DynamoDB(bus).create_table("orders", {"number": "N"}, stream="NEW_AND_OLD_IMAGES")
is_post_office_open = False


@bus.function
async def notify(event: Any, context: Any) -> Any:
    global is_post_office_open
    for record in event["Records"]:
        change = record["dynamodb"]  # images are in DynamoDB's typed form, as on AWS
        old, new = change.get("OldImage", {"state": {"S": "nothing"}}), change["NewImage"]
        print(f"+{bus.clock.elapsed:g} s  order {new['number']['N']}: {old['state']['S']} → {new['state']['S']}")
        if new["state"]["S"] == "sent" and not is_post_office_open:
            is_post_office_open = True
            print("        the post office is closed")
            return {"batchItemFailures": [{"itemIdentifier": change["SequenceNumber"]}]}  # go on from here
    return {"batchItemFailures": []}


mapping = notify.poll(
    orders,
    starting_position="TRIM_HORIZON",
    batch_window=5,
    filters=[{"eventName": ["INSERT", "MODIFY"]}],
    function_response_types=["ReportBatchItemFailures"],
    grant=True,
)


async def main() -> None:
    async with bus:
        for number, state in ((1, "new"), (2, "new"), (1, "paid"), (1, "sent"), (2, "paid")):
            await orders.put_item({"number": number, "state": state})
        await orders.delete_item({"number": 1})  # nobody is told: the filter wants no REMOVE
        await bus.wait_idle()
        age = bus.metrics.query("IteratorAge", notify).maximum
        print(f"{mapping}; records waited for {age:g} ms")
        print(bus.trace)


if __name__ == "__main__":
    anyio.run(main)
