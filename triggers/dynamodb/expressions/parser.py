"""Texts of expressions as trees. Trees depend on the text alone, so each text is parsed once."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from triggers.dynamodb.expressions.lexer import Tokens
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
    Not,
    Operand,
    Path,
    Projection,
    Reference,
    Update,
)

COMPARATORS = ("=", "<>", "<", "<=", ">", ">=")
CONDITIONS = {"attribute_exists": 1, "attribute_not_exists": 1, "attribute_type": 2, "begins_with": 2, "contains": 2}
"""Functions that are conditions, with the number of their arguments."""
MEASURES = {"size": 1}
ASSIGNABLE = {"if_not_exists": 2, "list_append": 2}
"""Functions of update expressions."""
_ALL = {**CONDITIONS, **MEASURES, **ASSIGNABLE}
_MAX_OPTIONS = 100
_VERBS = ("SET", "REMOVE", "ADD", "DELETE")
_OR, _AND, _NOT = 0, 1, 2


@lru_cache(maxsize=2048)
def parse_condition(text: str, expression: str) -> Condition:
    """A condition, a filter or a key condition."""
    tokens = Tokens(text, expression)
    found = _condition(tokens, _OR)
    if tokens.next.kind != "end" or not _is_condition(found):
        raise tokens.syntax_error()
    return found  # type: ignore[return-value]


@lru_cache(maxsize=2048)
def parse_projection(text: str) -> Projection:
    """The paths of a projection."""
    tokens = Tokens(text, "ProjectionExpression")
    paths = [_path(tokens)]
    while tokens.has(","):
        paths.append(_path(tokens))
    if tokens.next.kind != "end":
        raise tokens.syntax_error()
    return tuple(paths)


@lru_cache(maxsize=2048)
def parse_update(text: str) -> Update:
    """The clauses of an update, in the order of the text."""
    tokens = Tokens(text, "UpdateExpression")
    clauses: list[Clause] = []
    seen: set[str] = set()
    while tokens.next.kind != "end":
        verb = tokens.next.word
        if verb not in _VERBS:
            raise tokens.syntax_error()
        if verb in seen:
            raise tokens.invalid(f'The "{verb}" section can only be used once in an update expression;')
        seen.add(verb)
        tokens.take()
        clauses.append(_clause(tokens, verb))
        while tokens.has(","):
            clauses.append(_clause(tokens, verb))
    return tuple(clauses)


# -- conditions -------------------------------------------------------------------------------------------------------


def _condition(tokens: Tokens, floor: int) -> Condition | Operand:
    """Everything that binds at least as tightly as `floor`: one frame of the stack for each parenthesis and NOT."""
    found: Condition | Operand
    if tokens.has("NOT"):
        tokens.count_operator()
        found = Not(_must_hold(tokens, _condition(tokens, _NOT)))
    elif tokens.has("("):
        tokens.count_operator()
        found = _condition(tokens, _OR)
        tokens.expect(")")
    else:
        found = _operand(tokens, _condition_function)
    if not _is_condition(found):
        found = _comparison(tokens, found)  # type: ignore[arg-type]
    while True:
        if floor <= _AND and tokens.has("AND"):
            tokens.count_operator()
            left = _must_hold(tokens, found)
            found = Both(left, _must_hold(tokens, _condition(tokens, _NOT)))
        elif floor <= _OR and tokens.has("OR"):
            tokens.count_operator()
            left = _must_hold(tokens, found)
            found = Either(left, _must_hold(tokens, _condition(tokens, _AND)))
        else:
            return found


def _comparison(tokens: Tokens, left: Operand) -> Condition | Operand:
    """What an operand is compared with; the operand itself if with nothing."""
    token = tokens.next
    if token.kind == "symbol" and token.text in COMPARATORS:
        tokens.count_operator()
        tokens.take()
        return Compare(token.text, left, _operand(tokens, _condition_function))
    if tokens.has("BETWEEN"):
        tokens.count_operator()
        lower = _operand(tokens, _condition_function)
        tokens.expect("AND")
        return Between(left, lower, _operand(tokens, _condition_function))
    if tokens.has("IN"):
        tokens.count_operator()
        tokens.expect("(")
        options = [_operand(tokens, _condition_function)]
        while tokens.has(","):
            options.append(_operand(tokens, _condition_function))
        tokens.expect(")")
        if len(options) > _MAX_OPTIONS:
            raise tokens.invalid(
                "Incorrect number of operands for operator or function; operator or function: IN, "
                f"number of operands: {len(options) + 1}"
            )
        return In(left, tuple(options))
    return left


def _must_hold(tokens: Tokens, found: Condition | Operand) -> Condition:
    if not _is_condition(found):
        raise tokens.syntax_error()
    return found  # type: ignore[return-value]


def _is_condition(found: Condition | Operand) -> bool:
    if isinstance(found, Call):
        return found.name in CONDITIONS
    return not isinstance(found, Path | Reference | Arithmetic)


def _condition_function(tokens: Tokens, name: str) -> None:
    if name in ASSIGNABLE:
        raise tokens.invalid(f"The function is not allowed in a condition expression; function: {name}")


# -- updates ----------------------------------------------------------------------------------------------------------


def _clause(tokens: Tokens, verb: str) -> Clause:
    path = _path(tokens)
    if verb == "REMOVE":
        return Clause(verb, path)
    if verb != "SET":
        if tokens.next.kind != "value":
            raise tokens.syntax_error()
        return Clause(verb, path, Reference(tokens.take().text))
    tokens.expect("=")
    tokens.count_operator()
    return Clause(verb, path, _sum(tokens))


def _sum(tokens: Tokens) -> Operand:
    left = _summand(tokens)
    token = tokens.next
    if token.kind == "symbol" and token.text in ("+", "-"):
        tokens.count_operator()
        tokens.take()
        return Arithmetic(token.text, left, _summand(tokens))
    return left


def _summand(tokens: Tokens) -> Operand:
    if tokens.has("("):
        tokens.count_operator()
        found = _sum(tokens)
        tokens.expect(")")
        return found
    return _operand(tokens, _update_function)


def _update_function(tokens: Tokens, name: str) -> None:
    if name not in ASSIGNABLE:
        raise tokens.invalid(f"The function is not allowed in an update expression; function: {name}")


# -- both -------------------------------------------------------------------------------------------------------------


def _operand(tokens: Tokens, check_function: Callable[[Tokens, str], None]) -> Operand:
    token = tokens.next
    if token.kind == "value":
        return Reference(tokens.take().text)
    if token.kind == "name" and tokens.followed_by_parenthesis():
        return _call(tokens, check_function)
    return _path(tokens)


def _call(tokens: Tokens, check_function: Callable[[Tokens, str], None]) -> Call:
    name = tokens.take().text
    if name not in _ALL:
        raise tokens.invalid(f"Invalid function name; function: {name}")
    check_function(tokens, name)
    tokens.count_operator()
    tokens.expect("(")
    arguments = [_operand(tokens, check_function)]
    while tokens.has(","):
        arguments.append(_operand(tokens, check_function))
    tokens.expect(")")
    if len(arguments) != _ALL[name]:
        raise tokens.invalid(
            "Incorrect number of operands for operator or function; operator or function: "
            f"{name}, number of operands: {len(arguments)}"
        )
    return Call(name, tuple(arguments))


def _path(tokens: Tokens) -> Path:
    elements: list[str | int] = [_name(tokens)]
    while True:
        if tokens.has("."):
            elements.append(_name(tokens))
        elif tokens.has("["):
            if tokens.next.kind != "index":
                raise tokens.syntax_error()
            text = tokens.take().text
            if len(text) > 9:
                raise tokens.invalid(f"List index is not within the allowable range; index: [{text}]")
            elements.append(int(text))
            tokens.expect("]")
        else:
            return Path(tuple(elements))


def _name(tokens: Tokens) -> str:
    token = tokens.next
    if token.kind == "alias":
        return tokens.take().text
    if token.kind != "name":
        raise tokens.syntax_error()
    name = tokens.checked_name(token.text)
    tokens.take()
    return name
