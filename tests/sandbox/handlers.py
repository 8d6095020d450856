"""Handlers that the tests run in processes."""

from __future__ import annotations

import collections
import datetime
import decimal
import logging
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

counter = 0


def echo(event: Any, context: Any) -> Any:
    return event


def count(event: Any, context: Any) -> int:
    global counter
    counter += 1
    return counter


def environment(event: Any, context: Any) -> dict[str, Any]:
    return {"variables": dict(os.environ), "cwd": os.getcwd(), "first": sys.path[0], "session": os.getsid(0)}


def described(event: Any, context: Any) -> dict[str, Any]:
    client = context.client_context
    return {
        "repr": repr(context),
        "memory": context.memory_limit_in_mb,
        "left": context.get_remaining_time_in_millis(),
        "custom": None if client is None else client.custom,
        "identity": context.identity.cognito_identity_id,
        "trace": os.environ.get("_X_AMZN_TRACE_ID"),
        "w3c": context.w3c(),
    }


def boom(event: Any, context: Any) -> None:
    raise ValueError("bööm")


class Unusual(Exception):
    def __str__(self) -> str:
        return "\ud800"


def unusual(event: Any, context: Any) -> None:
    raise Unusual


def end(event: Any, context: Any) -> None:
    """End the process in the way that the event names."""
    match event:
        case {"exit": code}:
            sys.exit(code)
        case {"at_once": code}:
            os._exit(code)
        case {"signal": number}:
            os.kill(os.getpid(), number)
            time.sleep(10)
        case "interrupt":
            raise KeyboardInterrupt
        case "memory":
            os.abort()


def maybe_exit(event: Any, context: Any) -> int:
    if event == "exit":
        os._exit(7)
    return count(event, context)


def sleep(event: Any, context: Any) -> str:
    print("sleeping")
    time.sleep(event)
    return "slept"


def big(event: Any, context: Any) -> str:
    return "x" * int(event)


Point = collections.namedtuple("Point", "x y")


class Colour:
    pass


RESULTS: dict[str, Any] = {
    "none": None,
    "tuple": (1, (2, 3)),
    "named tuple": [Point(1, {"a": Point(2, 3)})],
    "decimal": {"price": decimal.Decimal("1.10"), "huge": decimal.Decimal("1E+400")},
    "decimal NaN": decimal.Decimal("NaN"),
    "numbers": [math.nan, math.inf, -math.inf, 1.5, 10**30, True],
    "decimal among numbers": [math.nan, -math.inf, 0.1, decimal.Decimal("2.50")],
    "keys": {1: "a", 2.5: "b", False: "c", None: "d"},
    "text": {"näme": '日本 \U0001f600 \x7f " \\ / \u2028'},
    "bytes": b"\x00\xff raw",
    "set": {1},
    "datetime": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    "bytes inside": [b"x", {b"k": "\u00e4".encode()}],
    "bytes that are no text": [b"\xff"],
    "object": Colour(),
    "tuple key": {(1, 2): 3},
    "circle": [],
    "empty": [{}, [], ""],
}
RESULTS["circle"].append(RESULTS["circle"])


def result(event: Any, context: Any) -> Any:
    return RESULTS[event]


async def coroutine(event: Any, context: Any) -> None:
    pass


def logs(event: Any, context: Any) -> None:
    print("printed")
    print("to stderr", file=sys.stderr)
    log = logging.getLogger("mine")
    log.info("too low")
    log.warning("warned %s", "twice", extra={"extra": {"a": 1}})
    try:
        raise KeyError("k")
    except KeyError:
        log.exception("failed")
    logging.getLogger().setLevel(logging.INFO)
    logging.info({"structured": True})
    context.log("as it is\n")
    sys.stdout.write("no end")


def outputs(event: Any, context: Any) -> None:
    match event:
        case "huge":
            print("h" * 300_000)
        case "binary":
            os.write(1, b"\xff\xfe\x00 binary\n")
        case "closed":
            sys.stdout.close()
            raise ValueError("nobody hears it")
        case "closed descriptors":
            os.close(1)
            os.close(2)


def files(event: Any, context: Any) -> list[str]:
    if event:
        Path("/tmp/mine").write_text(event)
    return sorted(os.listdir("/tmp"))


def fill(event: Any, context: Any) -> str:
    try:
        with open(os.path.join(os.environ.get("TMPDIR", "/tmp"), "filler"), "wb") as file:
            for _ in range(event):
                file.write(b"x" * 2**20)
    except OSError as error:
        return os.strerror(error.errno or 0)
    return "written"


def tmp_or_exit(event: Any, context: Any) -> list[str]:
    found = files("written", context)
    if event == "exit":
        os._exit(1)
    return found


def hoard(event: Any, context: Any) -> int:
    """Take so many megabytes, and touch them."""
    held = [b"x" * 2**20 for _ in range(event)]
    return len(held)


def hoard_below(event: Any, context: Any) -> None:
    """Let a child take them."""
    subprocess.run([sys.executable, "-c", f"x = [b'x' * 2**20 for _ in range({event})]; import time; time.sleep(20)"])


def leave_children(event: Any, context: Any) -> list[int]:
    """Start what outlives the invocation: a child, one in a session of its own, and a grandchild without parent."""
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    child = subprocess.Popen(sleeper)
    apart = subprocess.Popen(sleeper, start_new_session=True)
    code = f"import subprocess; print(subprocess.Popen({sleeper!r}, start_new_session=True, stdout=2).pid)"
    orphan = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True, text=True)
    return [child.pid, apart.pid, int(orphan.stdout), os.getpid(), os.getppid()]


def children_then_sleep(event: Any, context: Any) -> None:
    print(*leave_children(event, context))
    time.sleep(600)


def fork(event: Any, context: Any) -> str:
    if os.fork() == 0:
        return "child"
    time.sleep(0.3)  # the copy would be first
    return "parent"


def kill_supervisor(event: Any, context: Any) -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(10)


def thread_exits_later(event: Any, context: Any) -> int:
    if event == "exit":
        threading.Timer(0.05, os._exit, [9]).start()
    return count(event, context)


def talk(event: Any, context: Any) -> Any:
    """Send garbage to the Runtime API, on a connection of its own, and return what it says."""
    host, _, port = os.environ["AWS_LAMBDA_RUNTIME_API"].partition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(event.encode("latin-1"))
        connection.shutdown(socket.SHUT_WR)
        return connection.makefile("rb").read().decode("latin-1")
