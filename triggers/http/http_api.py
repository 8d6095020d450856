"""HTTP APIs (API Gateway v2): payload format 2.0, and 1.0 on request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from triggers.http.api import Api
from triggers.http.authorizers import Authorizer
from triggers.http.checks import checked_flag, is_number
from triggers.http.cors import Cors, as_cors, is_preflight
from triggers.http.errors import BadRequest
from triggers.http.events import Call, http_authorizer_event_1, http_authorizer_event_2, http_event_1, http_event_2
from triggers.http.front import resolved
from triggers.http.grants import Grant
from triggers.http.message import Headers, Request, Response
from triggers.http.paths import DEFAULT
from triggers.http.refusals import Refused, http_refusal
from triggers.http.results import read_format_1, read_format_2
from triggers.http.routes import Route, names
from triggers.http.throttle import BURST, RATE

if TYPE_CHECKING:
    from eventbus.bus import EventBus

FORMATS = ("1.0", "2.0")
TEXT_TYPE = "text/plain;charset=UTF-8"
"""The content type of an answer whose function names none."""
AUTHORIZER_TIMEOUT = 10.0
"""Seconds that an authorizer gets (HTTP API quotas, 2026)."""


class HttpApi(Api):
    """An HTTP API of API Gateway.

        api = HttpApi(bus)
        api.route("GET /cats/{id}", cat, grant=True)
        response = await api.request("GET", "/cats/1")

    - `name`: how logs, the trace and, where several are on one port, URLs name it.
    - `cors`: a `Cors`, or a dict of its arguments; preflight requests are answered without invoking anything.
    - `payload_format`: `"2.0"`, or `"1.0"`; each route may have its own.
    - `timeout`: seconds of real time that a function is waited for, 0.05 to 30.
    - `stage_variables`: those of the stage `$default`, which every HTTP API begins with.
    - `rate`, `burst`: requests a second, and at once, that each stage lets through; 0 lets none through.

    It is an ASGI application itself. Raises BadRequest for a value that API Gateway does not take.
    """

    longest_timeout = 30.0
    knows_unauthorized = False
    metrics = ("Count", "4xx", "5xx")

    def __init__(
        self,
        bus: EventBus,
        name: str = "api",
        *,
        cors: Cors | dict[str, Any] | None = None,
        payload_format: str = "2.0",
        timeout: float = 30.0,
        stage_variables: Mapping[str, str] | None = None,
        rate: float = RATE,
        burst: float = BURST,
    ) -> None:
        super().__init__(bus, name, timeout=timeout, rate=rate, burst=burst, is_strict=True, falls_back=True)
        self.payload_format = payload_format
        self._checked_format(payload_format)
        self.cors = as_cors(cors)
        self.create_stage(DEFAULT, stage_variables)
        self._let_be_found()

    def authorizer(
        self,
        function: object,
        *,
        name: str | None = None,
        identity_sources: str | Iterable[str] = ("$request.header.Authorization",),
        ttl: float = 0,
        payload_format: str = "2.0",
        simple: bool | None = None,
        timeout: float = AUTHORIZER_TIMEOUT,
        grant: bool = False,
    ) -> Authorizer:
        """Make a Lambda authorizer, to be named in `route(..., authorizer=...)`.

        Without one of the `identity_sources` a request is answered with 401. Answers are kept for `ttl` seconds of the
        bus's clock, 0 to 3,600, by the values of the identity sources and for all routes; add `$context.routeKey` for
        answers by route. With `simple` (the default in format 2.0) the function answers `{"isAuthorized": true}`, else
        with a policy. Permission and `grant` as for `route`.
        """
        if payload_format not in FORMATS:
            raise BadRequest(f"Invalid AuthorizerPayloadFormatVersion {payload_format!r}", mend="1.0 or 2.0")
        if simple and payload_format == "1.0":
            raise BadRequest("EnableSimpleResponses is for authorizers with payload format 2.0")
        if simple is not None:
            checked_flag("simple", simple)
        if not is_number(timeout) or not 0 < timeout <= AUTHORIZER_TIMEOUT:
            raise BadRequest(f"timeout={timeout!r}: an authorizer gets up to {AUTHORIZER_TIMEOUT:g} seconds")
        chosen = resolved(self.bus, function)
        authorizer = Authorizer(
            self,
            chosen,
            name=name or names(chosen.name, self.authorizers),
            kind="REQUEST",
            identity_sources=identity_sources,
            ttl=ttl,
            validation=None,
            payload_format=payload_format,
            is_simple=payload_format == "2.0" if simple is None else simple,
            timeout=timeout,
        )
        return self._add_authorizer(authorizer, grant=grant)

    def refuse(self, why: Refused, message: str | None = None) -> Response:
        return http_refusal(why, message)

    def event(self, route: Route, call: Call) -> dict[str, Any]:
        return http_event_1(call) if route.payload_format == "1.0" else http_event_2(call)

    def authorizer_event(self, authorizer: Authorizer, call: Call, arn: str, identities: list[str]) -> dict[str, Any]:
        build = http_authorizer_event_1 if authorizer.payload_format == "1.0" else http_authorizer_event_2
        return build(call, arn, identities)

    def authorizer_context(self, route: Route, grant: Grant, latency: int) -> dict[str, Any]:
        if route.payload_format == "2.0":
            return {"lambda": dict(grant.context) or None}
        principal = {} if grant.principal_id is None else {"principalId": grant.principal_id}
        return {**principal, "integrationLatency": latency, **grant.context}

    def signed_call(self, call: Call, identity: dict[str, Any]) -> Call:
        return attrs.evolve(call, authorizer={"iam": identity})

    def read_result(self, route: Route, call: Call, payload: Any) -> Response:
        return read_format_1(payload) if route.payload_format == "1.0" else read_format_2(payload, TEXT_TYPE)

    def own_headers(self, call: Call) -> list[tuple[str, str]]:
        return [("Apigw-Requestid", call.extended_id)]

    def preflight(self, request: Request) -> Response | None:
        return Response(status_code=204) if self.cors is not None and is_preflight(request) else None

    def finish(self, call: Call, response: Response) -> Response:
        if self.cors is None:
            return response
        # what the function says about CORS is left out, whether or not the origin may call
        kept = [(n, v) for n, v in response.headers.items_in_order if not n.lower().startswith("access-control-")]
        is_asking = response.status_code == 204 and is_preflight(call.request)
        added = self.cors.preflight_headers(call.request) if is_asking else self.cors.headers(call.request)
        return attrs.evolve(response, headers=Headers((*kept, *added)))

    def _checked_format(self, payload_format: str | None) -> str:
        chosen = self.payload_format if payload_format is None else payload_format
        if chosen not in FORMATS:
            raise BadRequest(f"Invalid PayloadFormatVersion {chosen!r}", mend="1.0 or 2.0")
        return chosen

    def _check_stage_name(self, name: str) -> None:
        if name != DEFAULT:
            super()._check_stage_name(name)
