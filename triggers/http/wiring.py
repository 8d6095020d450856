"""The configuration of an API: routes, stages, authorizers, and the permissions that they need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from eventbus.delivery.targets import Source, Target
from eventbus.errors import ConfigurationError
from triggers.http.authorizers import Authorizer
from triggers.http.checks import checked_limit, is_number, stage_variables
from triggers.http.endpoints import Endpoints
from triggers.http.errors import BadRequest, Conflict, NotFound
from triggers.http.front import LOWER, Front, resolved
from triggers.http.paths import RouteKey, Router
from triggers.http.routes import Route, Stage
from triggers.http.throttle import Bucket

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.functions.function import Function

SHORTEST_TIMEOUT = 0.05
"""Seconds that an integration is waited for at least (API Gateway quotas)."""
_STAGE_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


class Wiring(Front):
    """The calls that configure an API."""

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
        given: object = name
        if not isinstance(given, str) or not given:
            raise ConfigurationError(f"name={name!r}: an API has a name, such as 'shop'")
        self.timeout = self._checked_timeout(timeout)
        checked_limit("rate", rate)
        checked_limit("burst", burst)
        self.bus = bus
        self.name = name
        self.label = name
        self.api_id = bus.ids.text(10, LOWER)
        self.domain = f"{self.api_id}.execute-api.{bus.region}.amazonaws.com"
        self.arn_stem = f"arn:{bus.partition}:execute-api:{bus.region}:{bus.account_id}:{self.api_id}"
        self.arn = f"{self.arn_stem}/*/*"
        """Every route in every stage: what `function.allow(api)` grants."""
        self.rate, self.burst = rate, burst
        self.stages: dict[str, Stage] = {}
        self.authorizers: dict[str, Authorizer] = {}
        self._is_strict, self._falls_back = is_strict, falls_back
        self._routes: Router[Route] = self.router()

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
        self._check_authorizer(authorizer)
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
        self._check_authorizer(authorizer)

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
        `_` and `-`, for variables that are no texts, and for limits that are no numbers.
        """
        self._check_stage_name(name)
        if name in self.stages:
            raise Conflict("Stage already exists")
        bucket = Bucket(self.rate if rate is None else rate, self.burst if burst is None else burst)
        checked_limit("rate", bucket.rate)
        checked_limit("burst", bucket.burst)
        self.stages[name] = Stage(name, stage_variables(variables), bucket)

    def _let_be_found(self) -> None:
        """The API is complete: its id may be used."""
        self.bus.shared(Endpoints).add(self)

    def delete_stage(self, name: str) -> None:
        """Take a stage away. Raises NotFound."""
        if name not in self.stages:
            raise NotFound("Invalid stage identifier specified")
        del self.stages[name]

    def set_stage_variables(self, stage: str, variables: Mapping[str, str]) -> None:
        """Replace the variables of a stage. Raises NotFound or BadRequest."""
        if stage not in self.stages:
            raise NotFound("Invalid stage identifier specified")
        self.stages[stage].variables = stage_variables(variables)

    def router(self, routes: Iterable[Route] = ()) -> Router[Route]:
        """Routes as this kind of API finds them. Raises Conflict for two that answer the same requests."""
        made: Router[Route] = Router(is_strict=self._is_strict, falls_back=self._falls_back)
        for route in routes:
            made.add(route.key, route)
        return made

    def replace_routes(self, routes: Iterable[Route]) -> None:
        """Have these routes, and no others. Raises Conflict, with nothing changed."""
        self._routes = self.router(routes)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _checked_key(self, key: str) -> RouteKey:
        return RouteKey.parse(key)

    def _checked_format(self, payload_format: str | None) -> str:
        raise NotImplementedError

    def _checked_timeout(self, timeout: float) -> float:
        if not is_number(timeout) or not SHORTEST_TIMEOUT <= timeout <= self.longest_timeout:
            raise BadRequest(
                f"Timeout should be between 50 ms and {self.longest_timeout * 1000:.0f} ms",
                mend=f"timeout={timeout!r} is in seconds",
            )
        return timeout

    def _check_authorizer(self, authorizer: object) -> None:
        if not (authorizer in (None, "AWS_IAM") or (isinstance(authorizer, Authorizer) and authorizer.api is self)):
            raise ConfigurationError(f"authorizer={authorizer!r}: one that {self.name}.authorizer() made, or 'AWS_IAM'")

    def _check_stage_name(self, name: str) -> None:
        given: object = name
        if not isinstance(given, str) or not name or len(name) > 128 or not _STAGE_CHARACTERS.issuperset(name):
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
