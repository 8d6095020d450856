"""The Condition element: which values a key of the request must have.

Operators and keys are joined by AND, the values of one key by OR (for a negated operator by NOR). Source: IAM User
Guide, "IAM JSON policy elements: Condition operators" and "Multivalued context keys".
"""

from __future__ import annotations

import enum
from functools import partial
from typing import Protocol

import attrs

from eventbus.errors import MalformedPolicy
from eventbus.iam.context import Context
from eventbus.iam.grammar import compiled, read_list, read_object, read_scalar, shown
from eventbus.iam.operators import OPERATORS, Operator, PolicyValue


class Clause(Protocol):
    """One operator with one key: the smallest part of a Condition that holds or fails."""

    @property
    def key(self) -> str: ...

    def holds(self, context: Context) -> bool:
        """Whether the request satisfies it."""
        ...

    def __str__(self) -> str: ...


class Quantifier(enum.Enum):
    """How an operator treats a key with several values."""

    FOR_ALL_VALUES = "ForAllValues"
    FOR_ANY_VALUE = "ForAnyValue"


@attrs.frozen(eq=False)
class Comparison:
    """An operator, a key and the values that it is compared with."""

    name: str
    key: str
    operator: Operator
    quantifier: Quantifier | None
    if_exists: bool
    values: tuple[PolicyValue, ...]
    texts: tuple[str, ...]

    def holds(self, context: Context) -> bool:
        """Whether the request satisfies it; an empty list of values is satisfied never."""
        if not self.values:
            return False
        requested = context.values(self.key)
        # For the set operators a key whose values are all empty is absent, as AWS writes: "a null data set".
        is_present = any(requested) if self.quantifier else bool(requested)
        if not is_present:
            return self.if_exists or self._holds_if_missing()
        match self.quantifier:
            case Quantifier.FOR_ALL_VALUES:
                return all(self._satisfied_by(value, context) for value in requested)
            case Quantifier.FOR_ANY_VALUE:
                return any(self._satisfied_by(value, context) for value in requested)
        # A key with several values needs a set operator; without one nothing is compared.
        return len(requested) == 1 and self._satisfied_by(requested[0], context)

    def _holds_if_missing(self) -> bool:
        if self.quantifier is None:
            return self.operator.is_negated
        return self.quantifier is Quantifier.FOR_ALL_VALUES

    def _satisfied_by(self, value: str, context: Context) -> bool:
        return any(wanted.accepts(value, context) for wanted in self.values) is not self.operator.is_negated

    def __str__(self) -> str:
        wanted = " or ".join(map(shown, self.texts)) or "nothing"
        return f"{self.name} {self.key} wants {wanted}"


@attrs.frozen(eq=False)
class Presence:
    """The operator Null: `"true"` wants the key to be absent, `"false"` wants it to be there."""

    key: str
    wants_absence: frozenset[bool]

    def holds(self, context: Context) -> bool:
        return (not any(context.values(self.key))) in self.wants_absence

    def __str__(self) -> str:
        wanted = " or ".join("absence" if absence else "presence" for absence in sorted(self.wants_absence))
        return f"Null {self.key} wants {wanted or 'nothing'}"


def parse_condition(value: object, where: str, *, has_variables: bool) -> tuple[Clause, ...]:
    """Compile a Condition element; `has_variables` says whether the policy's version knows policy variables.

    Raises MalformedPolicy.
    """
    clauses: list[Clause] = []
    for name, keys in read_object(value, where).items():
        _check_operator(name, where)
        for key, values in read_object(keys, f"{where}.{name}").items():
            clauses.append(_parse_clause(name, key, values, f"{where}.{name}.{key}", has_variables))
    return tuple(clauses)


def _split(name: str) -> tuple[str, str, bool]:
    """Split `ForAllValues:StringLikeIfExists` into quantifier, operator and whether there is an IfExists."""
    prefix, colon, rest = name.rpartition(":")
    base = rest.removesuffix("IfExists")
    return prefix + colon, base, base != rest


_PREFIXES = {"": None} | {f"{quantifier.value}:": quantifier for quantifier in Quantifier}


def _check_operator(name: str, where: str) -> None:
    prefix, base, _ = _split(name)
    if name != "Null" and (prefix not in _PREFIXES or base not in OPERATORS):
        raise MalformedPolicy(
            f"{where} has the unknown operator {shown(name)}; operators are written as in StringEquals, "
            "ForAnyValue:StringLike or NumericLessThanIfExists"
        )


def _parse_clause(name: str, key: str, value: object, where: str, has_variables: bool) -> Clause:
    if not key.strip():
        raise MalformedPolicy(f"{where} must name a condition key")
    entries = [(place, read_scalar(entry, place)) for place, entry in read_list(value, where)]
    if name == "Null":
        return Presence(key, frozenset(_read_absence(text, place) for place, text in entries))
    prefix, base, if_exists = _split(name)
    operator = OPERATORS[base]
    compile_ = partial(operator.compile, has_variables=has_variables)
    values = tuple(compiled(compile_, text, place) for place, text in entries)
    return Comparison(name, key, operator, _PREFIXES[prefix], if_exists, values, tuple(text for _, text in entries))


def _read_absence(text: str, where: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise MalformedPolicy(f'{where} must be "true" or "false", not {shown(text)}')
    return text.lower() == "true"
