"""Environment variables: all that a function's process finds; pure.

Source: Lambda developer guide, "Defined runtime environment variables" (2026), and recorded environments (2025).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

SEARCHED = "/usr/local/bin:/usr/bin/:/bin:/opt/bin"

STRANGERS = {
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""What keeps a client of AWS in a function from the keys of whoever runs the bus: it has its own, or none."""


def process_variables(
    given: Mapping[str, str],
    *,
    directory: str,
    runtime: str,
    commands: str = "",
    access: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """What Lambda and the function set, on the ground of a process's own; all but where the Runtime API is.

    `commands` are directories of executables that come with layers, `access` is how the process reaches the bus.
    """
    variables = {
        "PATH": f"{os.path.dirname(sys.executable)}:{SEARCHED}" + (f":{commands}" if commands else ""),
        "LANG": "en_US.UTF-8",
        "LC_CTYPE": "C.UTF-8",
        "TZ": ":UTC",
        "SHLVL": "0",
        **STRANGERS,
        **(access or {}),
        **given,
        "PWD": directory,
        "LAMBDA_TASK_ROOT": directory,
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
    }
    if runtime == "provided":
        variables.pop("AWS_EXECUTION_ENV", None)
    return variables
