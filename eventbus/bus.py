"""EventBus: the composition root, and the outermost `async with`."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from copy import deepcopy
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, TypeVar, overload

import anyio
import anyio.from_thread
import anyio.lowlevel
import attrs
import structlog
from anyio.lowlevel import checkpoint

from eventbus.answers import InvocationResult, Receipt, Statistics
from eventbus.arn import is_arn
from eventbus.authority import Authority
from eventbus.clock import Clock, SystemClock, VirtualClock
from eventbus.delivery.dead_letters import DeadLetter, DeadLetters
from eventbus.delivery.dispatcher import Dispatcher
from eventbus.delivery.durable import DurableEvents
from eventbus.delivery.event import Body, Event, Reply
from eventbus.delivery.lane import Lane
from eventbus.delivery.payload import Encoded, JSONValue, compact, decode, encode_and_copy
from eventbus.delivery.payload import size as payload_size
from eventbus.delivery.pollables import Pollables
from eventbus.delivery.retry import MAX_HOPS, Reason
from eventbus.delivery.targets import HasPolicy, Source, Target
from eventbus.errors import (
    AccessDenied,
    BusAlreadyEntered,
    BusClosed,
    BusNotRunning,
    ConfigurationError,
    EventBusError,
    InvalidParameterValue,
    PayloadTooLarge,
    RecursiveInvocation,
    ResourceConflict,
    ResourceNotFound,
    TooManyRequests,
)
from eventbus.execution.concurrency import SCALING_STEP, Account
from eventbus.execution.context import ClientContext
from eventbus.execution.current import acting_as, counts_as_work, current_environment
from eventbus.execution.environment import BUDGET, Environment
from eventbus.execution.inheritance import inheritance
from eventbus.execution.outcome import Failed
from eventbus.execution.streaming import Sink
from eventbus.execution.tmp import TemporaryDirectories
from eventbus.execution.variables import overlay
from eventbus.execution.watchdog import Watchdog
from eventbus.faults import FaultPlan, Faults
from eventbus.functions.configuration import Configuration, check_name, handler_name, isolation_of
from eventbus.functions.function import Function
from eventbus.functions.invocable import Invocable
from eventbus.functions.package import Packaged, prepared
from eventbus.functions.version import LATEST
from eventbus.iam.evaluation import Decision
from eventbus.iam.registry import Roles
from eventbus.ids import Ids
from eventbus.options import check_options, check_principal
from eventbus.storage.errors import StoreError
from eventbus.storage.port import Store
from eventbus.storage.sqlite import SQLiteStore
from eventbus.telemetry.billing import Billing
from eventbus.telemetry.capture import capture
from eventbus.telemetry.gauges import Gauges
from eventbus.telemetry.journal import Journal
from eventbus.telemetry.logger import bus_logger
from eventbus.telemetry.logs import Logs, last_bytes
from eventbus.telemetry.metrics import Metrics
from eventbus.telemetry.trace import Action, Cause, Named, Trace
from eventbus.timestamps import iso_time

T = TypeVar("T")

MAX_ASYNC_PAYLOAD = 1_048_576
"""Bytes of an asynchronous event (Lambda quotas, since October 2025)."""
IDLE_TIMEOUT = 600.0
"""Seconds after which an idle environment is ended; AWS says "minutes" and gives no figure."""
LARGE_EVENT = 262_144
"""Bytes from which on an asynchronous event is billed as more than one request."""
CHAIN = 64
"""Invocations of one chain that the trace shows as one tree."""
MAX_SYNC_PAYLOAD = 6_291_456
"""Bytes of a direct call (Lambda quotas)."""
LOG_TAIL = 4096
"""Bytes of the log that a direct caller may have with the answer."""


class EventBus:
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
        metrics = Metrics(self.clock.now)
        self.gauges = Gauges(metrics, self.clock.now, self.account.shared)
        self.journal = Journal(metrics, Billing(billing_unit), self.gauges, history)
        self.roles = Roles(account_id, self.journal.settle)
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
        taken.
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
        if check_name(name) in self._functions:
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

    def claim(self, service: str, instance: Any = None) -> None:
        """Be the one service of this name on the bus. Raises ConfigurationError for the second."""
        if service in self._services:
            raise ConfigurationError(
                f"this bus has its {service} already: make {service}(bus) once and use it everywhere"
            )
        self._services[service] = instance

    def service(self, name: str) -> Any:
        """The one service of this name, such as "S3"; None if it hasn't been made."""
        return self._services.get(name)

    def shared(self, kind: Callable[[EventBus], T]) -> T:
        """The one object of this kind that the bus's sources share, made with the bus when it is first asked for."""
        if kind not in self._shared:
            self._shared[kind] = kind(self)
        found: T = self._shared[kind]
        return found

    def register(self, resource: Target) -> None:
        """Make a resource reachable by its ARN. Raises ConfigurationError if the ARN is taken."""
        if resource.arn in self._resources:
            raise ConfigurationError(f"{resource.arn} exists on this bus already")
        self._resources[resource.arn] = resource

    def unregister(self, resource: Target) -> None:
        """Take a resource off the bus."""
        self._resources.pop(resource.arn, None)

    def find(self, arn: str) -> Target | None:
        """The resource with this ARN, or None."""
        return self._resources.get(arn)

    def resource(self, target: object) -> Target:
        """Find what an object, an ARN or a function's name stands for.

        Raises ResourceNotFound if nothing on this bus has that ARN, ConfigurationError for what is none of these.
        """
        if isinstance(target, str):
            found = self._resources.get(target) or self.named(target)
            if found is not None:
                return found
            if is_arn(target) and ":lambda:" not in target:
                raise ResourceNotFound(f"{target} does not exist on this bus")
            arn = target if is_arn(target) else f"arn:aws:lambda:{self.region}:{self.account_id}:function:{target}"
            raise ResourceNotFound(
                f"Function not found: {arn}",
                mend="declare it with @bus.function first; buckets, topics and queues are given as objects or ARNs",
            )
        known = self._resources.get(getattr(target, "arn", ""))
        if known is not None and known is target:
            return known  # asking whether it is a Target takes longer than all the rest of a direct call
        if isinstance(target, Target):
            if self._resources.get(target.arn) is not target:
                raise ConfigurationError(f"{target!r} belongs to another bus, or was deleted")
            return target
        raise ConfigurationError(f"{target!r} is neither a function, a topic or a queue, nor an ARN of one")

    def named(self, name: str) -> Invocable | None:
        """The function of this name, or the version or alias if a qualifier follows it: `f`, `f:7`, `f:prod`."""
        function = self._functions.get(name)
        if function is None and ":" in name:
            account, _, rest = name.partition(":function:")
            name, _, qualifier = (rest if account == self.account_id else name).partition(":")
            function = self._functions.get(name)
            return None if function is None else self._qualified(function, qualifier or None)
        return function

    def _qualified(self, function: Function, qualifier: str | None) -> Invocable | None:
        found = function if qualifier is None else self._resources.get(f"{function.arn}:{qualifier}")
        return found if isinstance(found, Invocable) else None

    # -- publishing -------------------------------------------------------------------------------------------------

    async def push(self, target: object, payload: JSONValue, *, source: Any) -> Receipt:
        """Put an event on the queue of a function, and return as soon as it is there.

        This is what every source calls, and all that a trigger of your own needs. `target` is a function or its ARN,
        `payload` a JSON value, `source` anything with `principal` and `arn` (a bucket, a topic, an object of yours), or
        a service's name such as `"s3.amazonaws.com"`: the function's resource policy must let it in, or the event ends
        in `bus.dead_letters` with the reason AccessDenied.

        Waits only while the queue is full. When cancelled, the event was not accepted. Raises NotJSON,
        PayloadTooLarge above 1 MB, ResourceNotFound, BusNotRunning and BusClosed.
        """
        if self._state != "running" or threading.get_ident() != self._thread:
            self.accepting("push")
        self._budget -= 1
        is_own = target.__class__ is Function and target.home is self
        function: Invocable = target if is_own else self._function(target)  # type: ignore[assignment]
        if self._budget <= 0 or self.full or self.backlog_bytes >= self.queue_bytes:
            await self._wait_for_room("push", function.arn.__eq__)
        body, copy = encode_and_copy(payload)
        sender = source if source.__class__ is Source else self.source_of(source)
        event = self.enqueue(function, body, sender, None, copy)
        if self.durable is not None:
            await self.durable.synced()
        return Receipt(event)

    def enqueue(
        self, function: Invocable, body: Body, source: Source, cause: Cause | None, copy: JSONValue = None
    ) -> Event:
        """Queue an event for a function, in one synchronous step: the seam for sources.

        `body` is encoded JSON or an object whose `record(event)` builds the payload anew for each delivery. Without a
        `cause` it is what the calling handler works on. Raises PayloadTooLarge.
        """
        if body.__class__ is bytes:
            if len(body) > LARGE_EVENT:
                self._take_large(function, len(body))
        elif isinstance(body, str) and payload_size(body) > LARGE_EVENT:
            self._take_large(function, payload_size(body))
        if cause is None:
            environment = current_environment.get()
            if environment is not None:
                cause = environment.event
        lane = function.lane
        self._numbers = number = self._numbers + 1
        hops = 1 if cause is None else cause.hops + 1
        if hops >= CHAIN and hops % CHAIN == 0:
            cause = None  # a loop that is allowed: the trace begins anew, else it would keep all of it alive
        if self.backlog >= self.queue_limit:
            body, copy = compact(body) if body.__class__ is bytes else body, None
        event = Event(self.clock.now(), cause, hops, number, lane, source, body, copy)
        if function is not lane.target:
            event.address_to(function)
        self.trace.append(event)
        self.outstanding += 1
        if hops > MAX_HOPS and function.function.configuration.recursive_loop == "Terminate":
            lane.discard(event, Reason.RECURSIVE_INVOCATION)
        elif self.durable is not None:
            self.durable.accept(event)
        elif self.faults is not None:
            lane.receive(event)
        else:
            lane.put(event)
        return event

    def _take_large(self, function: Invocable, size: int) -> None:
        """Refuse an event that is too large; bill one that is merely large."""
        if size > MAX_ASYNC_PAYLOAD:
            raise PayloadTooLarge(size, MAX_ASYNC_PAYLOAD, "Event")
        self.journal.large_event(function.lane, self.clock.now(), size)

    async def redrive(self, letter: DeadLetter) -> Receipt:
        """Send a dead letter again, as a new event of the same source; it leaves the list.

        Raises ValueError if the letter isn't in the list (any more), ResourceNotFound if its function is gone.
        """
        self.accepting("redrive")
        await self.room()
        function = self._function(letter.target)
        if letter not in self.dead_letters:
            raise ValueError(f"{letter!r} is not in bus.dead_letters")
        self.dead_letters.take(letter)
        action = self.note("redrive", function, letter.request_id, letter.cause)
        action.hops = 0  # a person broke the chain
        event = self.enqueue(function, letter.body, letter.sender, action)
        await self.synced()
        return Receipt(event)

    async def invoke(
        self,
        function: object,
        payload: JSONValue = None,
        *,
        qualifier: str | None = None,
        invocation_type: str = "RequestResponse",
        client_context: dict[str, Any] | None = None,
        log_tail: bool = False,
    ) -> InvocationResult:
        """Run a function directly and wait for its answer (request-response).

        `qualifier` names a version or an alias. `invocation_type` may be `"Event"`, which queues the event, status 202,
        or `"DryRun"`, which checks parameters and permission and runs nothing, status 204. A function that fails is a
        result with `function_error`, not an exception. When cancelled, the function runs on and its answer is lost, as
        when a client hangs up. Raises TooManyRequests with its reason when no environment may be had, AccessDenied
        inside a handler whose role may not, RecursiveInvocation after 16 invocations in one chain, PayloadTooLarge
        above 6 MB (1 MB for an event), NotJSON, ResourceNotFound, InvalidParameterValue for two qualifiers that
        differ, and BusClosed when the bus is left before the answer is there.
        """
        self.accepting("invoke")
        if invocation_type not in _INVOCATION_TYPES:
            raise ConfigurationError(f"invocation_type={invocation_type!r}: one of {', '.join(_INVOCATION_TYPES)}")
        target = self.qualified(function, qualifier)
        self.authorize("lambda:InvokeFunction", target.resource_arn, target.access, target.label)
        body, copy = encode_and_copy(payload)
        reply = Reply(ClientContext.of(client_context))
        if invocation_type == "Event":
            await self.room(target.arn.__eq__)
            event = self.enqueue(target, body, self._caller() or self._owner(), None, copy)
            await self.synced()
            return _accepted(202, event.request_id)
        await checkpoint()
        if invocation_type == "DryRun":
            return _accepted(204, self.ids.uuid())
        return await self._answer(target, body, copy, reply, self._caller() or self._owner(), self.cause(), log_tail)

    def qualified(self, function: object, qualifier: str | None) -> Invocable:
        """The function, version or alias that a target and a qualifier beside it stand for.

        Raises ResourceNotFound if there is none, InvalidParameterValue if the target has another qualifier itself.
        """
        target = self._function(function)
        if qualifier is None or qualifier == target.qualifier:
            return target
        if target.qualifier is not None:
            raise InvalidParameterValue(
                "The derived qualifier from the function name does not match the specified qualifier."
            )
        found = self._qualified(target.function, qualifier)
        if found is None:
            raise ResourceNotFound(f"Function not found: {target.arn}:{qualifier}")
        return found

    async def request(
        self,
        function: object,
        payload: JSONValue,
        *,
        source: Any = None,
        cause: Cause | None = None,
        sink: Sink | None = None,
    ) -> InvocationResult:
        """Run a function directly on behalf of a service, and wait for its answer: the seam for HTTP APIs and pollers.

        `source` is who calls, as for `push`, and the function's resource policy must let it in; None is Lambda's own
        poller, which acts inside the service and needs no permission. `cause` is the trace node that the invocation
        hangs below. `sink` takes what a streaming handler yields, as it yields it; the payload of the result is None
        then. Raises AccessDenied with the mending call, and what `invoke` raises.
        """
        target = self._function(function)
        if source is None:
            sender = self._owner()
        else:
            sender = self.source_of(source)
            decision = self.may_send(sender, target)
            if not decision.is_allowed:
                sentence, _, mend = self.denied(sender, target, decision).partition("; ")
                raise AccessDenied(sentence, mend=mend)
        body, copy = encode_and_copy(payload)
        await checkpoint()
        return await self._answer(target, body, copy, Reply(None, sink), sender, cause, log_tail=False)

    async def _answer(
        self,
        target: Invocable,
        body: Encoded,
        copy: JSONValue,
        reply: Reply,
        source: Source,
        cause: Cause | None,
        log_tail: bool,
    ) -> InvocationResult:
        if payload_size(body) > MAX_SYNC_PAYLOAD:
            raise PayloadTooLarge(payload_size(body), MAX_SYNC_PAYLOAD, "RequestResponse")
        event = self._call(target, body, copy, reply, source, cause)
        outcome, attempt = await reply.wait(self.clock)
        tail = last_bytes(self.logs.of_attempt(attempt), LOG_TAIL) if log_tail else None
        failed = isinstance(outcome, Failed)
        return InvocationResult(
            status_code=200,
            payload=deepcopy(outcome.document) if isinstance(outcome, Failed) else decode(outcome.result),
            function_error="Unhandled" if failed else None,
            executed_version=event.lane.version,
            request_id=event.request_id,
            log_tail=tail,
        )

    def _call(
        self, target: Invocable, body: Body, copy: JSONValue, reply: Reply, source: Source, cause: Cause | None
    ) -> Event:
        """Queue a direct call ahead of everything, if an environment may be had for it."""
        self.accepting("invoke")
        if self.is_stopping:
            raise BusClosed("invoke")
        lane = target.lane
        hops = 1 if cause is None else cause.hops + 1
        if hops > MAX_HOPS and target.function.configuration.recursive_loop == "Terminate":
            self.count("RecursiveInvocationsDropped", target.function.arn)
            raise RecursiveInvocation
        if (reason := lane.refusal) is not None:
            self.count("Throttles", target.function.arn)
            raise TooManyRequests(reason)
        self._numbers = number = self._numbers + 1
        self.uncounted += 1
        self.direct += 1
        self.outstanding += 1
        event = Event(self.clock.now(), cause, hops, number, lane, source, body, copy, reply=reply)
        if target is not lane.target:
            event.address_to(target)
        self.trace.append(event)
        lane.put_first(event)
        return event

    # -- waiting ----------------------------------------------------------------------------------------------------

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
        while self.outstanding:
            if isinstance(clock, VirtualClock):
                await self.settle()
                if not self.outstanding:
                    return
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
        while self.outstanding > self.resting:
            await self._rest()

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

    def room(self, reaches: Callable[[str], bool] | None = None) -> Awaitable[None]:
        """Wait while a queue is full, and give the event loop its turns: the first thing that a publisher does.

        `reaches(arn)` says whether what is published may reach the function with this ARN; without it every full queue
        is waited for. A handler never waits: it might wait for the queue that it empties.
        """
        self._budget -= 1
        if self._budget <= 0 or self.full or self.backlog_bytes >= self.queue_bytes:
            return self._wait_for_room("publishing", reaches)
        return _DONE

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

    # -- for sources ------------------------------------------------------------------------------------------------

    def from_thread(self, call: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
        """Call an async function of the bus from another thread, such as a `def` handler's, and wait for its result.

            def handler(event, context):
                bus.from_thread(bucket.put_object, "key", b"body")

        It is done as the handler's role and recorded as caused by it. Raises what the call raises, BusNotRunning or
        BusClosed, and ConfigurationError on the event loop's own thread, where it would wait for itself.
        """
        if self._token is None:
            raise BusNotRunning("from_thread") if self._state == "new" else BusClosed("from_thread")
        if threading.get_ident() == self._thread:
            raise ConfigurationError("from_thread() is for other threads; on the event loop await the call itself")
        return anyio.from_thread.run(partial(call, *args, **options), token=self._token)

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

    def source_of(self, source: Any) -> Source:
        """The sender that an object, or a principal's name, stands for."""
        known = getattr(source, "source", None)
        if known.__class__ is Source:
            return known
        principal = source if isinstance(source, str) else getattr(source, "principal", None)
        arn = None if isinstance(source, str) else getattr(source, "arn", None)
        if not isinstance(principal, str):
            raise ConfigurationError(
                f"{source!r} is no source: a source has a principal and an arn, or is a service's name"
            )
        sender = self._sources.get((principal, arn))
        if sender is None:
            check_principal(principal)
            account = getattr(source, "account_id", self.account_id)
            label = getattr(source, "label", None) or (repr(principal) if arn is None else "")
            sender = self._sources[principal, arn] = Source(principal, arn, account, label)
        return sender

    def authorize(self, action: str, resource_arn: str, access: HasPolicy | None, label: str) -> None:
        """Check what the caller does: inside a handler its function's role, outside the account's owner.

        Raises AccessDenied with AWS's sentence and the call that mends it; `label` is how code names the resource.
        """
        caller = self._caller()
        if caller is None and access is None:
            return
        self.authority.authorize(
            caller,
            action,
            resource_arn,
            access,
            lambda: f'call {caller.label}.role.allow("{action}", {label})' if caller is not None else None,
        )

    def caller(self) -> Source | None:
        """Who the running code acts as: in a handler its function's role; None is the account's owner."""
        return self._caller()

    def may_send(self, source: Source, target: Target) -> Decision:
        """Whether a source may send to a target, and why."""
        return self.authority.may_send(source, target)

    def denied(self, source: Source, target: Target, decision: Decision) -> str:
        """Say, once per policy, that a source may not send to a target; returns the sentence with the mending call."""
        sentence = decision.message(self.authority.send_request(source, target))
        mend = f"call {target.label}.allow({source.label})"
        if not source.label:
            mend = f"call {target.label}.add_permission(<an id>, {source.principal!r}, source_arn={source.arn!r})"
        key = (source, target, target.access.version)
        if key not in self._warned:
            self._warned.add(key)
            self.log.warning("access_denied", source=source.arn or source.principal, target=target.arn, mend=mend)
        return f"{sentence}; {mend}"

    def cause(self) -> Cause | None:
        """What the caller is part of: the event that the running handler works on."""
        environment = current_environment.get()
        return None if environment is None else environment.event

    def note(self, verb: str, resource: Named, detail: str = "", cause: Cause | None = None) -> Action:
        """Record an action in the trace; its node is the cause of what follows."""
        if cause is None:
            environment = current_environment.get()
            if environment is not None:
                cause = environment.event
        action = Action(self.clock.now(), cause, 0 if cause is None else cause.hops, verb, resource, detail)
        self.trace.append(action)
        return action

    def sender(self, principal: str, arn: str | None, account: str | None, label: str, actor: str | None) -> Source:
        """The sender that a store remembers."""
        if actor is not None and actor in self._functions:
            return self._functions[actor].source
        known = self._sources.get((principal, arn))
        if known is None:
            known = self._sources[principal, arn] = Source(principal, arn, account, label)
        return known

    def took_up(self, event: Event) -> None:
        """An event of an earlier process is back."""
        self.trace.append(event)
        self.outstanding += 1
        self.uncounted -= 1

    def when_started(self, begin: Callable[[], None]) -> None:
        """Call something when the bus is entered, or now if it runs: how a source takes up what it owns in a store."""
        if self._state == "running":
            begin()
        else:
            self._at_start.append(begin)

    def count(self, name: str, resource_arn: str, n: int = 1) -> None:
        """Add to a metric of a resource."""
        self.journal.count(name, resource_arn, self.clock.now(), n)

    def start_task(self, task: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        """Run a task for as long as the bus runs."""
        assert self._tasks is not None
        self._tasks.start_soon(task, *args)

    def start_background(self, task: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        """Run a task that counts as pending work, for `wait_idle`, until it ends."""
        if self._state == "new":
            self._at_start.append(lambda: self.start_background(task, *args))
            return
        self.count_background(1)
        self.start_task(self._in_background, task, args)

    async def _in_background(self, task: Callable[..., Coroutine[Any, Any, None]], args: tuple[Any, ...]) -> None:
        current_environment.set(None)
        acting_as.set(None)
        counts_as_work.set(True)
        try:
            await task(*args)
        finally:
            self.count_background(-1)

    def count_background(self, by: int) -> None:
        """Background work begins (+1) or ends (-1): `wait_idle` waits for it."""
        self.outstanding += by
        self._background += by
        self.notice_rest()

    async def background_sleep(self, seconds: float) -> None:
        """Wait on the bus's clock inside a background task; virtual time may jump over it."""
        await self.clock.sleep_until(self.clock.now() + seconds)

    def new_tmp(self) -> Path:
        """A directory for the files of one environment; it is gone when the bus has been left."""
        return self._tmp.make()

    def remove_tmp(self, directory: Path) -> None:
        """An environment has ended: its files go with it."""
        self._tmp.remove(directory)

    def today(self) -> str:
        """The date as log streams write it."""
        return iso_time(self.clock.now())[:10].replace("-", "/")

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

    def _function(self, target: object) -> Invocable:
        function = self.resource(target)
        if not isinstance(function, Invocable):
            raise ConfigurationError(f"{function!r} is not a function")
        return function

    def _lanes(self) -> Iterator[Lane]:
        for function in self._functions.values():
            yield from function.lanes
        yield from self._ended

    def _environments(self) -> Iterable[Environment]:
        return (environment for lane in self._lanes() if lane.active for environment in lane.environments)

    def _caller(self) -> Source | None:
        environment = current_environment.get()
        acting = acting_as.get()
        if acting is not None and acting[0] is environment:
            return acting[1]
        if environment is None or environment.lane.bus is not self:
            return None
        return environment.lane.source

    def _owner(self) -> Source:
        return self.source_of(str(self.authority.owner))

    def watch_deadlines(self, timeout: float) -> None:
        """An environment goes to work: the watchdog must be awake in time."""
        self._watchdog.notice(timeout)


def _alone(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What the task group has wrapped, if it is one refusal of ours: a store that is damaged, say."""
    inner = group.exceptions[0]
    return inner if len(group.exceptions) == 1 and isinstance(inner, EventBusError) else group


_INVOCATION_TYPES = ("RequestResponse", "Event", "DryRun")


def _accepted(status_code: int, request_id: str) -> InvocationResult:
    """What comes back when nothing was waited for."""
    return InvocationResult(
        status_code=status_code,
        payload=None,
        function_error=None,
        executed_version=None,
        request_id=request_id,
        log_tail=None,
    )


class _Done:
    """An awaitable that is done already, and costs nothing."""

    def __await__(self) -> Generator[Any, Any, None]:
        return
        yield


_DONE = _Done()
