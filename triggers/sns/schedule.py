"""When SNS tries again: the delivery policies, as pure functions.

Source: SNS developer guide, "Amazon SNS message delivery retries" (2026). AWS adds jitter; we don't, so that runs
repeat.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import chain, repeat
from typing import Any, Final

import attrs

from triggers.sns.errors import InvalidParameter

MANAGED: Final = ("lambda", "sqs", "firehose")
_LONGEST_HTTP = 3_600.0
BACKOFF_FUNCTIONS: Final = ("arithmetic", "exponential", "geometric", "linear")


def delivery_delays(protocol: str) -> Iterator[float]:
    """Seconds to wait before each retry of a delivery that failed on the server's side, until SNS gives up.

    AWS-managed endpoints (lambda, sqs, firehose): 100,015 retries over 23 days. Customer-managed ones (email, sms,
    application): 50 over 6 hours. http and https without a policy of their own: 3, 20 seconds apart.
    """
    if protocol in MANAGED:
        return chain(repeat(0.0, 3), repeat(1.0, 2), _geometric(1.0, 20.0, 10), repeat(20.0, 100_000))
    if protocol in ("http", "https"):
        return HttpPolicy().delays()
    return chain(repeat(10.0, 2), _geometric(10.0, 600.0, 10), repeat(600.0, 38))


def _geometric(first: float, last: float, count: int) -> Iterator[float]:
    return (first * (last / first) ** (step / (count - 1)) for step in range(count))


@attrs.frozen(kw_only=True)
class HttpPolicy:
    """The retry part of a DeliveryPolicy; field names in AWS's words."""

    min_delay_target: int = 20
    max_delay_target: int = 20
    num_retries: int = 3
    num_no_delay_retries: int = 0
    num_min_delay_retries: int = 0
    num_max_delay_retries: int = 0
    backoff_function: str = "linear"

    def delays(self) -> Iterator[float]:
        """Seconds before each retry: at once, after the minimum, growing, after the maximum."""
        low, high = float(self.min_delay_target), float(self.max_delay_target)
        return chain(
            repeat(0.0, self.num_no_delay_retries),
            repeat(low, self.num_min_delay_retries),
            _backoff(self.backoff_function, low, high, self.num_backoff_retries),
            repeat(high, self.num_max_delay_retries),
        )

    @property
    def num_backoff_retries(self) -> int:
        """The retries that no other phase takes."""
        return self.num_retries - self.num_no_delay_retries - self.num_min_delay_retries - self.num_max_delay_retries

    def as_document(self) -> dict[str, Any]:
        """The policy as AWS writes it."""
        return {name: getattr(self, field) for name, field in _FIELDS.items()}


_FIELDS: Final = {
    "minDelayTarget": "min_delay_target",
    "maxDelayTarget": "max_delay_target",
    "numRetries": "num_retries",
    "numMaxDelayRetries": "num_max_delay_retries",
    "numNoDelayRetries": "num_no_delay_retries",
    "numMinDelayRetries": "num_min_delay_retries",
    "backoffFunction": "backoff_function",
}


def _backoff(function: str, low: float, high: float, count: int) -> Iterator[float]:
    """From `low` to `high` in `count` steps; AWS shows the four curves only as a picture."""
    if count == 1:
        return iter((low,))
    if function == "geometric":
        return _geometric(low, high, count)
    return (low + (high - low) * _share(function, step, count) for step in range(count))


def _share(function: str, step: int, count: int) -> float:
    """How much of the way from the minimum to the maximum a step has gone, 0 to 1."""
    if function == "exponential":
        return float((2**step - 1) / (2 ** (count - 1) - 1))
    return step * (step + 1) / (count * (count - 1)) if function == "arithmetic" else step / (count - 1)


def parse_subscription_policy(text: str | Mapping[str, Any], prefix: str) -> tuple[HttpPolicy | None, str]:
    """Read the DeliveryPolicy of a subscription: its retries (None if it has none) and its JSON text.

    Raises InvalidParameter, with `prefix` before the reason, for anything that breaks its ranges.
    """
    document, shown = _document(text, prefix)
    unknown = document.keys() - {
        "healthyRetryPolicy",
        "throttlePolicy",
        "requestPolicy",
        "sicklyRetryPolicy",
        "guaranteed",
    }
    if unknown:
        raise InvalidParameter(f"{prefix}DeliveryPolicy: unknown key {sorted(unknown)[0]}")
    retries = document.get("healthyRetryPolicy")
    return (None if retries is None else _http_policy(retries, prefix)), shown


def parse_topic_policy(text: str | Mapping[str, Any], prefix: str = "") -> tuple[HttpPolicy, bool, str]:
    """Read the DeliveryPolicy of a topic: its retries, whether subscriptions may override them, its JSON text."""
    document, shown = _document(text, prefix)
    http = document.get("http")
    if not isinstance(http, dict) or len(document) != 1:
        raise InvalidParameter(f"{prefix}DeliveryPolicy: http must be specified")
    retries = http.get("defaultHealthyRetryPolicy")
    policy = HttpPolicy() if retries is None else _http_policy(retries, prefix)
    return policy, http.get("disableSubscriptionOverrides") is not True, shown


def _document(text: str | Mapping[str, Any], prefix: str) -> tuple[dict[str, Any], str]:
    if isinstance(text, Mapping):
        text = json.dumps(dict(text))
    try:
        document = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise InvalidParameter(f"{prefix}DeliveryPolicy: failed to parse JSON")
    return document, text


def _http_policy(document: object, prefix: str) -> HttpPolicy:
    if not isinstance(document, dict) or not document.keys() <= _FIELDS.keys():
        raise InvalidParameter(f"{prefix}DeliveryPolicy: healthyRetryPolicy has {', '.join(_FIELDS)}")
    policy = HttpPolicy(**{_FIELDS[name]: value for name, value in document.items()})
    if (fault := _fault(policy)) is not None:
        raise InvalidParameter(f"{prefix}DeliveryPolicy: {fault}")
    return policy


def _fault(policy: HttpPolicy) -> str | None:
    if policy.backoff_function not in BACKOFF_FUNCTIONS:
        return f"backoffFunction must be one of {', '.join(BACKOFF_FUNCTIONS)}"
    if any(type(value) is not int for value in attrs.astuple(policy)[:-1]):
        return "healthyRetryPolicy holds whole numbers"
    if not 1 <= policy.max_delay_target <= _LONGEST_HTTP:
        return "maxDelayTarget must be between 1 and 3600"
    if not 1 <= policy.min_delay_target <= policy.max_delay_target:
        return "minDelayTarget must be between 1 and maxDelayTarget"
    if not 0 <= policy.num_retries <= 100:
        return "numRetries must be between 0 and 100"
    if min(policy.num_no_delay_retries, policy.num_min_delay_retries, policy.num_max_delay_retries) < 0:
        return "retry counts must not be negative"
    if policy.num_backoff_retries < 0:
        return "numRetries must be at least the sum of the retries of the other phases"
    if sum(policy.delays()) > _LONGEST_HTTP:
        return "the retries must not take more than 3600 seconds in total"
    return None
