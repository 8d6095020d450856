"""Conditional requests and byte ranges: what of an object is answered, if anything. Pure.

Source: RFC 7232 section 6 for the order of the conditions, recorded answers of S3 for the rest (a range that cannot be
read is ignored; one that begins behind the end is refused).
"""

from __future__ import annotations

import math
from datetime import datetime

from triggers.s3.errors import (
    InvalidArgument,
    InvalidRange,
    NoSuchKey,
    NotImplementedByS3,
    NotModified,
    PreconditionFailed,
)

Instant = datetime | float
"""An aware datetime, or seconds since the epoch."""


def seconds(instant: Instant) -> float:
    """An instant as seconds since the epoch. Raises InvalidArgument for a datetime without a time zone."""
    if isinstance(instant, datetime):
        if instant.tzinfo is None:
            raise InvalidArgument(
                "A date needs a time zone", "Date", instant.isoformat(), mend="pass tzinfo=timezone.utc"
            )
        return instant.timestamp()
    return instant


def check_read(
    etag: str,
    modified_at: float,
    if_match: str | None,
    if_none_match: str | None,
    if_modified_since: Instant | None,
    if_unmodified_since: Instant | None,
    header: str = "",
) -> None:
    """Raise PreconditionFailed or NotModified if an object is not to be answered.

    `etag` is without quotes; times are compared in whole seconds. `header` goes before the names of the conditions
    (`x-amz-copy-source-` for a copy, which is refused where a read would be "not modified").
    """
    second = math.floor(modified_at)
    if if_match is not None:
        if not names_etag(if_match, etag):
            raise PreconditionFailed(f"{header}If-Match")
    elif if_unmodified_since is not None and second > math.floor(seconds(if_unmodified_since)):
        raise PreconditionFailed(f"{header}If-Unmodified-Since")
    if if_none_match is not None:
        if names_etag(if_none_match, etag):
            raise PreconditionFailed(f"{header}If-None-Match") if header else NotModified()
    elif if_modified_since is not None and second <= math.floor(seconds(if_modified_since)):
        raise PreconditionFailed(f"{header}If-Modified-Since") if header else NotModified()


def check_write(key: str, current_etag: str | None, if_match: str | None, if_none_match: str | None) -> None:
    """Raise if an object is not to be written; `current_etag` is None where there is no object (or a delete marker)."""
    if if_match is not None and if_none_match is not None:
        raise NotImplementedByS3(
            "If-Match,If-None-Match", "Multiple conditional request headers present in the request"
        )
    if if_none_match is not None:
        if if_none_match != "*":
            raise NotImplementedByS3(
                "If-None-Match", "We don't accept the provided value of If-None-Match header for this API"
            )
        if current_etag is not None:
            raise PreconditionFailed("If-None-Match")
    if if_match is not None:
        if if_match == "*":
            raise NotImplementedByS3("If-Match", "We don't accept the provided value of If-Match header for this API")
        if current_etag is None:
            raise NoSuchKey(key)
        if bare(if_match) != current_etag:
            raise PreconditionFailed("If-Match")


def check_delete(current_etag: str | None, if_match: str) -> None:
    """Raise PreconditionFailed if an object is not to be deleted; `current_etag` is None where there is none."""
    if current_etag is None or not names_etag(if_match, current_etag):
        raise PreconditionFailed("If-Match")


def bare(etag: str) -> str:
    """An entity tag without its quotes and blanks."""
    return etag.strip().strip('"')


def names_etag(header: str, etag: str) -> bool:
    """Whether a list of entity tags, or `*`, covers this one."""
    return header.strip() == "*" or any(bare(part) == etag for part in header.split(","))


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First and one-past-last byte of `bytes=a-b`, `bytes=a-` or `bytes=-n`; None means the whole object.

    A malformed, reversed or multiple range is ignored, as S3 does. Raises InvalidRange if it begins behind the end or
    asks for the last 0 bytes.
    """
    if header is None:
        return None
    unit, separator, spec = header.partition("=")
    first, dash, last = spec.strip().partition("-")
    if unit.strip() != "bytes" or not separator or not dash or not _are_numbers(first, last):
        return None
    if not first:
        length = int(last)
        if length == 0 or size == 0:
            raise InvalidRange(header, size)
        return max(0, size - length), size
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= size:
        raise InvalidRange(header, size)
    return start, min(size, int(last) + 1) if last else size


def _are_numbers(first: str, last: str) -> bool:
    both = first + last
    return bool(both) and both.isascii() and both.isdigit() and len(first) < 20 and len(last) < 20
