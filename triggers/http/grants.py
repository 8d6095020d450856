"""What an authorizer answered, and what follows from it; pure.

Sources: API Gateway developer guide, "Output from an API Gateway Lambda authorizer" and "Control access to HTTP APIs
with AWS Lambda authorizers".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs

from eventbus.errors import EventBusError
from eventbus.iam.evaluation import Effect, evaluate
from eventbus.iam.evaluation import Request as Question
from eventbus.iam.policy import Policy
from eventbus.iam.principals import Principal
from triggers.http.refusals import Refused

ACTION = "execute-api:Invoke"


class BadAnswer(Exception):
    """An authorizer's answer that cannot be used; the text says why."""


@attrs.frozen
class Grant:
    """An answer that can be kept: a policy for any request, or a plain yes or no."""

    context: Mapping[str, Any]
    policy: Policy | None = None
    is_authorized: bool = False
    principal_id: str | None = None

    def refusal(self, arn: str, account_id: str, conditions: Mapping[str, str]) -> Refused | None:
        """Why a request for this ARN is refused; None if it is let in."""
        if self.policy is None:
            return None if self.is_authorized else Refused.DENIED
        # the policy is attached to nobody on AWS; here a user has it who has nothing else
        caller = Principal.parse(f"arn:aws:iam::{account_id}:user/authorized")
        decision = evaluate(Question(caller, ACTION, arn, conditions, account_id), identity=[self.policy])
        if decision.is_allowed:
            return None
        return Refused.DENIED_EXPLICITLY if decision.effect is Effect.EXPLICIT_DENY else Refused.DENIED


def read_policy(result: Any, *, has_flat_context: bool) -> Grant:
    """An answer with `principalId` and `policyDocument`.

    With `has_flat_context` its context holds texts, numbers and booleans only, and all become texts. Raises BadAnswer.
    """
    if not isinstance(result, dict):
        raise BadAnswer("an object with principalId and policyDocument is needed")
    principal = result.get("principalId")
    if not isinstance(principal, str) or not principal:
        raise BadAnswer("principalId is a text")
    document = result.get("policyDocument")
    if not isinstance(document, dict):
        raise BadAnswer("policyDocument is an object")
    try:
        policy = Policy.parse(document)
    except EventBusError as error:
        raise BadAnswer(f"policyDocument: {error}") from None
    return Grant(_context(result, is_flat=has_flat_context), policy, principal_id=principal)


def read_simple(result: Any) -> Grant:
    """An answer with `isAuthorized`. Raises BadAnswer."""
    if not isinstance(result, dict) or not isinstance(result.get("isAuthorized"), bool):
        raise BadAnswer("an object with isAuthorized, true or false, is needed")
    return Grant(_context(result, is_flat=False), is_authorized=result["isAuthorized"])


def _context(result: Mapping[str, Any], *, is_flat: bool) -> dict[str, Any]:
    context = result.get("context")
    if context is None:
        return {}
    if not isinstance(context, dict):
        raise BadAnswer("context is an object")
    if not is_flat:
        return context
    for name, value in context.items():
        if isinstance(value, list | dict):
            raise BadAnswer(f"context[{name!r}] is a text, a number or a boolean; JSON has to be a text")
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in context.items()}
