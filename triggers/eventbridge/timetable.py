"""One schedule of EventBridge Scheduler: when it is due, and what it sends where."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import attrs

from eventbus.clock import Timer
from eventbus.delivery.payload import Encoded, as_text, encode, parse
from triggers.eventbridge.delivery import Route, TargetDelivery
from triggers.eventbridge.events import envelope, whole_seconds
from triggers.eventbridge.schedule_settings import ScheduleSettings, next_run
from triggers.keeping import as_row

if TYPE_CHECKING:
    from triggers.eventbridge.schedule import Schedule

_CONTEXT: Final = re.compile(r"<aws\.scheduler\.(schedule-arn|scheduled-time|execution-id|attempt-number)>", re.ASCII)
_DRAWS: Final = 2**32


class NamedSchedule:
    """A schedule, made by `Schedule.create`."""

    def __init__(self, service: Schedule, group: str, name: str, settings: ScheduleSettings) -> None:
        self._service = service
        self._bus = bus = service.bus
        self.group = group
        self.name = name
        self.arn = f"arn:{bus.partition}:scheduler:{bus.region}:{bus.account_id}:schedule/{group}/{name}"
        self.settings = settings
        self.created_at = self.modified_at = self._since = bus.clock.now()
        self._timers: list[Timer] = []
        """The next run, and runs that a flexible window holds back."""
        self.is_deleted = False

    def __repr__(self) -> str:
        return f"<NamedSchedule {self.name}: {self.settings.expression_text}, {self.settings.state}>"

    @property
    def next_at(self) -> float | None:
        """When it is due next; None when it never is again, and while it is disabled."""
        settings = self.settings
        if settings.state != "ENABLED" or self.is_deleted:
            return None
        return next_run(settings, self._bus.clock.now(), self._since)

    def enable(self) -> None:
        """Run again from now on."""
        self._service.change(self, attrs.evolve(self.settings, state="ENABLED"))

    def disable(self) -> None:
        """Run no more until it is enabled again."""
        self._service.change(self, attrs.evolve(self.settings, state="DISABLED"))

    def delete(self) -> None:
        """Delete the schedule: DeleteSchedule. What it has sent already is delivered."""
        self._service.delete(self)

    def changed(self, settings: ScheduleSettings) -> None:
        """Called by the service: the schedule has new settings."""
        self.settings = settings
        self.modified_at = self._since = self._bus.clock.now()
        self.arm()

    def close(self) -> None:
        """Called by the service when the schedule is deleted."""
        self.is_deleted = True
        self._disarm()

    def describe(self) -> dict[str, Any]:
        """The schedule in boto3's shape: GetSchedule."""
        settings = self.settings
        window: dict[str, Any] = {"Mode": "OFF"}
        if settings.flexible_window is not None:
            window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": settings.flexible_window}
        document: dict[str, Any] = {
            "ActionAfterCompletion": settings.action_after_completion,
            "Arn": self.arn,
            "CreationDate": self.created_at,
            "FlexibleTimeWindow": window,
            "GroupName": self.group,
            "LastModificationDate": self.modified_at,
            "Name": self.name,
            "ScheduleExpression": settings.expression_text,
            "ScheduleExpressionTimezone": settings.timezone,
            "State": settings.state,
            "Target": self._target(),
        }
        optional = {"Description": settings.description, "StartDate": settings.start, "EndDate": settings.end}
        return document | {key: value for key, value in optional.items() if value}

    def _target(self) -> dict[str, Any]:
        settings = self.settings
        target: dict[str, Any] = {
            "Arn": settings.target_arn,
            "RoleArn": settings.role.arn,
            "RetryPolicy": settings.retry_policy.as_document(),
        }
        if settings.input is not None:
            target["Input"] = settings.input
        if settings.dead_letter_arn is not None:
            target["DeadLetterConfig"] = {"Arn": settings.dead_letter_arn}
        if settings.group_id is not None:
            target["SqsParameters"] = {"MessageGroupId": settings.group_id}
        if settings.partition_key is not None:
            target["KinesisParameters"] = {"PartitionKey": settings.partition_key}
        if settings.detail_type is not None:
            target["EventBridgeParameters"] = {"DetailType": settings.detail_type, "Source": settings.event_source}
        return target

    # -- at work ------------------------------------------------------------------------------------------------------

    def arm(self) -> None:
        """Wait for the next run, if the bus runs."""
        self._disarm()
        if self._bus.is_running:
            self._wait()

    def _wait(self) -> None:
        due_at = self.next_at
        if due_at is not None:
            self._timers.append(self._bus.clock.call_at(due_at, self._due, due_at))

    def _disarm(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _due(self, scheduled_at: float) -> None:
        """The instant has come; a flexible window holds the run back by chance."""
        self._timers = [timer for timer in self._timers if timer.is_live]
        if not self._bus.is_running:
            return
        self._wait()
        window = self.settings.flexible_window
        if window is None:
            self._run(scheduled_at)
            return
        share = int(self._bus.ids.hex(8), 16) / _DRAWS
        self._timers.append(self._bus.clock.call_at(scheduled_at + share * window * 60, self._run, scheduled_at))

    def _run(self, scheduled_at: float) -> None:
        self._timers = [timer for timer in self._timers if timer.is_live]
        if not self._bus.is_running:
            return
        node = self._bus.note("schedule", self, whole_seconds(scheduled_at))
        self._service.deliveries.deliver(
            Run(
                schedule=self,
                settings=self.settings,
                scheduled_at=scheduled_at,
                execution_id=self._bus.ids.uuid(),
                cause=node,
                begun_at=self._bus.clock.now(),
            )
        )
        if not self._timers and self.settings.action_after_completion == "DELETE":
            self._service.completed(self)


@attrs.define(eq=False, kw_only=True)
class Run(TargetDelivery):
    """One run of a schedule, on its way to the target."""

    schedule: NamedSchedule
    settings: ScheduleSettings
    """As they were when the schedule was due."""
    scheduled_at: float
    execution_id: str

    @property
    def owner(self) -> NamedSchedule:
        return self.schedule

    @property
    def owner_arn(self) -> str:
        return self.schedule.arn

    @property
    def target_id(self) -> str:
        return ""

    def route(self) -> Route | None:
        settings = self.settings
        return Route(
            settings.target_arn,
            settings.source,
            settings.retry_policy,
            settings.dead_letter_arn,
            settings.group_id,
            settings.partition_key,
        )

    def body(self) -> Encoded:
        text = self._input(self.attempts + 1)
        if self.settings.detail_type is None:
            return text
        bus = self.schedule._bus
        return encode(
            envelope(
                event_id=self.execution_id,
                detail_type=self.settings.detail_type,
                source=str(self.settings.event_source),
                account=bus.account_id,
                at=bus.clock.now(),
                region=bus.region,
                resources=(),
                detail=_object(text),
            )
        )

    def dead_letter_body(self) -> Encoded:
        return self._input(self.attempts)

    def row(self) -> bytes:
        return as_row([self.target_id, self.begun_at, self.scheduled_at, self.execution_id])

    def _input(self, attempt: int) -> str:
        if self.settings.input is None:
            return self._notification()
        values = {
            "schedule-arn": self.schedule.arn,
            "scheduled-time": whole_seconds(self.scheduled_at),
            "execution-id": self.execution_id,
            "attempt-number": str(attempt),
        }
        return _CONTEXT.sub(lambda found: values[found[1]], self.settings.input)

    def _notification(self) -> str:
        """What a target without an input gets."""
        bus = self.schedule._bus
        return as_text(
            encode(
                envelope(
                    event_id=self.execution_id,
                    detail_type="Scheduled Event",
                    source="aws.scheduler",
                    account=bus.account_id,
                    at=self.scheduled_at,
                    region=bus.region,
                    resources=[self.schedule.arn],
                    detail="{}",
                )
            )
        )


def _object(text: str) -> Any:
    """The detail that an input is; an input that is no JSON object makes an event that the event bus refuses."""
    try:
        return parse(text)
    except ValueError:
        return None
