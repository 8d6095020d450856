"""What became of one attempt: a value, never an exception.

The documents are those of AWS: the Python runtime's for what the handler did, the platform's for what was done to it.
"""

from __future__ import annotations

import traceback
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from eventbus.delivery.payload import Encoded, encode_result
from eventbus.errors import NotJSON

if TYPE_CHECKING:
    from eventbus.delivery.event import Event

MAX_RESPONSE = 6_291_556
"""Bytes of a buffered response: 6 MiB + 100 (Lambda quotas)."""


@attrs.define(eq=False, weakref_slot=False)
class Succeeded:
    """The handler returned; `result` is the JSON of what it returned."""

    result: Encoded


@attrs.define(eq=False, weakref_slot=False)
class Failed:
    """A function error: the handler raised, returned what JSON cannot carry, overran its time or ended its process."""

    document: dict[str, Any]
    """AWS's error document: errorMessage, errorType, and requestId and stackTrace where AWS has them."""
    status: str = "failure"
    """As in the platform's telemetry: `failure` (reported by the runtime), `error` (crash) or `timeout`."""
    reported_type: str = ""
    """What the REPORT line says, where it says more than the document: `Runtime.OutOfMemory`."""

    @property
    def error_type(self) -> str:
        return str(self.document.get("errorType", ""))

    @property
    def error_message(self) -> str:
        return str(self.document.get("errorMessage", ""))

    def __str__(self) -> str:
        return f"{self.error_type}: {self.error_message}" if self.error_message else self.error_type


@attrs.define(eq=False, weakref_slot=False)
class Throttled:
    """No environment may run it now; `reason` names the limit, in the words of TooManyRequestsException."""

    reason: str


Outcome: TypeAlias = Succeeded | Failed | Throttled

RETURNED_NONE = Succeeded(b"null")


def returned(result: Any, event: Event) -> Succeeded | Failed:
    """The outcome of a handler that returned this."""
    if result is None:
        return RETURNED_NONE
    if isinstance(result, Succeeded | Failed):
        return result  # from another process, which has encoded it
    if isinstance(result, str) and len(result) > MAX_RESPONSE:
        return _too_large()  # known without encoding it, which would keep the event loop busy
    try:
        data = encode_result(result)
    except NotJSON as error:
        return Failed(
            {
                "errorMessage": f"Unable to marshal response: {error}",
                "errorType": "Runtime.MarshalError",
                "requestId": event.request_id,
                "stackTrace": [],
            }
        )
    if len(data) > MAX_RESPONSE:
        return _too_large()
    return Succeeded(data)


def _too_large() -> Failed:
    message = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE} bytes)."
    return Failed({"errorMessage": message, "errorType": "Function.ResponseSizeTooLarge"})


class Struck(Exception):
    """Something comes between the environment and its handler, which is not called."""

    def __init__(self, outcome: Failed | Throttled) -> None:
        super().__init__(str(outcome))
        self.outcome = outcome


def crashed(request_id: str) -> Failed:
    """The outcome of an environment that died."""
    return _platform_error(
        "Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited with error: signal: killed"
    )


def raised(error: BaseException, request_id: str) -> Failed | Throttled:
    """The outcome of a handler that raised this.

    SystemExit and KeyboardInterrupt end the process on AWS, so they become Runtime.ExitError.
    """
    if isinstance(error, Struck):
        return error.outcome
    if isinstance(error, SystemExit):
        return _exited(error.code, request_id)
    if isinstance(error, RuntimeError) and isinstance(error.__cause__, StopIteration):
        error = error.__cause__  # which no coroutine can raise
    if not isinstance(error, Exception):
        return _platform_error(
            "Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited with error: exit status 1"
        )
    return Failed(
        {
            "errorMessage": _text_of(error),
            "errorType": type(error).__name__,
            "requestId": request_id,
            "stackTrace": _stack(error.__traceback__),
        }
    )


def timed_out(timeout: float, request_id: str) -> Failed:
    """The outcome of a handler that overran its time limit."""
    message = f"RequestId: {request_id} Error: Task timed out after {timeout:.2f} seconds"
    return Failed({"errorType": "Sandbox.Timedout", "errorMessage": message}, status="timeout")


def _exited(code: object, request_id: str) -> Failed:
    if code is None or code == 0:
        return _platform_error(
            "Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited without providing a reason"
        )
    status = code & 0xFF if isinstance(code, int) else 1
    return _platform_error(
        "Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited with error: exit status {status}"
    )


def _platform_error(error_type: str, message: str) -> Failed:
    return Failed({"errorType": error_type, "errorMessage": message}, status="error")


def _text_of(error: Exception) -> str:
    try:
        return str(error)
    except Exception:
        return f"<{type(error).__name__} whose text cannot be made>"


def _stack(frames: TracebackType | None) -> list[str]:
    """The handler's own frames, as the Python runtime client reports them; ours are left out."""
    while frames is not None and frames.tb_frame.f_globals.get("__name__", "").startswith("eventbus.execution."):
        frames = frames.tb_next
    return traceback.format_list(traceback.extract_tb(frames))
