"""What the pollers of streams and queues share: their tasks, their rests, and whether they may read at all."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from eventbus.clock import Wakeup
from eventbus.delivery.pollables import Pollable, complaint
from eventbus.errors import AccessDenied

if TYPE_CHECKING:
    from triggers.polling.mapping import EventSourceMapping

ASK_AGAIN = 60.0
"""Seconds after which a poller that was denied, or whose function cannot be invoked, looks again."""


class BasePoller:
    """Runs tasks that count as pending work, and knows when none is left.

    Nothing polls: a source calls `wake` when there may be something to do, and a task lives only while there is.
    """

    read_action: str
    """The IAM action that every read needs."""

    def __init__(self, mapping: EventSourceMapping) -> None:
        self.mapping = mapping
        self.bus = mapping.bus
        self.is_stopped = True
        self._unwatch: Callable[[], None] | None = None
        """Stops what it waits for: changes of the source, or a source of this ARN."""
        self._is_lost = False
        self._active = 0
        self._resting: dict[Wakeup, None] = {}
        self._asks_again = False

    @property
    def is_at_rest(self) -> bool:
        return self.is_stopped and not self._active

    def start(self) -> None:
        self.is_stopped = False
        if self.mapping.polled.is_deleted:
            self._lose()
        else:
            self._attach()

    def stop(self) -> None:
        self.is_stopped = True
        self._is_lost = False
        self._detach()

    def _attach(self) -> None:
        self._unwatch = self.mapping.polled.watch(self._look)
        self.wake()

    def _detach(self) -> None:
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        for wakeup in list(self._resting):
            wakeup.set()

    def _look(self) -> None:
        if self.mapping.polled.is_deleted:
            self._lose()
        else:
            self.wake()

    def _lose(self) -> None:
        """The source was deleted. The mapping stays, for it is one with an ARN, and goes on with the next of that."""
        self._detach()
        self._is_lost = True
        self.drop()
        arn = self.mapping.source.arn
        stop_waiting = self.bus.pollables.wait_for(arn, self._found)
        if self._is_lost:
            self._unwatch = stop_waiting
            self._report(complaint(arn))

    def _found(self, source: Pollable) -> None:
        self._is_lost = False
        self.mapping.go_on_with(source.polled())
        self.take_over()
        self._attach()

    def wake(self) -> None:
        """There may be something to do."""
        raise NotImplementedError

    def drop(self) -> None:
        """Forget what was read: its source is gone."""
        raise NotImplementedError

    def take_over(self) -> None:
        """Read `mapping.polled` from now on."""
        raise NotImplementedError

    def begin(self, task: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        """Run a task for as long as it has something to do."""
        self._active += 1
        self.bus.start_background(self._run, task, args)

    async def _run(self, task: Callable[..., Coroutine[Any, Any, None]], args: tuple[Any, ...]) -> None:
        try:
            await task(*args)
        finally:
            self._active -= 1
            if self.is_at_rest and self.bus.is_running:
                self.mapping.arrive()

    async def rest(self, until: float, wakeup_is: Callable[[Wakeup], None] | None = None) -> None:
        """Wait for an instant, or to be woken; virtual time may jump over it. `wakeup_is` is told by what to wake."""
        wakeup = self.bus.clock.wakeup(until)
        self._resting[wakeup] = None
        if wakeup_is is not None:
            wakeup_is(wakeup)
        try:
            await wakeup.wait()
        finally:
            del self._resting[wakeup]

    def may_read(self) -> bool:
        """Whether there is a function, whose role lets it read the source; if not, ask again in a minute."""
        return self.may(self.read_action)

    def may(self, action: str) -> bool:
        """The same for any action."""
        mapping, source = self.mapping, self.mapping.polled
        if self.bus.find(mapping.function.arn) is None:
            self.hold(f"Function not found: {mapping.function.arn}")
            return False
        try:
            self.bus.authority.authorize(
                mapping.function.source,
                action,
                source.arn,
                getattr(source, "access", None),
                lambda: f'call {mapping.function.label}.role.allow("{action}", {source.label})',
            )
        except AccessDenied as denied:
            self.hold(str(denied))
            return False
        return True

    def hold(self, problem: str) -> None:
        """Something is wrong that only somebody outside can mend: say so, and look again in a minute.

        That is a plain timer and no pending work, so whoever waits for rest does not wait for it.
        """
        self._report(problem)
        if not self._asks_again:
            self._asks_again = True
            self.bus.clock.call_at(self.bus.clock.now() + ASK_AGAIN, self._ask_again)

    def _report(self, problem: str) -> None:
        result = f"PROBLEM: {problem}"
        if self.mapping.last_processing_result != result:
            self.mapping.last_processing_result = result
            self.bus.log.warning("mapping_has_problem", mapping=self.mapping.uuid, problem=problem)

    @property
    def is_held(self) -> bool:
        """Whether it waits for somebody outside."""
        return self._asks_again or self._is_lost

    @property
    def may_go_on(self) -> bool:
        """Whether it is neither stopped nor held, and the bus runs."""
        return self.bus.is_running and not (self.is_stopped or self._asks_again or self._is_lost)

    def _ask_again(self) -> None:
        self._asks_again = False
        self.wake()
