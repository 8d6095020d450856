"""A table: conditions, arithmetic, a transaction, time to live, and the stream that tells what happened."""

import anyio

from eventbus import EventBus, VirtualClock
from triggers import DynamoDB
from triggers.dynamodb import ConditionalCheckFailed, Put, TransactionCanceled, Update

clock = VirtualClock()
bus = EventBus(clock=clock, seed=1)
dynamodb = DynamoDB(bus)
stock = dynamodb.create_table("stock", "article", stream="NEW_AND_OLD_IMAGES")
orders = dynamodb.create_table("orders", {"customer": "S", "number": "N"}, time_to_live="expires")


async def order(customer: str, number: int, article: str, count: int) -> None:
    """Take something from the stock and note the order: both, or nothing."""
    await dynamodb.transact_write_items(
        [
            Update(
                stock, {"article": article}, "SET pieces = pieces - :n", condition="pieces >= :n", values={":n": count}
            ),
            Put(
                orders, {"customer": customer, "number": number, "article": article, "expires": int(clock.now()) + 3600}
            ),
        ]
    )


async def main() -> None:
    async with bus:
        await stock.put_item({"article": "pencil", "pieces": 5})
        try:
            await stock.put_item({"article": "pencil", "pieces": 99}, condition="attribute_not_exists(article)")
        except ConditionalCheckFailed as error:
            print(f"not overwritten: {error}")
        await order("ada", 1, "pencil", 4)
        try:
            await order("ada", 2, "pencil", 4)
        except TransactionCanceled as error:
            print(f"not ordered: {[reason['Code'] for reason in error.reasons]}")
        page = await orders.query("customer = :c AND #n >= :n", names={"#n": "number"}, values={":c": "ada", ":n": 1})
        print(f"orders of ada: {[int(item['number']) for item in page]}")

        await clock.advance(3601)  # time to live
        print(f"an hour later: {(await orders.scan()).items}")

        assert stock.stream is not None
        [shard] = stock.stream.describe()["Shards"]
        for record in stock.stream.get_records(stock.stream.get_shard_iterator(shard["ShardId"]))["Records"]:
            print(f"{record['eventName']:<6} {record['dynamodb']['NewImage']}")


if __name__ == "__main__":
    anyio.run(main)
