"""REST APIs (API Gateway v1) with Lambda proxy integrations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

from triggers.http.api import Api
from triggers.http.authorizers import Authorizer
from triggers.http.checks import is_number, texts
from triggers.http.errors import BadRequest
from triggers.http.events import Call, rest_event, rest_request_event, rest_token_event
from triggers.http.front import LOWER, resolved
from triggers.http.grants import Grant
from triggers.http.message import Response
from triggers.http.paths import DEFAULT, RouteKey
from triggers.http.refusals import Refused, rest_refusal
from triggers.http.results import read_rest
from triggers.http.routes import Route, names
from triggers.http.throttle import BURST, RATE

if TYPE_CHECKING:
    from eventbus.bus import EventBus

AUTHORIZER_TIMEOUT = 30.0
"""Seconds that an authorizer gets."""
_REMAPPED: Final = frozenset(
    ("authorization", "connection", "content-length", "content-md5", "date", "host", "server", "www-authenticate")
)
"""Headers of a function's answer that reach the client as `x-amzn-Remapped-…` (developer guide, "Important notes")."""
_DROPPED: Final = frozenset(("keep-alive", "te", "trailer", "transfer-encoding", "upgrade"))


class RestApi(Api):
    """A REST API of API Gateway, every method of which invokes a function (`AWS_PROXY`).

        api = RestApi(bus, binary_media_types=["image/png"])
        api.route("GET /cats/{id}", cat, grant=True)
        response = await api.request("GET", "/cats/1")           # in the stage "prod"; on a port: /prod/cats/1

    - `stage`, `stage_variables`: the stage that it begins with.
    - `binary_media_types`: content types, one or several, whose bodies travel as base64; `image/*` and `*/*` are
      allowed.
    - `timeout`: seconds of real time that a function is waited for, 0.05 to 29.
    - `name`, `rate` and `burst` as for `HttpApi`.

    Routes are effective at once; there are no deployments. It is an ASGI application itself.
    """

    longest_timeout = 29.0
    knows_unauthorized = True
    metrics = ("Count", "4XXError", "5XXError")

    def __init__(
        self,
        bus: EventBus,
        name: str = "api",
        *,
        stage: str = "prod",
        stage_variables: Mapping[str, str] | None = None,
        binary_media_types: str | Iterable[str] = (),
        timeout: float = 29.0,
        rate: float = RATE,
        burst: float = BURST,
    ) -> None:
        super().__init__(bus, name, timeout=timeout, rate=rate, burst=burst, is_strict=False, falls_back=False)
        self.binary_media_types = texts("binary_media_types", binary_media_types)
        self.deployment_id = bus.ids.text(6, LOWER)
        self.create_stage(stage, stage_variables)
        self._let_be_found()

    def authorizer(
        self,
        function: object,
        *,
        name: str | None = None,
        type: Literal["TOKEN", "REQUEST"] = "TOKEN",  # noqa: A002 - AWS's name
        identity_sources: str | Iterable[str] | None = None,
        ttl: float | None = None,
        validation: str | None = None,
        timeout: float = AUTHORIZER_TIMEOUT,
        grant: bool = False,
    ) -> Authorizer:
        """Make a Lambda authorizer, to be named in `route(..., authorizer=...)`.

        A TOKEN authorizer gets one header, `Authorization` by default, which has to match the regular expression
        `validation` as a whole; a REQUEST authorizer gets the request. Without one of the `identity_sources`
        (`method.request.header.NAME`, …) a request is answered with 401. The policy that the function returns is kept
        for `ttl` seconds of the bus's clock (300 by default, 0 to 3,600), by the identity sources and for the whole
        API. Permission and `grant` as for `route`.
        """
        if type not in ("TOKEN", "REQUEST"):
            raise BadRequest(f"Invalid authorizer type {type!r}", mend="TOKEN or REQUEST")
        if validation is not None and type != "TOKEN":
            raise BadRequest("validation is for TOKEN authorizers")
        if not is_number(timeout) or not 0 < timeout <= AUTHORIZER_TIMEOUT:
            raise BadRequest(f"timeout={timeout!r}: an authorizer gets up to {AUTHORIZER_TIMEOUT:g} seconds")
        if identity_sources is None:
            identity_sources = ("method.request.header.Authorization",) if type == "TOKEN" else ()
        chosen = resolved(self.bus, function)
        authorizer = Authorizer(
            self,
            chosen,
            name=name or names(chosen.name, self.authorizers),
            kind=type,
            identity_sources=identity_sources,
            ttl=(300 if identity_sources else 0) if ttl is None else ttl,
            validation=validation,
            payload_format="1.0",
            is_simple=False,
            timeout=timeout,
        )
        return self._add_authorizer(authorizer, grant=grant)

    def refuse(self, why: Refused, message: str | None = None) -> Response:
        return rest_refusal(why, message)

    def event(self, route: Route, call: Call) -> dict[str, Any]:
        return rest_event(call, self.binary_media_types)

    def authorizer_event(self, authorizer: Authorizer, call: Call, arn: str, identities: list[str]) -> dict[str, Any]:
        if authorizer.kind == "TOKEN":
            return rest_token_event(call, identities[0], arn)
        return rest_request_event(call, arn)

    def authorizer_context(self, route: Route, grant: Grant, latency: int) -> dict[str, Any]:
        return {"principalId": grant.principal_id, "integrationLatency": latency, **grant.context}

    def signed_call(self, call: Call, identity: dict[str, Any]) -> Call:
        known = {
            "accessKey": identity["accessKey"],
            "accountId": identity["accountId"],
            "caller": identity["callerId"],
            "user": identity["userId"],
            "userArn": identity["userArn"],
        }
        return attrs.evolve(call, identity=known)

    def read_result(self, route: Route, call: Call, payload: Any) -> Response:
        return read_rest(payload, call.request.headers.get("accept"), self.binary_media_types)

    def own_headers(self, call: Call) -> list[tuple[str, str]]:
        return [
            ("x-amzn-RequestId", call.request_id),
            ("x-amz-apigw-id", call.extended_id),
            ("X-Amzn-Trace-Id", call.trace_id),
        ]

    def kept_headers(self, response: Response) -> list[tuple[str, str]]:
        return [
            (f"x-amzn-Remapped-{name}" if name.lower() in _REMAPPED else name, value)
            for name, value in response.headers.items_in_order
            if name.lower() not in _DROPPED
        ]

    def _checked_key(self, key: str) -> RouteKey:
        parsed = RouteKey.parse(key)
        if parsed.method == DEFAULT:
            raise BadRequest("A REST API has no $default route", mend="write 'ANY /{proxy+}'")
        return parsed

    def _checked_format(self, payload_format: str | None) -> str:
        if payload_format not in (None, "1.0"):
            raise BadRequest("A REST API has payload format 1.0", mend="HttpApi has 2.0")
        return "1.0"
