"""InvokeWithResponseStream: chunks reach boto3 while the handler still writes."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.to_thread
import boto3
import pytest
from botocore.exceptions import ClientError

from eventbus import EventBus
from triggers.aws import AWS

pytestmark = pytest.mark.anyio


def opened(name: str = "talk") -> Any:
    return boto3.client("lambda", region_name="us-east-1").invoke_with_response_stream(FunctionName=name)


def payload(event: Any) -> bytes:
    data: bytes = event["PayloadChunk"]["Payload"]
    return data


async def test_a_chunk_is_here_before_the_next_one_is_written(bus: EventBus, aws: AWS) -> None:
    go = anyio.Event()

    @bus.function
    async def talk(event: Any, context: Any) -> Any:
        yield "one"
        await go.wait()
        yield "two"

    def read() -> list[Any]:
        answer = opened()
        assert answer["ExecutedVersion"] == "$LATEST"
        assert len(answer["ResponseMetadata"]["RequestId"]) == 36
        stream = iter(answer["EventStream"])
        first = payload(next(stream))
        bus.from_thread_sync(go.set)
        return [first, *stream]

    with anyio.fail_after(20):
        async with bus:
            first, second, end = await anyio.to_thread.run_sync(read)
    assert (first, payload(second), end) == (b"one", b"two", {"InvokeComplete": {}})


async def test_a_handler_is_at_most_a_few_chunks_ahead_of_its_client(bus: EventBus, aws: AWS) -> None:
    written = 0

    @bus.function
    async def talk(event: Any, context: Any) -> Any:
        nonlocal written
        for number in range(100):
            written = number + 1
            yield str(number)

    async with bus:
        answer = await anyio.to_thread.run_sync(opened)
        await anyio.wait_all_tasks_blocked()
        assert written < 20
        events = await anyio.to_thread.run_sync(list, answer["EventStream"])
        assert [payload(event) for event in events[:-1]] == [str(n).encode() for n in range(100)]


async def test_a_function_runs_on_when_the_client_has_gone(bus: EventBus, aws: AWS) -> None:
    chunks: list[int] = []

    @bus.function
    async def talk(event: Any, context: Any) -> Any:
        for number in range(100):
            yield str(number)
            chunks.append(number)

    async with bus:
        answer = await anyio.to_thread.run_sync(opened)
        await anyio.to_thread.run_sync(answer["EventStream"].close)
        await bus.wait_idle()
    assert chunks == list(range(100))


async def test_what_fails_on_the_way_ends_the_stream_with_the_error(bus: EventBus, aws: AWS) -> None:
    @bus.function
    async def talk(event: Any, context: Any) -> Any:
        yield "one"
        raise ValueError("no more")

    async with bus:
        answer = await anyio.to_thread.run_sync(opened)
        first, end = await anyio.to_thread.run_sync(list, answer["EventStream"])
    assert payload(first) == b"one"
    assert end["InvokeComplete"]["ErrorCode"] == "ValueError"


async def test_what_is_refused_before_it_begins_is_an_error_of_the_operation(bus: EventBus, aws: AWS) -> None:
    @bus.function(reserved_concurrency=0)
    async def talk(event: Any, context: Any) -> Any:
        yield "one"

    async with bus:
        with pytest.raises(ClientError, match="TooManyRequestsException"):
            await anyio.to_thread.run_sync(opened)
        await bus.wait_idle()


async def test_a_handler_invokes_as_its_role_and_is_the_cause(bus: EventBus, aws: AWS) -> None:
    """The invocation is a task of its own, and still the caller's."""
    refused: list[str] = []

    @bus.function
    async def talk(event: Any, context: Any) -> Any:
        yield "one"

    @bus.function
    def asks(event: Any, context: Any) -> Any:
        try:
            opened()
        except ClientError as error:
            refused.append(error.response["Error"]["Code"])
            asks.role.allow("lambda:InvokeFunction", talk)
        return payload(next(iter(opened()["EventStream"]))).decode()

    async with bus:
        result = await bus.invoke(asks)
        await bus.wait_idle()
        (root,) = bus.trace.tree()
    assert refused == ["AccessDeniedException"]
    assert result.payload == "one"
    assert [child["what"] for child in root["children"]] == ["talk"]


async def test_on_the_event_loops_own_thread_the_error_says_what_to_do(bus: EventBus, aws: AWS) -> None:
    @bus.function
    async def talk(event: Any, context: Any) -> Any:
        yield "one"

    async with bus:
        with pytest.raises(ClientError, match=r"await bus\.invoke\(\.\.\., sink=\.\.\.\), or call from a thread"):
            opened()
