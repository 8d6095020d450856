"""Publishing and calling: how an event gets into a function's queue, and how a caller gets an answer."""

from __future__ import annotations

import threading
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from anyio.lowlevel import checkpoint

from eventbus.answers import InvocationResult, Receipt
from eventbus.core.sources import Sources
from eventbus.delivery.event import Body, Event, Reply
from eventbus.delivery.payload import Encoded, JSONValue, compact, decode, encode_and_copy
from eventbus.delivery.payload import size as payload_size
from eventbus.delivery.retry import MAX_HOPS, Reason
from eventbus.delivery.targets import Source
from eventbus.errors import (
    AccessDenied,
    BusClosed,
    ConfigurationError,
    PayloadTooLarge,
    RecursiveInvocation,
    TooManyRequests,
)
from eventbus.execution.context import ClientContext
from eventbus.execution.current import current_environment
from eventbus.execution.outcome import Failed
from eventbus.functions.function import Function
from eventbus.functions.invocable import Invocable
from eventbus.telemetry.logs import last_bytes
from eventbus.telemetry.trace import Cause

if TYPE_CHECKING:
    from eventbus.delivery.dead_letters import DeadLetter
    from eventbus.execution.streaming import Sink

MAX_ASYNC_PAYLOAD = 1_048_576
"""Bytes of an asynchronous event (Lambda quotas, since October 2025)."""
LARGE_EVENT = 262_144
"""Bytes from which on an asynchronous event is billed as more than one request."""
CHAIN = 64
"""Invocations of one chain that the trace shows as one tree."""
MAX_SYNC_PAYLOAD = 6_291_456
"""Bytes of a direct call (Lambda quotas)."""
LOG_TAIL = 4096
"""Bytes of the log that a direct caller may have with the answer."""
_INVOCATION_TYPES = ("RequestResponse", "Event", "DryRun")


class Publishing(Sources):
    """Events in, answers out."""

    async def push(self, target: object, payload: JSONValue, *, source: Any) -> Receipt:
        """Put an event on the queue of a function, and return as soon as it is there.

        This is what every source calls, and all that a trigger of your own needs. `target` is a function or its ARN,
        `payload` a JSON value, `source` anything with `principal` and `arn` (a bucket, a topic, an object of yours), or
        a service's name such as `"s3.amazonaws.com"`: the function's resource policy must let it in, or the event ends
        in `bus.dead_letters` with the reason AccessDenied.

        Waits only while the queue is full. When cancelled, the event was not accepted. Raises NotJSON,
        PayloadTooLarge above 1 MB, ResourceNotFound, BusNotRunning and BusClosed.
        """
        if self._state != "running" or threading.get_ident() != self._thread:
            self.accepting("push")
        self._budget -= 1
        is_own = target.__class__ is Function and target.home is self
        function: Invocable = target if is_own else self._function(target)  # type: ignore[assignment]
        if self._budget <= 0 or self.full or self.backlog_bytes >= self.queue_bytes:
            await self._wait_for_room("push", function.arn.__eq__)
        body, copy = encode_and_copy(payload)
        sender = source if source.__class__ is Source else self.source_of(source)
        event = self.enqueue(function, body, sender, None, copy)
        if self.durable is not None:
            await self.durable.synced()
        receipt = Receipt()
        receipt._event = event
        return receipt

    def enqueue(
        self, function: Invocable, body: Body, source: Source, cause: Cause | None, copy: JSONValue = None
    ) -> Event:
        """Queue an event for a function, in one synchronous step: the seam for sources.

        `body` is encoded JSON or an object whose `record(event)` builds the payload anew for each delivery. Without a
        `cause` it is what the calling handler works on. Raises PayloadTooLarge.
        """
        if body.__class__ is bytes:
            if len(body) > LARGE_EVENT:
                self._take_large(function, len(body))
        elif isinstance(body, str) and payload_size(body) > LARGE_EVENT:
            self._take_large(function, payload_size(body))
        if cause is None:
            environment = current_environment.get()
            if environment is not None:
                cause = environment.event
        lane = function.lane
        self._numbers = number = self._numbers + 1
        hops = 1 if cause is None else cause.hops + 1
        if hops >= CHAIN and hops % CHAIN == 0:
            cause = None  # a loop that is allowed: the trace begins anew, else it would keep all of it alive
        if self.backlog >= self.queue_limit:
            body, copy = compact(body) if body.__class__ is bytes else body, None
        event = Event(self.clock.now(), cause, hops, number, lane, source, body, copy)
        if function is not lane.target:
            event.address_to(function)
        self.trace.append(event)
        self.outstanding += 1
        if hops > MAX_HOPS and function.function.configuration.recursive_loop == "Terminate":
            lane.discard(event, Reason.RECURSIVE_INVOCATION)
        elif self.durable is not None:
            self.durable.accept(event)
        elif self.faults is not None:
            lane.receive(event)
        else:
            lane.put(event)
        return event

    def _take_large(self, function: Invocable, size: int) -> None:
        """Refuse an event that is too large; bill one that is merely large."""
        if size > MAX_ASYNC_PAYLOAD:
            raise PayloadTooLarge(size, MAX_ASYNC_PAYLOAD, "Event")
        self.journal.large_event(function.lane, self.clock.now(), size)

    async def redrive(self, letter: DeadLetter) -> Receipt:
        """Send a dead letter again, as a new event of the same source; it leaves the list.

        Raises ValueError if the letter isn't in the list (any more), ResourceNotFound if its function is gone.
        """
        self.accepting("redrive")
        await self.room()
        function = self._function(letter.target)
        if letter not in self.dead_letters:
            raise ValueError(f"{letter!r} is not in bus.dead_letters")
        self.dead_letters.take(letter)
        action = self.note("redrive", function, letter.request_id, letter.cause)
        action.hops = 0  # a person broke the chain
        event = self.enqueue(function, letter.body, letter.sender, action)
        await self.synced()
        receipt = Receipt()
        receipt._event = event
        return receipt

    async def invoke(
        self,
        function: object,
        payload: JSONValue = None,
        *,
        qualifier: str | None = None,
        invocation_type: str = "RequestResponse",
        client_context: dict[str, Any] | None = None,
        log_tail: bool = False,
        sink: Sink | None = None,
    ) -> InvocationResult:
        """Run a function directly and wait for its answer (request-response).

        `qualifier` names a version or an alias. `invocation_type` may be `"Event"`, which queues the event, status 202,
        or `"DryRun"`, which checks parameters and permission and runs nothing, status 204. `sink` takes what a
        streaming handler yields, as it yields it; the payload of the result is None then. A function that fails is a
        result with `function_error`, not an exception. When cancelled, the function runs on and its answer is lost, as
        when a client hangs up. Raises TooManyRequests with its reason when no environment may be had, AccessDenied
        inside a handler whose role may not, RecursiveInvocation after 16 invocations in one chain, PayloadTooLarge
        above 6 MB (1 MB for an event), NotJSON, ResourceNotFound, InvalidParameterValue for two qualifiers that
        differ, and BusClosed when the bus is left before the answer is there.
        """
        self.accepting("invoke")
        if invocation_type not in _INVOCATION_TYPES:
            raise ConfigurationError(f"invocation_type={invocation_type!r}: one of {', '.join(_INVOCATION_TYPES)}")
        target = self.qualified(function, qualifier)
        self.authorize("lambda:InvokeFunction", target.resource_arn, target.access, target.label)
        body, copy = encode_and_copy(payload)
        reply = Reply(ClientContext.of(client_context), sink)
        if invocation_type == "Event":
            await self.room(target.arn.__eq__)
            event = self.enqueue(target, body, self.caller() or self._owner(), None, copy)
            await self.synced()
            return _accepted(202, event.request_id)
        await checkpoint()
        if invocation_type == "DryRun":
            return _accepted(204, self.ids.uuid())
        return await self._answer(target, body, copy, reply, self.caller() or self._owner(), self.cause(), log_tail)

    def invoke_nowait(
        self, function: object, payload: JSONValue = None, *, invocation_type: str = "Event"
    ) -> InvocationResult:
        """The synchronous twin of `invoke` for what has no answer: an `"Event"` or a `"DryRun"`.

        It waits neither for room in the queue nor for the store. Raises what `invoke` raises, and ConfigurationError
        for `"RequestResponse"`.
        """
        self.accepting("invoke")
        if invocation_type not in ("Event", "DryRun"):
            raise ConfigurationError(
                f"invocation_type={invocation_type!r}: what is to be answered has to be awaited, await bus.invoke(...)"
            )
        target = self._function(function)
        self.authorize("lambda:InvokeFunction", target.resource_arn, target.access, target.label)
        body, copy = encode_and_copy(payload)
        if invocation_type == "DryRun":
            return _accepted(204, self.ids.uuid())
        return _accepted(202, self.enqueue(target, body, self.caller() or self._owner(), None, copy).request_id)

    async def request(
        self,
        function: object,
        payload: JSONValue,
        *,
        source: Any = None,
        cause: Cause | None = None,
        sink: Sink | None = None,
    ) -> InvocationResult:
        """Run a function directly on behalf of a service, and wait for its answer: the seam for HTTP APIs and pollers.

        `source` is who calls, as for `push`, and the function's resource policy must let it in; None is Lambda's own
        poller, which acts inside the service and needs no permission. `cause` is the trace node that the invocation
        hangs below. `sink` takes what a streaming handler yields, as it yields it; the payload of the result is None
        then. Raises AccessDenied with the mending call, and what `invoke` raises.
        """
        target = self._function(function)
        if source is None:
            sender = self._owner()
        else:
            sender = self.source_of(source)
            decision = self.may_send(sender, target)
            if not decision.is_allowed:
                sentence, _, mend = self.denied(sender, target, decision).partition("; ")
                raise AccessDenied(sentence, mend=mend)
        body, copy = encode_and_copy(payload)
        await checkpoint()
        return await self._answer(target, body, copy, Reply(None, sink), sender, cause, log_tail=False)

    async def _answer(
        self,
        target: Invocable,
        body: Encoded,
        copy: JSONValue,
        reply: Reply,
        source: Source,
        cause: Cause | None,
        log_tail: bool,
    ) -> InvocationResult:
        if payload_size(body) > MAX_SYNC_PAYLOAD:
            raise PayloadTooLarge(payload_size(body), MAX_SYNC_PAYLOAD, "RequestResponse")
        event = self._call(target, body, copy, reply, source, cause)
        outcome, attempt = await reply.wait(self.clock)
        tail = last_bytes(self.logs.of_attempt(attempt), LOG_TAIL) if log_tail else None
        failed = isinstance(outcome, Failed)
        return InvocationResult(
            status_code=200,
            payload=deepcopy(outcome.document) if isinstance(outcome, Failed) else decode(outcome.result),
            function_error="Unhandled" if failed else None,
            executed_version=event.lane.version,
            request_id=event.request_id,
            log_tail=tail,
        )

    def _call(
        self, target: Invocable, body: Body, copy: JSONValue, reply: Reply, source: Source, cause: Cause | None
    ) -> Event:
        """Queue a direct call ahead of everything, if an environment may be had for it."""
        self.accepting("invoke")
        if self.is_stopping:
            raise BusClosed("invoke")
        lane = target.lane
        hops = 1 if cause is None else cause.hops + 1
        if hops > MAX_HOPS and target.function.configuration.recursive_loop == "Terminate":
            self.journal.refused("RecursiveInvocationsDropped", target, self.clock.now())
            raise RecursiveInvocation
        if (reason := lane.refusal) is not None:
            self.journal.refused("Throttles", target, self.clock.now())
            raise TooManyRequests(reason)
        self._numbers = number = self._numbers + 1
        self.uncounted += 1
        self.direct += 1
        self.outstanding += 1
        event = Event(self.clock.now(), cause, hops, number, lane, source, body, copy, reply=reply)
        if target is not lane.target:
            event.address_to(target)
        self.trace.append(event)
        lane.put_first(event)
        return event


def _accepted(status_code: int, request_id: str) -> InvocationResult:
    """What comes back when nothing was waited for."""
    return InvocationResult(
        status_code=status_code,
        payload=None,
        function_error=None,
        executed_version=None,
        request_id=request_id,
        log_tail=None,
    )
