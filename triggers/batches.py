"""Batches of SNS and SQS: the whole is checked first; after that each entry succeeds or fails by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import attrs

from eventbus.errors import AWSError, ConfigurationError

T = TypeVar("T")


@attrs.frozen
class BatchFailure:
    """One entry of a batch that was refused while others were taken."""

    id: str
    code: str
    message: str
    sender_fault: bool = True


def listed(entries: object) -> Iterable[Any]:
    """The entries of a batch, unless that is a text or no list at all. Raises ConfigurationError."""
    if isinstance(entries, str | bytes | Mapping) or not isinstance(entries, Iterable):
        raise ConfigurationError(f"{entries!r} is no batch; give a list of its entries")
    return entries


def each(
    entries: Iterable[tuple[str, Callable[[], T]]], refusal: type[AWSError]
) -> tuple[dict[str, T], tuple[BatchFailure, ...]]:
    """Do what every entry asks for: what came of those that were taken, by id, and the `refusal`s of the others."""
    successful: dict[str, T] = {}
    failed: list[BatchFailure] = []
    for entry_id, do in entries:
        try:
            successful[entry_id] = do()
        except refusal as error:
            failed.append(BatchFailure(entry_id, error.code, error.message))
    return successful, tuple(failed)
