"""When deliveries are tried again: the rule alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggers.eventbridge.retrying import Exhausted, RetryAt, RetryPolicy, decide


@pytest.mark.parametrize(
    ("policy", "attempts", "age", "expected"),
    [
        (RetryPolicy(), 1, 0.0, RetryAt(101.0)),
        (RetryPolicy(), 2, 0.0, RetryAt(102.0)),
        (RetryPolicy(), 10, 0.0, RetryAt(612.0)),
        (RetryPolicy(), 11, 0.0, RetryAt(700.0)),
        (RetryPolicy(), 185, 0.0, RetryAt(700.0)),
        (RetryPolicy(), 186, 0.0, Exhausted("MaximumRetryAttempts")),
        (RetryPolicy(maximum_retry_attempts=0), 1, 0.0, Exhausted("MaximumRetryAttempts")),
        (RetryPolicy(maximum_retry_attempts=1), 1, 0.0, RetryAt(101.0)),
        (RetryPolicy(maximum_retry_attempts=1), 2, 0.0, Exhausted("MaximumRetryAttempts")),
        (RetryPolicy(maximum_event_age=60), 1, 59.0, RetryAt(101.0)),
        (RetryPolicy(maximum_event_age=60), 1, 59.5, Exhausted("MaximumEventAgeInSeconds")),
        (RetryPolicy(), 185, 86_400.0, Exhausted("MaximumEventAgeInSeconds")),
    ],
)
def test_what_follows_from_a_failure(policy: RetryPolicy, attempts: int, age: float, expected: Any) -> None:
    assert decide(policy, attempts, 100.0 - age, 100.0, 0.0) == expected


@given(attempts=st.integers(1, 185), draw=st.floats(0, 1, exclude_max=True))
def test_chance_takes_half_of_the_wait_at_most(attempts: int, draw: float) -> None:
    longest, chosen = decide(RetryPolicy(), attempts, 0, 0, 0), decide(RetryPolicy(), attempts, 0, 0, draw)
    assert isinstance(longest, RetryAt)
    assert isinstance(chosen, RetryAt)
    assert longest.due_at / 2 <= chosen.due_at <= longest.due_at


def test_all_the_retries_take_about_a_day() -> None:
    now, attempts = 0.0, 1
    while isinstance(decision := decide(RetryPolicy(), attempts, 0, now, 0.5), RetryAt):
        now, attempts = decision.due_at, attempts + 1
    assert (attempts, decision) == (186, Exhausted("MaximumRetryAttempts"))
    assert 20 * 3600 < now < 24 * 3600


@pytest.mark.parametrize(
    ("policy", "name"),
    [
        (RetryPolicy(-1), "MaximumRetryAttempts"),
        (RetryPolicy(186), "MaximumRetryAttempts"),
        (RetryPolicy(1.5), "MaximumRetryAttempts"),  # type: ignore[arg-type]
        (RetryPolicy(True), "MaximumRetryAttempts"),
        (RetryPolicy(185, 59), "MaximumEventAgeInSeconds"),
        (RetryPolicy(185, 86_401), "MaximumEventAgeInSeconds"),
    ],
)
def test_numbers_out_of_range_are_a_problem(policy: RetryPolicy, name: str) -> None:
    assert name in str(policy.problem())


def test_numbers_in_range_are_none() -> None:
    assert RetryPolicy().problem() is RetryPolicy(0, 60).problem() is None
