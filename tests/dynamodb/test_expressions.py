"""Conditions, projections and key conditions: against a naive evaluator, and the refusals word for word."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dynamodb.naive import ITEMS, conditions
from triggers.dynamodb import ValidationError
from triggers.dynamodb.errors import InvalidExpression
from triggers.dynamodb.expressions.evaluation import evaluate, project
from triggers.dynamodb.expressions.lexer import MAX_LENGTH
from triggers.dynamodb.expressions.reserved import RESERVED
from triggers.dynamodb.parameters import Expressions
from triggers.dynamodb.plain import from_item, to_item, to_typed


def holds(text: str, item: dict[str, Any], values: dict[str, Any] | None = None, names: Any = None) -> bool:
    """Whether a condition holds for a plain item."""
    request = {
        "ConditionExpression": text,
        "ExpressionAttributeValues": {name: to_typed(value) for name, value in (values or {}).items()} or None,
        "ExpressionAttributeNames": names,
    }
    expressions = Expressions(request, "ConditionExpression")
    condition = expressions.condition()
    expressions.done()
    assert condition is not None
    return evaluate(condition, to_item(item))


def complaint(text: str, values: dict[str, Any] | None = None, names: Any = None) -> str:
    """What a condition is refused with."""
    with pytest.raises(InvalidExpression) as caught:
        holds(text, {}, values, names)
    return caught.value.message


@settings(max_examples=200, deadline=None)
@given(st.data(), ITEMS)
def test_conditions_mean_what_the_obvious_evaluation_says(data: st.DataObject, item: dict[str, Any]) -> None:
    """All operators and functions, nested, with as many parentheses as chance wants."""
    values: dict[str, Any] = {}
    sample = data.draw(conditions(values))
    assert holds(sample.text, item, values) is sample.holds(item)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = :one OR a = :two AND b = :two", True),
        ("(a = :one OR a = :two) AND b = :two", False),
        ("NOT a = :one OR a = :one", True),
        ("NOT (a = :one OR a = :two)", False),
        ("NOT NOT a = :one AND a <> :two", True),
        ("(a) = :one AND NOT b = :two", True),
        ("a=:one and a<>:two", True),
        ("a In (:two,:one) and NOT b = :two", True),
        ("a between :one AND :two AND b <> :two", True),
    ],
)
def test_operators_bind_as_documented(text: str, expected: bool) -> None:
    """NOT before AND before OR; the AND of BETWEEN is its own; keywords in any case."""
    assert (
        holds(text, {"a": 1, "b": 1}, {name: v for name, v in {":one": 1, ":two": 2}.items() if name in text})
        is expected
    )


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [
        (9, 10),
        (-10, -9),
        ("10", "9"),
        ("Z", "a"),
        ("b", "bb"),
        ("\uffff", "\U0001f600"),
        (b"\x0a", b"\x0b"),
        (b"", b"\x00"),
    ],
)
def test_scalars_have_an_order(smaller: Any, larger: Any) -> None:
    """Numbers by value, texts as UTF-8 and binary by byte; nothing else has one."""
    values = {":l": larger}
    for operator in ("<", "<=", "<>"):
        assert holds(f"a {operator} :l", {"a": smaller}, values)
        assert not holds(f":l {operator} a", {"a": smaller}, values) or operator == "<>"
    for operator in (">", ">=", "="):
        assert not holds(f"a {operator} :l", {"a": smaller}, values)
    assert holds("a >= :l", {"a": larger}, values)
    assert not holds("a < :l OR a > :l", {"a": str(smaller) if isinstance(smaller, int) else 1}, values)


def test_names_stand_for_anything() -> None:
    """Dots and blanks in a name are part of it; an alias can be inside a path."""
    item = {"a.b": 1, "Name with blank": {"status": [5]}}
    assert holds("#a = :v", item, {":v": 1}, {"#a": "a.b"})
    assert holds("#n.#s[0] = :v", item, {":v": 5}, {"#n": "Name with blank", "#s": "status"})


def test_a_missing_attribute_equals_nothing_and_differs_from_everything() -> None:
    assert not holds("x = :v", {}, {":v": None})
    assert holds("x <> :v", {}, {":v": 1})
    assert not holds("x < :v", {}, {":v": 1})
    assert not holds("size(x) < :v", {}, {":v": 1})


def test_all_573_reserved_words_are_refused() -> None:
    """In any case, with the word as it was written."""
    assert len(RESERVED) == 573
    for word in RESERVED:
        if word not in ("NOT", "AND", "OR", "BETWEEN", "IN"):
            message = complaint(f"{word.title()} = :v", {":v": 1})
            assert message == (
                f"Invalid ConditionExpression: Attribute name is a reserved keyword; reserved keyword: {word.title()}"
            )


INVALID = "Invalid ConditionExpression: "
REFUSALS = [
    ("", {}, None, INVALID + "The expression can not be empty;"),
    ("a =", {}, None, INVALID + 'Syntax error; token: "<EOF>", near: "="'),
    ("a = = :v", {":v": 1}, None, INVALID + 'Syntax error; token: "=", near: "= = :v"'),
    ("a", {}, None, INVALID + 'Syntax error; token: "<EOF>", near: "a"'),
    ("a = :v b", {":v": 1}, None, INVALID + 'Syntax error; token: "b", near: ":v b"'),
    ("(a = :v", {":v": 1}, None, INVALID + 'Syntax error; token: "<EOF>", near: ":v"'),
    ("a ! :v", {":v": 1}, None, INVALID + 'Syntax error; token: "!", near: "a !"'),
    ("a[x] = :v", {":v": 1}, None, INVALID + 'Syntax error; token: "x", near: "[ x ]"'),
    ("a AND b = :v", {":v": 1}, None, INVALID + 'Syntax error; token: "b", near: "AND b ="'),
    ("a = :v", {}, None, INVALID + "An expression attribute value used in expression is not defined; attribute "
     "value: :v"),
    ("#a = :v", {":v": 1}, None,
     INVALID + "An expression attribute name used in the document path is not defined; attribute name: #a"),
    ("a = :v", {":v": 1, ":w": 1}, None, "Value provided in ExpressionAttributeValues unused in expressions: "
     "keys: {:w}"),
    ("a = :v", {":v": 1}, {"#x": "y"}, "Value provided in ExpressionAttributeNames unused in expressions: keys: {#x}"),
    ("a = :v", {"v": 1}, None, 'ExpressionAttributeValues contains invalid key: Syntax error; key: "v"'),
    ("a = :v", {":v": 1}, {"x": "y"}, 'ExpressionAttributeNames contains invalid key: Syntax error; key: "x"'),
    ("a = :v", {":v": 1}, {}, "ExpressionAttributeNames must not be empty"),
    ("foo(a)", {}, None, INVALID + "Invalid function name; function: foo"),
    ("if_not_exists(a, :v) = :v", {":v": 1}, None,
     INVALID + "The function is not allowed in a condition expression; function: if_not_exists"),
    ("begins_with(a)", {}, None, INVALID + "Incorrect number of operands for operator or function; "
     "operator or function: begins_with, number of operands: 1"),
    ("begins_with(a, :v)", {":v": 1}, None, INVALID + "Incorrect operand type for operator or function; "
     "operator or function: begins_with, operand type: N"),
    ("a < :v", {":v": True}, None,
     INVALID + "Incorrect operand type for operator or function; operator: <, operand type: BOOL"),
    ("size(:v) = :v", {":v": 1}, None, INVALID + "Incorrect operand type for operator or function; "
     "operator or function: size, operand type: N"),
    ("attribute_exists(:v)", {":v": 1}, None,
     INVALID + "Operator or function requires a document path; operator or function: attribute_exists"),
    ("attribute_type(a, :v)", {":v": "X"}, None, INVALID + "Invalid attribute type name found; type: X, valid types: "
     "{S,N,B,SS,NS,BS,M,L,NULL,BOOL}"),
    ("a = a", {}, None, INVALID + "The first operand must be distinct from the remaining operands for this operator or "
     "function; operator: =, first operand: [a]"),
    ("a BETWEEN :v AND :w", {":v": 2, ":w": 1}, None, INVALID + "The BETWEEN operator requires upper bound to "
     "be greater "
     "than or equal to lower bound; lower bound operand: AttributeValue: {N:2}, upper bound operand: "
      "AttributeValue: {N:1}"),
    ("a BETWEEN :v AND :w", {":v": 2, ":w": "x"}, None, INVALID + "The BETWEEN operator requires same data type "
     "for lower "
     "and upper bounds; lower bound operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {S:x}"),
    ("contains(contains(a, :v), :v)", {":v": 1}, None,
     INVALID + "The function is not allowed to be used this way in an expression; function: contains"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "values", "names", "expected"), REFUSALS)
def test_a_wrong_condition_is_refused(text: str, values: Any, names: Any, expected: str) -> None:
    """In DynamoDB's words, whatever the item."""
    assert complaint(text, values, names) == expected


def test_expressions_have_limits() -> None:
    """4 KB, 300 operators; neither a deep nor a long one overflows a stack."""
    assert "Expression size has exceeded" in complaint("a" * (MAX_LENGTH + 1))
    assert "too many operators" in complaint("(" * 400 + "a = :v" + ")" * 400, {":v": 1})
    assert "too many operators" in complaint("NOT " * 400 + "a = :v", {":v": 1})
    assert holds("(" * 290 + "a = :v" + ")" * 290, {"a": 1}, {":v": 1})
    assert holds(" OR ".join(["a = :v"] * 150), {"a": 1}, {":v": 1})
    assert "number of operands: 102" in complaint(f"a IN ({','.join([':v'] * 101)})", {":v": 1})


@settings(deadline=None)
@given(st.text(st.sampled_from("ab#:.[]()=<>,1 ANDORNTsizebeginswth_+-!ü"), max_size=30))
def test_any_text_is_a_condition_or_is_refused(text: str) -> None:
    """No other exception comes out of the parser."""
    try:
        holds(text, {"a": 1}, {":a": 1}, {"#a": "a"})
    except ValidationError:
        pass


def projected(text: str, item: dict[str, Any], names: Any = None) -> dict[str, Any]:
    expressions = Expressions({"ProjectionExpression": text, "ExpressionAttributeNames": names}, "ProjectionExpression")
    projection = expressions.projection()
    expressions.done()
    assert projection is not None
    return from_item(project(to_item(item), projection))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", {"a": 1}),
        ("a, x", {"a": 1}),
        ("m.p", {"m": {"p": {"q": 1}}}),
        ("m.p.q, m.r", {"m": {"p": {"q": 1}, "r": 2}}),
        ("l[2], l[0]", {"l": ["x", "z"]}),
        ("l[1].k", {"l": [{"k": 1}]}),
        ("l[9], m.x, a.b, s[0]", {}),
        ("s, a", {"a": 1, "s": {"t"}}),
    ],
)
def test_a_projection_shows_what_it_names(text: str, expected: dict[str, Any]) -> None:
    """Lists close ranks, and keep their order."""
    item = {"a": 1, "m": {"p": {"q": 1}, "r": 2}, "l": ["x", {"k": 1, "j": 2}, "z"], "s": {"t"}}
    assert projected(text, item) == expected


def test_paths_of_a_projection_do_not_overlap() -> None:
    with pytest.raises(ValidationError) as caught:
        projected("a, a.b", {})
    assert caught.value.message == (
        "Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these "
        "paths; path one: [a], path two: [a, b]"
    )


def test_values_need_an_expression() -> None:
    with pytest.raises(ValidationError) as caught:
        Expressions({"ExpressionAttributeValues": {":v": {"S": "x"}}}, "UpdateExpression", "ConditionExpression")
    assert caught.value.message == (
        "ExpressionAttributeValues can only be specified when using expressions: UpdateExpression and "
        "ConditionExpression are null"
    )
    with pytest.raises(ValidationError) as caught:
        Expressions({"ExpressionAttributeNames": {"#v": "x"}}, "ConditionExpression")
    assert caught.value.message == "ExpressionAttributeNames can only be specified when using expressions"
