"""Tumbling windows: records of one span of time, aggregated over several invocations. Pure.

A record belongs to the window in which it arrived; windows are aligned to the epoch. The state that the function
returns goes into its next invocation; the last one of a window is told so. Source: Lambda developer guide, "Configuring
stateful processing windows" (2026).
"""

from __future__ import annotations

import json
import math
from typing import Any

import attrs

from eventbus.timestamps import iso_time

STATE_LIMIT = 2**20
"""Bytes of state; a larger one ends the window early."""


@attrs.frozen
class Window:
    """One span of time of one shard, and what has been aggregated in it."""

    start: float
    end: float
    state: dict[str, Any] = attrs.field(factory=dict)
    is_terminated: bool = False
    """The state has grown too large: what comes next is the last invocation."""


def window_of(at: float, length: int) -> Window:
    """The window, still empty, in which a record belongs that arrived at this instant."""
    start = math.floor(at / length) * length
    return Window(float(start), float(start + length))


def event_keys(window: Window, shard_id: str, source_arn: str, *, is_final: bool) -> dict[str, Any]:
    """What a window adds to the event."""
    return {
        "window": {"start": _instant(window.start), "end": _instant(window.end)},
        "state": window.state,
        "shardId": shard_id,
        "eventSourceARN": source_arn,
        "isFinalInvokeForWindow": is_final,
        "isWindowTerminatedEarly": window.is_terminated,
    }


def _instant(at: float) -> str:
    text = iso_time(at)
    return f"{text[:-5]}Z" if text.endswith(".000Z") else text


def state_of(answer: Any) -> dict[str, Any] | None:
    """The state that a function returned, or None if it returned none."""
    state = answer.get("state") if isinstance(answer, dict) else None
    return state if isinstance(state, dict) else None


def continued(window: Window, state: dict[str, Any]) -> Window:
    """The window after an invocation: with its new state; or, if that is too large, ended early with the old one."""
    if len(json.dumps(state, separators=(",", ":")).encode()) > STATE_LIMIT:
        return attrs.evolve(window, is_terminated=True)
    return attrs.evolve(window, state=state)
