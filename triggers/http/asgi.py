"""From ASGI to requests and answers, and back: what lets any ASGI server or test client talk to an API.

An API is the application itself, `uvicorn script:api`. Where the bus isn't running yet, the lifespan of the server runs
it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias
from urllib.parse import quote

import anyio
import attrs

from eventbus.errors import BusClosed, BusNotRunning
from triggers.http.front import Front, Streamed
from triggers.http.message import Headers, Request, Response
from triggers.http.refusals import Refused

if TYPE_CHECKING:
    from eventbus.bus import EventBus

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_HEADERS: Final = 100
"""Headers of one request."""
BODY_TIMEOUT: Final = 30.0
"""Seconds of real time in which a body has to arrive."""
_WITHOUT_BODY: Final = (204, 304)


class Answers(Protocol):
    """What answers requests: a front, or several behind one door."""

    @property
    def buses(self) -> list[EventBus]: ...

    def front_of(self, request: Request) -> tuple[Front, Request] | Response: ...


async def serve_one(front: Front, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one ASGI scope for one front."""
    await serve_scope(_Alone(front), scope, receive, send)


class _Alone:
    def __init__(self, front: Front) -> None:
        self._front = front
        self.buses = [front.bus]

    def front_of(self, request: Request) -> tuple[Front, Request] | Response:
        return self._front, request


async def serve_scope(answers: Answers, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one ASGI scope."""
    match scope["type"]:
        case "http":
            await _serve_request(answers, scope, receive, send)
        case "lifespan":
            await _serve_lifespan(answers.buses, receive, send)
        case "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000, "reason": "no WebSocket APIs here"})


async def _serve_request(answers: Answers, scope: Scope, receive: Receive, send: Send) -> None:
    request = _request(scope)
    chosen = answers.front_of(request)
    if isinstance(chosen, Response):
        await _send(chosen, request.method, send)
        return
    front, request = chosen
    body = await _body(front, request, receive, len(scope["headers"]))
    if body is None:
        return  # the client has gone
    if isinstance(body, Response):
        await _send(body, request.method, send)
        return
    answer: Response | Streamed
    try:
        answer = await front.answer(attrs.evolve(request, body=body))
    except BusClosed:
        answer = front.refuse(Refused.CLOSED)
    if isinstance(answer, Response):
        await _send(answer, request.method, send)
    else:
        await _send_stream(answer, request.method, send)


def _request(scope: Scope) -> Request:
    raw = scope.get("raw_path")
    path = raw.decode("latin-1").partition("?")[0] if raw else quote(scope["path"])
    root = quote(scope.get("root_path", "").rstrip("/"))
    if root and (path == root or path.startswith(f"{root}/")):
        path = path[len(root) :] or "/"
    client, server = scope.get("client"), scope.get("server")
    scheme = scope.get("scheme", "http")
    return Request(
        method=scope["method"].upper(),
        path=path,
        query=scope.get("query_string", b"").decode("latin-1"),
        headers=Headers((name.decode("latin-1"), _text(value)) for name, value in scope["headers"]),
        source_ip=client[0] if client else "127.0.0.1",
        protocol=f"HTTP/{scope.get('http_version', '1.1')}",
        scheme=scheme,
        port=(server[1] if server and server[1] else None) or (443 if scheme == "https" else 80),
    )


async def _body(front: Front, request: Request, receive: Receive, headers: int) -> bytes | Response | None:
    """The whole body, the refusal of one that is too large or too slow, or None if the client has gone."""
    if headers > MAX_HEADERS or request.head_size > front.head_limit:
        return front.refuse(Refused.HEAD_TOO_LARGE)
    announced = request.headers.get("content-length", "0")
    if "transfer-encoding" in request.headers and "content-length" in request.headers:
        # servers disagree about where such a request ends, which is how one is smuggled into another
        return Response(status_code=400, headers=Headers([("connection", "close")]), body=b"Bad Request")
    if announced.isdecimal() and int(announced) > front.body_limit:
        return front.refuse(Refused.BODY_TOO_LARGE)
    parts, size = [], 0
    with anyio.move_on_after(BODY_TIMEOUT):
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            part = message.get("body", b"")
            size += len(part)
            if size > front.body_limit:
                return front.refuse(Refused.BODY_TOO_LARGE)
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)
    return Response(status_code=408, headers=Headers([("connection", "close")]), body=b"Request Timeout")


async def _send(response: Response, method: str, send: Send) -> None:
    headers = _head(response)
    has_body = response.status_code not in _WITHOUT_BODY
    if has_body:
        headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.body if has_body and method != "HEAD" else b""})


async def _send_stream(answer: Streamed, method: str, send: Send) -> None:
    """Send chunk after chunk, until the function has ended or the client has gone, which servers say by raising or not.

    What goes wrong in the middle is raised: the server then breaks the connection off, as AWS does.
    """
    start = {"type": "http.response.start", "status": answer.head.status_code, "headers": _head(answer.head)}
    try:
        await send(start)
        if method != "HEAD" and answer.head.status_code not in _WITHOUT_BODY:
            async for chunk in answer.chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        await answer.aclose()


def _head(response: Response) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("utf-8")) for name, value in response.headers.items_in_order]


def _text(value: bytes) -> str:
    """A header's value: UTF-8, as it goes out, or else Latin-1, which every value can be read as."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


async def _serve_lifespan(buses: list[EventBus], receive: Receive, send: Send) -> None:
    """Run the bus for as long as the server runs, unless somebody runs it already."""
    await receive()
    bus = next((bus for bus in buses if not bus.is_running), None)
    if bus is None:
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    try:
        bus.accepting("the server")
    except BusNotRunning:
        pass
    except BusClosed as error:
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        raise
    async with bus:
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await send({"type": "lifespan.shutdown.complete"})
