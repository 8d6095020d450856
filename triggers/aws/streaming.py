"""Answers that are sent while their events happen: a body in pieces, and what ends it.

The events come from a room, on the bus's clock. Each is taken when the piece before has been sent, so a slow client
makes nobody keep more than its room does. Whoever sends a body closes it, whatever happens.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

import anyio
import anyio.lowlevel
import attrs

from eventbus.errors import EventBusError

Event = Mapping[str, Any]
"""One event of a stream, as boto3 has it: a dict of one member."""
Message = MutableMapping[str, Any]


class Events(Protocol):
    """What a room gives: something open, to be iterated over and to be closed."""

    def __aiter__(self) -> AsyncIterator[Any]: ...

    def __anext__(self) -> Awaitable[Any]: ...

    def close(self) -> None:
        """End it; closing twice does nothing."""


@attrs.define(eq=False)
class Live:
    """The events of an operation's output that have yet to happen. Made on the bus's event loop, closed from anywhere.

    Whoever drops it closes it: there may be nobody who could be sent the answer.
    """

    events: Events
    shape: Callable[[Any], Event]
    """Makes the stream's event of what the room gives."""
    refusal: Callable[[EventBusError], tuple[str, int, dict[str, Any]]]
    """Code, status and further members of an error that ends the stream."""
    first: Sequence[Event] = ()
    """What the stream begins with."""
    is_closed: bool = attrs.field(default=False, init=False)
    _post: Callable[..., Any] = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        loop: Any = anyio.lowlevel.current_token().native_token
        self._post = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon

    def __del__(self) -> None:
        if not self.is_closed:
            self.close_soon()

    def close(self) -> None:
        """The client has all of it, or has gone."""
        self.is_closed = True
        self.events.close()

    def close_soon(self) -> None:
        """The same from any thread, or from none in particular, without waiting for it."""
        self.is_closed = True
        with suppress(Exception):  # the event loop has ended, and what there was with it
            self._post(self.events.close)


class Encoding(Protocol):
    """How events are written."""

    def event(self, event: Event) -> bytes:
        """One event."""

    def refusal(self, code: str, message: str, fields: Mapping[str, Any]) -> bytes:
        """The error that ends the stream."""


class Pieces:
    """The pieces of one body, taken on the bus's event loop."""

    def __init__(self, live: Live, encoding: Encoding, beginning: bytes) -> None:
        self.live = live
        self._encoding = encoding
        self._beginning = beginning + b"".join(map(encoding.event, live.first))

    async def take(self) -> bytes:
        """The next piece; empty at the end. An error of the room is a piece, and the last one."""
        live = self.live
        if self._beginning:
            piece, self._beginning = self._beginning, b""
            return piece
        if live.is_closed:
            return b""
        try:
            return self._encoding.event(live.shape(await anext(live.events)))
        except StopAsyncIteration:
            live.close()
            return b""
        except EventBusError as error:
            live.close()
            code, _, fields = live.refusal(error)
            return self._encoding.refusal(code, getattr(error, "message", str(error)), fields)


async def send_pieces(
    pieces: Pieces, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Send a body over ASGI, until it ends or the client has gone, which is noticed while nothing is sent too."""
    failure: BaseException | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_watch, receive, tasks.cancel_scope)
        try:
            while piece := await pieces.take():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except Exception as error:
            failure = error  # raised below, outside of the group, which would wrap it
        finally:
            pieces.live.close()
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _watch(receive: Callable[[], Awaitable[Message]], scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
