"""The same clients and the same flow on eventbus, moto and ministack, in the same run: put an object, which notifies a
topic, which has a queue.

    python -m tests.benchmarks.wire_flow [--count 500] [--ports]

For each: milliseconds of one put (median, one after the other), flows a second of a burst from put to received, and how
much longer an event of the last quarter of `4 * count` takes than one of the first. In process there is also the
longest time that the event loop was not free.

`--ports` starts each server that is installed, in a process of its own. There boto3's own work is most of what is
measured, so two rows more are of the server alone: puts a second that it answers when a presigned request is sent again
and again over four plain sockets; and of the flow from put to a function, deployed from a zip archive, that has run.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import anyio
import boto3
from botocore.exceptions import ClientError, WaiterError

from eventbus import EventBus
from triggers.aws import AWS

KEYS = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}


def policy(service: str, action: str, arn: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": action, "Resource": arn}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def wired(**options: Any) -> tuple[Any, Any, str]:
    """Clients of S3 and SQS, and the URL of the queue at the end."""
    s3, sns, sqs = (boto3.client(name, **KEYS, **options) for name in ("s3", "sns", "sqs"))
    topic = sns.create_topic(Name="uploads")["TopicArn"]
    url = sqs.create_queue(QueueName="events")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy("sns.amazonaws.com", "sqs:SendMessage", arn)})
    document = policy("s3.amazonaws.com", "sns:Publish", topic)
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=document)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    s3.create_bucket(Bucket="photos")
    wanted = {"TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]}
    s3.put_bucket_notification_configuration(Bucket="photos", NotificationConfiguration=wanted)
    return s3, sqs, url


def receive(sqs: Any, url: str, wanted: int) -> None:
    """Receive and delete as many messages."""
    found = 0
    until = time.perf_counter() + 60
    while found < wanted and time.perf_counter() < until:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        found += sum("ObjectCreated" in message["Body"] for message in messages)
        if messages:
            entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
            sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    if found < wanted:
        raise SystemExit(f"only {found} of {wanted} arrived")


def measured(count: int, warmed: Callable[[], None] = lambda: None, **options: Any) -> str:
    """What a row of the table says; `warmed` is called when every model has been loaded."""
    s3, sqs, url = wired(**options)

    def put(n: int) -> float:
        began = time.perf_counter()
        s3.put_object(Bucket="photos", Key=f"k{n}", Body=b"meow")
        return time.perf_counter() - began

    for n in range(20):
        put(n)
    receive(sqs, url, 20)
    warmed()
    serial = [put(n) for n in range(100)]
    receive(sqs, url, 100)
    began = time.perf_counter()
    for n in range(count):
        put(n)
    receive(sqs, url, count)
    rate = count / (time.perf_counter() - began)
    grown = [put(n) for n in range(4 * count)]
    growth = statistics.median(grown[-count:]) / statistics.median(grown[:count])
    return f"{statistics.median(serial) * 1e3:7.2f} ms a put {rate:7.0f} flows/s {growth:6.2f} x as it grows"


def put_request(s3: Any) -> bytes:
    """A put with a presigned URL, as a client sends it."""
    url = s3.generate_presigned_url("put_object", Params={"Bucket": "photos", "Key": "replayed"})
    host, _, path = url.partition("://")[2].partition("/")
    return f"PUT /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\n\r\nmeow".encode()


def replayed(request: bytes, address: tuple[str, int], times: int) -> float:
    """Requests a second that a server answers, over four sockets."""

    failures: list[bytes] = []

    def run() -> None:
        connection = None
        for _ in range(times // 4):
            if connection is None:
                connection = socket.create_connection(address)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(request)
            head = connection.recv(65_536)
            if b" 200 " not in head[:20]:
                failures.append(head)
            if head.startswith(b"HTTP/1.0") or b"connection: close" in head.lower():
                connection.close()
                connection = None

    threads = [threading.Thread(target=run) for _ in range(4)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    if failures:
        raise SystemExit(f"{len(failures)} answers are no success, such as {failures[0][:200]!r}")
    return times / seconds


HANDLER = """
import os
def handler(event, context):
    with open(os.environ["MARK"], "ab") as file:
        file.write(b"x")
"""


def to_function(s3: Any, count: int, **options: Any) -> float:
    """Flows a second from put to a function, deployed from an archive, that has run."""
    awslambda, iam = boto3.client("lambda", **KEYS, **options), boto3.client("iam", **KEYS, **options)
    trust = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        }
    )
    role = iam.create_role(RoleName="marks", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("marks.py", HANDLER)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        mark = Path(directory) / "mark"
        mark.touch()
        arn = awslambda.create_function(
            FunctionName="marks",
            Runtime="python3.11",
            Role=role,
            Handler="marks.handler",
            Code={"ZipFile": archive.getvalue()},
            Environment={"Variables": {"MARK": str(mark)}},
        )["FunctionArn"]
        awslambda.get_waiter("function_active_v2").wait(FunctionName="marks")
        awslambda.add_permission(
            FunctionName="marks", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com"
        )
        s3.create_bucket(Bucket="marked")
        wanted = {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
        s3.put_bucket_notification_configuration(Bucket="marked", NotificationConfiguration=wanted)
        s3.put_object(Bucket="marked", Key="first", Body=b"meow")
        until = time.perf_counter() + 60
        while mark.stat().st_size < 1 and time.perf_counter() < until:
            time.sleep(0.01)
        began = time.perf_counter()
        for n in range(count):
            s3.put_object(Bucket="marked", Key=f"k{n}", Body=b"meow")
        while mark.stat().st_size < count + 1:
            if time.perf_counter() > until:
                raise SystemExit(f"only {mark.stat().st_size} of {count + 1} functions ran")
            time.sleep(0.002)
        return count / (time.perf_counter() - began)


def in_eventbus(count: int) -> str:
    """On the event loop of the bus: the client runs in a thread, and the loop is watched."""

    async def main() -> str:
        bus, longest, done = EventBus(), 0.0, threading.Event()

        def begin() -> None:
            nonlocal longest
            longest = 0.0

        async def watch() -> None:
            nonlocal longest
            while not done.is_set():
                began = time.perf_counter()
                await anyio.sleep(0.001)
                longest = max(longest, time.perf_counter() - began - 0.001)

        with AWS(bus):
            async with bus, anyio.create_task_group() as tasks:
                tasks.start_soon(watch)
                row = await anyio.to_thread.run_sync(measured, count, begin)
                done.set()
        return f"{row}, longest stall {longest * 1e3:.1f} ms"

    return anyio.run(main)


def on_the_loop(count: int) -> str:
    """On the event loop's own thread: each call is one synchronous step."""

    async def main() -> str:
        bus = EventBus()
        with AWS(bus):
            async with bus:
                return measured(count)

    return anyio.run(main)


def in_moto(count: int) -> str:
    from moto import mock_aws

    with mock_aws():
        return measured(count)


@contextmanager
def server(command: list[str], port: int, **environment: str) -> Iterator[str]:
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            for _ in range(200):
                try:
                    urlopen(url, timeout=1).close()
                    break
                except (URLError, OSError) as error:
                    if hasattr(error, "code"):
                        break
                    time.sleep(0.1)
            yield url
        finally:
            process.terminate()


SERVERS: dict[str, tuple[list[str], int, dict[str, str]]] = {
    "eventbus serve": ([sys.executable, "-m", "triggers.cli", "serve", "--port", "4801"], 4801, {}),
    "moto_server": (["moto_server", "-p", "4802"], 4802, {}),
    "ministack": (["ministack"], 4803, {"GATEWAY_PORT": "4803"}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--ports", action="store_true")
    options = parser.parse_args()
    runs: dict[str, Callable[[int], str]] = {
        "eventbus, from a thread": in_eventbus,
        "eventbus, on the loop": on_the_loop,
        "moto": in_moto,
    }
    for name, run in runs.items():
        print(f"{name:24}{run(options.count)}", flush=True)
    for name, (command, port, environment) in SERVERS.items() if options.ports else ():
        beside = os.path.join(os.path.dirname(sys.executable), command[0])
        program = beside if os.path.exists(beside) else shutil.which(command[0])
        if program is None:
            continue
        with ExitStack() as stack:
            url = stack.enter_context(server([program, *command[1:]], port, **environment))
            print(f"{name:24}{measured(options.count, endpoint_url=url)}", flush=True)
            s3 = boto3.client("s3", **KEYS, endpoint_url=url)
            rate = replayed(put_request(s3), ("127.0.0.1", port), 4 * options.count)
            print(f"{'':24}{rate:7.0f} puts/s over plain sockets", end=", ", flush=True)
            if name == "moto_server":
                print("no functions without Docker", flush=True)
                continue
            try:
                flows = to_function(s3, options.count, endpoint_url=url)
                print(f"{flows:.0f} flows/s from put to function", flush=True)
            except (ClientError, WaiterError) as error:
                print(f"no function ran: {error}", flush=True)


if __name__ == "__main__":
    main()
