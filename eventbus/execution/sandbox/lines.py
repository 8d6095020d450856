"""Output of a process, as log events: one for each line; pure.

A runtime that has no better way writes a text of several lines as one, joined with carriage returns; in the log they
are lines again.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator

LINE_LIMIT = 262_144
"""Characters of one log event; what is longer becomes several."""


class Lines:
    """Cuts what comes in pieces into lines. Bytes that are no UTF-8 become U+FFFD."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._parts: list[str] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[str]:
        """Every line that is complete now, with its end."""
        *lines, rest = self._decoder.decode(data).split("\n")
        for line in lines:
            yield from self._take(line)
            yield f"{self._left()}\n"
        yield from self._take(rest)

    def flush(self) -> Iterator[str]:
        """What is left without an end."""
        yield from self._take(self._decoder.decode(b"", final=True))
        self._decoder.reset()
        if self._parts:
            yield self._left()

    def _take(self, text: str) -> Iterator[str]:
        """Keep a piece of a line, and give out what exceeds the limit of one event."""
        while self._size + len(text) > LINE_LIMIT:
            room = LINE_LIMIT - self._size
            self._parts.append(text[:room])
            text = text[room:]
            yield self._left()
        if text:
            self._parts.append(text)
            self._size += len(text)

    def _left(self) -> str:
        line = "".join(self._parts).removesuffix("\r").replace("\r", "\n")
        self._parts, self._size = [], 0
        return line
