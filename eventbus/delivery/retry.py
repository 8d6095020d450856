"""What happens to an asynchronous event after an attempt: the rules of AWS, as a function of values.

    attempt failed ──► reserved concurrency is 0 ──────────────────► Discard(ZeroReservedConcurrency)
                   ──► function error, all attempts used ──────────► Discard(RetriesExhausted)
                   ──► age + next delay ≥ maximum event age ───────► Discard(EventAgeExceeded), at once
                   ──► otherwise ──────────────────────────────────► RetryAt(now + delay)

Function errors wait 1 minute, then 2. Throttles wait 1 s, doubled up to 5 minutes, and use up no attempts. Source:
Lambda developer guide, "How Lambda handles errors and retries with asynchronous invocation" (2026), and recorded
destinations.
"""

from __future__ import annotations

import enum

import attrs

from eventbus.execution.outcome import Failed, Outcome, Succeeded, Throttled

ERROR_DELAYS = (60.0, 120.0)
"""Seconds before the first and the second retry of a function error."""
LONGEST_BACKOFF = 300.0
"""Seconds: throttles back off no longer than this."""
MAX_HOPS = 16
"""Invocations in one chain of causes; the next one is refused (Lambda's recursive loop detection)."""


class Reason(enum.StrEnum):
    """Why the bus gave up on an event."""

    RETRIES_EXHAUSTED = "RetriesExhausted"
    EVENT_AGE_EXCEEDED = "EventAgeExceeded"
    ZERO_RESERVED_CONCURRENCY = "ZeroReservedConcurrency"
    ACCESS_DENIED = "AccessDenied"
    RECURSIVE_INVOCATION = "RecursiveInvocation"
    RESOURCE_NOT_FOUND = "ResourceNotFound"
    BUS_CLOSED = "BusClosed"


EXPLANATIONS = {
    Reason.RETRIES_EXHAUSTED: "the last attempt failed",
    Reason.EVENT_AGE_EXCEEDED: "it would have been, or was, older than max_event_age when its next attempt was due",
    Reason.ZERO_RESERVED_CONCURRENCY: "reserved_concurrency is 0, which switches the function off",
    Reason.ACCESS_DENIED: "its source may not invoke the function",
    Reason.RECURSIVE_INVOCATION: f'more than {MAX_HOPS} invocations in one chain; recursive_loop="Allow" permits them',
    Reason.RESOURCE_NOT_FOUND: "the function, or the version, was deleted",
    Reason.BUS_CLOSED: "the bus was left before it ended",
}
"""What a dead letter says where no error of the handler says it."""


@attrs.frozen
class RetryAt:
    """Try again at this instant, seconds since the epoch."""

    when: float


@attrs.frozen
class Discard:
    """Give up: destinations, dead-letter queue and dead-letter list get it."""

    reason: Reason


@attrs.frozen
class Finished:
    """The handler returned; the on-success destination gets the result."""


Decision = RetryAt | Discard | Finished


@attrs.frozen
class AsyncSettings:
    """How a function's asynchronous events are treated (AWS's FunctionEventInvokeConfig)."""

    retries: int = 2
    max_event_age: float = 21_600.0
    is_switched_off: bool = False
    """Reserved concurrency is 0."""


def decide(
    outcome: Outcome, *, attempts: int, throttles: int, age: float, settings: AsyncSettings, now: float
) -> Decision:
    """What to do after an attempt.

    `attempts` counts the attempts made, this one included, throttled ones not; `throttles` counts the throttled tries
    in a row, this one included; `age` is seconds since the event was accepted.
    """
    match outcome:
        case Succeeded():
            return Finished()
        case Throttled():
            if settings.is_switched_off:
                return Discard(Reason.ZERO_RESERVED_CONCURRENCY)
            delay = backoff(throttles)
        case Failed():
            if settings.is_switched_off:
                return Discard(Reason.ZERO_RESERVED_CONCURRENCY)
            if attempts > settings.retries:
                return Discard(Reason.RETRIES_EXHAUSTED)
            delay = ERROR_DELAYS[min(attempts, len(ERROR_DELAYS)) - 1]
    if age + delay >= settings.max_event_age:  # equal only under a virtual clock, where attempts take no time
        return Discard(Reason.EVENT_AGE_EXCEEDED)
    return RetryAt(now + delay)


def backoff(throttles: int) -> float:
    """Seconds to wait after so many throttled tries in a row: 1, 2, 4 … 300."""
    return min(2.0 ** min(throttles - 1, 16), LONGEST_BACKOFF)
