"""The error documents that the platform itself writes; pure.

Only two members, in this order. Source: recorded invocations of AWS (2025); signal names are Go's, which AWS prints.
"""

from __future__ import annotations

import errno
import json

from eventbus.execution.sandbox.values import MAX_RESPONSE, Failure

SIGNALS = {
    1: "hangup", 2: "interrupt", 3: "quit", 4: "illegal instruction", 5: "trace/breakpoint trap", 6: "aborted",
    7: "bus error", 8: "floating point exception", 9: "killed", 10: "user defined signal 1", 11: "segmentation fault",
    12: "user defined signal 2", 13: "broken pipe", 14: "alarm clock", 15: "terminated",
}  # fmt: skip

LAUNCH_ERRORS = {
    errno.ENOEXEC: "exec format error",
    errno.EACCES: "permission denied",
    errno.ENOENT: "no such file or directory",
}


def exited(status: int, request_id: str) -> Failure:
    """The runtime's process ended: `status` is its exit status, or minus the signal that ended it."""
    if status == 0:
        reason = "Runtime exited without providing a reason"
    elif status > 0:
        reason = f"Runtime exited with error: exit status {status}"
    else:
        reason = f"Runtime exited with error: signal: {SIGNALS.get(-status, f'signal {-status}')}"
    return _platform("Runtime.ExitError", f"RequestId: {request_id} Error: {reason}")


def out_of_memory(request_id: str) -> Failure:
    """The processes took more than their memory: killed, and only the report says why."""
    return Failure(exited(-9, request_id).document, "Runtime.OutOfMemory")


def timed_out(timeout: float, request_id: str) -> Failure:
    """The invocation overran its time limit."""
    message = f"RequestId: {request_id} Error: Task timed out after {timeout:.2f} seconds"
    return _platform("Sandbox.Timedout", message, status="timeout")


def init_timed_out() -> Failure:
    """The INIT phase overran: no caller ever sees it, the initialisation is run again."""
    return _platform("Sandbox.Timedout", "", status="timeout")


def no_bootstrap(request_id: str) -> Failure:
    """There is no executable to start."""
    return _platform(
        "Runtime.InvalidEntrypoint",
        f"RequestId: {request_id} Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]",
    )


def not_launched(number: int, request_id: str) -> Failure:
    """The executable could not be run; `number` is the errno."""
    reason = LAUNCH_ERRORS.get(number, f"errno {number}")
    return _platform(
        "Runtime.InvalidEntrypoint", f"RequestId: {request_id} Error: fork/exec /var/task/bootstrap: {reason}"
    )


def response_too_large() -> Failure:
    """The response has more bytes than a caller may get."""
    message = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE} bytes)."
    document = json.dumps({"errorMessage": message, "errorType": "Function.ResponseSizeTooLarge"}).encode()
    return Failure(document, "Function.ResponseSizeTooLarge", "failure")


def bad_response_mode(request_id: str) -> Failure:
    """The runtime answered in a mode that does not exist."""
    return _platform(
        "Runtime.InvalidResponseModeHeader", f"RequestId: {request_id} Error: Invalid response mode header"
    )


def _platform(error_type: str, message: str, status: str = "error") -> Failure:
    document = json.dumps({"errorType": error_type, "errorMessage": message}, ensure_ascii=False)
    return Failure(document.encode(errors="replace"), error_type, status)
