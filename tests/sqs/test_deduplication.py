"""Five minutes of memory, shared by FIFO queues and FIFO topics."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from triggers.deduplication import WINDOW, Deduplication, content_id


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 200)), max_size=40))
def test_what_was_seen_within_five_minutes_is_known_and_nothing_else(steps: list[tuple[str, int]]) -> None:
    memory: Deduplication[int] = Deduplication()
    first: dict[str, tuple[float, int]] = {}
    now = 0.0
    for number, (key, seconds) in enumerate(steps):
        now += seconds
        at, value = first.get(key, (-WINDOW, -1))
        known = memory.find((None, key), now)
        assert known == (value if now - at < WINDOW else None)
        if known is None:
            memory.remember((None, key), number, now)
            first[key] = (now, number)
        assert len(memory) <= len(first)


def test_the_memory_does_not_grow() -> None:
    memory: Deduplication[None] = Deduplication()
    for second in range(1000):
        memory.remember((None, str(second)), None, float(second))
    assert len(memory) == WINDOW


def test_content_is_told_apart_by_its_sha_256() -> None:
    assert content_id("é") == hashlib.sha256("é".encode()).hexdigest()
