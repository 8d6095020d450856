"""The rules of `retry`, as tables: no event loop, no clock."""

from __future__ import annotations

import pytest

from eventbus.delivery.retry import (
    AsyncSettings,
    Decision,
    Discard,
    Finished,
    Reason,
    RetryAt,
    backoff,
    decide,
)
from eventbus.execution.outcome import Failed, Outcome, Succeeded, Throttled

NOW = 1_000_000.0
OK = Succeeded(b"null")
ERROR = Failed({"errorType": "ValueError", "errorMessage": "boom"})
TIMEOUT = Failed({"errorType": "Sandbox.Timedout"}, status="timeout")
BUSY = Throttled("ConcurrentInvocationLimitExceeded")

EXHAUSTED = Discard(Reason.RETRIES_EXHAUSTED)
TOO_OLD = Discard(Reason.EVENT_AGE_EXCEEDED)
SWITCHED_OFF = Discard(Reason.ZERO_RESERVED_CONCURRENCY)


def after(delay: float) -> RetryAt:
    return RetryAt(NOW + delay)


def settings(retries: int = 2, age: float = 21_600, *, off: bool = False) -> AsyncSettings:
    return AsyncSettings(retries, age, off)


@pytest.mark.parametrize(
    ("outcome", "attempts", "throttles", "age", "how", "expected"),
    [
        # success ends it, whatever else is true
        (OK, 1, 0, 0, settings(), Finished()),
        (OK, 3, 5, 99_999, settings(0, 60), Finished()),
        (OK, 1, 0, 0, settings(off=True), Finished()),
        # function errors: one minute, then two, then give up
        (ERROR, 1, 0, 0, settings(), after(60)),
        (ERROR, 2, 0, 60, settings(), after(120)),
        (ERROR, 3, 0, 180, settings(), EXHAUSTED),
        (TIMEOUT, 1, 0, 3, settings(), after(60)),
        (TIMEOUT, 3, 0, 186, settings(), EXHAUSTED),
        (ERROR, 1, 0, 0, settings(retries=1), after(60)),
        (ERROR, 2, 0, 60, settings(retries=1), EXHAUSTED),
        (ERROR, 1, 0, 0, settings(retries=0), EXHAUSTED),
        (ERROR, 3, 0, 180, settings(retries=0), EXHAUSTED),  # retries were lowered meanwhile
        # the age limit looks ahead: what would be too old at its next attempt is given up now
        (ERROR, 1, 0, 0, settings(age=60), TOO_OLD),  # as recorded: one attempt
        (ERROR, 1, 0, 0, settings(age=60.001), after(60)),
        (ERROR, 1, 0, 0, settings(age=90), after(60)),
        (ERROR, 2, 0, 60, settings(age=90), TOO_OLD),
        (ERROR, 2, 0, 60, settings(age=180), TOO_OLD),
        (ERROR, 2, 0, 60, settings(age=180.5), after(120)),
        (ERROR, 3, 0, 60, settings(age=60), EXHAUSTED),  # spent attempts come before age
        # throttles: unlimited, until the age limit; they use up no attempts
        (BUSY, 0, 1, 0, settings(), after(1)),
        (BUSY, 0, 2, 1, settings(), after(2)),
        (BUSY, 2, 9, 300, settings(), after(256)),
        (BUSY, 0, 10, 600, settings(retries=0), after(300)),
        (BUSY, 3, 50, 20_000, settings(retries=0), after(300)),
        (BUSY, 0, 50, 21_299, settings(), after(300)),
        (BUSY, 0, 50, 21_300, settings(), TOO_OLD),
        (BUSY, 0, 6, 29, settings(age=60), TOO_OLD),
        # reserved concurrency 0 gives up at once, before anything else is asked
        (BUSY, 0, 1, 0, settings(off=True), SWITCHED_OFF),
        (BUSY, 0, 50, 99_999, settings(off=True), SWITCHED_OFF),
        (BUSY, 2, 1, 60, settings(retries=0, off=True), SWITCHED_OFF),
        # a function that was switched off meanwhile gets no further attempt
        (ERROR, 1, 0, 0, settings(off=True), SWITCHED_OFF),
    ],
)
def test_the_decision_after_an_attempt(
    outcome: Outcome, attempts: int, throttles: int, age: float, how: AsyncSettings, expected: Decision
) -> None:
    """Outcome, attempts, age and settings alone decide what happens next."""
    assert decide(outcome, attempts=attempts, throttles=throttles, age=age, settings=how, now=NOW) == expected


@pytest.mark.parametrize(
    ("throttles", "seconds"),
    [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 32), (7, 64), (8, 128), (9, 256), (10, 300), (17, 300), (10**6, 300)],
)
def test_throttles_wait_one_second_doubled_up_to_five_minutes(throttles: int, seconds: float) -> None:
    """The first wait is one second; each further one doubles, to 300 at most, however many there are."""
    assert backoff(throttles) == seconds


def test_an_event_of_60_seconds_is_given_up_after_a_failing_attempt_that_took_time() -> None:
    """Recorded on AWS: with MaximumEventAgeInSeconds 60 the first failing attempt is the last."""
    assert decide(ERROR, attempts=1, throttles=0, age=0.2, settings=settings(age=60), now=NOW) == TOO_OLD


def test_a_reason_equals_its_text() -> None:
    """Reasons compare with the words that AWS uses."""
    assert {"RetriesExhausted": 1}[Reason.RETRIES_EXHAUSTED] == 1
    assert str(Reason.EVENT_AGE_EXCEEDED) == "EventAgeExceeded"
    assert f"{Reason.ZERO_RESERVED_CONCURRENCY}" == "ZeroReservedConcurrency"
