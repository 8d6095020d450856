"""An environment whose function runs in a process of its own, with a `/tmp` of its own: see `sandbox`.

It keeps its own time: a handler that overruns costs the process, not the environment.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import anyio.abc

from eventbus.delivery.event import DetailedAttempt
from eventbus.delivery.payload import decode, encode, received, response
from eventbus.execution.environment import Environment, Phase
from eventbus.execution.outcome import Failed, Succeeded
from eventbus.execution.sandbox.sandbox import Sandbox
from eventbus.execution.sandbox.values import Answer, Done, Failure, Init, Request, SandboxSpec
from eventbus.execution.sandbox.variables import process_variables
from eventbus.execution.variables import lambda_variables
from eventbus.functions.package import Packaged

if TYPE_CHECKING:
    from eventbus.delivery.event import Attempt, Event
    from eventbus.execution.context import LambdaContext

MEGABYTE = 2**20


class ProcessEnvironment(Environment):
    """One environment with a sandbox."""

    isolation = "process"
    summary = "process"
    logs_errors = True

    _sandbox: Sandbox | None = None
    _tasks: anyio.abc.TaskGroup
    _done: Done | None = None
    _is_initialised = False
    repeated_init: Init | None = None
    """The initialisation that the last invocation had to run again, if it had to."""

    async def run(self) -> None:
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            try:
                await super().run()
            finally:
                if self._sandbox is not None:
                    await self._sandbox.aclose()
                tasks.cancel_scope.cancel()

    async def initialise(self) -> None:
        """Start the process: the INIT phase. What fails in it is run again by the first invocation."""
        sandbox = Sandbox(self._spec(), self._tasks, self._hear)
        self.init_started_at = self.lane.bus.clock.now()
        self.init_lines = []
        try:
            init = await sandbox.start()
        except BaseException:  # the machine has no process or descriptor left, or the bus is being left
            await sandbox.aclose()
            raise
        self._sandbox = sandbox
        self.init_duration = init.duration
        self.init_failure = None if init.failure is None else _failed(init.failure)
        self._is_initialised = True

    async def call(self, payload: Any, context: LambdaContext) -> Succeeded | Failed:
        """Run the handler in this environment's process; when cancelled, the process is ended with the environment."""
        event = self.event
        assert event is not None
        self.deadline = float("inf")  # the sandbox keeps the time limit, and survives it
        if self._sandbox is None:
            self.move(Phase.STARTING)
            try:
                await self.initialise()
            finally:
                if self.phase is Phase.STARTING:
                    self.move(Phase.BUSY)
            self.started = self.lane.bus.clock.loop_time()
        assert self._sandbox is not None
        body = event.body if isinstance(event.body, bytes | str) else encode(payload)
        done = self._done = await self._sandbox.invoke(
            Request(
                request_id=event.request_id,
                payload=body.encode() if isinstance(body, str) else body,
                timeout=self.configuration.timeout,
                arn=context.invoked_function_arn,
                client_context=_client_context(event),
                trace_id=_trace_header(event, is_sampled=self.configuration.tracing == "Active"),
            )
        )
        self.repeated_init = done.init
        outcome = done.outcome
        return Succeeded(response(outcome.body)) if isinstance(outcome, Answer) else _failed(outcome)

    def _hear(self, line: str) -> None:
        """Keep what the processes write."""
        if self._is_initialised or self.init_lines is None:
            self.write_line(line)
        else:
            self.init_lines.append((self.lane.bus.clock.now(), line))

    def measure(self, attempt: Attempt) -> None:
        """Put the most memory that was used into an attempt."""
        if self._done is not None and isinstance(attempt, DetailedAttempt):
            attempt.memory_used = -(-self._done.peak_memory // MEGABYTE)
        if attempt.is_cold and self.repeated_init is not None and self.repeated_init.failure is not None:
            self.repeated_lines = self._take_lines()  # the handler never ran

    def _spec(self) -> SandboxSpec:
        lane = self.lane
        configuration = self.configuration
        assert isinstance(lane.handler, Packaged)
        code = lane.handler.code
        variables = process_variables(
            lambda_variables(self, code.handler),
            directory=str(code.directory),
            runtime=code.runtime,
            commands=":".join(filter(None, (layer.commands for layer in reversed(configuration.layers)))),
            access=None if lane.bus.access_of is None else lane.bus.access_of(self),
        )
        imports = tuple(path for layer in reversed(configuration.layers) for path in layer.imports)
        return SandboxSpec(
            handler=code.handler,
            directory=code.directory,
            runtime=code.runtime,
            memory=configuration.memory,
            tmp=configuration.tmp,
            variables=variables,
            path=(*imports, *code.path),
            kept=tuple(str(layer.directory) for layer in configuration.layers),
        )


def _trace_header(event: Event, *, is_sampled: bool) -> str:
    """X-Ray's header: the root is the first event of the chain, the parent this one."""
    first, request_id, cause = event.at, event.request_id, event.cause
    while cause is not None:
        first, request_id, cause = cause.at, getattr(cause, "request_id", request_id), cause.cause
    root, parent = request_id.replace("-", ""), event.request_id.replace("-", "")
    return f"Root=1-{int(first):08x}-{root[:24]};Parent={parent[-16:]};Sampled={int(is_sampled)}"


def _client_context(event: Event) -> str | None:
    context = event.reply.client_context if event.reply is not None else None
    return None if context is None else json.dumps(context.document, default=str)


def _failed(failure: Failure) -> Failed:
    """A posted error as the bus reports it: AWS hands the document on as it is, whatever it is."""
    try:
        document = decode(received(failure.document))
    except ValueError:
        document = None
    if not isinstance(document, dict):
        text = failure.document.decode(errors="replace")
        document = {"errorMessage": text, "errorType": failure.error_type or "Function.Unknown"}
    return Failed(document, failure.status, failure.error_type)
