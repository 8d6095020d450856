"""Every refusal of EventBridge and of its Scheduler, in AWS's own words.

    AWSError
    ├── EventBridgeError
    │   ├── NotValid               400  ValidationException
    │   ├── InvalidEventPattern    400  InvalidEventPatternException
    │   ├── NotFound               400  ResourceNotFoundException (also a KeyError: `eb["nope"]`)
    │   ├── AlreadyExists          400  ResourceAlreadyExistsException
    │   ├── LimitExceeded          400  LimitExceededException
    │   └── MalformedDetail        400  what is sent to an event bus is no event
    └── SchedulerError
        ├── ScheduleNotValid       400  ValidationException
        ├── ScheduleNotFound       404  ResourceNotFoundException (also a KeyError)
        └── ScheduleConflict       409  ConflictException

Codes: botocore 1.44.5. Texts: recorded against AWS (LocalStack's validated snapshots, 2026), where they are known.
"""

from __future__ import annotations

from eventbus.errors import AWSError


class EventBridgeError(AWSError):
    """A refusal of EventBridge."""

    code = "ValidationException"
    status = 400


class NotValid(EventBridgeError, ValueError):
    """A parameter that EventBridge refuses."""


class InvalidEventPattern(EventBridgeError, ValueError):
    """`reason` is what the pattern language says, without the prefix."""

    code = "InvalidEventPatternException"

    def __init__(self, reason: str) -> None:
        super().__init__(f"Event pattern is not valid. Reason: {reason}")
        self.reason = reason


class NotFound(EventBridgeError, KeyError):
    """There is no such event bus, rule, archive or replay."""

    code = "ResourceNotFoundException"

    __str__ = Exception.__str__  # a KeyError would show its message in quotes


class AlreadyExists(EventBridgeError):
    code = "ResourceAlreadyExistsException"


class LimitExceeded(EventBridgeError):
    code = "LimitExceededException"

    def __init__(self, *, mend: str | None = None) -> None:
        super().__init__("The requested resource exceeds the maximum number allowed.", mend=mend)


class MalformedDetail(EventBridgeError, ValueError):
    """What another resource sends to an event bus has to be a whole event."""

    code = "MalformedDetail"

    def __init__(self) -> None:
        super().__init__("Detail is malformed.", mend="send an event with source, detail-type and detail")


class SchedulerError(AWSError):
    """A refusal of EventBridge Scheduler."""

    code = "ValidationException"
    status = 400


class ScheduleNotValid(SchedulerError, ValueError):
    """A parameter that the Scheduler refuses."""


class ScheduleNotFound(SchedulerError, KeyError):
    """There is no such schedule or group."""

    code = "ResourceNotFoundException"
    status = 404

    __str__ = Exception.__str__  # a KeyError would show its message in quotes


class ScheduleConflict(SchedulerError):
    code = "ConflictException"
    status = 409
