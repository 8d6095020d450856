"""aiobotocore inside `with AWS(bus):`, on the bus's own event loop; prints ok."""

from __future__ import annotations

import asyncio
from typing import Any

from aiobotocore.session import get_session

from eventbus import EventBus, VirtualClock
from triggers import S3, SQS
from triggers.aws import AWS


async def main() -> None:
    bus = EventBus(clock=VirtualClock(), seed=1)
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
