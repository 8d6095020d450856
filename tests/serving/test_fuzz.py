"""Bytes from a hostile client, over sockets, at both fronts: never our fault, and the next client is served."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import anyio
import anyio.to_thread
import pytest

from eventbus import EventBus, VirtualClock
from eventbus.testing import Recorder
from triggers import S3, SNS, SQS
from triggers.aws.app import App
from triggers.connection import Application
from triggers.http import HttpApi, RestApi
from triggers.http.doors import Doors
from triggers.serving import serving

pytestmark = pytest.mark.anyio
ROUNDS = 150
SIGNED = (
    b"Authorization: AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/%s/aws4_request, SignedHeaders=host, Signature="
    + b"0" * 64
    + b"\r\n"
)
# fmt: off
VALID = [
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"PUT /abc/key HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n" + SIGNED % b"s3" + b"\r\nmeow",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
    + SIGNED % b"sns"
    + b"\r\n5\r\nhello\r\n0\r\n\r\n",
    b"POST /_eventbus/reset HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 2\r\n\r\n{}",
    b"GET /_aws/execute-api/abc/prod/x?a=b HTTP/1.1\r\nHost: localhost\r\nCookie: a=b\r\n\r\n",
    b"OPTIONS /shop/cats/1 HTTP/1.1\r\nHost: shop.localhost\r\nOrigin: http://x\r\n"
    b"Access-Control-Request-Method: GET\r\n\r\n",
]
PIECES = [
    b"\r\n", b"\n", b"\x00", b"\xff\xfe", b": ", b"%00%ff%", b"HTTP/2.0", b"Content-Length: -1\r\n", b"9" * 30,
    b"Content-Length: 5\r\nContent-Length: 6\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"FFFFFFFFFFFFFFFF\r\n",
    b"Host: evil\r\n", b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\nConnection: Upgrade\r\n", b"../" * 50,
    b"x" * 70_000,
    b"Range: bytes=9-1\r\n", b"<!DOCTYPE a>", b"?X-Amz-Credential=a/b/c", b"Content-Encoding: aws-chunked\r\n",
]
# fmt: on


def mutated(random: Random) -> bytes:
    """A valid request with some pieces put in, taken out or turned over; sometimes only noise."""
    if random.random() < 0.1:
        return random.randbytes(random.randrange(200))
    data = bytearray(random.choice(VALID))
    for _ in range(random.randrange(1, 4)):
        at = random.randrange(len(data) + 1)
        match random.randrange(3):
            case 0:
                data[at:at] = random.choice(PIECES)
            case 1:
                del data[at : at + random.randrange(20)]
            case _:
                data[at : at + 1] = random.randbytes(1)
    return bytes(data)


def ask(address: tuple[str, int], data: bytes) -> bytes:
    """All that the server answers before it hangs up."""
    got = b""
    with socket.create_connection(address, timeout=10) as client:
        try:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            while piece := client.recv(65_536):
                got += piece
        except (ConnectionError, OSError):
            pass
    return got


@contextmanager
def both(bus: EventBus) -> Iterator[list[Application]]:
    S3(bus).create_bucket("abc")
    SNS(bus).create_topic("abc")
    SQS(bus).create_queue("abc")
    function = bus.add_function("f", Recorder(result="ok"))
    api, rest = HttpApi(bus, "shop", cors={"allow_origins": ["*"]}), RestApi(bus, "store")
    api.route("$default", function, grant=True)
    rest.route("ANY /{proxy+}", function, grant=True)
    yield [App(bus), Doors([api, rest], ["localhost"])]


@pytest.mark.parametrize("front", ["wire", "apis"])
async def test_no_bytes_are_our_fault(front: str) -> None:
    random = Random(front)
    bus = EventBus(clock=VirtualClock(), seed=1)
    with both(bus) as applications, anyio.fail_after(60):
        app = applications[front == "apis"]
        async with bus, serving(app) as address:
            for _ in range(ROUNDS):
                data = mutated(random)
                got = await anyio.to_thread.run_sync(ask, address, data)
                assert statuses(got) <= {*range(100, 500), 501}, (data, got)
            after = await anyio.to_thread.run_sync(ask, address, b"GET /shop/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert after.startswith(b"HTTP/1.1 ")


def statuses(answers: bytes) -> set[int]:
    """The statuses of all answers."""
    found: Any = answers.split(b"HTTP/1.1 ")[1:]
    return {int(answer[:3]) for answer in found}
