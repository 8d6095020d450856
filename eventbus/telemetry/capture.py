"""What handlers write: `print`, `sys.stdout`, `sys.stderr` and `logging`, caught with the request they belong to.

While a bus runs, the standard streams are wrapped and the root logger has one more handler. Outside of handlers both
pass everything on unchanged; inside they keep a copy for the function's log, and pass it on too, so that a print in a
handler is still seen.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO

from eventbus.execution.current import current_environment
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
        if environment is None or environment.event is None:
            return
        at, request_id = environment.lane.bus.clock.now(), environment.event.request_id
        is_json = environment.configuration.log_format == "JSON"
        environment.write_line((json_line if is_json else text_line)(record, self.format, at, request_id))

    def _pass_on(self, record: logging.LogRecord) -> None:
        """Without us the standard library would show a warning that no handler takes; so it still does."""
        last = logging.lastResort
        if last is None or record.levelno < last.level:
            return
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None:
            if any(handler is not self for handler in logger.handlers):
                return
            logger = logger.parent if logger.propagate else None
        with beside_the_log():
            last.handle(record)


class Capture:
    """Installed while at least one bus runs."""

    def __init__(self) -> None:
        self._users = 0
        self._handler = _Handler()
        self._streams: tuple[_Stream, _Stream] | None = None

    def start(self) -> None:
        """Wrap the streams that are in place now."""
        self._users += 1
        if self._users == 1:
            self._streams = _Stream(sys.stdout), _Stream(sys.stderr)
            sys.stdout, sys.stderr = self._streams
            logging.getLogger().addHandler(self._handler)

    def stop(self) -> None:
        """Put back what was there, unless somebody has replaced it since."""
        self._users -= 1
        if self._users == 0 and self._streams is not None:
            out, err = self._streams
            if sys.stdout is out:
                sys.stdout = out.stream
            if sys.stderr is err:
                sys.stderr = err.stream
            logging.getLogger().removeHandler(self._handler)
            self._streams = None


capture = Capture()
