"""Lambda's prices, and what a month's usage costs by them. Pure.

Source: AWS Lambda pricing, us-east-1 (2026). Unconfirmed for this year: provisioned concurrency and ephemeral storage.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias

import attrs

Tiers: TypeAlias = tuple[tuple[float, float], ...]
"""GB-seconds of a month up to which a price holds, and the price of one."""

INCLUDED_STORAGE = 512
"""Megabytes of /tmp that cost nothing."""
MAX_EVENT_REQUEST = 256 * 1024
CHUNK = 64 * 1024


@attrs.frozen(kw_only=True)
class Prices:
    """Dollars. `Prices(request=0, x86_64=((inf, 0.00002),))` are prices of your own."""

    request: float = 0.20 / 1_000_000
    """For one request."""
    x86_64: Tiers = ((6e9, 0.0000166667), (15e9, 0.000015), (math.inf, 0.0000133334))
    """For one GB-second, by the usage of the month."""
    arm64: Tiers = ((7.5e9, 0.0000133334), (18.75e9, 0.0000133334 * 0.9), (math.inf, 0.0000133334 * 0.8))
    provisioned_duration: float = 0.0000097222
    """For one GB-second that ran on provisioned concurrency."""
    provisioned: float = 0.0000041667
    """For one GB-second for which provisioned concurrency was configured."""
    storage: float = 0.0000000309
    """For one GB-second of /tmp beyond 512 MB."""
    free_requests: int = 1_000_000
    """Of every month, if the free tier is taken off."""
    free_gb_seconds: float = 400_000
    """Of every month, not for provisioned concurrency."""


@attrs.frozen
class UsageKey:
    """What one line of usage belongs to."""

    month: str
    function: str
    version: str
    memory: int
    architecture: str = "x86_64"
    storage: int = 512
    """Megabytes of /tmp."""
    is_provisioned: bool = False


@attrs.define
class Usage:
    """What was used in a month."""

    requests: int = 0
    milliseconds: int = 0
    configured: int = 0
    """Seconds for which provisioned concurrency was configured, one for each environment."""

    def gb_seconds(self, key: UsageKey) -> float:
        """Memory times billed time."""
        return key.memory / 1024 * self.milliseconds / 1000


def request_units(size: int) -> int:
    """As how many requests an asynchronous event counts: one, and one for every 64 KB begun beyond 256 KB."""
    return 1 + max(0, math.ceil((size - MAX_EVENT_REQUEST) / CHUNK))


def duration_cost(gb_seconds: float, tiers: Tiers) -> float:
    """What so many GB-seconds in one month cost."""
    cost = begin = 0.0
    for end, price in tiers:
        cost += max(0.0, min(gb_seconds, end) - begin) * price
        begin = end
    return cost


def configured_seconds(units: int, seconds: float) -> int:
    """For how long so many provisioned environments are billed: each in time rounded up to five minutes."""
    return units * max(1, math.ceil(seconds / 300)) * 300


def shares(usage: Mapping[UsageKey, Usage], prices: Prices, *, free_tier: bool) -> dict[UsageKey, float]:
    """The cost of each line. Tiers and the free tier are those of the month, shared out by usage."""
    costs: dict[UsageKey, float] = {}
    for month in sorted({key.month for key in usage}):
        costs |= _month({key: used for key, used in usage.items() if key.month == month}, prices, free_tier)
    return costs


def _month(usage: dict[UsageKey, Usage], prices: Prices, free_tier: bool) -> dict[UsageKey, float]:
    requests = sum(used.requests for used in usage.values())
    paid = max(0, requests - prices.free_requests) if free_tier else requests
    free_seconds = prices.free_gb_seconds if free_tier else 0.0
    rates: dict[str, float] = {}
    for architecture, tiers in (("x86_64", prices.x86_64), ("arm64", prices.arm64)):
        seconds = sum(
            used.gb_seconds(key)
            for key, used in usage.items()
            if not key.is_provisioned and key.architecture == architecture
        )
        free = min(free_seconds, seconds)
        free_seconds -= free
        rates[architecture] = duration_cost(seconds - free, tiers) / seconds if seconds else 0.0
    return {
        key: used.requests * prices.request * (paid / requests if requests else 0.0)
        + used.gb_seconds(key) * (prices.provisioned_duration if key.is_provisioned else rates[key.architecture])
        + key.memory / 1024 * used.configured * prices.provisioned
        + (key.storage - INCLUDED_STORAGE) / 1024 * used.milliseconds / 1000 * prices.storage
        for key, used in usage.items()
    }
