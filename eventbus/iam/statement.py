"""A statement of a policy: whom it means, what, where and when, compiled once.

Source: IAM User Guide, "IAM JSON policy elements".
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Literal

import attrs

from eventbus.errors import MalformedPolicy
from eventbus.iam.conditions import Clause, parse_condition
from eventbus.iam.context import Context
from eventbus.iam.grammar import compiled, read_object, read_text, read_texts, shown
from eventbus.iam.matching import ActionPattern, ResourcePattern
from eventbus.iam.principal_element import PrincipalElement, PrincipalMatch
from eventbus.iam.principals import Principal


class PolicyKind(enum.Enum):
    """What a policy is attached to; the value is the word that AWS's messages use."""

    IDENTITY = "identity-based policy"
    RESOURCE = "resource-based policy"
    TRUST = "role trust policy"
    BOUNDARY = "permissions boundary"
    SESSION = "session policy"
    SCP = "service control policy"
    RCP = "resource control policy"

    @property
    def with_article(self) -> str:
        """The words of the value as a sentence needs them: "a session policy"."""
        article = {PolicyKind.IDENTITY: "an", PolicyKind.TRUST: "the"}.get(self, "a")
        return f"{article} {self.value}"

    @property
    def has_principal(self) -> bool:
        """Whether its statements must say whom they mean; in the others it follows from the attachment."""
        return self in (PolicyKind.RESOURCE, PolicyKind.TRUST, PolicyKind.RCP)

    @property
    def has_resource(self) -> bool:
        """Whether its statements must name resources; a trust policy speaks of its role alone."""
        return self is not PolicyKind.TRUST


@attrs.frozen
class Question:
    """What statements are asked: a request in the form in which they compare it."""

    principal: Principal
    action: str
    resource: str
    context: Context
    folded_action: str = attrs.field(init=False)
    """Upper and lower case are the same in actions; this is the one that is compared."""

    @folded_action.default
    def _fold(self) -> str:
        return self.action.lower()


@attrs.frozen(eq=False)
class Statement:
    """One statement; made by Policy.parse."""

    sid: str | None
    effect: Literal["Allow", "Deny"]
    label: str
    """Its name in messages: `statement "s3"`, or its place in the document if it has no Sid."""
    principals: PrincipalElement | None
    """None where the policy's attachment says whom it means."""
    actions: tuple[ActionPattern, ...]
    excludes_actions: bool
    """Whether the actions are those of a NotAction."""
    resources: tuple[ResourcePattern, ...]
    excludes_resources: bool
    condition: tuple[Clause, ...]
    source: Mapping[str, object]

    def match(self, question: Question) -> PrincipalMatch:
        """Say whether the statement speaks about a request, and how precisely it means the principal."""
        meant = PrincipalMatch.EXACT if self.principals is None else self.principals.match(question.principal)
        if meant is not PrincipalMatch.NONE and self._covers(question):
            return meant
        return PrincipalMatch.NONE

    def mismatches(self, question: Question) -> Iterator[str]:
        """Say, for humans, each part that keeps the statement from speaking about a request."""
        if self.principals is not None and self.principals.match(question.principal) is PrincipalMatch.NONE:
            yield f"principal {question.principal} {self._worded('Principal')}"
        if not self._has_action(question):
            yield f"action {question.action} {self._worded('Action')}"
        if not self._has_resource(question):
            yield f"resource {question.resource} {self._worded('Resource')}"
        for clause in self.condition:
            if not clause.holds(question.context):
                values = question.context.values(clause.key)
                found = " and ".join(map(shown, values)) or "no such key"
                yield f"condition {clause}, the request has {found}"

    def _covers(self, question: Question) -> bool:
        return (
            self._has_action(question)
            and self._has_resource(question)
            and all(clause.holds(question.context) for clause in self.condition)
        )

    def _has_action(self, question: Question) -> bool:
        return any(entry.matches(question.folded_action) for entry in self.actions) is not self.excludes_actions

    def _has_resource(self, question: Question) -> bool:
        if not self.resources:
            return True  # a trust policy
        found = any(entry.matches(question.resource, question.context) for entry in self.resources)
        return found is not self.excludes_resources

    def _worded(self, element: str) -> str:
        if element in self.source:
            return f"is not in {element} {_listed(self.source[element])}"
        return f"is in Not{element} {_listed(self.source[f'Not{element}'])}"


def _listed(value: object) -> str:
    match value:
        case Mapping():
            return ", ".join(f"{kind} {_listed(entries)}" for kind, entries in value.items())
        case list():
            return ", ".join(map(shown, value))
    return shown(value)


# Parsing --------------------------------------------------------------------------------------------------------------

_ELEMENTS = (
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
)


def parse_statement(value: object, where: str, kind: PolicyKind, *, has_variables: bool) -> Statement:
    """Compile a statement; `has_variables` says whether the policy's version knows policy variables.

    Raises MalformedPolicy.
    """
    source = read_object(value, where, known=_ELEMENTS)
    sid = _read_sid(source, where, kind)
    effect = _read_effect(source, where)
    action, resource = _one_of(source, "Action", where), None
    if kind.has_resource:
        resource = _one_of(source, "Resource", where)
    else:
        _refuse(source, "Resource", where, kind)
    compile_resource = partial(ResourcePattern.parse, has_variables=has_variables)
    return Statement(
        sid=sid,
        effect=effect,
        label=f"statement {shown(sid)}" if sid else "the only statement" if where == "Statement" else where,
        principals=_read_principals(source, where, kind),
        actions=tuple(
            compiled(ActionPattern.parse, text, place)
            for place, text in read_texts(source[action], f"{where}.{action}")
        ),
        excludes_actions=action == "NotAction",
        resources=tuple(
            compiled(compile_resource, text, place)
            for place, text in (read_texts(source[resource], f"{where}.{resource}") if resource else ())
        ),
        excludes_resources=resource == "NotResource",
        condition=parse_condition(source.get("Condition", {}), f"{where}.Condition", has_variables=has_variables),
        source=source,
    )


def _read_effect(source: Mapping[str, object], where: str) -> Literal["Allow", "Deny"]:
    match source.get("Effect"):
        case "Allow":
            return "Allow"
        case "Deny":
            return "Deny"
    found = f", not {shown(source['Effect'])}" if "Effect" in source else ", and is missing"
    raise MalformedPolicy(f'{where}.Effect must be "Allow" or "Deny"{found}')


def _read_sid(source: Mapping[str, object], where: str, kind: PolicyKind) -> str | None:
    if "Sid" not in source:
        return None
    sid = read_text(source["Sid"], f"{where}.Sid")
    # Services that keep resource policies allow more characters in their Sids than IAM does.
    if sid and kind is not PolicyKind.RESOURCE and not (sid.isascii() and sid.isalnum()):
        raise MalformedPolicy(f"{where}.Sid must consist of A-Z, a-z and 0-9, not {shown(sid)}")
    return sid


def _read_principals(source: Mapping[str, object], where: str, kind: PolicyKind) -> PrincipalElement | None:
    if not kind.has_principal:
        _refuse(source, "Principal", where, kind)
        return None
    element = _one_of(source, "Principal", where)
    if kind is PolicyKind.RCP and source.get("Principal") != "*":
        raise MalformedPolicy(f'{where}.Principal must be "*" in {kind.with_article}')
    return PrincipalElement.parse(
        source[element],
        f"{where}.{element}",
        is_negated=element == "NotPrincipal",
        is_deny=source["Effect"] == "Deny",
        admits_anonymous=kind is not PolicyKind.TRUST,
    )


def _one_of(source: Mapping[str, object], element: str, where: str) -> str:
    found = [name for name in (element, f"Not{element}") if name in source]
    if len(found) != 1:
        count = "both" if found else "neither"
        raise MalformedPolicy(f"{where} must have either {element} or Not{element}, and has {count}")
    return found[0]


def _refuse(source: Mapping[str, object], element: str, where: str, kind: PolicyKind) -> None:
    for name in (element, f"Not{element}"):
        if name in source:
            raise MalformedPolicy(f"{where} must not have {name} in {kind.with_article}")
