"""Batches: the whole is checked first; after that each entry succeeds or fails by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from eventbus.errors import ConfigurationError
from triggers.batches import each, listed
from triggers.sqs import attributes as message_attributes
from triggers.sqs.errors import BatchRequestTooLong, SQSError
from triggers.sqs.messages import DeleteBatchResult, ReceivedMessage, SendBatchResult, SentMessage
from triggers.sqs.validation import check_entries

_ENTRY_KEYS = {"id", "body", "attributes", "delay_seconds", "group_id", "deduplication_id", "trace_header"}


def send_batch(send: Callable[..., SentMessage], entries: Iterable[Mapping[str, Any]], limit: int) -> SendBatchResult:
    """Send every entry of a batch with `send`; raises SQSError, with nothing sent, if the batch itself is wrong."""
    batch = [_entry(position, entry) for position, entry in enumerate(listed(entries))]
    check_entries([entry_id for entry_id, _ in batch], "SendMessageBatchRequestEntry")
    total = sum(_size(arguments) for _, arguments in batch)
    if total > limit:
        raise BatchRequestTooLong(total, limit)
    return SendBatchResult(*each(((entry_id, partial(send, **arguments)) for entry_id, arguments in batch), SQSError))


def _entry(position: int, entry: Any) -> tuple[str, dict[str, Any]]:
    if not isinstance(entry, Mapping) or "body" not in entry or not entry.keys() <= _ENTRY_KEYS:
        raise ConfigurationError(
            f"entry {position} of the batch is {entry!r}; an entry is a mapping with 'body' and, as needed, "
            f"{', '.join(sorted(_ENTRY_KEYS - {'body'}))}"
        )
    arguments = dict(entry)
    return arguments.pop("id", str(position)), arguments


def _size(arguments: Mapping[str, Any]) -> int:
    body = arguments["body"]
    try:
        attributes = message_attributes.size(message_attributes.normalise(arguments.get("attributes")))
    except SQSError:
        attributes = 0  # this entry fails by itself
    return attributes + (len(body.encode("utf-8", "replace")) if isinstance(body, str) else 0)


def _change(position: int, entry: Any) -> tuple[str, ReceivedMessage | str, int]:
    if not isinstance(entry, tuple | list) or len(entry) != 3:
        raise ConfigurationError(
            f"entry {position} of the batch is {entry!r}; an entry is an id, a message and seconds: (id, message, 0)"
        )
    entry_id, message, timeout = entry
    return entry_id, message, timeout


def change_batch(
    change: Callable[[ReceivedMessage | str, int], None], entries: Iterable[tuple[str, ReceivedMessage | str, int]]
) -> DeleteBatchResult:
    """Change the visibility of every message of a batch with `change`; entries are id, message and seconds."""
    batch = [_change(position, entry) for position, entry in enumerate(listed(entries))]
    check_entries([entry_id for entry_id, _, _ in batch], "ChangeMessageVisibilityBatchRequestEntry")
    changed, failed = each(
        ((entry_id, partial(change, message, timeout)) for entry_id, message, timeout in batch), SQSError
    )
    return DeleteBatchResult(tuple(changed), failed)


def delete_batch(
    delete: Callable[[ReceivedMessage | str], None], messages: Iterable[ReceivedMessage | str]
) -> DeleteBatchResult:
    """Delete every message of a batch with `delete`."""
    batch = {str(position): message for position, message in enumerate(listed(messages))}
    check_entries(list(batch), "DeleteMessageBatchRequestEntry")
    deleted, failed = each(((entry_id, partial(delete, message)) for entry_id, message in batch.items()), SQSError)
    return DeleteBatchResult(tuple(deleted), failed)
