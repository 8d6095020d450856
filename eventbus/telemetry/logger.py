"""What the bus itself says: structlog events with keys, through the standard library's logger `eventbus`.

Warnings are seen by default, as Python shows warnings of a logger that nobody has configured; for more, set the level
of `logging.getLogger("eventbus")` or configure the standard library's logging.
"""

from __future__ import annotations

import logging

import structlog


def bus_logger() -> structlog.typing.FilteringBoundLogger:
    """A bound logger of the name `eventbus`."""
    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        logging.getLogger("eventbus"),
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.KeyValueRenderer(key_order=["event"], drop_missing=True),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        context_class=dict,
        cache_logger_on_first_use=False,
    ).bind()
    return logger
