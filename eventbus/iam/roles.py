"""Execution roles: what the code of a function may do.

Source: Lambda Developer Guide, "Defining Lambda function permissions with an execution role".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from eventbus.errors import ConfigurationError, ResourceNotFound
from eventbus.iam.evaluation import Request, evaluate
from eventbus.iam.managed_policies import MANAGED_POLICIES, MANAGED_POLICY_ARNS
from eventbus.iam.policy import Policy, PolicyKind, PrincipalMatch
from eventbus.iam.principals import Principal, is_account_id

__all__ = ["MANAGED_POLICIES", "Role"]

Document = str | Mapping[str, object]

_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
INLINE_SIZE_LIMIT = 10_240
"""Characters of a role's inline policy, white space not counted (IAM and STS quotas, November 2025)."""

_LAMBDA_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


class Role:
    """A role with its policies; whoever assumes it gets a session, `role.session(name)`.

    `trust_policy` says who may assume it; by default that is Lambda alone. `version` is bumped with every change, for
    those who keep decisions. Inside a handler a change takes the permission that IAM's call takes, such as
    `iam:PutRolePolicy` for `allow`, else it raises AccessDenied. A call that raises has changed nothing.
    """

    def __init__(self, name: str, account_id: str, *, trust_policy: Policy | Document | None = None) -> None:
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"{name!r} is no name for a role; a name has 1 to 64 characters out of A-Z, a-z, 0-9 and +=,.@_-"
            )
        if not is_account_id(account_id):
            raise ConfigurationError(f"{account_id!r} is no account id; an account id has twelve digits")
        self.name = name
        self.account_id = account_id
        self.version = 0
        self.before_change: Callable[[], None] | None = None
        """Called before every change, for those who still have to judge by the policies as they are."""
        self.guard: Callable[[str, Role], None] | None = None
        """Called with the IAM action of every change before it is made: refuses those who may not."""
        self._trust_policy = _parsed(_LAMBDA_TRUST if trust_policy is None else trust_policy, PolicyKind.TRUST)
        self._boundary: Policy | None = None
        self._attached: dict[str, Policy] = {}
        self._inline: dict[str, Policy] = {}
        self._statements: list[dict[str, Any]] = []
        self._own: Policy | None = None
        """The statements of `allow` and `deny`, compiled."""
        self._policies: tuple[Policy, ...] | None = None

    @classmethod
    def basic(cls, name: str, account_id: str) -> Role:
        """Make a role that Lambda may assume and that may write logs, as the console makes it."""
        role = cls(name, account_id)
        role.attach("AWSLambdaBasicExecutionRole")
        return role

    def __repr__(self) -> str:
        return f"<Role {self.arn}: {len(self.policies)} policies>"

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account_id}:role/{self.name}"

    def session(self, name: str) -> Principal:
        """Return the principal that acts with this role; a function's session has the function's name."""
        return Principal.parse(f"arn:aws:sts::{self.account_id}:assumed-role/{self.name}/{name}")

    @property
    def policies(self) -> tuple[Policy, ...]:
        """Every identity policy of the role: its own statements, the inline ones, the managed ones."""
        if self._policies is None:
            own = () if self._own is None else (self._own,)
            self._policies = (*own, *self._inline.values(), *self._attached.values())
        return self._policies

    @property
    def inline_policies(self) -> dict[str, Policy]:
        """The inline policies by name; what `allow` and `deny` add is not among them."""
        return dict(self._inline)

    @property
    def attached_policies(self) -> tuple[str, ...]:
        """The ARNs of the managed policies."""
        return tuple(self._attached)

    def allow(
        self,
        actions: str | Iterable[str],
        *resources: object,
        condition: Mapping[str, Mapping[str, object]] | None = None,
        sid: str | None = None,
    ) -> None:
        """Let the role do these actions with these resources.

        A resource is an ARN, `"*"`, or an object with an `arn` (a queue, a function) or with `iam_resources` (a bucket
        means itself and its objects). Allowing the same twice changes nothing.

        Raises ConfigurationError without a resource, MalformedPolicy if IAM would not take the statement.
        """
        self._add("Allow", actions, resources, condition, sid)

    def deny(
        self,
        actions: str | Iterable[str],
        *resources: object,
        condition: Mapping[str, Mapping[str, object]] | None = None,
        sid: str | None = None,
    ) -> None:
        """Forbid the role these actions with these resources, whatever else allows them; see `allow`."""
        self._add("Deny", actions, resources, condition, sid)

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Take back what `allow` and `deny` have added if what they were for is refused after all."""
        before = self._own, self._statements
        try:
            yield
        except BaseException:
            if self._statements is not before[1]:
                self._changing()
                self._own, self._statements = before
                self._changed()
            raise

    def put_policy(self, name: str, document: Document) -> None:
        """Add or replace an inline policy (IAM's PutRolePolicy); raises MalformedPolicy."""
        self._may("PutRolePolicy")
        policy = Policy.parse(document, size_limit=INLINE_SIZE_LIMIT)
        self._changing()
        self._inline[name] = policy
        self._changed()

    def delete_policy(self, name: str) -> None:
        """Remove an inline policy; raises ResourceNotFound."""
        self._may("DeleteRolePolicy")
        if name not in self._inline:
            raise ResourceNotFound(f"The role policy with name {name} cannot be found.")
        self._changing()
        del self._inline[name]
        self._changed()

    def attach(self, policy: str) -> None:
        """Attach an AWS managed policy, by name or ARN; raises ResourceNotFound for one that isn't known here."""
        self._may("AttachRolePolicy")
        arn = MANAGED_POLICY_ARNS.get(policy)
        if arn is None:
            known = ", ".join(name for name in MANAGED_POLICIES if ":" not in name)
            raise ResourceNotFound(
                f"Policy {policy} does not exist or is not attachable.",
                mend=f"known are {known}; put_policy(name, document) takes any document",
            )
        if arn not in self._attached:
            self._changing()
            self._attached[arn] = MANAGED_POLICIES[arn]
            self._changed()

    def detach(self, policy: str) -> None:
        """Detach an AWS managed policy, by name or ARN; raises ResourceNotFound if it isn't attached."""
        self._may("DetachRolePolicy")
        arn = MANAGED_POLICY_ARNS.get(policy, policy)
        if arn not in self._attached:
            raise ResourceNotFound(f"Policy {policy} was not found.")
        self._changing()
        del self._attached[arn]
        self._changed()

    @property
    def boundary(self) -> Policy | None:
        """The permissions boundary, or None; set a document or a Policy to limit the role."""
        return self._boundary

    @boundary.setter
    def boundary(self, boundary: Policy | Document | None) -> None:
        self._may("DeleteRolePermissionsBoundary" if boundary is None else "PutRolePermissionsBoundary")
        parsed = None if boundary is None else _parsed(boundary, PolicyKind.BOUNDARY)
        self._changing()
        self._boundary = parsed
        self._changed()

    @property
    def trust_policy(self) -> Policy:
        """Who may assume the role; set a document or a Policy to change it."""
        return self._trust_policy

    @trust_policy.setter
    def trust_policy(self, trust_policy: Policy | Document) -> None:
        self._may("UpdateAssumeRolePolicy")
        self._trust_policy = _parsed(trust_policy, PolicyKind.TRUST)
        self._changed()

    def can_be_assumed_by(self, service: str) -> bool:
        """Whether the trust policy lets a service such as `lambda.amazonaws.com` assume the role."""
        request = Request(Principal.parse(service), "sts:AssumeRole", self.arn)
        return evaluate(request, resource=self._trust_policy).is_allowed

    def trusts(self, principal: Principal) -> bool:
        """Whether a statement of the trust policy lets this principal, or its account, assume the role."""
        question = Request(principal, "sts:AssumeRole", self.arn).question()
        allowing = (statement for statement in self._trust_policy.statements if statement.effect == "Allow")
        return any(statement.match(question) is not PrincipalMatch.NONE for statement in allowing)

    def _add(
        self,
        effect: str,
        actions: str | Iterable[str],
        resources: tuple[object, ...],
        condition: Mapping[str, Mapping[str, object]] | None,
        sid: str | None,
    ) -> None:
        self._may("PutRolePolicy")
        named = [arn for resource in resources for arn in resource_arns(resource)]
        if not named:
            raise ConfigurationError(
                f'{effect.lower()} of {self.name} needs a resource; say "*" to mean every resource'
            )
        statement: dict[str, Any] = {} if sid is None else {"Sid": sid}
        action = [actions] if isinstance(actions, str) else _texts(actions)
        statement |= {"Effect": effect, "Action": action, "Resource": named}
        if condition is not None:
            statement["Condition"] = {operator: dict(keys) for operator, keys in condition.items()}
        if statement in self._statements:
            return
        statements = [*self._statements, statement]
        own = Policy.parse({"Version": "2012-10-17", "Statement": statements})
        self._changing()
        self._own = own
        self._statements = statements
        self._changed()

    def _may(self, action: str) -> None:
        if self.guard is not None:
            self.guard(f"iam:{action}", self)

    def _changing(self) -> None:
        if self.before_change is not None:
            self.before_change()

    def _changed(self) -> None:
        self._policies = None
        self.version += 1


def _texts(actions: Any) -> list[str]:
    found = list(actions) if isinstance(actions, Iterable) else [actions]
    if not all(isinstance(action, str) for action in found):
        raise ConfigurationError(f'{actions!r} are no actions; an action reads like "s3:GetObject"')
    return found


def resource_arns(resource: object) -> tuple[str, ...]:
    """Say what a resource is called in policies: its `iam_resources`, its `arn`, or the text itself.

    Raises ConfigurationError if it is none of these.
    """
    if isinstance(resource, str):
        return (resource,)
    named = getattr(resource, "iam_resources", None)
    if named is not None:
        return tuple(named)
    arn = getattr(resource, "arn", None)
    if not isinstance(arn, str):
        raise ConfigurationError(f"{resource!r} is no resource; a resource is an ARN or an object that has one")
    return (arn,)


def _parsed(policy: Policy | Document, kind: PolicyKind) -> Policy:
    if isinstance(policy, Policy):
        return policy if policy.kind is kind else Policy.parse(policy.document, kind=kind)
    return Policy.parse(policy, kind=kind)
