"""One client of the server: its requests one after the other, spoken by h11 over a plain socket.

The socket is read and written directly, and waited for only when it isn't ready: a stream of anyio's takes several
turns of the event loop for a request and its answer, where this takes one whenever the client is waited for.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

import anyio
import h11
from anyio.lowlevel import checkpoint

HEAD_BYTES = 65_536
SEND_TIME = 60.0
"""Seconds for a client to take an answer, or a piece of it."""
LINGER = 1.0
"""Seconds for which what a refused client still sends is read away, so that it gets to see why it was refused."""
PIECE = 262_144

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

GONE = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, OSError)
"""What is raised when the client has gone; there is nobody to tell."""
_log = logging.getLogger("eventbus.http")


class Connection:
    """One client."""

    def __init__(self, application: Application, client: socket.socket) -> None:
        client.setblocking(False)
        self._app = application
        self._socket = client
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
        self._answered: anyio.Event | None = None
        self._is_answered = False
        self._start: h11.Response | None = None
        self._is_head = False
        self._error: int | None = None
        """What the client has done wrong in the middle of a body."""
        self._is_hung_up = False
        self.idle_since: float | None = None
        """Since when the head of a request is waited for; None while one is worked on."""
        self._here = client.getsockname()[:2]
        self._there: Any = client.getpeername()[:2]

    async def run(self) -> None:
        """Answer the client until it goes, or is let go."""
        while not self._is_hung_up and (request := await self._request()) is not None:
            await self._one(request)
            if not await self._goes_on():
                return
            if self._http.trailing_data[0]:
                await checkpoint()  # the next request is here already: others have their turn first

    def hang_up(self) -> None:
        """Take no more requests; one that is worked on is answered."""
        self._is_hung_up = True
        if self.idle_since is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RD)  # to whoever reads it is as if the client had ended its side

    def close(self) -> None:
        """End the connection; whoever still reads or writes it is told so."""
        anyio.notify_closing(self._socket)
        self._socket.close()

    async def _request(self) -> h11.Request | None:
        """The head of the next request; None if none is to come."""
        self.idle_since = anyio.current_time()
        try:
            event = await self._next()
        except h11.RemoteProtocolError as error:
            if not self._is_hung_up:
                await self._refuse(error.error_status_hint)
            return None
        self.idle_since = None
        return event if isinstance(event, h11.Request) and not self._is_hung_up else None

    async def _one(self, request: h11.Request) -> None:
        path, _, query = _origin_form(request.target).partition(b"?")
        self._is_head = request.method == b"HEAD"
        self._start, self._answered, self._is_answered = None, None, False
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
            "client": self._there,
            "server": self._here,
        }
        try:
            await self._app(scope, self._receive, self._send)
        except GONE:
            raise
        except Exception:
            _log.exception("a request was not answered: %s %r", scope["method"], path[:200])
            await self._break_off(500)
        else:
            if not self._is_answered:
                await self._break_off(self._error)

    async def _next(self) -> Any:
        """The next event of the client; reads as long as there is none."""
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            self._http.receive_data(await self._read())

    # -- for the application ------------------------------------------------------------------------------------------

    async def _receive(self) -> Message:
        """What is here of the body in one piece, and the news that the client has gone."""
        if self._http.they_are_waiting_for_100_continue:
            await self._write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])))
        pieces: list[bytes] = []
        try:
            event = await self._next()
            while isinstance(event, h11.Data):
                pieces.append(bytes(event.data))
                event = self._http.next_event()
        except h11.RemoteProtocolError as error:
            self._error = error.error_status_hint
            return {"type": "http.disconnect"}
        except GONE:
            return {"type": "http.disconnect"}
        if pieces or isinstance(event, h11.EndOfMessage):
            is_more = not isinstance(event, h11.EndOfMessage)
            return {"type": "http.request", "body": b"".join(pieces), "more_body": is_more}
        if event is h11.PAUSED and not self._is_answered:  # the next request is here, and has to wait for its turn
            self._answered = anyio.Event()
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
            self._is_answered = True
            if self._answered is not None:
                self._answered.set()
        await self._write(sent)

    # -- to the client ------------------------------------------------------------------------------------------------

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
        self._socket.shutdown(socket.SHUT_WR)
        with anyio.move_on_after(LINGER):
            while await self._read():
                pass

    # -- bytes --------------------------------------------------------------------------------------------------------

    async def _read(self) -> bytes:
        """What has come; nothing if the client has ended its side."""
        while True:
            await anyio.wait_readable(self._socket)
            try:
                return self._socket.recv(PIECE)
            except BlockingIOError:
                pass  # it was taken for readable in error

    async def _write(self, data: bytes | None) -> None:
        left = memoryview(data or b"")
        left = left[self._written(left) :]
        if not left:
            return
        with anyio.move_on_after(SEND_TIME) as slow:
            while left:
                await anyio.wait_writable(self._socket)
                left = left[self._written(left) :]
        if slow.cancelled_caught:
            raise anyio.BrokenResourceError

    def _written(self, data: memoryview) -> int:
        """How many bytes the socket takes at once."""
        try:
            return self._socket.send(data) if data else 0
        except BlockingIOError:
            return 0


def _origin_form(target: bytes) -> bytes:
    """The path and query of a request's target, which may name the host as well."""
    if target.startswith((b"http://", b"https://")):
        return b"/" + target.partition(b"://")[2].partition(b"/")[2]
    return target
