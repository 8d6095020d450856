"""`cron(minutes hours day-of-month month day-of-week year)`: which minutes it names; pure.

A cron expression names minutes of a wall clock. In a time zone that changes its clocks some of these minutes do not
exist and others come twice: what falls into the gap is skipped, and what comes twice runs the first time. Sources:
EventBridge User Guide, "Cron expressions"; EventBridge Scheduler User Guide, "Schedule types" (2026).
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Final

import attrs

_MONTH_NAMES: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MONTHS: Final = {name: n for n, name in enumerate(_MONTH_NAMES, 1)}
_WEEKDAYS: Final = {name: n for n, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
_NUMBER: Final = re.compile(r"\d{1,4}", re.ASCII)
_LAST_WEEKDAY: Final = re.compile(r"(\w+)L", re.ASCII)
_NEAREST: Final = re.compile(r"(\d{1,2})W", re.ASCII)
_ORDINAL: Final = re.compile(r"(\w+)#([1-5])", re.ASCII)

Days = Callable[[int, int], set[int]]
"""The days of a month, given its year and number."""


class InvalidExpression(ValueError):
    """An expression that names no time; the text says which part is wrong and what is accepted."""


@attrs.frozen
class Cron:
    """A parsed cron expression; make it with `parse_cron`."""

    text: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: tuple[int, ...]
    years: tuple[int, ...]
    days: Days = attrs.field(eq=False, repr=False)

    def next_after(self, instant: float, zone: tzinfo = UTC) -> float | None:
        """The first run after an instant, both in seconds since the epoch; None if there is none."""
        local = datetime.fromtimestamp(instant, zone).replace(tzinfo=None, second=0, microsecond=0)
        for candidate in self._from(local):
            due = instant_of(candidate, zone)
            if due is not None and due > instant:
                return due
        return None

    def _from(self, start: datetime) -> Iterator[datetime]:
        """The named minutes of the wall clock from `start` on, in order."""
        for year in self.years:
            for month in self.months:
                if (year, month) < (start.year, start.month):
                    continue
                for day in sorted(self.days(year, month)):
                    midnight = start.replace(year=year, month=month, day=day, hour=0, minute=0)
                    if midnight.date() >= start.date():
                        yield from self._of_day(midnight, start)

    def _of_day(self, midnight: datetime, start: datetime) -> Iterator[datetime]:
        is_first = midnight.date() == start.date()
        for hour in self.hours:
            if is_first and hour < start.hour:
                continue
            for minute in self.minutes:
                moment = midnight.replace(hour=hour, minute=minute)
                if moment >= start:
                    yield moment


def instant_of(wall_clock: datetime, zone: tzinfo) -> float | None:
    """When a wall clock in a time zone first shows this; None if it never does, because it is moved past it."""
    instant = wall_clock.replace(tzinfo=zone).timestamp()
    if zone is UTC:
        return instant
    shown = datetime.fromtimestamp(instant, zone).replace(tzinfo=None)
    return instant if shown == wall_clock else None


def parse_cron(text: str) -> Cron:
    """Read what stands between the parentheses of `cron(...)`. Raises InvalidExpression."""
    fields = text.split()
    if len(fields) != 6:
        raise InvalidExpression(
            f"cron has six fields (minutes hours day-of-month month day-of-week year), not {len(fields)}"
        )
    minutes, hours, day, month, weekday, year = fields
    if (day == "?") == (weekday == "?"):
        raise InvalidExpression("exactly one of day-of-month and day-of-week must be ?")
    return Cron(
        " ".join(fields),
        _numbers("minutes", minutes, 0, 59),
        _numbers("hours", hours, 0, 23),
        _numbers("month", month, 1, 12, _MONTHS),
        _numbers("year", year, 1970, 2199),
        _days_of_week(weekday) if day == "?" else _days_of_month(day),
    )


def _numbers(field: str, text: str, low: int, high: int, names: Mapping[str, int] | None = None) -> tuple[int, ...]:
    """The values of a field with `,`, `-`, `*` and `/`, in order."""
    found: set[int] = set()
    for part in text.split(","):
        base, slash, step_text = part.partition("/")
        step = _step(field, part, step_text) if slash else 1
        if base == "*":
            first, last = low, high
        else:
            first_text, dash, last_text = base.partition("-")
            first = _value(field, first_text, low, high, names)
            last = _value(field, last_text, low, high, names) if dash else (high if slash else first)
        if last < first:
            raise InvalidExpression(f"{field} {part!r}: a range goes from the smaller to the greater value")
        found.update(range(first, last + 1, step))
    return tuple(sorted(found))


def _step(field: str, part: str, text: str) -> int:
    if not _NUMBER.fullmatch(text) or int(text) == 0:
        raise InvalidExpression(f"{field} {part!r}: a step is a whole number from 1")
    return int(text)


def _value(field: str, text: str, low: int, high: int, names: Mapping[str, int] | None) -> int:
    number = (names or {}).get(text.upper())
    if number is None and _NUMBER.fullmatch(text):
        number = int(text)
    if number is None or not low <= number <= high:
        raise InvalidExpression(f"{field} {text!r}: a value from {low} to {high} is accepted")
    return number


def _days_of_month(text: str) -> Days:
    if text == "L":
        return lambda year, month: {_length(year, month)}
    if nearest := _NEAREST.fullmatch(text):
        day = _value("day-of-month", nearest[1], 1, 31, None)
        return lambda year, month: _nearest_weekday(year, month, day)
    days = _numbers("day-of-month", text, 1, 31)
    return lambda year, month: {day for day in days if day <= _length(year, month)}


def _days_of_week(text: str) -> Days:
    if text == "L":
        text = "7"  # the last day of the week
    if ordinal := _ORDINAL.fullmatch(text):
        wanted, n = _weekday(ordinal[1]), int(ordinal[2])
        return lambda year, month: set(_falling_on(year, month, {wanted})[n - 1 : n])
    if (last := _LAST_WEEKDAY.fullmatch(text)) is not None:
        wanted = _weekday(last[1])
        return lambda year, month: set(_falling_on(year, month, {wanted})[-1:])
    weekdays = set(_numbers("day-of-week", text, 1, 7, _WEEKDAYS))
    return lambda year, month: set(_falling_on(year, month, weekdays))


def _weekday(text: str) -> int:
    return _value("day-of-week", text, 1, 7, _WEEKDAYS)


def _falling_on(year: int, month: int, weekdays: set[int]) -> list[int]:
    """The days of a month that fall on these weekdays, of which 1 is Sunday."""
    first = (calendar.weekday(year, month, 1) + 1) % 7  # of which 0 is Sunday
    return [day for day in range(1, _length(year, month) + 1) if (first + day - 1) % 7 + 1 in weekdays]


def _nearest_weekday(year: int, month: int, day: int) -> set[int]:
    """The Monday to Friday that is nearest to a day, within its month."""
    length = _length(year, month)
    if day > length:
        return set()
    weekday = calendar.weekday(year, month, day)
    if weekday == calendar.SATURDAY:
        return {day - 1 if day > 1 else day + 2}
    if weekday == calendar.SUNDAY:
        return {day + 1 if day < length else day - 2}
    return {day}


def _length(year: int, month: int) -> int:
    return calendar.monthrange(year, month)[1]
