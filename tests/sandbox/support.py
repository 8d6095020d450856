"""What the tests of the sandbox share: an open one, with its log."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import attrs

from eventbus.execution.sandbox.sandbox import Sandbox
from eventbus.execution.sandbox.values import Answer, Done, Failure, Init, Request, SandboxSpec

HERE = Path(__file__).parent


@attrs.define
class Trial:
    """A sandbox that has started, and what it wrote."""

    sandbox: Sandbox
    log: list[str]
    init: Init
    calls: int = 0

    async def invoke(self, payload: Any = None, **options: Any) -> Done:
        """One invocation, with ids r1, r2, …"""
        self.calls += 1
        options.setdefault("timeout", 10)
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return await self.sandbox.invoke(Request(request_id=f"r{self.calls}", payload=data, **options))

    async def value(self, payload: Any = None, **options: Any) -> Any:
        """What an invocation that succeeds returns."""
        outcome = (await self.invoke(payload, **options)).outcome
        assert isinstance(outcome, Answer), outcome
        return json.loads(outcome.body)

    async def error(self, payload: Any = None, **options: Any) -> dict[str, Any]:
        """The document of an invocation that fails."""
        outcome = (await self.invoke(payload, **options)).outcome
        assert isinstance(outcome, Failure), outcome
        document: dict[str, Any] = json.loads(outcome.document)
        return document


@asynccontextmanager
async def opened(handler: str, directory: Path = HERE, **options: Any) -> AsyncIterator[Trial]:
    """A sandbox for a handler, closed at the end."""
    log: list[str] = []
    options.setdefault("variables", {"PATH": os.defpath})
    async with anyio.create_task_group() as tasks:
        sandbox = Sandbox(SandboxSpec(handler=handler, directory=directory, **options), tasks, log.append)
        try:
            yield Trial(sandbox, log, await sandbox.start())
        finally:
            await sandbox.aclose()
            tasks.cancel_scope.cancel()


def failure_of(done: Done) -> tuple[dict[str, Any], str, str]:
    """An invocation's error: its document, the type that is reported and the status."""
    assert isinstance(done.outcome, Failure), done.outcome
    return json.loads(done.outcome.document), done.outcome.error_type, done.outcome.status
