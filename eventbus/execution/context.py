"""The `context` that a handler gets: the attributes and methods of AWS's Python runtime.

Everything is computed when it is read, since most handlers read nothing. Source: Lambda developer guide, "Using the
Lambda context object with Python", and the runtime interface client.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from eventbus.errors import ConfigurationError

if TYPE_CHECKING:
    from eventbus.delivery.event import Event
    from eventbus.execution.environment import Environment

CLIENT_CONTEXT_LIMIT = 3583
"""Bytes of base64 (Lambda API reference, "Invoke")."""


class CognitoIdentity:
    """Who called through Cognito: nobody, on a bus without Cognito."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self) -> None:
        self.cognito_identity_id: str | None = None
        self.cognito_identity_pool_id: str | None = None

    def __repr__(self) -> str:
        return (
            f"CognitoIdentity([cognito_identity_id={self.cognito_identity_id},"
            f"cognito_identity_pool_id={self.cognito_identity_pool_id}])"
        )


class Client:
    """The mobile application that called, from the client context."""

    __slots__ = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")  # noqa: RUF023

    def __init__(self, document: dict[str, Any]) -> None:
        for name in self.__slots__:
            setattr(self, name, document.get(name))

    def __repr__(self) -> str:
        return f"Client([{','.join(f'{name}={getattr(self, name)}' for name in self.__slots__)}])"


class ClientContext:
    """What a direct caller sent along; delivered for request-response invocations only."""

    __slots__ = ("client", "custom", "document", "env", "w3c")

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        """As it was sent: another process reads it for itself."""
        trace = document.get("w3c")
        self.w3c = {
            name: value
            for name in ("traceparent", "tracestate", "baggage")
            if isinstance(trace, dict) and isinstance(value := trace.get(name), str)
        }
        self.custom: Any = document.get("custom")
        self.env: Any = document.get("env")
        client = document.get("client")
        self.client: Client | None = Client(client) if isinstance(client, dict) else None

    def __repr__(self) -> str:
        return f"ClientContext([custom={self.custom},env={self.env},client={self.client}])"

    @classmethod
    def of(cls, document: object) -> ClientContext | None:
        """Check and wrap the document that a caller gave. Raises ConfigurationError for no object, or a large one."""
        if document is None:
            return None
        if not isinstance(document, dict):
            raise ConfigurationError(f"client_context is a dict with the keys custom, env and client, not {document!r}")
        size = -(-len(json.dumps(document, separators=(",", ":"), default=str)) // 3) * 4
        if size > CLIENT_CONTEXT_LIMIT:
            raise ConfigurationError(
                f"client_context: {size:,} bytes as base64 of its JSON; AWS accepts {CLIENT_CONTEXT_LIMIT:,}"
            )
        return cls(document)


class LambdaContext:
    """One invocation, as its handler sees it. Made blank: the environment fills in the first three on its hot path."""

    __slots__ = ("_environment", "_event", "_started", "client_context", "identity", "tenant_id")

    _environment: Environment
    _event: Event
    _started: float

    def __getattr__(self, name: str) -> Any:
        # reached only for the three slots that nearly nobody reads, when they are not filled yet
        if name == "identity":
            value: Any = CognitoIdentity()
        elif name in ("client_context", "tenant_id"):
            value = getattr(self._event, "client_context", None) if name == "client_context" else None
        else:
            raise AttributeError(f"the Lambda context has no attribute {name!r}")
        setattr(self, name, value)
        return value

    @property
    def aws_request_id(self) -> str:
        """The id of this invocation; the same for every retry of an asynchronous event."""
        return self._event.request_id

    @property
    def function_name(self) -> str:
        return self._environment.lane.function.name

    @property
    def function_version(self) -> str:
        return self._environment.lane.version

    @property
    def invoked_function_arn(self) -> str:
        """As it was addressed: with the version or the alias, if one was named."""
        return self._event.addressed.arn

    @property
    def memory_limit_in_mb(self) -> str:
        """Megabytes, as text: that is what AWS gives."""
        return str(self._environment.configuration.memory)

    @property
    def log_group_name(self) -> str:
        return self._environment.lane.log_group

    @property
    def log_stream_name(self) -> str:
        return self._environment.log_stream

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the time limit, in real time, never below 0."""
        environment = self._environment
        left = self._started + environment.lane.timeout - environment.lane.bus.clock.loop_time()
        return max(0, int(left * 1000))

    def w3c(self) -> dict[str, str]:
        """The W3C trace context that the caller sent in its client context: `traceparent`, `tracestate`, `baggage`."""
        return {} if self.client_context is None else dict(self.client_context.w3c)

    def log(self, message: object) -> None:
        """Write a message to the function's log, as it is."""
        sys.stdout.write(str(message))

    def __repr__(self) -> str:
        names = (
            "aws_request_id", "log_group_name", "log_stream_name", "function_name", "memory_limit_in_mb",
            "function_version", "invoked_function_arn", "client_context", "identity", "tenant_id",
        )  # fmt: skip
        return f"LambdaContext([{','.join(f'{name}={getattr(self, name)}' for name in names)}])"
