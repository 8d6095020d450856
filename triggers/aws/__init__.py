"""The wire: existing code that talks to AWS talks to the bus, unchanged.

    clients   `with AWS(bus):`, in this process and without a socket
    mocking   `@mock_aws`, for tests that were written for moto
    app       the same for an ASGI server; `serving` runs one, and `eventbus serve` runs that
    front     one request in, one response out: routing, signing, identity, protocols, services

Needs the extra `eventbus[aws]`, and `eventbus[server]` for a port.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from triggers.aws.app import App as App
    from triggers.aws.app import Limits as Limits
    from triggers.aws.clients import AWS as AWS
    from triggers.aws.mocking import mock_aws as mock_aws
    from triggers.aws.operations import operations_table as operations_table
    from triggers.aws.serving import serve as serve

_MODULES = {
    "AWS": "triggers.aws.clients",
    "App": "triggers.aws.app",
    "Limits": "triggers.aws.app",
    "mock_aws": "triggers.aws.mocking",
    "operations_table": "triggers.aws.operations",
    "serve": "triggers.aws.serving",
}

__all__ = ["AWS", "App", "Limits", "mock_aws", "operations_table", "serve"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
