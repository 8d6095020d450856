"""The Principal and NotPrincipal elements: whom a statement means.

Source: IAM User Guide, "AWS JSON policy elements: Principal", "NotPrincipal".
"""

from __future__ import annotations

import enum

import attrs

from eventbus.errors import ConfigurationError, MalformedPolicy
from eventbus.iam.grammar import read_object, read_text, read_texts, shown
from eventbus.iam.principals import Principal, PrincipalKind

_TYPES = ("AWS", "Federated", "Service", "CanonicalUser")
_UNIQUE_IDS = ("AIDA", "AROA", "AGPA", "ANPA", "ASCA")


class PrincipalMatch(enum.Enum):
    """How precisely a statement means a principal, which decides how far its Allow reaches."""

    NONE = "is not meant"
    ACCOUNT = "is in an account that is named: within one account the question is only delegated"
    ROLE = "is a session of a role that is named: limited by boundary and session policy"
    EVERYONE = "is somebody, and everybody is meant"
    EXACT = "is named itself"


@attrs.frozen
class PrincipalElement:
    """A Principal or NotPrincipal element."""

    names: frozenset[str]
    """Identities in the form of `Principal.identities`; accounts are their ids."""
    means_everyone: bool = False
    admits_anonymous: bool = True
    is_negated: bool = False
    is_deny: bool = False

    @classmethod
    def parse(
        cls, value: object, where: str, *, is_negated: bool, is_deny: bool, admits_anonymous: bool
    ) -> PrincipalElement:
        """Compile an element; raises MalformedPolicy."""
        names: set[str] = set()
        if value != "*":
            names = _read_names(value, where)
        everyone = value == "*" or "*" in names
        return cls(frozenset(names - {"*"}), everyone, admits_anonymous, is_negated, is_deny)

    def match(self, principal: Principal) -> PrincipalMatch:
        """Say how precisely a principal is meant."""
        if principal.kind is PrincipalKind.ANONYMOUS and not self.admits_anonymous:
            return PrincipalMatch.NONE
        if self.is_negated:
            return PrincipalMatch.NONE if self._is_exempt(principal) else PrincipalMatch.EVERYONE
        if principal.identities[0] in self.names:
            return PrincipalMatch.ROLE if principal.kind is PrincipalKind.ROLE else PrincipalMatch.EXACT
        if self.means_everyone:
            return PrincipalMatch.EVERYONE
        if principal.role_arn in self.names:
            return PrincipalMatch.ROLE
        return PrincipalMatch.ACCOUNT if principal.account in self.names else PrincipalMatch.NONE

    def _is_exempt(self, principal: Principal) -> bool:
        # A Deny spares only those whose every identity is listed (session, role and account). An Allow that leaves
        # somebody out leaves him out under each of his names. Both readings err towards refusing.
        listed = [name in self.names for name in principal.identities]
        return self.means_everyone or (all(listed) if self.is_deny else any(listed))


def _read_names(value: object, where: str) -> set[str]:
    if isinstance(value, str):
        raise MalformedPolicy(f'{where} must be "*" or an object such as {{"Service": "..."}}, not {shown(value)}')
    members = read_object(value, where, known=_TYPES)
    if not members:
        raise MalformedPolicy(f"{where} must name somebody")
    names: set[str] = set()
    for kind, entries in members.items():
        for place, entry in read_texts(entries, f"{where}.{kind}"):
            names |= _read_name(kind, read_text(entry, place), place)
    return names


def _read_name(kind: str, text: str, where: str) -> set[str]:
    if kind == "AWS" and text == "*":
        return {"*"}
    if "*" in text or "?" in text or not text:
        raise MalformedPolicy(f"{where} must name a principal without wildcards, not {shown(text)}")
    if kind in ("Federated", "CanonicalUser"):
        return set()  # well formed, but nobody here signs in that way
    if kind == "AWS" and text.startswith(_UNIQUE_IDS) and text.isalnum():
        return set()  # what AWS leaves behind of a principal that was deleted
    try:
        principal = Principal.parse(text)
    except ConfigurationError:
        principal = Principal.parse("anonymous")
    is_service = principal.kind is PrincipalKind.SERVICE
    if principal.kind is PrincipalKind.ANONYMOUS or is_service is not (kind == "Service"):
        wanted = (
            "a service such as s3.amazonaws.com" if kind == "Service" else '"*", an account id or an IAM or STS ARN'
        )
        raise MalformedPolicy(f"{where} must be {wanted}, not {shown(text)}")
    return {principal.identities[0]}
