"""Code written for boto3 talks to the bus, unchanged: no socket, no Docker, no waiting for retries.

python docs/examples/boto3_in_process.py          needs the extra eventbus[aws], and boto3
"""

from __future__ import annotations

import json

import boto3
from botocore.exceptions import ClientError

from eventbus import EventBus, VirtualClock
from triggers import S3, SQS
from triggers.aws import AWS

bus = EventBus(clock=VirtualClock(), seed=1)
s3, sqs = S3(bus), SQS(bus)
photos, thumbs, failed = s3.create_bucket("photos"), s3.create_bucket("thumbs"), sqs.create_queue("failed")


@photos.on("s3:ObjectCreated:*")
def thumbnail(event: dict, context: object) -> None:
    """A handler as it would be deployed: it makes its own client and knows nothing of the bus."""
    record = event["Records"][0]["s3"]
    client = boto3.client("s3")
    body = client.get_object(Bucket=record["bucket"]["name"], Key=record["object"]["key"])["Body"].read()
    client.put_object(Bucket="thumbs", Key=record["object"]["key"], Body=body[:4])


thumbnail.on_failure(failed, grant=True)
thumbnail.role.allow("s3:GetObject", photos)

with AWS(bus) as aws:
    client = boto3.client("s3")
    client.put_object(Bucket="photos", Key="cat.jpg", Body=b"meow meow")
    aws.wait_idle()  # two retries, of one and of two minutes, in no time
    message = boto3.client("sqs").receive_message(QueueUrl=failed.url)["Messages"][0]
    record = json.loads(message["Body"])
    print(f"given up after {record['requestContext']['approximateInvokeCount']} attempts:")
    print(record["responsePayload"]["errorMessage"])

    thumbnail.role.allow("s3:PutObject", thumbs)
    client.put_object(Bucket="photos", Key="dog.jpg", Body=b"woof woof")
    aws.wait_idle()
    print("thumbs holds", [item["Key"] for item in client.list_objects_v2(Bucket="thumbs")["Contents"]])

    try:
        client.get_object(Bucket="photos", Key="none.jpg")
    except ClientError as error:
        print(error)
