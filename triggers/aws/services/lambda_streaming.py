"""InvokeWithResponseStream: an answer that goes out while the handler still writes it.

The invocation is a task of the bus; between it and the client is room for a few chunks, so a slow client makes the
handler wait and nobody keep more. What is refused before anything was written is an error of the operation; how the
invocation ended is the last event of the stream.
"""

from __future__ import annotations

import base64
import json
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import anyio
import attrs

from eventbus.answers import InvocationResult
from eventbus.errors import BusClosed, ConfigurationError, EventBusError
from eventbus.execution.current import acting_as, current_environment
from triggers.aws.services.deeds import Result
from triggers.aws.streaming import Event, Live

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.execution.streaming import Chunk
    from eventbus.functions.invocable import Invocable

BUFFER = 16
"""Chunks that a handler may be ahead of its client."""


class Answer:
    """The chunks of one invocation as they come, and how it ended."""

    def __init__(self) -> None:
        self.result: InvocationResult | None = None
        self.failure: EventBusError | None = None
        self.version, self.request_id = "", ""
        self._chunks: deque[bytes] = deque()
        self._changed = anyio.Event()
        self._is_written = self._is_over = self._has_chunks = False

    def _change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    # -- the function's side ------------------------------------------------------------------------------------------

    async def take(self, chunk: Chunk) -> None:
        """Pass a chunk on; the handler's own task calls this, and waits here while the client is slow."""
        environment = current_environment.get()
        if environment is not None and environment.event is not None and not self.request_id:
            self.version, self.request_id = environment.lane.version, environment.event.request_id
        while len(self._chunks) >= BUFFER and not self._is_over:
            await self._changed.wait()
        if self._is_over:
            raise anyio.BrokenResourceError
        self._chunks.append(json.dumps(chunk).encode() + bytes(8) if isinstance(chunk, dict) else chunk)
        self._change()

    def end(self, result: InvocationResult | None, failure: EventBusError | None) -> None:
        """No more chunks come."""
        self.result, self.failure, self._is_written = result, failure, True
        self._change()

    # -- the client's side --------------------------------------------------------------------------------------------

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """The next event of the stream."""
        while not (self._chunks or self._is_written or self._is_over):
            await self._changed.wait()
        if self._is_over:
            raise StopAsyncIteration
        if not self._chunks:
            return self._ended()
        chunk, self._has_chunks = self._chunks.popleft(), True
        self._change()
        return {"PayloadChunk": {"Payload": chunk}}

    def _ended(self) -> Event:
        result = self.result
        if result is None:
            raise self.failure or BusClosed("invoke")
        if not self._has_chunks and result.function_error is None:  # it doesn't stream: its answer is the one chunk
            self._has_chunks = True
            return {"PayloadChunk": {"Payload": written(result.payload)}}
        self._is_over = True
        end: dict[str, Any] = {}
        if result.function_error is not None:
            error = result.payload if isinstance(result.payload, dict) else {}
            end = {"ErrorCode": error.get("errorType"), "ErrorDetails": json.dumps(result.payload)}
        if result.log_tail is not None:
            end["LogResult"] = base64.b64encode(result.log_tail.encode()).decode()
        return {"InvokeComplete": end}

    def close(self) -> None:
        """The client wants no more; as on AWS the function runs on."""
        self._is_over = True
        self._change()


@attrs.define
class Streamed:
    """One invocation whose answer goes out as an event stream; its chunks are those that the handler yields."""

    bus: EventBus
    target: Invocable
    payload: Any
    client_context: dict[str, Any] | None
    wants_log: bool
    refusal: Callable[[EventBusError], tuple[str, int, dict[str, Any]]]

    async def run(self) -> Result:
        """Begin, and answer as soon as something was written or all is over."""
        answer = Answer()
        self.bus.start_background(self._invoke, answer, current_environment.get(), acting_as.get())
        try:
            first = await anext(answer)
        except BaseException:
            answer.close()
            raise
        if answer.result is not None:
            answer.version, answer.request_id = answer.result.executed_version or "", answer.result.request_id
        return {
            "StatusCode": 200,
            "ExecutedVersion": answer.version,
            "ResponseStreamContentType": "application/octet-stream",
            "EventStream": Live(answer, lambda event: event, self.refusal, [first]),
            "ResponseMetadata": {"RequestId": answer.request_id},
        }

    def run_nowait(self) -> Result:
        """Say that nobody could wait for what comes. Raises ConfigurationError."""
        self.bus.accepting("invoke")
        raise ConfigurationError(
            "a synchronous client on the event loop's own thread cannot wait for an answer: in an async handler "
            "await bus.invoke(..., sink=...), or call from a thread"
        )

    async def _invoke(self, answer: Answer, environment: Any, caller: Any) -> None:
        current_environment.set(environment)  # the invocation is the caller's, with its permissions and its trace
        acting_as.set(caller)
        result: InvocationResult | None = None
        failure: EventBusError | None = None
        try:
            result = await self.bus.invoke(
                self.target,
                self.payload,
                client_context=self.client_context,
                log_tail=self.wants_log,
                sink=answer.take,
            )
        except EventBusError as error:
            failure = error
        finally:
            answer.end(result, failure)


def written(payload: Any) -> bytes:
    """A payload as the Python runtime writes it."""
    return json.dumps(payload, ensure_ascii=False).encode(errors="surrogatepass")
