"""One file per service: which operation is which call of which object. What the call does is the room's affair.

A map has a method for each operation that this bus has, called as boto3 calls it. It takes the operation's input and
answers its output, or a `Deed` where the room's call has an awaitable and a synchronous form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from botocore import xform_name

from eventbus.errors import AccessDenied, AWSError, ConfigurationError, EventBusError
from triggers.aws.errors import Malformed
from triggers.aws.models import service_model

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.iam.roles import Role
    from triggers.aws.identity import Identities


class ServiceMap:
    """What the maps of all services share."""

    service = ""
    """boto3's name of the service."""
    anonymous: frozenset[str] = frozenset()
    """Operations that need no signature."""
    denied_code = "AccessDenied"
    denied_status = 403
    malformed_code = "SerializationException"
    invalid_code = "ValidationException"
    codes: dict[str, str] = {}  # noqa: RUF012 - a constant of each class
    """Codes that are called otherwise by this service than by the room that refuses."""

    def __init__(self, bus: EventBus, identities: Identities) -> None:
        self.bus = bus
        self.identities = identities

    def operation(self, name: str) -> Any:
        """What does this operation; None if nothing does."""
        return getattr(self, xform_name(name), None)

    @classmethod
    def has(cls, name: str) -> bool:
        """Whether something does this operation."""
        return getattr(cls, xform_name(name), None) is not None

    def allow(self, action: str, resource: Any, arn: str | None = None) -> None:
        """Check that the caller may do something that its room leaves to the owner. Raises AccessDenied."""
        arn = arn or str(resource.arn)
        label = getattr(resource, "label", None) or f'"{arn}"'
        self.bus.authorize(action, arn, getattr(resource, "access", None), label)

    def passed_role(self, arn: str) -> Role | None:
        """The role that a caller hands to a service, which takes the permission to pass it; None if there is none."""
        name = arn.rpartition("/")[2]
        role = self.identities.role(name) or self.bus.roles.get(name)
        if role is None or role.arn != arn:
            return None
        self.allow("iam:PassRole", role)
        return role

    def headers(self, error: EventBusError) -> dict[str, str]:
        """What the head of the answer to a refusal says beside its document."""
        return {}

    def refusal(self, error: EventBusError) -> tuple[str, int, dict[str, Any]]:
        """Code, status and further members of the error's document."""
        if isinstance(error, AccessDenied):
            return self.denied_code, self.denied_status, {}
        if isinstance(error, Malformed):
            code = self.malformed_code if error.code == Malformed.code else error.code
            return code, error.status, {}
        if isinstance(error, AWSError):
            return self.codes.get(error.code, error.code), error.status, dict(getattr(error, "fields", {}))
        if isinstance(error, (ConfigurationError, TypeError, ValueError)):
            return self.invalid_code, 400, {}
        return "ServiceUnavailable", 503, {}


_WIRE_CODES = {
    "MissingAuthenticationToken": "MissingAuthenticationTokenException",
    "IncompleteSignature": "IncompleteSignatureException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
    "RequestTimeTooSkewed": "InvalidSignatureException",
    "ExpiredToken": "ExpiredTokenException",
}


class JSONServiceMap(ServiceMap):
    """What the services have in common that have spoken JSON from the first: other codes, and status 400 for them all.

    Source: "Common error types" in the API references of DynamoDB, Kinesis, EventBridge and CloudWatch Logs (2026).
    """

    denied_code = "AccessDeniedException"
    denied_status = 400

    def refusal(self, error: EventBusError) -> tuple[str, int, dict[str, Any]]:
        code, status, fields = super().refusal(error)
        if code in _WIRE_CODES:
            return _WIRE_CODES[code], 400, fields
        return code, status, fields


def tags_of(listed: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """Tags as a mapping, from AWS's list of keys and values."""
    return {tag["Key"]: tag["Value"] for tag in listed or ()}


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as AWS lists them."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def page(items: Iterable[Any], token: str | None, size: int, key: Any = str) -> tuple[list[Any], str | None]:
    """One page of items in their order, behind the one that `token` names; and the token of the next page."""
    found = list(items)
    start = 0 if token is None else next((n + 1 for n, item in enumerate(found) if key(item) == token), len(found))
    chosen = found[start : start + size]
    return chosen, key(chosen[-1]) if chosen and start + size < len(found) else None


def operations(maps: Iterable[type[ServiceMap]]) -> dict[str, dict[str, bool]]:
    """Every operation of every service, and whether this bus has it."""
    return {one.service: {name: one.has(name) for name in service_model(one.service).operation_names} for one in maps}
