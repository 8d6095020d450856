"""Consumed capacity, as `ReturnConsumedCapacity` shows it. Nothing is ever throttled by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triggers.dynamodb.schema import IndexSchema

READ_UNIT = 4096
WRITE_UNIT = 1024
"""Bytes of one capacity unit (developer guide, read and write operations)."""


def read_units(size: int, *, is_consistent: bool, is_transactional: bool = False) -> float:
    """Units for reading so many bytes at once."""
    units = float(max(1, -(-size // READ_UNIT)))
    if is_transactional:
        return units * 2
    return units if is_consistent else units / 2


def write_units(before: int, after: int, *, is_transactional: bool = False) -> float:
    """Units for making an item of one size from one of another."""
    units = float(max(1, -(-max(before, after) // WRITE_UNIT)))
    return units * 2 if is_transactional else units


def consumed(
    request: Mapping[str, Any], table: str, units: float, index: IndexSchema | None = None
) -> dict[str, Any] | None:
    """ConsumedCapacity, if the request wants it."""
    wanted = request.get("ReturnConsumedCapacity", "NONE")
    if wanted == "NONE":
        return None
    shown: dict[str, Any] = {"TableName": table, "CapacityUnits": units}
    if wanted == "INDEXES":
        shown["Table"] = {"CapacityUnits": 0.0 if index else units}
        if index is not None:
            member = "LocalSecondaryIndexes" if index.is_local else "GlobalSecondaryIndexes"
            shown[member] = {index.name: {"CapacityUnits": units}}
    return shown
