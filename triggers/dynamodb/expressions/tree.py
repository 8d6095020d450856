"""What an expression is made of. From the parser, paths hold `#aliases` and values are `:names`; bound, neither."""

from __future__ import annotations

from typing import TypeAlias

import attrs

from triggers.dynamodb.values import AttributeValue

PathElements: TypeAlias = "tuple[str | int, ...]"


@attrs.frozen
class Path:
    """A document path: a name, then names and list indexes."""

    elements: PathElements

    def __str__(self) -> str:
        return f"[{', '.join(f'[{e}]' if isinstance(e, int) else e for e in self.elements)}]"


@attrs.frozen
class Reference:
    """`:value`, not bound yet."""

    name: str


@attrs.frozen(eq=False)
class Literal:
    """A bound value."""

    value: AttributeValue


@attrs.frozen
class Call:
    """A function with its arguments."""

    name: str
    arguments: tuple[Operand, ...]


@attrs.frozen
class Arithmetic:
    """A sum or a difference, in SET."""

    operator: str
    left: Operand
    right: Operand


Operand: TypeAlias = "Path | Reference | Literal | Call | Arithmetic"


@attrs.frozen
class Compare:
    """`=`, `<>`, `<`, `<=`, `>`, `>=`"""

    operator: str
    left: Operand
    right: Operand


@attrs.frozen
class Between:
    operand: Operand
    lower: Operand
    upper: Operand


@attrs.frozen
class In:
    operand: Operand
    options: tuple[Operand, ...]


@attrs.frozen
class Not:
    inner: Condition


@attrs.frozen
class Both:
    """AND"""

    left: Condition
    right: Condition


@attrs.frozen
class Either:
    """OR"""

    left: Condition
    right: Condition


Condition: TypeAlias = "Compare | Between | In | Call | Not | Both | Either"


@attrs.frozen
class Clause:
    """One action of an update: `verb` is SET, REMOVE, ADD or DELETE; REMOVE has no operand."""

    verb: str
    path: Path
    operand: Operand | None = None


Update: TypeAlias = "tuple[Clause, ...]"
Projection: TypeAlias = "tuple[Path, ...]"
