"""Records of `logging` as the Python runtime writes them into a function's log. Pure.

Source: the runtime interface client's formatters, and Lambda developer guide, "Log and monitor Python Lambda
functions".
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from typing import Any

from eventbus.timestamps import iso_time

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "_frame_type"}
"""What every record has; everything else came in through `extra=`."""


def text_line(record: logging.LogRecord, render: Callable[[logging.LogRecord], str], at: float, request_id: str) -> str:
    """`[LEVEL]`, instant, request id and message, separated by tabs; a traceback follows."""
    return f"[{record.levelname}]\t{iso_time(at)}\t{request_id}\t{render(record)}\n"


def json_line(record: logging.LogRecord, render: Callable[[logging.LogRecord], str], at: float, request_id: str) -> str:
    """One JSON object with the record's extras; a message that is a dict stays one."""
    document: dict[str, Any] = {
        "timestamp": f"{iso_time(at)[:19]}Z",
        "level": record.levelname,
        "message": record.msg if isinstance(record.msg, dict) else record.getMessage(),
        "logger": record.name,
    }
    if record.exc_info and record.exc_info[0] is not None:
        kind, error, trace = record.exc_info
        document["stackTrace"] = traceback.format_tb(trace)
        document["errorType"] = kind.__name__
        document["errorMessage"] = str(error)
        document["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
    document["requestId"] = request_id
    document |= {key: value for key, value in vars(record).items() if key not in _STANDARD and key not in document}
    return json.dumps(document, default=str, ensure_ascii=False) + "\n"
