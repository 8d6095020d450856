"""Policy variables: `${key}`, `${key, 'default'}` and the literal characters `${*}`, `${?}`, `${$}`.

Source: IAM User Guide, "IAM policy elements: Variables and tags". Variables exist in Version 2012-10-17 only; in an
older policy `${` is plain text. What a variable puts into a pattern is literal: a tag with the value `*` opens nothing
but what is called `*`.
"""

from __future__ import annotations

import attrs

from eventbus.iam.context import Context

_LITERALS = frozenset("*?$")


@attrs.frozen
class Fragment:
    """A piece of text; its wildcards mean themselves if `is_literal`."""

    text: str
    is_literal: bool = False


@attrs.frozen
class Variable:
    """A condition key whose value is put in, with the default for a request that lacks it."""

    key: str
    default: str | None = None

    @classmethod
    def parse(cls, body: str) -> Variable:
        """Read what stands between the braces; raises ValueError if that is no variable."""
        key, comma, rest = body.partition(",")
        key, rest = key.strip(), rest.strip()
        if not key or any(char in "${'\"" for char in key):
            raise ValueError(f"holds ${{{_shortened(body)}}}, which names no condition key")
        if not comma:
            return cls(key)
        if len(rest) < 2 or rest[0] != "'" or rest[-1] != "'":
            raise ValueError(f"must put the default of ${{{_shortened(key)}}} in single quotes")
        return cls(key, rest[1:-1])


@attrs.frozen
class Template:
    """A text with variables, taken apart once and filled for each request."""

    _parts: tuple[Fragment | Variable, ...]

    @classmethod
    def parse(cls, text: str, *, has_variables: bool) -> Template:
        """Take a text apart; with `has_variables=False` it stays as it is.

        Raises ValueError, with the predicate of a sentence, if a variable isn't well formed.
        """
        if not has_variables:
            return cls((Fragment(text),))
        parts: list[Fragment | Variable] = []
        position = 0
        while (start := text.find("${", position)) >= 0:
            end = text.find("}", start)
            if end < 0:
                raise ValueError("holds a ${ without its }")
            parts.append(Fragment(text[position:start]))
            body = text[start + 2 : end]
            parts.append(Fragment(body, is_literal=True) if body in _LITERALS else Variable.parse(body))
            position = end + 1
        return cls((*parts, Fragment(text[position:])))

    @property
    def is_constant(self) -> bool:
        """Whether it is the same for every request."""
        return not any(isinstance(part, Variable) for part in self._parts)

    def fill(self, context: Context) -> tuple[Fragment, ...] | None:
        """Put the values of the request in; None if a variable has neither value nor default."""
        filled: list[Fragment] = []
        for part in self._parts:
            if isinstance(part, Fragment):
                filled.append(part)
                continue
            value = context.single(part.key)
            value = part.default if value is None else value
            if value is None:
                return None
            filled.append(Fragment(value, is_literal=True))
        return tuple(filled)


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else text[:60] + "..."
