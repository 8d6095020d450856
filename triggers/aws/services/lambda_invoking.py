"""Lambda's Invoke, in its three forms.

A synchronous client on the event loop's own thread cannot wait for an answer, which that thread would have to give: it
may send events and dry runs, and is told so otherwise.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any

import attrs

from eventbus.answers import InvocationResult
from eventbus.core.publishing import MAX_ASYNC_PAYLOAD, MAX_SYNC_PAYLOAD
from eventbus.delivery.payload import encode, parse
from eventbus.errors import (
    ConfigurationError,
    InvalidParameterValue,
    InvalidRequestContent,
    NotJSON,
    PayloadTooLarge,
    ValidationFailed,
)
from eventbus.functions.invocable import Invocable
from triggers.aws.services.deeds import Deed, Input, Result, as_it_is
from triggers.aws.services.lambda_base import LambdaBase
from triggers.aws.services.lambda_streaming import Streamed, written

if TYPE_CHECKING:
    from eventbus.bus import EventBus

_TYPES = ("Event", "RequestResponse", "DryRun")
_LONGEST_CONTEXT = 3583
"""Characters of a client context, in base64."""


class Invoking(LambdaBase):
    """Invoke, InvokeAsync and InvokeWithResponseStream."""

    def invoke(self, given: Input) -> Deed:
        kind = given.get("InvocationType") or "RequestResponse"
        if kind not in _TYPES:
            listed = ", ".join(_TYPES)
            raise ValidationFailed(kind, "invocationType", f"Member must satisfy enum value set: [{listed}]")
        target = self._target(given)
        payload = _payload(given.get("Payload"), kind)
        context = _client_context(given.get("ClientContext"))
        wants_log = given.get("LogType") == "Tail" and kind == "RequestResponse"
        invocation = Invocation(self.bus, target, payload, kind, context, wants_log)
        return Deed(invocation.run, (), {}, {}, shape=_answered)

    def invoke_async(self, given: Input) -> Deed:
        invocation = Invocation(
            self.bus, self._target(given), _payload(given["InvokeArgs"], "Event"), "Event", None, False
        )
        return Deed(invocation.run, (), {}, {}, shape=lambda result: {"Status": 202})

    def invoke_with_response_stream(self, given: Input) -> Deed:
        kind = given.get("InvocationType") or "RequestResponse"
        if kind not in ("RequestResponse", "DryRun"):
            raise ValidationFailed(
                kind, "invocationType", "Member must satisfy enum value set: [RequestResponse, DryRun]"
            )
        context = _client_context(given.get("ClientContext"))
        wants_log = given.get("LogType") == "Tail"
        target, payload = self._target(given), _payload(given.get("Payload"), kind)
        if kind == "DryRun":
            dry = Invocation(self.bus, target, payload, kind, context, wants_log)
            return Deed(dry.run, (), {}, {}, shape=lambda result: {"StatusCode": 204})
        streamed = Streamed(self.bus, target, payload, context, wants_log, self.refusal)
        return Deed(streamed.run, (), {}, {}, shape=as_it_is)

    def _target(self, given: Input) -> Invocable:
        named = self.named(given)
        if self.bus.functions.get(named.name) is None and named.qualifier is None:
            given = {**given, "Qualifier": "$LATEST"}  # Invoke alone says which version it has not found
        return self.invocable(given, "InvokeFunction")


@attrs.define
class Invocation:
    """One invocation that was asked for."""

    bus: EventBus
    target: Invocable
    payload: Any
    kind: str
    client_context: dict[str, Any] | None
    wants_log: bool

    async def run(self) -> InvocationResult:
        """Invoke, and wait for what there is to wait for."""
        return await self.bus.invoke(
            self.target,
            self.payload,
            invocation_type=self.kind,
            client_context=self.client_context,
            log_tail=self.wants_log,
        )

    def run_nowait(self) -> InvocationResult:
        """Queue the event in one synchronous step. Raises ConfigurationError where there is an answer to wait for."""
        self.bus.accepting("invoke")
        if self.kind == "RequestResponse":
            raise ConfigurationError(
                "a synchronous client on the event loop's own thread cannot wait for an answer: in an async handler "
                "await bus.invoke(...), call from a thread, or send InvocationType='Event'"
            )
        return self.bus.invoke_nowait(self.target, self.payload, invocation_type=self.kind)


def _payload(body: bytes | None, kind: str) -> Any:
    """The event. Raises PayloadTooLarge before it is looked at, InvalidRequestContent for what isn't JSON."""
    if not body:
        return {}
    limit = MAX_ASYNC_PAYLOAD if kind == "Event" else MAX_SYNC_PAYLOAD
    if len(body) > limit:
        raise PayloadTooLarge(len(body), limit, kind)
    try:
        value = parse(bytes(body).decode())
        encode(value)
    except (ValueError, NotJSON) as error:
        raise InvalidRequestContent(
            f"Could not parse request body into json: Could not parse payload into json: {error}"
        ) from None
    return value


def _client_context(text: str | None) -> dict[str, Any] | None:
    if not text:
        return None
    if len(text) > _LONGEST_CONTEXT:
        raise InvalidParameterValue(f"ClientContext has more than {_LONGEST_CONTEXT} characters.")
    try:
        found = json.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        found = None
    if not isinstance(found, dict):
        raise InvalidRequestContent("Client context must be a valid Base64-encoded JSON object.")
    return found


def _answered(result: InvocationResult) -> Result:
    shown: Result = {"StatusCode": result.status_code, "ResponseMetadata": {"RequestId": result.request_id}}
    if result.status_code != 200:
        return shown
    shown |= {"Payload": written(result.payload), "ExecutedVersion": result.executed_version}
    if result.function_error is not None:
        shown["FunctionError"] = result.function_error
    if result.log_tail is not None:
        shown["LogResult"] = base64.b64encode(result.log_tail.encode()).decode()
    return shown
