"""Who may do what on this bus: the requests that the engine puts to `iam`, and the answers it remembers.

An answer holds until a policy that it rests on changes, which the policies' version numbers show; policies that look at
the time are asked every time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from eventbus.delivery.targets import HasPolicy, Source, Target
from eventbus.errors import AccessDenied
from eventbus.iam.evaluation import Decision, Effect, Request, evaluate
from eventbus.iam.policy import Policy
from eventbus.iam.principals import Principal
from eventbus.timestamps import iso_time

if TYPE_CHECKING:
    from eventbus.iam.roles import Role

_TIME_KEYS = ("aws:currenttime", "aws:epochtime")
Facts: TypeAlias = tuple[tuple[str, str], ...]
"""Condition keys of one service, with their values: `(("events:source", "shop"),)`."""
_ALWAYS = Decision(Effect.ALLOW, None, None, "allowed because this bus does not enforce IAM")


@attrs.define(eq=False)
class _Remembered:
    versions: tuple[int, int]
    decision: Decision


class Authority:
    """Answers for one bus. `is_enforcing` False lets everybody do everything."""

    def __init__(self, account_id: str, region: str, now: Callable[[], float], *, is_enforcing: bool) -> None:
        self.is_enforcing = is_enforcing
        self.owner = Principal.parse(f"arn:aws:iam::{account_id}:root")
        self._account_id = account_id
        self._region = region
        self._now = now
        self._sends: dict[tuple[Source, Target], _Remembered] = {}
        self._calls: dict[tuple[Principal, str, str, Facts], _Remembered] = {}
        self._depends_on_time: dict[int, tuple[Policy, bool]] = {}

    def may_send(self, source: Source, target: Target) -> Decision:
        """Whether the source may send to the target: a service by the target's policy, a role by its own as well."""
        if not self.is_enforcing:
            return _ALWAYS
        role = source.role
        versions = (target.access.version, 0 if role is None else role.version)
        remembered = self._sends.get((source, target))
        if remembered is not None and remembered.versions == versions:
            return remembered.decision
        decision = self._evaluate(self.send_request(source, target), role, target.access)
        if self.is_cacheable(source, target):
            self._sends[source, target] = _Remembered(versions, decision)
        return decision

    def send_request(self, source: Source, target: Target) -> Request:
        """The request that sending is, for `Decision.explain`."""
        context = self._context()
        if source.arn is not None and source.role is None:
            context["aws:SourceArn"] = source.arn
            if source.account is not None:
                context["aws:SourceAccount"] = source.account
        resource = getattr(target, "resource_arn", target.arn)
        return Request(Principal.parse(source.principal), target.send_action, resource, context, self._account_id)

    def authorize(
        self,
        caller: Source | None,
        action: str,
        resource: str,
        access: HasPolicy | None,
        hint: Any,
        facts: Facts = (),
    ) -> None:
        """Check what a caller does. None is the account's owner, whom only an explicit deny stops.

        `facts` are what the service itself tells conditions. Raises AccessDenied with AWS's sentence; `hint()` gives
        the mending call.
        """
        if not self.is_enforcing or (caller is None and (access is None or access.policy is None)):
            return
        role = None if caller is None else caller.role
        principal = self.owner if caller is None else Principal.parse(caller.principal)
        versions = (0 if access is None else access.version, 0 if role is None else role.version)
        remembered = self._calls.get((principal, action, resource, facts))
        if remembered is None or remembered.versions != versions:
            request = Request(principal, action, resource, self._context() | dict(facts), self._account_id)
            remembered = _Remembered(versions, self._evaluate(request, role, access))
            if not self._looks_at_time(role, access):
                if len(self._calls) > 10_000:
                    self._calls.clear()
                self._calls[principal, action, resource, facts] = remembered
        if not remembered.decision.is_allowed:
            request = Request(principal, action, resource, self._context() | dict(facts), self._account_id)
            raise AccessDenied(remembered.decision.message(request), mend=hint())

    def is_cacheable(self, source: Source, target: Target) -> bool:
        """Whether the answer stays the same until a policy changes."""
        return not self._looks_at_time(source.role, target.access)

    def _evaluate(self, request: Request, role: Role | None, access: HasPolicy | None) -> Decision:
        resource = None if access is None else access.policy
        if role is None:
            return evaluate(request, resource=resource)
        return evaluate(request, identity=role.policies, resource=resource, boundary=role.boundary)

    def _context(self) -> dict[str, Any]:
        now = self._now()
        return {
            "aws:CurrentTime": iso_time(now),
            "aws:EpochTime": str(int(now)),
            "aws:SecureTransport": "true",
            "aws:RequestedRegion": self._region,
        }

    def _looks_at_time(self, role: Role | None, access: HasPolicy | None) -> bool:
        policies = [] if role is None else [*role.policies, role.boundary]
        if access is not None:
            policies.append(access.policy)
        return any(policy is not None and self._mentions_time(policy) for policy in policies)

    def _mentions_time(self, policy: Policy) -> bool:
        known = self._depends_on_time.get(id(policy))
        if known is None or known[0] is not policy:
            text = policy.text.lower()
            known = (policy, any(key in text for key in _TIME_KEYS))
            if len(self._depends_on_time) > 10_000:
                self._depends_on_time.clear()
            self._depends_on_time[id(policy)] = known
        return known[1]
