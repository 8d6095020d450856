"""What `eventbus serve` imports before it listens: counted, for a count is the same on a slow machine."""

from __future__ import annotations

import subprocess
import sys

FEW = 420
"""Modules of Python, the base packages, h11 and the engine."""


def test_little_is_imported_before_there_is_a_port() -> None:
    script = "import triggers.aws.command, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "botocore" not in loaded
    rooms = {name for name in loaded if name.startswith("triggers.") and name.count(".") == 1}
    assert rooms == {f"triggers.{name}" for name in ("aws", "connection", "running", "script", "serving", "summary")}
    assert len(loaded) < FEW
