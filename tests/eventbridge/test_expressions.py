"""When schedules are due: tables, and a model that looks at every minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triggers.eventbridge.cron import InvalidExpression, parse_cron
from triggers.eventbridge.expressions import next_after, parse_rule_schedule, parse_schedule, parse_zone

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")


def at(text: str, zone: tzinfo = UTC) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def shown(instant: float | None, zone: tzinfo = UTC) -> str | None:
    return None if instant is None else datetime.fromtimestamp(instant, zone).isoformat()[:19]


@pytest.mark.parametrize(
    "expression",
    [
        "rate(1 minutes)", "rate(5 minute)", "rate(1 second)", "rate(10 seconds)", "rate(1 year)", "rate(0 minutes)",
        "rate(-1 minutes)", "rate(x minutes)", "rate( minutes)", "rate(5)", "rate()", "rate(5 MINUTES)",
        "rate( 5 minutes)", "rate(5 minutes )", " rate(5 minutes)", "rate(5  minutes)", "rate(1.5 hours)",
        "cron()", "cron(* * * * *)", "cron(* * * * * *)", "cron(0 12 ? * ? *)", "cron(0 12 1 * MON *)",
        "cron(60 * * * ? *)", "cron(* 24 * * ? *)", "cron(0 0 0 * ? *)", "cron(0 0 32 * ? *)", "cron(0 0 ? 13 1 *)",
        "cron(0 0 ? * 0 *)", "cron(0 0 ? * 8 *)", "cron(0 0 ? * FOO *)", "cron(0 0 * * ? 1969)", "cron(0 0 * * ? 2200)",
        "cron(0/0 * * * ? *)", "cron(5-1 * * * ? *)", "cron(0 0 ? * 3#6 *)", "cron(0 0 ? * 3#2,4#1 *)",
        "cron(0 0 32W * ? *)", "cron(? * * * ? *)", "cron(, * * * ? *)", "cron(0 0 ? * MON#2,FRI *)",
        "at(2026-01-01T00:00:00)",
        "", "every day", "cron 0 12 * * ? *",
    ],
)  # fmt: skip
def test_a_rule_refuses(expression: str) -> None:
    with pytest.raises(InvalidExpression):
        parse_rule_schedule(expression)


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("cron(0 10 * * ? *)", "2026-01-01T09:59:59", "2026-01-01T10:00:00"),
        ("cron(0 10 * * ? *)", "2026-01-01T10:00:00", "2026-01-02T10:00:00"),
        ("cron(15 12 * * ? *)", "2026-01-31T13:00:00", "2026-02-01T12:15:00"),
        ("cron(0 18 ? * MON-FRI *)", "2026-01-02T18:00:00", "2026-01-05T18:00:00"),
        ("cron(0 8 1 * ? *)", "2026-01-01T08:00:00", "2026-02-01T08:00:00"),
        ("cron(0/15 * * * ? *)", "2026-01-01T00:00:01", "2026-01-01T00:15:00"),
        ("cron(0/10 * ? * MON-FRI *)", "2026-01-02T23:50:00", "2026-01-05T00:00:00"),
        ("cron(0/5 8-17 ? * MON-FRI *)", "2026-01-02T17:55:00", "2026-01-05T08:00:00"),
        ("cron(0 9 ? * 2#1 *)", "2026-01-05T09:00:00", "2026-02-02T09:00:00"),
        ("cron(0 9 ? * 6#5 *)", "2026-01-30T09:00:00", "2026-05-29T09:00:00"),  # a fifth Friday is rare
        ("cron(0 0 L * ? *)", "2028-02-01T00:00:00", "2028-02-29T00:00:00"),
        ("cron(0 0 L * ? *)", "2026-02-01T00:00:00", "2026-02-28T00:00:00"),
        ("cron(0 0 ? * 6L *)", "2026-01-01T00:00:00", "2026-01-30T00:00:00"),
        ("cron(0 0 ? * FRIL *)", "2026-01-30T00:00:00", "2026-02-27T00:00:00"),
        ("cron(0 0 ? * L *)", "2026-01-01T00:00:00", "2026-01-03T00:00:00"),  # the last day of the week
        ("cron(0 0 3W * ? *)", "2026-01-01T00:00:00", "2026-01-02T00:00:00"),  # the 3rd is a Saturday
        ("cron(0 0 1W * ? *)", "2026-08-01T00:00:00", "2026-08-03T00:00:00"),  # not into July
        ("cron(0 0 31W * ? *)", "2026-05-01T00:00:00", "2026-05-29T00:00:00"),  # a Sunday, not into June
        ("cron(0 0 15W * ? *)", "2026-02-01T00:00:00", "2026-02-16T00:00:00"),
        ("cron(0 0 29 2 ? *)", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("cron(0 0 30 FEB ? *)", "2026-01-01T00:00:00", None),
        ("cron(0 0 1 1 ? 2025)", "2026-01-01T00:00:00", None),
        ("cron(0 0 1 JAN ? 2030-2040/5)", "2030-01-01T00:00:00", "2035-01-01T00:00:00"),
        ("cron(0 0 1 jan,jul ? *)", "2026-01-01T00:00:00", "2026-07-01T00:00:00"),
        ("cron(59 23 31 12 ? 2199)", "2026-01-01T00:00:00", "2199-12-31T23:59:00"),
        ("cron(1,5-7,50/5 0 1 1 ? *)", "2026-01-01T00:05:30", "2026-01-01T00:06:00"),
        ("cron(1,5-7,50/5 0 1 1 ? *)", "2026-01-01T00:07:00", "2026-01-01T00:50:00"),
    ],
)
def test_cron_in_utc(expression: str, after: str, expected: str | None) -> None:
    assert shown(next_after(parse_rule_schedule(expression), at(after))) == expected


def test_a_rate_counts_from_when_it_was_switched_on() -> None:
    rate = parse_rule_schedule("rate(5 minutes)")
    assert [next_after(rate, instant, since=100.0) for instant in (0.0, 100.0, 399.9, 400.0)] == [400, 400, 400, 700]
    assert next_after(parse_rule_schedule("rate(1 day)"), 0.0) == 86_400
    assert next_after(parse_rule_schedule("rate(12 hours)"), 0.0) == 43_200


@pytest.mark.parametrize("expression", ["rate(1 minutes)", "rate(1 minute)", "at(2026-11-20T13:00:00)"])
def test_the_scheduler_takes_more_than_a_rule(expression: str) -> None:
    assert next_after(parse_schedule(expression), 0.0) is not None


@pytest.mark.parametrize(
    "expression", ["at(2026-11-20)", "at(2026-13-20T00:00:00)", "at(2026-11-20T13:00:00Z)", "rate(5 minute)", "at()"]
)
def test_the_scheduler_refuses(expression: str) -> None:
    with pytest.raises(InvalidExpression):
        parse_schedule(expression)


def test_at_runs_once_by_the_clock_of_its_zone() -> None:
    once = parse_schedule("at(2026-07-01T09:30:15)")
    due = next_after(once, 0.0, BERLIN)
    assert shown(due) == "2026-07-01T07:30:15"
    assert due is not None
    assert next_after(once, due, BERLIN) is None


def test_what_falls_into_the_skipped_hour_is_skipped() -> None:
    """Clocks go from 02:00 to 03:00 on 29 March 2026 in Berlin."""
    nightly = parse_schedule("cron(30 2 * * ? *)")
    runs, instant = [], at("2026-03-27T12:00:00")
    for _ in range(3):
        due = next_after(nightly, instant, BERLIN)
        assert due is not None
        runs.append(shown(due, BERLIN))
        instant = due
    assert runs == ["2026-03-28T02:30:00", "2026-03-30T02:30:00", "2026-03-31T02:30:00"]
    assert next_after(parse_schedule("at(2026-03-29T02:30:00)"), 0.0, BERLIN) is None


def test_what_falls_into_the_doubled_hour_runs_once() -> None:
    """Clocks go from 02:00 back to 01:00 on 1 November 2026 in New York; the first 01:30 counts."""
    nightly = parse_schedule("cron(30 1 * * ? *)")
    first = next_after(nightly, at("2026-11-01T00:00:00", NEW_YORK), NEW_YORK)
    assert shown(first) == "2026-11-01T05:30:00"
    assert first is not None
    second = next_after(nightly, first, NEW_YORK)
    assert shown(second, NEW_YORK) == "2026-11-02T01:30:00"
    between = next_after(nightly, first + 3600, NEW_YORK)  # when the second 01:30 is there
    assert between == second


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "Europe", "UTC+1\0"])
def test_a_zone_has_to_exist(name: str) -> None:
    with pytest.raises(InvalidExpression, match="is not the name of a time zone"):
        parse_zone(name)


# -- the model: every minute, one after the other ---------------------------------------------------------------------

FIELDS = st.tuples(
    st.sampled_from(["0", "30", "*", "0/20", "5,35", "10-12", "59"]),
    st.sampled_from(["0", "1", "2", "3", "*", "0/6", "1-3", "23"]),
    st.sampled_from(
        [(day, "?") for day in ("*", "1", "L", "15W", "1W", "31W", "28-31", "29", "25")]
        + [("?", day) for day in ("*", "SUN", "2-6", "1L", "1#1", "FRI#5", "L", "MON,SAT")]
    ),
    st.sampled_from(["*", "3", "MAR-APR", "10,11", "1/2"]),
)
ZONES = st.sampled_from(
    [UTC, BERLIN, NEW_YORK, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Asia/Kolkata"), timezone(timedelta(hours=-3))]
)
STARTS = st.one_of(
    st.integers(int(at("2026-01-01T00:00:00")), int(at("2027-12-31T00:00:00"))),
    *(st.integers(int(at(day)), int(at(day)) + 2 * 86_400) for day in ("2026-03-28T00:00:00", "2026-10-24T00:00:00",
                                                                       "2026-10-31T00:00:00", "2026-04-04T00:00:00")),
)  # fmt: skip


def in_field(text: str, value: int, low: int, high: int, names: str = "") -> bool:
    for n, name in enumerate(names.split(), low):
        text = text.replace(name, str(n))
    for part in text.split(","):
        base, _, step = part.partition("/")
        first, _, last = ("*", "", "") if base == "*" else base.partition("-")
        bottom = low if first == "*" else int(first)
        top = high if first == "*" or (step and not last) else int(last or first)
        if bottom <= value <= top and (value - bottom) % int(step or 1) == 0:
            return True
    return False


def on_day(day: str, weekday: str, date: datetime) -> bool:
    """Whether a date is one of those that the two fields name, by looking at the whole month."""
    month = [d for n in range(31) if (d := date.replace(day=1) + timedelta(days=n)).month == date.month]
    number = date.isoweekday() % 7 + 1
    if weekday == "?":
        if day == "L":
            return date == month[-1]
        if day.endswith("W"):
            wanted = int(day[:-1])
            if wanted > len(month):
                return False
            working = [d for d in month if d.isoweekday() < 6]
            return date == min(working, key=lambda d: (abs(d.day - wanted), d.day))
        return in_field(day, date.day, 1, 31)
    if weekday == "L":
        return number == 7
    if weekday.endswith("L"):
        return number == int(weekday[:-1]) and date + timedelta(days=7) > month[-1]
    if "#" in weekday:
        name, _, nth = weekday.partition("#")
        return in_field(name, number, 1, 7, "SUN MON TUE WED THU FRI SAT") and (date.day - 1) // 7 + 1 == int(nth)
    return in_field(weekday, number, 1, 7, "SUN MON TUE WED THU FRI SAT")


@settings(max_examples=300, deadline=None)
@given(fields=FIELDS, zone=ZONES, start=STARTS)
def test_cron_agrees_with_looking_at_every_minute(
    fields: tuple[str, str, tuple[str, str], str], zone: tzinfo, start: int
) -> None:
    """Over three days; a minute of the wall clock counts where it is shown for the first time."""
    minutes, hours, (day, weekday), months = fields
    cron = parse_cron(f"{minutes} {hours} {day} {months} {weekday} *")
    expected, seen = None, set()
    first = start // 60 * 60 - 2 * 3600
    for instant in range(first, start + 3 * 86_400, 60):
        local = datetime.fromtimestamp(instant, zone)
        clock = local.replace(tzinfo=None)
        is_new = clock not in seen
        seen.add(clock)
        if (
            is_new
            and instant > start
            and in_field(minutes, clock.minute, 0, 59)
            and in_field(hours, clock.hour, 0, 23)
            and in_field(months, clock.month, 1, 12, "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC")
            and on_day(day, weekday, clock.replace(hour=0, minute=0))
        ):
            expected = instant
            break
    found = cron.next_after(start, zone)
    if expected is None:
        assert found is None or found >= start + 3 * 86_400 - 60
    else:
        assert found == expected
