"""APIs on a port, driven by a real client and by raw sockets."""

from __future__ import annotations

from typing import Any

import anyio
import httpx2
import pytest

from eventbus.bus import EventBus
from eventbus.errors import BusNotRunning, ConfigurationError
from eventbus.testing import Recorder
from triggers.http import HttpApi, RestApi, serve

pytestmark = pytest.mark.anyio


@pytest.fixture
def bus() -> EventBus:
    return EventBus(seed=7)


def client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(trust_env=False)


async def test_a_request_over_a_port(bus: EventBus, rest: RestApi) -> None:
    """Header names arrive as they were sent, the address is that of the client, connections are kept."""
    recorder = Recorder(result={"statusCode": 200, "multiValueHeaders": {"X-Many": ["a", "b"]}, "body": "ok"})
    rest.route("POST /in/{id}", bus.add_function("f", recorder), grant=True)
    async with bus, rest.serve() as url, client() as http:
        for _ in range(3):
            response = await http.post(f"{url}/prod/in/a%2Fb?q=1", content=b"body", headers={"X-MiXed": "1"})
            assert (response.status_code, response.text) == (200, "ok")
    assert url.startswith("http://127.0.0.1:")
    assert response.headers.get_list("x-many") == ["a", "b"]
    event = recorder.events[0]
    assert (event["headers"]["X-MiXed"], event["pathParameters"], event["path"]) == ("1", {"id": "a/b"}, "/in/a%2Fb")
    assert event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"


async def test_many_at_once(bus: EventBus, api: HttpApi) -> None:
    """Each gets its own answer."""

    @api.on("GET /{n}")
    async def echo(event: Any, context: Any) -> Any:
        await anyio.lowlevel.checkpoint()
        return event["pathParameters"]["n"]

    answers: list[str] = [""] * 50
    async with bus, serve(api) as url, client() as http, anyio.create_task_group() as tasks:

        async def get(n: int) -> None:
            answers[n] = (await http.get(f"{url}/{n}")).text

        for n in range(50):
            tasks.start_soon(get, n)
    assert answers == [str(n) for n in range(50)]


async def test_leaving_lets_a_running_request_finish(bus: EventBus, api: HttpApi) -> None:
    """Within the grace time; the port is closed then."""
    inside, release = anyio.Event(), anyio.Event()

    @api.on("GET /")
    async def slow(event: Any, context: Any) -> Any:
        inside.set()
        await release.wait()
        return "done"

    answers = []
    async with bus, client() as http, anyio.create_task_group() as tasks:

        async def get(url: str) -> None:
            answers.append((await http.get(url)).text)

        async with serve(api) as url:
            tasks.start_soon(get, url)
            await inside.wait()
            tasks.start_soon(_soon, release)
        with pytest.raises(httpx2.ConnectError):
            await http.get(url)
    assert answers == ["done"]


async def _soon(event: anyio.Event) -> None:
    for _ in range(20):
        await anyio.lowlevel.checkpoint()
    event.set()


async def raw(url: str, data: bytes) -> bytes:
    """What the server answers to bytes as they are, and the end after them."""
    host, port = url.removeprefix("http://").split(":")
    received = b""
    async with await anyio.connect_tcp(host, int(port)) as stream:
        await stream.send(data)
        await stream.send_eof()
        try:
            while True:
                received += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return received


POST = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
HOSTILE = {
    "both lengths": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x",
    "no HTTP": b"\x16\x03\x01\x00\xa5nonsense\r\n\r\n",
    "an endless head": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 70_000,
    "a huge chunk": POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
    "a bad header": b"GET / HTTP/1.1\r\nHost: localhost\r\nBad Name: x\r\n\r\n",
    "a foreign host": b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_requests_are_refused(bus: EventBus, api: HttpApi, name: str) -> None:
    """With a status of 4xx or a closed connection, and nothing is invoked; the next client is served."""
    recorder = Recorder(result="ok")
    api.route("$default", bus.add_function("f", recorder), grant=True)
    with anyio.fail_after(20):
        async with bus, serve(api) as url, client() as http:
            answer = await raw(url, HOSTILE[name])
            assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer
            assert recorder.events == []
            assert (await http.get(url)).text == "ok"


async def test_a_port_that_is_taken(bus: EventBus, api: HttpApi) -> None:
    async with bus, serve(api) as url:
        with pytest.raises(ConfigurationError, match=r"cannot listen on 127\.0\.0\.1"):
            async with serve(api, port=int(url.rpartition(":")[2])):
                pass


async def test_what_goes_wrong_in_the_block_comes_out_as_it_is(bus: EventBus, api: HttpApi) -> None:
    async with bus:
        with pytest.raises(ZeroDivisionError):
            async with serve(api):
                raise ZeroDivisionError


async def test_what_cannot_be_served(bus: EventBus, api: HttpApi) -> None:
    """A bus that doesn't run, nothing at all, two of one name."""
    with pytest.raises(BusNotRunning):
        async with serve(api):
            pass
    with pytest.raises(ConfigurationError, match="nothing to serve"):
        async with serve():
            pass
    with pytest.raises(ConfigurationError, match="names of their own"):
        async with serve(api, RestApi(bus, "shop")):
            pass
