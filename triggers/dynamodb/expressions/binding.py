"""Trees bound to names and values, and checked as far as no item is needed."""

from __future__ import annotations

import re
from collections.abc import Mapping

from triggers.dynamodb.errors import InvalidExpression
from triggers.dynamodb.expressions.checks import (
    check_assignable,
    check_bounds,
    check_overlap,
    check_type,
    check_type_name,
    invalid,
)
from triggers.dynamodb.expressions.parser import MEASURES
from triggers.dynamodb.expressions.tree import (
    Arithmetic,
    Between,
    Both,
    Call,
    Clause,
    Compare,
    Condition,
    Either,
    In,
    Literal,
    Not,
    Operand,
    Path,
    Projection,
    Reference,
    Update,
)
from triggers.dynamodb.values import SCALARS, AttributeValue, tag_of

_is_alias = re.compile(r"#[A-Za-z0-9_]+").fullmatch
_is_value_name = re.compile(r":[A-Za-z0-9_]+").fullmatch
_TYPE_NAMES = {
    "S": "STRING", "N": "NUMBER", "B": "BINARY", "SS": "STRING_SET", "NS": "NUMBER_SET", "BS": "BINARY_SET",
    "L": "LIST", "M": "MAP", "BOOL": "BOOLEAN", "NULL": "NULL",
}  # fmt: skip
_ALLOWED = {"ADD": ("N", "SS", "NS", "BS"), "DELETE": ("SS", "NS", "BS")}


class Binding:
    """The names and values of one request; remembers which of them its expressions use."""

    def __init__(self, names: Mapping[str, str], values: Mapping[str, AttributeValue]) -> None:
        self._names = names
        self._values = values
        self._used: set[str] = set()

    # -- conditions ---------------------------------------------------------------------------------------------------

    def condition(self, tree: Condition, expression: str) -> Condition:
        """A bound condition. `expression` is what the parameter is called, for errors."""
        match tree:
            case Both(left, right):
                return Both(self.condition(left, expression), self.condition(right, expression))
            case Either(left, right):
                return Either(self.condition(left, expression), self.condition(right, expression))
            case Not(inner):
                return Not(self.condition(inner, expression))
            case Compare(operator, left, right):
                return self._compare(
                    operator, self._operand(left, expression), self._operand(right, expression), expression
                )
            case Between(operand, lower, upper):
                bound = Between(*(self._operand(each, expression) for each in (operand, lower, upper)))
                check_bounds(bound, expression)
                return bound
            case In(operand, options):
                return In(self._operand(operand, expression), tuple(self._operand(o, expression) for o in options))
            case Call():
                return self._call(tree, expression)

    def _compare(self, operator: str, left: Operand, right: Operand, expression: str) -> Compare:
        if isinstance(left, Path) and left == right:
            raise invalid(
                expression,
                "The first operand must be distinct from the remaining operands for this operator or function; "
                f"operator: {operator}, first operand: {left}",
            )
        if operator not in ("=", "<>"):
            for side in (left, right):
                check_type(side, SCALARS, expression, operator, "operator")
        return Compare(operator, left, right)

    def _call(self, call: Call, expression: str) -> Call:
        arguments = tuple(self._operand(argument, expression) for argument in call.arguments)
        name = call.name
        if any(isinstance(argument, Call) and argument.name not in MEASURES for argument in arguments):
            inner = next(a.name for a in arguments if isinstance(a, Call))
            raise invalid(
                expression, f"The function is not allowed to be used this way in an expression; function: {inner}"
            )
        first = arguments[0]
        if name in ("attribute_exists", "attribute_not_exists") and not isinstance(first, Path):
            raise invalid(expression, f"Operator or function requires a document path; operator or function: {name}")
        if name == "begins_with":
            for argument in arguments:
                check_type(argument, ("S", "B"), expression, name)
        if name == "attribute_type":
            check_type_name(arguments[1], expression)
        if name == "size":
            check_type(first, ("S", "B", "SS", "NS", "BS", "L", "M"), expression, name)
        if name == "contains" and isinstance(first, Path) and first == arguments[1]:
            raise invalid(
                expression,
                "The first operand must be distinct from the remaining operands for this operator or function; "
                f"operator: contains, first operand: {first}",
            )
        return Call(name, arguments)

    # -- updates and projections --------------------------------------------------------------------------------------

    def update(self, tree: Update) -> Update:
        """Bound clauses; no two of them touch the same place."""
        clauses = tuple(self._clause(clause) for clause in tree)
        check_overlap([clause.path for clause in clauses], "UpdateExpression")
        return clauses

    def _clause(self, clause: Clause) -> Clause:
        path = self.path(clause.path, "UpdateExpression")
        if clause.operand is None:
            return Clause(clause.verb, path)
        operand = self._operand(clause.operand, "UpdateExpression")
        if clause.verb != "SET":
            assert isinstance(operand, Literal)
            tag = tag_of(operand.value)
            if tag not in _ALLOWED[clause.verb]:
                raise invalid(
                    "UpdateExpression",
                    f"Incorrect operand type for operator or function; operator: {clause.verb}, operand type: "
                    f"{_TYPE_NAMES[tag]}, typeSet: ALLOWED_FOR_{clause.verb}_OPERAND",
                )
        check_assignable(operand)
        return Clause(clause.verb, path, operand)

    def projection(self, tree: Projection) -> Projection:
        """Bound paths; none of them contains another."""
        paths = tuple(self.path(path, "ProjectionExpression") for path in tree)
        check_overlap(paths, "ProjectionExpression")
        return paths

    # -- names and values ---------------------------------------------------------------------------------------------

    def path(self, path: Path, expression: str) -> Path:
        """A path with the names that its aliases stand for."""
        for element in path.elements:
            if element.__class__ is str and element[0] == "#":
                return Path(tuple(self._name(each, expression) for each in path.elements))
        return path

    def _name(self, element: str | int, expression: str) -> str | int:
        if isinstance(element, int) or element[0] != "#":
            return element
        name = self._names.get(element)
        if name is None:
            raise invalid(
                expression,
                "An expression attribute name used in the document path is not defined; attribute name: " + element,
            )
        self._used.add(element)
        return name

    def _operand(self, operand: Operand, expression: str) -> Operand:
        match operand:
            case Path():
                return self.path(operand, expression)
            case Reference(name):
                value = self._values.get(name)
                if value is None:
                    raise invalid(
                        expression,
                        f"An expression attribute value used in expression is not defined; attribute value: {name}",
                    )
                self._used.add(name)
                return Literal(value)
            case Call("if_not_exists" | "list_append" as name, arguments):
                return Call(name, tuple(self._operand(argument, expression) for argument in arguments))
            case Call():
                return self._call(operand, expression)
            case Arithmetic(operator, left, right):
                return Arithmetic(operator, self._operand(left, expression), self._operand(right, expression))
            case _:
                return operand

    def check_all_used(self) -> None:
        """Refuse names and values that no expression of the request mentions."""
        for kind, given in (("Names", self._names), ("Values", self._values)):
            if unused := [name for name in given if name not in self._used]:
                raise InvalidExpression(
                    f"Value provided in ExpressionAttribute{kind} unused in expressions: keys: {{{', '.join(unused)}}}"
                )


def check_names(names: object) -> Mapping[str, str]:
    """`ExpressionAttributeNames` as they may be."""
    if not isinstance(names, Mapping):
        raise InvalidExpression('ExpressionAttributeNames is a mapping such as {"#n": "name"}')
    if not names:
        raise InvalidExpression("ExpressionAttributeNames must not be empty")
    for alias, name in names.items():
        if not isinstance(alias, str) or not _is_alias(alias):
            raise InvalidExpression(f'ExpressionAttributeNames contains invalid key: Syntax error; key: "{alias}"')
        if not isinstance(name, str) or not name:
            raise InvalidExpression(f"ExpressionAttributeNames contains invalid value: {name!r} for key {alias}")
    return names


def check_values(values: object) -> Mapping[str, AttributeValue]:
    """The names of `ExpressionAttributeValues` as they may be; the values are checked elsewhere."""
    if not isinstance(values, Mapping):
        raise InvalidExpression('ExpressionAttributeValues is a mapping such as {":v": {"S": "text"}}')
    if not values:
        raise InvalidExpression("ExpressionAttributeValues must not be empty")
    for name in values:
        if not isinstance(name, str) or not _is_value_name(name):
            raise InvalidExpression(f'ExpressionAttributeValues contains invalid key: Syntax error; key: "{name}"')
    return values
