"""Serving an application at a port, on the event loop that the bus runs on: HTTP/1.1, spoken by h11, carried by anyio.

What a connection does wrong ends that connection and nothing else. Heads and idle connections have their time, heads
their size; how many connections there are is limited; bodies are the application's to limit, piece by piece.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import nullcontext
from typing import Any

import anyio
import anyio.abc
import attrs
import h11

from eventbus.errors import ConfigurationError
from triggers.aws.app import App, Message, Receive, Send

HEAD_BYTES = 65_536
HEAD_TIME = 30.0
"""Seconds for a head to come, and for a connection to be idle."""
SEND_TIME = 60.0
"""Seconds for a client to take an answer, or a piece of it."""
CONNECTIONS = 512
PIECE = 65_536
LINGER = 1.0
"""Seconds for which what a refused client still sends is read away, so that it gets to see why it was refused."""

Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
_GONE = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, OSError)


async def serve(
    app: Application, host: str = "127.0.0.1", port: int = 4566, *, listening: Callable[[str, int], None] | None = None
) -> None:
    """Answer whoever connects, until the task is cancelled; the bus has to run already, on this event loop.

    `listening(host, port)` is called once connections are taken; port 0 takes a port that is free. Raises
    ConfigurationError if nothing can listen there.
    """
    try:
        listener = await anyio.create_tcp_listener(local_host=host, local_port=port, reuse_port=False)
    except (OSError, OverflowError) as error:
        raise ConfigurationError(f"cannot listen at {host}:{port}: {error}") from error
    if isinstance(app, App):
        app.declare()
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener:
        if listening is not None:
            listening(host, port)
        with app.served_at(_address(host, port)) if isinstance(app, App) else nullcontext():
            await listener.serve(_Server(app).attend)


def _address(host: str, port: int) -> str:
    """Where a process on this machine finds what listens there."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(host, host)
    return f"http://{reached}:{port}"


@attrs.define
class _Server:
    app: Application
    open: int = 0

    async def attend(self, stream: anyio.abc.ByteStream) -> None:
        """One connection, from beginning to end."""
        if self.open >= CONNECTIONS:
            await stream.aclose()
            return
        self.open += 1
        try:
            await _Connection(self.app, stream).run()
        except _GONE:
            pass  # the client has gone; there is nobody to tell
        finally:
            self.open -= 1
            with anyio.CancelScope(shield=True), anyio.move_on_after(LINGER):
                await anyio.aclose_forcefully(stream)


class _Connection:
    """One client: its requests one after the other."""

    def __init__(self, app: Application, stream: anyio.abc.ByteStream) -> None:
        self._app = app
        self._stream = stream
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
        self._status: int | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_only = False

    async def run(self) -> None:
        while True:
            try:
                with anyio.move_on_after(HEAD_TIME) as slow:
                    event = await self._next()
            except h11.RemoteProtocolError as error:
                await self._refuse(error.error_status_hint)
                return
            if slow.cancelled_caught or not isinstance(event, h11.Request):
                return
            await self._one(event)
            if not await self._goes_on():
                return

    async def _one(self, request: h11.Request) -> None:
        path, _, query = _origin_form(request.target).partition(b"?")
        self._head_only = request.method == b"HEAD"
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": request.http_version.decode(),
            "method": request.method.decode("ascii", "replace"),
            "scheme": "http",
            "path": path.decode("latin-1"),
            "raw_path": path,
            "query_string": query,
            "headers": list(request.headers),
        }
        await self._app(scope, self._receive, self._send)

    async def _next(self) -> Any:
        """The next event of the client; reads as long as there is none."""
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            try:
                data = await self._stream.receive(PIECE)
            except anyio.EndOfStream:
                data = b""
            self._http.receive_data(data)

    # -- for the application ------------------------------------------------------------------------------------------

    async def _receive(self) -> Message:
        if self._http.they_are_waiting_for_100_continue:
            await self._write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])))
        try:
            event = await self._next()
        except (h11.RemoteProtocolError, *_GONE):
            return {"type": "http.disconnect"}
        if isinstance(event, h11.Data):
            return {"type": "http.request", "body": bytes(event.data), "more_body": True}
        if isinstance(event, h11.EndOfMessage):
            return {"type": "http.request", "body": b"", "more_body": False}
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], list(message.get("headers", ()))
            return
        sent = b""
        if self._status is not None:
            response = h11.Response(status_code=self._status, headers=self._headers)
            sent = self._http.send(response) or b""
            self._status = None
        body = message.get("body", b"")
        if body and not self._head_only:
            sent += self._http.send(h11.Data(data=body)) or b""
        if not message.get("more_body", False):
            sent += self._http.send(h11.EndOfMessage()) or b""
        await self._write(sent)

    # -- to the client ------------------------------------------------------------------------------------------------

    async def _write(self, data: bytes | None) -> None:
        with anyio.move_on_after(SEND_TIME) as slow:
            for at in range(0, len(data or b""), PIECE * 16):
                await self._stream.send((data or b"")[at : at + PIECE * 16])
        if slow.cancelled_caught:
            raise anyio.BrokenResourceError

    async def _goes_on(self) -> bool:
        """Whether there can be another request on this connection; if not, the client gets to see the last answer."""
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            return True
        await self._linger()
        return False

    async def _refuse(self, status: int) -> None:
        """Answer what isn't HTTP."""
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            headers = [(b"content-length", b"0"), (b"connection", b"close")]
            await self._write(self._http.send(h11.Response(status_code=status, headers=headers)))
            await self._linger()

    async def _linger(self) -> None:
        if isinstance(self._stream, anyio.abc.SocketStream):
            await self._stream.send_eof()
        with anyio.move_on_after(LINGER):
            while True:
                await self._stream.receive(PIECE)


def _origin_form(target: bytes) -> bytes:
    """The path and query of a request's target, which may name the host as well."""
    if target.startswith((b"http://", b"https://")):
        return b"/" + target.partition(b"://")[2].partition(b"/")[2]
    return target
