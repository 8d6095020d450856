"""Every refusal of API Gateway's and Lambda's control plane that configuring an API can meet.

    AWSError
    └── HttpError
        ├── BadRequest     400  a route key, a CORS configuration, a limit that API Gateway does not take
        ├── Conflict       409  a route, a stage or a URL that is there already
        └── NotFound       404  a stage or an authorizer that isn't there (also a LookupError)

What goes wrong with a *request* is never an exception but an answer, as it is for a client of AWS: see `refusals`. The
texts are from memory where the API reference does not show them.
"""

from __future__ import annotations

from eventbus.errors import AWSError


class HttpError(AWSError):
    """A refusal to configure an API."""

    code = "BadRequestException"
    status = 400


class BadRequest(HttpError, ValueError):
    """A value that API Gateway does not take."""


class Conflict(HttpError):
    """Something of this name exists already."""

    code = "ConflictException"
    status = 409


class NotFound(HttpError, LookupError):
    """There is nothing of this name."""

    code = "NotFoundException"
    status = 404
