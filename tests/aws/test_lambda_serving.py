"""Functions from archives at a bus that is served: they reach it with boto3, as their role."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import boto3
import pytest

from eventbus import EventBus, VirtualClock
from tests.aws.packages import made_role, zipped
from triggers import S3, SQS
from triggers.aws import App, serve

pytestmark = pytest.mark.anyio

CODE = """
import os
import boto3

sts, sqs, s3 = boto3.client("sts"), boto3.client("sqs"), boto3.client("s3")

def handler(event, context):
    sqs.send_message(QueueUrl=event["queue"], MessageBody="hello")
    try:
        s3.put_object(Bucket="photos", Key="k", Body=b"x")
    except s3.exceptions.ClientError as error:
        refused = error.response["Error"]["Code"]
    return {"who": sts.get_caller_identity()["Arn"], "refused": refused}

def call(event, context):
    return boto3.client("lambda").invoke(FunctionName="last")["StatusCode"]

def wait(event, context):
    return sqs.receive_message(QueueUrl=event["queue"], WaitTimeSeconds=20).get("Messages")

def web(event, context):
    return {"statusCode": 200, "body": event["rawPath"]}
"""


@asynccontextmanager
async def served(bus: EventBus) -> AsyncIterator[str]:
    """The address of a bus that is run and served."""
    async with bus, anyio.create_task_group() as tasks:
        ready, ports = anyio.Event(), []

        def listening(host: str, port: int) -> None:
            ports.append(port)
            ready.set()

        tasks.start_soon(partial(serve, App(bus), "127.0.0.1", 0, listening=listening))
        await ready.wait()
        yield f"http://127.0.0.1:{ports[0]}"
        tasks.cancel_scope.cancel()


def client(service: str, url: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def create(url: str, role: str, name: str = "f", handler: str = "app.handler") -> None:
    client("lambda", url).create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler=handler,
        Role=role,
        Timeout=60,
        MemorySize=512,
        Code={"ZipFile": zipped(app=CODE)},
    )


async def test_a_handler_in_a_process_calls_the_bus_as_its_role() -> None:
    """What its role allows is done and hangs below the invocation in the trace; what it doesn't is refused."""
    bus = EventBus(clock=VirtualClock(), seed=1)
    S3(bus).create_bucket("photos")
    queue = SQS(bus).create_queue("q")

    def flow(url: str) -> Any:
        role = made_role(client("iam", url), Action="sqs:SendMessage", Resource=queue.arn)
        create(url, role)
        answer = client("lambda", url).invoke(FunctionName="f", Payload=json.dumps({"queue": queue.url}))
        return json.load(answer["Payload"])

    async with served(bus) as url:
        answer = await anyio.to_thread.run_sync(flow, url)
    assert answer == {"who": "arn:aws:sts::123456789012:assumed-role/role/f", "refused": "AccessDenied"}
    assert queue.statistics().visible == 1
    assert [line.strip("└─ ").split("/")[0] for line in str(bus.trace).splitlines()][1:] == ["send q"]


async def test_what_a_process_invokes_belongs_to_its_chain() -> None:
    """Its keys tell which invocation is at work: so loops are found that go through processes."""
    bus = EventBus(clock=VirtualClock(), seed=1)
    bus.add_function("last", lambda event, context: "done")

    def flow(url: str) -> Any:
        role = made_role(client("iam", url), Action="lambda:InvokeFunction", Resource="*")
        create(url, role, handler="app.call")
        return json.load(client("lambda", url).invoke(FunctionName="f")["Payload"])

    async with served(bus) as url:
        assert await anyio.to_thread.run_sync(flow, url) == 200
    assert [line.removesuffix("  ✓ finished") for line in str(bus.trace).splitlines()] == [
        "arn:aws:iam::123456789012:root → λ f",
        "└─ λ last",
    ]


async def test_virtual_time_passes_while_a_process_waits_at_the_bus() -> None:
    """Twenty seconds of long polling in a handler take no time."""
    bus = EventBus(clock=VirtualClock(), seed=1)
    queue = SQS(bus).create_queue("q")

    def flow(url: str) -> None:
        role = made_role(client("iam", url), Action="sqs:ReceiveMessage", Resource=queue.arn)
        create(url, role, handler="app.wait")
        event = {"InvocationType": "Event", "Payload": json.dumps({"queue": queue.url})}
        client("lambda", url).invoke(FunctionName="f", **event)

    async with served(bus) as url:
        await anyio.to_thread.run_sync(flow, url)
        await bus.wait_idle(30)
        assert bus.statistics().finished == 1
        assert isinstance(bus.clock, VirtualClock)
        assert bus.clock.elapsed >= 20


async def test_the_code_can_be_fetched_where_get_function_says() -> None:
    bus = EventBus(clock=VirtualClock(), seed=1)

    def flow(url: str) -> bytes:
        create(url, made_role(client("iam", url)))
        location = client("lambda", url).get_function(FunctionName="f")["Code"]["Location"]
        with urllib.request.urlopen(location) as answer:
            found: bytes = answer.read()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{location}0")
        return found

    async with served(bus) as url:
        assert await anyio.to_thread.run_sync(flow, url) == zipped(app=CODE)


async def test_a_functions_url_is_called_at_the_port() -> None:
    """By its host name; only once the policy lets everybody in."""
    bus = EventBus(clock=VirtualClock(), seed=1)

    def flow(url: str) -> str:
        create(url, made_role(client("iam", url)), handler="app.web")
        functions = client("lambda", url)
        address = functions.create_function_url_config(FunctionName="f", AuthType="NONE")["FunctionUrl"]
        host = address.removeprefix("http://").rstrip("/")
        request = urllib.request.Request(f"{url}/hello", headers={"Host": host})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(request)
        for sid, action, more in (
            ("url", "lambda:InvokeFunctionUrl", {"FunctionUrlAuthType": "NONE"}),
            ("call", "lambda:InvokeFunction", {"InvokedViaFunctionUrl": True}),
        ):
            functions.add_permission(FunctionName="f", StatementId=sid, Action=action, Principal="*", **more)
        with urllib.request.urlopen(request) as answer:
            text: str = answer.read().decode()
        return text

    async with served(bus) as url:
        assert await anyio.to_thread.run_sync(flow, url) == "/hello"


async def test_keys_of_an_environment_are_good_while_it_lives() -> None:
    """New code means new environments: the old one's keys are nobody's."""
    bus = EventBus(clock=VirtualClock(), seed=1)

    def flow(url: str) -> list[str]:
        role = made_role(client("iam", url))
        code = "import os\ndef handler(event, context):\n    return [os.environ[k] for k in event]\n"
        functions = client("lambda", url)
        functions.create_function(
            FunctionName="f", Runtime="python3.13", Handler="app.handler", Role=role, Code={"ZipFile": zipped(app=code)}
        )
        names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"]
        keys: list[str] = json.load(functions.invoke(FunctionName="f", Payload=json.dumps(names))["Payload"])
        return keys

    async with served(bus) as url:
        key, secret, token, endpoint = await anyio.to_thread.run_sync(flow, url)
        assert endpoint == url
        theirs = partial(
            boto3.client,
            "sts",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
        )
        who = await anyio.to_thread.run_sync(lambda: theirs().get_caller_identity()["Arn"])
        assert who == "arn:aws:sts::123456789012:assumed-role/role/f"
        bus.functions["f"].update_configuration(timeout=9)
        await anyio.to_thread.run_sync(lambda: client("lambda", url).invoke(FunctionName="f", Payload=b"[]"))
        with pytest.raises(Exception, match="InvalidClientTokenId"):
            await anyio.to_thread.run_sync(lambda: theirs().get_caller_identity())
