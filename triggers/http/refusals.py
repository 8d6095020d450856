"""What the three fronts answer themselves, in AWS's words; pure.

Sources: API Gateway developer guide, "Gateway response types" and "Troubleshooting HTTP APIs"; Lambda developer guide,
"Invoking function URLs"; recorded answers. The fidelity page lists what is unconfirmed.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping

from triggers.http.message import Headers, Response


class Refused(enum.Enum):
    """Why there is no answer of the function's own."""

    NO_STAGE = "no such stage"
    NO_ROUTE = "no such route"
    UNSIGNED = "the request is not signed"
    UNAUTHORIZED = "no identity, or one that the authorizer does not know"
    DENIED = "no policy allows it"
    DENIED_EXPLICITLY = "a policy denies it"
    BROKEN_AUTHORIZER = "the authorizer could not be asked, or gave an answer that cannot be used"
    THROTTLED = "too many requests"
    NOT_INVOKED = "Lambda did not take the invocation"
    FUNCTION_THROTTLED = "Lambda throttled the invocation"
    FUNCTION_FAILED = "the function failed, or gave an answer that cannot be used"
    UNDECODABLE = "the body that is to be decoded is not base64"
    TIMED_OUT = "the function took too long"
    BODY_TOO_LARGE = "the body is too large"
    HEAD_TOO_LARGE = "the request line and the headers are too large"
    CLOSED = "the bus is being left"


_INTERNAL = ("Internal server error", "InternalServerErrorException")
_REST: dict[Refused, tuple[int, str | None, str]] = {
    Refused.NO_STAGE: (403, "Forbidden", "ForbiddenException"),
    Refused.NO_ROUTE: (403, "Missing Authentication Token", "MissingAuthenticationTokenException"),
    Refused.UNSIGNED: (403, "Missing Authentication Token", "MissingAuthenticationTokenException"),
    Refused.UNAUTHORIZED: (401, "Unauthorized", "UnauthorizedException"),
    Refused.DENIED: (403, "User is not authorized to access this resource", "AccessDeniedException"),
    Refused.DENIED_EXPLICITLY: (
        403,
        "User is not authorized to access this resource with an explicit deny",
        "AccessDeniedException",
    ),
    Refused.BROKEN_AUTHORIZER: (500, None, "AuthorizerConfigurationException"),
    Refused.THROTTLED: (429, "Too Many Requests", "TooManyRequestsException"),
    Refused.NOT_INVOKED: (500, *_INTERNAL),
    Refused.FUNCTION_THROTTLED: (500, *_INTERNAL),
    Refused.FUNCTION_FAILED: (502, *_INTERNAL),
    Refused.UNDECODABLE: (500, *_INTERNAL),
    Refused.TIMED_OUT: (504, "Endpoint request timed out", "InternalServerErrorException"),
    Refused.BODY_TOO_LARGE: (413, "Request Too Long", "RequestTooLargeException"),
    Refused.HEAD_TOO_LARGE: (431, "Request Header Fields Too Large", "RequestTooLargeException"),
    Refused.CLOSED: (503, "Service Unavailable", "ServiceUnavailableException"),
}
_HTTP: dict[Refused, tuple[int, str]] = {
    Refused.NO_STAGE: (404, "Not Found"),
    Refused.NO_ROUTE: (404, "Not Found"),
    Refused.UNSIGNED: (403, "Forbidden"),
    Refused.UNAUTHORIZED: (401, "Unauthorized"),
    Refused.DENIED: (403, "Forbidden"),
    Refused.DENIED_EXPLICITLY: (403, "Forbidden"),
    Refused.BROKEN_AUTHORIZER: (500, "Internal Server Error"),
    Refused.THROTTLED: (429, "Too Many Requests"),
    Refused.NOT_INVOKED: (500, "Internal Server Error"),
    Refused.FUNCTION_THROTTLED: (500, "Internal Server Error"),
    Refused.FUNCTION_FAILED: (500, "Internal Server Error"),
    Refused.UNDECODABLE: (500, "Internal Server Error"),
    Refused.TIMED_OUT: (503, "Service Unavailable"),
    Refused.BODY_TOO_LARGE: (413, "Request Entity Too Large"),
    Refused.HEAD_TOO_LARGE: (431, "Request Header Fields Too Large"),
    Refused.CLOSED: (503, "Service Unavailable"),
}
_URL_FORBIDDEN = (
    "Forbidden. For troubleshooting Function URL authorization issues, see: "
    "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
)


def rest_refusal(why: Refused, message: str | None = None) -> Response:
    """The answer of a REST API; a `message` is that of an IAM denial, which has a key of its own."""
    status, text, error_type = _REST[why]
    body: Mapping[str, str | None] = {"message": text} if message is None else {"Message": message}
    return _json(status, body, ("x-amzn-ErrorType", error_type))


def http_refusal(why: Refused, message: str | None = None) -> Response:
    """The answer of an HTTP API, which never says who was denied what."""
    status, text = _HTTP[why]
    return _json(status, {"message": text})


def url_refusal(why: Refused, message: str | None = None) -> Response:
    """The answer of a function URL."""
    match why:
        case Refused.UNSIGNED | Refused.DENIED | Refused.DENIED_EXPLICITLY | Refused.NOT_INVOKED | Refused.NO_STAGE:
            return _json(403, {"Message": _URL_FORBIDDEN}, ("x-amzn-ErrorType", "AccessDeniedException"))
        case Refused.THROTTLED | Refused.FUNCTION_THROTTLED:
            body = {"Reason": "ConcurrentInvocationLimitExceeded", "Type": "User", "message": "Rate Exceeded."}
            return _json(429, body, ("x-amzn-ErrorType", "TooManyRequestsException"))
        case Refused.FUNCTION_FAILED | Refused.UNDECODABLE | Refused.TIMED_OUT:
            return Response(status_code=502, body=b"Internal Server Error")
        case _:
            return _json(_HTTP[why][0], {"message": _HTTP[why][1]})


def _json(status: int, body: Mapping[str, str | None], *headers: tuple[str, str]) -> Response:
    text = json.dumps(body).encode()
    return Response(status_code=status, headers=Headers((("Content-Type", "application/json"), *headers)), body=text)
