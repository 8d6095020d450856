"""Expression texts as tokens."""

from __future__ import annotations

import re

import attrs

from triggers.dynamodb.errors import InvalidExpression
from triggers.dynamodb.expressions.reserved import RESERVED

MAX_LENGTH = 4096
"""Bytes of an expression (DynamoDB quotas)."""
MAX_OPERATORS = 300
"""Operators and functions of an expression (DynamoDB quotas)."""

_TOKEN = re.compile(
    r"[ \t\r\n\f]*(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<alias>\#[A-Za-z0-9_]+)|(?P<value>:[A-Za-z0-9_]+)"
    r"|(?P<index>[0-9]+)|(?P<symbol><>|<=|>=|[=<>()\[\],.+\-])|(?P<wrong>\S))"
)


@attrs.frozen
class Token:
    """`kind` is name, alias, value, index, symbol or end."""

    kind: str
    text: str

    @property
    def word(self) -> str:
        """The upper-case word, for what may be a keyword; empty for anything else."""
        return self.text.upper() if self.kind == "name" else ""


END = Token("end", "<EOF>")


class Tokens:
    """The tokens of one expression; `expression` is what the parameter is called: `ConditionExpression`."""

    def __init__(self, text: str, expression: str) -> None:
        self.expression = expression
        if not isinstance(text, str):
            raise InvalidExpression(f"{expression} is a text, and {text!r} is not")
        if not text.strip():
            raise self.invalid("The expression can not be empty;")
        length = len(text.encode("utf-8", "replace"))
        if length > MAX_LENGTH:
            size = f"expression size: {length}"
            raise self.invalid(f"Expression size has exceeded the maximum allowed size; {size}")
        self._tokens: list[Token] = []
        self._at = 0
        self._operators = 0
        for match in _TOKEN.finditer(text):
            kind = str(match.lastgroup)
            self._tokens.append(Token(kind, match[kind]))
            if kind == "wrong":
                self._at = len(self._tokens) - 1
                raise self.syntax_error()

    def invalid(self, reason: str) -> InvalidExpression:
        """An error in this expression."""
        return InvalidExpression(f"Invalid {self.expression}: {reason}")

    @property
    def next(self) -> Token:
        """The token that comes next; it stays."""
        return self._tokens[self._at] if self._at < len(self._tokens) else END

    def take(self) -> Token:
        """The token that comes next, taken."""
        token = self.next
        self._at += 1
        return token

    def has(self, text: str) -> bool:
        """Take a symbol or a keyword if it comes next."""
        token = self.next
        found = token.text == text if token.kind == "symbol" else token.word == text
        if found:
            self._at += 1
        return found

    def expect(self, text: str) -> None:
        """Take this symbol or keyword, or refuse the expression."""
        if not self.has(text):
            raise self.syntax_error()

    def count_operator(self) -> None:
        """One more operator or function, or one too many."""
        self._operators += 1
        if self._operators > MAX_OPERATORS:
            raise self.invalid(
                f"The expression contains too many operators; operator count: {self._operators}, "
                f"the limit is {MAX_OPERATORS}"
            )

    def followed_by_parenthesis(self) -> bool:
        """Whether the token after the next one opens a parenthesis: the next one is a function's name."""
        behind = self._at + 1
        return behind < len(self._tokens) and self._tokens[behind].text == "("

    def syntax_error(self) -> InvalidExpression:
        """The token that comes next cannot stand where it stands."""
        near = " ".join(token.text for token in self._tokens[max(0, self._at - 1) : self._at + 2])
        return self.invalid(f'Syntax error; token: "{self.next.text}", near: "{near}"')

    def checked_name(self, name: str) -> str:
        """A name that is written out; refuses reserved words."""
        if name.upper() in RESERVED:
            raise InvalidExpression(
                f"Invalid {self.expression}: Attribute name is a reserved keyword; reserved keyword: {name}",
                mend=f'write "#{name}" and pass names={{"#{name}": "{name}"}}',
            )
        return name
