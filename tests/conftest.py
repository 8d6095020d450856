"""What all tests share: every asynchronous test runs on asyncio and on trio."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are named by their argument: what compresses writes the time into them, and every worker must collect the
    same names.
    """
    return argname if isinstance(val, bytes) else None
