"""The `wildcard` operator: `*` stands for any run of characters, `\\*` and `\\\\` for themselves.

A wildcard is kept as the literal pieces between its stars. The first piece must begin the value, the last must end it,
and each piece between is taken at its leftmost place after the one before. Taking the leftmost place never loses a
match, because a later star can always swallow more; so nothing is ever tried twice and the work is linear in the value.
No regular expression is ever made of a user's text.
"""

from __future__ import annotations

import attrs

from triggers.patterns.errors import InvalidPattern


@attrs.frozen
class Wildcard:
    """A wildcard pattern, as the literal `pieces` around its stars (one piece: no star at all)."""

    pieces: tuple[str, ...]

    @property
    def stars(self) -> int:
        return len(self.pieces) - 1

    def accepts(self, value: object) -> bool:
        if not isinstance(value, str):
            return False
        first, last = self.pieces[0], self.pieces[-1]
        if len(self.pieces) == 1:
            return value == first
        end = len(value) - len(last)
        position = len(first)
        # The ends may not overlap: "ab*bc" needs both of its b's.
        if position > end or not value.startswith(first) or not value.endswith(last):
            return False
        for piece in self.pieces[1:-1]:
            found = value.find(piece, position, end)
            if found < 0:
                return False
            position = found + len(piece)
        return True


def parse_wildcard(text: str) -> Wildcard:
    """Split `text` at its stars, or raise InvalidPattern in Event Ruler's words.

    Event Ruler counts positions in the UTF-8 bytes of the quoted text, so the first character stands at 1.
    """
    pieces: list[str] = []
    piece: list[str] = []
    characters = iter(enumerate(text))
    for position, character in characters:
        following = text[position + 1 : position + 2]
        if character == "*":
            if following == "*":
                raise InvalidPattern(f"Consecutive wildcard characters at pos {_byte_position(text, position)}")
            pieces.append("".join(piece))
            piece.clear()
        elif character == "\\":
            if following not in ("*", "\\"):
                raise InvalidPattern(f"Invalid escape character at pos {_byte_position(text, position)}")
            piece.append(following)
            next(characters)
        else:
            piece.append(character)
    return Wildcard((*pieces, "".join(piece)))


def _byte_position(text: str, position: int) -> int:
    return len(text[:position].encode(errors="surrogatepass")) + 1
