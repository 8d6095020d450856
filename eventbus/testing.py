"""Doubles for tests of event flows, in place of mocks.

thumbnail = Recorder(fail=2)                       # fails twice, then succeeds
bus = EventBus(clock=VirtualClock(), seed=1)
function = bus.add_function("thumbnail", thumbnail)
...
await bus.wait_idle()
assert thumbnail.events == [{"key": "cat.jpg"}] * 3
"""

from __future__ import annotations

from typing import Any, Literal

import anyio

from eventbus.execution.context import LambdaContext


class Recorder:
    """A handler that keeps what it was given.

    - `fail`: how many calls raise `error` before the first one succeeds; `"always"` for every call.
    - `error`: what a failing call raises.
    - `result`: what a successful call returns.
    - `name`: the name that the function gets when it is declared without one.
    """

    def __init__(
        self,
        *,
        fail: int | Literal["always"] = 0,
        error: BaseException | None = None,
        result: Any = None,
        name: str = "recorder",
    ) -> None:
        self.__name__ = name
        self.fail = fail
        self.error = ValueError("recorder was told to fail") if error is None else error
        self.result = result
        self.events: list[Any] = []
        """The payload of every call, in order, failed ones included."""
        self.contexts: list[LambdaContext] = []
        """The context of every call."""
        self._called = anyio.Event()

    def __repr__(self) -> str:
        return f"<Recorder {self.__name__}: {len(self.events)} calls>"

    @property
    def request_ids(self) -> list[str]:
        """The request id of every call; attempts at the same event share theirs."""
        return [context.aws_request_id for context in self.contexts]

    async def __call__(self, event: Any, context: LambdaContext) -> Any:
        """Be the handler."""
        self.events.append(event)
        self.contexts.append(context)
        called, self._called = self._called, anyio.Event()
        called.set()
        if self.fail == "always" or len(self.events) <= self.fail:
            raise self.error.with_traceback(None)
        return self.result

    async def wait_for(self, calls: int) -> None:
        """Wait until the handler was called so often in all; at once if it was."""
        while len(self.events) < calls:
            await self._called.wait()
