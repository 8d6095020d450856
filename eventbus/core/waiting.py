"""Waiting for rest: until nothing is runnable, until nothing is left."""

from __future__ import annotations

import anyio
from anyio.lowlevel import checkpoint

from eventbus.clock import VirtualClock
from eventbus.core.state import State
from eventbus.errors import ConfigurationError
from eventbus.execution.current import current_environment


class Waiting(State):
    """Who waits for the bus to come to rest, and how it is noticed."""

    async def wait_idle(self, timeout: float | None = None) -> None:
        """Wait until nothing is queued, running or waiting for a retry.

        With a virtual clock, time jumps from one due instant to the next whenever nothing is runnable; with the system
        clock, retries take their minutes. `timeout` is in real seconds: TimeoutError says what is left.
        """
        if self._state != "running":
            self.accepting("wait_idle")
        environment = current_environment.get()
        if environment is not None and environment.lane.bus is self:
            raise ConfigurationError("wait_idle() inside a handler would wait for itself; call it from outside")
        await checkpoint()
        with anyio.move_on_after(timeout) as scope:
            await self._wait_idle()
        if scope.cancelled_caught:
            raise TimeoutError(f"not idle after {timeout:g} seconds: {self!r}")

    async def _wait_idle(self) -> None:
        clock = self.clock
        while self.outstanding or self._has_followers:
            if not self.outstanding:
                await self.settle()
            elif isinstance(clock, VirtualClock):
                await self.settle()
                if not self.outstanding:
                    continue
                due = clock.next_due()
                if due is None:
                    raise RuntimeError(f"{self!r} rests with work left and nothing due: a fault of eventbus")
                await clock.jump_to(due)
            else:
                await self._rest()

    async def settle(self) -> None:
        """Wait until nothing is runnable: what is left, if anything, waits for its time."""
        environment = current_environment.get()
        if environment is not None and environment.lane.bus is self:
            raise ConfigurationError("a handler cannot move the clock, which waits for it; move it from outside")
        while self.outstanding > self.resting or self._has_followers:
            if self.outstanding > self.resting:
                await self._rest()
            elif self.durable is not None:
                await self.durable.followed()

    @property
    def _has_followers(self) -> bool:
        """Whether the store is about to write something that others wait for, such as the readers of a stream."""
        return self.durable is not None and self.durable.has_followers

    async def _rest(self) -> None:
        if self._at_rest is None:
            self._at_rest = anyio.Event()
        await self._at_rest.wait()

    def _change_resting(self, by: int) -> None:
        self.resting += by
        self.notice_rest()

    def notice_rest(self) -> None:
        """Wake whoever waits for rest, if there may be some; called whenever an environment goes idle."""
        if self._at_rest is not None and (self.outstanding <= self.resting or self.is_stopping):
            self._at_rest.set()
            self._at_rest = None
