"""EventBridge Scheduler on one bus: schedules in groups, each with one target."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from eventbus.arn import is_arn
from eventbus.errors import ConfigurationError
from eventbus.functions.configuration import handler_name
from eventbus.iam.roles import Role
from triggers.eventbridge.delivery import Deliveries, MetricNames
from triggers.eventbridge.errors import NotValid, ScheduleConflict, ScheduleNotFound, ScheduleNotValid
from triggers.eventbridge.expressions import InvalidExpression, parse_schedule, parse_zone
from triggers.eventbridge.keeping import Keeping
from triggers.eventbridge.retrying import RetryPolicy
from triggers.eventbridge.schedule_settings import ScheduleSettings, check, check_name, checked_instant, next_run
from triggers.eventbridge.timetable import NamedSchedule, Run
from triggers.eventbridge.transforming import json_text
from triggers.looking_up import named

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.delivery.targets import Source
    from eventbus.functions.function import Function

PRINCIPAL: Final = "scheduler.amazonaws.com"
_SERVICES: Final = ("lambda", "sqs", "sns", "events", "kinesis")

# CloudWatch metrics: EventBridge Scheduler User Guide, "Monitoring" (2026).
METRICS: Final = MetricNames(
    attempts="InvocationAttemptCount",
    succeeded="SuccessfulInvocationAttempts",
    retried="RetryInvocationAttempts",
    ended="Invocations",
    failed="InvocationDroppedCount",
    dead_lettered="InvocationsSentToDeadLetterCount",
    not_dead_lettered="InvocationsFailedToBeSentToDeadLetterCount",
)


class Schedule:
    """The schedules of a bus (EventBridge Scheduler); make it once.

    `schedule["nightly"]` looks up a schedule of the group `default` (ScheduleNotFound, a KeyError); `in`, iteration
    over all schedules and `len` work as for a mapping.

    A schedule is a timer and no pending work: `bus.wait_idle()` waits for what runs have triggered and not for the next
    run; `await clock.advance(seconds)` lets schedules run. On a bus with a store runs that wait for a retry survive;
    schedules are declared again at start. What was due while no process ran is not made up for.
    """

    name = "scheduler"

    def __init__(self, bus: EventBus) -> None:
        bus.claim("Schedule", self)
        self.bus = bus
        self.deliveries = Deliveries(bus, METRICS, "SCHEDULE_ARN")
        trust = {"Effect": "Allow", "Principal": {"Service": PRINCIPAL}, "Action": "sts:AssumeRole"}
        self.role = Role("scheduler-role", bus.account_id, trust_policy={"Version": "2012-10-17", "Statement": [trust]})
        """What schedules act as that are created without a role of their own."""
        self._groups: dict[str, dict[str, NamedSchedule]] = {"default": {}}
        self._groups_created_at = {"default": bus.clock.now()}
        self._group_tags: dict[str, dict[str, str]] = {"default": {}}
        bus.when_started(self._take_up)

    def __repr__(self) -> str:
        return f"<Schedule: {len(self)} schedules>"

    def __getitem__(self, name: str) -> NamedSchedule:
        return self.get(name)

    def __contains__(self, name: object) -> bool:
        return name in self._groups["default"]

    def __iter__(self) -> Iterator[NamedSchedule]:
        return iter([schedule for group in self._groups.values() for schedule in group.values()])

    def __len__(self) -> int:
        return sum(len(group) for group in self._groups.values())

    def get(self, name: str, group: str = "default") -> NamedSchedule:
        """Find a schedule by its name and group. Raises ScheduleNotFound."""
        schedules = self._group(group)
        if name not in schedules:
            raise named(ScheduleNotFound(f"Schedule {name} does not exist."), "schedule", name, schedules)
        return schedules[name]

    def create(
        self,
        name: str,
        expression: str,
        target: object,
        *,
        input: Any = None,  # noqa: A002 - AWS's name
        timezone: str = "UTC",
        start: float | datetime | str | None = None,
        end: float | datetime | str | None = None,
        flexible_window: int | None = None,
        state: str = "ENABLED",
        action_after_completion: str = "NONE",
        group: str = "default",
        description: str = "",
        role: Role | None = None,
        grant: bool = False,
        dead_letter: object = None,
        maximum_retry_attempts: int = 185,
        maximum_event_age: int = 86_400,
        group_id: str | None = None,
        partition_key: str | None = None,
        detail_type: str | None = None,
        source: str | None = None,
    ) -> NamedSchedule:
        """Make a schedule: CreateSchedule.

            schedule.create("nightly", "cron(0 3 * * ? *)", function, timezone="Europe/Berlin", grant=True)

        - `expression`: `at(2026-11-20T13:00:00)`, `rate(5 minutes)` or `cron(...)`. The clock is that of `timezone`, an
          IANA name; what falls into a skipped hour is skipped, what falls into a doubled hour runs once.
        - `target`: a function, queue, topic, event bus or stream, or its ARN. It gets `input`: a JSON value or a text,
          in which `<aws.scheduler.schedule-arn>`, `<aws.scheduler.scheduled-time>`, `<aws.scheduler.execution-id>` and
          `<aws.scheduler.attempt-number>` are filled in; without one a notification.
        - `start`, `end`: no run before and after these instants. `flexible_window`: minutes (1 to 1,440) by which a run
          may be late, drawn anew for each.
        - `action_after_completion="DELETE"`: the schedule goes when it has no more runs.
        - `role`: what the schedule acts as, by default `schedule.role`. It needs the permission to send to the target
          and the `dead_letter` queue, which `grant=True` adds; without it a warning names the mending call.
        - `group_id` for FIFO queues, `partition_key` for streams, `detail_type` and `source` for event buses.

        Raises ScheduleNotValid, ScheduleConflict for a name that is taken, ScheduleNotFound for an unknown group, with
        nothing changed.
        """
        schedules = self._group(group)
        check_name(name)
        arn = f"arn:{self.bus.partition}:scheduler:{self.bus.region}:{self.bus.account_id}:schedule/{group}/{name}"
        self.bus.authorize("scheduler:CreateSchedule", arn, None, f'"{arn}"')
        if name in schedules:
            raise ScheduleConflict(f"Schedule {name} already exists.", mend="call schedule.update(...) to change it")
        settings = self._settings(
            name,
            expression,
            target,
            input=input,
            timezone=timezone,
            start=start,
            end=end,
            flexible_window=flexible_window,
            state=state,
            action_after_completion=action_after_completion,
            description=description,
            role=role,
            dead_letter=dead_letter,
            retry_policy=RetryPolicy(maximum_retry_attempts, maximum_event_age),
            group_id=group_id,
            partition_key=partition_key,
            detail_type=detail_type,
            event_source=source,
        )
        self._permit(name, settings, grant=grant)
        schedule = schedules[name] = NamedSchedule(self, group, name, settings)
        if next_run(settings, self.bus.clock.now(), schedule.created_at) is None:
            self.bus.log.warning("schedule_never_runs", schedule=arn, expression=expression)
        schedule.arm()
        self._resume(schedule)
        return schedule

    def update(self, name: str, expression: str, target: object, *, group: str = "default", **options: Any) -> None:
        """Replace everything about a schedule: UpdateSchedule; what is not given goes back to its default.

        Arguments and errors as for `create`, and ScheduleNotFound.
        """
        known = self.get(name, group)
        self.bus.authorize("scheduler:UpdateSchedule", known.arn, None, f'"{known.arn}"')
        grant = options.pop("grant", False)
        policy = RetryPolicy(options.pop("maximum_retry_attempts", 185), options.pop("maximum_event_age", 86_400))
        if "source" in options:
            options["event_source"] = options.pop("source")
        settings = self._settings(name, expression, target, retry_policy=policy, **options)
        self._permit(name, settings, grant=grant)
        self.change(known, settings)

    def change(self, schedule: NamedSchedule, settings: ScheduleSettings) -> None:
        """Give a schedule new settings. Raises ScheduleNotFound for one that was deleted."""
        if schedule.is_deleted:
            raise ScheduleNotFound(f"Schedule {schedule.name} does not exist.")
        schedule.changed(settings)

    def delete(self, schedule: NamedSchedule | str, group: str = "default") -> None:
        """Delete a schedule, given it or its name: DeleteSchedule. Raises ScheduleNotFound."""
        doomed = self.get(schedule, group) if isinstance(schedule, str) else self.get(schedule.name, schedule.group)
        self.bus.authorize("scheduler:DeleteSchedule", doomed.arn, None, f'"{doomed.arn}"')
        self.completed(doomed)

    def completed(self, schedule: NamedSchedule) -> None:
        """Called by a schedule that has no more runs and is to be deleted then."""
        self._groups[schedule.group].pop(schedule.name, None)
        schedule.close()

    def create_group(self, name: str) -> None:
        """Make a group of schedules: CreateScheduleGroup. Raises ScheduleNotValid or ScheduleConflict."""
        check_name(name)
        if name in self._groups:
            raise ScheduleConflict(f"Schedule group {name} already exists.")
        self._groups[name] = {}
        self._groups_created_at[name], self._group_tags[name] = self.bus.clock.now(), {}

    def delete_group(self, name: str) -> None:
        """Delete a group and its schedules: DeleteScheduleGroup. Raises ScheduleNotValid for `default`."""
        schedules = self._group(name)
        if name == "default":
            raise ScheduleNotValid("The default schedule group cannot be deleted.")
        for schedule in list(schedules.values()):
            self.completed(schedule)
        del self._groups[name], self._groups_created_at[name], self._group_tags[name]

    def group_tags(self, name: str) -> dict[str, str]:
        """The tags of a group, which you may change. Raises ScheduleNotFound."""
        self._group(name)
        return self._group_tags[name]

    def describe_group(self, name: str) -> dict[str, Any]:
        """A group in boto3's shape: GetScheduleGroup. Raises ScheduleNotFound."""
        self._group(name)
        at = self._groups_created_at[name]
        arn = f"arn:{self.bus.partition}:scheduler:{self.bus.region}:{self.bus.account_id}:schedule-group/{name}"
        return {"Arn": arn, "CreationDate": at, "LastModificationDate": at, "Name": name, "State": "ACTIVE"}

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of the groups."""
        return tuple(self._groups)

    def on(
        self, expression: str, *, schedule: str | None = None, input: Any = None, timezone: str = "UTC",  # noqa: A002
        flexible_window: int | None = None, start: float | datetime | str | None = None,
        end: float | datetime | str | None = None, dead_letter: object = None, **function_options: Any,
    ) -> Callable[[Callable[[Any, Any], Any]], Function]:  # fmt: skip
        """Make the decorated handler a function, and a schedule that may invoke it.

            @schedule.on("rate(5 minutes)")
            async def poll(event, context): ...

        `schedule` is the schedule's name, by default the function's. `function_options` are those of `bus.function`.
        Raises what `create` and `bus.function` raise; no function is made then.
        """
        if callable(expression):
            raise ConfigurationError('on() takes the expression first: write @schedule.on("rate(5 minutes)")')

        options: dict[str, Any] = {
            "input": input,
            "timezone": timezone,
            "flexible_window": flexible_window,
            "start": start,
            "end": end,
            "dead_letter": dead_letter,
        }

        def declare(handler: Callable[[Any, Any], Any]) -> Function:
            # Everything that can be wrong with the schedule is found out before the function exists.
            name = schedule or function_options.get("name") or handler_name(handler)
            arn = f"arn:{self.bus.partition}:lambda:{self.bus.region}:{self.bus.account_id}:function:{name}"
            self._settings(str(name), expression, arn, **options)
            if name in self:
                raise ScheduleConflict(f"Schedule {name} already exists.", mend="choose another with schedule=...")
            function: Function = self.bus.function(**function_options)(handler)
            self.create(str(name), expression, function, grant=True, **options)
            return function

        return declare

    # -- inside -------------------------------------------------------------------------------------------------------

    def _group(self, name: str) -> dict[str, NamedSchedule]:
        if name not in self._groups:
            raise ScheduleNotFound(f"Schedule group {name} does not exist.", mend="call schedule.create_group(...)")
        return self._groups[name]

    def _settings(
        self,
        name: str,
        expression: str,
        target: object,
        *,
        input: Any = None,  # noqa: A002 - AWS's name
        timezone: str = "UTC",
        start: float | datetime | str | None = None,
        end: float | datetime | str | None = None,
        role: Role | None = None,
        dead_letter: object = None,
        **settings: Any,
    ) -> ScheduleSettings:
        """Everything that can be wrong is found out here."""
        try:
            parsed = parse_schedule(expression)
        except InvalidExpression as error:
            raise ScheduleNotValid(f"Invalid Schedule Expression {expression}.", mend=str(error)) from None
        try:
            parse_zone(timezone)
        except InvalidExpression as error:
            raise ScheduleNotValid("The ScheduleExpressionTimezone is not valid.", mend=str(error)) from None
        given: object = role
        if given is not None and not isinstance(given, Role):
            raise ConfigurationError(f'role={given!r}: a role is needed, such as bus.roles["..."]')
        chosen = self.role if role is None else role
        if not chosen.can_be_assumed_by(PRINCIPAL):
            raise ScheduleNotValid(
                "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
                mend=f"give it a trust_policy that lets {PRINCIPAL} assume it",
            )
        made = ScheduleSettings(
            expression=parsed,
            expression_text=expression,
            target_arn=self._target_arn(target),
            role=chosen,
            source=self._assumed(chosen, name, is_own=role is None),
            timezone=timezone,
            input=_text_of(input),
            start=checked_instant("StartDate", start),
            end=checked_instant("EndDate", end),
            dead_letter_arn=None if dead_letter is None else self._arn(dead_letter),
            **settings,
        )
        check(made)
        return made

    def _arn(self, resource: object) -> str:
        return resource if isinstance(resource, str) else self.bus.resource(resource).arn

    def _target_arn(self, target: object) -> str:
        arn = self._arn(target)
        if not is_arn(arn) or arn.split(":")[2] not in _SERVICES:
            raise ScheduleNotValid(
                f"Provided Arn {arn} is not in correct format.",
                mend="targets are functions, queues, topics, event buses and streams",
            )
        return arn.removesuffix(":$LATEST")

    def _assumed(self, role: Role, name: str, *, is_own: bool) -> Source:
        # A sender that the bus knows by its principal is found again when a store brings back what it sent.
        label = "schedule.role" if is_own else "role"
        source = self.bus.sender(str(role.session(name)), None, None, label, None)
        source.role = role
        return source

    def _permit(self, name: str, settings: ScheduleSettings, *, grant: bool) -> None:
        """Add the permissions that the role needs, or warn about those that are missing."""
        for arn in (settings.target_arn, settings.dead_letter_arn):
            resource = None if arn is None else self.bus.find(arn)
            if resource is None:
                if arn is not None:
                    self.bus.log.warning("target_missing", schedule=name, target=arn)
            elif not self.bus.may_send(settings.source, resource).is_allowed:
                if grant:
                    settings.role.allow(resource.send_action, resource)
                else:
                    allows = f"{settings.source.label}.allow({resource.send_action!r}, {resource.label})"
                    mend = f"call {allows} or pass grant=True"
                    self.bus.log.warning("target_not_permitted", schedule=name, target=resource.arn, mend=mend)

    def _take_up(self) -> None:
        """The bus is entered: keep the schedules, and load what its store has."""
        if self.bus.store is not None:
            self.deliveries.keeping = Keeping(self.bus, self.bus.store, "scheduler")
        for schedule in self:
            schedule.arm()
            self._resume(schedule)
        if self.deliveries.keeping is not None:
            self.deliveries.keeping.warn()

    def _resume(self, schedule: NamedSchedule) -> None:
        """Take up what earlier processes had on the way to the target of a schedule that was declared again."""
        keeping = self.deliveries.keeping
        if keeping is None:
            return
        for number, (_, begun_at, scheduled_at, execution_id), _, attempts, due_at in keeping.left_for(
            schedule.arn, ""
        ):
            cause = self.bus.note("deliver again", schedule, execution_id)
            self.deliveries.resume(
                Run(
                    schedule=schedule,
                    settings=schedule.settings,
                    scheduled_at=scheduled_at,
                    execution_id=execution_id,
                    cause=cause,
                    begun_at=begun_at,
                    attempts=attempts,
                    due_at=due_at,
                    number=number,
                )
            )


def _text_of(value: Any) -> str | None:
    """What stands for an input: a text as it is, the JSON of anything else."""
    try:
        return json_text(value)
    except NotValid as error:
        raise ScheduleNotValid(error.message, mend=error.mend) from None
