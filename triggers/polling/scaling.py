"""How many batches of a standard queue may be with the function at once. Pure.

Source: Lambda developer guide, "Configuring scaling behavior for SQS event source mappings" (2026): five at first;
while messages remain, up to 300 more a minute, to 1,250; `MaximumConcurrency` caps it.
"""

from __future__ import annotations

FLOOR = 5
GROWTH = 300 / 60
"""More of them for every second of backlog."""
CEILING = 1250
_ROUNDING = 1e-3
"""Instants are large numbers whose fractions are not exact."""


class Scaling:
    """The limit of one mapping as time goes by."""

    def __init__(self, maximum_concurrency: int | None, *, is_fifo: bool) -> None:
        self._ceiling = CEILING if maximum_concurrency is None else maximum_concurrency
        self._is_fifo = is_fifo
        self._backlog_since: float | None = None

    def limit(self, now: float) -> int:
        """How many batches may be under way now. A FIFO queue is limited by its message groups alone."""
        if self._is_fifo:
            return self._ceiling
        grown = 0 if self._backlog_since is None else int((now - self._backlog_since) * GROWTH + _ROUNDING)
        return min(self._ceiling, FLOOR + grown)

    def saturated(self, now: float) -> float | None:
        """All are busy and messages are left: when to look again, or None if there will never be more of them."""
        if self._backlog_since is None:
            self._backlog_since = now
        limit = self.limit(now)
        return None if limit >= self._ceiling else self._backlog_since + (limit - FLOOR + 1) / GROWTH

    def drained(self) -> None:
        """Nothing is left in the queue: back to the floor."""
        self._backlog_since = None
