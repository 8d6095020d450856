"""The server of both fronts against clients that go away, say too much, or speak something else."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread
import pytest

from triggers import connection
from triggers import serving as module
from triggers.connection import Application, Receive, Send
from triggers.serving import serving

pytestmark = pytest.mark.anyio


def frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + body


HTTP2_HEAD = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 4, 1, b"\x82\x86\x84\x41\x09localhost")
)
HTTP2_DATA = frame(0, 0, 1, b"abc")


async def answer(scope: Any, receive: Receive, send: Send) -> None:
    """Answers `/big` with much, `/slow` when the client has gone, `/fault` not at all, `/torn` by half."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    path, size = scope["path"], 2
    if path == "/fault":
        raise ZeroDivisionError
    if path == "/slow":
        while (await receive())["type"] != "http.disconnect":
            pass
    if path == "/big":
        size = 5_000_000
    headers = [] if path == "/torn" else [(b"content-length", b"%d" % size)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"x" * size, "more_body": path == "/torn"})
    if path == "/torn":
        raise ZeroDivisionError


class Client:
    """A raw socket in a thread, so that it can be as rude as it likes."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=10)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def rest(self) -> bytes:
        found = b""
        with self.socket:
            try:
                while piece := self.socket.recv(65_536):
                    found += piece
            except ConnectionError:
                pass
        return found


def get(path: str, *more: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *more, "", ""]).encode()


def ask(address: tuple[str, int], data: bytes) -> bytes:
    client = Client(address)
    client.send(data)
    return client.rest()


async def over(rude: Callable[[tuple[str, int]], Any], app: Application = answer) -> Any:
    """What a rude client got; and the next one is served."""
    with anyio.fail_after(30):
        async with serving(app) as address:
            got = await anyio.to_thread.run_sync(rude, address)
            after = await anyio.to_thread.run_sync(ask, address, get("/", "Connection: close"))
    assert after.startswith(b"HTTP/1.1 200")
    return got


@pytest.mark.parametrize("path", ["/", "/big", "/slow", "/torn"])
@pytest.mark.parametrize("after", [0, 1, 100])
async def test_a_client_that_resets_ends_its_connection_alone(path: str, after: int) -> None:
    def rude(address: tuple[str, int]) -> None:
        for _ in range(5):
            client = Client(address)
            client.send(get(path))
            if after and path not in ("/slow",):
                client.socket.recv(after)
            client.reset()

    await over(rude)


async def test_a_frame_for_a_stream_of_http_2_that_has_ended_ends_nothing() -> None:
    """These 80 bytes end the server, and with it the bus, where Hypercorn 0.18 serves on trio."""

    def rude(address: tuple[str, int]) -> bytes:
        client = Client(address)
        client.send(HTTP2_HEAD)
        client.socket.recv(1)
        client.send(HTTP2_DATA)
        return client.rest()

    await over(rude)


async def test_what_an_application_raises_is_answered_or_breaks_the_answer_off() -> None:
    assert (await over(lambda at: ask(at, get("/fault")))).startswith(b"HTTP/1.1 500")
    torn = await over(lambda at: ask(at, get("/torn")))
    assert torn.startswith(b"HTTP/1.1 200")
    assert not torn.endswith(b"0\r\n\r\n")


async def test_pipelined_requests_are_answered_in_their_order() -> None:
    got = await over(lambda at: ask(at, get("/") + get("/fault")))
    assert got.index(b" 200 ") < got.index(b" 500 ")


async def test_an_answer_that_isnt_http_is_a_fault_of_the_application() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        bad = [] if scope["path"] == "/" else [(b"x", b"a\r\nSet-Cookie: b")]
        await send({"type": "http.response.start", "status": 200, "headers": [*bad, (b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    got = await over(lambda at: ask(at, get("/x")), app)
    assert got.startswith(b"HTTP/1.1 500")
    assert b"Set-Cookie" not in got


async def test_connections_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECTIONS", 3)

    def rude(address: tuple[str, int]) -> bytes:
        idle = [Client(address) for _ in range(3)]
        for client in idle:  # each is being attended once it has been answered
            client.send(get("/"))
            client.socket.recv(1000)
        refused = ask(address, b"")
        for client in idle:
            client.reset()
        return refused

    assert await over(rude) == b""


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: loc"])
async def test_a_head_has_its_time(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(module, "HEAD_TIME", 0.05)
    assert await over(lambda at: ask(at, sent)) == b""


async def test_who_does_not_take_the_answer_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SEND_TIME", 0.05)
    let_go = anyio.Event()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        if scope["path"] == "/":
            await answer(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x" * 1_000_000, "more_body": True})
        finally:
            let_go.set()

    with anyio.fail_after(20):
        async with serving(app) as address:
            client = await anyio.to_thread.run_sync(Client, address)
            await anyio.to_thread.run_sync(client.send, get("/endless"))
            await let_go.wait()
            client.socket.close()


async def test_leaving_cuts_off_who_asks_for_nothing() -> None:
    with anyio.fail_after(10):
        async with serving(answer, grace=60) as address:
            client = await anyio.to_thread.run_sync(Client, address)
            await anyio.to_thread.run_sync(client.send, get("/"))
            await anyio.to_thread.run_sync(client.socket.recv, 1000)
    client.socket.close()


async def test_leaving_gives_up_who_takes_too_long() -> None:
    with anyio.fail_after(10):
        async with serving(answer, grace=0.05) as address:
            client = await anyio.to_thread.run_sync(Client, address)
            await anyio.to_thread.run_sync(client.send, get("/slow"))
    assert await anyio.to_thread.run_sync(client.rest) == b""
