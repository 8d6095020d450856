"""When a schedule is due: `rate(...)`, `cron(...)` and `at(...)`; pure.

    >>> next_after(parse_rule_schedule("rate(5 minutes)"), 600.0, since=0.0)
    900.0
    >>> next_after(parse_rule_schedule("cron(0 3 * * ? *)"), 0.0)
    10800.0

Sources: EventBridge User Guide, "Schedule expressions"; EventBridge Scheduler User Guide, "Schedule types" (2026).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

import attrs

from triggers.eventbridge.cron import Cron, InvalidExpression, instant_of, parse_cron

__all__ = ["At", "Cron", "Expression", "InvalidExpression", "Rate", "next_after", "parse_rule_schedule",
           "parse_schedule", "parse_zone"]  # fmt: skip

_SECONDS: Final = {"minute": 60, "hour": 3600, "day": 86_400}
_RATE: Final = re.compile(r"rate\(([1-9]\d{0,8}) (minute|hour|day)(s?)\)", re.ASCII)
_CRON: Final = re.compile(r"cron\((.+)\)", re.ASCII)
_AT: Final = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)", re.ASCII)


@attrs.frozen
class Rate:
    """Every so many seconds, counted from when it was switched on."""

    seconds: int

    def next_after(self, instant: float, since: float) -> float:
        """The first run after an instant, when counting began at `since`."""
        passed = max(0, int((instant - since) // self.seconds))
        due = since + (passed + 1) * self.seconds
        return due if due > instant else due + self.seconds


@attrs.frozen
class At:
    """Once, when a wall clock shows this."""

    wall_clock: datetime

    def next_after(self, instant: float, zone: tzinfo) -> float | None:
        """That instant, if it is still to come."""
        due = instant_of(self.wall_clock, zone)
        return due if due is not None and due > instant else None


Expression: TypeAlias = Rate | Cron | At


def next_after(
    expression: Expression, instant: float, zone: tzinfo = UTC, *, since: float | None = None
) -> float | None:
    """The first run after an instant, in seconds since the epoch; None if there is none.

    `zone` is that of the wall clock which cron and at expressions mean. A rate counts elapsed time from `since`, by
    default from `instant`, and knows no zone.
    """
    match expression:
        case Rate():
            return expression.next_after(instant, instant if since is None else since)
        case Cron() | At():
            return expression.next_after(instant, zone)


def parse_rule_schedule(text: str) -> Expression:
    """Read the ScheduleExpression of a rule, `rate(...)` or `cron(...)`. Raises InvalidExpression."""
    if not _is_text(text):
        raise InvalidExpression(f"{text!r} is not a text")
    if (rate := _RATE.fullmatch(text)) is not None:
        if (rate[1] == "1") == bool(rate[3]):
            raise InvalidExpression(f"{text}: the unit is singular for 1 and plural for every other number")
        return Rate(int(rate[1]) * _SECONDS[rate[2]])
    if (cron := _CRON.fullmatch(text)) is not None:
        return parse_cron(cron[1])
    raise InvalidExpression(f"{text!r} is neither rate(<number> minutes|hours|days) nor cron(<six fields>)")


def parse_schedule(text: str) -> Expression:
    """Read the ScheduleExpression of the Scheduler, which has `at(yyyy-mm-ddThh:mm:ss)` too. Raises InvalidExpression.

    It takes the plural for 1 as well.
    """
    if not _is_text(text):
        raise InvalidExpression(f"{text!r} is not a text")
    if (at := _AT.fullmatch(text)) is not None:
        try:
            return At(datetime.fromisoformat(at[1]))
        except ValueError as error:
            raise InvalidExpression(f"{text}: {error}") from None
    if (rate := _RATE.fullmatch(text)) is not None and rate[1] == "1":
        return Rate(_SECONDS[rate[2]])
    try:
        return parse_rule_schedule(text)
    except InvalidExpression as error:
        reason = str(error)
    raise InvalidExpression(reason.replace("is neither rate", "is neither at(yyyy-mm-ddThh:mm:ss), rate"))


def _is_text(text: object) -> bool:
    return isinstance(text, str)


def parse_zone(name: str) -> tzinfo:
    """The time zone with this IANA name. Raises InvalidExpression."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (TypeError, ValueError, OSError, LookupError):
        raise InvalidExpression(f"{name!r} is not the name of a time zone; one reads Europe/Berlin") from None
