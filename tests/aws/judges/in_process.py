"""aiobotocore inside `with AWS(bus):`, on the bus's own event loop; prints ok."""

from __future__ import annotations

import asyncio
from typing import Any

from aiobotocore.session import get_session

from eventbus import EventBus, VirtualClock
from triggers import S3, SQS
from triggers.aws import AWS


async def data() -> None:
    """DynamoDB and Kinesis, with paginators and waiters."""
    async with get_session().create_client("dynamodb") as client:
        await client.create_table(
            TableName="cats",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        await client.get_waiter("table_exists").wait(TableName="cats")
        for n in range(3):
            await client.put_item(TableName="cats", Item={"id": {"S": str(n)}, "b": {"B": b"\xff"}})
        pages = client.get_paginator("scan").paginate(TableName="cats", PaginationConfig={"PageSize": 2})
        assert [page["Count"] async for page in pages] == [2, 1]
    async with get_session().create_client("kinesis") as client:
        await client.create_stream(StreamName="clicks", ShardCount=1)
        put = await client.put_record(StreamName="clicks", Data=b"\x00", PartitionKey="p")
        start = {"ShardId": put["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        found = await client.get_shard_iterator(StreamName="clicks", **start)
        records = await client.get_records(ShardIterator=found["ShardIterator"])
        assert [record["Data"] for record in records["Records"]] == [b"\x00"]


async def streams(clock: VirtualClock) -> None:
    """Event streams: of a log, and of a shard."""
    group = "arn:aws:logs:us-east-1:123456789012:log-group:app"
    async with get_session().create_client("logs") as client:
        await client.create_log_group(logGroupName="app")
        await client.create_log_stream(logGroupName="app", logStreamName="web")
        answer = await client.start_live_tail(logGroupIdentifiers=[group])
        events = aiter(answer["responseStream"])
        assert (await anext(events))["sessionStart"]["logGroupIdentifiers"] == [group]
        event = {"timestamp": int(clock.now() * 1000), "message": "hello"}
        await client.put_log_events(logGroupName="app", logStreamName="web", logEvents=[event])
        await clock.advance(1)
        (found,) = (await anext(events))["sessionUpdate"]["sessionResults"]
        assert found["message"] == "hello"
        answer["responseStream"].close()
        assert [event async for event in events] == []
    async with get_session().create_client("kinesis") as client:
        arn = (await client.describe_stream_summary(StreamName="clicks"))["StreamDescriptionSummary"]["StreamARN"]
        made = await client.register_stream_consumer(StreamARN=arn, ConsumerName="reader")
        answer = await client.subscribe_to_shard(
            ConsumerARN=made["Consumer"]["ConsumerARN"],
            ShardId="shardId-000000000000",
            StartingPosition={"Type": "TRIM_HORIZON"},
        )
        events = aiter(answer["EventStream"])
        assert [record["Data"] for record in (await anext(events))["SubscribeToShardEvent"]["Records"]] == [b"\x00"]
        answer["EventStream"].close()
        assert [event async for event in events] == []


async def main() -> None:
    bus = EventBus(clock=(clock := VirtualClock()), seed=1)
    s3, sqs = S3(bus), SQS(bus)
    photos = s3.create_bucket("photos")
    queue = sqs.create_queue("q")

    @photos.on("s3:ObjectCreated:*")
    async def copies(event: Any, context: Any) -> None:
        key = event["Records"][0]["s3"]["object"]["key"]
        async with get_session().create_client("sqs") as client:
            await client.send_message(QueueUrl=queue.url, MessageBody=key)

    copies.role.allow("sqs:SendMessage", queue)
    async with bus:
        with AWS(bus):
            async with get_session().create_client("s3") as client:
                await client.put_object(Bucket="photos", Key="a b/ü.txt", Body=b"meow")
                answer = await client.get_object(Bucket="photos", Key="a b/ü.txt")
                async with answer["Body"] as body:
                    assert await body.read() == b"meow"
                pages = client.get_paginator("list_objects_v2").paginate(Bucket="photos")
                assert [item["Key"] async for page in pages for item in page["Contents"]] == ["a b/ü.txt"]
                try:
                    await client.get_object(Bucket="photos", Key="none")
                except client.exceptions.NoSuchKey:
                    pass
                else:
                    raise AssertionError
            await data()
            await streams(clock)
            await bus.wait_idle()
            async with get_session().create_client("sqs") as client:
                found = await client.receive_message(QueueUrl=queue.url, WaitTimeSeconds=1)
                assert found["Messages"][0]["Body"] == "a+b/%C3%BC.txt"
                try:
                    await client.get_queue_url(QueueName="none")
                except client.exceptions.QueueDoesNotExist:
                    pass
                else:
                    raise AssertionError
    print("ok")


asyncio.run(main())
