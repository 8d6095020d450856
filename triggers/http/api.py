"""An API of API Gateway: routes, stages, authorizers, and the way of a request through them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import attrs

from eventbus.answers import InvocationResult
from eventbus.delivery.targets import Source, Target
from eventbus.errors import AccessDenied, ConfigurationError
from eventbus.telemetry.trace import Action
from eventbus.timestamps import iso_time
from triggers.http.authorizers import Authorizer
from triggers.http.errors import BadRequest, Conflict, NotFound
from triggers.http.events import Call
from triggers.http.front import LOWER, Front, identity_of, resolved
from triggers.http.grants import ACTION, Grant
from triggers.http.message import Request, Response
from triggers.http.paths import ANY, DEFAULT, Found, RouteKey, Router
from triggers.http.refusals import Refused
from triggers.http.throttle import Bucket

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.functions.function import Function

SHORTEST_TIMEOUT = 0.05
"""Seconds that an integration is waited for at least (API Gateway quotas)."""
_STAGE_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


@attrs.define(eq=False)
class Stage:
    """A stage: a name in the URL, its variables, and how many requests it lets through."""

    name: str
    variables: dict[str, str]
    bucket: Bucket


class Route:
    """A route, or a method of a resource: made by `api.route`. A function can `allow` it by itself."""

    principal = "apigateway.amazonaws.com"

    def __init__(
        self,
        api: Api,
        key: RouteKey,
        function: Target,
        timeout: float,
        payload_format: str,
        authorizer: Authorizer | Literal["AWS_IAM"] | None,
    ) -> None:
        self.api = api
        self.key = key
        self.function = function
        self.timeout = timeout
        self.payload_format = payload_format
        self.authorizer = authorizer
        self.label = f'{api.label}["{key}"]'
        self.resource_id = api.bus.ids.text(6, LOWER)
        method = "*" if key.method == ANY else key.method
        self.arn = f"{api.arn_stem}/*/{DEFAULT if key.method == DEFAULT else method + key.template}"
        self._sources: dict[str, Source] = {}

    def __repr__(self) -> str:
        return f"<Route {self.key} of {self.api.name}: {self.function.name}>"

    def source(self, stage: str) -> Source:
        """Who invokes the function: `aws:SourceArn` names the stage and the route, as it was written."""
        known = self._sources.get(stage)
        if known is None:
            path = DEFAULT if self.key.method == DEFAULT else f"{self.key.method}{self.key.template}"
            arn = f"{self.api.arn_stem}/{stage}/{path}"
            known = self._sources[stage] = Source(self.principal, arn, self.api.bus.account_id, self.api.label)
        return known


class Api(Front):
    """What HTTP APIs and REST APIs share."""

    principal = "apigateway.amazonaws.com"
    longest_timeout: ClassVar[float]
    knows_unauthorized: ClassVar[bool]
    """Whether an authorizer that raises `Unauthorized` means 401."""
    body_limit = 10 * 2**20
    """Bytes of a request's body (API Gateway quotas, 2026)."""
    head_limit = 10_240
    """Bytes of the request line and the headers (HTTP API quotas, 2026)."""

    def __init__(
        self, bus: EventBus, name: str, *, timeout: float, rate: float, burst: float, is_strict: bool, falls_back: bool
    ) -> None:
        if not name:
            raise ConfigurationError(f"name={name!r}: an API has a name, such as 'shop'")
        self.bus = bus
        self.name = name
        self.label = name
        self.api_id = bus.ids.text(10, LOWER)
        self.domain = f"{self.api_id}.execute-api.{bus.region}.amazonaws.com"
        self.arn_stem = f"arn:{bus.partition}:execute-api:{bus.region}:{bus.account_id}:{self.api_id}"
        self.arn = f"{self.arn_stem}/*/*"
        """Every route in every stage: what `function.allow(api)` grants."""
        self.timeout = self._checked_timeout(timeout)
        self.rate, self.burst = rate, burst
        self.stages: dict[str, Stage] = {}
        self.authorizers: dict[str, Authorizer] = {}
        self._routes: Router[Route] = Router(is_strict=is_strict, falls_back=falls_back)

    def __repr__(self) -> str:
        keys = self._routes.keys
        return f"<{type(self).__name__} {self.name}: {len(keys)} routes, stages {', '.join(self.stages)}>"

    # -- configuration ----------------------------------------------------------------------------------------------

    def route(
        self,
        key: str,
        function: object,
        *,
        authorizer: Authorizer | Literal["AWS_IAM"] | None = None,
        timeout: float | None = None,
        payload_format: str | None = None,
        grant: bool = False,
    ) -> Route:
        """Let a function answer the requests of a route, and return the route.

        `key` is a method or `ANY` and a path (`"GET /cats/{id}"`, `"ANY /files/{path+}"`), or `"$default"`. `function`
        is the object, its ARN or its name. `authorizer` is one that `api.authorizer` made, or `"AWS_IAM"`. `timeout` is
        in seconds of real time; `payload_format` is the API's by default.

        The function's policy must let the API invoke it, else requests are answered with 500 and a warning names the
        mending call, `function.allow(api)`; with `grant=True` this very route is allowed. Raises BadRequest for a key
        that API Gateway does not take, Conflict for a route that exists, with nothing changed.
        """
        parsed = self._checked_key(key)
        self._routes.check(parsed)
        if not (authorizer in (None, "AWS_IAM") or (isinstance(authorizer, Authorizer) and authorizer.api is self)):
            raise ConfigurationError(f"authorizer={authorizer!r}: one that {self.name}.authorizer() made, or 'AWS_IAM'")
        chosen = resolved(self.bus, function)
        seconds = self.timeout if timeout is None else self._checked_timeout(timeout)
        route = Route(self, parsed, chosen, seconds, self._checked_format(payload_format), authorizer)
        self._routes.add(parsed, route)
        self._see_permission(chosen, route, route.source(next(iter(self.stages))), grant=grant)
        return route

    def on(
        self,
        key: str,
        *,
        authorizer: Authorizer | Literal["AWS_IAM"] | None = None,
        integration_timeout: float | None = None,
        payload_format: str | None = None,
        **function_options: Any,
    ) -> Callable[[Callable[[Any, Any], Any]], Function]:
        """Decorate a handler: make it a function, route to it, and let the API invoke it.

        `function_options` are those of `bus.function`; the others are those of `route`. Raises what both raise; no
        function is made then.
        """
        if callable(key):
            raise ConfigurationError('on() takes the route first: write @api.on("GET /cats")')
        self._routes.check(self._checked_key(key))
        if integration_timeout is not None:
            self._checked_timeout(integration_timeout)
        self._checked_format(payload_format)

        def decorate(handler: Callable[[Any, Any], Any]) -> Function:
            function = self.bus.function(**function_options)(handler)
            self.route(
                key, function, authorizer=authorizer, timeout=integration_timeout, payload_format=payload_format,
                grant=True,
            )  # fmt: skip
            return function

        return decorate

    @property
    def routes(self) -> list[str]:
        """The keys of all routes."""
        return [str(key) for key in self._routes.keys]

    def create_stage(
        self, name: str, variables: Mapping[str, str] | None = None, *, rate: float | None = None,
        burst: float | None = None,
    ) -> None:  # fmt: skip
        """Make a stage: the first segment of its URLs. `rate` (requests a second) and `burst` throttle it.

        Raises Conflict if there is one of this name, BadRequest for a name of other characters than letters, digits,
        `_` and `-`.
        """
        self._check_stage_name(name)
        if name in self.stages:
            raise Conflict("Stage already exists")
        bucket = Bucket(self.rate if rate is None else rate, self.burst if burst is None else burst)
        self.stages[name] = Stage(name, dict(variables or {}), bucket)

    def delete_stage(self, name: str) -> None:
        """Take a stage away. Raises NotFound."""
        if name not in self.stages:
            raise NotFound("Invalid stage identifier specified")
        del self.stages[name]

    def set_stage_variables(self, stage: str, variables: Mapping[str, str]) -> None:
        """Replace the variables of a stage. Raises NotFound."""
        if stage not in self.stages:
            raise NotFound("Invalid stage identifier specified")
        self.stages[stage].variables = dict(variables)

    # -- answering --------------------------------------------------------------------------------------------------

    async def answer_below(self, request: Request, stage: str | None) -> Response:
        name = next(iter(self.stages), DEFAULT) if stage is None else stage
        return await self._answer(request, self.stages.get(name), request.path)

    async def answer(self, request: Request) -> Response:
        _, first, rest = [*request.path.split("/", 2), ""][:3]
        if first != DEFAULT and first in self.stages:
            return await self._answer(request, self.stages[first], f"/{rest}")
        return await self._answer(request, self.stages.get(DEFAULT), request.path)

    async def _answer(self, request: Request, stage: Stage | None, path: str) -> Response:
        action = self.begin(request)
        name = DEFAULT if stage is None else stage.name
        call = Call(
            request=request,
            path=path,
            full_path=path if name == DEFAULT else f"/{name}{path}",
            account_id=self.bus.account_id,
            api_id=self.api_id,
            domain=self.domain,
            stage=name,
            stage_variables={} if stage is None else stage.variables,
            at=self.bus.clock.now(),
            request_id=self.bus.ids.uuid(),
            extended_id=self.new_extended_id(),
            trace_id=self.new_trace_id(request),
            deployment_id=self.deployment_id,
        )
        answer = await self._decide(call, stage, action)
        if isinstance(answer, Refused):
            action.note = action.note or answer.value
            answer = self.refuse(answer)
        return self.end(action, self.finish(call, answer), *self.own_headers(call))

    async def _decide(self, call: Call, stage: Stage | None, action: Action) -> Response | Refused:
        """The way of a request: size, stage, throttle, preflight, route, authorization, function."""
        if (too_large := self.too_large(call.request)) is not None:
            return too_large
        if stage is None:
            return Refused.NO_STAGE
        if not stage.bucket.take(call.at):
            return Refused.THROTTLED
        if (preflight := self.preflight(call.request)) is not None:
            return preflight
        found = self._routes.find(call.request.method, call.path)
        if found is None:
            return Refused.NO_ROUTE
        call = self._routed(call, found)
        authorized = await self._authorized(found.route, call, action)
        if not isinstance(authorized, Call):
            return authorized
        event = self.event(found.route, authorized)
        source = found.route.source(stage.name)
        result = await self.invoke(found.route.function, event, source, found.route.timeout, action)
        if not isinstance(result, InvocationResult):
            return result
        return self.read(action, result, lambda payload: self.read_result(found.route, authorized, payload))

    def _routed(self, call: Call, found: Found[Route]) -> Call:
        return attrs.evolve(
            call,
            key=found.key,
            parameters=found.parameters,
            resource_id=found.route.resource_id if self.deployment_id is not None else None,
        )

    async def _authorized(self, route: Route, call: Call, action: Action) -> Call | Response | Refused:
        """Let a request in, with what is known of the caller, or say why not."""
        arn = f"{self.arn_stem}/{call.stage}/{call.request.method}{call.path}"
        if route.authorizer is None:
            return call
        if route.authorizer == "AWS_IAM":
            return self._signed(call, arn, action)
        assert isinstance(route.authorizer, Authorizer)
        grant = await route.authorizer.ask(call, arn, action)
        if not isinstance(grant, Grant):
            return grant
        why = grant.refusal(arn, self.bus.account_id, self._conditions(call))
        if why is not None:
            return why
        latency = int((self.bus.clock.now() - call.at) * 1000)
        return attrs.evolve(call, authorizer=self.authorizer_context(route, grant, latency))

    def _signed(self, call: Call, arn: str, action: Action) -> Call | Response | Refused:
        """Authorization by IAM: the caller's role must allow `execute-api:Invoke`."""
        request = call.request
        if not request.is_signed:
            return Refused.UNSIGNED
        caller = request.caller
        label = "the caller" if caller is None else caller.label
        try:
            mend = f'call {label}.role.allow("{ACTION}", "{arn}")'
            self.bus.authority.authorize(caller, ACTION, arn, None, lambda: mend)
        except AccessDenied as denied:
            self.bus.log.warning("request_denied", api=self.name, request=action.detail, mend=denied.mend)
            action.note = str(denied)
            return self.refuse(Refused.DENIED, denied.message)
        return self.signed_call(call, identity_of(self.bus, caller))

    def _conditions(self, call: Call) -> dict[str, str]:
        agent = {} if call.user_agent is None else {"aws:UserAgent": call.user_agent}
        return {
            "aws:SourceIp": call.request.source_ip,
            "aws:CurrentTime": iso_time(call.at),
            "aws:EpochTime": str(int(call.at)),
            "aws:SecureTransport": "true",
            "aws:RequestedRegion": self.bus.region,
            **agent,
        }

    # -- what HTTP and REST APIs do in their own ways ---------------------------------------------------------------

    deployment_id: str | None = None

    def event(self, route: Route, call: Call) -> dict[str, Any]:
        """The event of a route's function."""
        raise NotImplementedError

    def authorizer_event(self, authorizer: Authorizer, call: Call, arn: str, identities: list[str]) -> dict[str, Any]:
        """The event of an authorizer's function."""
        raise NotImplementedError

    def authorizer_context(self, route: Route, grant: Grant, latency: int) -> dict[str, Any]:
        """`requestContext.authorizer` after an authorizer has let a request in."""
        raise NotImplementedError

    def signed_call(self, call: Call, identity: dict[str, Any]) -> Call:
        """A call with what is known of its signer."""
        raise NotImplementedError

    def read_result(self, route: Route, call: Call, payload: Any) -> Response:
        """What the function returned, as an answer. Raises Malformed."""
        raise NotImplementedError

    def own_headers(self, call: Call) -> list[tuple[str, str]]:
        """The headers that the API adds to every answer."""
        raise NotImplementedError

    def preflight(self, request: Request) -> Response | None:
        """The answer to a preflight request, where the API gives it itself."""
        return None

    def finish(self, call: Call, response: Response) -> Response:
        """The last touch to an answer: CORS, where the API is configured for it."""
        return response

    # -- inside -----------------------------------------------------------------------------------------------------

    def _checked_key(self, key: str) -> RouteKey:
        return RouteKey.parse(key)

    def _checked_format(self, payload_format: str | None) -> str:
        raise NotImplementedError

    def _checked_timeout(self, timeout: float) -> float:
        if not SHORTEST_TIMEOUT <= timeout <= self.longest_timeout:
            raise BadRequest(
                f"Timeout should be between 50 ms and {self.longest_timeout * 1000:.0f} ms",
                mend=f"timeout={timeout!r} is in seconds",
            )
        return timeout

    def _check_stage_name(self, name: str) -> None:
        if not name or len(name) > 128 or not _STAGE_CHARACTERS.issuperset(name):
            raise BadRequest("Stage name only allows a-zA-Z0-9_-", mend=f"not {name!r}")

    def _add_authorizer(self, authorizer: Authorizer, *, grant: bool) -> Authorizer:
        if authorizer.name in self.authorizers:
            raise Conflict("Authorizer name must be unique", mend="pass another name=")
        self.authorizers[authorizer.name] = authorizer
        self._see_permission(authorizer.function, authorizer, authorizer.source, grant=grant)
        return authorizer

    def _see_permission(self, function: Target, what: Route | Authorizer, source: Source, *, grant: bool) -> None:
        """Grant the permission to invoke, or warn that it is missing: API Gateway lets both pass."""
        if self.bus.may_send(source, function).is_allowed:
            return
        if grant:
            function.allow(what)
            return
        self.bus.log.warning(
            "route_not_permitted",
            api=self.name,
            route=str(getattr(what, "key", what.label)),
            mend=f"call {function.label}.allow({self.label}) or pass grant=True",
        )


def names(prefix: str, taken: Iterable[str]) -> str:
    """A name that isn't taken."""
    known = set(taken)
    return prefix if prefix not in known else next(n for i in range(2, 10_000) if (n := f"{prefix}-{i}") not in known)
