"""An environment for handlers that are plain functions: a thread of its own, kept from one invocation to the next.

The thread is a daemon and cannot be stopped: a handler that overruns is reported at once and its thread is left to
itself, its late result discarded. Nothing that hangs in it keeps the process from ending.
"""

from __future__ import annotations

import contextvars
import queue
import threading
from typing import TYPE_CHECKING, Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import attrs

from eventbus.execution.environment import Environment

if TYPE_CHECKING:
    from eventbus.execution.context import LambdaContext


@attrs.define(eq=False)
class _Job:
    payload: Any
    context: LambdaContext
    done: anyio.Event
    result: Any = None
    error: BaseException | None = None


class ThreadEnvironment(Environment):
    """One environment whose handler runs in a worker thread."""

    isolation = "thread"
    summary = "thread without a memory limit"

    _jobs: queue.SimpleQueue[_Job | None] | None = None

    async def call(self, payload: Any, context: LambdaContext) -> Any:
        """Run the handler in this environment's thread. When cancelled, the thread is left behind."""
        jobs = self._jobs
        if jobs is None:
            jobs = self._jobs = self._start_thread()
        job = _Job(payload, context, anyio.Event())
        jobs.put(job)
        await job.done.wait()
        if job.error is not None:
            raise job.error
        return job.result

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            if self._jobs is not None:
                self._jobs.put(None)

    def _start_thread(self) -> queue.SimpleQueue[_Job | None]:
        jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        token = anyio.lowlevel.current_token()
        context = contextvars.copy_context()
        threading.Thread(
            target=context.run,
            args=(_serve, jobs, self.lane.handler, token),
            name=f"eventbus {self.lane.name} {self.number}",
            daemon=True,
        ).start()
        return jobs


def _serve(jobs: queue.SimpleQueue[_Job | None], handler: Any, token: anyio.lowlevel.EventLoopToken) -> None:
    """The thread: run one job after another until told to end, or until the event loop is gone."""
    while (job := jobs.get()) is not None:
        try:
            job.result = handler(job.payload, job.context)
        except BaseException as error:
            job.error = error
        try:
            anyio.from_thread.run_sync(job.done.set, token=token)
        except RuntimeError:  # the loop has ended, and nobody waits for the result
            return
        job = None
