"""Wildcards in plain text and in ARNs, matched in linear time.

There are two ways to compare and they are kept apart. Plain text (actions, StringLike) is one run of characters in
which `*` also swallows colons. An ARN (Resource, ArnLike) is six parts compared one by one, so that `*` never reaches
across one of the first five colons. Source: IAM User Guide, "IAM JSON policy elements: Resource" and "Condition
operators".

A pattern comes from users and may be hostile (`*a*a*a*a*b`), so no regular expression is made of it and nothing is ever
tried twice. Think of the pattern as a row of positions: position p means that p characters of the pattern are matched.
All positions that the text read so far can have reached are the bits of one integer, and each further character of the
text moves all of them at once (Baeza-Yates and Gonnet, "A new approach to text searching", 1992).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from eventbus.iam.context import Context
from eventbus.iam.variables import Fragment, Template

NOTHING = Context({})


@attrs.frozen(eq=False)
class Glob:
    """A text with wildcards: `*` stands for any run of characters, `?` for exactly one."""

    _exact: str | None
    """The whole text, if it has no wildcard."""
    _moves: Mapping[str, int]
    """From which positions a character moves on."""
    _any: int
    """The positions before a `?`, from which every character moves on."""
    _stays: int
    """The positions of a `*`, where every character may be swallowed."""
    _last: int

    @classmethod
    def compile(cls, fragments: Iterable[Fragment]) -> Glob:
        """Compile a pattern from pieces of text, of which the literal ones hold no wildcards."""
        pieces = tuple(fragments)
        if all(piece.is_literal or not ("*" in piece.text or "?" in piece.text) for piece in pieces):
            return cls("".join(piece.text for piece in pieces), {}, 0, 0, 0)
        moves: dict[str, int] = {}
        any_, stays, position = 0, 0, 1
        for piece in pieces:
            for char in piece.text:
                if char == "*" and not piece.is_literal:
                    stays |= position
                    continue
                if char == "?" and not piece.is_literal:
                    any_ |= position
                else:
                    moves[char] = moves.get(char, 0) | position
                position <<= 1
        return cls(None, moves, any_, stays, position)

    @classmethod
    def of(cls, text: str) -> Glob:
        """Compile a plain pattern."""
        return cls.compile((Fragment(text),))

    def matches(self, text: str) -> bool:
        """Whether the whole text fits; looks at each character of it once."""
        if self._exact is not None:
            return text == self._exact
        reached = 1
        for char in text:
            moves = self._moves.get(char, 0) | self._any
            reached = (reached & moves) << 1 | (reached & self._stays)
            if not reached:
                return False
        return bool(reached & self._last)


@attrs.frozen(eq=False)
class TextPattern:
    """Plain text with wildcards and policy variables."""

    _template: Template
    _glob: Glob | None
    """Compiled once, if there are no variables."""

    @classmethod
    def parse(cls, text: str, *, has_variables: bool) -> TextPattern:
        """Compile a pattern; raises ValueError, with the predicate of a sentence, for a malformed variable."""
        template = Template.parse(text, has_variables=has_variables)
        fragments = template.fill(NOTHING) if template.is_constant else None
        return cls(template, None if fragments is None else Glob.compile(fragments))

    def matches(self, text: str, context: Context) -> bool:
        """Whether the whole text fits; a variable without a value fits nothing."""
        if self._glob is not None:
            return self._glob.matches(text)
        fragments = self._template.fill(context)
        return fragments is not None and Glob.compile(fragments).matches(text)


@attrs.frozen(eq=False)
class ArnPattern:
    """An ARN with wildcards, compared part by part; variables may stand after the fifth colon only."""

    _head: tuple[Glob, ...]
    """The five parts before the resource; none if the text has fewer than six parts, which fits nothing."""
    _resource: TextPattern

    @classmethod
    def parse(cls, text: str, *, has_variables: bool) -> ArnPattern:
        """Compile a pattern; raises ValueError, with the predicate of a sentence, for a misplaced variable."""
        *head, resource = text.split(":", 5)
        if len(head) != 5:
            head, resource = [], ""
        if has_variables and "${" in (":".join(head) or text):
            raise ValueError("may hold policy variables only after the fifth colon")
        return cls(tuple(map(Glob.of, head)), TextPattern.parse(resource, has_variables=has_variables))

    def matches(self, arn: str, context: Context) -> bool:
        """Whether an ARN fits; a text with fewer than six parts fits never."""
        *head, resource = arn.split(":", 5)
        if len(head) != 5 or not self._head:
            return False
        parts_fit = all(glob.matches(part) for glob, part in zip(self._head, head, strict=True))
        return parts_fit and self._resource.matches(resource, context)


@attrs.frozen(eq=False)
class ResourcePattern:
    """An entry of Resource or NotResource: an ARN pattern, or `*` for everything."""

    _arn: ArnPattern | None

    @classmethod
    def parse(cls, text: str, *, has_variables: bool) -> ResourcePattern:
        """Compile an entry; raises ValueError, with the predicate of a sentence, if it is none."""
        if text == "*":
            return cls(None)
        parts = text.split(":", 5)
        if len(parts) != 6 or parts[0] != "arn" or not parts[2] or not parts[5]:
            raise ValueError('must be "*" or an ARN, which reads arn:aws:service:region:account:resource')
        if "*" in parts[2] or "?" in parts[2]:
            raise ValueError("must name the service without wildcards")
        return cls(ArnPattern.parse(text, has_variables=has_variables))

    def matches(self, resource: str, context: Context) -> bool:
        return self._arn is None or self._arn.matches(resource, context)


_SERVICE = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_ACTION = _SERVICE | frozenset("_*?")


@attrs.frozen(eq=False)
class ActionPattern:
    """An entry of Action or NotAction, `service:Name` or `*`; upper and lower case are the same."""

    _glob: Glob

    @classmethod
    def parse(cls, text: str) -> ActionPattern:
        """Compile an entry; raises ValueError, with the predicate of a sentence, if it is none."""
        service, colon, name = text.lower().partition(":")
        is_named = service and colon and name and _SERVICE.issuperset(service) and _ACTION.issuperset(name)
        if text != "*" and not is_named:
            raise ValueError('must be "*" or read service:Name, with wildcards in the name only')
        return cls(Glob.of(text.lower()))

    def matches(self, action: str) -> bool:
        """Whether an action fits, which has to be given in lower case."""
        return self._glob.matches(action)
