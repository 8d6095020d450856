"""The front as an ASGI application, careful with what comes from outside.

Before a body is read: the Host must be one of this machine's names, so that no web page can reach the bus by rebinding
its own name; a browser's request from another site is refused; heads are limited in bytes and in number. While it is
read: its bytes, the time between two pieces of it, and the bytes of all bodies together are limited.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import attrs

from eventbus.errors import BusClosed, BusNotRunning, ConfigurationError
from triggers.aws import execution, routing
from triggers.aws.control import Control
from triggers.aws.errors import WireError
from triggers.aws.front import Front
from triggers.aws.http import Request, Response, host_name
from triggers.aws.protocols.rest import header_text, refuse_xml
from triggers.aws.streaming import send_pieces

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.execution.environment import Environment

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CONTROL = "/_eventbus/"
"""What begins so is for the bus itself; no bucket can be called like that."""
_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
_ALWAYS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"}


@attrs.frozen(kw_only=True)
class Limits:
    """What a client may send; counts, bytes and seconds."""

    head_fields: int = 100
    head_bytes: int = 65_536
    body_bytes: int = 10 * 2**20
    """Of a request to any service but S3."""
    package_bytes: int = 70_167_211
    """Of a request to Lambda, whose packages are 50 MB of base64."""
    object_bytes: int = 512 * 2**20
    """Of a request to S3; larger objects come in parts."""
    bodies_bytes: int = 2**30
    """Of all bodies together that are being read or worked on."""
    body_pause: float = 30.0
    """Seconds between two pieces of a body."""


class Refused(WireError):
    """A request that isn't looked at any further."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message, code=code)
        self.status = status  # type: ignore[misc]


class App:
    """An ASGI application that answers clients of AWS from a bus, which has to run on the same event loop.

    - `hosts`: further names that this machine may be called by; those of AWS and of localhost always are.
    - `verify_signatures`, `secrets`: refuse requests that aren't signed with the secret of their key.
    """

    def __init__(
        self,
        bus: EventBus,
        *,
        hosts: Collection[str] = (),
        limits: Limits | None = None,
        verify_signatures: bool = False,
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        if isinstance(hosts, str):
            raise ConfigurationError(f"hosts takes a collection of names: [{hosts!r}]")
        self.front = Front(bus, verify_signatures=verify_signatures, secrets=secrets, keeps=True)
        self._control = Control(self.front)
        self._bus = bus
        self._hosts = _HOSTS | {host.lower() for host in hosts}
        self._limits = Limits() if limits is None else limits
        self._held = 0

    def declare(self) -> None:
        """What is there now was declared by code, and stays there when a client resets the bus."""
        self._control.declare()

    @contextmanager
    def served_at(self, address: str) -> Iterator[None]:
        """Within the block, functions in processes of their own find the bus at this address, with their own keys."""
        identities = self.front.identities

        def access_of(environment: Environment) -> Mapping[str, str]:
            session = identities.open_access(environment)
            return {
                "AWS_ENDPOINT_URL": address,
                "AWS_ACCESS_KEY_ID": session.access_key,
                "AWS_SECRET_ACCESS_KEY": session.secret,
                "AWS_SESSION_TOKEN": session.token,
                "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
            }

        before = self._bus.access_of, identities.endpoint
        self._bus.access_of, identities.endpoint = access_of, address
        try:
            yield
        finally:
            self._bus.access_of, identities.endpoint = before

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif (executed := execution.find(self._bus, scope, self._hosts)) is not None:
            await execution.serve(*executed, receive, send)
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        held = _Held()
        try:
            request = self._head(scope)
            request.body = await self._body(request, receive, held)
            response = await self._respond(request)
        except Refused as refused:
            response = refuse_xml(refused.code, refused.message, refused.status, {}, self._bus.ids.uuid())
            response.headers["Connection"] = "close"
        finally:
            self._held -= held.size
        if response.pieces is not None:
            await _send_head(response, {**_ALWAYS, **response.headers}, send)
            await send_pieces(response.pieces, receive, send)
        else:
            await _send(response, scope["method"], send)

    async def _respond(self, request: Request) -> Response:
        try:
            if request.path.startswith(CONTROL):
                return await self._control.answer(request)
            return await self.front.answer(request)
        except (BusNotRunning, BusClosed) as error:
            raise Refused(503, "ServiceUnavailable", str(error)) from error
        except Exception as error:
            self._bus.log.error("wire_fault", path=request.path[:200], error=repr(error), exc_info=True)
            raise Refused(500, "InternalError", "We encountered an internal error. Please try again.") from error

    # -- what comes from outside --------------------------------------------------------------------------------------

    def _head(self, scope: MutableMapping[str, Any]) -> Request:
        """The request without its body. Raises Refused."""
        fields = scope["headers"]
        size = sum(len(name) + len(value) for name, value in fields)
        if len(fields) > self._limits.head_fields or size > self._limits.head_bytes:
            raise Refused(431, "RequestHeaderSectionTooLarge", "Your request header section exceeds the maximum size.")
        headers: dict[str, str] = {}
        for name, value in fields:
            key, text = name.decode("latin-1").lower(), _header(value)
            headers[key] = f"{headers[key]},{text}" if key in headers else text
        if "content-length" in headers and "transfer-encoding" in headers:
            raise Refused(400, "InvalidRequest", "Content-Length and Transfer-Encoding are both given")
        self._check_site(headers)
        path = scope.get("raw_path") or scope["path"].encode()
        query = scope["query_string"].decode("latin-1")
        return Request(scope["method"], path.partition(b"?")[0].decode("latin-1"), query, headers)

    def _check_site(self, headers: Mapping[str, str]) -> None:
        """Refuse what a web page of another site makes a browser send."""
        host = host_name(headers.get("host", ""))
        host = host.removeprefix("stream-").removeprefix("streaming-")  # what SDKs put before it for StartLiveTail
        if not (host in self._hosts or host.endswith((".localhost", ".amazonaws.com"))):
            raise Refused(
                403, "AccessDenied", f"the host {host[:100]!r} is not a name of this server; name it with --host-name"
            )
        origin = headers.get("origin")
        is_foreign = origin is not None and origin.partition("://")[2] != headers.get("host")
        if is_foreign or headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            raise Refused(403, "AccessDenied", "requests that a page of another site makes are refused")

    async def _body(self, request: Request, receive: Receive, held: _Held) -> bytes:
        """The body. Raises Refused as soon as it is known to be too large, or too slow."""
        limit = self._limit(request)
        announced = request.headers.get("content-length", "0")
        if not (announced.isascii() and announced.isdigit() and len(announced) < 16):
            raise Refused(400, "InvalidRequest", "Content-Length is not a number")
        if int(announced) > limit:
            raise _too_large(limit)
        pieces: list[bytes] = []
        is_more = True
        with anyio.move_on_after(self._limits.body_pause) as pause:
            while is_more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refused(400, "IncompleteBody", "The client has gone")
                piece, is_more = message.get("body", b""), message.get("more_body", False)
                held.size += len(piece)
                self._held += len(piece)
                if held.size > limit:
                    raise _too_large(limit)
                if self._held > self._limits.bodies_bytes:
                    raise Refused(503, "SlowDown", "Please reduce your request rate.")
                pieces.append(piece)
                if is_more:
                    pause.deadline = anyio.current_time() + self._limits.body_pause
        if pause.cancelled_caught:
            raise Refused(400, "RequestTimeout", "Your socket connection to the server was not read from in time.")
        return b"".join(pieces)

    def _limit(self, request: Request) -> int:
        if request.path.startswith(CONTROL) or request.content_type == "application/x-www-form-urlencoded":
            return self._limits.body_bytes
        try:
            service = routing.find_service(request)
        except WireError:
            return self._limits.body_bytes
        limits = {"s3": self._limits.object_bytes, "lambda": self._limits.package_bytes}
        return limits.get(service, self._limits.body_bytes)


@attrs.define
class _Held:
    """How many bytes of one body are in memory."""

    size: int = 0


def _header(value: bytes) -> str:
    """A header as text: UTF-8, which SDKs send for metadata, else Latin-1."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _too_large(limit: int) -> Refused:
    return Refused(413, "EntityTooLarge", f"Your proposed upload exceeds the maximum allowed size of {limit} bytes")


async def _live(receive: Receive, send: Send) -> None:
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


async def _send(response: Response, method: str, send: Send) -> None:
    headers = {**_ALWAYS, **response.headers}
    has_body = method != "HEAD" and response.status not in (204, 304)
    if has_body:
        headers["Content-Length"] = str(len(response.body))
    elif method == "HEAD":
        headers.setdefault("Content-Length", str(len(response.body)))
    await _send_head(response, headers, send)
    await send({"type": "http.response.body", "body": response.body if has_body else b""})


async def _send_head(response: Response, headers: Mapping[str, str], send: Send) -> None:
    encoded = [(name.encode("latin-1", "replace"), header_text(v).encode()) for name, v in headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": encoded})
