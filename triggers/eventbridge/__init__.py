"""EventBridge: event buses whose rules send events on, archives that replay them, and schedules."""

from triggers.eventbridge.archive import Archive, Replay
from triggers.eventbridge.errors import (
    AlreadyExists,
    EventBridgeError,
    InvalidEventPattern,
    LimitExceeded,
    MalformedDetail,
    NotFound,
    NotValid,
    ScheduleConflict,
    ScheduleNotFound,
    ScheduleNotValid,
    SchedulerError,
)
from triggers.eventbridge.event_bus import EventBridgeBus
from triggers.eventbridge.events import PutEventsEntryResult, PutEventsResult
from triggers.eventbridge.rule import Rule
from triggers.eventbridge.rule_targets import RuleTarget
from triggers.eventbridge.schedule import Schedule
from triggers.eventbridge.service import EventBridge
from triggers.eventbridge.timetable import NamedSchedule

__all__ = [
    "AlreadyExists",
    "Archive",
    "EventBridge",
    "EventBridgeBus",
    "EventBridgeError",
    "InvalidEventPattern",
    "LimitExceeded",
    "MalformedDetail",
    "NamedSchedule",
    "NotFound",
    "NotValid",
    "PutEventsEntryResult",
    "PutEventsResult",
    "Replay",
    "Rule",
    "RuleTarget",
    "Schedule",
    "ScheduleConflict",
    "ScheduleNotFound",
    "ScheduleNotValid",
    "SchedulerError",
]
