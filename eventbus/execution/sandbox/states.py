"""The states of a runtime, as the Runtime API sees them: a table, and no I/O.

    Started ──next──► Ready ──(event)──► Running ──response──► InvocationResponse ──(sent)──► RuntimeResponseSentState
       │                ▲                 │  ▲ next: the same                                        │
       │                │                 │  └─ event again                                          │
       │                │                 └──error──► InvocationErrorResponse ──(sent)──►────────────┤
       └─init/error─► InitError           └────────────────────────── next ◄─────────────────────────┘

Source: the runtime interface emulator's state machine, and Lambda developer guide, "Using the Lambda runtime API".
SnapStart's calls have no legal move here.
"""

from __future__ import annotations

import enum
from typing import TypeAlias

import attrs


class State(enum.Enum):
    """Named as in the API's own error messages."""

    STARTED = "Started"
    INIT_ERROR = "InitError"
    READY = "Ready"
    RUNNING = "Running"
    RESPONSE = "InvocationResponse"
    ERROR_RESPONSE = "InvocationErrorResponse"
    RESPONSE_SENT = "RuntimeResponseSentState"


class Call(enum.Enum):
    """What a runtime asks for; the value is the state that it asks to move to, as error messages name it."""

    NEXT = "Ready"
    RESPONSE = "InvocationResponse"
    ERROR = "InvocationErrorResponse"
    INIT_ERROR = "InitError"
    RESTORE_NEXT = "RestoreReady"
    RESTORE_ERROR = "RuntimeRestoreErrorState"


MOVES: dict[tuple[State, Call], State] = {
    (State.STARTED, Call.NEXT): State.READY,
    (State.STARTED, Call.INIT_ERROR): State.INIT_ERROR,
    (State.READY, Call.NEXT): State.READY,
    (State.RUNNING, Call.NEXT): State.RUNNING,
    (State.RUNNING, Call.RESPONSE): State.RESPONSE,
    (State.RUNNING, Call.ERROR): State.ERROR_RESPONSE,
    (State.RESPONSE_SENT, Call.NEXT): State.READY,
}


@attrs.frozen
class Refusal:
    """An answer that is none: status, and the two texts of the body."""

    status: int
    error_type: str
    message: str


INVALID_REQUEST_ID = Refusal(400, "InvalidRequestID", "Invalid request ID")
INVALID_RESPONSE_MODE = Refusal(400, "InvalidFunctionResponseMode", "Invalid function response mode")
TRUNCATED = Refusal(400, "TruncatedHTTPRequest", "HTTP request detected as truncated")


def too_large(limit: int) -> Refusal:
    """The refusal of a response with more bytes than this."""
    return Refusal(413, "RequestEntityTooLarge", f"Exceeded maximum allowed payload size ({limit} bytes).")


Verdict: TypeAlias = State | Refusal


def decide(state: State, call: Call, request_id: str | None = None, current_id: str | None = None) -> Verdict:
    """The state that follows a call, or why it is refused. The request id is looked at first.

    `current_id` is the invocation that may still be answered, or None.
    """
    if call in (Call.RESPONSE, Call.ERROR) and request_id != current_id:
        return INVALID_REQUEST_ID
    following = MOVES.get((state, call))
    if following is None:
        return Refusal(
            403,
            "InvalidStateTransition",
            f"State transition from {state.value} to {call.value} failed for runtime. "
            "Error: State transition is not allowed",
        )
    return following
