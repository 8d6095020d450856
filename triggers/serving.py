"""The server of both fronts: HTTP/1.1, spoken by h11, carried by anyio, on the event loop that the bus runs on.

What a connection does wrong ends that connection and nothing else. Heads and idle connections have their time, heads
their size, answers the time in which they have to be taken; how many connections there are is limited. Bodies are the
application's to limit, piece by piece. It needs the extra `eventbus[server]`.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import anyio.abc
import attrs
import h11

from eventbus.errors import ConfigurationError

HEAD_BYTES = 65_536
HEAD_TIME = 30.0
"""Seconds for a head to come, and for a connection to be idle."""
SEND_TIME = 60.0
"""Seconds for a client to take an answer, or a piece of it."""
CONNECTIONS = 512
PIECE = 65_536
LINGER = 1.0
"""Seconds for which what a refused client still sends is read away, so that it gets to see why it was refused."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
Address = tuple[str, int]

_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED)
_GONE = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, OSError)
_log = logging.getLogger("eventbus.http")


@asynccontextmanager
async def serving(
    application: Application, *, host: str = "127.0.0.1", port: int = 0, grace: float = 0.0
) -> AsyncGenerator[Address, None]:
    """Answer whoever connects, for as long as the block lasts; gives the address, for port 0 with one that was free.

    Leaving the block takes no new requests and gives running ones `grace` seconds. What is raised in the block comes
    out as it is. Raises ConfigurationError if nothing can listen there.
    """
    try:
        listener = await anyio.create_tcp_listener(local_host=host, local_port=port, reuse_port=False)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"cannot listen on {shown(host)}:{port}: {reason}") from error
    server = _Server(application)
    failure: BaseException | None = None
    async with anyio.create_task_group() as answering, anyio.create_task_group() as accepting:
        for one in listener.listeners:
            accepting.start_soon(_accept, one, server, answering)
        try:
            yield host, listener.extra(anyio.abc.SocketAttribute.local_port)
        except BaseException as error:
            failure = error  # raised below, outside of the groups, which would wrap it
        accepting.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await listener.aclose()
            with anyio.move_on_after(grace):
                await server.finish()
        answering.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _accept(listener: Any, server: _Server, tasks: anyio.abc.TaskGroup) -> None:
    while True:
        try:
            stream = await listener.accept()
        except anyio.ClosedResourceError:
            return
        except OSError as error:
            if error.errno not in _FULL:
                raise
            await anyio.sleep(0.1)  # until somebody hangs up
        else:
            tasks.start_soon(server.attend, stream)


def shown(host: str) -> str:
    """A host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


@attrs.define(eq=False)
class _Server:
    app: Application
    connections: set[_Connection] = attrs.field(factory=set)
    is_closing: bool = False
    all_done: anyio.Event | None = None

    async def attend(self, stream: anyio.abc.ByteStream) -> None:
        """One connection, from beginning to end."""
        if len(self.connections) >= CONNECTIONS or self.is_closing:
            await stream.aclose()
            return
        connection = _Connection(self, stream)
        self.connections.add(connection)
        try:
            await connection.run()
        except _GONE:
            pass  # the client has gone; there is nobody to tell
        finally:
            self.connections.discard(connection)
            if self.all_done is not None and not self.connections:
                self.all_done.set()
            with anyio.CancelScope(shield=True):
                await anyio.aclose_forcefully(stream)

    async def finish(self) -> None:
        """Wait until what is being answered is answered; who asks for nothing is cut off."""
        self.is_closing = True
        for connection in self.connections:
            connection.idle.cancel()
        if self.connections:
            self.all_done = anyio.Event()
            await self.all_done.wait()


class _Connection:
    """One client: its requests one after the other."""

    def __init__(self, server: _Server, stream: anyio.abc.ByteStream) -> None:
        self._server = server
        self._stream = stream
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
        self._answered = anyio.Event()
        self._start: h11.Response | None = None
        self._is_head = False
        self._error: int | None = None
        """What the client has done wrong in the middle of a body."""
        self.idle = anyio.CancelScope()
        """What waits for the next request."""

    async def run(self) -> None:
        while not self._server.is_closing:
            event = None
            try:
                with anyio.CancelScope() as self.idle, anyio.move_on_after(HEAD_TIME):
                    event = await self._next()
            except h11.RemoteProtocolError as error:
                await self._refuse(error.error_status_hint)
                return
            if not isinstance(event, h11.Request):
                return
            await self._one(event)
            if not await self._goes_on():
                return

    async def _one(self, request: h11.Request) -> None:
        path, _, query = _origin_form(request.target).partition(b"?")
        self._is_head = request.method == b"HEAD"
        self._start, self._answered = None, anyio.Event()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": request.http_version.decode(),
            "method": request.method.decode("ascii", "replace"),
            "scheme": "http",
            "path": path.decode("latin-1"),
            "raw_path": path,
            "query_string": query,
            "headers": request.headers.raw_items(),
            "client": self._address(anyio.abc.SocketAttribute.remote_address),
            "server": self._address(anyio.abc.SocketAttribute.local_address),
        }
        try:
            await self._server.app(scope, self._receive, self._send)
        except _GONE:
            raise
        except Exception:
            _log.exception("a request was not answered: %s %r", scope["method"], path[:200])
            await self._break_off(500)
        else:
            if not self._answered.is_set():
                await self._break_off(self._error)

    def _address(self, which: Any) -> Any:
        address = self._stream.extra(which, None)
        return address[:2] if isinstance(address, tuple) else None

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
        except h11.RemoteProtocolError as error:
            self._error = error.error_status_hint
            return {"type": "http.disconnect"}
        except _GONE:
            return {"type": "http.disconnect"}
        if isinstance(event, h11.Data):
            return {"type": "http.request", "body": bytes(event.data), "more_body": True}
        if isinstance(event, h11.EndOfMessage):
            return {"type": "http.request", "body": b"", "more_body": False}
        if event is h11.PAUSED:  # the next request is here already, and has to wait for its turn
            await self._answered.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            # told to the client with the first piece of the body: one write for most answers
            self._start = h11.Response(status_code=message["status"], headers=list(message.get("headers", ())))
            return
        sent = b""
        if self._start is not None:
            sent = self._http.send(self._start) or b""
            self._start = None
        body = message.get("body", b"")
        if body and not self._is_head:
            sent += self._http.send(h11.Data(data=body)) or b""
        if not message.get("more_body", False):
            sent += self._http.send(h11.EndOfMessage()) or b""
            self._answered.set()
        await self._write(sent)

    # -- to the client ------------------------------------------------------------------------------------------------

    async def _write(self, data: bytes | None) -> None:
        with anyio.move_on_after(SEND_TIME) as slow:
            for at in range(0, len(data or b""), PIECE * 16):
                await self._stream.send((data or b"")[at : at + PIECE * 16])
        if slow.cancelled_caught:
            raise anyio.BrokenResourceError

    async def _break_off(self, status: int | None) -> None:
        """No more comes of the application: say so, or, in the middle of an answer, let the client see that."""
        if status is None or self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            raise anyio.BrokenResourceError
        await self._say(status)

    async def _goes_on(self) -> bool:
        """Whether there can be another request on this connection; if not, the client gets to see the last answer."""
        if self._http.their_state is h11.SEND_BODY and not self._http.they_are_waiting_for_100_continue:
            with suppress(h11.RemoteProtocolError):
                self._http.next_event()  # the end of a body that nobody read, if it was empty
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            return True
        await self._linger()
        return False

    async def _refuse(self, status: int) -> None:
        """Answer what isn't HTTP."""
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            await self._say(status)
            await self._linger()

    async def _say(self, status: int) -> None:
        headers = [(b"content-length", b"0"), (b"connection", b"close")]
        head = self._http.send(h11.Response(status_code=status, headers=headers)) or b""
        await self._write(head + (self._http.send(h11.EndOfMessage()) or b""))

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
