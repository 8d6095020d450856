"""What reading answers, in Python's terms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs


@attrs.frozen
class Page:
    """One page of a query or a scan; iterating gives its items."""

    items: list[dict[str, Any]]
    count: int
    """How many items fulfil the filter."""
    scanned_count: int
    """How many were read."""
    last_evaluated_key: dict[str, Any] | None
    """Pass it as `exclusive_start_key` for the next page; None when there is none."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.items)

    def __len__(self) -> int:
        return self.count


@attrs.frozen
class BatchItems:
    """What a batch has read."""

    items: dict[str, list[dict[str, Any]]]
    """Items by table, in no promised order; what is not there is left out."""
    unprocessed: list[Any]
    """What did not fit into 16 MB: pass it to `batch_get_item` again."""
