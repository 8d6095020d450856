"""What a sandbox is made of, what it is asked and what it answers: values, which know neither tasks nor lanes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import attrs

RUNTIMES = ("python", "awslambdaric", "provided")
"""Our own client, AWS's client for Python, and an executable `bootstrap` in the code directory."""
INIT_LIMIT = 10.0
"""Seconds of an on-demand INIT phase (Lambda developer guide, "Understanding the execution environment life cycle")."""
MAX_RESPONSE = 6_291_556
"""Bytes of a buffered response: 6 MiB + 100 (Lambda quotas)."""
MAX_STREAMED = 200 * 2**20
"""Bytes of a streamed response (Lambda quotas, 2025)."""
MAX_UNZIPPED = 262_144_000
"""Bytes of a package when unpacked (Lambda quotas)."""


@attrs.frozen(kw_only=True)
class SandboxSpec:
    """Everything that one environment's processes are started with."""

    handler: str
    directory: Path
    """Where the code is: the working directory, and first on the path of imports."""
    runtime: str = "python"
    memory: int = 128
    """Megabytes that the processes may take together."""
    tmp: int = 512
    """Megabytes of `/tmp`."""
    variables: Mapping[str, str] = attrs.field(factory=dict)
    """The complete environment, without the address of the Runtime API."""
    path: tuple[str, ...] = ()
    """Directories to import from, behind the code's own."""
    kept: tuple[str, ...] = ()
    """Further directories that have to be seen, should they lie below the `/tmp` that is replaced."""
    private_tmp: bool = True
    """Whether to try a mount of its own at `/tmp`."""
    init_limit: float = INIT_LIMIT
    """Seconds of the INIT phase."""


@attrs.frozen(kw_only=True)
class Request:
    """One invocation."""

    request_id: str
    payload: bytes
    timeout: float
    """Seconds until the processes are ended; initialising again is part of it."""
    arn: str = ""
    client_context: str | None = None
    """JSON text."""
    trace_id: str | None = None
    content_type: str = "application/json"


@attrs.frozen
class Answer:
    """The runtime's response, byte for byte."""

    body: bytes
    content_type: str = "application/json"
    is_streamed: bool = False


@attrs.frozen
class Failure:
    """A function error: the document that the caller sees, and how the platform reports it."""

    document: bytes
    error_type: str
    """For the REPORT line; differs from the document's when memory ran out."""
    status: str = "error"
    """`failure` (posted by the runtime), `error` (crash) or `timeout`."""


Outcome: TypeAlias = Answer | Failure


@attrs.frozen
class Init:
    """One run of the initialisation."""

    duration: float
    phase: str
    """`init`, or `invoke` when it was run again inside an invocation."""
    failure: Failure | None = None


@attrs.frozen
class Done:
    """What became of one invocation."""

    outcome: Outcome
    duration: float
    """Seconds, a repeated initialisation included."""
    peak_memory: int
    """Bytes: the most that this environment has ever used."""
    init: Init | None = None
    """The initialisation that was run inside this invocation, if any."""
