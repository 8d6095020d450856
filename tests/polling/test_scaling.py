"""How many batches of a queue are under way at once: five, then 300 more a minute, to 1,250."""

from __future__ import annotations

import pytest

from triggers.polling.scaling import Scaling


@pytest.mark.parametrize(("after", "limit"), [(0, 5), (0.2, 6), (1, 10), (60, 305), (249, 1250), (900, 1250)])
def test_the_limit_grows_while_messages_are_left(after: float, limit: int) -> None:
    """By five a second."""
    scaling = Scaling(None, is_fifo=False)
    scaling.saturated(1000.0)
    assert scaling.limit(1000.0 + after) == limit


def test_an_empty_queue_brings_it_back() -> None:
    """To five."""
    scaling = Scaling(None, is_fifo=False)
    scaling.saturated(0)
    scaling.drained()
    assert scaling.limit(60) == 5


def test_it_says_when_to_look_again() -> None:
    """At the instant at which one more may begin; never, at the ceiling."""
    scaling = Scaling(6, is_fifo=False)
    again = scaling.saturated(10.0)
    assert again is not None
    assert (scaling.limit(again - 0.01), scaling.limit(again)) == (5, 6)
    assert scaling.saturated(again) is None


def test_a_cap_below_five_holds_from_the_beginning() -> None:
    """And a FIFO queue knows no other limit than the cap."""
    assert Scaling(2, is_fifo=False).limit(0) == 2
    assert Scaling(7, is_fifo=True).limit(0) == 7
    assert Scaling(None, is_fifo=True).limit(0) == 1250
