"""Partial batch responses: every answer that AWS's table names."""

from __future__ import annotations

from typing import Any

import pytest

from triggers.polling.answers import reported_failures

SUCCESS: frozenset[str] = frozenset()


@pytest.mark.parametrize("answer", [None, "", {}, {"batchItemFailures": []}, {"batchItemFailures": None}, {"other": 1}])
def test_whole_success(answer: Any) -> None:
    """Nothing is reported."""
    assert reported_failures(answer, ["1", "2"]) == SUCCESS


@pytest.mark.parametrize(
    "answer",
    [
        {"batchItemFailures": [{"itemIdentifier": ""}]},
        {"batchItemFailures": [{"itemIdentifier": None}]},
        {"batchItemFailures": [{"wrongKey": "1"}]},
        {"batchItemFailures": [{"itemIdentifier": "3"}]},
        {"batchItemFailures": [{"itemIdentifier": 1}]},
        {"batchItemFailures": [{"itemIdentifier": "1"}, {"itemIdentifier": "3"}]},
        {"batchItemFailures": ["1"]},
        {"batchItemFailures": "1"},
        "not an object",
        ["1"],
        7,
        True,
    ],
)
def test_whole_failure(answer: Any) -> None:
    """What is reported makes no sense, so nothing of the batch counts as done."""
    assert reported_failures(answer, ["1", "2"]) is None


def test_the_named_ones_have_failed() -> None:
    """Each once, whatever their order."""
    answer = {"batchItemFailures": [{"itemIdentifier": "2"}, {"itemIdentifier": "1"}, {"itemIdentifier": "2"}]}
    assert reported_failures(answer, ["1", "2", "3"]) == frozenset({"1", "2"})
