"""Functions as Lambda's answers show them: FunctionConfiguration.

Defaults and the order of members: answers recorded in November 2025.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

from eventbus.functions.alias import Alias
from eventbus.functions.function import Function
from eventbus.functions.invocable import Invocable
from eventbus.functions.package import Packaged
from eventbus.functions.version import Latest, Version

CREATING = {"State": "Pending", "StateReason": "The function is being created.", "StateReasonCode": "Creating"}
"""What a function is while it is being made: what CreateFunction answers, and nobody sees later."""
UPDATING = {
    "LastUpdateStatus": "InProgress",
    "LastUpdateStatusReason": "The function is being created.",
    "LastUpdateStatusReasonCode": "Creating",
}
READY = {"State": "Active", "LastUpdateStatus": "Successful"}


def last_modified(seconds: float) -> str:
    """`2026-01-02T03:04:05.678+0000`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")


def configuration(target: Invocable, state: dict[str, str] = READY) -> dict[str, Any]:
    """The configuration of a function, of a version, or of the version that an alias stands for."""
    version = version_of(target)
    function = target.function
    settings, handler = version.configuration, version.handler
    dead_letter = function.destinations.dead_letter
    shown: dict[str, Any] = {
        "FunctionName": function.name,
        "FunctionArn": target.arn,
        "Runtime": runtime(handler),
        "Role": version.role.arn,
        "Handler": handler_name(handler),
        "CodeSize": handler.code.size if isinstance(handler, Packaged) else 0,
        "Description": settings.description,
        "Timeout": max(1, round(settings.timeout)),
        "MemorySize": settings.memory,
        "LastModified": last_modified(version.modified_at if isinstance(version, Function) else version.published_at),
        "CodeSha256": version.code_sha256,
        "Version": version.number,
        "DeadLetterConfig": None if dead_letter is None else {"TargetArn": dead_letter.arn},
        "Environment": {"Variables": dict(settings.environment)} if settings.environment else None,
        "TracingConfig": {"Mode": settings.tracing},
        "RevisionId": version.revision_id,
        "Layers": [{"Arn": layer.arn, "CodeSize": layer.size} for layer in settings.layers] or None,
        "PackageType": "Zip",
        "Architectures": [settings.architecture],
        "EphemeralStorage": {"Size": settings.tmp},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": _logging(target),
    }
    return shown | state


def version_of(target: Invocable) -> Function | Version:
    """What runs when it is invoked; of an alias with weights the version that gets the rest."""
    if isinstance(target, Alias):
        return version_of(target.version)
    if isinstance(target, Latest):
        return target.function
    assert isinstance(target, Function | Version)
    return target


def _logging(target: Invocable) -> dict[str, str]:
    settings = version_of(target).configuration
    shown = {
        "LogFormat": settings.log_format,
        "LogGroup": settings.log_group or f"/aws/lambda/{target.function.name}",
    }
    if settings.log_format == "JSON":
        shown |= {
            "ApplicationLogLevel": settings.application_log_level,
            "SystemLogLevel": settings.system_log_level,
        }
    return shown


def runtime(handler: object) -> str:
    """The identifier of what runs a handler; for one of this program that of this interpreter."""
    here = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if not isinstance(handler, Packaged):
        return here
    return handler.code.identifier or ("provided.al2023" if handler.code.runtime == "provided" else here)


def handler_name(handler: object) -> str:
    """`module.function`."""
    if isinstance(handler, Packaged):
        return handler.code.handler
    return f"{getattr(handler, '__module__', '')}.{getattr(handler, '__qualname__', type(handler).__qualname__)}"
