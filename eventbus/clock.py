"""The only place where time is read or waited for.

`SystemClock` is the event loop's own time, moved to the epoch. `VirtualClock` stands still until somebody moves it: by
hand with `advance()`, or through `bus.wait_idle()`, which jumps from one due instant to the next, and only when nothing
is runnable. Both keep one heap of timers, fired in the order of (instant, creation), so a run repeats exactly.

Handlers run in real time under either clock: `loop_time()` is what their time limits and durations are measured with.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast

import anyio
import attrs
from anyio.lowlevel import checkpoint

from eventbus.errors import ConfigurationError
from eventbus.execution.current import counts_as_work

DEFAULT_START = 1_767_225_600.0
"""2026-01-01T00:00:00Z: where virtual time begins, so that runs with the same seed agree on every time stamp."""


@attrs.define(order=False, eq=False)
class Timer:
    """One callback at one instant; `cancel()` takes it back."""

    due_at: float
    callback: Callable[..., None] | None
    args: tuple[Any, ...]

    def cancel(self) -> None:
        """Forget the callback; harmless when it has been called already."""
        self.callback = None
        self.args = ()

    @property
    def is_live(self) -> bool:
        return self.callback is not None


class Wakeup:
    """A wait for somebody to `set()` it, or for an instant of the clock.

    A handler that waits tells the bus that it waits for time alone, so that virtual time may move on, and stops doing
    so at the very moment at which it is set. For anybody else virtual time stands still from that moment until he has
    had his turn.
    """

    def __init__(self, clock: _Timers) -> None:
        self._clock = clock
        self._rest = clock.rest if counts_as_work.get() else None
        self._event = anyio.Event()
        self._timer: Timer | None = None
        self._is_awaited = False

    def set(self) -> None:
        """Wake whoever waits."""
        if not self._event.is_set():
            self._leave()
            if self._is_awaited and self._rest is None:
                self._clock.waking += 1

    def _leave(self) -> None:
        self._event.set()
        if self._timer is not None:
            self._timer.cancel()
        if self._rest is not None:
            self._rest(-1)

    async def wait(self) -> None:
        """Wait, once. Cancelling it leaves no timer behind."""
        self._is_awaited = True
        try:
            await self._event.wait()
        finally:
            if not self._event.is_set():
                self._leave()
            elif self._rest is None:
                self._clock.waking -= 1


class Clock(Protocol):
    """What the bus needs of a clock."""

    @property
    def is_virtual(self) -> bool: ...
    @property
    def offset(self) -> float | None: ...
    @property
    def loop_time(self) -> Callable[[], float]: ...
    def now(self) -> float: ...
    def call_at(self, due_at: float, callback: Callable[..., None], *args: Any) -> Timer: ...
    def next_due(self) -> float | None: ...
    async def sleep_until(self, due_at: float) -> None: ...
    def wakeup(self, due_at: float | None = None) -> Wakeup: ...
    def start(self, settle: Callable[[], Awaitable[None]], rest: Callable[[int], None]) -> None: ...
    async def run(self) -> None: ...
    def stop(self) -> None: ...


def wall_time() -> float:
    """Seconds since the epoch as everybody else reads them: for what runs in another process, under any clock."""
    return time.time()


def _event_loop_time() -> Callable[[], float]:
    """The time of the running event loop, bound once: `anyio.current_time()` looks it up every time, and only from its
    own thread, where handlers' threads want it too."""
    trio = sys.modules.get("trio")
    if trio is not None:
        try:
            return cast("Callable[[], float]", trio.lowlevel.current_clock().current_time)
        except RuntimeError:
            pass  # it is loaded, but this is not its loop
    loop = asyncio.get_running_loop()
    if type(loop).time is asyncio.BaseEventLoop.time:
        return time.monotonic  # what that method calls
    return loop.time


class _Timers:
    """The heap of timers that both clocks share."""

    offset: float | None = None
    """What must be added to `loop_time()` to make it `now()`; None where the two are strangers."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._settle: Callable[[], Awaitable[None]] | None = None
        self.rest: Callable[[int], None] | None = None
        """Tells the bus that work begins (+1) or ceases (-1) to wait for time alone."""
        self.waking = 0
        """Sleepers of nobody's whose time has come and that have not run yet."""
        self.loop_time: Callable[[], float] = time.monotonic

    def now(self) -> float:
        """Seconds since the epoch."""
        raise NotImplementedError

    def call_at(self, due_at: float, callback: Callable[..., None], *args: Any) -> Timer:
        """Call `callback(*args)` when the clock reaches `due_at`, seconds since the epoch; at once if it has passed."""
        timer = Timer(due_at, callback, args)
        heapq.heappush(self._heap, (due_at, next(self._order), timer))
        return timer

    def next_due(self) -> float | None:
        """The earliest instant at which something is due, or None."""
        heap = self._heap
        while heap and not heap[0][2].is_live:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    async def sleep_until(self, due_at: float) -> None:
        """Wait until the clock reaches `due_at`. Cancelling it leaves no timer behind."""
        await self.wakeup(due_at).wait()

    def wakeup(self, due_at: float | None = None) -> Wakeup:
        """Begin a wait that ends at `due_at`, if given, or when somebody sets it; `await` its `wait()` at once."""
        wakeup = Wakeup(self)
        if due_at is not None:
            wakeup._timer = self.call_at(due_at, wakeup.set)
        if wakeup._rest is not None:
            wakeup._rest(1)
        return wakeup

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` of this clock's time. Cancelling it leaves no timer behind."""
        await self.sleep_until(self.now() + seconds)

    def start(self, settle: Callable[[], Awaitable[None]], rest: Callable[[int], None]) -> None:
        """Bind the clock to a running bus.

        `settle` waits until nothing of the bus is runnable; `rest(+1)` and `rest(-1)` tell it that work begins or
        ceases to wait for time alone.
        """
        if self._settle is not None:
            raise ConfigurationError("this clock serves another running bus; give each bus a clock of its own")
        self._settle, self.rest = settle, rest
        self.loop_time = _event_loop_time()

    def stop(self) -> None:
        """Release the clock from its bus and forget every timer."""
        self._settle = self.rest = None
        self._heap.clear()
        self.loop_time = time.monotonic

    def _fire_due(self, now: float) -> None:
        heap = self._heap
        while heap and heap[0][0] <= now:
            timer = heapq.heappop(heap)[2]
            callback, args = timer.callback, timer.args
            if callback is not None:
                timer.cancel()
                callback(*args)


class SystemClock(_Timers):
    """Real time: the event loop's clock, so that it also follows a loop whose time a test has made virtual."""

    is_virtual = False
    offset: float

    def __init__(self) -> None:
        super().__init__()
        self.offset = time.time() - time.monotonic()
        self._changed: anyio.Event | None = None

    def __repr__(self) -> str:
        return "SystemClock()"

    def now(self) -> float:
        """Seconds since the epoch; never goes backwards when the machine's wall clock is set."""
        return self.loop_time() + self.offset

    def start(self, settle: Callable[[], Awaitable[None]], rest: Callable[[int], None]) -> None:
        before = self.now()
        super().start(settle, rest)
        self.offset = before - self.loop_time()

    def stop(self) -> None:
        now = self.now()
        super().stop()
        self.offset = now - self.loop_time()

    def call_at(self, due_at: float, callback: Callable[..., None], *args: Any) -> Timer:
        timer = super().call_at(due_at, callback, *args)
        if self._changed is not None and self._heap[0][2] is timer:
            self._changed.set()
        return timer

    async def run(self) -> None:
        """Fire timers as they fall due, until cancelled. The bus runs this as one task."""
        while True:
            self._fire_due(self.now())
            due = self.next_due()
            self._changed = anyio.Event()
            if due is None:
                await self._changed.wait()
            else:
                with anyio.move_on_after(max(0.0, due - self.now())):
                    await self._changed.wait()


class VirtualClock(_Timers):
    """Time in our hands: it stands still until `advance()` or `bus.wait_idle()` moves it.

    `start` is where it begins, in seconds since the epoch; by default 2026-01-01T00:00:00Z.
    """

    is_virtual = True

    def __init__(self, start: float = DEFAULT_START) -> None:
        super().__init__()
        self._start = float(start)
        self._now = float(start)

    def __repr__(self) -> str:
        return f"VirtualClock(elapsed={self.elapsed:g})"

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._now

    @property
    def elapsed(self) -> float:
        """Seconds that have passed since the clock was made."""
        return self._now - self._start

    async def advance(self, seconds: float) -> None:
        """Move time forward by `seconds`, stopping at every due instant on the way until its consequences have run.

        A handler in a task or a thread counts as running, so time never jumps past it. Raises ConfigurationError for
        a negative number. When cancelled, time stays at the instant that was reached.
        """
        if not seconds >= 0:
            raise ConfigurationError(f"a clock only moves forward: advance({seconds!r})")
        end = self._now + seconds
        await self._settled()
        while (due := self.next_due()) is not None and due <= end:
            await self.jump_to(due)
        self._now = max(self._now, end)

    async def jump_to(self, due_at: float) -> None:
        """Move to one instant, fire what is due there and wait until nothing is runnable."""
        self._now = max(self._now, due_at)
        self._fire_due(self._now)
        await self._settled()

    async def run(self) -> None:
        """Do nothing: only `advance` and `wait_idle` move this clock."""

    async def _settled(self) -> None:
        while True:
            if self._settle is not None:
                await self._settle()
            if not self.waking:
                return
            await checkpoint()
