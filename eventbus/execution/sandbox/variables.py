"""Environment variables: all that a function's process finds; pure.

Source: Lambda developer guide, "Defined runtime environment variables" (2026), and recorded environments (2025).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

SEARCHED = "/usr/local/bin:/usr/bin/:/bin:/opt/bin"


def process_variables(
    own: Mapping[str, str],
    *,
    name: str,
    version: str,
    memory: int,
    region: str,
    handler: str,
    directory: str,
    runtime: str,
    log_group: str,
    log_stream: str,
    init_type: str,
    commands: str = "",
    access: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Everything that a function's process finds in its environment, except where the Runtime API is.

    `commands` are directories of executables that come with layers, `access` is how the process reaches the bus.
    """
    variables = {
        "PATH": f"{os.path.dirname(sys.executable)}:{SEARCHED}" + (f":{commands}" if commands else ""),
        "LANG": "en_US.UTF-8",
        "LC_CTYPE": "C.UTF-8",
        "TZ": ":UTC",
        "SHLVL": "0",
        **(access or {}),
        **own,
        "PWD": directory,
        "_HANDLER": handler,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory),
        "AWS_LAMBDA_INITIALIZATION_TYPE": init_type,
        "AWS_LAMBDA_LOG_GROUP_NAME": log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "LAMBDA_TASK_ROOT": directory,
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
    }
    if runtime != "provided":
        variables["AWS_EXECUTION_ENV"] = f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}"
    return variables
