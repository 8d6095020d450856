"""What passes the filters of a mapping: the table of the developer guide."""

from __future__ import annotations

from typing import Any

import pytest

from triggers.polling.filters import Filters, as_criteria

OBJECT, TEXT = '{"kind": "order", "total": 7}', "order"


@pytest.mark.parametrize(
    ("pattern", "body", "passes"),
    [
        ({"body": {"kind": ["order"]}}, OBJECT, True),
        ({"body": {"kind": ["visit"]}}, OBJECT, False),
        ({"body": {"total": [{"numeric": [">", 5]}]}}, OBJECT, True),
        ({"body": {"kind": ["order"]}}, TEXT, False),
        ({"body": {"kind": [{"exists": False}]}}, TEXT, False),
        ({"body": {"kind": [{"exists": False}]}}, '["order"]', False),
        ({"body": ["order"]}, TEXT, True),
        ({"body": ["order"]}, OBJECT, False),
        ({"body": [{"prefix": "{"}]}, OBJECT, True),
        ({"attributes": {"SenderId": ["me"]}}, TEXT, True),
        ({"attributes": {"SenderId": ["you"]}}, OBJECT, False),
        ({"body": {"kind": ["order"]}, "attributes": {"SenderId": ["me"]}}, OBJECT, True),
        ({"body": {"kind": ["order"]}, "attributes": {"SenderId": ["you"]}}, OBJECT, False),
    ],
)
def test_messages(pattern: Any, body: str, passes: bool) -> None:
    """Fields of a body that is JSON, the text of one that isn't, and what stands around it."""
    record = {"body": body, "attributes": {"SenderId": "me"}}
    assert Filters("sqs", [pattern]).match_message(record) is passes
    assert record["body"] == body


@pytest.mark.parametrize(
    ("kind", "pattern", "view", "passes"),
    [
        ("kinesis", {"data": {"a": [1]}}, {"data": {"a": 1}}, True),
        ("kinesis", {"data": {"a": [1]}}, {"data": {"a": 2}}, False),
        ("kinesis", {"data": {"a": [1]}}, {"eventName": "x"}, False),
        ("kinesis", {"eventName": ["x"]}, {"eventName": "x"}, True),
        ("dynamodb", {"eventName": ["INSERT"]}, {"eventName": "INSERT", "dynamodb": {}}, True),
        ("dynamodb", {"dynamodb": {"Keys": {"Id": {"N": ["7"]}}}}, {"dynamodb": {"Keys": {"Id": {"N": "7"}}}}, True),
        ("dynamodb", {"dynamodb": {"Keys": {"Id": {"N": [7]}}}}, {"dynamodb": {"Keys": {"Id": {"N": "7"}}}}, False),
        (
            "dynamodb",
            {"dynamodb": {"Keys": {"Id": {"N": [{"numeric": ["=", 7]}]}}}},
            {"dynamodb": {"Keys": {"Id": {"N": "7"}}}},
            False,
        ),
    ],
)
def test_records_of_streams(kind: str, pattern: Any, view: Any, passes: bool) -> None:
    """DynamoDB's numbers are texts."""
    assert Filters(kind, [pattern]).match_stream(view) is passes


def test_filters_are_alternatives() -> None:
    """One that matches is enough; without any, everything passes."""
    filters = Filters("sqs", [{"body": ["a"]}, '{"body": {"kind": ["order"]}}'])
    assert [filters.match_message({"body": body}) for body in ("a", OBJECT, "b")] == [True, True, False]
    assert Filters("sqs", []).match_message({"body": "anything"})
    assert not Filters("sqs", [])


def test_patterns_are_shown_as_texts() -> None:
    """As they were given, or as compact JSON."""
    shown = as_criteria(['{"body": ["a"]}', {"body": ["a"]}])
    assert shown == {"Filters": [{"Pattern": '{"body": ["a"]}'}, {"Pattern": '{"body":["a"]}'}]}
