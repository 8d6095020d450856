"""When SNS tries again."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggers.sns import InvalidParameter
from triggers.sns.schedule import (
    BACKOFF_FUNCTIONS,
    HttpPolicy,
    delivery_delays,
    parse_subscription_policy,
    parse_topic_policy,
)


@pytest.mark.parametrize("protocol", ["lambda", "sqs", "firehose"])
def test_endpoints_of_aws_are_tried_for_23_days(protocol: str) -> None:
    delays = list(delivery_delays(protocol))
    assert len(delays) == 100_015
    assert delays[:5] == [0, 0, 0, 1, 1]
    assert [delays[5], delays[14]] == pytest.approx([1, 20])
    assert delays[5:15] == sorted(delays[5:15])
    assert set(delays[15:]) == {20.0}
    assert 23 <= sum(delays) / 86_400 < 24


@pytest.mark.parametrize("protocol", ["email", "email-json", "sms", "application"])
def test_endpoints_of_customers_are_tried_for_six_hours(protocol: str) -> None:
    delays = list(delivery_delays(protocol))
    assert len(delays) == 50
    assert delays[:3] == [10, 10, pytest.approx(10)]
    assert delays[11] == pytest.approx(600)
    assert set(delays[12:]) == {600.0}
    assert 6 <= sum(delays) / 3600 < 7.5


def test_urls_are_tried_three_times_more() -> None:
    assert list(delivery_delays("https")) == [20, 20, 20]


@pytest.mark.parametrize(
    ("function", "delays"),
    [
        ("linear", [1, 4, 7, 10]),
        ("arithmetic", [1, 2.5, 5.5, 10]),
        ("geometric", [1, 10 ** (1 / 3), 10 ** (2 / 3), 10]),
        ("exponential", [1, 1 + 9 / 7, 1 + 27 / 7, 10]),
    ],
)
def test_the_phases_of_a_policy_follow_each_other(function: str, delays: list[float]) -> None:
    text = (
        '{"healthyRetryPolicy": {"minDelayTarget": 1, "maxDelayTarget": 10, "numRetries": 8, "numNoDelayRetries": 1, '
        f'"numMinDelayRetries": 2, "numMaxDelayRetries": 1, "backoffFunction": "{function}"}}}}'
    )
    policy, shown = parse_subscription_policy(text, "")
    assert policy is not None
    assert list(policy.delays()) == pytest.approx([0, 1, 1, *delays, 10])
    assert shown == text


def test_the_policy_of_a_topic_can_forbid_others() -> None:
    policy, allows_overrides, _ = parse_topic_policy(
        {"http": {"defaultHealthyRetryPolicy": {"numRetries": 1}, "disableSubscriptionOverrides": True}}
    )
    assert (list(policy.delays()), allows_overrides) == ([20], False)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "minDelayTarget": st.integers(-1, 4000),
            "maxDelayTarget": st.integers(-1, 4000),
            "numRetries": st.integers(-1, 110),
            "numNoDelayRetries": st.integers(-1, 30),
            "numMinDelayRetries": st.integers(-1, 30),
            "numMaxDelayRetries": st.integers(-1, 30),
            "backoffFunction": st.sampled_from([*BACKOFF_FUNCTIONS, "none"]),
        },
    )
)
def test_a_policy_is_refused_or_stays_within_its_bounds(document: dict[str, object]) -> None:
    try:
        policy, _ = parse_subscription_policy({"healthyRetryPolicy": document}, "")
    except InvalidParameter:
        return
    assert policy is not None
    delays = list(policy.delays())
    assert len(delays) == policy.num_retries
    assert sum(delays) <= 3600
    growing = [delay for delay in delays if delay]
    assert growing == pytest.approx(sorted(growing))
    assert all(delay == 0 or policy.min_delay_target <= delay + 1e-9 <= policy.max_delay_target + 1 for delay in delays)


def test_a_schedule_is_not_made_before_it_is_needed() -> None:
    assert list(islice(delivery_delays("lambda"), 2)) == [0, 0]
    assert HttpPolicy().as_document()["numRetries"] == 3
