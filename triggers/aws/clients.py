"""`with AWS(bus):` serves the clients of AWS in this process, without a socket.

Where the seam is: boto3, aiobotocore and everything on top of them hand a finished, signed request to `send` of their
HTTP session, and take a response from it. That one method is replaced for as long as a block is entered somewhere;
outside of blocks it is what it was. Which block a request belongs to is a context variable, so that two buses in two
tests, or two tasks, do not see each other. A thread without that context (s3transfer's workers) belongs to the block if
there is only one in the process; else the call is refused, and never reaches the network.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import os
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar, Token
from copy import copy
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.httpsession import URLLib3Session

from eventbus.errors import BusNotRunning, ConfigurationError
from triggers.aws.front import Front
from triggers.aws.http import Request, Response
from triggers.aws.raw import async_raw, raw

if TYPE_CHECKING:
    from eventbus.bus import EventBus

F = TypeVar("F", bound=Callable[..., Any])

_current: ContextVar[AWS | None] = ContextVar("eventbus_aws", default=None)
_entered: list[AWS] = []
"""Every block that is entered in this process, for threads that inherit no context."""
_lock = threading.Lock()
_originals: dict[type, Any] = {}
_managers: dict[Any, Any] = {}
_environment: dict[str, str] = {}


class AWS:
    """Serve every boto3 and aiobotocore client inside the block from this bus: `with AWS(bus): ...`.

    Also a decorator, of functions and of coroutine functions; entering again inside the block is fine. Clients may have
    been made before. Credentials and region that the environment lacks are set in it, within the block.

    - Inside a handler a client acts as the function's role, or as that of its own temporary key.
    - In a plain test, with no event loop, a call that needs a running bus starts it in a thread of its own; leaving
      the block then leaves the bus.
    - boto3 on the event loop's own thread is served in one synchronous step: what the call causes has been reserved
      when it returns, but it waits neither for room in the queues nor for the store, nor for messages to come.
      aiobotocore and calls from other threads wait for all three.

    `verify_signatures` and `secrets` are those of `serve`.
    """

    def __init__(
        self, bus: EventBus, *, verify_signatures: bool = False, secrets: Mapping[str, str] | None = None
    ) -> None:
        self.bus = bus
        self.front = Front(bus, verify_signatures=verify_signatures, secrets=secrets)
        self._tokens: list[Token[AWS | None]] = []
        self._portal: Any = None
        self._portal_exits: list[Callable[..., Any]] = []
        self._starting = threading.Lock()

    def __repr__(self) -> str:
        return f"<AWS: {'entered' if self._tokens else 'not entered'}, {self.bus!r}>"

    def __enter__(self) -> Self:
        with _lock:
            if not _entered:
                _install(self.bus.region)
            _entered.append(self)
        self._tokens.append(_current.set(self))
        return self

    def __exit__(self, *exception: Any) -> None:
        token = self._tokens.pop()
        try:
            _current.reset(token)
        except ValueError:  # left in another context than entered: a fixture that was torn down elsewhere
            _current.set(None)
        with _lock:
            _entered.remove(self)
            if not _entered:
                _uninstall()
        if not self._tokens:
            self._stop()

    def __call__(self, function: F) -> F:
        """Decorate a function, or a coroutine function, to run inside the block."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return await function(*args, **kwargs)

        else:

            @functools.wraps(function)
            def run(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return function(*args, **kwargs)

        return run  # type: ignore[return-value]

    def wait_idle(self, timeout: float | None = None) -> None:
        """`bus.wait_idle()` for plain functions: with a virtual clock, retries of minutes take no time."""
        if self.bus.is_new:
            self._start()
        self.bus.from_thread(self.bus.wait_idle, timeout)

    # -- requests -----------------------------------------------------------------------------------------------------

    def send(self, request: Request) -> Response:
        """Answer a synchronous client, on whichever thread it is."""
        if self.bus.is_on_this_thread:
            return self.front.answer_nowait(request)
        if not self.bus.is_new:
            return self._from_thread(request)
        try:
            return self.front.answer_nowait(request)
        except BusNotRunning:
            if _is_in_event_loop():
                raise
        self._start()
        return self._from_thread(request)

    def _from_thread(self, request: Request) -> Response:
        answered = self.bus.from_thread_sync(self.front.answer_at_once, request)
        return answered if isinstance(answered, Response) else self.bus.from_thread(answered)

    async def send_async(self, request: Request) -> Response:
        """Answer an asynchronous client, on whichever event loop it is."""
        if self.bus.is_on_this_thread or self.bus.is_new:
            return await self.front.answer(request)
        return await anyio.to_thread.run_sync(self.bus.from_thread, self.front.answer, request)

    def _start(self) -> None:
        """Run the bus in a thread of its own, for a plain function."""
        with self._starting:
            if not self.bus.is_new:
                return
            opened = anyio.from_thread.start_blocking_portal()
            portal = opened.__enter__()
            self._portal_exits.append(opened.__exit__)
            running = portal.wrap_async_context_manager(self.bus)
            running.__enter__()
            self._portal_exits.append(running.__exit__)

    def _stop(self) -> None:
        while self._portal_exits:
            self._portal_exits.pop()(None, None, None)


def _is_in_event_loop() -> bool:
    try:
        anyio.lowlevel.current_token()
    except Exception:
        return False
    return True


# -- the seam ---------------------------------------------------------------------------------------------------------


def _install(region: str) -> None:
    """Replace `send` of the HTTP sessions, and set what clients ask the environment for."""
    _replace(URLLib3Session, _send)
    if importlib.util.find_spec("aiobotocore") is not None:
        import aiobotocore.httpsession

        _replace(aiobotocore.httpsession.AIOHTTPSession, _send_async)
        try:
            from aiobotocore.httpxsession import HttpxSession
        except ImportError:  # an aiobotocore before 3, or without httpx
            pass
        else:
            _replace(HttpxSession, _send_async)
    if importlib.util.find_spec("boto3") is not None:
        import boto3.s3.inject
        import boto3.s3.transfer

        for module in (boto3.s3.inject, boto3.s3.transfer):
            _managers[module] = module.create_transfer_manager
            module.create_transfer_manager = functools.partial(_transfer_manager, module.create_transfer_manager)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "eventbus",
        "AWS_SECRET_ACCESS_KEY": "eventbus",
        "AWS_DEFAULT_REGION": region,
    }.items():
        is_given = name in os.environ or (name == "AWS_DEFAULT_REGION" and "AWS_REGION" in os.environ)
        if not is_given and "AWS_PROFILE" not in os.environ:
            os.environ[name] = _environment[name] = value


def _replace(session: type, send: Callable[..., Any]) -> None:
    original = session.send  # type: ignore[attr-defined]
    _originals[session] = original
    replaced = functools.partialmethod(send, original)
    session.send = replaced  # type: ignore[attr-defined]


def _uninstall() -> None:
    for session, original in _originals.items():
        session.send = original  # type: ignore[attr-defined]
    _originals.clear()
    for module, manager in _managers.items():
        module.create_transfer_manager = manager
    _managers.clear()
    for name, value in _environment.items():
        if os.environ.get(name) == value:
            del os.environ[name]
    _environment.clear()


def _transfer_manager(original: Callable[..., Any], client: Any, config: Any, *args: Any, **kwargs: Any) -> Any:
    """What uploads and downloads files: without threads on the event loop's own thread, which they would wait for."""
    aws = _current.get() or (_entered[0] if len(_entered) == 1 else None)
    if aws is not None and aws.bus.is_on_this_thread and config.use_threads:
        config = copy(config)
        config.use_threads = False
    return original(client, config, *args, **kwargs)


def _served(url: str) -> AWS | None:
    """The block that a request belongs to; None for one that isn't for AWS at all, such as a local endpoint."""
    host = urlsplit(url).hostname or ""
    if not host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")):
        return None
    found = _current.get()
    if found is not None:
        return found
    if len(_entered) == 1:
        return _entered[0]
    raise ConfigurationError(
        f"a thread without context called {host} while {len(_entered)} AWS(bus) blocks are entered; run it with "
        "contextvars.copy_context().run, so that it knows which bus is meant"
    )


def _send(session: Any, original: Callable[..., Any], request: AWSPreparedRequest) -> Any:
    aws = _served(request.url)
    if aws is None:
        return original(session, request)
    response = aws.send(_received(request, _body(request.body)))
    answered: Any = AWSResponse
    return answered(request.url, response.status, _headers(response), raw(aws.bus, response))


async def _send_async(session: Any, original: Callable[..., Awaitable[Any]], request: AWSPreparedRequest) -> Any:
    from aiobotocore.awsrequest import AioAWSResponse

    aws = _served(request.url)
    if aws is None:
        return await original(session, request)
    body: Any = request.body
    if hasattr(body, "read") and inspect.iscoroutinefunction(body.read):
        body = await body.read()
    response = await aws.send_async(_received(request, _body(body)))
    body = async_raw(aws.bus, request.url, response)
    return AioAWSResponse(request.url, response.status, _headers(response), body)


def _received(request: AWSPreparedRequest, body: bytes) -> Request:
    """The request as a server gets it."""
    url = urlsplit(request.url)
    headers = {str(name).lower(): _text(value) for name, value in request.headers.items()}
    headers.setdefault("host", url.netloc)
    return Request(request.method, url.path or "/", url.query, headers, body)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _body(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, (bytes, bytearray)):
        return bytes(body)
    if hasattr(body, "read"):
        return bytes(body.read())
    return b"".join(body)


def _headers(response: Response) -> dict[str, str]:
    headers = {name.lower(): value for name, value in response.headers.items()}
    if response.pieces is None:
        headers.setdefault("content-length", str(len(response.body)))
    return headers
