"""Function URLs: an address of one function, without an API in between.

Sources: Lambda developer guide, "Function URLs" (2026); CreateFunctionUrlConfig; answers recorded in November 2025.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import attrs

from eventbus.answers import InvocationResult
from eventbus.delivery.targets import Source, Target
from eventbus.errors import ConfigurationError, ValidationFailed
from eventbus.iam.evaluation import Request as Question
from eventbus.iam.evaluation import evaluate
from eventbus.iam.principals import Principal
from eventbus.telemetry.trace import Action
from eventbus.timestamps import iso_time
from triggers.http.cors import Cors, as_cors, is_preflight
from triggers.http.errors import BadRequest
from triggers.http.events import Call, http_event_2
from triggers.http.front import LOWER, Front, Streamed, identity_of, resolved
from triggers.http.function_urls import FunctionUrls
from triggers.http.message import Headers, Request, Response
from triggers.http.refusals import Refused, url_refusal
from triggers.http.results import JSON_TYPE, read_format_2
from triggers.http.streaming import stream

if TYPE_CHECKING:
    from eventbus.bus import EventBus

REQUEST_ID = "x-amzn-RequestId"
"""The header that says which invocation an answer is of."""
_URL_ID = re.compile(r"[a-z0-9]{1,63}")
_ANONYMOUS = Principal.parse("*")
_STATEMENTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("FunctionURLAllowPublicAccess", "lambda:InvokeFunctionUrl", {"function_url_auth_type": "NONE"}),
    ("FunctionURLInvokeAllowPublicAccess", "lambda:InvokeFunction", {"invoked_via_function_url": True}),
)
"""What the console adds for a public URL; both are needed since October 2025."""
_CHECKS = (
    ("lambda:InvokeFunctionUrl", "lambda:FunctionUrlAuthType"),
    ("lambda:InvokeFunction", "lambda:InvokedViaFunctionUrl"),
)


class FunctionUrl(Front):
    """The URL of a function, or of an alias.

        url = FunctionUrl(bus, greet, grant=True)
        response = await url.request("GET", "/hello", query={"name": "Ada"})

    - `auth_type`: `"NONE"` for everybody, `"AWS_IAM"` for signed requests; the policy is asked in either case. With
      `grant=True` and `"NONE"` the two statements are added that the console adds.
    - `cors`: a `Cors`, or a dict of its arguments.
    - `invoke_mode`: `"BUFFERED"`, or `"RESPONSE_STREAM"` for handlers that are async generators.
    - `url_id`: the first label of its host name, of small letters and digits, by default one of chance.

    A function or alias has one URL, until that is deleted. It is an ASGI application itself. Raises ResourceConflict
    for a second one, ValidationFailed for another `auth_type` or `invoke_mode`, BadRequest for what AWS does not take,
    with nothing changed.
    """

    body_limit: ClassVar[int] = 6 * 2**20
    head_limit: ClassVar[int] = 2**20
    metrics = ("UrlRequestCount", "Url4xxCount", "Url5xxCount")

    def __init__(
        self,
        bus: EventBus,
        function: object,
        *,
        auth_type: Literal["NONE", "AWS_IAM"] = "NONE",
        cors: Cors | dict[str, Any] | None = None,
        invoke_mode: Literal["BUFFERED", "RESPONSE_STREAM"] = "BUFFERED",
        name: str | None = None,
        grant: bool = False,
        url_id: str | None = None,
    ) -> None:
        _check_enum("authType", auth_type, ("AWS_IAM", "NONE"))
        _check_enum("invokeMode", invoke_mode, ("RESPONSE_STREAM", "BUFFERED"))
        if grant and auth_type != "NONE":
            raise ConfigurationError('grant=True lets everybody in; for AWS_IAM call role.allow("lambda:Invoke*", fn)')
        self.bus = bus
        self._function = resolved(bus, function)
        for option, given in (("name", name), ("url_id", url_id)):
            if not isinstance(given, str | None):
                raise ConfigurationError(f"{option}={given!r}: a text is needed")
        if url_id is not None and not _URL_ID.fullmatch(url_id):
            raise ConfigurationError(f"url_id={url_id!r}: 1 to 63 small letters and digits")
        self.name = name or self.function.name
        self.label = f"{self.name}'s URL"
        self.arn = self.function.arn
        self.auth_type = auth_type
        self.cors = as_cors(cors)
        if self.cors is not None and len(self.cors.allow_methods) > 6:
            raise BadRequest("A function URL allows up to 6 methods", mend='or "*"')
        self.invoke_mode = invoke_mode
        self.url_id = bus.ids.text(32, LOWER) if url_id is None else url_id
        self.domain = f"{self.url_id}.lambda-url.{bus.region}.on.aws"
        self.is_deleted = False
        urls = bus.shared(FunctionUrls)
        urls.check(self.function, self.url_id)
        urls.add(self)
        if grant:
            self.grant()
        elif auth_type == "NONE" and self._refusal(None, _ANONYMOUS) is not None:
            self._warn("url_not_permitted")

    def __repr__(self) -> str:
        return f"<FunctionUrl of {self.function.name}: {self.auth_type}, {self.invoke_mode}>"

    @property
    def function(self) -> Target:
        """What it invokes: whatever has that ARN now, or the function that had it when there is none."""
        return self.bus.find(self._function.arn) or self._function

    @property
    def url(self) -> str:
        """The address that it has on AWS."""
        return f"https://{self.domain}/"

    def grant(self) -> None:
        """Let everybody call: add the two statements to the function's policy that the console adds."""
        known = {statement["Sid"] for statement in (self._function_policy() or {}).get("Statement", ())}
        for sid, action, conditions in _STATEMENTS:
            if sid not in known:
                self.function.add_permission(sid, "*", action=action, **conditions)  # type: ignore[attr-defined]

    def delete(self) -> None:
        """Take the URL away: DeleteFunctionUrlConfig. From then on it answers 403. Raises ResourceNotFound."""
        self.bus.shared(FunctionUrls).remove(self)
        self.is_deleted = True

    async def answer_below(self, request: Request, stage: str | None) -> Response | Streamed:
        if stage is not None:
            raise ConfigurationError("a function URL has no stages")
        return await self.answer(request)

    async def answer(self, request: Request) -> Response | Streamed:
        action = self.begin(request)
        call = self._call(request)
        answer = await self._decide(call, action)
        if isinstance(answer, Streamed):
            return attrs.evolve(answer, head=self._finish(call, answer.head, action))
        if isinstance(answer, Refused):
            action.note = action.note or answer.value
            answer = self.refuse(answer)
        return self._finish(call, answer, action)

    async def _decide(self, call: Call, action: Action) -> Response | Streamed | Refused:
        request = call.request
        if (too_large := self.too_large(request)) is not None:
            return too_large
        if self.is_deleted:
            return Refused.DENIED
        if self.cors is not None and is_preflight(request):
            return Response(status_code=200)
        if (why := self._permission(request)) is not None:
            return why
        if self.invoke_mode == "RESPONSE_STREAM":
            return await stream(self, http_event_2(call), action)
        result = await self.invoke(self.function, http_event_2(call), None, None, action)
        if not isinstance(result, InvocationResult):
            return result
        answer = self.read(action, result, lambda payload: read_format_2(payload, JSON_TYPE))
        if isinstance(answer, Refused):
            action.note = action.note or answer.value
            answer = self.refuse(answer)
        return answer.with_headers((REQUEST_ID, result.request_id))

    def refuse(self, why: Refused, message: str | None = None) -> Response:
        return url_refusal(why, message)

    def _call(self, request: Request) -> Call:
        is_iam = self.auth_type == "AWS_IAM"
        identity = identity_of(self.bus, request.caller) if is_iam and request.is_signed else None
        return Call(
            request=request,
            path=request.path,
            full_path=request.path,
            account_id=self.bus.account_id if is_iam else "anonymous",
            api_id=self.url_id,
            domain=self.domain,
            stage="$default",
            stage_variables={},
            at=self.bus.clock.now(),
            request_id="",
            extended_id=self.bus.ids.uuid(),
            trace_id=self.new_trace_id(request),
            authorizer=None if identity is None else {"iam": identity},
        )

    def _permission(self, request: Request) -> Refused | None:
        if self.auth_type == "NONE":
            why = self._refusal(None, _ANONYMOUS)
        elif not request.is_signed:
            return Refused.UNSIGNED
        else:
            owner = self.bus.authority.owner
            why = self._refusal(
                request.caller, owner if request.caller is None else Principal.parse(request.caller.principal)
            )
        if why is not None:
            self._warn("request_denied")
        return why

    def _refusal(self, caller: Source | None, principal: Principal) -> Refused | None:
        """Both actions must be allowed: by the function's policy, or for signed requests by the caller's role."""
        if not self.bus.authority.is_enforcing:
            return None
        role = None if caller is None else caller.role
        values = {"lambda:FunctionUrlAuthType": self.auth_type, "lambda:InvokedViaFunctionUrl": "true"}
        now = self.bus.clock.now()
        for action, key in _CHECKS:
            context = {key: values[key], "aws:CurrentTime": iso_time(now), "aws:EpochTime": str(int(now))}
            question = Question(principal, action, self.function.arn, context, self.bus.account_id)
            decision = evaluate(
                question,
                identity=() if role is None else role.policies,
                resource=self.function.access.policy,
                boundary=None if role is None else role.boundary,
            )
            if not decision.is_allowed:
                return Refused.DENIED
        return None

    def _function_policy(self) -> Mapping[str, Any] | None:
        policy = self.function.access.policy
        return None if policy is None else policy.document

    def _warn(self, event: str) -> None:
        mend = (
            "pass grant=True, or call grant() of the URL"
            if self.auth_type == "NONE"
            else f'call role.allow(["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"], {self.function.label})'
        )
        self.bus.log.warning(event, function=self.function.name, mend=mend)

    def _finish(self, call: Call, response: Response, action: Action) -> Response:
        if self.cors is not None:
            kept = [(n, v) for n, v in response.headers.items_in_order if not n.lower().startswith("access-control-")]
            is_asking = is_preflight(call.request)
            added = self.cors.preflight_headers(call.request) if is_asking else self.cors.headers(call.request)
            response = attrs.evolve(response, headers=Headers((*kept, *added)))
        if REQUEST_ID not in response.headers:  # nothing was invoked, or it has not ended yet
            response = response.with_headers((REQUEST_ID, call.extended_id))
        return self.end(action, response, ("X-Amzn-Trace-Id", call.trace_id))


def _check_enum(member: str, value: object, accepted: tuple[str, ...]) -> None:
    if value not in accepted:
        raise ValidationFailed(value, member, f"Member must satisfy enum value set: [{', '.join(accepted)}]")
