"""What everything that answers HTTP requests has in common: a name, `request`, an ASGI application, a server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, ClassVar, Final

import anyio
import attrs

from eventbus.answers import InvocationResult
from eventbus.delivery.targets import Source, Target
from eventbus.errors import AccessDenied, AWSError, BusClosed, ConfigurationError, PayloadTooLarge, TooManyRequests
from eventbus.execution.streaming import Sink
from eventbus.iam.principals import Principal
from eventbus.telemetry.trace import Action, Cause
from triggers.http.message import Fields, Headers, Request, Response, make_request
from triggers.http.refusals import Refused
from triggers.http.results import Malformed

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from triggers.http.asgi import Receive, Scope, Send

HEX: Final = "0123456789abcdef"
LOWER: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
_BASE64: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_HOP_BY_HOP: Final = frozenset(
    ("connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade")
)
"""Headers that belong to one connection: they are the server's to write."""


@attrs.frozen
class Streamed:
    """An answer whose body is still being written."""

    head: Response
    chunks: AsyncGenerator[bytes, None]
    stop_reading: Callable[[], None]
    """Lets the function write into nothing from now on."""

    async def aclose(self) -> None:
        """Read no more; the function runs on to its end."""
        await self.chunks.aclose()
        self.stop_reading()  # a generator that was never begun has nothing to do when it is closed


class Front:
    """An endpoint on one bus: an API or a function URL."""

    name: str
    bus: EventBus
    arn: str
    domain: str
    """The host name that it has on AWS."""
    body_limit: ClassVar[int]
    head_limit: ClassVar[int]
    metrics: ClassVar[tuple[str, str, str]]
    """Names of what is counted: requests, answers with 4xx, answers with 5xx."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Fields | None = None,
        body: Any = None,
        query: Fields | str | None = None,
        cookies: Mapping[str, str] | None = None,
        stage: str | None = None,
        source_ip: str = "127.0.0.1",
        signed: bool = True,
    ) -> Response:
        """Send a request in process and wait for the answer.

        `path` is that of the URL below the stage, with or without a query string. `headers` and `query` are mappings,
        whose values may be lists, or pairs. `body` is bytes, a text, or a JSON value, which sets the content type. A
        `signed` request is the caller's own: inside a handler its role's, outside the account's owner.

        Whatever goes wrong with the request is an answer with its status, as for a client of AWS. Raises
        ConfigurationError for what could not be sent, BusNotRunning and BusClosed. When cancelled, the function runs
        on and its answer is lost.
        """
        self.bus.accepting("request")
        request = make_request(
            method, path, headers=headers, body=body, query=query, cookies=cookies, source_ip=source_ip,
            caller=self.bus.caller(), is_signed=signed,
        )  # fmt: skip
        answer = await self.answer_below(request, stage)
        if isinstance(answer, Response):
            return answer
        try:
            body = b"".join([chunk async for chunk in answer.chunks])
        finally:
            await answer.aclose()
        return attrs.evolve(answer.head, body=body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Be an ASGI application."""
        from triggers.http.asgi import serve_one

        await serve_one(self, scope, receive, send)

    def serve(self, *, host: str = "127.0.0.1", port: int = 0, **limits: Any) -> AbstractAsyncContextManager[str]:
        """Serve it on a port: `async with api.serve() as url:`. Arguments as for `triggers.http.serve`."""
        from triggers.http.serving import serve

        return serve(self, host=host, port=port, **limits)

    # -- what each kind does in its own way -------------------------------------------------------------------------

    async def answer_below(self, request: Request, stage: str | None) -> Response | Streamed:
        """Answer a request whose path is below a stage; None is the usual one."""
        raise NotImplementedError

    async def answer(self, request: Request) -> Response | Streamed:
        """Answer a request whose path is the whole path of the URL."""
        raise NotImplementedError

    def refuse(self, why: Refused, message: str | None = None) -> Response:
        """The front's own answer."""
        raise NotImplementedError

    # -- for them ---------------------------------------------------------------------------------------------------

    def too_large(self, request: Request) -> Refused | None:
        """Why a request is refused for its size."""
        if request.head_size > self.head_limit:
            return Refused.HEAD_TOO_LARGE
        return Refused.BODY_TOO_LARGE if len(request.body) > self.body_limit else None

    def begin(self, request: Request) -> Action:
        """Note a request in the trace."""
        action = self.bus.note(request.method, self, request.path.lstrip("/"))
        action.hops = 0  # Lambda follows recursion through S3, SNS and SQS, not through HTTP
        return action

    def end(self, action: Action, response: Response, *added: tuple[str, str]) -> Response:
        """Finish an answer: note and count it, add the headers that AWS adds, leave out those of a connection."""
        status = response.status_code
        action.note = f"{status}, {action.note}" if action.note else str(status)
        count, errors, faults = self.metrics
        self.bus.count(count, self.arn)
        if status >= 400:
            self.bus.count(errors if status < 500 else faults, self.arn)
        return attrs.evolve(response, headers=Headers((*self.kept_headers(response), *added)))

    def kept_headers(self, response: Response) -> list[tuple[str, str]]:
        """The headers of a function's answer that reach the client."""
        return [(name, value) for name, value in response.headers.items_in_order if name.lower() not in _HOP_BY_HOP]

    async def invoke(
        self,
        function: Target,
        event: Any,
        source: Source | None,
        timeout: float | None,
        cause: Cause,
        sink: Sink | None = None,
    ) -> InvocationResult | Refused:
        """Run a function and wait for it; what Lambda says against it is a reason to refuse the request."""
        result = None
        try:
            with anyio.move_on_after(timeout):
                result = await self.bus.request(function.arn, event, source=source, cause=cause, sink=sink)
        except BusClosed:
            raise
        except AccessDenied:  # the bus has logged it, with the mending call
            return Refused.NOT_INVOKED
        except TooManyRequests:
            return Refused.FUNCTION_THROTTLED
        except PayloadTooLarge:
            return Refused.BODY_TOO_LARGE
        except AWSError as error:
            self.bus.log.warning("request_not_invoked", api=self.name, function=function.arn, reason=str(error))
            return Refused.NOT_INVOKED
        if result is None:
            return Refused.TIMED_OUT
        return result

    def read(self, action: Action, result: InvocationResult, read: Callable[[Any], Response]) -> Response | Refused:
        """Turn what a function returned into an answer."""
        if result.function_error is not None:
            action.note = "the function failed"
            return Refused.FUNCTION_FAILED
        try:
            return read(result.payload)
        except Malformed as problem:
            action.note = f"malformed result: {problem}"
            self.bus.log.warning("malformed_result", api=self.name, request=action.detail, reason=str(problem))
            return problem.refused

    def new_trace_id(self, request: Request) -> str:
        """The `X-Amzn-Trace-Id` of a request: the client's own, or a new one."""
        given = request.headers.get("x-amzn-trace-id", "")
        if "Root=" in given:
            return given
        return f"Root=1-{int(self.bus.clock.now()):08x}-{self.bus.ids.text(24, HEX)}"

    def new_extended_id(self) -> str:
        """An id as API Gateway's: `JKJaXmPLvHcESHA=`."""
        return f"{self.bus.ids.text(15, _BASE64)}="


def resolved(bus: EventBus, function: object) -> Target:
    """The function that an object, an ARN or a name stands for. Raises ConfigurationError for anything else."""
    target = bus.resource(function)
    if target.kind != "function":
        raise ConfigurationError(f"{target!r} is no function: a route, a URL and an authorizer invoke functions")
    return target


def identity_of(bus: EventBus, caller: Source | None) -> dict[str, Any]:
    """A signer, in the words of `requestContext.authorizer.iam`."""
    principal = bus.authority.owner if caller is None else Principal.parse(caller.principal)
    user_id = principal.context().get("aws:userid", "")
    stem = "ASIA" if caller is not None else "AKIA"
    return {
        "accessKey": f"{stem}{user_id.partition(':')[0][4:]:0<16.16}",
        "accountId": principal.account,
        "callerId": user_id,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": str(principal),
        "userId": user_id,
    }
