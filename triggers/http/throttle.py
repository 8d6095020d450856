"""A token bucket: so many requests a second, with bursts; pure."""

from __future__ import annotations

import attrs

RATE = 10_000
"""Requests a second of an account in a Region (API Gateway quotas, 2026)."""
BURST = 5_000


@attrs.define
class Bucket:
    """`rate` tokens come every second, at most `burst` are kept; a request takes one."""

    rate: float = RATE
    burst: float = BURST
    tokens: float = attrs.field(init=False)
    at: float = attrs.field(init=False, default=0.0)

    def __attrs_post_init__(self) -> None:
        self.tokens = self.burst

    def take(self, now: float) -> bool:
        """Take a token, if there is one."""
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True
