"""Output becomes log events, however it comes in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventbus.execution.sandbox.lines import LINE_LIMIT, Lines


def cut(*pieces: bytes) -> list[str]:
    lines = Lines()
    found = [line for piece in pieces for line in lines.feed(piece)]
    return [*found, *lines.flush()]


@pytest.mark.parametrize(
    ("pieces", "events"),
    [
        ([b"one\ntwo\n"], ["one\n", "two\n"]),
        ([b"on", b"e\ntw", b"o"], ["one\n", "two"]),
        ([b"\n\n"], ["\n", "\n"]),
        ([b"first\rsecond\n"], ["first\nsecond\n"]),
        ([b"dos\r\n"], ["dos\n"]),
        (["gr\u00fcn\n".encode()[:3], "gr\u00fcn\n".encode()[3:]], ["gr\u00fcn\n"]),
        ([b"\xff\n"], ["\ufffd\n"]),
        ([b"\xc3"], ["\ufffd"]),
        ([], []),
    ],
)
def test_a_line_is_an_event(pieces: list[bytes], events: list[str]) -> None:
    """Carriage returns within one are line ends again, bytes that are no UTF-8 are marked."""
    assert cut(*pieces) == events


def test_a_long_line_becomes_several_events() -> None:
    """Of at most 256 K characters."""
    assert [len(line) for line in cut(b"x" * (2 * LINE_LIMIT + 10) + b"\n")] == [LINE_LIMIT, LINE_LIMIT, 11]


@given(st.lists(st.sampled_from([b"a", b"\n", b"\r", b"\xc3", b"\xa4", b"\xff", b"\xf0\x9f"])), st.integers(1, 5))
def test_it_makes_no_difference_how_the_bytes_come_in(parts: list[bytes], size: int) -> None:
    """In one piece or in many."""
    data = b"".join(parts)
    assert cut(*(data[at : at + size] for at in range(0, len(data), size))) == cut(data)
