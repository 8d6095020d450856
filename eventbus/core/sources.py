"""The seam for sources: who calls and may do what, what caused what, and tasks that the bus waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.from_thread

from eventbus.core.resources import Resources
from eventbus.delivery.targets import HasPolicy, Source, Target
from eventbus.errors import BusClosed, BusNotRunning, ConfigurationError
from eventbus.execution.current import acting_as, counts_as_work, current_environment
from eventbus.options import check_principal
from eventbus.telemetry.trace import Action, Cause, Named
from eventbus.timestamps import iso_time

if TYPE_CHECKING:
    from pathlib import Path

    from eventbus.authority import Facts
    from eventbus.delivery.event import Event
    from eventbus.execution.tmp import TemporaryDirectories
    from eventbus.iam.evaluation import Decision


class Sources(Resources):
    """What everything that makes events is built on."""

    _tmp: TemporaryDirectories

    def from_thread(self, call: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
        """Call an async function of the bus from another thread, such as a `def` handler's, and wait for its result.

            def handler(event, context):
                bus.from_thread(bucket.put_object, "key", b"body")

        It is done as the handler's role and recorded as caused by it. Raises what the call raises, BusNotRunning or
        BusClosed, and ConfigurationError on the event loop's own thread, where it would wait for itself.
        """
        return anyio.from_thread.run(partial(call, *args, **options), token=self._token_for("from_thread", "await"))

    def from_thread_sync(self, call: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
        """Call a synchronous function of the bus, such as a `_nowait` twin, from another thread.

        It runs between two turns of the event loop, without a task, which takes half the time of `from_thread`. The
        rest is as there.
        """
        return anyio.from_thread.run_sync(
            partial(call, *args, **options), token=self._token_for("from_thread_sync", "make")
        )

    def _token_for(self, call: str, verb: str) -> Any:
        if self._token is None:
            raise BusNotRunning(call) if self._state == "new" else BusClosed(call)
        if threading.get_ident() == self._thread:
            raise ConfigurationError(f"{call}() is for other threads; on the event loop {verb} the call itself")
        return self._token

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

    def authorize(
        self, action: str, resource_arn: str, access: HasPolicy | None, label: str, facts: Facts = ()
    ) -> None:
        """Check what the caller does: inside a handler its function's role, outside the account's owner.

        Raises AccessDenied with AWS's sentence and the call that mends it; `label` is how code names the resource,
        `facts` are condition keys that only this service knows.
        """
        caller = self.caller()
        if caller is None and access is None:
            return
        self.authority.authorize(
            caller,
            action,
            resource_arn,
            access,
            lambda: f'call {caller.label}.role.allow("{action}", {label})' if caller is not None else None,
            facts,
        )

    def caller(self) -> Source | None:
        """Who the running code acts as: in a handler its function's role; None is the account's owner."""
        environment = current_environment.get()
        acting = acting_as.get()
        if acting is not None and acting[0] is environment:
            return acting[1]
        if environment is None or environment.lane.bus is not self:
            return None
        return environment.source

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

    def when_opened(self, declare: Callable[[], None]) -> None:
        """Call something when the store is open and nothing has been taken up from it: the last to declare things.

        It is for what keeps declarations themselves in the store; without a store it is never called.
        """
        if self._state == "new":
            self._at_open.append(declare)

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

    def _owner(self) -> Source:
        return self.source_of(str(self.authority.owner))
