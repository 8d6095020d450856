"""The log of one invocation: the platform's lines around the function's own, as text or as JSON. Pure rendering.

Formats: recorded log events; Lambda developer guide, "Using CloudWatch logs with Lambda", "Log formats" and "Telemetry
API schema reference" (2026).
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import attrs
import orjson

from eventbus.execution.outcome import Failed, Succeeded
from eventbus.telemetry.billing import billed_milliseconds
from eventbus.telemetry.log_event import LogEvent, is_wanted, line_is_wanted
from eventbus.timestamps import iso_time

if TYPE_CHECKING:
    from eventbus.delivery.event import Attempt
    from eventbus.execution.environment import Environment
    from eventbus.functions.configuration import Configuration

RUNTIME = f"python:{sys.version_info.major}.{sys.version_info.minor}.v1"
RUNTIME_ARN = f"arn:aws:lambda:us-east-1::runtime:{hashlib.sha256(RUNTIME.encode()).hexdigest()}"
PROVIDED = "provided:al2023.v1"


def runtime_of(environment: Environment) -> tuple[str, str]:
    """The version of what runs an environment's handler, and its ARN."""
    code = getattr(environment.lane.handler, "code", None)
    if code is None or code.runtime != "provided":
        return RUNTIME, RUNTIME_ARN
    return PROVIDED, f"arn:aws:lambda:us-east-1::runtime:{hashlib.sha256(PROVIDED.encode()).hexdigest()}"


def configuration_of(attempt: Attempt) -> Configuration:
    """What the function was configured with when the attempt was made."""
    assert attempt.environment is not None
    return attempt.environment.configuration


def log_of(attempt: Attempt, request_id: str, unit: float) -> list[LogEvent]:
    """Every log event of an attempt, the initialisation before it included. `unit` is what is billed, in seconds."""
    events = invocation(attempt, request_id, unit)
    if not attempt.is_cold:
        return events
    before = initialisation(attempt)
    ended = max(event.at for event in before) if before else 0.0
    # the environment began to initialise when the event was there already: what follows is not earlier
    return [*before, *(attrs.evolve(event, at=max(event.at, ended)) for event in events)]


def initialisation(attempt: Attempt) -> list[LogEvent]:
    """The log events of an environment's initialisation."""
    environment, settings = attempt.environment, configuration_of(attempt)
    assert environment is not None
    if settings.log_format == "JSON":
        return list(_json_initialisation(environment, settings))
    return list(_text_initialisation(environment))


def invocation(attempt: Attempt, request_id: str, unit: float) -> list[LogEvent]:
    """The log events of an invocation, from START to REPORT: what a caller gets as the tail of the log."""
    settings = configuration_of(attempt)
    if settings.log_format == "JSON":
        return list(_json_invocation(attempt, request_id, unit, settings))
    return list(_text_invocation(attempt, request_id, unit, settings))


def kept_lines(attempt: Attempt) -> list[str]:
    """What the handler wrote, as far as the function's log level lets it pass."""
    settings, lines = configuration_of(attempt), [line for _, line in attempt.lines or ()]
    if settings.log_format != "JSON":
        return lines
    return [line for line in lines if line_is_wanted(line, settings.application_log_level)]


def _end(attempt: Attempt) -> float:
    return max([attempt.at, *(at for at, _ in attempt.lines or ())])


def _handler_failure(attempt: Attempt) -> Failed | None:
    """What the handler itself did wrong: the runtime logs that. What was done to it is in the report alone."""
    outcome = attempt.outcome
    return outcome if isinstance(outcome, Failed) and outcome.status == "failure" else None


# -- text --------------------------------------------------------------------------------------------------------------


def _text_initialisation(environment: Environment) -> Iterator[LogEvent]:
    stream, began, failure = environment.log_stream, environment.init_started_at, environment.init_failure
    version, arn = runtime_of(environment)
    yield LogEvent(began, stream, f"INIT_START Runtime Version: {version}\tRuntime Version ARN: {arn}\n", "")
    for phase in ("init",) if failure is None or failure.status == "timeout" else ("init", "invoke"):
        lines = _init_lines(environment, phase)
        for at, line in lines:
            yield LogEvent(at, stream, line, "")
        if failure is not None:
            ended = max([began, *(at for at, _ in lines)])
            if failure.status != "timeout" and not environment.logs_errors:
                yield LogEvent(ended, stream, error_text(failure), "")
            yield LogEvent(ended, stream, _init_report(environment, failure, phase), "")


def _init_lines(environment: Environment, phase: str) -> list[tuple[float, str]]:
    """What an initialisation has written; one that failed is done again within the invocation, and says it again."""
    if phase == "invoke" and environment.repeated_lines is not None:
        return environment.repeated_lines
    return environment.init_lines or []


def _init_report(environment: Environment, failure: Failed, phase: str) -> str:
    kind = "" if failure.status == "timeout" else f"\tError Type: {failure.reported_type or failure.error_type}"
    status = "timeout" if failure.status == "timeout" else "error"
    milliseconds = environment.init_duration * 1000
    return f"INIT_REPORT Init Duration: {milliseconds:.2f} ms\tPhase: {phase}\tStatus: {status}{kind}\n"


def _text_invocation(attempt: Attempt, request_id: str, unit: float, settings: Configuration) -> Iterator[LogEvent]:
    environment = attempt.environment
    assert environment is not None
    stream, ended = environment.log_stream, _end(attempt)
    start = f"START RequestId: {request_id} Version: {environment.lane.version}\n"
    yield LogEvent(attempt.at, stream, start, request_id)
    for at, line in attempt.lines or ():
        yield LogEvent(at, stream, line, request_id)
    if (failure := _handler_failure(attempt)) is not None and not (
        _failed_to_start(attempt) or environment.logs_errors
    ):
        yield LogEvent(ended, stream, error_text(failure), request_id)
    yield LogEvent(ended, stream, f"END RequestId: {request_id}\n", request_id)
    yield LogEvent(ended, stream, report_line(attempt, request_id, settings.memory, unit), request_id)


def error_text(outcome: Failed) -> str:
    """An uncaught error as the Python runtime logs it."""
    stack = "".join(outcome.document.get("stackTrace", ()))
    trace = f"\nTraceback (most recent call last):\n{stack}".rstrip("\n") if stack else ""
    return f"[ERROR] {outcome.error_type}: {outcome.error_message}{trace}\n"


def report_line(attempt: Attempt, request_id: str, memory: int, unit: float) -> str:
    """The REPORT line of an attempt. Memory used is not measured in a task or a thread, and reads 0."""
    init, status = _init_duration(attempt), _report_status(attempt)
    return (
        f"REPORT RequestId: {request_id}\tDuration: {attempt.duration * 1000:.2f} ms\t"
        f"Billed Duration: {_billed(attempt, unit)} ms\tMemory Size: {memory} MB\t"
        f"Max Memory Used: {attempt.memory_used} MB\t"
        + ("" if init is None else f"Init Duration: {init * 1000:.2f} ms\t")
        + ("" if status is None else f"Status: {status[0]}" + (f"\tError Type: {status[1]}" if status[1] else ""))
        + "\n"
    )


def _failed_to_start(attempt: Attempt) -> bool:
    assert attempt.environment is not None
    return attempt.is_cold and attempt.environment.init_failure is not None


def _report_status(attempt: Attempt) -> tuple[str, str] | None:
    """Status and error type of what the platform reports: what was done to the handler, or kept it from starting."""
    outcome = attempt.outcome
    if not isinstance(outcome, Failed):
        return None
    if outcome.status == "timeout":
        return "timeout", ""
    if outcome.status == "failure" and not _failed_to_start(attempt):
        return None
    return "error", outcome.reported_type or outcome.error_type


def _init_duration(attempt: Attempt) -> float | None:
    """Seconds of the initialisation, where the report has a field for it; one that failed is part of the duration."""
    assert attempt.environment is not None
    return attempt.environment.init_duration if attempt.is_cold and not _failed_to_start(attempt) else None


def _billed(attempt: Attempt, unit: float) -> int:
    assert attempt.environment is not None
    init = _init_duration(attempt) if attempt.environment.init_type == "on-demand" else None
    return billed_milliseconds(attempt.duration + (init or 0.0), unit)


# -- JSON --------------------------------------------------------------------------------------------------------------


def _envelope(at: float, stream: str, kind: str, record: dict[str, Any], request_id: str) -> LogEvent:
    document = {"time": iso_time(at), "type": f"platform.{kind}", "record": record}
    return LogEvent(at, stream, orjson.dumps(document).decode() + "\n", request_id)


def _json_initialisation(environment: Environment, settings: Configuration) -> Iterator[LogEvent]:
    stream, began, failure = environment.log_stream, environment.init_started_at, environment.init_failure
    system = settings.system_log_level
    kind: dict[str, Any] = {"initializationType": environment.init_type, "phase": "init"}
    lane = environment.lane
    if is_wanted("INFO", system):
        about = {"functionName": lane.function.name, "functionVersion": lane.version}
        version, arn = runtime_of(environment)
        runtime = {"runtimeVersion": version, "runtimeVersionArn": arn}
        yield _envelope(began, stream, "initStart", {**kind, **about, **runtime}, "")
    for phase in ("init",) if failure is None or failure.status == "timeout" else ("init", "invoke"):
        lines = _init_lines(environment, phase)
        ended = max([began, *(at for at, _ in lines)])
        for at, line in lines:
            if line_is_wanted(line, settings.application_log_level):
                yield LogEvent(at, stream, line, "")
        is_ours = failure is not None and failure.status != "timeout" and not environment.logs_errors
        if failure is not None and is_ours and is_wanted("ERROR", settings.application_log_level):
            yield LogEvent(ended, stream, _json_error(failure, ended, ""), "")
        result: dict[str, Any] = {**kind, "phase": phase, "status": "success"}
        if failure is not None:
            result |= (
                {"status": "timeout"}
                if failure.status == "timeout"
                else {
                    "status": "error",
                    "errorType": failure.reported_type or failure.error_type,
                }
            )
        level = "WARN" if failure is not None else "DEBUG"
        if is_wanted(level, system):
            yield _envelope(ended, stream, "initRuntimeDone", result, "")
        if is_wanted("INFO" if level == "DEBUG" and environment.init_type != "on-demand" else level, system):
            metrics = {"durationMs": round(environment.init_duration * 1000, 3)}
            yield _envelope(ended, stream, "initReport", {**result, "metrics": metrics}, "")


def _json_invocation(attempt: Attempt, request_id: str, unit: float, settings: Configuration) -> Iterator[LogEvent]:
    environment = attempt.environment
    assert environment is not None
    stream, ended = environment.log_stream, _end(attempt)
    system, application = settings.system_log_level, settings.application_log_level
    if is_wanted("INFO", system):
        start = {"requestId": request_id, "version": environment.lane.version}
        yield _envelope(attempt.at, stream, "start", start, request_id)
    for at, line in attempt.lines or ():
        if line_is_wanted(line, application):
            yield LogEvent(at, stream, line, request_id)
    failure = _handler_failure(attempt)
    is_ours = not (_failed_to_start(attempt) or environment.logs_errors)
    if failure is not None and is_ours and is_wanted("ERROR", application):
        yield LogEvent(ended, stream, _json_error(failure, ended, request_id), request_id)
    status = attempt.outcome.status if isinstance(attempt.outcome, Failed) else "success"
    result: dict[str, Any] = {"requestId": request_id, "status": status}
    if isinstance(attempt.outcome, Failed) and status == "error":
        result["errorType"] = attempt.outcome.reported_type or attempt.outcome.error_type
    if is_wanted("DEBUG" if status == "success" else "WARN", system):
        yield _envelope(ended, stream, "runtimeDone", {**result, "metrics": _runtime_metrics(attempt)}, request_id)
    if is_wanted("INFO" if status == "success" else "WARN", system):
        metrics = _report_metrics(attempt, settings.memory, unit)
        yield _envelope(ended, stream, "report", {**result, "metrics": metrics}, request_id)


def _runtime_metrics(attempt: Attempt) -> dict[str, Any]:
    metrics: dict[str, Any] = {"durationMs": round(attempt.duration * 1000, 3)}
    if isinstance(attempt.outcome, Succeeded):
        metrics["producedBytes"] = len(attempt.outcome.result)
    return metrics


def _report_metrics(attempt: Attempt, memory: int, unit: float) -> dict[str, Any]:
    metrics = {
        "durationMs": round(attempt.duration * 1000, 3),
        "billedDurationMs": _billed(attempt, unit),
        "memorySizeMB": memory,
        "maxMemoryUsedMB": attempt.memory_used,
    }
    init = _init_duration(attempt)
    return metrics if init is None else {**metrics, "initDurationMs": round(init * 1000, 3)}


def _json_error(failure: Failed, at: float, request_id: str) -> str:
    """An uncaught error as the Python runtime logs it in JSON."""
    record = {
        "timestamp": f"{iso_time(at)[:19]}Z",
        "level": "ERROR",
        "errorMessage": failure.error_message,
        "errorType": failure.error_type,
        "requestId": request_id,
        "stackTrace": failure.document.get("stackTrace", []),
    }
    return orjson.dumps(record).decode() + "\n"
