"""Identifiers: seeded, so that runs repeat; cheap to draw; formatted only when somebody looks.

A request id is a counter until it is shown. Showing it mixes the counter with the bus's own 128-bit key and writes the
result as the UUID that AWS would show.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

_MASK = (1 << 128) - 1
_ODD = 0x9E3779B97F4A7C15F39CC0605CEDC835  # 2^128 / golden ratio, odd: multiplying by it is a bijection on 128 bits


def as_uuid(number: int) -> str:
    """A 128-bit number in the form of a version 4 UUID."""
    text = f"{number & _MASK:032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{'89ab'[int(text[16], 16) & 3]}{text[17:20]}-{text[20:]}"


class Ids:
    """Every identifier of one bus, drawn from one seeded generator."""

    def __init__(self, seed: int | None) -> None:
        self._random = random.Random(seed)
        self._streams = random.Random(None if seed is None else f"log streams {seed}")
        """For log streams alone, which are named when somebody looks: to look must not change what follows."""
        self.key = self._random.getrandbits(128)
        """What request ids are mixed with; a store keeps it, so that they stay the same after a restart."""

    def begin_again(self, times: int) -> None:
        """Draw other identifiers than the buses before this one that had the same seed and the same store."""
        self._random.seed(f"{self.key} {times}")
        self._streams.seed(f"log streams {self.key} {times}")

    @contextmanager
    def drawn_from(self, seed: str) -> Iterator[None]:
        """Within the block, draw from a generator of its own: what is done again draws the same again."""
        before, self._random = self._random, random.Random(seed)
        try:
            yield
        finally:
            self._random = before

    def request_id(self, number: int) -> str:
        """The request id of the event with this number; the same number always gives the same id."""
        return as_uuid(((number + 1) * _ODD) ^ self.key)

    def uuid(self) -> str:
        """A fresh random UUID."""
        return as_uuid(self._random.getrandbits(128))

    def chance(self) -> float:
        """A fresh random number from 0 up to, but not, 1."""
        return self._random.random()

    def derived(self, text: str) -> str:
        """A UUID that is always the same for the same text: one that needs not be remembered."""
        digest = hashlib.sha256(f"{self.key} {text}".encode()).digest()
        return as_uuid(int.from_bytes(digest[:16]))

    def hex(self, digits: int) -> str:
        """A fresh random number of so many upper-case hexadecimal digits."""
        return f"{self._random.getrandbits(4 * digits):0{digits}X}"

    def log_stream(self) -> str:
        """A fresh random number of 32 hexadecimal digits, as a log stream's name ends in one."""
        return f"{self._streams.getrandbits(128):032x}"

    def text(self, length: int, alphabet: str) -> str:
        """A fresh random text over an alphabet."""
        return "".join(self._random.choices(alphabet, k=length))
