"""An HTTP server on loopback."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import anyio.abc
import h11

from eventbus.clock import VirtualClock


class Endpoint:
    """A small HTTP server: keeps what it gets, answers what it was told to, 200 otherwise."""

    def __init__(self, clock: VirtualClock, *answers: int) -> None:
        self.clock = clock
        self.answers = list(answers)
        self.requests: list[tuple[float, dict[str, str], str]] = []
        self.port = 0

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.place}/hook"

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[Endpoint, None]:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        self.port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, self._serve)
            yield self
            tasks.cancel_scope.cancel()

    async def _serve(self, stream: anyio.abc.SocketStream) -> None:
        async with stream:
            connection = h11.Connection(h11.SERVER)
            headers: dict[str, str] = {}
            body = b""
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(await stream.receive())
                elif isinstance(event, h11.Request):
                    headers = {name.decode(): value.decode() for name, value in event.headers}
                elif isinstance(event, h11.Data):
                    body += event.data
                else:
                    break
            self.requests.append((self.clock.elapsed, headers, body.decode()))
            status = self.answers.pop(0) if self.answers else 200
            extra = [("location", "http://127.0.0.1:1/"), ("content-length", "0"), ("connection", "close")]
            answer = connection.send(h11.Response(status_code=status, headers=extra))
            assert answer is not None
            await stream.send(answer)
