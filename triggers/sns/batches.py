"""PublishBatch: the whole is checked first; after that each entry succeeds or fails by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from eventbus.errors import ConfigurationError
from triggers.batches import BatchFailure, each, listed
from triggers.sns import attributes as message_attributes
from triggers.sns.errors import BatchRequestTooLong, SNSError
from triggers.sns.validation import check_entries

if TYPE_CHECKING:
    from triggers.sns.topic import PublishResult

_ENTRY_KEYS = {"id", "message", "subject", "attributes", "structure", "group_id", "deduplication_id"}


@attrs.frozen
class PublishBatchResult:
    """What `publish_batch` answers, each by the id of its entry."""

    successful: Mapping[str, PublishResult]
    failed: tuple[BatchFailure, ...] = ()


def publish_batch(
    publish: Callable[..., PublishResult], entries: Iterable[Mapping[str, Any]], limit: int
) -> PublishBatchResult:
    """Publish every entry with `publish`; raises SNSError, with nothing published, if the batch itself is wrong."""
    batch = [_entry(position, entry) for position, entry in enumerate(listed(entries))]
    check_entries([entry_id for entry_id, _ in batch])
    if sum(_size(arguments) for _, arguments in batch) > limit:
        raise BatchRequestTooLong
    return PublishBatchResult(
        *each(((entry_id, partial(publish, **arguments)) for entry_id, arguments in batch), SNSError)
    )


def _entry(position: int, entry: Any) -> tuple[str, dict[str, Any]]:
    if not isinstance(entry, Mapping) or "message" not in entry or not entry.keys() <= _ENTRY_KEYS:
        raise ConfigurationError(
            f"entry {position} of the batch is {entry!r}; an entry is a mapping with 'message' and, as needed, "
            f"{', '.join(sorted(_ENTRY_KEYS - {'message'}))}"
        )
    arguments = dict(entry)
    return str(arguments.pop("id", position)), arguments


def _size(arguments: Mapping[str, Any]) -> int:
    message = arguments["message"]
    try:
        attributes = message_attributes.size(message_attributes.normalise(arguments.get("attributes")))
    except SNSError:
        attributes = 0  # this entry fails by itself
    return attributes + (len(message.encode(errors="replace")) if isinstance(message, str) else 0)
