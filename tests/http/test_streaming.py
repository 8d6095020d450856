"""Handlers that are async generators, and function URLs that send what they yield as they yield it."""

from __future__ import annotations

from typing import Any

import anyio
import httpx2
import pytest

from eventbus.bus import EventBus
from triggers.http import FunctionUrl, HttpApi, StreamBroken, serve

pytestmark = pytest.mark.anyio
HEAD = {"statusCode": 201, "headers": {"Content-Type": "text/plain", "X-A": "1"}, "cookies": ["a=1"]}


@pytest.fixture
def bus() -> EventBus:
    return EventBus(seed=7)


def streamed(bus: EventBus, handler: Any, **options: Any) -> FunctionUrl:
    return FunctionUrl(bus, bus.add_function("f", handler, **options), invoke_mode="RESPONSE_STREAM", grant=True)


async def test_metadata_and_chunks(bus: EventBus) -> None:
    """The dict is the head; text and bytes are the body."""

    async def handler(event: Any, context: Any) -> Any:
        yield HEAD
        yield "one "
        yield b"two"

    url = streamed(bus, handler)
    async with bus:
        response = await url.request("GET", "/")
    assert (response.status_code, response.text, response.cookies) == (201, "one two", {"a": "1"})
    assert (response.headers["content-type"], response.headers["x-a"]) == ("text/plain", "1")


async def test_a_stream_without_metadata(bus: EventBus) -> None:
    async def handler(event: Any, context: Any) -> Any:
        yield b"\xff"

    url = streamed(bus, handler)
    async with bus:
        response = await url.request("GET", "/")
    assert (response.status_code, response.body) == (200, b"\xff")
    assert response.headers["content-type"] == "application/octet-stream"


async def test_each_chunk_arrives_before_the_next_is_made(bus: EventBus) -> None:
    """Over a real connection: the function waits for the client to have seen the first part."""
    seen = anyio.Event()

    async def handler(event: Any, context: Any) -> Any:
        yield HEAD
        yield "first"
        await seen.wait()
        yield "second"

    url = streamed(bus, handler, timeout=60)
    parts = []
    async with bus, serve(url) as at, httpx2.AsyncClient(trust_env=False) as http, http.stream("GET", at) as response:
        assert response.status_code == 201
        async for part in response.aiter_text():
            parts.append(part)
            seen.set()
    assert parts == ["first", "second"]


async def test_a_head_request_to_a_stream_has_no_body(bus: EventBus) -> None:
    """Over a real connection, which is good for another request then."""

    async def handler(event: Any, context: Any) -> Any:
        yield HEAD
        yield "body"

    url = streamed(bus, handler)
    async with bus, serve(url) as address, httpx2.AsyncClient(trust_env=False) as http:
        head = await http.head(address)
        assert (head.status_code, head.content) == (201, b"")
        assert (await http.get(address)).text == "body"


async def test_a_failure_before_anything_was_written(bus: EventBus) -> None:
    """An answer like that of any function that fails."""

    async def handler(event: Any, context: Any) -> Any:
        if event:
            raise ValueError("boom")
        yield b""

    url = streamed(bus, handler)
    async with bus:
        response = await url.request("GET", "/")
    assert (response.status_code, response.text) == (502, "Internal Server Error")


async def test_a_failure_in_the_middle_breaks_the_connection_off(bus: EventBus) -> None:
    """The client cannot take the first part for the whole; in process the call raises."""

    async def handler(event: Any, context: Any) -> Any:
        yield "first"
        raise ValueError("boom")

    url = streamed(bus, handler)
    async with bus:
        with pytest.raises(StreamBroken, match="f failed in the middle of its answer: ValueError: boom"):
            await url.request("GET", "/")
        async with serve(url) as address, httpx2.AsyncClient(trust_env=False) as http:
            with pytest.raises(httpx2.RemoteProtocolError):
                await http.get(address)
            assert bus.metrics.query("Errors", bus.functions["f"]).sum == 2


async def test_a_client_that_goes_does_not_stop_the_function(bus: EventBus) -> None:
    """As on AWS it runs to its end, with nobody reading."""
    ended, gone = anyio.Event(), anyio.Event()

    async def handler(event: Any, context: Any) -> Any:
        yield "first"
        await gone.wait()
        for _ in range(100):
            yield "more"
        ended.set()

    url = streamed(bus, handler, timeout=60)
    async with bus, serve(url) as address:
        async with await anyio.connect_tcp("127.0.0.1", int(address.rpartition(":")[2])) as connection:
            await connection.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            received = b""
            while b"first" not in received:
                received += await connection.receive()
        gone.set()
        with anyio.fail_after(20):
            await ended.wait()
            await bus.wait_idle()
    assert bus.metrics.query("Errors", bus.functions["f"]).sum == 0


async def test_a_server_that_says_by_raising_that_the_client_has_gone(bus: EventBus) -> None:
    """The error is the server's own; the function runs to its end."""
    ended = anyio.Event()

    async def handler(event: Any, context: Any) -> Any:
        for _ in range(100):
            yield "more"
        ended.set()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)
        if len(sent) == 3:
            raise ConnectionResetError

    url = streamed(bus, handler)
    async with bus:
        with pytest.raises(ConnectionResetError):
            await url({"type": "http", "method": "GET", "path": "/", "headers": []}, receive, send)
        with anyio.fail_after(20):
            await ended.wait()
            await bus.wait_idle()
    assert len(sent) == 3


async def test_what_a_handler_may_not_yield(bus: EventBus) -> None:
    """A dict is for the beginning; a number is no chunk."""

    async def number(event: Any, context: Any) -> Any:
        yield 3

    async def late(event: Any, context: Any) -> Any:
        yield "first"
        yield {"statusCode": 200}

    async with bus:
        for name, handler in (("number", number), ("late", late)):
            result = await bus.invoke(bus.add_function(name, handler))
            assert result.payload["errorType"] == "TypeError"


async def test_malformed_metadata(bus: EventBus) -> None:
    async def handler(event: Any, context: Any) -> Any:
        yield {"statusCode": "x"}
        yield "body"

    url = streamed(bus, handler)
    async with bus:
        assert (await url.request("GET", "/")).status_code == 502


async def test_everybody_else_gets_the_whole(bus: EventBus) -> None:
    """A direct caller the text, an API the answer; bytes as base64."""

    async def text(event: Any, context: Any) -> Any:
        yield "one "
        yield "two"

    async def page(event: Any, context: Any) -> Any:
        yield HEAD
        yield b"\xff"

    api = HttpApi(bus)
    api.route("GET /", bus.add_function("page", page), grant=True)
    async with bus:
        assert (await bus.invoke(bus.add_function("text", text))).payload == "one two"
        response = await api.request("GET", "/")
    assert (response.status_code, response.body, response.cookies) == (201, b"\xff", {"a": "1"})


async def test_a_plain_handler_behind_a_streaming_url(bus: EventBus) -> None:
    """Answers at its end."""

    async def handler(event: Any, context: Any) -> Any:
        return {"statusCode": 202, "body": "whole"}

    url = streamed(bus, handler)
    async with bus:
        response = await url.request("GET", "/")
    assert (response.status_code, response.text) == (202, "whole")


async def test_a_streaming_function_that_is_throttled(bus: EventBus) -> None:
    async def handler(event: Any, context: Any) -> Any:
        yield ""

    url = streamed(bus, handler, reserved_concurrency=0)
    async with bus:
        assert (await url.request("GET", "/")).status_code == 429


async def test_a_stream_that_overruns(bus: EventBus) -> None:
    """The time limit ends it in the middle."""

    async def handler(event: Any, context: Any) -> Any:
        yield "first"
        await anyio.sleep_forever()

    url = streamed(bus, handler, timeout=0.05)
    async with bus:
        with pytest.raises(StreamBroken, match="timed out"):
            await url.request("GET", "/")
