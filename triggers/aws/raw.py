"""The bodies of responses, in the forms that the HTTP sessions of botocore and aiobotocore have them in."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from eventbus.errors import BusClosed, ConfigurationError

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from triggers.aws.http import Response
    from triggers.aws.streaming import Pieces


def raw(bus: EventBus, response: Response) -> Raw | LiveRaw:
    """The body of a response for a synchronous client."""
    return Raw(response.body) if response.pieces is None else LiveRaw(bus, response.pieces)


def async_raw(bus: EventBus, url: str, response: Response) -> AsyncRaw:
    """The body of a response for an asynchronous client."""
    if response.pieces is None:
        return AsyncRaw(url, _Stream(response.body))
    return AsyncRaw(url, _LiveStream(bus, response.pieces))


class Raw(io.BytesIO):
    """A body as urllib3 has it: read, or streamed."""

    def stream(self, amount: int = 65_536, decode_content: bool | None = None) -> Iterator[bytes]:
        """The rest of the body in pieces."""
        while piece := self.read(amount):
            yield piece

    def read_chunked(self, amount: int = 65_536) -> Iterator[bytes]:
        """The same, under the name that event streams use."""
        return self.stream(amount)

    def release_conn(self) -> None:
        """There is no connection to give back."""


class LiveRaw:
    """A body that comes in pieces, each of which the client's thread waits for while the bus runs in its own."""

    def __init__(self, bus: EventBus, pieces: Pieces) -> None:
        self._bus = bus
        self._pieces = pieces

    def stream(self, amount: int = 65_536, decode_content: bool | None = None) -> Iterator[bytes]:
        """The pieces, as they come."""
        try:
            while piece := self._take():
                yield piece
        finally:
            self.close()

    def _take(self) -> bytes:
        if self._bus.is_on_this_thread:
            raise ConfigurationError(NO_WAITING)
        try:
            piece: bytes = self._bus.from_thread(self._pieces.take)
        except BusClosed:
            return b""
        return piece

    def close(self) -> None:
        """The client wants no more."""
        self._pieces.live.close_soon()

    release_conn = close


NO_WAITING = (
    "a synchronous client on the event loop's own thread cannot wait for the events of a stream: iterate in a thread, "
    "with await anyio.to_thread.run_sync(...), or use aiobotocore"
)


class AsyncRaw:
    """A body as aiohttp has it: a response with a stream as its `content`."""

    def __init__(self, url: str, content: _Stream | _LiveStream) -> None:
        self.url = url
        self.content = content

    async def read(self) -> bytes:
        """All of it."""
        return await self.content.read()

    def close(self) -> None:
        """The client wants no more."""
        self.content.close()

    release = close

    async def wait_for_close(self) -> None:
        """Nothing is open."""

    async def __aenter__(self) -> AsyncRaw:
        return self

    async def __aexit__(self, *exception: Any) -> None:
        return None


class _Stream:
    def __init__(self, body: bytes) -> None:
        self._body = memoryview(body)

    async def read(self, amount: int = -1) -> bytes:
        """So many bytes, all with a negative number."""
        end = len(self._body) if amount < 0 else amount
        taken, self._body = bytes(self._body[:end]), self._body[end:]
        return taken

    async def iter_chunks(self) -> AsyncIterator[tuple[bytes, bool]]:
        """All of it, under the name that event streams use."""
        yield await self.read(), True

    def close(self) -> None:
        """Nothing is open."""

    def at_eof(self) -> bool:
        """Whether everything was read."""
        return not self._body


class _LiveStream:
    """A body that comes in pieces, on the bus's event loop or on another one."""

    def __init__(self, bus: EventBus, pieces: Pieces) -> None:
        self._bus = bus
        self._pieces = pieces

    async def iter_chunks(self) -> AsyncIterator[tuple[bytes, bool]]:
        """The pieces, as they come."""
        try:
            while piece := await self._take():
                yield piece, True
        finally:
            self.close()

    async def read(self, amount: int = -1) -> bytes:
        """One piece; all of them with a negative number."""
        if amount >= 0:
            return await self._take()
        return b"".join([piece async for piece, _ in self.iter_chunks()])

    async def _take(self) -> bytes:
        if self._bus.is_on_this_thread:
            return await self._pieces.take()
        return await anyio.to_thread.run_sync(self._bus.from_thread, self._pieces.take)

    def close(self) -> None:
        """The client wants no more."""
        self._pieces.live.close_soon()
