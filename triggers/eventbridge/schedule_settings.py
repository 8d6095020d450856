"""Everything that a schedule is told: what is refused, and when it follows that the schedule is due; pure."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

import attrs

from eventbus.delivery.payload import parse
from eventbus.delivery.targets import Source
from eventbus.iam.roles import Role
from triggers.eventbridge.errors import ScheduleNotValid
from triggers.eventbridge.events import instant
from triggers.eventbridge.expressions import Expression, Rate, next_after, parse_zone
from triggers.eventbridge.retrying import RetryPolicy

LONGEST_DESCRIPTION: Final = 512
LONGEST_WINDOW: Final = 1_440
_NAME: Final = re.compile(r"[0-9a-zA-Z\-_.]{1,64}", re.ASCII)
_INSTANT: Final = 1e-3


@attrs.frozen(kw_only=True)
class ScheduleSettings:
    """Everything that CreateSchedule sets."""

    expression: Expression
    expression_text: str
    target_arn: str
    role: Role
    source: Source
    timezone: str = "UTC"
    input: str | None = None
    start: float | None = None
    end: float | None = None
    flexible_window: int | None = None
    """Minutes; None is Mode OFF."""
    state: str = "ENABLED"
    action_after_completion: str = "NONE"
    description: str = ""
    retry_policy: RetryPolicy = attrs.field(factory=RetryPolicy)
    dead_letter_arn: str | None = None
    group_id: str | None = None
    partition_key: str | None = None
    detail_type: str | None = None
    event_source: str | None = None
    """For event buses, which get an event with this detail-type and source."""


def next_run(settings: ScheduleSettings, now: float, since: float) -> float | None:
    """The first run after now, within start and end; a rate counts from the start, or from when it was created."""
    due_at: float | None
    if settings.start is None:
        due_at = _next(settings, now, since)
    elif settings.start <= now:
        due_at = _next(settings, now, settings.start)
    elif isinstance(settings.expression, Rate):
        due_at = settings.start
    else:
        due_at = _next(settings, settings.start - _INSTANT, settings.start)  # a run at the start itself counts
    return None if due_at is None or (settings.end is not None and due_at > settings.end) else due_at


def _next(settings: ScheduleSettings, now: float, since: float) -> float | None:
    return next_after(settings.expression, now, parse_zone(settings.timezone), since=since)


def check_name(name: object) -> None:
    """Refuse a name that neither a schedule nor a group can have."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ScheduleNotValid(f"Name {name!r} is not valid.", mend="1 to 64 letters, digits, -, _ and .")


def checked_instant(parameter: str, value: float | datetime | str | None) -> float | None:
    """What a StartDate or an EndDate means, or ScheduleNotValid."""
    if value is None:
        return None
    if (found := instant(value)) is None:
        raise ScheduleNotValid(
            f"{parameter} is not valid: {value!r}.", mend="give seconds since the epoch, a datetime or ISO text"
        )
    return found


def check(settings: ScheduleSettings) -> None:
    """Refuse what AWS refuses about a schedule as a whole."""
    for parameter in ("description", "group_id", "partition_key", "detail_type", "event_source"):
        value: object = getattr(settings, parameter)
        if not isinstance(value, str) and (value is not None or parameter == "description"):
            raise ScheduleNotValid(f"{parameter} is not valid: {value!r}.", mend="it is a text")
    if len(settings.description) > LONGEST_DESCRIPTION:
        raise ScheduleNotValid(f"Description is longer than {LONGEST_DESCRIPTION} characters.")
    arn = settings.target_arn
    window: object = settings.flexible_window
    if window is not None and not (type(window) is int and 1 <= window <= LONGEST_WINDOW):
        raise ScheduleNotValid(
            f"MaximumWindowInMinutes is not valid: {window!r}.", mend=f"1 to {LONGEST_WINDOW}, or None for no window"
        )
    choices = (
        ("State", settings.state, ("ENABLED", "DISABLED")),
        ("ActionAfterCompletion", settings.action_after_completion, ("NONE", "DELETE")),
    )
    for parameter, choice, accepted in choices:
        if choice not in accepted:
            raise ScheduleNotValid(f"{parameter} is not valid: {choice!r}.", mend=f"accepted are {', '.join(accepted)}")
    if settings.start is not None and settings.end is not None and settings.start >= settings.end:
        raise ScheduleNotValid("The EndDate you specify must come after the StartDate.")
    if (problem := settings.retry_policy.problem()) is not None:
        raise ScheduleNotValid(f"{problem}.")
    if ":lambda:" in arn and settings.input is not None:
        _check_json(settings.input)
    if arn.endswith(".fifo") and ":sqs:" in arn and settings.group_id is None:
        raise ScheduleNotValid("SqsParameters must be specified for a FIFO queue.", mend="pass group_id=")
    if ":kinesis:" in arn and settings.partition_key is None:
        raise ScheduleNotValid("KinesisParameters must be specified for a stream.", mend="pass partition_key=")
    if ":events:" in arn and (settings.detail_type is None or settings.event_source is None):
        raise ScheduleNotValid(
            "EventBridgeParameters must be specified for an event bus.", mend="pass detail_type= and source="
        )
    dead_letter = settings.dead_letter_arn
    if dead_letter is not None and (":sqs:" not in dead_letter or dead_letter.endswith(".fifo")):
        raise ScheduleNotValid(f"{dead_letter} is not the ARN of a standard queue.", mend="give a standard queue")


def _check_json(text: str) -> None:
    try:
        parse(text)
    except ValueError as error:
        raise ScheduleNotValid("Invalid JSON Input.", mend=f"a function's input is JSON: {error}") from None
