"""Instants as AWS writes them."""

from __future__ import annotations

from datetime import UTC, datetime

_last: tuple[int, str] = (-1, "")


def iso_time(instant: float) -> str:
    """Seconds since the epoch as UTC with milliseconds: `2026-01-02T03:04:05.678Z`."""
    global _last
    millisecond = int(instant * 1000)
    known, text = _last
    if millisecond != known:
        text = datetime.fromtimestamp(millisecond / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
        _last = (millisecond, text)  # one tuple, so that threads see a matching pair
    return text
