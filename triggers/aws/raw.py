"""The bodies of responses, in the forms that the HTTP sessions of botocore and aiobotocore have them in."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any


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


class AsyncRaw:
    """A body as aiohttp has it: a response with a stream as its `content`."""

    def __init__(self, url: str, body: bytes) -> None:
        self.url = url
        self.content = _Stream(body)

    async def read(self) -> bytes:
        """All of it."""
        return await self.content.read()

    def close(self) -> None:
        """Nothing is open."""

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

    def at_eof(self) -> bool:
        """Whether everything was read."""
        return not self._body
