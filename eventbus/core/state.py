"""What a bus is made of, and whether it runs: the ground that its layers stand on.

    State ◄── Waiting ◄── Pressure ◄── Resources ◄── Sources ◄── Publishing ◄── EventBus

Each layer is one concern and knows those below it alone; `EventBus` makes the parts, runs them and declares functions.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from eventbus.errors import BusClosed, BusNotRunning, ConfigurationError
from eventbus.execution.current import current_environment

if TYPE_CHECKING:
    from collections.abc import Callable

    import anyio
    import anyio.lowlevel
    import structlog

    from eventbus.authority import Authority
    from eventbus.clock import Clock
    from eventbus.delivery.dead_letters import DeadLetters
    from eventbus.delivery.durable import DurableEvents
    from eventbus.delivery.lane import Lane
    from eventbus.delivery.targets import Source, Target
    from eventbus.faults import FaultPlan
    from eventbus.functions.function import Function
    from eventbus.ids import Ids
    from eventbus.telemetry.journal import Journal
    from eventbus.telemetry.logs import Logs
    from eventbus.telemetry.trace import Trace


class State:
    """The parts and the counters of a bus; `EventBus` fills them in."""

    account_id: str
    partition: str
    region: str
    clock: Clock
    queue_limit: int
    queue_bytes: int
    ids: Ids
    authority: Authority
    journal: Journal
    trace: Trace
    logs: Logs
    durable: DurableEvents | None
    dead_letters: DeadLetters
    faults: FaultPlan | None
    log: structlog.typing.FilteringBoundLogger
    is_stopping: bool
    """No environment may begin anything: the bus is not entered yet, or is being left."""

    # Counters of the hot path, read by statistics() and by whoever waits for rest.
    outstanding: int
    """Events that have not ended, direct calls and background work included."""
    direct: int
    backlog: int
    """Events in the queues of all functions."""
    full: set[Lane]
    """Functions whose queue is full: whoever publishes to them waits, nobody else."""
    backlog_bytes: int
    """What the large payloads among them add up to."""
    resting: int
    """Outstanding work that only time, or a freed environment, can move."""
    uncounted: int
    """Numbers that stand for no accepted event: those before this bus, direct calls, what could not be kept."""

    _numbers: int
    """The number of the latest event."""
    _background: int
    _budget: int
    _functions: dict[str, Function]
    _resources: dict[str, Target]
    _at_start: list[Callable[[], None]]
    _token: anyio.lowlevel.EventLoopToken | None
    _thread: int
    _sources: dict[tuple[str, str | None], Source]
    _warned: set[tuple[Source, Target, int]]
    _tasks: anyio.abc.TaskGroup | None
    _state: str
    _space: anyio.Event | None
    _at_rest: anyio.Event | None

    @property
    def is_new(self) -> bool:
        """Whether the bus has not been entered yet."""
        return self._state == "new"

    @property
    def is_on_this_thread(self) -> bool:
        """Whether the running code is on the thread of the event loop that the bus runs on."""
        return self._token is not None and threading.get_ident() == self._thread

    @property
    def is_running(self) -> bool:
        """Whether the bus accepts and runs events."""
        return self._state == "running"

    def accepting(self, call: str) -> None:
        """Raise BusNotRunning or BusClosed unless the bus is running, ConfigurationError in a foreign thread."""
        if self._state == "running":
            if threading.get_ident() != self._thread:
                raise ConfigurationError(
                    f"{call} was called from another thread than the bus's; use bus.from_thread(<the call>, ...)"
                )
            return
        if self._state == "new":
            raise BusNotRunning(call)
        environment = current_environment.get()
        if self._state == "closed" or environment is None:
            raise BusClosed(call)
