"""Threads that a handler starts belong to its invocation: they act as its role and write to its log.

Tasks inherit the context in which they are started, and so do the worker threads of anyio and `asyncio.to_thread`.
Plain threads and the workers of a `ThreadPoolExecutor` do not; while a bus runs they do, if a handler starts them or
gives them work. Nothing changes for threads that are started elsewhere.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial, wraps
from typing import Any

from eventbus.execution.current import current_environment
from eventbus.execution.installed import Installed


class Inheritance(Installed):
    """In force while at least one bus runs."""

    def install(self) -> None:
        self._start, self._submit = threading.Thread.start, ThreadPoolExecutor.submit
        self._our_start, self._our_submit = _starting(self._start), _submitting(self._submit)
        threading.Thread.start = self._our_start  # type: ignore[method-assign, assignment]
        ThreadPoolExecutor.submit = self._our_submit  # type: ignore[method-assign]

    def remove(self) -> None:
        if threading.Thread.start is self._our_start:
            threading.Thread.start = self._start  # type: ignore[method-assign]
        if ThreadPoolExecutor.submit is self._our_submit:
            ThreadPoolExecutor.submit = self._submit  # type: ignore[method-assign]


def _starting(start: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    @wraps(start)
    def inheriting(thread: threading.Thread) -> None:
        if current_environment.get() is not None:
            thread.run = partial(contextvars.copy_context().run, thread.run)  # type: ignore[method-assign]
        start(thread)

    return inheriting


def _submitting(submit: Callable[..., Future[Any]]) -> Callable[..., Future[Any]]:
    @wraps(submit)
    def inheriting(pool: ThreadPoolExecutor, call: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        if current_environment.get() is None:
            return submit(pool, call, *args, **options)
        context = contextvars.copy_context()
        token = current_environment.set(None)  # a worker that starts now will serve others too
        try:
            return submit(pool, context.run, call, *args, **options)
        finally:
            current_environment.reset(token)

    return inheriting


inheritance = Inheritance()
