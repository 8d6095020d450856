"""What can be said against a bound expression without an item: types of values, bounds, overlapping paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from triggers.dynamodb.errors import InvalidExpression
from triggers.dynamodb.expressions.tree import Arithmetic, Between, Call, Literal, Operand, Path
from triggers.dynamodb.values import SCALARS, TYPES, AttributeValue, tag_of


def check_overlap(paths: Iterable[Path], expression: str) -> None:
    """Refuse paths of which one contains the other, or that need the same place to be a list and a map."""
    seen: list[Path] = []
    for path in paths:
        for other in seen:
            _check_pair(other, path, expression)
        seen.append(path)


def _check_pair(one: Path, two: Path, expression: str) -> None:
    for left, right in zip(one.elements, two.elements, strict=False):
        if left != right:
            if isinstance(left, int) != isinstance(right, int):
                raise _pair("conflict", one, two, expression)
            return
    raise _pair("overlap", one, two, expression)


def _pair(how: str, one: Path, two: Path, expression: str) -> InvalidExpression:
    return invalid(
        expression,
        f"Two document paths {how} with each other; must remove or rewrite one of these paths; "
        f"path one: {one}, path two: {two}",
    )


def invalid(expression: str, reason: str) -> InvalidExpression:
    """An error in an expression: `expression` is what its parameter is called."""
    return InvalidExpression(f"Invalid {expression}: {reason}")


def check_type(
    operand: Operand, allowed: tuple[str, ...], expression: str, name: str, what: str = "operator or function"
) -> None:
    """Refuse a value of a type that the operator or function never takes."""
    if isinstance(operand, Literal) and tag_of(operand.value) not in allowed:
        raise invalid(
            expression,
            f"Incorrect operand type for operator or function; {what}: {name}, operand type: {tag_of(operand.value)}",
        )


def check_type_name(operand: Operand, expression: str) -> None:
    """Refuse what is no type's name, in `attribute_type`."""
    check_type(operand, ("S",), expression, "attribute_type")
    if not isinstance(operand, Literal):
        raise invalid(
            expression,
            "Incorrect operand type for operator or function; operator or function: attribute_type, operand type: PATH",
        )
    if operand.value["S"] not in TYPES:
        raise invalid(
            expression,
            f"Invalid attribute type name found; type: {operand.value['S']}, valid types: {{{','.join(TYPES)}}}",
        )


def check_bounds(between: Between, expression: str) -> None:
    """Refuse bounds of different types, or in the wrong order."""
    for side in (between.operand, between.lower, between.upper):
        check_type(side, SCALARS, expression, "BETWEEN")
    lower, upper = between.lower, between.upper
    if not (isinstance(lower, Literal) and isinstance(upper, Literal)):
        return
    tag = tag_of(lower.value)
    operands = f"lower bound operand: {_shown(lower.value)}, upper bound operand: {_shown(upper.value)}"
    if tag != tag_of(upper.value):
        raise invalid(
            expression, f"The BETWEEN operator requires same data type for lower and upper bounds; {operands}"
        )
    order: Callable[[str], object] = Decimal if tag == "N" else lambda content: content
    if order(lower.value[tag]) > order(upper.value[tag]):  # type: ignore[operator]
        raise invalid(
            expression,
            f"The BETWEEN operator requires upper bound to be greater than or equal to lower bound; {operands}",
        )


def _shown(value: AttributeValue) -> str:
    return f"AttributeValue: {{{tag_of(value)}:{next(iter(value.values()))}}}"


def check_assignable(operand: Operand) -> None:
    """What SET computes with: types that can be known without an item."""
    match operand:
        case Arithmetic(operator, left, right):
            for side in (left, right):
                check_type(side, ("N",), "UpdateExpression", operator)
                check_assignable(side)
        case Call("list_append", arguments):
            for argument in arguments:
                check_type(argument, ("L",), "UpdateExpression", "list_append")
                check_assignable(argument)
        case Call("if_not_exists", (first, second)):
            if not isinstance(first, Path):
                raise invalid(
                    "UpdateExpression",
                    "Operator or function requires a document path; operator or function: if_not_exists",
                )
            check_assignable(second)
