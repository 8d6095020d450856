"""Environment variables: which ones a function may have, and all that its process sees; pure.

Source: Lambda developer guide, "Working with Lambda environment variables", and recorded environments (2025).
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping

from eventbus.errors import ConfigurationError, InvalidParameterValue

MAX_BYTES = 4096
"""Of all variables together, as compact JSON."""
RESERVED = frozenset(
    (
        "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
        "AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
    )
)  # fmt: skip
UNABLE = "Lambda was unable to configure your environment variables because the environment variables you have provided"
_NAME = re.compile(r"[a-zA-Z]([a-zA-Z0-9_])+")
SEARCHED = "/usr/local/bin:/usr/bin/:/bin:/opt/bin"


def check_variables(variables: object) -> dict[str, str]:
    """A function's own variables, as a copy.

    Raises ConfigurationError for what is no dict of texts, InvalidParameterValue in AWS's words for a name that is
    malformed or reserved and for more than 4 KB.
    """
    if not isinstance(variables, Mapping) or not all(
        isinstance(name, str) and isinstance(value, str) for name, value in variables.items()
    ):
        raise ConfigurationError(f"environment={variables!r}: a dict of texts is needed")
    taken = dict(variables)
    for name, value in taken.items():
        if not _NAME.fullmatch(name):
            raise InvalidParameterValue(
                f"environment variable name {name!r} must match {_NAME.pattern}", mend="letters, digits and underscores"
            )
        if "\0" in value:
            raise ConfigurationError(f"environment[{name!r}] holds a NUL, which no process can be given")
    if reserved := sorted(RESERVED & taken.keys()):
        raise InvalidParameterValue(
            f"{UNABLE} contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    measured = json.dumps(taken, separators=(",", ":"), ensure_ascii=False)
    if len(measured.encode(errors="replace")) > MAX_BYTES:
        raise InvalidParameterValue(f"{UNABLE} exceeded the 4KB limit. String measured: {measured}")
    return taken


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
) -> dict[str, str]:
    """Everything that a function's process finds in its environment, except where the Runtime API is."""
    variables = {
        "PATH": f"{os.path.dirname(sys.executable)}:{SEARCHED}",
        "LANG": "en_US.UTF-8",
        "LC_CTYPE": "C.UTF-8",
        "TZ": ":UTC",
        "SHLVL": "0",
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
