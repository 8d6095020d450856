"""The states of a runtime: a table."""

from __future__ import annotations

import pytest

from eventbus.execution.sandbox.states import INVALID_REQUEST_ID, MOVES, Call, Refusal, State, decide

LEGAL = {
    ("Started", "NEXT", "Ready"),
    ("Started", "INIT_ERROR", "InitError"),
    ("Ready", "NEXT", "Ready"),
    ("Running", "NEXT", "Running"),
    ("Running", "RESPONSE", "InvocationResponse"),
    ("Running", "ERROR", "InvocationErrorResponse"),
    ("RuntimeResponseSentState", "NEXT", "Ready"),
}


def test_the_legal_moves_are_these() -> None:
    """All others are refused."""
    assert {(state.value, call.name, to.value) for (state, call), to in MOVES.items()} == LEGAL


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("call", Call)
def test_every_other_move_is_refused_by_name(state: State, call: Call) -> None:
    """With 403 and the text of AWS."""
    verdict = decide(state, call, "id", "id")
    if (state, call) in MOVES:
        assert verdict is MOVES[state, call]
    else:
        text = f"State transition from {state.value} to {call.value} failed for runtime. "
        assert verdict == Refusal(403, "InvalidStateTransition", f"{text}Error: State transition is not allowed")


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("call", [Call.RESPONSE, Call.ERROR])
@pytest.mark.parametrize("current", ["other", None])
def test_the_request_id_is_looked_at_first(state: State, call: Call, current: str | None) -> None:
    """Whatever the state, an id that cannot be answered is 400."""
    assert decide(state, call, "id", current) is INVALID_REQUEST_ID
