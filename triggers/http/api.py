"""An API of API Gateway: the way of a request through stages, routes and authorizers to a function."""

from __future__ import annotations

from typing import Any

import attrs

from eventbus.answers import InvocationResult
from eventbus.errors import AccessDenied
from eventbus.telemetry.trace import Action
from eventbus.timestamps import iso_time
from triggers.http.authorizers import Authorizer
from triggers.http.events import Call
from triggers.http.front import identity_of
from triggers.http.grants import ACTION, Grant
from triggers.http.message import Request, Response
from triggers.http.paths import DEFAULT, Found
from triggers.http.refusals import Refused
from triggers.http.routes import Route, Stage
from triggers.http.wiring import Wiring


class Api(Wiring):
    """What HTTP APIs and REST APIs share."""

    deployment_id: str | None = None

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
        router = self._routes if stage.deployed is None else stage.deployed
        found = router.find(call.request.method, call.path)
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
