"""Answers of function URLs that are sent while the function still writes them (`RESPONSE_STREAM`)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

import anyio
import attrs
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from eventbus.answers import InvocationResult
from eventbus.errors import EventBusError
from eventbus.execution.streaming import Chunk
from eventbus.telemetry.trace import Action
from triggers.http.front import Streamed
from triggers.http.message import Headers, Response
from triggers.http.refusals import Refused
from triggers.http.results import JSON_TYPE, Malformed, read_format_2, read_metadata

if TYPE_CHECKING:
    from triggers.http.function_url import FunctionUrl

BUFFER = 16
"""Chunks that a function may be ahead of its client."""
BINARY_TYPE = "application/octet-stream"
"""The content type of a stream that names none."""


class StreamBroken(EventBusError):
    """A function failed in the middle of its answer: the client has its first part, and no more comes."""

    def __init__(self, function: str, reason: str) -> None:
        super().__init__(f"{function} failed in the middle of its answer: {reason}")


@attrs.define
class _Ending:
    """What became of the invocation, once it has ended."""

    result: InvocationResult | Refused | None = None
    failure: EventBusError | None = None


async def stream(url: FunctionUrl, event: Any, action: Action) -> Streamed | Response | Refused:
    """Invoke a function, and answer as soon as it has written something."""
    send, receive = anyio.create_memory_object_stream[Chunk](BUFFER)
    ending = _Ending()
    url.bus.start_background(_run, url, event, action, send, ending)
    try:
        first = await receive.receive()
    except anyio.EndOfStream:
        receive.close()
        return _without_chunks(url, action, ending)
    except BaseException:
        receive.close()
        raise
    head = Response(status_code=200, headers=Headers([("Content-Type", BINARY_TYPE)]))
    if isinstance(first, dict):
        try:
            head, first = read_metadata(first, BINARY_TYPE), b""
        except Malformed as problem:
            receive.close()
            action.note = f"malformed metadata: {problem}"
            return problem.refused
    return Streamed(head, _chunks(url.function.name, first, receive, ending), receive.close)


async def _run(
    url: FunctionUrl, event: Any, action: Action, send: MemoryObjectSendStream[Chunk], ending: _Ending
) -> None:
    with send:
        try:
            ending.result = await url.invoke(url.function, event, None, None, action, send.send)
        except EventBusError as error:
            ending.failure = error


def _without_chunks(url: FunctionUrl, action: Action, ending: _Ending) -> Response | Refused:
    """A function that failed first, wrote nothing, or doesn't stream at all."""
    if ending.failure is not None:
        raise ending.failure
    result = ending.result
    if not isinstance(result, InvocationResult):
        return Refused.CLOSED if result is None else result
    return url.read(action, result, lambda payload: read_format_2("" if payload is None else payload, JSON_TYPE))


async def _chunks(
    name: str, first: bytes, receive: MemoryObjectReceiveStream[Chunk], ending: _Ending
) -> AsyncGenerator[bytes, None]:
    with receive:
        if first:
            yield first
        async for chunk in receive:
            assert isinstance(chunk, bytes)
            if chunk:
                yield chunk
    result = ending.result
    if not isinstance(result, InvocationResult):
        raise StreamBroken(name, str(ending.failure or result))
    if result.function_error is not None:
        raise StreamBroken(name, f"{result.payload.get('errorType')}: {result.payload.get('errorMessage')}")
