"""Update expressions: one table of what they do, one of what they are refused with."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triggers.dynamodb import ValidationError
from triggers.dynamodb.expressions.updating import apply
from triggers.dynamodb.parameters import Expressions
from triggers.dynamodb.plain import from_item, to_item, to_typed

ITEM = {
    "id": "1",
    "n": 5,
    "l": ["a", "b", "c"],
    "m": {"x": 1, "deep": {"y": [1, 2]}},
    "ss": {"p", "q"},
    "ns": {1, 2},
    "s": "text",
}


def updated(text: str, values: dict[str, Any] | None = None, item: dict[str, Any] = ITEM, names: Any = None) -> Any:
    """What an update makes of a plain item, which is left as it was."""
    request = {
        "UpdateExpression": text,
        "ExpressionAttributeValues": {name: to_typed(value) for name, value in (values or {}).items()} or None,
        "ExpressionAttributeNames": names,
    }
    expressions = Expressions(request, "UpdateExpression")
    update = expressions.update()
    expressions.done()
    assert update is not None
    before = to_item(item)
    kept = copy.deepcopy(before)
    after = apply(update, before)
    assert before == kept
    return from_item(after)


@pytest.mark.parametrize(
    ("text", "values", "changed"),
    [
        ("SET z = :v", {":v": 1}, {"z": 1}),
        ("set n = n + :v", {":v": 2}, {"n": 7}),
        ("SET n = :v - n", {":v": Decimal("2.5")}, {"n": Decimal("-2.5")}),
        ("SET n = (n - :v)", {":v": 1}, {"n": 4}),
        ("SET n = s, s = n", None, {"n": "text", "s": 5}),
        ("SET z = if_not_exists(z, :v)", {":v": 1}, {"z": 1}),
        ("SET n = if_not_exists(n, :v)", {":v": 1}, {}),
        ("SET z = if_not_exists(z, :v) + :w", {":v": 0, ":w": 3}, {"z": 3}),
        ("SET z = if_not_exists(z, n)", None, {"z": 5}),
        ("SET l = list_append(l, :v)", {":v": ["d"]}, {"l": ["a", "b", "c", "d"]}),
        ("SET l = list_append(:v, l)", {":v": ["d"]}, {"l": ["d", "a", "b", "c"]}),
        ("SET z = list_append(if_not_exists(z, :e), :v)", {":v": [1], ":e": []}, {"z": [1]}),
        ("SET l[1] = :v", {":v": "B"}, {"l": ["a", "B", "c"]}),
        ("SET l[9] = :v, l[7] = :w", {":v": "e", ":w": "d"}, {"l": ["a", "b", "c", "d", "e"]}),
        ("SET m.x = :v, m.z = :v", {":v": 2}, {"m": {"x": 2, "z": 2, "deep": {"y": [1, 2]}}}),
        ("SET m.deep.y[0] = l[2]", None, {"m": {"x": 1, "deep": {"y": ["c", 2]}}}),
        ("REMOVE n, zz", None, {"n": None}),
        ("REMOVE l[0], l[2]", None, {"l": ["b"]}),
        ("REMOVE l[9]", None, {}),
        ("REMOVE m.x, m.deep.y[1]", None, {"m": {"deep": {"y": [1]}}}),
        ("SET l[0] = :v REMOVE l[1]", {":v": "A"}, {"l": ["A", "c"]}),
        ("ADD n :v", {":v": -1}, {"n": 4}),
        ("ADD z :v", {":v": 2}, {"z": 2}),
        ("ADD ss :v", {":v": {"q", "r"}}, {"ss": {"p", "q", "r"}}),
        ("ADD zs :v", {":v": {3}}, {"zs": {3}}),
        ("ADD m.x :v", {":v": 1}, {"m": {"x": 2, "deep": {"y": [1, 2]}}}),
        ("DELETE ss :v", {":v": {"q", "z"}}, {"ss": {"p"}}),
        ("DELETE ns :v", {":v": {1, 2}}, {"ns": None}),
        ("DELETE zs :v", {":v": {1}}, {}),
        ("SET a = :v REMOVE n ADD b :v DELETE ss :s", {":v": 1, ":s": {"p"}}, {"a": 1, "n": None, "b": 1, "ss": {"q"}}),
    ],
)
def test_an_update_changes_what_it_names(text: str, values: Any, changed: dict[str, Any]) -> None:
    """Everything is computed from the item as it was; None stands for an attribute that is gone."""
    expected = {name: value for name, value in {**ITEM, **changed}.items() if value is not None}
    assert updated(text, values) == expected


@pytest.mark.parametrize(
    ("text", "values", "complaint"),
    [
        ("SET a.b = :v", {":v": 1}, "The document path provided in the update expression is invalid for update"),
        ("SET n.b = :v", {":v": 1}, "The document path provided in the update expression is invalid for update"),
        ("SET m[0] = :v", {":v": 1}, "The document path provided in the update expression is invalid for update"),
        ("REMOVE zz.b", None, "The document path provided in the update expression is invalid for update"),
        ("SET a = zz", None, "The provided expression refers to an attribute that does not exist in the item"),
        ("SET a = zz + :v", {":v": 1}, "The provided expression refers to an attribute that does not exist in "
         "the item"),
        ("SET a = s + :v", {":v": 1}, "An operand in the update expression has an incorrect data type"),
        ("SET a = list_append(n, :v)", {":v": []}, "An operand in the update expression has an incorrect data type"),
        ("ADD s :v", {":v": 1}, "An operand in the update expression has an incorrect data type"),
        ("ADD ss :v", {":v": {1}}, "An operand in the update expression has an incorrect data type"),
        ("DELETE n :v", {":v": {1}}, "An operand in the update expression has an incorrect data type"),
        ("SET a = :v + :w", {":v": 1, ":w": "x"}, "Invalid UpdateExpression: Incorrect operand type for operator or "
         "function; operator or function: +, operand type: S"),
        ("SET a = list_append(l, :v)", {":v": "x"}, "Invalid UpdateExpression: Incorrect operand type for operator or "
         "function; operator or function: list_append, operand type: S"),
        ("ADD n :v", {":v": "x"}, "Invalid UpdateExpression: Incorrect operand type for operator or function; "
         "operator: "
         "ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND"),
        ("DELETE ss :v", {":v": 1}, "Invalid UpdateExpression: Incorrect operand type for operator or function; "
         "operator: "
         "DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND"),
        ("SET a = :v SET b = :v", {":v": 1},
         'Invalid UpdateExpression: The "SET" section can only be used once in an update expression;'),
        ("SET a = :v, a.b = :v", {":v": 1}, "Invalid UpdateExpression: Two document paths overlap with each "
         "other; must "
         "remove or rewrite one of these paths; path one: [a], path two: [a, b]"),
        ("SET a.b = :v, a[1] = :v", {":v": 1}, "Invalid UpdateExpression: Two document paths conflict with each other; "
         "must remove or rewrite one of these paths; path one: [a, b], path two: [a, [1]]"),
        ("SET a = size(l)", None,
         "Invalid UpdateExpression: The function is not allowed in an update expression; function: size"),
        ("SET a = if_not_exists(:v, :v)", {":v": 1},
         "Invalid UpdateExpression: Operator or function requires a document path; operator or function: "
          "if_not_exists"),
        ("SET a = b + c + d", None, 'Invalid UpdateExpression: Syntax error; token: "+", near: "c + d"'),
        ("PUT a = :v", {":v": 1}, 'Invalid UpdateExpression: Syntax error; token: "PUT", near: "PUT a"'),
        ("ADD n m", None, 'Invalid UpdateExpression: Syntax error; token: "m", near: "n m"'),
        ("SET n = n + :v", {":v": Decimal("9.9E+125")}, None),
    ],
)  # fmt: skip
def test_a_wrong_update_is_refused(text: str, values: Any, complaint: str | None) -> None:
    """In DynamoDB's words."""
    if complaint is None:
        assert updated(text, values)["n"] == Decimal("9.9E+125")
        return
    with pytest.raises(ValidationError) as caught:
        updated(text, values)
    assert caught.value.message == complaint


def test_a_sum_has_the_range_of_numbers() -> None:
    with pytest.raises(ValidationError, match="Number overflow"):
        updated("SET n = :v + :v", {":v": Decimal("9.9E+125")})


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), max_size=8), st.sets(st.integers(0, 9), max_size=6), st.sets(st.integers(0, 9)))
def test_elements_of_lists_go_by_the_old_indexes(items: list[int], changed: set[int], removed: set[int]) -> None:
    """Whatever the order in which an update names them."""
    changed = changed - removed
    if not changed and not removed:
        return
    sets = ", ".join(f"l[{n}] = :v" for n in changed)
    removals = ", ".join(f"l[{n}]" for n in removed)
    text = f"{f'SET {sets}' if sets else ''} {f'REMOVE {removals}' if removals else ''}"
    expected = [99 if n in changed else value for n, value in enumerate(items)]
    expected += [99 for n in sorted(changed) if n >= len(items)]
    # what is appended comes to an index that may be named in REMOVE too: it is gone as well
    kept = [value for n, value in enumerate(expected) if n not in removed]
    assert updated(text, {":v": 99} if sets else None, {"l": items})["l"] == kept
