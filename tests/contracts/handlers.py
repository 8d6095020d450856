"""What every kind of environment is asked to run: plain functions, which a process finds here."""

from __future__ import annotations

import datetime
import os
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

memory: dict[str, int] = {}


def echo(event: Any, context: Any) -> Any:
    print("echoing")
    return event


def change(event: Any, context: Any) -> Any:
    event["changed"] = True
    return event


def raises(event: Any, context: Any) -> None:
    raise ValueError("boom")


def exits(event: Any, context: Any) -> None:
    sys.exit(event)


def interrupted(event: Any, context: Any) -> None:
    raise KeyboardInterrupt


def unserialisable(event: Any, context: Any) -> Any:
    return datetime.datetime.now(datetime.UTC)


class Point(NamedTuple):
    x: int
    y: int


SHAPES: dict[str, tuple[Any, Any]] = {
    "decimal": ({"price": Decimal("1.50"), "many": [Decimal(3)]}, {"price": 1.5, "many": [3]}),
    "named tuple": ([Point(1, 2)], [{"x": 1, "y": 2}]),
    "bytes": (b"abc", "abc"),
    "bytes of JSON": (b'{"a": 1}', {"a": 1}),
    "bytes inside": ({"a": b"abc"}, {"a": "abc"}),
    "keys": ({1: "a", None: "b", False: "c"}, {"1": "a", "null": "b", "false": "c"}),
    "tuple": ((1, (2,)), [1, [2]]),
    "text": ("é\ud800", "é\ud800"),
    "large number": (2**70, 2**70),
}
"""What a handler returns, and what its caller gets."""


def shapes(event: Any, context: Any) -> Any:
    return SHAPES[event][0]


def too_large(event: Any, context: Any) -> str:
    return "x" * 7_000_000


def writes(event: Any, context: Any) -> None:
    print("one")
    print("two\nthree")
    sys.stderr.write("four")


def hangs(event: Any, context: Any) -> None:
    if event == "hang":
        time.sleep(600)


def counts(event: Any, context: Any) -> int:
    memory["calls"] = memory.get("calls", 0) + 1
    return memory["calls"]


def sees(event: Any, context: Any) -> dict[str, Any]:
    return {
        "id": context.aws_request_id,
        "name": context.function_name,
        "version": context.function_version,
        "arn": context.invoked_function_arn,
        "memory": context.memory_limit_in_mb,
        "group": context.log_group_name,
        "stream": context.log_stream_name,
        "time": 0 < context.get_remaining_time_in_millis() <= 10_000,
        "client": None if context.client_context is None else context.client_context.custom,
    }


def variables(event: Any, context: Any) -> dict[str, str]:
    return dict(os.environ)


def keeps(event: Any, context: Any) -> list[str]:
    """Write a file into /tmp, end the process if told to, and list what is there."""
    found = sorted(name for name in os.listdir("/tmp") if name.startswith("contract"))
    if event["write"]:
        Path("/tmp", event["write"]).write_text("x")
    if event.get("exit"):
        os._exit(1)
    return found
