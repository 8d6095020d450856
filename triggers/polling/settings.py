"""What an event source mapping is set to: one frozen value, checked as a whole. Pure.

Ranges and defaults: API_CreateEventSourceMapping and the parameter tables of the Lambda developer guide (2026).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from eventbus.errors import ConfigurationError, InvalidParameterValue, ValidationFailed
from triggers.polling.errors import unsupported

TRIM_HORIZON, LATEST, AT_TIMESTAMP = "TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"
STREAMS = ("kinesis", "dynamodb")
REPORT = "ReportBatchItemFailures"

_POSITIONS = (LATEST, AT_TIMESTAMP, TRIM_HORIZON)  # in the order in which AWS lists them
_NO_POSITION = "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must"

AWS_NAMES = {
    "batch_size": "BatchSize",
    "batch_window": "MaximumBatchingWindowInSeconds",
    "starting_position": "StartingPosition",
    "starting_position_timestamp": "StartingPositionTimestamp",
    "parallelization_factor": "ParallelizationFactor",
    "maximum_retry_attempts": "MaximumRetryAttempts",
    "maximum_record_age": "MaximumRecordAgeInSeconds",
    "bisect_batch_on_function_error": "BisectBatchOnFunctionError",
    "tumbling_window": "TumblingWindowInSeconds",
    "function_response_types": "FunctionResponseTypes",
    "filters": "FilterCriteria",
    "maximum_concurrency": "ScalingConfig",
    "metrics": "MetricsConfig",
}
"""AWS's names of our settings."""

_ONLY_STREAMS = (
    "starting_position",
    "starting_position_timestamp",
    "parallelization_factor",
    "maximum_retry_attempts",
    "maximum_record_age",
    "bisect_batch_on_function_error",
    "tumbling_window",
)
_ONLY_QUEUES = ("maximum_concurrency",)
_FIXED = ("starting_position", "starting_position_timestamp")


@attrs.frozen(kw_only=True)
class MappingSettings:
    """How a mapping reads its source and what it does when the function fails. Durations are whole seconds."""

    batch_size: int
    batch_window: int = 0
    starting_position: str | None = None
    starting_position_timestamp: float | None = None
    """Seconds since the epoch."""
    parallelization_factor: int = 1
    maximum_retry_attempts: int = -1
    maximum_record_age: int = -1
    bisect_batch_on_function_error: bool = False
    tumbling_window: int = 0
    function_response_types: tuple[str, ...] = ()
    filters: tuple[Any, ...] = ()
    """Patterns, as JSON texts or as objects."""
    maximum_concurrency: int | None = None
    metrics: tuple[str, ...] = ()

    @property
    def reports_failures(self) -> bool:
        """Whether the function's answer is read for `batchItemFailures`."""
        return REPORT in self.function_response_types


def settings_of(kind: str, is_fifo: bool, options: Mapping[str, Any]) -> MappingSettings:
    """The settings of a new mapping with a source of this kind: `kinesis`, `dynamodb` or `sqs`.

    Raises ConfigurationError for an option that there is not, InvalidParameterValue or ValidationFailed for what AWS
    refuses.
    """
    given = {name: value for name, value in _known(options).items() if value is not None}
    _check_kind(kind, given)
    given.setdefault("batch_size", 100 if kind in STREAMS else 10)
    settings = MappingSettings(**given)
    if kind in STREAMS:
        _check_position(settings)
    _check(kind, is_fifo, settings)
    return settings


def changed(kind: str, is_fifo: bool, settings: MappingSettings, changes: Mapping[str, Any]) -> MappingSettings:
    """The settings after an update; raises what `settings_of` raises, and for a changed starting position."""
    for name in _FIXED:
        if name in changes:
            raise ConfigurationError(f"{name} cannot be changed; delete the mapping and create it anew")
    given = _known(changes)
    _check_kind(kind, given)
    updated = attrs.evolve(settings, **given)
    _check(kind, is_fifo, updated)
    return updated


def _known(options: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := sorted(set(options) - set(AWS_NAMES)):
        raise ConfigurationError(
            f"poll has no option {', '.join(unknown)}; it has {', '.join(AWS_NAMES)}, on_failure, enabled and grant"
        )
    given = dict(options)
    for name in ("function_response_types", "metrics"):
        if name in given:
            given[name] = _texts(name, given[name])
    if "filters" in given:
        given["filters"] = _patterns(given["filters"])
    return given


def _texts(name: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ConfigurationError(f"{name}={value!r}: a list of names is needed")
    return tuple(value)


def _patterns(value: object) -> tuple[Any, ...]:
    """Filters as AWS writes them, `{"Filters": [{"Pattern": ...}]}`, or as a plain list of patterns."""
    if isinstance(value, Mapping):
        if set(value) - {"Filters"}:
            raise ConfigurationError(f'filters={value!r}: a list of patterns, or AWS\'s {{"Filters": [...]}}')
        value = value.get("Filters", ())
        if not isinstance(value, Iterable) or not all(
            isinstance(entry, str) or (isinstance(entry, Mapping) and entry.keys() <= {"Pattern"}) for entry in value
        ):
            raise ConfigurationError(f'Filters={value!r}: a list of {{"Pattern": ...}}')
        value = [entry.get("Pattern") if isinstance(entry, Mapping) else entry for entry in value]
    if value is None:
        return ()
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ConfigurationError(f'filters={value!r}: a list of patterns, or AWS\'s {{"Filters": [...]}}')
    return tuple(value)


def _check_kind(kind: str, given: Mapping[str, Any]) -> None:
    wrong = _ONLY_QUEUES if kind in STREAMS else _ONLY_STREAMS
    if (name := next((name for name in given if name in wrong), None)) is not None:
        raise unsupported(AWS_NAMES[name], mend=f"leave {name} out for {'a stream' if kind in STREAMS else 'a queue'}")


def _check_position(settings: MappingSettings) -> None:
    position = settings.starting_position
    if position is None:
        raise InvalidParameterValue(
            f"{_NO_POSITION} not be null.",
            mend='pass starting_position="TRIM_HORIZON" or "LATEST"',
        )
    if position not in _POSITIONS:
        listed = ", ".join(_POSITIONS)
        raise ValidationFailed(position, "startingPosition", f"Member must satisfy enum value set: [{listed}]")
    at = settings.starting_position_timestamp
    if position == AT_TIMESTAMP:
        if not _is_instant(at):
            raise InvalidParameterValue(
                "StartingPositionTimestamp is required when StartingPosition is AT_TIMESTAMP.",
                mend="pass starting_position_timestamp= in seconds since the epoch",
            )
    elif at is not None:
        raise InvalidParameterValue("StartingPositionTimestamp can only be used with StartingPosition AT_TIMESTAMP.")


def _check(kind: str, is_fifo: bool, settings: MappingSettings) -> None:
    _within(settings.batch_size, "batchSize", 1, 10_000)
    _within(settings.batch_window, "maximumBatchingWindowInSeconds", 0, 300)
    _within(settings.parallelization_factor, "parallelizationFactor", 1, 10)
    _within(settings.maximum_retry_attempts, "maximumRetryAttempts", -1, 10_000)
    _within(settings.maximum_record_age, "maximumRecordAgeInSeconds", -1, 604_800)
    if 0 <= settings.maximum_record_age < 60:
        raise InvalidParameterValue("MaximumRecordAgeInSeconds must be -1 or at least 60 seconds.")
    _within(settings.tumbling_window, "tumblingWindowInSeconds", 0, 900)
    if not isinstance(settings.bisect_batch_on_function_error, bool):
        raise ConfigurationError("bisect_batch_on_function_error is True or False")
    for name in settings.function_response_types:
        if name != REPORT:
            raise ValidationFailed(name, "functionResponseTypes", f"Member must satisfy enum value set: [{REPORT}]")
    for name in settings.metrics:
        if name != "EventCount":
            raise ValidationFailed(name, "metricsConfig.metrics", "Member must satisfy enum value set: [EventCount]")
    if kind == "sqs":
        _check_queue(is_fifo, settings)


def _check_queue(is_fifo: bool, settings: MappingSettings) -> None:
    if settings.maximum_concurrency is not None:
        _within(settings.maximum_concurrency, "scalingConfig.maximumConcurrency", 2, 1000)
    if is_fifo:
        if settings.batch_size > 10:
            raise InvalidParameterValue("Batch size must be between 1 and 10 for FIFO queues.")
        if settings.batch_window:
            raise InvalidParameterValue("Batching window is not supported for FIFO queues.")
    elif settings.batch_size > 10 and not settings.batch_window:
        raise InvalidParameterValue(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
            mend="pass batch_window= of 1 second or more",
        )


def check_enabled(enabled: object) -> None:
    """Refuse what is neither True nor False: a text would be true whatever it says."""
    if not isinstance(enabled, bool):
        raise ConfigurationError(f"enabled={enabled!r}: enabled is True or False")


def function_timeout(function: Any) -> float:
    """Seconds that an invocation may take; of a version or an alias that does not say, 0."""
    return float(getattr(getattr(function, "configuration", None), "timeout", 0))


def check_visibility(source: Any, function: Any) -> None:
    """Refuse a queue whose messages may be seen again while the function still works on them."""
    timeout = function_timeout(function)
    if timeout > source.visibility_timeout:
        raise InvalidParameterValue(
            f"Queue visibility timeout: {source.visibility_timeout} seconds is less than Function timeout: "
            f"{timeout:g} seconds",
            mend="AWS recommends a visibility timeout of six times the function's timeout",
        )


def _is_instant(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _within(value: object, member: str, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ConfigurationError(f"{member}={value!r}: a whole number is needed")
    if value < low:
        raise ValidationFailed(value, member, f"Member must have value greater than or equal to {low}")
    if value > high:
        raise ValidationFailed(value, member, f"Member must have value less than or equal to {high}")
