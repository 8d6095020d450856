"""Condition operators: one table row for each thing that an operator does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from eventbus.errors import MalformedPolicy
from eventbus.iam.conditions import parse_condition
from eventbus.iam.context import Context
from eventbus.iam.operators import OPERATORS

YES, NO = True, False
ABSENT = None
Value = str | Sequence[str] | None

TABLE: list[tuple[str, Any, Value, bool]] = [
    # operator, value or values of the policy, value of the request, does it hold
    ("StringEquals", "a", "a", YES),
    ("StringEquals", "a", "A", NO),
    ("StringEquals", "a*", "ab", NO),
    ("StringEquals", "a*", "a*", YES),
    ("StringEquals", ["a", "b"], "b", YES),
    ("StringEquals", "a", ABSENT, NO),
    ("StringEquals", "a", ["a"], YES),
    ("StringEquals", "a", ["a", "b"], NO),
    ("StringEquals", [], "a", NO),
    ("StringEquals", True, "true", YES),
    ("StringEquals", 12, "12", YES),
    ("StringEquals", 1.5, "1.5", YES),
    ("StringEquals", 1e20, "100000000000000000000", YES),
    ("StringEquals", "", "", YES),
    ("StringNotEquals", "a", "b", YES),
    ("StringNotEquals", "a", "a", NO),
    ("StringNotEquals", ["a", "b"], "b", NO),
    ("StringNotEquals", ["a", "b"], "c", YES),
    ("StringNotEquals", "a", ABSENT, YES),
    ("StringNotEquals", "a", ["b", "c"], NO),
    ("StringNotEquals", [], "a", NO),
    ("StringEqualsIgnoreCase", "Straße", "sTRAßE", YES),
    ("StringEqualsIgnoreCase", "a", "b", NO),
    ("StringNotEqualsIgnoreCase", "a", "A", NO),
    ("StringNotEqualsIgnoreCase", "a", "b", YES),
    ("StringLike", "arn:*:x", "arn:aws:sns:x", YES),
    ("StringLike", "a?c", "abc", YES),
    ("StringLike", "a?c", "ac", NO),
    ("StringLike", "a*", "A", NO),
    ("StringLike", "*", "", YES),
    ("StringLike", "a.c", "abc", NO),
    ("StringNotLike", "a*", "abc", NO),
    ("StringNotLike", "a*", "b", YES),
    ("StringNotLike", "a*", ABSENT, YES),
    ("NumericEquals", "10", "10.0", YES),
    ("NumericEquals", 10, "10", YES),
    ("NumericEquals", "0.1", ".10", YES),
    ("NumericEquals", "10", "ten", NO),
    ("NumericEquals", "10", "١٠", NO),
    ("NumericEquals", "10", "nan", NO),
    ("NumericEquals", "10", ABSENT, NO),
    ("NumericNotEquals", "10", "11", YES),
    ("NumericNotEquals", "10", "10.00", NO),
    ("NumericNotEquals", "10", "ten", YES),
    ("NumericLessThan", "10", "-3", YES),
    ("NumericLessThan", "10", "10", NO),
    ("NumericLessThan", ["1", "10"], "5", YES),
    ("NumericLessThanEquals", "10", "10", YES),
    ("NumericLessThanEquals", "10", "10.1", NO),
    ("NumericGreaterThan", "10", "10.1", YES),
    ("NumericGreaterThan", "10", "10", NO),
    ("NumericGreaterThanEquals", "10", "10", YES),
    ("NumericGreaterThanEquals", "10", "9", NO),
    ("NumericGreaterThan", "9007199254740992", "9007199254740993", YES),
    ("DateEquals", "2026-01-02T03:04:05Z", "2026-01-02T04:04:05+01:00", YES),
    ("DateEquals", "2026-01-02T03:04:05Z", "2026-01-01T23:34:05-03:30", YES),
    ("DateEquals", "2026", "2026-01-01T00:00Z", YES),
    ("DateEquals", "2026-02", "2026-02-01", YES),
    ("DateEquals", "1767225600", "2026-01-01T00:00:00Z", YES),
    ("DateEquals", "2026-01-01T00:00:00.5Z", "1767225600.5", YES),
    ("DateEquals", "2026-01-01T00:00:00.678Z", "2026-01-01T00:00:00.67800Z", YES),
    ("DateEquals", "2026", "soon", NO),
    ("DateEquals", "2026", "2026-13", NO),
    ("DateEquals", "2026-01-01", "2026-01-01T00:00:00", NO),
    ("DateNotEquals", "2026", "2027", YES),
    ("DateNotEquals", "2026", "2026-01-01", NO),
    ("DateLessThan", "2026", "2025-12-31T23:59:59.999Z", YES),
    ("DateLessThan", "2026", "2026", NO),
    ("DateLessThan", "9999", "0001-01-01T00:00:00+14:00", YES),
    ("DateLessThanEquals", "2026", "2026", YES),
    ("DateLessThanEquals", "2026", "2026-01-01T00:00:00.001Z", NO),
    ("DateGreaterThan", "2026", "2026-01-01T00:00:01Z", YES),
    ("DateGreaterThan", "2026", "2026", NO),
    ("DateGreaterThanEquals", "2026", "2026", YES),
    ("DateGreaterThanEquals", "2026", "2025", NO),
    ("Bool", "true", "TRUE", YES),
    ("Bool", True, "true", YES),
    ("Bool", "false", "true", NO),
    ("Bool", "false", ABSENT, NO),
    ("Bool", "true", "1", NO),
    ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", YES),
    ("BinaryEquals", "QmluYXJ5", "QmluYXJ6", NO),
    ("BinaryEquals", "QmluYXJ5", "no base64", NO),
    ("IpAddress", "203.0.113.0/24", "203.0.113.77", YES),
    ("IpAddress", "203.0.113.9/24", "203.0.113.77", YES),
    ("IpAddress", "203.0.113.7", "203.0.113.7", YES),
    ("IpAddress", "203.0.113.7", "203.0.113.8", NO),
    ("IpAddress", ["10.0.0.0/8", "2001:db8::/32"], "2001:DB8::1", YES),
    ("IpAddress", "0.0.0.0/0", "::1", NO),
    ("IpAddress", "10.0.0.0/8", "here", NO),
    ("NotIpAddress", "10.0.0.0/8", "11.0.0.1", YES),
    ("NotIpAddress", "10.0.0.0/8", "10.0.0.1", NO),
    ("NotIpAddress", ["10.0.0.0/8", "11.0.0.0/8"], "11.0.0.1", NO),
    ("NotIpAddress", "10.0.0.0/8", ABSENT, YES),
    ("ArnLike", "arn:aws:sns:*:111122223333:t*", "arn:aws:sns:eu-west-1:111122223333:topic", YES),
    ("ArnLike", "arn:aws:sns:*:topic", "arn:aws:sns:us-east-1:111122223333:topic", NO),
    ("ArnLike", "arn:aws:s3:::b*", "arn:aws:s3:::bucket:with/all", YES),
    ("ArnLike", "arn:aws:s3:::b", "arn:aws:s3:::B", NO),
    ("ArnLike", "*", "arn:aws:s3:::b", NO),
    ("ArnLike", "arn:aws:s3:::*", "b", NO),
    ("ArnEquals", "arn:aws:s3:::b?", "arn:aws:s3:::b1", YES),
    ("ArnEquals", "arn:aws:s3:::b?", "arn:aws:s3:::b", NO),
    ("ArnEquals", "arn:*:s3:::b", "arn:aws:s3:::b", YES),
    ("ArnNotLike", "arn:aws:s3:::b*", "arn:aws:s3:::bucket", NO),
    ("ArnNotLike", "arn:aws:s3:::b*", "arn:aws:s3:::a", YES),
    ("ArnNotEquals", "arn:aws:s3:::b*", "arn:aws:s3:::bucket", NO),
    ("ArnNotEquals", "arn:aws:s3:::b*", ABSENT, YES),
    ("Null", "true", ABSENT, YES),
    ("Null", "true", "x", NO),
    ("Null", "true", [], YES),
    ("Null", "false", "x", YES),
    ("Null", False, "x", YES),
    ("Null", "false", ABSENT, NO),
    ("Null", "false", "", NO),
    ("Null", ["true", "false"], "x", YES),
    ("Null", [], "x", NO),
    ("StringEqualsIfExists", "a", ABSENT, YES),
    ("StringEqualsIfExists", "a", "b", NO),
    ("StringNotEqualsIfExists", "a", ABSENT, YES),
    ("StringNotEqualsIfExists", "a", "a", NO),
    ("BoolIfExists", "false", ABSENT, YES),
    ("NumericLessThanIfExists", "1", "2", NO),
    ("ForAllValues:StringEquals", ["a", "b"], ["a", "b"], YES),
    ("ForAllValues:StringEquals", ["a", "b"], ["a", "c"], NO),
    ("ForAllValues:StringEquals", "a", ABSENT, YES),
    ("ForAllValues:StringEquals", "a", [], YES),
    ("ForAllValues:StringEquals", "a", "", YES),
    ("ForAllValues:StringEquals", [], ["a"], NO),
    ("ForAllValues:StringNotEquals", ["a", "b"], ["c", "d"], YES),
    ("ForAllValues:StringNotEquals", ["a", "b"], ["c", "a"], NO),
    ("ForAllValues:StringLikeIfExists", "a*", ["ab", "ac"], YES),
    ("ForAnyValue:StringEquals", ["a", "b"], ["x", "b"], YES),
    ("ForAnyValue:StringEquals", ["a", "b"], ["x", "y"], NO),
    ("ForAnyValue:StringEquals", "a", ABSENT, NO),
    ("ForAnyValue:StringEquals", "a", [], NO),
    ("ForAnyValue:StringEqualsIfExists", "a", ABSENT, YES),
    ("ForAnyValue:StringNotEquals", ["a", "b"], ["a", "c"], YES),
    ("ForAnyValue:StringNotEquals", ["a", "b"], ["a", "b"], NO),
    ("ForAnyValue:StringNotEquals", "a", ABSENT, NO),
    ("ForAnyValue:ArnLike", "arn:aws:s3:::b*", ["x", "arn:aws:s3:::b1"], YES),
]


def holds(condition: dict[str, Any], context: dict[str, str | Sequence[str]], *, has_variables: bool = True) -> bool:
    clauses = parse_condition(condition, "Condition", has_variables=has_variables)
    return all(clause.holds(Context.of(context)) for clause in clauses)


@pytest.mark.parametrize(("operator", "wanted", "found", "expected"), TABLE)
def test_an_operator_compares_as_aws_documents(operator: str, wanted: Any, found: Value, expected: bool) -> None:
    assert holds({operator: {"aws:Key": wanted}}, {} if found is None else {"AWS:key": found}) is expected


def test_the_table_has_every_operator_both_ways() -> None:
    verdicts = {(row[0], row[3]) for row in TABLE}
    assert verdicts >= {(operator, verdict) for operator in (*OPERATORS, "Null") for verdict in (YES, NO)}


@pytest.mark.parametrize(
    ("key", "expected"), [({"k": "a", "l": "b"}, YES), ({"k": "a"}, NO), ({"k": "a", "l": "c"}, NO)]
)
def test_keys_and_operators_are_joined_by_and(key: dict[str, str | Sequence[str]], expected: bool) -> None:
    assert holds({"StringEquals": {"k": "a", "l": "b"}}, key) is expected
    assert holds({"StringEquals": {"k": "a"}, "StringLike": {"l": "b"}}, key) is expected


@pytest.mark.parametrize(
    ("operator", "wanted", "context", "expected"),
    [
        ("StringEquals", "${t}", {"k": "blue", "t": "blue"}, YES),
        ("StringEquals", "${T}-1", {"k": "blue-1", "t": "blue"}, YES),
        ("StringEquals", "${t, 'red'}", {"k": "red"}, YES),
        ("StringEquals", "${t, ''}x", {"k": "x"}, YES),
        ("StringEquals", "${t}", {"k": "blue"}, NO),
        ("StringNotEquals", "${t}", {"k": "blue"}, YES),
        ("StringEquals", "${t}", {"k": "a", "t": ["a", "b"]}, NO),
        ("StringEquals", "${*}${?}${$}", {"k": "*?$"}, YES),
        ("StringLike", "${t}/*", {"k": "a/b", "t": "a"}, YES),
        ("StringLike", "${t}", {"k": "secret", "t": "*"}, NO),
        ("StringLike", "${t}", {"k": "*", "t": "*"}, YES),
        ("StringLike", "${t}", {"k": "ab", "t": "a?"}, NO),
        ("StringLike", "a${*}", {"k": "ab"}, NO),
        ("StringLike", "${t, '*'}", {"k": "ab"}, NO),
        ("ArnLike", "arn:aws:s3:::${t}/*", {"k": "arn:aws:s3:::b/x", "t": "b"}, YES),
        ("Bool", "${t}", {"k": "true", "t": "True"}, YES),
    ],
)
def test_policy_variables_are_filled_from_the_request(
    operator: str, wanted: str, context: dict[str, str | Sequence[str]], expected: bool
) -> None:
    assert holds({operator: {"k": wanted}}, context) is expected


def test_old_policies_take_variables_as_text() -> None:
    assert holds({"StringEquals": {"k": "${t}"}}, {"k": "${t}", "t": "a"}, has_variables=False)
    assert holds({"StringLike": {"k": "${*}x"}}, {"k": "${anything}x"}, has_variables=False)


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        ("x", 'Condition must be an object, not "x"'),
        ({"StringEquals": "x"}, 'Condition.StringEquals must be an object, not "x"'),
        ({"stringEquals": {"k": "v"}}, 'Condition has the unknown operator "stringEquals"; operators are written'),
        ({"Bogus": {}}, 'Condition has the unknown operator "Bogus"; operators are written'),
        ({"NullIfExists": {"k": "true"}}, 'Condition has the unknown operator "NullIfExists"; operators are'),
        ({"ForAllValues:Null": {"k": "true"}}, 'Condition has the unknown operator "ForAllValues:Null"; operators'),
        ({"ForSomeValues:StringLike": {"k": "v"}}, 'Condition has the unknown operator "ForSomeValues:StringLike"'),
        ({":StringLike": {"k": "v"}}, 'Condition has the unknown operator ":StringLike"'),
        ({"StringEqualsIfExistsIfExists": {"k": "v"}}, "Condition has the unknown operator"),
        ({"Null": {"k": "yes"}}, 'Condition.Null.k must be "true" or "false", not "yes"'),
        ({"Bool": {"k": "yes"}}, 'Condition.Bool.k must be "true" or "false", not "yes"'),
        ({"NumericEquals": {"k": ["1", "x"]}}, 'Condition.NumericEquals.k[1] must be an integer or a decimal, not "x"'),
        ({"DateEquals": {"k": "x"}}, "Condition.DateEquals.k must be a date such as 2026-01-02T03:04:05Z or seconds"),
        (
            {"IpAddress": {"k": "10.0.0.0/255.0.0.0"}},
            "Condition.IpAddress.k must be an IPv4 or IPv6 address or a range",
        ),
        ({"BinaryEquals": {"k": "?"}}, 'Condition.BinaryEquals.k must be base64, not "?"'),
        ({"StringLike": {"k": {}}}, "Condition.StringLike.k must be a text, a number or a boolean, not an object"),
        ({"StringLike": {"k": None}}, "Condition.StringLike.k must be a text, a number or a boolean, not null"),
        ({"StringLike": {"k": "${"}}, 'Condition.StringLike.k holds a ${ without its }, not "${"'),
        ({"StringLike": {"k": "${}"}}, "Condition.StringLike.k holds ${}, which names no condition key"),
        ({"StringLike": {"k": "${a,b}"}}, "Condition.StringLike.k must put the default of ${a} in single quotes"),
        ({"ArnLike": {"k": "${a}:b"}}, "Condition.ArnLike.k may hold policy variables only after the fifth colon"),
        ({"StringLike": {" ": "x"}}, "Condition.StringLike.  must name a condition key"),
    ],
)
def test_a_condition_that_could_never_work_is_refused(condition: Any, sentence: str) -> None:
    with pytest.raises(MalformedPolicy) as caught:
        parse_condition(condition, "Condition", has_variables=True)
    assert caught.value.message.startswith(sentence)
