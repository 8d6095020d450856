"""Back-pressure: publishers wait while queues are full, and until what they did is safe."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from eventbus.core.waiting import Waiting
from eventbus.execution.current import current_environment
from eventbus.execution.environment import BUDGET


class Pressure(Waiting):
    """The first and the last thing that a publisher does: wait for room, wait for the store."""

    def room(self, reaches: Callable[[str], bool] | None = None) -> Awaitable[None]:
        """Wait while a queue is full, and give the event loop its turns: the first thing that a publisher does.

        `reaches(arn)` says whether what is published may reach the function with this ARN; without it every full queue
        is waited for. A handler never waits: it might wait for the queue that it empties.
        """
        self._budget -= 1
        if self._budget <= 0 or self.full or self.backlog_bytes >= self.queue_bytes:
            return self._wait_for_room("publishing", reaches)
        return _DONE

    @property
    def is_free(self) -> bool:
        """Whether a publisher would have nothing to wait for: there is room in every queue, and no store."""
        return self.durable is None and not self.full and self.backlog_bytes < self.queue_bytes

    async def _wait_for_room(self, call: str, reaches: Callable[[str], bool] | None) -> None:
        self._budget = BUDGET
        await checkpoint()
        if current_environment.get() is not None:
            return
        while self._state == "running" and self._has_no_room(reaches):
            await self._wait_for_space()
        self.accepting(call)

    def _has_no_room(self, reaches: Callable[[str], bool] | None) -> bool:
        if self.backlog_bytes >= self.queue_bytes:
            return True
        return bool(self.full) if reaches is None else any(reaches(arn) for lane in self.full for arn in lane.arns())

    async def _wait_for_space(self) -> None:
        if self._space is None:
            self._space = anyio.Event()
        await self._space.wait()

    def synced(self) -> Awaitable[None]:
        """Wait until everything done so far is safe in the store: the last thing that a publisher does.

        Raises StoreUnavailable if it could not be written; it has been taken back then. Without a store there is
        nothing to wait for.
        """
        return _DONE if self.durable is None else self.durable.synced()

    def facts(self) -> AbstractContextManager[None]:
        """Within the block, what is changed in the store follows from what has happened and is not taken back."""
        return nullcontext() if self.durable is None else self.durable.facts()

    async def turn(self) -> bool:
        """Give the event loop a turn, and wait while queues are full: for whoever feeds them from the store.

        Returns whether the bus still runs.
        """
        await checkpoint()
        while self._state == "running" and self._has_no_room(None):
            await self._wait_for_space()
        return self._state == "running"

    def make_room(self) -> None:
        """Let waiting publishers go on, if the queues are short enough again."""
        if self._space is None and not self.full:
            return
        self.full = {lane for lane in self.full if len(lane.queue) > self.queue_limit // 2}
        if self._space is not None and self.backlog_bytes <= self.queue_bytes // 2:
            self._space.set()
            self._space = None


class _Done:
    """An awaitable that is done already, and costs nothing."""

    def __await__(self) -> Generator[Any, Any, None]:
        return
        yield


_DONE = _Done()
