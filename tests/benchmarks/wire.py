"""The wire against moto in the same run: put an object, which notifies a queue, from which the event is received.

    python -m tests.benchmarks.wire [--count 300]

Both serve the same boto3 clients in this process, without sockets. Most of the time is botocore's own, which builds,
signs and parses; `boto3 alone` is that part, with a response that is there already.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import anyio
import boto3
from botocore.awsrequest import AWSResponse

from eventbus import EventBus, VirtualClock
from triggers.aws import AWS
from triggers.aws.raw import Raw

REGION = {"region_name": "us-east-1"}


def wired() -> tuple[Any, Any, str]:
    """Clients of a bucket that notifies a queue, and the queue's URL."""
    s3, sqs = boto3.client("s3", **REGION), boto3.client("sqs", **REGION)
    s3.create_bucket(Bucket="photos")
    url = sqs.create_queue(QueueName="events")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Resource": arn}]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    wanted = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    s3.put_bucket_notification_configuration(Bucket="photos", NotificationConfiguration=wanted)
    for message in sqs.receive_message(QueueUrl=url).get("Messages", []):  # the s3:TestEvent
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return s3, sqs, url


def flow(count: int) -> float:
    """Seconds for so many flows, each of three calls."""
    s3, sqs, url = wired()
    began = time.perf_counter()
    for number in range(count):
        s3.put_object(Bucket="photos", Key=f"k{number}", Body=b"meow")
        (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
        assert f'"k{number}"' in message["Body"]
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return time.perf_counter() - began


def on_the_loop(count: int) -> float:
    """The flow on the event loop's own thread."""

    async def main() -> float:
        bus = EventBus(clock=VirtualClock())
        with AWS(bus):
            async with bus:
                return flow(count)

    return anyio.run(main)


def in_a_plain_test(count: int) -> float:
    """The flow in a plain function, with the bus in a thread of its own."""
    with AWS(EventBus(clock=VirtualClock())):
        return flow(count)


def with_moto(count: int) -> float:
    """The same flow on moto."""
    from moto import mock_aws

    with mock_aws():
        return flow(count)


def alone(count: int) -> float:
    """What three calls take in boto3 itself."""
    s3 = boto3.client("s3", aws_access_key_id="a", aws_secret_access_key="b", **REGION)

    def answered(request: Any, **kwargs: Any) -> Any:
        response: Any = AWSResponse
        return response(request.url, 200, {}, Raw(b""))

    s3.meta.events.register("before-send", answered)
    began = time.perf_counter()
    for number in range(3 * count):
        s3.put_object(Bucket="photos", Key=f"k{number}", Body=b"meow")
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300)
    count = parser.parse_args().count
    runs: dict[str, Callable[[int], float]] = {
        "boto3 alone": alone,
        "eventbus, on the loop": on_the_loop,
        "eventbus, plain test": in_a_plain_test,
        "moto": with_moto,
    }
    for name, run in runs.items():
        run(20)
        print(f"{name:24} {run(count) / count * 1e3:7.2f} ms a flow")


if __name__ == "__main__":
    main()
