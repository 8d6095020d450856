"""What the bus itself says: structlog events with keys, through the standard library's logger `eventbus`.

A library is silent until somebody asks: the logger has a handler that does nothing, so that nothing is shown until
logging is configured, by `EventBus(console=True)` for this bus alone or by `logging.basicConfig()` for the program.
Nothing is lost in the meantime. What a warning says, the mending call included, stands where one looks for an event
that did not arrive: in the exception, in `bus.trace`, and in the dead letter.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from eventbus.telemetry.capture import beside_the_log


def _as_record(_: object, __: str, facts: MutableMapping[str, Any]) -> tuple[tuple[str], dict[str, dict[str, Any]]]:
    """A log record that reads well as text and carries the facts as attributes, for formatters that want them."""
    text = " ".join([str(facts["event"]), *(f"{key}={value!r}" for key, value in facts.items() if key != "event")])
    extra = {f"eventbus_{key}": value for key, value in facts.items()}
    return (text.replace("%", "%%"),), {"extra": extra}


class _Console:
    """Prints events to standard error, readable, on their way to the logger."""

    def __init__(self) -> None:
        self._render = structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0, sort_keys=False)

    def __call__(self, logger: object, level: str, facts: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        line = self._render(logger, level, {"level": level, **facts})
        with beside_the_log():
            print(line, file=sys.stderr)
        return facts


def bus_logger(*, console: bool = False) -> structlog.typing.FilteringBoundLogger:
    """A bound logger of the name `eventbus`; `console` shows what it says on standard error."""
    standard = logging.getLogger("eventbus")
    if not standard.handlers:
        standard.addHandler(logging.NullHandler())
    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        standard,
        processors=[
            structlog.stdlib.filter_by_level,
            *([_Console()] if console else []),
            _as_record,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        context_class=dict,
        cache_logger_on_first_use=False,
    ).bind()
    return logger
