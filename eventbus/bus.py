"""EventBus: the composition root, and the outermost `async with`."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, TypeVar, overload

import anyio
import anyio.from_thread
import anyio.lowlevel
import attrs
import structlog

from eventbus.answers import Statistics
from eventbus.authority import Authority
from eventbus.clock import Clock, SystemClock
from eventbus.core.publishing import Publishing
from eventbus.delivery.dead_letters import DeadLetters
from eventbus.delivery.dispatcher import Dispatcher
from eventbus.delivery.durable import DurableEvents
from eventbus.delivery.lane import Lane
from eventbus.delivery.pollables import Pollables
from eventbus.delivery.targets import Source, Target
from eventbus.errors import (
    BusAlreadyEntered,
    ConfigurationError,
    EventBusError,
    ResourceConflict,
    ResourceNotFound,
)
from eventbus.execution.concurrency import SCALING_STEP, Account
from eventbus.execution.environment import BUDGET, Environment
from eventbus.execution.inheritance import inheritance
from eventbus.execution.tmp import TemporaryDirectories
from eventbus.execution.variables import overlay
from eventbus.execution.watchdog import Watchdog
from eventbus.faults import FaultPlan, Faults
from eventbus.functions.configuration import Configuration, check_name, handler_name, isolation_of
from eventbus.functions.function import Function
from eventbus.functions.invocable import Invocable
from eventbus.functions.package import Packaged, prepared
from eventbus.functions.version import LATEST
from eventbus.iam.registry import Roles
from eventbus.ids import Ids
from eventbus.options import check_flag, check_options
from eventbus.storage.errors import StoreError
from eventbus.storage.port import Store
from eventbus.storage.sqlite import SQLiteStore
from eventbus.telemetry.billing import Billing
from eventbus.telemetry.capture import capture
from eventbus.telemetry.gauges import Gauges
from eventbus.telemetry.journal import Journal
from eventbus.telemetry.logger import bus_logger
from eventbus.telemetry.logs import Logs
from eventbus.telemetry.metrics import Metrics
from eventbus.telemetry.trace import Trace

T = TypeVar("T")

IDLE_TIMEOUT = 600.0
"""Seconds after which an idle environment is ended; AWS says "minutes" and gives no figure."""


class EventBus(Publishing):
    """An event bus that behaves like the event-driven side of AWS Lambda.

    Configuration is plain synchronous calls, before or after entering; `async with bus:` runs it, once.

    - `account_id`, `region`: what ARNs are made with.
    - `clock`: `SystemClock()` by default; a `VirtualClock()` puts time in your hands.
    - `store`: a file such as `"bus.db"` keeps events, dead letters and what sources own; None keeps all in memory.
    - `faults`: faults on demand, see `Faults`.
    - `concurrency`: how many environments may be busy at once, 1 to 999,999 (AWS's default is 1,000).
    - `scaling`: environments that a function may add in 10 seconds; None sets no limit.
    - `idle_timeout`: seconds after which an environment that nobody needs is ended; None keeps all.
    - `enforce_iam`: False lets everybody do everything.
    - `seed`: makes every identifier, and so every run under a virtual clock, repeat.
    - `queue_limit`: events that may be queued for a function before whoever publishes to it waits. Those that wait for
      a retry do not count, nor, under a virtual clock, those of a throttled function: time would stand still for them.
    - `queue_bytes`: what the large payloads in all queues may add up to before publishers wait; 64 MiB by default.
    - `grace`: seconds that running handlers get to finish when the bus is left.
    - `history`: how many attempts the logs keep, and how many nodes the trace keeps.
    - `console`: True shows on standard error what the bus has to say, warnings first of all; else it is silent until
      you configure the standard library's logging.
    - `billing_unit`: seconds that a billed duration is rounded up to, 0.1 or, as on AWS since 2020, 0.001.

    Raises ConfigurationError for a value that cannot be.
    """

    partition = "aws"

    def __init__(
        self,
        *,
        account_id: str = "123456789012",
        region: str = "us-east-1",
        clock: Clock | None = None,
        store: Store | str | Path | None = None,
        faults: Faults | None = None,
        concurrency: int = 1000,
        scaling: int | None = SCALING_STEP,
        idle_timeout: float | None = IDLE_TIMEOUT,
        enforce_iam: bool = True,
        seed: int | None = None,
        queue_limit: int = 1000,
        queue_bytes: int = 64 * 2**20,
        grace: float = 10.0,
        history: int = 10_000,
        billing_unit: float = 0.1,
        console: bool = False,
    ) -> None:
        whole = {"queue_limit": queue_limit, "queue_bytes": queue_bytes, "history": history}
        check_options(account_id, region, grace, idle_timeout, **whole)
        check_flag("enforce_iam", enforce_iam)
        check_flag("console", console)
        if clock is not None and not hasattr(clock, "call_at"):
            raise ConfigurationError(f"clock={clock!r}: a SystemClock() or a VirtualClock() is needed")
        if seed is not None and (isinstance(seed, bool) or not hasattr(seed, "bit_length")):
            raise ConfigurationError(f"seed={seed!r}: a whole number, or None for chance")
        if faults is not None and not isinstance(faults, Faults):
            raise ConfigurationError(f"faults={faults!r}: a Faults(...) is needed")
        self.account_id = account_id
        self.region = region
        self.clock: Clock = SystemClock() if clock is None else clock
        self.grace = grace
        self.queue_limit = queue_limit
        self.queue_bytes = queue_bytes
        self.billing_unit = billing_unit
        self.ids = Ids(seed)
        self.account = Account(concurrency, scaling)
        self.idle_timeout = idle_timeout
        self.authority = Authority(account_id, region, self.clock.now, is_enforcing=enforce_iam)
        metrics = Metrics(self.clock.now, self.authorize)
        self.gauges = Gauges(metrics, self.clock.now, self.account.shared)
        self.journal = Journal(metrics, Billing(billing_unit), self.gauges, history)
        self.roles = Roles(account_id, self.journal.settle, self.authorize)
        """The account's roles by name: `bus.roles.create("name")`."""
        self.trace = Trace(history)
        self.logs = Logs(self, metrics, history)
        self.store: Store | None = SQLiteStore(store) if isinstance(store, str | Path) else store
        self.durable = None if self.store is None else DurableEvents(self, self.store)
        self.dead_letters = DeadLetters(None if self.durable is None else self.durable.letter_left)
        self.dispatcher = Dispatcher()
        self.log: structlog.typing.FilteringBoundLogger = bus_logger(console=console)
        self.pollables = Pollables()
        """What `Function.poll` can read."""
        self.cancelled_error: type[BaseException] = BaseException
        self.is_stopping = True
        """No environment may begin anything: the bus is not entered yet, or is being left."""
        # Counters of the hot path, read by statistics() and by whoever waits for rest.
        self.outstanding = 0
        """Events that have not ended, direct calls and background work included."""
        self.direct = 0
        self.backlog = 0
        """Events in the queues of all functions."""
        self.full: set[Lane] = set()
        """Functions whose queue is full: whoever publishes to them waits, nobody else."""
        self.backlog_bytes = 0
        """What the large payloads among them add up to."""
        self.resting = 0
        """Outstanding work that only time, or a freed environment, can move."""
        self.faults = None if faults is None else FaultPlan(faults, seed)
        self._numbers = 0
        """The number of the latest event."""
        self.uncounted = 0
        """Numbers that stand for no accepted event: those before this bus, direct calls, what could not be kept."""
        self._background = 0
        self._budget = BUDGET
        self._functions: dict[str, Function] = {}
        self._published: dict[str, int] = {}
        """The latest version number of every function that there has been: none is used twice."""
        self._ended: list[Lane] = []
        """Of deleted functions and versions, while something of theirs runs."""
        self._ended_finished = self._ended_dead_lettered = 0
        self._tmp = TemporaryDirectories()
        self._resources: dict[str, Target] = {}
        self._at_open: list[Callable[[], None]] = []
        self._at_start: list[Callable[[], None]] = []
        self._token: anyio.lowlevel.EventLoopToken | None = None
        self._thread = 0
        self._services: dict[str, Any] = {}
        self._shared: dict[Callable[[EventBus], Any], Any] = {}
        self._sources: dict[tuple[str, str | None], Source] = {}
        self._warned: set[tuple[Source, Target, int]] = set()
        self._watchdog = Watchdog(self._environments)
        self._tasks: anyio.abc.TaskGroup | None = None
        self._state = "new"
        self._space: anyio.Event | None = None
        self._at_rest: anyio.Event | None = None

    def __repr__(self) -> str:
        s = self.statistics()
        return (
            f"<EventBus {self._state}: {len(self._functions)} functions, {s.queued} queued, {s.running} running, "
            f"{s.waiting} waiting for a retry, {s.finished} finished, {s.dead_lettered} dead-lettered>"
        )

    # -- life -------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._state != "new":
            raise BusAlreadyEntered
        self._lifetime = self._live()
        try:
            await self._lifetime.__aenter__()
        except BaseExceptionGroup as group:
            raise _alone(group) from None
        return self

    async def __aexit__(self, *exception: Any) -> bool | None:
        return await self._lifetime.__aexit__(*exception)

    @asynccontextmanager
    async def _live(self) -> AsyncGenerator[None, None]:
        self.cancelled_error = anyio.get_cancelled_exc_class()
        if self.store is not None:
            self.store.open()
            self.store.log.faults = self.faults
            try:
                for declare in self._at_open:
                    declare()
            except BaseException:
                self.store.close()
                raise
        self._token, self._thread = anyio.lowlevel.current_token(), threading.get_ident()
        self.clock.start(self.settle, self._change_resting)
        self._state = "running"
        self._tmp.start()
        capture.start()
        overlay.start()
        inheritance.start()
        failure: BaseException | None = None
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                tasks.start_soon(self.clock.run)
                tasks.start_soon(self.dispatcher.run)
                tasks.start_soon(self._watchdog.run, self.clock.loop_time)
                self._start_store(tasks)
                for begin in self._at_start:
                    begin()
                self.is_stopping = False
                for lane in list(self._lanes()):
                    lane.begin()
                try:
                    yield
                except BaseException as error:
                    failure = error  # raised below, outside of the group, which would wrap it
                await self._close()
                if self.store is not None:
                    try:
                        await self.store.aclose()
                    except StoreError as error:
                        if failure is None:
                            failure = error
                        else:
                            failure.add_note(str(error))
                tasks.cancel_scope.cancel()
        finally:
            self._state = "closed"
            for lane in self._lanes():
                if isinstance(lane.handler, Packaged):
                    lane.handler.code.remove()
            self._token = None
            self._tasks = None
            inheritance.stop()
            overlay.stop()
            capture.stop()
            self.journal.close()
            self._tmp.remove_all()
            self.clock.stop()
            if self.store is not None:
                self.store.close()
        if failure is not None:
            raise failure

    def _start_store(self, tasks: anyio.abc.TaskGroup) -> None:
        """Begin to write, and take up what the store holds."""
        if self.store is None or self.durable is None:
            return
        self._numbers = self.uncounted = self.durable.open()
        tasks.start_soon(self.store.run)
        for letter in self.durable.restore_letters():
            self.dead_letters.add(letter)
        self.start_background(self.durable.restore)

    async def _close(self) -> None:
        """Accept nothing more, let running handlers finish, report what is left."""
        self._state = "closing"
        self.is_stopping = True
        if self._space is not None:
            self._space.set()
        left = [event for lane in self._lanes() for event in lane.close()]
        with anyio.move_on_after(self.grace, shield=True):
            while any(lane.inside for lane in self._lanes()):
                await self._rest()
        for lane in self._lanes():
            left.extend(lane.close())
            left.extend(lane.interrupt())
        for event in left:
            event.lane.abandon(event)
        if left and self.durable is None:
            self.log.warning(
                "events_left_at_close", count=len(left), mend="await bus.wait_idle() before leaving the bus"
            )
        self.notice_rest()

    # -- configuration ----------------------------------------------------------------------------------------------

    @overload
    def function(self, handler: Callable[[Any, Any], Any], /) -> Function: ...
    @overload
    def function(self, handler: None = None, /, **options: Any) -> Callable[[Callable[[Any, Any], Any]], Function]: ...
    def function(self, handler: Callable[[Any, Any], Any] | None = None, /, **options: Any) -> Any:
        """Declare a handler as a function: `@bus.function`, or `@bus.function(timeout=30, memory=256, …)`.

        Options: `name` (the handler's own by default), `memory` in MB, `timeout` in seconds, `retries` 0-2,
        `max_event_age` in seconds, `reserved_concurrency`, `description`, `recursive_loop`. With `isolation="process"`
        every environment is a process of its own; then also `runtime`.
        """
        if isinstance(handler, str):
            raise ConfigurationError(
                f"{handler!r} is not a handler; to name a function write @bus.function(name={handler!r})"
            )
        if handler is not None:
            return self.add_function(None, handler)
        return lambda chosen: self.add_function(options.pop("name", None), chosen, **options)

    def add_function(
        self,
        name: str | None,
        handler: Callable[[Any, Any], Any] | str,
        code: str | Path | bytes | None = None,
        *,
        runtime: str = "python",
        **options: Any,
    ) -> Function:
        """Declare a handler as a function under a name; options as for `function`.

        The text `"module.function"` names a handler in `code`, a directory or a zip archive (a path, or its bytes), and
        runs in processes. `runtime` is `python`, `awslambdaric` for AWS's own client, or `provided` for an executable
        `bootstrap` in the code.

        Raises ConfigurationError or ValidationFailed for a value that cannot be, ResourceConflict for a name that is
        taken, AccessDenied inside a handler whose role may not.
        """
        role = options.pop("role", None)
        unknown = sorted(set(options) - set(attrs.fields_dict(Configuration)))
        if unknown:
            known = ", ".join(attrs.fields_dict(Configuration))
            raise ConfigurationError(f"a function has no option {', '.join(unknown)}; it has name, role, {known}")
        if isinstance(handler, Function):
            handler = handler.handler  # @bus.function twice makes two functions of one handler
        wanted = options.pop("isolation", None)
        isolation = "process" if isinstance(handler, Packaged) else isolation_of(handler, wanted)
        if name is None:
            if isinstance(handler, str):
                raise ConfigurationError(f"the handler {handler!r} does not name its function: give it a name")
            name = handler_name(handler)
            if name == "<lambda>":
                raise ConfigurationError("a lambda has no name of its own: give it one, bus.function(name=...)")
        configuration = Configuration(isolation=isolation, **options)
        arn = f"arn:{self.partition}:lambda:{self.region}:{self.account_id}:function:{check_name(name)}"
        self.authorize("lambda:CreateFunction", arn, None, f'"{arn}"')
        if name in self._functions:
            raise ResourceConflict(f"Function already exist: {name}", mend="choose another name=")
        called, _ = prepared(handler, code, runtime, wanted)
        self.account.reserve(name, configuration.reserved_concurrency)
        try:
            function = Function(self, name, called, configuration, role)
        except Exception:
            self.account.release(name)
            raise
        self._functions[name] = function
        self._resources[function.arn] = function
        self._resources[f"{function.arn}:{LATEST}"] = function.version(LATEST)
        self.declared(function)
        return function

    def declared(self, invocable: Invocable) -> None:
        """Something came into being for which the store may hold events; for the engine."""
        if self.durable is not None:
            self.durable.declared(invocable)

    def next_version(self, function: str) -> int:
        """The next version number of a function, also of one that was deleted and made again; for the engine."""
        number = self._published[function] = self._published.get(function, 0) + 1
        return number

    def forget(self, function: Function) -> None:
        """Take a function off the bus, with its versions and aliases; `function.delete()` calls it."""
        if self._functions.get(function.name) is not function:
            raise ResourceNotFound(f"Function not found: {function.arn}")
        del self._functions[function.name]
        for invocable in function.invocables:
            self._resources.pop(invocable.arn, None)
            invocable.home = None
        for lane in function.lanes:
            self.retire(lane)
        self.account.release(function.name)

    def retire(self, lane: Lane) -> None:
        """End a lane whose function or version was deleted."""
        self._ended.append(lane)
        lane.end()
        for done in [ended for ended in self._ended if not ended.inside]:
            self._ended.remove(done)
            self._ended_finished += done.finished
            self._ended_dead_lettered += done.dead_lettered

    @property
    def functions(self) -> Mapping[str, Function]:
        """All functions by name."""
        return MappingProxyType(self._functions)

    def shared(self, kind: Callable[[EventBus], T]) -> T:
        """The one object of this kind that the bus's sources share, made with the bus when it is first asked for."""
        if kind not in self._shared:
            self._shared[kind] = kind(self)
        found: T = self._shared[kind]
        return found

    # -- what happened ----------------------------------------------------------------------------------------------

    @property
    def metrics(self) -> Metrics:
        """CloudWatch-like metrics: `bus.metrics.query("Errors", function).sum`."""
        return self.journal.metrics()

    @property
    def billing(self) -> Billing:
        """What the functions would have cost: `print(bus.billing)`, `bus.billing.rows()`, `bus.billing.total`."""
        return self.journal.billing()

    def statistics(self) -> Statistics:
        """Count the asynchronous events; the parts always add up to `accepted`."""
        finished = self._ended_finished + sum(lane.finished for lane in self._lanes())
        dead = self._ended_dead_lettered + sum(lane.dead_lettered for lane in self._lanes())
        waiting = sum(1 for lane in self._lanes() for event in lane.waiting if event.is_counted)
        queued = sum(lane.depth for lane in self._lanes())
        outstanding = self.outstanding - self._background - self.direct
        return Statistics(
            accepted=self._numbers - self.uncounted,
            finished=finished,
            dead_lettered=dead,
            queued=queued,
            waiting=waiting,
            running=outstanding - queued - waiting,
            undeclared={} if self.durable is None else {n: len(e) for n, e in self.durable.undeclared.items()},
        )

    # -- inside -----------------------------------------------------------------------------------------------------

    def _lanes(self) -> Iterator[Lane]:
        for function in self._functions.values():
            yield from function.lanes
        yield from self._ended

    def _environments(self) -> Iterable[Environment]:
        return (environment for lane in self._lanes() if lane.active for environment in lane.environments)

    def watch_deadlines(self, timeout: float) -> None:
        """An environment goes to work: the watchdog must be awake in time."""
        self._watchdog.notice(timeout)


def _alone(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What the task group has wrapped, if it is one refusal of ours: a store that is damaged, say."""
    inner = group.exceptions[0]
    return inner if len(group.exceptions) == 1 and isinstance(inner, EventBusError) else group
