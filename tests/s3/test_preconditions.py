"""Ranges and conditional requests."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggers.s3.errors import (
    InvalidArgument,
    InvalidRange,
    NoSuchKey,
    NotImplementedByS3,
    NotModified,
    PreconditionFailed,
    S3Error,
)
from triggers.s3.preconditions import check_read, check_write, parse_range, seconds


@pytest.mark.parametrize(
    ("header", "size", "span"),
    [
        (None, 10, None),
        ("bytes=0-0", 10, (0, 1)),
        ("bytes=2-5", 10, (2, 6)),
        ("bytes=5-99", 10, (5, 10)),
        ("bytes=5-", 10, (5, 10)),
        ("bytes=-3", 10, (7, 10)),
        ("bytes=-99", 10, (0, 10)),
        ("bytes=5-2", 10, None),
        ("bytes=a-b", 10, None),
        ("bytes=", 10, None),
        ("bytes=-", 10, None),
        ("bytes=0-1,3-4", 10, None),
        ("lines=0-1", 10, None),
        ("0-1", 10, None),
        ("bytes=٠-١", 10, None),
        ("bytes=+1-2", 10, None),
    ],
)
def test_a_range_is_read_or_ignored(header: str | None, size: int, span: tuple[int, int] | None) -> None:
    assert parse_range(header, size) == span


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10-", 10), ("bytes=10-20", 10), ("bytes=-0", 10), ("bytes=0-", 0)]
)
def test_a_range_behind_the_end_is_refused(header: str, size: int) -> None:
    with pytest.raises(InvalidRange) as caught:
        parse_range(header, size)
    assert str(caught.value) == "The requested range is not satisfiable"
    assert caught.value.status == 416
    assert caught.value.fields == {"ActualObjectSize": str(size), "RangeRequested": header}


@given(st.text("bytes=-,0123456789 x"), st.integers(0, 50))
def test_any_range_is_within_the_object_or_refused(header: str, size: int) -> None:
    try:
        span = parse_range(header, size)
    except InvalidRange:
        return
    assert span is None or 0 <= span[0] < span[1] <= size


OLD, AT, NEW = 1000.0, 2000.7, 3000.0


@pytest.mark.parametrize(
    ("conditions", "refused"),
    [
        ({}, None),
        ({"if_match": "abc"}, None),
        ({"if_match": '"abc"'}, None),
        ({"if_match": "*"}, None),
        ({"if_match": '"x", "abc"'}, None),
        ({"if_match": "x"}, "If-Match"),
        ({"if_none_match": "x"}, None),
        ({"if_none_match": "abc"}, "304"),
        ({"if_none_match": "*"}, "304"),
        ({"if_modified_since": OLD}, None),
        ({"if_modified_since": AT}, "304"),
        ({"if_modified_since": 2000}, "304"),
        ({"if_modified_since": NEW}, "304"),
        ({"if_unmodified_since": NEW}, None),
        ({"if_unmodified_since": 2000}, None),
        ({"if_unmodified_since": OLD}, "If-Unmodified-Since"),
        ({"if_match": "abc", "if_unmodified_since": OLD}, None),
        ({"if_match": "x", "if_unmodified_since": NEW}, "If-Match"),
        ({"if_none_match": "abc", "if_modified_since": OLD}, "304"),
        ({"if_none_match": "x", "if_modified_since": NEW}, None),
        ({"if_match": "abc", "if_none_match": "abc"}, "304"),
    ],
)
def test_conditions_are_judged_in_the_order_of_rfc_7232(conditions: dict[str, object], refused: str | None) -> None:
    names = ("if_match", "if_none_match", "if_modified_since", "if_unmodified_since")
    given_conditions = [conditions.get(name) for name in names]
    if refused is None:
        check_read("abc", AT, *given_conditions)  # type: ignore[arg-type]
        return
    with pytest.raises((PreconditionFailed, NotModified)) as caught:
        check_read("abc", AT, *given_conditions)  # type: ignore[arg-type]
    error = caught.value
    if refused == "304":
        assert (error.code, error.status, str(error)) == ("304", 304, "Not Modified")
    else:
        assert (error.code, error.status) == ("PreconditionFailed", 412)
        assert str(error) == "At least one of the pre-conditions you specified did not hold"
        assert error.fields == {"Condition": refused}


def test_a_copy_is_refused_where_a_read_is_not_modified() -> None:
    with pytest.raises(PreconditionFailed) as caught:
        check_read("abc", AT, None, "abc", None, None, "x-amz-copy-source-")
    assert caught.value.fields["Condition"] == "x-amz-copy-source-If-None-Match"


@pytest.mark.parametrize(
    ("current", "if_match", "if_none_match", "error"),
    [
        (None, None, "*", None),
        ("abc", None, "*", PreconditionFailed),
        ("abc", "abc", None, None),
        ("abc", '"abc"', None, None),
        ("abc", "x", None, PreconditionFailed),
        (None, "abc", None, NoSuchKey),
        ("abc", None, "abc", NotImplementedByS3),
        ("abc", "*", None, NotImplementedByS3),
        ("abc", "abc", "*", NotImplementedByS3),
    ],
)
def test_writes_have_two_conditions(
    current: str | None, if_match: str | None, if_none_match: str | None, error: type[S3Error] | None
) -> None:
    if error is None:
        check_write("k", current, if_match, if_none_match)
    else:
        with pytest.raises(error):
            check_write("k", current, if_match, if_none_match)


def test_a_date_needs_a_time_zone() -> None:
    assert seconds(datetime(1970, 1, 1, 0, 1, tzinfo=UTC)) == 60
    with pytest.raises(InvalidArgument, match="time zone"):
        seconds(datetime(2026, 1, 1))  # noqa: DTZ001
