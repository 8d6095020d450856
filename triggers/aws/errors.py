"""What the wire itself refuses, before any service is asked. Everything else keeps the error of the room it comes from.

AWSError
└── WireError
    ├── Malformed                 400   what was sent cannot be read as the operation's input
    ├── UnknownOperation          400   no such operation in the service's model
    ├── NotImplementedHere        501   AWS has it, this bus hasn't
    ├── UnknownService            400   the request names no service that is here
    ├── InvalidAccessKeyId, SignatureDoesNotMatch, RequestTimeTooSkewed, ExpiredToken, MissingAuthentication   403
    ├── InvalidSignature          400   it cannot be read at all
    └── TooLarge                  413
"""

from __future__ import annotations

from eventbus.errors import AWSError


class WireError(AWSError):
    """A refusal by the front itself; `code` may differ from service to service."""

    def __init__(self, message: str, *, code: str | None = None, mend: str | None = None) -> None:
        super().__init__(message, mend=mend)
        if code is not None:
            self.code = code  # type: ignore[misc]


class Malformed(WireError, ValueError):
    """The request is not what the operation's model describes; each protocol has its own code for that."""

    code = "SerializationException"
    status = 400


class Invalid(WireError, ValueError):
    """The request can be read, but lacks something or has a value of the wrong kind."""

    code = "ValidationException"
    status = 400


class UnknownOperation(WireError):
    code = "UnknownOperationException"
    status = 400


class UnknownService(WireError):
    code = "UnknownServiceException"
    status = 400


class NotImplementedHere(WireError):
    """AWS has this operation and this bus hasn't; it names it, so that nobody searches long."""

    code = "NotImplemented"
    status = 501

    def __init__(self, service: str, operation: str) -> None:
        super().__init__(
            f"eventbus does not implement {service}:{operation}; docs/reference.md lists the operations that it has"
        )


class InvalidAccessKeyId(WireError):
    """A temporary key that nobody was given."""

    code = "InvalidClientTokenId"
    status = 403


class ExpiredToken(WireError):
    code = "ExpiredToken"
    status = 403


class SignatureDoesNotMatch(WireError):
    code = "SignatureDoesNotMatch"
    status = 403


class RequestTimeTooSkewed(WireError):
    code = "RequestTimeTooSkewed"
    status = 403


class MissingAuthentication(WireError):
    code = "MissingAuthenticationToken"
    status = 403


class InvalidSignature(WireError, ValueError):
    """An Authorization header, or a presigned URL, that cannot be read."""

    code = "IncompleteSignature"
    status = 400


class TooLarge(WireError):
    code = "RequestEntityTooLarge"
    status = 413
