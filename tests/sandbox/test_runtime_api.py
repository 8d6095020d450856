"""The Runtime API on the wire, as a client that does everything wrong sees it."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import pytest

from eventbus.execution.sandbox.runtime_api import Invocation, RuntimeApi
from eventbus.execution.sandbox.states import State
from eventbus.execution.sandbox.values import MAX_RESPONSE, Answer, Failure, Request

pytestmark = pytest.mark.anyio

NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"
OK = (202, b'{"status":"OK"}\n')


class Client:
    """One connection, and nothing between it and the bytes."""

    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self.stream = stream
        self.received = b""

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        while b"\r\n\r\n" not in self.received:
            self.received += await self.stream.receive()
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        length = int(headers.get("Content-Length", 0))
        while len(self.received) < length:
            self.received += await self.stream.receive()
        body, self.received = self.received[:length], self.received[length:]
        return int(first.split()[1]), headers, body

    async def ask(self, data: bytes) -> tuple[int, bytes]:
        await self.stream.send(data)
        status, _, body = await self.answer()
        return status, body

    async def post(self, path: str, body: bytes, *headers: str) -> tuple[int, bytes]:
        lines = [f"POST /2018-06-01/runtime/{path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
        return await self.ask("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


@asynccontextmanager
async def served(*ids: str) -> AsyncIterator[tuple[RuntimeApi, Client]]:
    """An API with an event, if there is an id, and a client."""
    async with anyio.create_task_group() as tasks:
        api = RuntimeApi(lambda: None)
        await api.open(tasks)
        for request_id in ids:
            offer(api, request_id)
        try:
            async with await connect(api) as stream:
                yield api, Client(stream)
        finally:
            await api.aclose()


async def connect(api: RuntimeApi) -> anyio.abc.SocketStream:
    host, _, port = api.address.partition(":")
    return await anyio.connect_tcp(host, int(port))


def offer(api: RuntimeApi, request_id: str, **options: Any) -> Invocation:
    invocation = Invocation(Request(request_id=request_id, payload=b'{"a":1}', timeout=3, **options), 1_700_000_000_000)
    api.offer(invocation)
    return invocation


def refused(error_type: str, message: str) -> bytes:
    return json.dumps({"errorMessage": message, "errorType": error_type}, separators=(",", ":")).encode() + b"\n"


async def test_next_carries_the_event_and_what_belongs_to_it() -> None:
    """With exactly this content type; headers without a value are left out."""
    async with served() as (api, client):
        offer(api, "r1", arn="arn:f", client_context='{"custom":{}}', trace_id="Root=1")
        await client.stream.send(NEXT)
        assert await client.answer() == (
            200,
            {
                "Content-Type": "application/json",
                "Lambda-Runtime-Aws-Request-Id": "r1",
                "Lambda-Runtime-Deadline-Ms": "1700000000000",
                "Lambda-Runtime-Invoked-Function-Arn": "arn:f",
                "Lambda-Runtime-Trace-Id": "Root=1",
                "Lambda-Runtime-Client-Context": '{"custom":{}}',
                "Content-Length": "7",
            },
            b'{"a":1}',
        )


async def test_an_answer_ends_the_invocation() -> None:
    """Byte for byte, with its content type; the next question waits for the next event."""
    async with served("r1") as (api, client):
        assert (await client.ask(NEXT))[0] == 200
        assert await client.post("invocation/r1/response", b" [1] ", "Content-Type: text/x") == OK
        assert api.invocation is not None
        assert api.invocation.outcome == Answer(b" [1] ", "text/x")
        await client.stream.send(NEXT)
        offer(api, "r2")
        assert (await client.answer())[1]["Lambda-Runtime-Aws-Request-Id"] == "r2"


async def test_an_error_is_handed_on_as_it_is() -> None:
    """With the type that its header names."""
    async with served("r1") as (api, client):
        await client.ask(NEXT)
        header = "Lambda-Runtime-Function-Error-Type: Runtime.Odd"
        assert await client.post("invocation/r1/error", b"no JSON", header) == OK
        assert api.invocation is not None
        assert api.invocation.outcome == Failure(b"no JSON", "Runtime.Odd", "failure")


async def test_an_error_that_is_too_large_is_replaced() -> None:
    """By the one that a response would have."""
    async with served("r1") as (api, client):
        await client.ask(NEXT)
        assert await client.post("invocation/r1/error", b"x" * (MAX_RESPONSE + 1)) == OK
        assert api.invocation is not None
        assert isinstance(api.invocation.outcome, Failure)
        assert api.invocation.outcome.error_type == "Function.ResponseSizeTooLarge"


async def test_next_while_an_event_runs_delivers_it_again() -> None:
    """As the interface emulator does."""
    async with served("r1") as (_, client):
        assert await client.ask(NEXT) == (200, b'{"a":1}')
        assert await client.ask(NEXT) == (200, b'{"a":1}')


async def test_a_second_answer_is_refused_and_the_first_counts() -> None:
    """Its id is no longer that of an event that runs."""
    invalid = (400, refused("InvalidRequestID", "Invalid request ID"))
    async with served("r1") as (api, client):
        await client.ask(NEXT)
        assert await client.post("invocation/other/response", b"0") == invalid
        await client.post("invocation/r1/response", b"1")
        assert await client.post("invocation/r1/response", b"2") == invalid
        assert await client.post("invocation/r1/error", b"{}") == invalid
        assert api.invocation is not None
        assert api.invocation.outcome == Answer(b"1")


async def test_what_is_out_of_order_is_refused_by_state() -> None:
    """403, with both states in the text."""
    async with served("r1") as (api, client):
        status, body = await client.post("invocation/r1/response", b"1")
        text = "State transition from Started to InvocationResponse failed for runtime. "
        assert (status, body) == (
            403,
            refused("InvalidStateTransition", f"{text}Error: State transition is not allowed"),
        )
        await client.ask(NEXT)
        assert (await client.post("init/error", b"{}"))[0] == 403
        assert (await client.ask(b"GET /2018-06-01/runtime/restore/next HTTP/1.1\r\nHost: x\r\n\r\n"))[0] == 403
        assert (await client.post("restore/error", b"{}"))[0] == 403
        assert api.state is State.RUNNING


async def test_an_error_of_the_initialisation_is_kept() -> None:
    """Answered with 202, which the official client demands."""
    async with served() as (api, client):
        assert await client.post("init/error", b"{}", "Lambda-Runtime-Function-Error-Type: X.Y") == OK
        assert api.init_failure == Failure(b"{}", "X.Y", "failure")
        assert (await client.ask(NEXT))[0] == 403


async def test_an_answer_that_is_too_large_is_refused() -> None:
    """One byte more than 6 MiB + 100: the caller hears of it, the client may go on."""
    async with served("r1") as (api, client):
        await client.ask(NEXT)
        text = "Exceeded maximum allowed payload size (6291556 bytes)."
        assert await client.post("invocation/r1/response", b"x" * (MAX_RESPONSE + 1)) == (
            413,
            refused("RequestEntityTooLarge", text),
        )
        assert api.invocation is not None
        assert isinstance(api.invocation.outcome, Failure)
        assert json.loads(api.invocation.outcome.document) == {
            "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
            "errorType": "Function.ResponseSizeTooLarge",
        }
        offer(api, "r2")
        assert (await client.ask(NEXT))[0] == 200
        assert await client.post("invocation/r2/response", b"x" * MAX_RESPONSE) == OK


def chunked(request_id: str, *chunks: bytes, mode: str = "streaming", trailers: str = "") -> bytes:
    head = (
        f"POST /2018-06-01/runtime/invocation/{request_id}/response HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked"
    )
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    mode = f"Lambda-Runtime-Function-Response-Mode: {mode}"
    return f"{head}\r\n{mode}\r\n\r\n".encode() + body + f"0\r\n{trailers}\r\n".encode()


async def test_a_streamed_answer_is_put_together() -> None:
    """And may be larger than a buffered one."""
    async with served("r1") as (api, client):
        await client.ask(NEXT)
        assert await client.ask(chunked("r1", b"x" * MAX_RESPONSE, b"yz")) == OK
        assert api.invocation is not None
        assert api.invocation.outcome == Answer(b"x" * MAX_RESPONSE + b"yz", "application/json", is_streamed=True)


async def test_a_stream_that_breaks_off_says_why_in_its_trailers() -> None:
    """The body of the error is base64."""
    document = b'{"errorMessage":"half way","errorType":"Odd"}'
    trailers = (
        "Lambda-Runtime-Function-Error-Type: Odd\r\n"
        f"Lambda-Runtime-Function-Error-Body: {base64.b64encode(document).decode()}\r\n"
    )
    async with served("r1") as (api, client):
        await client.ask(NEXT)
        assert await client.ask(chunked("r1", b"half", trailers=trailers)) == OK
        assert api.invocation is not None
        assert api.invocation.outcome == Failure(document, "Odd", "failure")


async def test_an_unknown_response_mode_fails_the_invocation() -> None:
    """The client hears 400."""
    async with served("r1") as (api, client):
        await client.ask(NEXT)
        assert await client.ask(chunked("r1", b"1", mode="torrent")) == (
            400,
            refused("InvalidFunctionResponseMode", "Invalid function response mode"),
        )
        assert api.invocation is not None
        assert isinstance(api.invocation.outcome, Failure)
        assert api.invocation.outcome.error_type == "Runtime.InvalidResponseModeHeader"


async def test_an_answer_that_breaks_off_is_none() -> None:
    """400, and the event still runs: another connection may answer it."""
    async with served("r1") as (api, client):
        await client.ask(NEXT)
        async with await connect(api) as stream:
            other = Client(stream)
            head = (
                b"POST /2018-06-01/runtime/invocation/r1/response HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12"
            )
            await stream.send(head)
            await stream.send_eof()
            status, _, body = await other.answer()
            assert (status, body) == (400, refused("TruncatedHTTPRequest", "HTTP request detected as truncated"))
        assert await client.post("invocation/r1/response", b"1") == OK


GARBAGE = [b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\0" * 100_000, b"x" * 100_000]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
async def test_garbage_ends_its_own_connection_only(garbage: bytes) -> None:
    """The bus and other connections go on."""
    async with served("r1") as (api, client):
        async with await connect(api) as stream:
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                await stream.send(garbage)
                await stream.send_eof()
                while True:
                    await stream.receive()
        assert await client.ask(NEXT) == (200, b'{"a":1}')


@pytest.mark.parametrize(
    ("request_", "status", "text"),
    [
        (b"GET /2018-06-01/ping HTTP/1.1\r\nHost: x\r\n\r\n", 200, b"pong"),
        (b"GET /elsewhere HTTP/1.1\r\nHost: x\r\n\r\n", 404, b"404 page not found\n"),
        (b"GET /2018-06-01/runtime/nothing HTTP/1.1\r\nHost: x\r\n\r\n", 404, b"404 page not found\n"),
        (b"DELETE /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n", 405, b""),
        (b"GET /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: x\r\n\r\n", 405, b""),
    ],
)
async def test_other_paths_and_methods_are_answered_as_by_the_emulator(
    request_: bytes, status: int, text: bytes
) -> None:
    """And the connection goes on."""
    async with served() as (_, client):
        assert await client.ask(request_) == (status, text)
        assert await client.ask(request_) == (status, text)


async def test_a_client_that_waits_for_100_continue_is_told_to() -> None:
    """curl does so before large bodies."""
    async with served("r1") as (_, client):
        await client.ask(NEXT)
        head = b"POST /2018-06-01/runtime/invocation/r1/response HTTP/1.1\r\nHost: x\r\n"
        status, _ = await client.ask(head + b"Content-Length: 1\r\nExpect: 100-continue\r\n\r\n")
        assert status == 100
        assert await client.ask(b"1") == OK


async def test_a_new_runtime_begins_anew() -> None:
    """The connections of the old one are cut, its event is forgotten."""
    async with served("r1") as (api, client):
        await client.ask(NEXT)
        api.reset()
        with pytest.raises(anyio.EndOfStream):
            await client.stream.receive()
        assert api.state is State.STARTED
        assert api.invocation is None
