"""A sandbox: one execution environment whose function runs in a process of its own.

    sandbox = Sandbox(spec, tasks, on_line=print)
    init = await sandbox.start()                 # the INIT phase
    done = await sandbox.invoke(Request(...))    # again and again, one at a time
    await sandbox.aclose()                       # nothing of it is left

A time-out, a crash or a failed initialisation ends the processes and keeps the sandbox with its `/tmp`; the next
invocation initialises again, inside its own time. Times are real time.

Source: Lambda developer guide, "Understanding the Lambda execution environment life cycle" (2026).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import anyio.abc

from eventbus.clock import wall_time
from eventbus.execution.sandbox import failures
from eventbus.execution.sandbox.runtime_api import Invocation, RuntimeApi
from eventbus.execution.sandbox.states import State
from eventbus.execution.sandbox.supervised import HERE, Exit, NotLaunched, Supervised
from eventbus.execution.sandbox.values import Done, Failure, Init, Outcome, Request, SandboxSpec

FIRST_LOOK, LAST_LOOK = 0.005, 0.05
"""Seconds between two looks at the memory of what runs: soon at first, then less often."""
LAST_WORDS = 1.0
"""Seconds that are waited at most for what an ended process has sent."""
MEGABYTE = 2**20
OPEN_FILES = 1024
"""Descriptors of one environment (Lambda quotas)."""
INIT_TOO_LONG = failures.init_timed_out()
BACKSTOP = 2**30
"""Bytes of address space for data beyond twice the memory: what one allocation can take between two looks."""


class Sandbox:
    """One environment. Its tasks run in `tasks`, which must outlive it; lines of the log go to `on_line`."""

    def __init__(self, spec: SandboxSpec, tasks: anyio.abc.TaskGroup, on_line: Callable[[str], None]) -> None:
        self.spec = spec
        self.peak_memory = 0
        """Bytes: the most that this environment has ever used."""
        self._tasks = tasks
        self._changed = anyio.Event()
        self._api = RuntimeApi(self._notify)
        self._processes = Supervised(self._notify, on_line)
        self._on_line = on_line
        self._is_over_memory = False

    def __repr__(self) -> str:
        return f"<Sandbox {self.spec.handler}: process {self._processes.pid or 'none'}, {self._api.state.value}>"

    @property
    def pid(self) -> int:
        """The runtime's process, or 0 when none runs."""
        return self._processes.pid

    @property
    def has_private_tmp(self) -> bool:
        """Whether `/tmp` is a file system of this environment's own; else the variable TMPDIR names a directory."""
        return self._processes.has_private_tmp

    async def start(self) -> Init:
        """Run the INIT phase, for ten seconds at most. What fails here is run again by the first invocation."""
        await self._api.open(self._tasks)
        self._processes.open(self._tasks, _settings(self.spec, self._api.address))
        return await self._initialise("init", anyio.current_time() + self.spec.init_limit, INIT_TOO_LONG, "")

    async def invoke(self, request: Request) -> Done:
        """Run one invocation. Whatever the function does is a value; when cancelled, kill or close the sandbox."""
        began, deadline_ms = anyio.current_time(), int((wall_time() + request.timeout) * 1000)
        deadline = began + request.timeout
        too_late = failures.timed_out(request.timeout, request.request_id)
        init = None
        if not await self._waits_for_event(deadline):
            init = await self._initialise("invoke", deadline, too_late, request.request_id)
        if init is not None and init.failure is not None:
            outcome: Outcome | None = init.failure
        else:
            invocation = Invocation(request, deadline_ms)
            self._api.offer(invocation)
            failure = await self._follow(lambda: invocation.outcome is not None, deadline, too_late, request.request_id)
            outcome = failure or invocation.outcome
        assert outcome is not None
        return Done(outcome, anyio.current_time() - began, self.peak_memory, init)

    def kill(self) -> None:
        """End all processes, whatever they do; the sandbox and its `/tmp` stay."""
        self._processes.kill()

    async def aclose(self) -> None:
        """End all processes and remove everything that the sandbox has made."""
        with anyio.CancelScope(shield=True):
            await self._api.aclose()
            await self._processes.aclose()

    # -- the runtime --------------------------------------------------------------------------------------------------

    async def _initialise(self, phase: str, deadline: float, too_late: Failure, request_id: str) -> Init:
        """Start the runtime, and wait until it asks for an event."""
        began = anyio.current_time()
        if self._processes.is_lost:  # somebody has killed the supervisor
            await self._processes.aclose()
            self._processes = Supervised(self._notify, self._on_line)
            self._processes.open(self._tasks, _settings(self.spec, self._api.address))
        self._api.reset()
        if self.spec.runtime == "provided" and not (self.spec.directory / "bootstrap").is_file():
            return Init(0.0, phase, failures.no_bootstrap(request_id))
        self._processes.start()
        api = self._api
        failure = await self._follow(
            lambda: api.state is State.READY or api.init_failure is not None, deadline, too_late, request_id
        )
        took = anyio.current_time() - began
        if failure is None and api.init_failure is not None:
            failure = api.init_failure
            await self._stop()
        return Init(took, phase, failure)

    async def _waits_for_event(self, deadline: float) -> bool:
        """Whether the runtime asks for an event, or is about to: its answer comes before its next question."""
        if self._api.state is State.RESPONSE_SENT:
            await self._until(lambda: self._api.state is State.READY or self._has_ended, deadline)
        if self._api.state is State.READY and not self._has_ended:
            if self._processes.is_running():
                return True
            await self._until(lambda: self._has_ended, deadline)  # as is about to be reported
        if self.pid:
            await self._stop()
        return False

    @property
    def _has_ended(self) -> bool:
        return self._processes.end is not None or self._processes.is_lost

    async def _follow(
        self, is_done: Callable[[], bool], deadline: float, too_late: Failure, request_id: str
    ) -> Failure | None:
        """Wait until the runtime has done something. If it cannot, end all processes and return why."""
        self._is_over_memory = False
        await self._until(
            lambda: is_done() or self._has_ended or self._is_over_memory, deadline, look=self._look_at_memory
        )
        if self._has_ended and not is_done():
            await self._hear_last_words(is_done)
        self._processes.drain()
        self._note_peak()
        if self._is_over_memory:
            failure = failures.out_of_memory(request_id)
        elif is_done():
            self._processes.flush()
            return None
        elif self._has_ended:
            failure = self._end_of_runtime(request_id)
        else:
            failure = too_late
        await self._stop()
        return failure

    def _end_of_runtime(self, request_id: str) -> Failure:
        match self._processes.end:
            case NotLaunched(number):
                return failures.not_launched(number, request_id)
            case Exit(status):
                return failures.exited(status, request_id)
        return failures.exited(-9, request_id)

    async def _hear_last_words(self, is_done: Callable[[], bool]) -> None:
        """Read what the ended processes have sent, which may be the answer."""
        await self._until(lambda: is_done() or not self._api.has_unheard, anyio.current_time() + LAST_WORDS)

    async def _stop(self) -> None:
        """End all processes, and wait until they have."""
        self._processes.kill()
        await self._until(lambda: self._has_ended, anyio.current_time() + LAST_WORDS)
        self._processes.drain()
        self._processes.flush()

    # -- memory -------------------------------------------------------------------------------------------------------

    def _look_at_memory(self) -> None:
        self._is_over_memory = self._processes.memory_of_all() > self.spec.memory * MEGABYTE

    def _note_peak(self) -> None:
        """Look at the most that was used: more than there is would have been the end, if somebody had looked."""
        end = self._processes.end
        peak = end.peak_memory if isinstance(end, Exit) else self._processes.peak_memory()
        if peak > self.spec.memory * MEGABYTE:
            self._is_over_memory = True
        self.peak_memory = max(self.peak_memory, min(peak, self.spec.memory * MEGABYTE))

    # -- waiting ------------------------------------------------------------------------------------------------------

    def _notify(self) -> None:
        self._changed.set()

    async def _until(self, is_so: Callable[[], bool], deadline: float, look: Callable[[], None] | None = None) -> None:
        """Wait until something is so, or the deadline; `look` is called now and then meanwhile."""
        pause = FIRST_LOOK if look is not None else float("inf")
        while not is_so() and anyio.current_time() < deadline:
            self._changed = anyio.Event()
            look_at = anyio.current_time() + pause
            with anyio.CancelScope(deadline=min(deadline, look_at)):
                await self._changed.wait()
            if look is not None and anyio.current_time() >= look_at:
                look()
                pause = min(2 * pause, LAST_LOOK)


def _settings(spec: SandboxSpec, address: str) -> Mapping[str, Any]:
    """What the supervisor is told, as plain values."""
    kept = {str(spec.directory), sys.prefix, sys.base_prefix, str(HERE), *spec.path, *spec.kept}
    variables = {**spec.variables, "AWS_LAMBDA_RUNTIME_API": address}
    match spec.runtime:
        case "provided":
            executable: list[str] | None = [str(spec.directory / "bootstrap")]
        case "awslambdaric":
            executable = [sys.executable, "-m", "awslambdaric", spec.handler]
            if spec.path:
                variables["PYTHONPATH"] = os.pathsep.join(spec.path)
        case _:
            executable = None
    return {
        "handler": spec.handler,
        "directory": str(spec.directory),
        "path": spec.path,
        "variables": variables,
        "executable": executable,
        "private_tmp": spec.private_tmp,
        "tmp": spec.tmp,
        "kept": sorted({os.path.realpath(path) for path in kept} | kept),
        "limits": {
            "RLIMIT_CORE": 0,
            "RLIMIT_DATA": 2 * spec.memory * MEGABYTE + BACKSTOP,
            "RLIMIT_FSIZE": spec.tmp * MEGABYTE,
            "RLIMIT_NOFILE": OPEN_FILES,
        },
    }
