"""What CloudWatch Logs and CloudWatch refuse, in their own words."""

from __future__ import annotations

from eventbus.errors import AWSError


class LogGroupNotFound(AWSError, LookupError):
    """There is no such log group, or no such stream in it."""

    code = "ResourceNotFoundException"
    status = 400


class LogGroupExists(AWSError):
    """The log group exists already."""

    code = "ResourceAlreadyExistsException"
    status = 400


class LogStreamExists(LogGroupExists):
    """The log stream exists already."""


class InvalidLogParameter(AWSError, ValueError):
    """CloudWatch Logs does not take this value."""

    code = "InvalidParameterException"
    status = 400


class InvalidFilterPattern(InvalidLogParameter):
    """A filter pattern that CloudWatch Logs would not take."""

    def __init__(self, pattern: str, problem: str, mend: str | None = None) -> None:
        super().__init__(f"Invalid filter pattern {pattern!r}: {problem}.", mend=mend)


class LiveTailLimitExceeded(AWSError):
    """There are as many Live Tail sessions as there may be at the same time."""

    code = "LimitExceededException"
    status = 400


class LiveTailTimedOut(AWSError):
    """A Live Tail session lasts for three hours."""

    code = "SessionTimeoutException"
    status = 400

    def __init__(self) -> None:
        super().__init__("The Live Tail session has timed out after three hours.", mend="start another one")


class InvalidMetricData(AWSError, ValueError):
    """CloudWatch does not take this data point, or doesn't know this statistic."""

    code = "InvalidParameterValue"
    status = 400
