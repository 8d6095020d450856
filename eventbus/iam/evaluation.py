"""Evaluate a request against the policies that count for it.

An explicit Deny in any of them is final. Then the guardrails of an organisation (resource and service control
policies) must allow at every level. Then somebody must grant: within one account the identity's policies or the
resource's, across accounts both; services and anonymous callers have the resource's policy only. Permissions boundary
and session policy limit what is granted, except what a resource policy in the same account grants to the user or
session by name, or to everyone.

Source: IAM User Guide, "Policy evaluation logic", "Cross-account policy evaluation logic", "Permissions boundaries".
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import attrs

from eventbus.iam.context import Context
from eventbus.iam.policy import Policy, PolicyKind, PrincipalMatch, Question, Statement
from eventbus.iam.principals import Principal, PrincipalKind

Levels = Sequence["Policy | Sequence[Policy]"]
"""From the root of an organisation down: a policy, or the policies that are attached at the same level."""


class Effect(enum.Enum):
    ALLOW = "Allow"
    IMPLICIT_DENY = "ImplicitDeny"
    EXPLICIT_DENY = "ExplicitDeny"


@attrs.frozen
class Request:
    """Who wants to do what with which resource, under which circumstances."""

    principal: Principal
    action: str
    resource: str
    context: Mapping[str, str | Sequence[str]] = attrs.field(factory=dict)
    """Condition keys; those that follow from the principal are added, unless they are given."""
    resource_account: str | None = None
    """The owner of the resource; by default the account in its ARN, and where it has none, the principal's."""

    @property
    def owner(self) -> str | None:
        """The account that owns the resource."""
        parts = self.resource.split(":", 5)
        in_arn = parts[4] if len(parts) == 6 else None
        return self.resource_account or in_arn or self.principal.account

    def question(self) -> Question:
        """Put the request in the form that statements are asked in."""
        owner = {} if self.owner is None else {"aws:ResourceAccount": self.owner}
        context = Context.of(self.principal.context(), owner, self.context)
        return Question(self.principal, self.action, self.resource, context)


@attrs.frozen
class Decision:
    """What came out, and which policy decided."""

    effect: Effect
    policy_kind: PolicyKind | None
    """The kind of the policy that decided, or of the one that was missing; None if an account's root user asked."""
    sid: str | None
    """The Sid of the statement that decided, where there is one."""
    reason: str
    """The end of AWS's sentence."""
    _considered: tuple[Policy, ...] = attrs.field(default=(), repr=False, eq=False)

    @property
    def is_allowed(self) -> bool:
        return self.effect is Effect.ALLOW

    def message(self, request: Request) -> str:
        """Word the decision in AWS's sentence (IAM User Guide, "Troubleshoot access denied error messages")."""
        claim = "is authorized" if self.is_allowed else "is not authorized"
        comma = "," if self.is_allowed else ""
        subject = f"User: {request.principal} {claim} to perform: {request.action}"
        return f"{subject} on resource: {request.resource}{comma} {self.reason}"

    def explain(self, request: Request) -> str:
        """Say for every statement that counted whether it matches, and if not, which part of it fails."""
        question = request.question()
        kinds = Counter(policy.kind for policy in self._considered)
        seen: Counter[PolicyKind] = Counter()
        lines = [self.message(request)]
        for policy in self._considered:
            seen[policy.kind] += 1
            number = f" {seen[policy.kind]}" if kinds[policy.kind] > 1 else ""
            for statement in policy.statements:
                about = f"{policy.kind.value}{number}, {statement.label} ({statement.effect})"
                lines.append(f"{about} {_verdict(statement, question)}")
        return "\n".join(lines if self._considered else [*lines, "no policy counts for this request"])


def _verdict(statement: Statement, question: Question) -> str:
    mismatches = "; ".join(statement.mismatches(question))
    if mismatches:
        return f"does not match: {mismatches}"
    if statement.effect == "Allow" and statement.match(question) is PrincipalMatch.ACCOUNT:
        return "matches, but names the account only: the principal's own policies have to allow it too"
    return "matches"


def evaluate(
    request: Request,
    *,
    identity: Sequence[Policy] = (),
    resource: Policy | None = None,
    boundary: Policy | None = None,
    session: Policy | None = None,
    scps: Levels = (),
    rcps: Levels = (),
) -> Decision:
    """Decide whether a request is allowed.

    `identity` are the policies attached to the principal, `resource` is the policy of the resource (for sts:AssumeRole
    the trust policy of the role), `scps` and `rcps` are the control policies from the root of the organisation down.
    What is not given doesn't exist: no boundary limits nothing, no identity policy grants nothing. Policies that cannot
    count for this kind of principal (an identity policy for a service) are left aside.
    """
    kind = request.principal.kind
    has_identity = request.principal.account is not None and kind is not PrincipalKind.ROOT
    is_guarded = not _is_service_linked(request.principal)
    return _Case(
        request=request,
        question=request.question(),
        scps=_levels(scps) if is_guarded and request.principal.account is not None else (),
        rcps=_levels(rcps) if is_guarded else (),
        resource=resource,
        boundary=boundary if has_identity else None,
        session=session if has_identity else None,
        identity=tuple(identity) if has_identity else (),
    ).decide()


def _levels(levels: Levels) -> tuple[tuple[Policy, ...], ...]:
    return tuple((level,) if isinstance(level, Policy) else tuple(level) for level in levels)


def _is_service_linked(principal: Principal) -> bool:
    # Control policies don't reach service-linked roles. A session's ARN lacks the role's path, its name is telling.
    return principal.role_arn is not None and principal.role_arn.partition(":role/")[2].startswith("AWSServiceRoleFor")


@attrs.frozen
class _Found:
    """A statement that speaks about the request."""

    policy: Policy
    statement: Statement
    match: PrincipalMatch


_REACH = (PrincipalMatch.EXACT, PrincipalMatch.EVERYONE, PrincipalMatch.ROLE, PrincipalMatch.ACCOUNT)


@attrs.frozen
class _Case:
    """One request with the policies that count for it."""

    request: Request
    question: Question
    scps: tuple[tuple[Policy, ...], ...]
    rcps: tuple[tuple[Policy, ...], ...]
    resource: Policy | None
    boundary: Policy | None
    session: Policy | None
    identity: tuple[Policy, ...]

    def decide(self) -> Decision:
        return self._explicit_deny() or self._guardrail() or self._grant()

    def _considered(self) -> Iterator[Policy]:
        for level in (*self.scps, *self.rcps):
            yield from level
        yield from (policy for policy in (self.resource, self.boundary, self.session) if policy is not None)
        yield from self.identity

    def _find(self, effect: Literal["Allow", "Deny"], policies: Iterable[Policy]) -> Iterator[_Found]:
        for policy in policies:
            for statement in policy.statements:
                if statement.effect == effect:
                    match = statement.match(self.question)
                    if match is not PrincipalMatch.NONE:
                        yield _Found(policy, statement, match)

    def _allow(self, policies: Iterable[Policy]) -> _Found | None:
        """Find the Allow that names the principal most precisely."""
        return min(self._find("Allow", policies), key=lambda found: _REACH.index(found.match), default=None)

    def _explicit_deny(self) -> Decision | None:
        found = next(self._find("Deny", self._considered()), None)
        if found is None:
            return None
        kind = found.policy.kind
        reason = f"with an explicit deny in {kind.with_article}"
        return self._decision(Effect.EXPLICIT_DENY, kind, found.statement.sid, reason)

    def _guardrail(self) -> Decision | None:
        """Refuse if a level of the organisation doesn't allow."""
        for kind, levels in ((PolicyKind.RCP, self.rcps), (PolicyKind.SCP, self.scps)):
            if not all(self._allow(level) for level in levels):
                return self._missing(kind)
        return None

    def _grant(self) -> Decision:
        by_resource = self._allow(() if self.resource is None else (self.resource,))
        if self.request.principal.account is None:
            return self._allowed(by_resource) if by_resource else self._missing(self._resource_kind)
        is_one_account = self.request.owner == self.request.principal.account
        reach = by_resource.match if by_resource and is_one_account else PrincipalMatch.NONE
        if reach in (PrincipalMatch.EXACT, PrincipalMatch.EVERYONE):
            return self._allowed(by_resource)
        by_identity = self._allow(self.identity)
        if reach is not PrincipalMatch.ROLE:
            # The resource's policy does not grant by itself here: the identity has to, and often both.
            if by_identity is None and self.request.principal.kind is not PrincipalKind.ROOT:
                return self._missing(PolicyKind.IDENTITY)
            if by_resource is None and not (is_one_account and not self._needs_resource_policy):
                return self._missing(self._resource_kind)
        return self._limit() or self._allowed(by_identity or by_resource)

    def _limit(self) -> Decision | None:
        """Refuse what the permissions boundary or the session policy does not allow."""
        for policy in (self.boundary, self.session):
            if policy is not None and self._allow((policy,)) is None:
                return self._missing(policy.kind)
        return None

    @property
    def _needs_resource_policy(self) -> bool:
        """Whether the resource's own policy has to allow even within its account: roles and KMS keys."""
        action = self.question.folded_action
        is_key = action.startswith("kms:") and ":key/" in self.request.resource
        return is_key or action.startswith("sts:assumerole") or self._resource_kind is PolicyKind.TRUST

    @property
    def _resource_kind(self) -> PolicyKind:
        if self.resource is not None:
            return self.resource.kind
        is_role = self.question.folded_action.startswith("sts:assumerole")
        return PolicyKind.TRUST if is_role else PolicyKind.RESOURCE

    def _allowed(self, found: _Found | None) -> Decision:
        if found is None:
            reason = "allowed because the root user of an account may do everything in it"
            return self._decision(Effect.ALLOW, None, None, reason)
        kind, statement = found.policy.kind, found.statement
        return self._decision(Effect.ALLOW, kind, statement.sid, f"allowed by {statement.label} of the {kind.value}")

    def _missing(self, kind: PolicyKind) -> Decision:
        reason = f"because no {kind.value} allows the {self.request.action} action"
        return self._decision(Effect.IMPLICIT_DENY, kind, None, reason)

    def _decision(self, effect: Effect, kind: PolicyKind | None, sid: str | None, reason: str) -> Decision:
        return Decision(effect, kind, sid, reason, tuple(self._considered()))
