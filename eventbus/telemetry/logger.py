"""What the bus itself says: structlog events with keys, through the standard library's logger `eventbus`.

Warnings are seen by default, as Python shows warnings of a logger that nobody has configured; for more, set the level
of `logging.getLogger("eventbus")` or configure the standard library's logging.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

import structlog


def _as_record(_: object, __: str, facts: MutableMapping[str, Any]) -> tuple[tuple[str], dict[str, dict[str, Any]]]:
    """A log record that reads well as text and carries the facts as attributes, for formatters that want them."""
    text = " ".join([str(facts["event"]), *(f"{key}={value!r}" for key, value in facts.items() if key != "event")])
    extra = {f"eventbus_{key}": value for key, value in facts.items()}
    return (text.replace("%", "%%"),), {"extra": extra}


def bus_logger() -> structlog.typing.FilteringBoundLogger:
    """A bound logger of the name `eventbus`."""
    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        logging.getLogger("eventbus"),
        processors=[
            structlog.stdlib.filter_by_level,
            _as_record,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        context_class=dict,
        cache_logger_on_first_use=False,
    ).bind()
    return logger
