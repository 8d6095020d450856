"""Handlers that write their answer bit by bit: async generators.

    async def handler(event, context):
        yield {"statusCode": 200, "headers": {"Content-Type": "text/plain"}}     # optional, and first
        yield "one "
        yield b"two"

AWS's Python runtime has no response streaming of its own; what is yielded is what its Node.js runtime writes: the
metadata of the HTTP integration, then the chunks of the body. Whoever asks for a stream gets each as it is yielded; for
everybody else they are put together.
"""

from __future__ import annotations

import base64
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, TypeAlias

import anyio

from eventbus.execution.current import current_environment

Chunk: TypeAlias = dict[str, Any] | bytes
Sink: TypeAlias = Callable[[Chunk], Awaitable[None]]
"""Takes one chunk; waits while whoever reads is slow. Raises anyio.BrokenResourceError when nobody reads any more."""


def is_streaming(handler: object) -> bool:
    """Whether a handler is an async generator function."""
    return inspect.isasyncgenfunction(handler) or inspect.isasyncgenfunction(
        getattr(handler, "__call__", None)  # noqa: B004 - asks for the method, not whether it is callable
    )


def as_coroutine(handler: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The handler as an environment calls it: unchanged, unless it streams."""
    if not is_streaming(handler):
        return handler

    async def stream(event: Any, context: Any) -> Any:
        environment = current_environment.get()
        running = None if environment is None else environment.event
        sink = None if running is None or running.reply is None else running.reply.sink
        async with aclosing(_checked(handler(event, context))) as chunks:
            return await (_collect(chunks) if sink is None else _pass_on(chunks, sink))

    return stream


async def _checked(yielded: AsyncGenerator[Any, None]) -> AsyncGenerator[Chunk, None]:
    is_first = True
    async with aclosing(yielded) as items:
        async for item in items:
            if isinstance(item, str):
                yield item.encode()
            elif isinstance(item, bytes) or (is_first and isinstance(item, dict)):
                yield item
            else:
                raise TypeError(f"a streaming handler yields bytes and text, and first a dict; not {item!r}")
            is_first = False


async def _pass_on(chunks: AsyncGenerator[Chunk, None], sink: Sink) -> None:
    is_read = True
    async for chunk in chunks:
        if is_read:
            try:
                await sink(chunk)
            except anyio.BrokenResourceError:
                is_read = False  # the client has gone; as on AWS the function runs on


async def _collect(chunks: AsyncGenerator[Chunk, None]) -> Any:
    """What a caller gets who waits for the whole: a text, or with metadata a result of the HTTP integration."""
    metadata: dict[str, Any] | None = None
    body = bytearray()
    async for chunk in chunks:
        if isinstance(chunk, dict):
            metadata = chunk
        else:
            body += chunk
    try:
        text, is_base64 = body.decode(), False
    except UnicodeDecodeError:
        text, is_base64 = base64.b64encode(body).decode(), True
    if metadata is None and not is_base64:
        return text
    return {"statusCode": 200, **(metadata or {}), "body": text, "isBase64Encoded": is_base64}
