"""The Lambda Runtime API (2018-06-01) of one environment: an HTTP server on a loopback port of its own.

Real clients take nothing but a host and a port, so every environment listens for itself, and whoever connects speaks
for its runtime. What is answered is decided by `states`; this module reads, writes and waits.

Sources: Lambda developer guide, "Using the Lambda runtime API for custom runtimes" and "Response streaming" (2026), and
the runtime interface emulator for states, texts and `/ping`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio
import anyio.abc
import attrs

from eventbus.errors import ConfigurationError
from eventbus.execution.sandbox.failures import bad_response_mode, response_too_large
from eventbus.execution.sandbox.states import (
    INVALID_REQUEST_ID,
    INVALID_RESPONSE_MODE,
    TRUNCATED,
    Call,
    Refusal,
    State,
    decide,
    too_large,
)
from eventbus.execution.sandbox.values import MAX_RESPONSE, MAX_STREAMED, Answer, Failure, Outcome, Request

if TYPE_CHECKING:
    import h11

PREFIX = "/2018-06-01/runtime/"
MAX_HEAD = 65_536
"""Bytes of a request's head; error causes may be long."""
OK = b'{"status":"OK"}\n'
JSON = "application/json"


def load_h11() -> Any:
    """The HTTP parser. Raises ConfigurationError, naming the extra, when it is not installed."""
    try:
        import h11
    except ImportError:
        raise ConfigurationError(
            'functions in processes need h11: pip install "eventbus[process]", or run the handler as a task or thread'
        ) from None
    return h11


@attrs.define(eq=False)
class Invocation:
    """The event that the runtime is to work on, and its deadline in epoch milliseconds."""

    request: Request
    deadline_ms: int
    outcome: Outcome | None = None

    def headers(self) -> list[tuple[str, str]]:
        request = self.request
        headers = [
            ("Content-Type", request.content_type),
            ("Lambda-Runtime-Aws-Request-Id", request.request_id),
            ("Lambda-Runtime-Deadline-Ms", str(self.deadline_ms)),
            ("Lambda-Runtime-Invoked-Function-Arn", request.arn),
            ("Lambda-Runtime-Trace-Id", request.trace_id),
            ("Lambda-Runtime-Client-Context", request.client_context),
        ]
        return [(name, value) for name, value in headers if value]


class RuntimeApi:
    """Serves one runtime after another; `notify` is called whenever something has changed."""

    def __init__(self, notify: Callable[[], None]) -> None:
        self._h11 = load_h11()
        self.notify = notify
        self._listening = anyio.CancelScope()
        self._closed = anyio.Event()
        self._connections: set[_Connection] = set()
        self._offered = anyio.Event()
        self.address = ""
        self.state = State.STARTED
        self.invocation: Invocation | None = None
        self.init_failure: Failure | None = None
        """What the runtime posted as its initialisation's error."""

    def __repr__(self) -> str:
        return f"<RuntimeApi {self.address}: {self.state.value}, {len(self._connections)} connections>"

    async def open(self, tasks: anyio.abc.TaskGroup) -> None:
        """Listen, and serve in this task group."""
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        self.address = f"127.0.0.1:{port}"
        tasks.start_soon(self._accept, listener)

    async def _accept(self, listener: anyio.abc.Listener[anyio.abc.SocketStream]) -> None:
        try:
            with self._listening:
                await listener.serve(self._serve)
        finally:
            with anyio.CancelScope(shield=True):
                await listener.aclose()
            self._closed.set()

    async def aclose(self) -> None:
        """Stop listening and cut all connections."""
        self._listening.cancel()
        if self.address:
            await self._closed.wait()

    # -- what the sandbox does ----------------------------------------------------------------------------------------

    def reset(self) -> None:
        """A new runtime is about to start: forget the old one, and cut its connections."""
        for connection in list(self._connections):
            connection.scope.cancel()
        self._connections.clear()
        self._offered = anyio.Event()
        self.state = State.STARTED
        self.invocation = self.init_failure = None

    def offer(self, invocation: Invocation) -> None:
        """Give an event to the runtime as soon as it asks, or at once if it waits."""
        self.invocation = invocation
        if self.state is State.READY:
            self.state = State.RUNNING
        self._offered.set()

    @property
    def has_unheard(self) -> bool:
        """Whether a connection may still have something to say; one whose client has ended ends by itself."""
        return any(not connection.is_parked for connection in self._connections)

    # -- what the runtime asks ----------------------------------------------------------------------------------------

    async def _serve(self, stream: anyio.abc.SocketStream) -> None:
        connection = _Connection(self, self._h11, stream)
        self._connections.add(connection)
        try:
            with connection.scope:
                async with stream:
                    await connection.serve()
        except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # the client is gone; what it has not said is seen by its process's end
        finally:
            self._connections.discard(connection)
            self.notify()

    def admit(self, call: Call, request_id: str | None) -> Refusal | None:
        """Move to the state that a call asks for, or say why not."""
        current = self.invocation
        current_id = current.request.request_id if current is not None and current.outcome is None else None
        verdict = decide(self.state, call, request_id, current_id)
        if isinstance(verdict, Refusal):
            return verdict
        self.state = verdict
        return None

    async def next_invocation(self) -> Invocation:
        """Wait for an event; while one runs it is handed out again."""
        while self.invocation is None or self.invocation.outcome is not None:
            self._offered = self._offered if not self._offered.is_set() else anyio.Event()
            self.notify()
            await self._offered.wait()
        self.state = State.RUNNING
        return self.invocation

    def finish(self, outcome: Outcome) -> None:
        """The runtime has answered."""
        assert self.invocation is not None
        self.invocation.outcome = outcome
        self.state = State.RESPONSE_SENT
        self.notify()

    def take_back(self) -> None:
        """The answer broke off: the event still runs."""
        if self.state in (State.RESPONSE, State.ERROR_RESPONSE):
            self.state = State.RUNNING


@attrs.define(eq=False)
class _Body:
    """A request's body, as far as it is kept."""

    data: bytes
    size: int
    trailers: dict[str, str]


class _Connection:
    """One client's connection: requests one after another, each answered before the next is read."""

    def __init__(self, api: RuntimeApi, h11: Any, stream: anyio.abc.SocketStream) -> None:
        self.scope = anyio.CancelScope()
        self.is_parked = False
        """It waits for an event: nothing more comes from this client before that."""
        self._api = api
        self._h11 = h11
        self._stream = stream
        self._http: h11.Connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)

    async def serve(self) -> None:
        """Answer until the client hangs up or talks nonsense."""
        h11 = self._h11
        try:
            while True:
                request = await self._next_event()
                if not isinstance(request, h11.Request):
                    return
                await self._answer(request)
                if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                    return
                self._http.start_next_cycle()
        except h11.RemoteProtocolError:
            if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                await self._refuse(TRUNCATED)

    async def _next_event(self) -> Any:
        h11 = self._h11
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            try:
                data = await self._stream.receive()
            except anyio.EndOfStream:
                data = b""
            self._http.receive_data(data)
        return event

    async def _answer(self, request: h11.Request) -> None:
        method, path = request.method.decode(), request.target.decode("latin-1").partition("?")[0]
        if path in ("/ping", "/2018-06-01/ping") and method == "GET":
            await self._read_body(0)
            await self._reply(200, b"pong", "text/plain")
            return
        match method, path.removeprefix(PREFIX).split("/") if path.startswith(PREFIX) else [path]:
            case "GET", ["invocation", "next"]:
                await self._next()
            case "POST", ["invocation", request_id, "response"]:
                await self._response(request_id, _headers(request.headers))
            case "POST", ["invocation", request_id, "error"]:
                await self._error(request_id, _headers(request.headers))
            case "POST", ["init", "error"]:
                await self._init_error(_headers(request.headers))
            case "GET", ["restore", "next"]:
                await self._refuse_or_accept(Call.RESTORE_NEXT)
            case "POST", ["restore", "error"]:
                await self._refuse_or_accept(Call.RESTORE_ERROR)
            case _, ["invocation", "next"] | ["invocation", _, "response" | "error"] | ["init", "error"]:
                await self._read_body(0)
                await self._reply(405, b"", None)
            case _:
                await self._read_body(0)
                await self._reply(404, b"404 page not found\n", "text/plain; charset=utf-8")

    # -- the calls ----------------------------------------------------------------------------------------------------

    async def _next(self) -> None:
        await self._read_body(0)
        if (refusal := self._api.admit(Call.NEXT, None)) is not None:
            await self._refuse(refusal)
            return
        self.is_parked = True
        invocation = await self._api.next_invocation()
        self.is_parked = False
        await self._reply(200, invocation.request.payload, None, invocation.headers())

    async def _response(self, request_id: str, headers: dict[str, str]) -> None:
        api = self._api
        if (refusal := api.admit(Call.RESPONSE, request_id)) is not None:
            await self._read_body(0)
            await self._refuse(refusal)
            return
        try:
            is_streamed = headers.get("lambda-runtime-function-response-mode") == "streaming"
            if not is_streamed and "lambda-runtime-function-response-mode" in headers:
                await self._read_body(0)
                api.finish(bad_response_mode(request_id))
                await self._refuse(INVALID_RESPONSE_MODE)
                return
            limit = MAX_STREAMED if is_streamed else MAX_RESPONSE
            body = await self._read_body(limit)
        except BaseException:
            api.take_back()
            raise
        if body.size > limit:
            api.finish(response_too_large())
            await self._refuse(too_large(limit))
        elif (failure := _broken_off(body.trailers)) is not None:
            api.finish(failure)
            await self._reply(202, OK, JSON)
        else:
            api.finish(Answer(body.data, headers.get("content-type", JSON), is_streamed))
            await self._reply(202, OK, JSON)

    async def _error(self, request_id: str, headers: dict[str, str]) -> None:
        api = self._api
        if (refusal := api.admit(Call.ERROR, request_id)) is not None:
            await self._read_body(0)
            await self._refuse(refusal)
            return
        try:
            body = await self._read_body(MAX_RESPONSE)
        except BaseException:
            api.take_back()
            raise
        failure = _posted(body, headers)
        api.finish(response_too_large() if body.size > MAX_RESPONSE else failure)
        await self._reply(202, OK, JSON)

    async def _init_error(self, headers: dict[str, str]) -> None:
        body = await self._read_body(MAX_RESPONSE)
        if (refusal := self._api.admit(Call.INIT_ERROR, None)) is not None:
            await self._refuse(refusal)
            return
        self._api.init_failure = _posted(body, headers)
        await self._reply(202, OK, JSON)
        self._api.notify()  # only now: whoever hears of it ends the process

    async def _refuse_or_accept(self, call: Call) -> None:
        await self._read_body(0)
        refusal = self._api.admit(call, None)
        await self._refuse(INVALID_REQUEST_ID if refusal is None else refusal)

    # -- reading and writing ------------------------------------------------------------------------------------------

    async def _read_body(self, limit: int) -> _Body:
        """Read to the end of the request, and keep no more than a limit of it."""
        h11, parts, size = self._h11, list[bytes](), 0
        while True:
            event = await self._next_event()
            if isinstance(event, h11.EndOfMessage):
                return _Body(b"".join(parts), size, _headers(event.headers))
            if not isinstance(event, h11.Data):
                raise h11.RemoteProtocolError("the body broke off")
            size += len(event.data)
            if size <= limit:
                parts.append(bytes(event.data))
            else:
                parts.clear()

    async def _refuse(self, refusal: Refusal) -> None:
        document = {"errorMessage": refusal.message, "errorType": refusal.error_type}
        await self._reply(refusal.status, json.dumps(document, separators=(",", ":")).encode() + b"\n", JSON)

    async def _reply(
        self, status: int, body: bytes, content_type: str | None, headers: list[tuple[str, str]] | None = None
    ) -> None:
        h11 = self._h11
        fields = [(name, value.encode()) for name, value in headers or ()]
        if content_type is not None:
            fields.append(("Content-Type", content_type.encode()))
        fields.append(("Content-Length", str(len(body)).encode()))
        data = self._http.send(h11.Response(status_code=status, headers=fields))
        data += self._http.send(h11.Data(data=body)) + self._http.send(h11.EndOfMessage())
        await self._stream.send(data)

    async def _send(self, event: Any) -> None:
        data = self._http.send(event)
        if data:
            await self._stream.send(data)


def _headers(raw: Any) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}


def _posted(body: _Body, headers: dict[str, str]) -> Failure:
    """The failure that a runtime reports in its own words."""
    return Failure(body.data, headers.get("lambda-runtime-function-error-type", ""), "failure")


def _broken_off(trailers: dict[str, str]) -> Failure | None:
    """The error that the trailers of a streamed response announce."""
    kind = trailers.get("lambda-runtime-function-error-type")
    if kind is None:
        return None
    try:
        document = base64.b64decode(trailers.get("lambda-runtime-function-error-body", ""), validate=True)
    except binascii.Error:
        document = b""
    return Failure(document, kind, "failure")
