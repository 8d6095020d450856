"""Invariants, tried on generated documents and requests."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from eventbus.errors import MalformedPolicy
from eventbus.iam.evaluation import Decision, Effect, Request, evaluate
from eventbus.iam.policy import Policy, PolicyKind
from eventbus.iam.principals import Principal, PrincipalKind

ACCOUNT = "111122223333"
FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"
USER = f"arn:aws:iam::{ACCOUNT}:user/dev"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/app/s"

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def one_or_more(entries: st.SearchStrategy[str]) -> st.SearchStrategy[str | list[str]]:
    return entries | st.lists(entries, min_size=1, max_size=2)


actions = one_or_more(st.sampled_from(["*", "lambda:*", "lambda:InvokeFunction", "LAMBDA:invoke*", "s3:?etObject"]))
resources = one_or_more(
    st.sampled_from(["*", FUNCTION, f"{FUNCTION}*", "arn:aws:s3:::b/${aws:username}", "arn:aws:s3:::b/${k, '*'}"])
)
principals = st.just("*") | st.dictionaries(
    st.just("AWS"), one_or_more(st.sampled_from([ACCOUNT, USER, SESSION, "*", "444455556666"])), min_size=1
)
services = st.just({"Service": "s3.amazonaws.com"})
operators = st.sampled_from(
    [
        "StringEquals",
        "StringNotLike",
        "ForAnyValue:StringLike",
        "ForAllValues:StringNotEquals",
        "ArnLikeIfExists",
        "Null",
    ]
)
values = one_or_more(st.sampled_from(["true", "false"]))
conditions = st.dictionaries(
    operators, st.dictionaries(st.sampled_from(["k", "K", "aws:username"]), values), max_size=2
)


@st.composite
def statements(draw: st.DrawFn, *, has_principal: bool) -> dict[str, Any]:
    """A statement that the grammar allows."""
    statement: dict[str, Any] = {"Effect": draw(st.sampled_from(["Allow", "Deny"]))}
    if has_principal:
        statement[draw(st.sampled_from(["Principal", "NotPrincipal"]))] = draw(principals | services)
    statement[draw(st.sampled_from(["Action", "NotAction"]))] = draw(actions)
    statement[draw(st.sampled_from(["Resource", "NotResource"]))] = draw(resources)
    if draw(st.booleans()):
        statement["Condition"] = draw(conditions)
    return statement


def policies(kind: PolicyKind) -> st.SearchStrategy[Policy]:
    """Policies that the grammar allows."""
    several = st.lists(statements(has_principal=kind is PolicyKind.RESOURCE), min_size=1, max_size=3)
    return several.map(lambda found: Policy.parse({"Version": "2012-10-17", "Statement": found}, kind=kind))


requests = st.builds(
    Request,
    st.sampled_from([USER, SESSION, ACCOUNT, "444455556666", "s3.amazonaws.com", "anonymous"]).map(Principal.parse),
    st.sampled_from(["lambda:InvokeFunction", "s3:GetObject", "sts:AssumeRole", ""]),
    st.sampled_from([FUNCTION, "arn:aws:s3:::b/dev", "*", ""]) | st.text(max_size=5),
    st.dictionaries(st.sampled_from(["k", "aws:username"]), st.text(max_size=5) | st.lists(st.text(max_size=3))),
    st.none() | st.just(ACCOUNT),
)
cases = st.fixed_dictionaries(
    {
        "identity": st.lists(policies(PolicyKind.IDENTITY), max_size=2),
        "resource": st.none() | policies(PolicyKind.RESOURCE),
        "boundary": st.none() | policies(PolicyKind.BOUNDARY),
        "session": st.none() | policies(PolicyKind.SESSION),
        "scps": st.lists(policies(PolicyKind.SCP), max_size=1),
    }
)


def extended(policy: Policy, statement: dict[str, Any]) -> Policy:
    document = policy.document
    return Policy.parse({**document, "Statement": [*document["Statement"], statement]}, kind=policy.kind)


def decide(request: Request, case: dict[str, Any], **changed: Any) -> Decision:
    return evaluate(request, **{**case, **changed})


@given(anything, st.sampled_from(PolicyKind))
def test_any_document_is_a_policy_or_malformed(document: Any, kind: PolicyKind) -> None:
    for given_as in (document if isinstance(document, dict) else {"Statement": document}, json.dumps(document)):
        with contextlib.suppress(MalformedPolicy):
            Policy.parse(given_as, kind=kind)


@given(
    st.dictionaries(
        st.sampled_from(["Sid", "Effect", "Principal", "Action", "Resource", "Condition"]),
        anything | principals | actions | resources | conditions | st.sampled_from(["Allow", "Deny"]),
    ),
    st.sampled_from(PolicyKind),
)
def test_any_statement_is_parsed_and_evaluated_or_malformed(statement: dict[str, Any], kind: PolicyKind) -> None:
    document = {"Version": "2012-10-17", "Statement": [statement]}
    try:
        policy = Policy.parse(document, kind=kind)
    except MalformedPolicy:
        return
    assert policy.document == document
    assert Policy.parse(policy.text, kind=kind) == policy


@given(requests, cases)
def test_every_request_gets_a_decision_and_an_explanation(request: Request, case: dict[str, Any]) -> None:
    decision = decide(request, case)
    assert decision == decide(request, case)
    assert decision.is_allowed is (decision.effect is Effect.ALLOW)
    assert decision.explain(request).startswith(decision.message(request))


@given(requests, cases)
def test_an_explicit_deny_always_wins(request: Request, case: dict[str, Any]) -> None:
    deny = {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}
    resource = Policy.parse({"Statement": [deny]}, kind=PolicyKind.RESOURCE)
    assert decide(request, case, resource=resource).effect is Effect.EXPLICIT_DENY


@given(requests, cases, statements(has_principal=False), statements(has_principal=True))
def test_one_more_allow_never_takes_anything_away(
    request: Request, case: dict[str, Any], own: dict[str, Any], of_resource: dict[str, Any]
) -> None:
    before = decide(request, case)
    more = dict(case)
    for name, statement in (("boundary", own), ("session", own), ("resource", of_resource)):
        if case[name] is not None:
            more[name] = extended(case[name], {**statement, "Effect": "Allow"})
    more["identity"] = [extended(policy, {**own, "Effect": "Allow"}) for policy in case["identity"]]
    after = decide(request, more)
    assert after.is_allowed or not before.is_allowed
    assert (after.effect is Effect.EXPLICIT_DENY) is (before.effect is Effect.EXPLICIT_DENY)


@given(requests, cases, statements(has_principal=False))
def test_one_more_deny_never_gives_anything(request: Request, case: dict[str, Any], deny: dict[str, Any]) -> None:
    document = {"Version": "2012-10-17", "Statement": [{**deny, "Effect": "Deny"}]}
    stricter = decide(request, case, identity=[*case["identity"], Policy.parse(document)])
    assert decide(request, case).is_allowed or not stricter.is_allowed


@given(requests, cases)
def test_a_limit_only_ever_limits(request: Request, case: dict[str, Any]) -> None:
    unlimited = decide(request, case, boundary=None, session=None, scps=[])
    assert unlimited.is_allowed or not decide(request, case).is_allowed


@given(requests)
def test_without_any_policy_only_the_root_user_of_the_owner_may(request: Request) -> None:
    is_root_at_home = request.principal.kind is PrincipalKind.ROOT and request.owner == request.principal.account
    assert evaluate(request).is_allowed is (is_root_at_home and request.action != "sts:AssumeRole")
