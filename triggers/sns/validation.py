"""What SNS refuses about a request; pure. Each check raises the error with AWS's text or returns the value to use."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from eventbus.delivery import payload
from triggers.sns.errors import (
    BatchEntryIdsNotDistinct,
    EmptyBatchRequest,
    InvalidBatchEntryId,
    InvalidParameter,
    TooManyEntriesInBatchRequest,
)

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_TOKEN: Final = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}")
_ENTRY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")

PROTOCOLS: Final = ("http", "https", "email", "email-json", "sms", "sqs", "application", "lambda", "firehose")


def check_name(name: str, *, is_fifo: bool) -> None:
    """Refuse a topic name that AWS refuses; the name of a FIFO topic ends in `.fifo`, and no other does."""
    given: object = name
    if not isinstance(given, str):
        raise InvalidParameter("Topic Name", mend=f"a text, not {given!r}")
    stem = name.removesuffix(".fifo") if is_fifo else name
    if is_fifo and stem == name:
        raise InvalidParameter("Topic Name", mend="the name of a FIFO topic ends in .fifo")
    if not _NAME.fullmatch(stem) or len(name) > 256:
        advice = "1 to 256 letters, digits, hyphens and underscores"
        if name.endswith(".fifo"):
            advice = "pass fifo=True for a name that ends in .fifo"
        raise InvalidParameter("Topic Name", mend=advice)


def check_message(message: object) -> None:
    """Refuse what is not a text, and the empty text."""
    if not isinstance(message, str):
        raise InvalidParameter(
            f"Message must be a string, not {type(message).__name__}",
            mend="publish json.dumps(...) of the value",
        )
    if not message:
        raise InvalidParameter("Empty message")


def check_subject(subject: object) -> None:
    """Refuse a subject that is empty, has 100 characters or more, or holds a line break or control character."""
    if subject is None:
        return
    if not isinstance(subject, str) or not 1 <= len(subject) < 100 or _CONTROL.search(subject) or subject[0] == " ":
        raise InvalidParameter("Subject")


def check_size(size: int, limit: int) -> None:
    """Refuse a message that with its attributes takes more than the topic's maximum."""
    if size > limit:
        raise InvalidParameter("Message too long")


def parse_structure(message: str, structure: str | None) -> dict[str, str] | None:
    """The texts by protocol of a message with MessageStructure "json", or None for an ordinary one.

    Values that aren't texts are left out, so that these subscribers get `default`.
    """
    if structure is None:
        return None
    if structure != "json":
        raise InvalidParameter("MessageStructure", mend='the only message structure is "json"')
    try:
        parsed = payload.parse(message)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise InvalidParameter("Message Structure - JSON message body failed to parse")
    texts = {protocol: text for protocol, text in parsed.items() if isinstance(text, str)}
    if "default" not in texts:
        raise InvalidParameter("Message Structure - No default entry in JSON message body")
    return texts


def check_grouping(group_id: str | None, deduplication_id: str | None, *, is_fifo: bool, content_based: bool) -> None:
    """Refuse a message without what a FIFO topic needs, or with what a standard topic doesn't know."""
    if is_fifo and not group_id:
        raise InvalidParameter("The MessageGroupId parameter is required for FIFO topics")
    _check_token(group_id, "MessageGroupId")
    if deduplication_id is not None and not is_fifo:
        raise InvalidParameter(
            "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid "
            "for this topic type"
        )
    _check_token(deduplication_id, "MessageDeduplicationId")
    if is_fifo and deduplication_id is None and not content_based:
        raise InvalidParameter(
            "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided "
            "explicitly"
        )


def _check_token(value: object, parameter: str) -> None:
    if value is not None and not (isinstance(value, str) and _TOKEN.fullmatch(value)):
        raise InvalidParameter(
            f"{parameter} Reason: {parameter} can only include alphanumeric and punctuation characters. "
            "1 to 128 in length"
        )


def check_entries(ids: Sequence[str]) -> None:
    """Refuse a batch with no entries, more than ten, or ids that are malformed or alike."""
    if not ids:
        raise EmptyBatchRequest
    if len(ids) > 10:
        raise TooManyEntriesInBatchRequest
    for entry_id in ids:
        if not _ENTRY_ID.fullmatch(entry_id):
            raise InvalidBatchEntryId(entry_id)
    if len(set(ids)) < len(ids):
        raise BatchEntryIdsNotDistinct


def check_topic_arn(arn: str) -> None:
    """Refuse what doesn't have the shape of a topic's ARN."""
    elements = arn.split(":") if arn else []
    if len(elements) < 6:
        raise InvalidParameter(f"TopicArn Reason: An ARN must have at least 6 elements, not {len(elements)}")
    if elements[0] != "arn" or elements[2] != "sns" or len(elements) != 6:
        raise InvalidParameter("TopicArn")
