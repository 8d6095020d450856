"""Every exception that eventbus raises on purpose.

    EventBusError
    ├── BusNotRunning          the call needs `async with bus`
    ├── BusAlreadyEntered      a bus is entered once
    ├── BusClosed              the bus was left; nothing more is accepted
    ├── ConfigurationError     a wrong argument in a configuration call (also a ValueError)
    ├── NotJSON                a payload holds what JSON cannot carry (also a TypeError)
    └── AWSError               a refusal in AWS's own words: `code`, `status`, `message`
        ├── AccessDenied                403   who may not do what, why, and the call that mends it
        ├── EntityAlreadyExists         409
        ├── InvalidParameterValue       400
        ├── InvalidRequestContent       400
        ├── MalformedPolicy             400
        ├── NoSuchEntity                404   (also a KeyError)
        ├── PayloadTooLarge             413
        ├── PolicyLengthExceeded        400
        ├── PreconditionFailed          412
        ├── ProvisionedConcurrencyConfigNotFound  404   (also a LookupError)
        ├── RecursiveInvocation         400
        ├── ResourceConflict            409
        ├── ResourceNotFound            404   (also a LookupError)
        ├── TooManyRequests             429
        └── ValidationFailed            400
    (each trigger adds its service's own AWSErrors beside its code)

What user code does wrong inside a handler is not an exception of ours but an Outcome, and travels the road that it
travels on AWS. An exception of any other kind is a fault of eventbus.
"""

from __future__ import annotations

from typing import ClassVar


class EventBusError(Exception):
    """Something that eventbus refused, with the reason in one sentence."""


class BusNotRunning(EventBusError):
    """The call needs a running bus."""

    def __init__(self, call: str) -> None:
        super().__init__(f"{call} needs a running bus: call it inside `async with bus:`")


class BusAlreadyEntered(EventBusError):
    """A bus owns its tasks and is entered exactly once."""

    def __init__(self) -> None:
        super().__init__(
            "this bus was entered already; a bus lives for one `async with`, make a new EventBus() for the next"
        )


class BusClosed(EventBusError):
    """The bus was left, or is being left, and accepts nothing more."""

    def __init__(self, call: str) -> None:
        super().__init__(f"{call} was refused: the bus is closed and accepts no more events")


class ConfigurationError(EventBusError, ValueError):
    """A configuration call got an argument that it cannot take; nothing was changed."""


class NotJSON(EventBusError, TypeError):
    """A payload is not made of what JSON can carry."""


class AWSError(EventBusError):
    """A refusal that AWS words itself; `code` and `status` are what the wire front answers with."""

    code: ClassVar[str] = "ServiceException"
    status: ClassVar[int] = 500

    def __init__(self, message: str, *, mend: str | None = None) -> None:
        super().__init__(message if mend is None else f"{message.removesuffix('.')}; {mend}")
        self.message = message
        """AWS's own text, without our advice."""
        self.mend = mend
        """The call that would have made it work, where one exists."""


class AccessDenied(AWSError):
    """A policy does not let this principal do this."""

    code = "AccessDeniedException"
    status = 403


class EntityAlreadyExists(AWSError):
    code = "EntityAlreadyExists"
    status = 409


class InvalidParameterValue(AWSError, ValueError):
    code = "InvalidParameterValueException"
    status = 400


class InvalidRequestContent(AWSError, ValueError):
    code = "InvalidRequestContentException"
    status = 400


class MalformedPolicy(AWSError, ValueError):
    """A policy document breaks the policy grammar."""

    code = "MalformedPolicyDocument"
    status = 400


class NoSuchEntity(AWSError, KeyError):
    code = "NoSuchEntity"
    status = 404

    def __str__(self) -> str:
        return Exception.__str__(self)  # a KeyError would show the text in quotes


class PayloadTooLarge(AWSError, ValueError):
    code = "RequestEntityTooLargeException"
    status = 413

    def __init__(self, size: int, limit: int, invocation_type: str) -> None:
        super().__init__(
            f"{size} byte payload is too large for the {invocation_type} invocation type (limit {limit} bytes)"
        )
        self.size = size
        self.limit = limit


class PolicyLengthExceeded(AWSError, ValueError):
    code = "PolicyLengthExceededException"
    status = 400


class PreconditionFailed(AWSError):
    code = "PreconditionFailedException"
    status = 412


class ProvisionedConcurrencyConfigNotFound(AWSError, LookupError):
    code = "ProvisionedConcurrencyConfigNotFoundException"
    status = 404

    def __init__(self) -> None:
        super().__init__("No Provisioned Concurrency Config found for this function")


class RecursiveInvocation(AWSError):
    """A chain of invocations got too long."""

    code = "RecursiveInvocationException"
    status = 400

    def __init__(self) -> None:
        super().__init__(
            "Lambda has detected your function being invoked in a recursive loop with other Amazon Web Services "
            "resources and stopped your function's invocation.",
            mend='declare the function with recursive_loop="Allow" if that is what you want',
        )


class ResourceConflict(AWSError):
    code = "ResourceConflictException"
    status = 409


class ResourceNotFound(AWSError, LookupError):
    code = "ResourceNotFoundException"
    status = 404


class TooManyRequests(AWSError):
    """A direct call was throttled; `reason` says by which limit."""

    code = "TooManyRequestsException"
    status = 429

    def __init__(self, reason: str, *, mend: str | None = None) -> None:
        super().__init__("Rate Exceeded.", mend=mend)
        self.reason = reason


class ValidationFailed(AWSError, ValueError):
    """A parameter breaks a constraint of the service model."""

    code = "ValidationException"
    status = 400

    def __init__(self, value: object, member: str, constraint: str) -> None:
        super().__init__(
            f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
        )
