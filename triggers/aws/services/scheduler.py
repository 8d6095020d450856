"""EventBridge Scheduler: operations, schedules and their groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from triggers.aws.services import ServiceMap, page, tag_list, tags_of
from triggers.aws.services.deeds import Input, Result, given, member
from triggers.eventbridge import NamedSchedule, Schedule, ScheduleNotFound, ScheduleNotValid

PAGE = 100
"""Items of one page (EventBridge Scheduler API reference, ListSchedules, 2026)."""
_UNTRUSTED = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."


class SchedulerMap(ServiceMap):
    """Schedules are found by group and name; their roles are those of this account."""

    service = "scheduler"
    denied_code = "AccessDeniedException"

    @property
    def _scheduler(self) -> Schedule:
        found = self.bus.service("Schedule")
        return found if found is not None else Schedule(self.bus)

    def _schedule(self, wanted: Input, action: str) -> NamedSchedule:
        schedule = self._scheduler.get(wanted["Name"], wanted.get("GroupName", "default"))
        self.allow(f"scheduler:{action}", schedule, schedule.arn)
        return schedule

    # -- schedules ----------------------------------------------------------------------------------------------------

    def create_schedule(self, wanted: Input) -> Result:
        return {"ScheduleArn": self._put(self._scheduler.create, wanted)}

    def update_schedule(self, wanted: Input) -> Result:
        return {"ScheduleArn": self._put(self._scheduler.update, wanted)}

    def _put(self, put: Callable[..., Any], wanted: Input) -> str:
        target = wanted["Target"]
        _check_target(target)
        group = wanted.get("GroupName", "default")
        put(
            wanted["Name"],
            wanted["ScheduleExpression"],
            target["Arn"],
            group=group,
            role=self._role(target["RoleArn"]),
            flexible_window=_window(wanted["FlexibleTimeWindow"]),
            **given(**{ours: wanted.get(theirs) for theirs, ours in _OPTIONS.items()}),
            **member(target, "RetryPolicy", _RETRIES),
            **member(target, "DeadLetterConfig", {"Arn": "dead_letter"}),
            **member(target, "SqsParameters", {"MessageGroupId": "group_id"}),
            **member(target, "KinesisParameters", {"PartitionKey": "partition_key"}),
            **member(target, "EventBridgeParameters", {"DetailType": "detail_type", "Source": "source"}),
            **given(input=target.get("Input")),
        )
        return self._scheduler.get(wanted["Name"], group).arn

    def _role(self, arn: str) -> Any:
        own = self._scheduler.role
        role = own if own.arn == arn else self.passed_role(arn)
        if role is None:
            raise ScheduleNotValid(_UNTRUSTED, mend=f"make {arn} with iam.create_role first")
        return role

    def get_schedule(self, wanted: Input) -> Result:
        return self._schedule(wanted, "GetSchedule").describe()

    def delete_schedule(self, wanted: Input) -> Result:
        self._scheduler.delete(wanted["Name"], wanted.get("GroupName", "default"))
        return {}

    def list_schedules(self, wanted: Input) -> Result:
        group, prefix, state = wanted.get("GroupName"), wanted.get("NamePrefix", ""), wanted.get("State")
        self.allow("scheduler:ListSchedules", None, "*")
        if group is not None:
            self._scheduler.describe_group(group)  # or it does not exist
        found = [
            schedule
            for schedule in self._scheduler
            if group in (None, schedule.group)
            and schedule.name.startswith(prefix)
            and state in (None, schedule.settings.state)
        ]
        shown, token = _page(found, wanted, key=lambda schedule: schedule.arn)
        return {"Schedules": [_summary(schedule) for schedule in shown], "NextToken": token}

    # -- groups -------------------------------------------------------------------------------------------------------

    def create_schedule_group(self, wanted: Input) -> Result:
        name = wanted["Name"]
        self.allow("scheduler:CreateScheduleGroup", None, self._group_arn(name))
        self._scheduler.create_group(name)
        self._scheduler.group_tags(name).update(tags_of(wanted.get("Tags")))
        return {"ScheduleGroupArn": self._group_arn(name)}

    def get_schedule_group(self, wanted: Input) -> Result:
        self.allow("scheduler:GetScheduleGroup", None, self._group_arn(wanted["Name"]))
        return self._scheduler.describe_group(wanted["Name"])

    def delete_schedule_group(self, wanted: Input) -> Result:
        self.allow("scheduler:DeleteScheduleGroup", None, self._group_arn(wanted["Name"]))
        self._scheduler.delete_group(wanted["Name"])
        return {}

    def list_schedule_groups(self, wanted: Input) -> Result:
        self.allow("scheduler:ListScheduleGroups", None, "*")
        prefix = wanted.get("NamePrefix", "")
        names = sorted(name for name in self._scheduler.groups if name.startswith(prefix))
        shown, token = _page(names, wanted, key=str)
        return {"ScheduleGroups": [self._scheduler.describe_group(name) for name in shown], "NextToken": token}

    # -- tags, which groups have -------------------------------------------------------------------------------------

    def tag_resource(self, wanted: Input) -> Result:
        self._tags(wanted, "TagResource").update(tags_of(wanted["Tags"]))
        return {}

    def untag_resource(self, wanted: Input) -> Result:
        tags = self._tags(wanted, "UntagResource")
        for key in wanted["TagKeys"]:
            tags.pop(key, None)
        return {}

    def list_tags_for_resource(self, wanted: Input) -> Result:
        return {"Tags": tag_list(self._tags(wanted, "ListTagsForResource"))}

    def _tags(self, wanted: Input, action: str) -> dict[str, str]:
        arn = wanted["ResourceArn"]
        self.allow(f"scheduler:{action}", None, arn)
        name = arn.rpartition("/")[2]
        if arn != self._group_arn(name):
            raise ScheduleNotFound(f"Schedule group {name} does not exist.")
        return self._scheduler.group_tags(name)

    def _group_arn(self, name: str) -> str:
        default: str = self._scheduler.describe_group("default")["Arn"]
        return f"{default.rpartition('/')[0]}/{name}"


_OPTIONS = {
    "ScheduleExpressionTimezone": "timezone",
    "StartDate": "start",
    "EndDate": "end",
    "State": "state",
    "ActionAfterCompletion": "action_after_completion",
    "Description": "description",
}
_RETRIES = {"MaximumRetryAttempts": "maximum_retry_attempts", "MaximumEventAgeInSeconds": "maximum_event_age"}


def _check_target(target: Input) -> None:
    for name in ("EcsParameters", "SageMakerPipelineParameters"):
        if name in target:
            raise ScheduleNotValid(f"{name} is for targets that are not here.")


def _window(wanted: Input) -> int | None:
    """The minutes of a flexible window; None for none."""
    minutes: int | None = wanted.get("MaximumWindowInMinutes")
    if wanted["Mode"] == "OFF":
        if minutes is not None:
            raise ScheduleNotValid("MaximumWindowInMinutes is not supported for Mode OFF.")
        return None
    if minutes is None:
        raise ScheduleNotValid("MaximumWindowInMinutes must be specified for Mode FLEXIBLE.")
    return minutes


def _page(items: Iterable[Any], wanted: Input, key: Any) -> tuple[list[Any], str | None]:
    return page(items, wanted.get("NextToken"), wanted.get("MaxResults", PAGE), key=key)


def _summary(schedule: NamedSchedule) -> Result:
    document = schedule.describe()
    names = ("Arn", "CreationDate", "GroupName", "LastModificationDate", "Name", "State")
    return {name: document[name] for name in names} | {"Target": {"Arn": document["Target"]["Arn"]}}
