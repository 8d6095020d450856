"""The server of both fronts: HTTP/1.1, spoken by h11, on the event loop that the bus runs on.

What a connection does wrong ends that connection and nothing else. Heads and idle connections have their time, heads
their size, answers the time in which they have to be taken; how many connections there are is limited. Bodies are the
application's to limit, piece by piece. It needs the extra `eventbus[server]`.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import anyio
import anyio.abc
import attrs

from eventbus.errors import ConfigurationError
from triggers.connection import GONE, Application, Connection

HEAD_TIME = 30.0
"""Seconds for a head to come, and for a connection to be idle."""
CONNECTIONS = 512

Address = tuple[str, int]

_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED)


@asynccontextmanager
async def serving(
    application: Application, *, host: str = "127.0.0.1", port: int = 0, grace: float = 0.0
) -> AsyncGenerator[Address, None]:
    """Answer whoever connects, for as long as the block lasts; gives the address, for port 0 with one that was free.

    Leaving the block takes no new requests and gives running ones `grace` seconds. What is raised in the block comes
    out as it is. Raises ConfigurationError if nothing can listen there.
    """
    try:
        listener = await anyio.create_tcp_listener(local_host=host, local_port=port, reuse_port=False)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"cannot listen on {shown(host)}:{port}: {reason}") from error
    server = _Server(application)
    failure: BaseException | None = None
    async with anyio.create_task_group() as answering:
        try:
            async with anyio.create_task_group() as accepting:
                for one in listener.listeners:
                    accepting.start_soon(server.accept, one.extra(anyio.abc.SocketAttribute.raw_socket), answering)
                accepting.start_soon(server.watch)
                try:
                    yield host, listener.extra(anyio.abc.SocketAttribute.local_port)
                except BaseException as error:
                    failure = error  # raised below, outside of the groups, which would wrap it
                accepting.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await listener.aclose()
                with anyio.move_on_after(grace):
                    await server.finish()
            answering.cancel_scope.cancel()
    if failure is not None:
        raise failure


def shown(host: str) -> str:
    """A host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def address_of(host: str, port: int) -> str:
    """Where a process on this machine finds what listens there."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(host, host)
    return f"http://{reached}:{port}"


@attrs.define(eq=False)
class _Server:
    app: Application
    connections: set[Connection] = attrs.field(factory=set)
    is_closing: bool = False
    all_done: anyio.Event | None = None

    async def accept(self, listening: socket.socket, tasks: anyio.abc.TaskGroup) -> None:
        """Attend to whoever connects."""
        while True:
            await anyio.wait_readable(listening)
            try:
                client, _ = listening.accept()
            except BlockingIOError:
                continue  # it has gone again
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                await anyio.sleep(0.1)  # until somebody hangs up
            else:
                tasks.start_soon(self.attend, client)

    async def attend(self, client: socket.socket) -> None:
        """One connection, from beginning to end."""
        if len(self.connections) >= CONNECTIONS or self.is_closing:
            client.close()
            return
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(self.app, client)
        except OSError:  # the client has gone
            client.close()
            return
        self.connections.add(connection)
        try:
            with suppress(*GONE):
                await connection.run()
        finally:
            self.connections.discard(connection)
            if self.all_done is not None and not self.connections:
                self.all_done.set()
            connection.close()

    async def watch(self) -> None:
        """Hang up on who takes too long for a head, or is idle for long."""
        while True:
            await anyio.sleep(HEAD_TIME / 10)
            longest = anyio.current_time() - HEAD_TIME
            for connection in self.connections:
                if connection.idle_since is not None and connection.idle_since < longest:
                    connection.hang_up()

    async def finish(self) -> None:
        """Wait until what is being answered is answered; who asks for nothing is cut off."""
        self.is_closing = True
        for connection in self.connections:
            connection.hang_up()
        if self.connections:
            self.all_done = anyio.Event()
            await self.all_done.wait()
