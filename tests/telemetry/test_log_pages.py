"""Pages of log events: whatever their sizes, they hold every event once, in both directions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eventbus.telemetry.log_event import LogEvent, milliseconds
from eventbus.telemetry.log_pages import MOST_BYTES, numbered, page_of_group, page_of_stream

INSTANTS = st.lists(st.integers(0, 20).map(lambda n: 1_767_225_600 + n / 1000), max_size=30).map(sorted)
SIZES = st.integers(1, 7)


def events(instants: list[float]) -> list[LogEvent]:
    return [LogEvent(at, "s", f"{n}", "") for n, at in enumerate(instants)]


@given(INSTANTS)
def test_numbers_grow_and_so_do_the_texts_that_stand_for_them(instants: list[float]) -> None:
    ids = [one.event_id for one in numbered(events(instants))]
    assert ids == sorted(set(ids))


@given(INSTANTS, SIZES)
def test_forward_pages_are_the_stream(instants: list[float], size: int) -> None:
    chosen, token, seen = numbered(events(instants)), None, list[LogEvent]()
    while True:
        page = page_of_stream(chosen, token, size, from_head=True)
        if page.next_forward_token == token:
            break
        seen += page.events
        token = page.next_forward_token
    assert seen == events(instants)


@given(INSTANTS, SIZES)
def test_backward_pages_are_the_stream_from_its_end(instants: list[float], size: int) -> None:
    chosen, token, seen = numbered(events(instants)), None, list[LogEvent]()
    while True:
        page = page_of_stream(chosen, token, size, from_head=False)
        if page.next_backward_token == token:
            break
        seen = page.events + seen
        token = page.next_backward_token
    assert seen == events(instants)


@given(INSTANTS, SIZES)
def test_pages_of_a_search_end(instants: list[float], size: int) -> None:
    chosen, token, seen = numbered(events(instants)), None, list[LogEvent]()
    while True:
        page = page_of_group(chosen, token, size)
        seen += [one.event for one in page.events]
        token = page.next_token
        if token is None:
            break
    assert seen == events(instants)


@given(INSTANTS.filter(bool), st.integers(0, 29))
def test_a_token_holds_when_the_oldest_events_are_forgotten(instants: list[float], forgotten: int) -> None:
    every = events(instants)
    chosen = numbered(every)
    first = page_of_stream(chosen, None, 1, from_head=True)
    rest = page_of_stream(chosen[min(forgotten, len(chosen) - 1) :], first.next_forward_token, 50, from_head=True)
    assert rest.events == every[max(1, min(forgotten, len(every) - 1)) :]


def test_a_page_has_a_megabyte_at_most_but_one_event() -> None:
    large = [LogEvent(float(n), "s", "x" * (MOST_BYTES // 2 + 1), "") for n in range(3)]
    page = page_of_stream(numbered(large), None, 10, from_head=True)
    assert page.events == large[:1]


@given(st.integers(0, 10**7))
def test_milliseconds_are_those_that_were_given(n: int) -> None:
    given_at = 1_767_225_600_000 + n
    assert milliseconds(given_at / 1000) == given_at
