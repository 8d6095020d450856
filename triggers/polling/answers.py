"""What a function says about a batch, when it may report single failures (ReportBatchItemFailures). Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any


def reported_failures(answer: Any, known: Collection[str]) -> frozenset[str] | None:
    """The identifiers that the function reports as failed; none of them: the batch is done; None: all of it failed.

    An empty list, null, an empty object and an empty text are success. A missing, empty or unknown `itemIdentifier`
    and anything that isn't the documented object fail the whole batch. Source: Lambda developer guide, "Implementing
    partial batch responses" (2026).
    """
    if answer is None or answer == "":
        return frozenset()
    if not isinstance(answer, dict):
        return None
    failures = answer.get("batchItemFailures")
    if failures is None:
        return frozenset()
    if not isinstance(failures, list):
        return None
    reported = set()
    for failure in failures:
        identifier = failure.get("itemIdentifier") if isinstance(failure, dict) else None
        if not isinstance(identifier, str) or identifier not in known:
            return None
        reported.add(identifier)
    return frozenset(reported)
