"""The front door: a bucket, a topic and a queue around one function, from an upload to what becomes of it.

The bucket may publish to the topic, the topic may invoke the function, the function may write thumbnails. The last
upload is empty, so the subscription's filter policy keeps it from the function.
"""

import json
from typing import Any

import anyio

from eventbus import EventBus
from triggers import S3, SNS, SQS

bus = EventBus()
s3, sns, sqs = S3(bus), SNS(bus), SQS(bus)


@bus.function(timeout=30, memory=256, retries=2)
async def thumbnail(event: Any, context: Any) -> None:
    notification = json.loads(event["Records"][0]["Sns"]["Message"])  # the S3 event, inside the topic's envelope
    key = notification["Records"][0]["s3"]["object"]["key"]
    await s3["thumbs"].put_object(key, b"small")
    print(f"{context.function_name} made a thumbnail of {key}, with {context.memory_limit_in_mb} MB")


photos, thumbs = s3.create_bucket("photos"), s3.create_bucket("thumbs")
uploads = sns.create_topic("uploads")
failed = sqs.create_queue("failed")

uploads.allow(photos)  # the topic's policy; without it the next line raises, naming this call
photos.notify(uploads, events=["s3:ObjectCreated:*"], prefix="raw/", suffix=".jpg")
thumbnail.allow(uploads)  # AddPermission: principal, SourceArn, SourceAccount taken from the source
uploads.subscribe(
    thumbnail,
    filter_policy={"Records": {"s3": {"object": {"size": [{"numeric": [">", 0]}]}}}},
    filter_policy_scope="MessageBody",
)
thumbnail.role.allow("s3:PutObject", thumbs)  # what the handler itself may do
thumbnail.on_failure(failed, grant=True)  # grant=True adds the permission that the wiring needs


async def main() -> None:
    async with bus:
        await photos.put_object("raw/cat.jpg", b"meow")
        await photos.put_object("raw/notes.txt", b"not a picture")
        await photos.put_object("raw/empty.jpg", b"")
        await bus.wait_idle()
        print(f"\nthumbs holds {(await thumbs.list_objects()).keys}; what happened:\n\n{bus.trace}")
        for letter in bus.dead_letters:
            print(letter.reason, letter.attempts, letter.payload)


if __name__ == "__main__":
    anyio.run(main)
