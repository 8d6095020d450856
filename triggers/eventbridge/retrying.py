"""When EventBridge and its Scheduler try again, and when they give up; pure.

Source: User Guide, "Retrying event delivery": 185 times within 24 hours by default, with exponential back-off and
jitter. AWS does not say how long each wait is. Ours begin at a second, double up to ten minutes, and lose up to half of
that by chance; so 185 of them take about 22 hours.
"""

from __future__ import annotations

from typing import Any, Final

import attrs

MOST_ATTEMPTS: Final = 185
SHORTEST_AGE: Final = 60
LONGEST_AGE: Final = 86_400
_LONGEST_DELAY: Final = 600.0


@attrs.frozen
class RetryPolicy:
    """How often a delivery is tried again, and for how long."""

    maximum_retry_attempts: int = MOST_ATTEMPTS
    maximum_event_age: int = LONGEST_AGE
    """Seconds."""

    def problem(self) -> str | None:
        """Which number AWS would refuse, and what it accepts; None if there is none."""
        checks: tuple[tuple[str, object, int, int], ...] = (
            ("MaximumRetryAttempts", self.maximum_retry_attempts, 0, MOST_ATTEMPTS),
            ("MaximumEventAgeInSeconds", self.maximum_event_age, SHORTEST_AGE, LONGEST_AGE),
        )
        for name, value, low, high in checks:
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                return f"{name} is {value!r}; a whole number from {low} to {high} is accepted"
        return None

    def as_document(self) -> dict[str, Any]:
        """The policy in boto3's shape."""
        return {
            "MaximumRetryAttempts": self.maximum_retry_attempts,
            "MaximumEventAgeInSeconds": self.maximum_event_age,
        }


@attrs.frozen
class RetryAt:
    """Try again, at this instant."""

    due_at: float


@attrs.frozen
class Exhausted:
    """Give up; `condition` is what the dead-letter queue gets to read."""

    condition: str


def decide(policy: RetryPolicy, attempts: int, begun_at: float, now: float, draw: float) -> RetryAt | Exhausted:
    """What follows from the failure of the latest of so many attempts; `draw` is a random number from 0 to 1."""
    retries = attempts - 1
    if retries >= policy.maximum_retry_attempts:
        return Exhausted("MaximumRetryAttempts")
    due_at = now + min(2.0 ** min(retries, 20), _LONGEST_DELAY) * (1 - draw / 2)
    if due_at - begun_at > policy.maximum_event_age:
        return Exhausted("MaximumEventAgeInSeconds")
    return RetryAt(due_at)
