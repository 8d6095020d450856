"""What SQS refuses about a request; pure. Each check raises the error with AWS's text or returns the value to use."""

from __future__ import annotations

import re
from collections.abc import Sequence

from triggers.sqs.errors import (
    BatchEntryIdsNotDistinct,
    EmptyBatchRequest,
    InvalidBatchEntryId,
    InvalidMessageContents,
    InvalidParameterValue,
    MissingParameter,
    TooManyEntriesInBatchRequest,
)

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TOKEN = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}")
_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_OTHER_TYPE = "The request include parameter that is not valid for this queue type"


def check_body(body: str) -> None:
    """Refuse what is not a text, is empty, or holds characters that XML can't carry."""
    if not isinstance(body, str):
        raise InvalidParameterValue(
            f"a message body is text, not {type(body).__name__}; send json.dumps(...) of the value"
        )
    if not body:
        raise MissingParameter("MessageBody")
    check_characters(body)


def check_characters(text: str) -> None:
    """Refuse a text that holds characters that XML can't carry."""
    if (found := _FORBIDDEN.search(text)) is not None:
        raise InvalidMessageContents(found.group())


def check_size(size: int, limit: int) -> None:
    """Refuse a message whose body and attributes take more than the queue's maximum."""
    if size > limit:
        raise InvalidParameterValue(
            f"One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes."
        )


def checked_delay(delay: int | None, default: int, *, is_fifo: bool) -> int:
    """The delay of one message in seconds; FIFO queues have only that of the queue."""
    if delay is None:
        return default
    if is_fifo and delay != 0:
        raise InvalidParameterValue.of(delay, "DelaySeconds", f"{_OTHER_TYPE}.")
    if not _within(delay, 0, 900):
        raise InvalidParameterValue.of(delay, "DelaySeconds", "DelaySeconds must be >= 0 and <= 900.")
    return default if is_fifo else delay


def checked_visibility(timeout: int | None, default: int) -> int:
    """The visibility time-out of one receive, in seconds."""
    if timeout is None:
        return default
    if not _within(timeout, 0, 43_200):
        raise InvalidParameterValue.of(timeout, "VisibilityTimeout", "Must be between 0 and 43200, if provided.")
    return timeout


def check_receive(max_messages: object, wait: object) -> None:
    """Refuse a batch outside 1 to 10 and a wait outside 0 to 20 seconds."""
    if not _within(max_messages, 1, 10):
        raise InvalidParameterValue.of(max_messages, "MaxNumberOfMessages", "Must be between 1 and 10, if provided.")
    if isinstance(wait, bool) or not isinstance(wait, (int, float)) or not 0 <= wait <= 20:
        raise InvalidParameterValue.of(wait, "WaitTimeSeconds", "Must be >= 0 and <= 20, if provided.")


def check_grouping(group_id: str | None, deduplication_id: str | None, *, is_fifo: bool, content_based: bool) -> None:
    """Refuse a message without what a FIFO queue needs, or with what a standard queue doesn't know.

    A standard queue takes a group id, as the tenant of a fair queue.
    """
    if is_fifo and group_id is None:
        raise MissingParameter("MessageGroupId")
    _check_token(group_id, "MessageGroupId")
    if deduplication_id is not None and not is_fifo:
        raise InvalidParameterValue.of(deduplication_id, "MessageDeduplicationId", f"{_OTHER_TYPE}.")
    _check_token(deduplication_id, "MessageDeduplicationId")
    if is_fifo and deduplication_id is None and not content_based:
        raise InvalidParameterValue(
            "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided "
            "explicitly"
        )


def _check_token(value: object, parameter: str) -> None:
    if value is not None and not (isinstance(value, str) and _TOKEN.fullmatch(value)):
        raise InvalidParameterValue.of(
            value,
            parameter,
            f"{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length.",
        )


def check_entries(ids: Sequence[object], entry: str) -> None:
    """Refuse a batch with no entries, more than ten, or ids that are malformed or alike."""
    if not ids:
        raise EmptyBatchRequest(entry)
    if len(ids) > 10:
        raise TooManyEntriesInBatchRequest(len(ids))
    seen = set()
    for entry_id in ids:
        if not isinstance(entry_id, str) or not _ENTRY_ID.fullmatch(entry_id):
            raise InvalidBatchEntryId
        if entry_id in seen:
            raise BatchEntryIdsNotDistinct(entry_id)
        seen.add(entry_id)


def _within(value: object, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high
