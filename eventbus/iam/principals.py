"""Who asks, and whom a statement names.

Source: IAM User Guide, "AWS JSON policy elements: Principal" and "NotPrincipal".
"""

from __future__ import annotations

import base64
import enum
import hashlib
from functools import lru_cache

import attrs

from eventbus.errors import ConfigurationError

_SERVICE_SUFFIXES = (".amazonaws.com", ".amazon.com", ".amazonaws.com.cn")
_HOST_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.")


class PrincipalKind(enum.Enum):
    USER = "user"
    ROLE = "role"
    SESSION = "session of a role"
    FEDERATED_USER = "federated user"
    ROOT = "account"
    SERVICE = "service"
    ANONYMOUS = "anonymous"


_TYPES = {
    PrincipalKind.USER: "User",
    PrincipalKind.ROLE: "AssumedRole",
    PrincipalKind.SESSION: "AssumedRole",
    PrincipalKind.FEDERATED_USER: "FederatedUser",
    PrincipalKind.ROOT: "Account",
    PrincipalKind.ANONYMOUS: "Anonymous",
}
"""The values of aws:PrincipalType (IAM User Guide, global condition context keys); services have none."""


@attrs.frozen
class Principal:
    """Somebody who sends requests.

    `str(principal)` is the subject as AWS's messages write it: the ARN, the name of the service, or `anonymous`.
    """

    kind: PrincipalKind
    name: str
    """Name of the user, role, session or service."""
    account: str | None = None
    """The twelve digits of its account; services and anonymous callers have none."""
    arn: str | None = None
    role_arn: str | None = None
    """The role, without its path, of a role or a session of one."""

    @classmethod
    def parse(cls, text: str) -> Principal:
        """Read a principal.

        `text` is the ARN of a user, role, session (`arn:aws:sts::A:assumed-role/ROLE/SESSION`), federated user or
        account (`arn:aws:iam::A:root`), the twelve digits of an account, the name of a service (`s3.amazonaws.com`), or
        `anonymous`, which may be written `*`. Raises ConfigurationError for anything else.
        """
        if text in ("*", "anonymous"):
            return cls(PrincipalKind.ANONYMOUS, "anonymous")
        if is_account_id(text):
            return cls(PrincipalKind.ROOT, "root", text, f"arn:aws:iam::{text}:root")
        if is_service_name(text):
            return cls(PrincipalKind.SERVICE, text)
        principal = _parse_arn(text)
        if principal is None:
            raise ConfigurationError(
                f"{text!r} is no principal; a principal is the ARN of a user, role, assumed-role session or account, "
                "an account id, a service such as s3.amazonaws.com, or anonymous"
            )
        return principal

    def __str__(self) -> str:
        return self.arn or self.name

    @property
    def identities(self) -> tuple[str, ...]:
        """Every name under which a statement can mean this principal, the most precise one first."""
        match self.kind:
            case PrincipalKind.SERVICE | PrincipalKind.ANONYMOUS:
                names: tuple[str | None, ...] = (self.name,)
            case PrincipalKind.ROOT:
                names = (self.account,)
            case PrincipalKind.ROLE:
                names = (self.role_arn, self.account)
            case _:
                names = (self.arn, self.role_arn, self.account)
        return tuple(name for name in names if name is not None)

    def context(self) -> dict[str, str]:
        """Return the condition keys that follow from the principal alone.

        A session's aws:PrincipalArn is its role (IAM User Guide, global condition context keys).
        """
        if self.kind is PrincipalKind.SERVICE:
            return {"aws:PrincipalIsAWSService": "true", "aws:PrincipalServiceName": self.name}
        keys = {"aws:PrincipalType": _TYPES[self.kind], "aws:PrincipalAccount": self.account or "anonymous"}
        if self.arn is not None:
            keys["aws:PrincipalArn"] = self.role_arn or self.arn
            keys["aws:PrincipalIsAWSService"] = "false"
        keys["aws:userid"] = self._user_id()
        if self.kind is PrincipalKind.USER:
            keys["aws:username"] = self.name
        return keys

    def _user_id(self) -> str:
        match self.kind:
            case PrincipalKind.USER:
                return _unique_id("AIDA", str(self.arn))
            case PrincipalKind.ROLE:
                return _unique_id("AROA", str(self.role_arn))
            case PrincipalKind.SESSION:
                return f"{_unique_id('AROA', str(self.role_arn))}:{self.name}"
            case PrincipalKind.FEDERATED_USER:
                return f"{self.account}:{self.name}"
            case _:
                return self.account or "anonymous"


def is_account_id(text: object) -> bool:
    """Whether this is a text of twelve digits."""
    return isinstance(text, str) and len(text) == 12 and text.isascii() and text.isdigit()


def is_service_name(text: object) -> bool:
    """Whether this has the shape of an AWS service principal, such as `s3.amazonaws.com`."""
    return isinstance(text, str) and text.endswith(_SERVICE_SUFFIXES) and text[0] != "." and _HOST_NAME.issuperset(text)


def _unique_id(prefix: str, arn: str) -> str:
    # Unique ids are random on AWS; ours follow from the ARN, so that every run sees the same ones.
    return prefix + base64.b32encode(hashlib.sha256(arn.encode("utf-8", "surrogatepass")).digest()).decode()[:17]


@lru_cache(maxsize=1024)  # of the sessions that act on a bus, each of which is read at every call
def _parse_arn(text: str) -> Principal | None:
    parts = text.split(":", 5)
    is_clean = text.isprintable() and not any(char in "*? " for char in text)
    if not is_clean or len(parts) != 6 or parts[0] != "arn" or parts[3] or not is_account_id(parts[4]):
        return None
    _, partition, service, _, account, resource = parts
    path = resource.split("/")
    if not all(path):
        return None
    match service, path:
        case "iam", ["root"]:
            return Principal(PrincipalKind.ROOT, "root", account, text)
        case "iam", ["user", *_, name]:
            return Principal(PrincipalKind.USER, name, account, text)
        case "iam", ["role", *_, name]:
            return Principal(PrincipalKind.ROLE, name, account, text, f"arn:{partition}:iam::{account}:role/{name}")
        case "sts", ["assumed-role", role, name]:
            return Principal(PrincipalKind.SESSION, name, account, text, f"arn:{partition}:iam::{account}:role/{role}")
        case "sts", ["federated-user", name]:
            return Principal(PrincipalKind.FEDERATED_USER, name, account, text)
    return None
