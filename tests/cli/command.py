"""The command, run as users run it: in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "COLUMNS": "100"}


def eventbus(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(_command(*arguments), capture_output=True, env=ENVIRONMENT, cwd=cwd, timeout=60, text=True)


def interrupted(*arguments: object, after: str, with_signal: signal.Signals) -> tuple[int, str, str]:
    """Run the command, and send it a signal as soon as it has printed a line that contains a text.

    Returns the exit status, what it printed and what it printed to stderr.
    """
    with subprocess.Popen(
        _command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        seen = []
        for line in process.stdout:
            seen.append(line)
            if after in line:
                process.send_signal(with_signal)
                break
        rest, errors = process.communicate(timeout=60)
        return process.returncode, "".join(seen) + rest, errors


def _command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "triggers.cli", *map(str, arguments)]


def table(output: str) -> dict[str, list[int]]:
    """The rows of the table at the end, by function: invocations, errors, retries, dead letters."""
    rows = {}
    for line in output.splitlines():
        name, *cells = line.split() or [""]
        if len(cells) == 4 and all(cell.isdecimal() for cell in cells):
            rows[name] = [int(cell) for cell in cells]
    return rows
