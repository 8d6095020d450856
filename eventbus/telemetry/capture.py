"""What handlers write: `print`, `sys.stdout`, `sys.stderr` and `logging`, caught with the request they belong to.

While a bus runs, the standard streams are wrapped and the root logger has one more handler. Outside of handlers both
pass everything on unchanged; inside they keep a copy for the function's log, and pass it on too, so that a print in a
handler is still seen.

A logger that a module has set up before, with a `StreamHandler` of its own, holds the streams as they were. Its handler
is shown the wrapped ones instead; and since it could not know of ours at the root, which on AWS is there before any
module is imported, and so could not tell it to be quiet, what has passed it is not logged once more at the root.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO

from eventbus.execution.current import current_environment
from eventbus.execution.installed import Installed
from eventbus.telemetry.records import json_line, text_line

_passing_on: ContextVar[bool] = ContextVar("eventbus_passing_on", default=False)
"""A log record is on its way to the terminal; it is in the function's log already."""


@contextmanager
def beside_the_log() -> Iterator[None]:
    """Within the block, what is written reaches the terminal and no function's log."""
    token = _passing_on.set(True)
    try:
        yield
    finally:
        _passing_on.reset(token)


class _Stream:
    """A text stream that copies what handlers write to the log of their invocation."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        environment = current_environment.get()
        if environment is not None and environment.event is not None and not _passing_on.get():
            environment.write(text)
        return self.stream.write(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class _Handler(logging.Handler):
    """Copies log records to the log of the invocation that made them, in the Python runtime's formats."""

    def emit(self, record: logging.LogRecord) -> None:
        self._pass_on(record)
        environment = current_environment.get()
        if environment is None or environment.event is None or capture.has_logged(record):
            return
        at, request_id = environment.lane.bus.clock.now(), environment.event.request_id
        is_json = environment.configuration.log_format == "JSON"
        environment.write_line((json_line if is_json else text_line)(record, self.format, at, request_id))

    def _pass_on(self, record: logging.LogRecord) -> None:
        """Without us the standard library would show a warning that no handler takes; so it still does."""
        last = logging.lastResort
        if last is None or record.levelno < last.level:
            return
        if any(handler is not self for handler in _handlers(record)):
            return
        with beside_the_log():
            last.handle(record)


def _handlers(record: logging.LogRecord) -> Iterator[logging.Handler]:
    """All that a record comes by, the root's last."""
    logger: logging.Logger | None = logging.getLogger(record.name)
    while logger is not None:
        yield from logger.handlers
        logger = logger.parent if logger.propagate else None


class _HeldStream:
    """`StreamHandler.stream` while a bus runs: a handler that holds a standard stream is given the wrapped one.

    Not one of the root logger: where we have a handler ourselves, others are for the terminal. On AWS `basicConfig`
    would not have added it.
    """

    def __init__(self, wrapped: dict[int, _Stream]) -> None:
        self._wrapped = wrapped

    def __get__(self, handler: logging.Handler | None, owner: type) -> Any:
        if handler is None:
            return self
        try:
            stream = vars(handler)["stream"]
        except KeyError:
            raise AttributeError("stream") from None
        wrapped = self._wrapped.get(id(stream))
        return stream if wrapped is None or handler in logging.getLogger().handlers else wrapped

    def __set__(self, handler: logging.Handler, stream: Any) -> None:
        vars(handler)["stream"] = stream


class Capture(Installed):
    """In force while at least one bus runs."""

    def __init__(self) -> None:
        super().__init__()
        self._handler = _Handler()
        self._wrapped: dict[int, _Stream] = {}

    def install(self) -> None:
        """Wrap the streams that are in place now."""
        self._out, self._err = _Stream(sys.stdout), _Stream(sys.stderr)
        self._wrapped = {id(each.stream): each for each in (self._out, self._err)}
        for original in (sys.__stdout__, sys.__stderr__):
            if original is not None and id(original) not in self._wrapped:
                self._wrapped[id(original)] = _Stream(original)
        sys.stdout, sys.stderr = self._out, self._err
        logging.StreamHandler.stream = _HeldStream(self._wrapped)  # type: ignore[misc]
        logging.getLogger().addHandler(self._handler)

    def remove(self) -> None:
        if sys.stdout is self._out:
            sys.stdout = self._out.stream
        if sys.stderr is self._err:
            sys.stderr = self._err.stream
        del logging.StreamHandler.stream  # type: ignore[misc]
        logging.getLogger().removeHandler(self._handler)
        self._wrapped = {}

    def has_logged(self, record: logging.LogRecord) -> bool:
        """Whether a handler that was set up before the bus has written a record into the function's log."""
        root = logging.getLogger().handlers
        return any(
            id(vars(handler).get("stream")) in self._wrapped and record.levelno >= handler.level and handler not in root
            for handler in _handlers(record)
        )


capture = Capture()
