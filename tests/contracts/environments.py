"""What an environment owes its function, whatever kind it is: one suite for task, thread and process.

A kind that cannot keep a promise says so in `CANNOT`, and the test shows that it is so.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from eventbus import EventBus, Function, VirtualClock
from tests.contracts import handlers

KINDS = ("task", "thread", "process")
CANNOT: dict[str, set[str]] = {
    "task": {"a clean environment", "a private /tmp", "globals of its own", "an end of a handler that blocks"},
    "thread": {"a clean environment", "a private /tmp", "globals of its own"},
    "process": set(),
}


def make_bus(**options: Any) -> EventBus:
    """Under a virtual clock, where handlers take real time."""
    return EventBus(seed=7, clock=VirtualClock(), **options)


def declare(bus: EventBus, kind: str, handler: Callable[[Any, Any], Any], **options: Any) -> Function:
    """The same handler in an environment of one kind, as the function `f`."""
    options = {"timeout": 10, "retries": 0, **options}
    if kind == "task":

        @functools.wraps(handler)
        async def task(event: Any, context: Any) -> Any:
            return handler(event, context)

        return bus.add_function("f", task, **options)
    return bus.add_function("f", handler, isolation=kind, **options)


ERRORS: list[tuple[str, Any, dict[str, Any], str]] = [
    ("raises", 1, {"errorMessage": "boom", "errorType": "ValueError"}, "failure"),
    (
        "exits",
        None,
        {"errorType": "Runtime.ExitError", "errorMessage": "Runtime exited without providing a reason"},
        "",
    ),
    ("exits", 3, {"errorType": "Runtime.ExitError", "errorMessage": "Runtime exited with error: exit status 3"}, ""),
    (
        "unserialisable",
        1,
        {
            "errorMessage": "Unable to marshal response: Object of type datetime is not JSON serializable",
            "errorType": "Runtime.MarshalError",
        },
        "failure",
    ),
    (
        "too_large",
        1,
        {
            "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
            "errorType": "Function.ResponseSizeTooLarge",
        },
        "",
    ),
]
"""Handler, event, the members of the document that it gives, and whether the runtime adds its own."""


def handler(name: str) -> Callable[[Any, Any], Any]:
    found: Callable[[Any, Any], Any] = getattr(handlers, name)
    return found
