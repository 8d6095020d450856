"""Decisions: the worked examples, the situations of AWS's evaluation logic, and the words of a refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eventbus.iam.evaluation import Decision, Effect, Request, evaluate
from eventbus.iam.policy import Policy, PolicyKind
from eventbus.iam.principals import Principal

ACCOUNT = "111122223333"
FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:orders"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/app"
USER = f"arn:aws:iam::{ACCOUNT}:user/dev"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/app/worker"
FOREIGN = "arn:aws:sts::444455556666:assumed-role/caller/s1"
ROWS = [json.loads(line) for line in Path(__file__).with_name("decisions.jsonl").read_text().splitlines()]


def policy(kind: PolicyKind, *statements: dict[str, Any], version: str = "2012-10-17") -> Policy:
    return Policy.parse({"Version": version, "Statement": list(statements)}, kind=kind)


def statement(effect: str, principal: Any = None, action: str = "*", **more: Any) -> dict[str, Any]:
    who = {} if principal is None else {"Principal": principal}
    return {"Effect": effect, **who, "Action": action, "Resource": "*", **more}


def ask(principal: str, action: str = "lambda:InvokeFunction", resource: str = FUNCTION, **context: str) -> Request:
    return Request(Principal.parse(principal), action, resource, context)


ALLOW = policy(PolicyKind.IDENTITY, statement("Allow"))
S3_ONLY = statement("Allow", action="s3:*")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['n']}: {row['why']}")
def test_worked_examples_come_out_as_on_aws(row: dict[str, Any]) -> None:
    def given(name: str, kind: PolicyKind) -> Policy | None:
        return policy(kind, *row[name], version=row.get("version", "2012-10-17")) if name in row else None

    identity, scp = given("identity", PolicyKind.IDENTITY), given("scp", PolicyKind.SCP)
    request = Request(Principal.parse(row["who"]), row["action"], row["resource"], row.get("ctx", {}), ACCOUNT)
    decision = evaluate(
        request,
        identity=[identity] if identity else [],
        resource=given("resource_policy", PolicyKind.RESOURCE),
        boundary=given("boundary", PolicyKind.BOUNDARY),
        session=given("session", PolicyKind.SESSION),
        scps=[scp] if scp else [],
    )
    assert decision.effect.value == row["expect"], decision.explain(request)


def test_all_worked_examples_are_there() -> None:
    assert [row["n"] for row in ROWS] == list(range(1, 84))


class TestWhoNeedsWhat:
    """Which Allow is needed in which situation."""

    def test_a_service_is_not_helped_by_an_identity_policy(self) -> None:
        decision = evaluate(ask("s3.amazonaws.com"), identity=[ALLOW])
        assert (decision.effect, decision.policy_kind) == (Effect.IMPLICIT_DENY, PolicyKind.RESOURCE)

    def test_a_service_is_not_stopped_by_a_service_control_policy(self) -> None:
        resource = policy(PolicyKind.RESOURCE, statement("Allow", {"Service": "s3.amazonaws.com"}))
        deny_all = policy(PolicyKind.SCP, statement("Deny"))
        assert evaluate(ask("s3.amazonaws.com"), resource=resource, scps=[deny_all]).is_allowed

    def test_a_service_is_stopped_by_a_resource_control_policy(self) -> None:
        resource = policy(PolicyKind.RESOURCE, statement("Allow", {"Service": "s3.amazonaws.com"}))
        rcp = policy(PolicyKind.RCP, statement("Allow", "*"), statement("Deny", "*", Sid="no"))
        decision = evaluate(ask("s3.amazonaws.com"), resource=resource, rcps=[rcp])
        assert (decision.effect, decision.policy_kind, decision.sid) == (Effect.EXPLICIT_DENY, PolicyKind.RCP, "no")

    def test_a_federated_provider_is_not_the_service_of_the_same_name(self) -> None:
        name = "cognito-identity.amazonaws.com"
        resource = policy(PolicyKind.RESOURCE, statement("Allow", {"Federated": name}))
        assert not evaluate(ask(name), resource=resource).is_allowed

    @pytest.mark.parametrize(
        ("principal", "allowed"),
        [("*", True), ({"AWS": "*"}, True), ({"AWS": ["*", ACCOUNT]}, True), ({"AWS": ACCOUNT}, False)],
    )
    def test_an_anonymous_caller_gets_in_only_where_everyone_does(self, principal: Any, allowed: bool) -> None:
        resource = policy(PolicyKind.RESOURCE, statement("Allow", principal))
        assert evaluate(ask("anonymous"), resource=resource, identity=[ALLOW]).is_allowed is allowed

    def test_the_root_user_may_do_everything_in_its_account(self) -> None:
        decision = evaluate(ask(ACCOUNT))
        assert (decision.is_allowed, decision.policy_kind) == (True, None)

    def test_the_root_user_is_stopped_by_scps_and_by_resource_policies(self) -> None:
        deny = policy(PolicyKind.RESOURCE, statement("Deny", "*"))
        assert evaluate(ask(ACCOUNT), resource=deny).effect is Effect.EXPLICIT_DENY
        assert evaluate(ask(ACCOUNT), scps=[policy(PolicyKind.SCP, S3_ONLY)]).effect is Effect.IMPLICIT_DENY

    @pytest.mark.parametrize("principal", ["444455556666", "*", {"AWS": "arn:aws:iam::444455556666:root"}])
    def test_the_root_user_of_another_account_needs_the_resource_policy(self, principal: Any) -> None:
        who = {"AWS": principal} if principal == "444455556666" else principal
        resource = policy(PolicyKind.RESOURCE, statement("Allow", who))
        assert evaluate(ask("444455556666"), resource=resource).is_allowed
        assert evaluate(ask("444455556666")).policy_kind is PolicyKind.RESOURCE

    def test_everyone_is_not_enough_across_accounts(self) -> None:
        resource = policy(PolicyKind.RESOURCE, statement("Allow", "*"))
        assert evaluate(ask(FOREIGN), resource=resource).policy_kind is PolicyKind.IDENTITY
        assert evaluate(ask(FOREIGN), resource=resource, identity=[ALLOW]).is_allowed

    def test_across_accounts_a_boundary_limits_even_a_session_that_is_named(self) -> None:
        resource = policy(PolicyKind.RESOURCE, statement("Allow", {"AWS": FOREIGN}))
        boundary = policy(PolicyKind.BOUNDARY, S3_ONLY)
        decision = evaluate(ask(FOREIGN), resource=resource, identity=[ALLOW], boundary=boundary)
        assert decision.policy_kind is PolicyKind.BOUNDARY

    def test_a_resource_without_account_belongs_to_the_owner_given(self) -> None:
        request = Request(Principal.parse(USER), "s3:GetObject", "arn:aws:s3:::data/x", {}, "444455556666")
        assert not evaluate(request, identity=[ALLOW]).is_allowed
        assert evaluate(ask(USER, "s3:GetObject", "arn:aws:s3:::data/x"), identity=[ALLOW]).is_allowed

    def test_the_owner_given_counts_more_than_the_arn(self) -> None:
        request = Request(Principal.parse(USER), "lambda:InvokeFunction", FUNCTION, {}, "444455556666")
        assert evaluate(request, identity=[ALLOW]).policy_kind is PolicyKind.RESOURCE

    def test_the_owner_of_the_resource_is_a_condition_key(self) -> None:
        condition = {"StringEquals": {"aws:ResourceAccount": ACCOUNT}}
        identity = policy(PolicyKind.IDENTITY, statement("Allow", Condition=condition))
        assert evaluate(ask(USER), identity=[identity]).is_allowed

    def test_a_role_with_a_path_is_the_role_of_its_sessions(self) -> None:
        named = {"AWS": f"arn:aws:iam::{ACCOUNT}:role/service-role/app"}
        assert evaluate(ask(SESSION), resource=policy(PolicyKind.RESOURCE, statement("Allow", named))).is_allowed


class TestBoundariesAndSessions:
    """How an Allow of the resource policy meets what limits the caller, in the same account."""

    @pytest.mark.parametrize(
        ("principal", "named", "limited"),
        [
            (USER, {"AWS": USER}, False),
            (SESSION, {"AWS": ROLE}, True),
            (SESSION, {"AWS": SESSION}, False),
            (SESSION, {"AWS": [ROLE, SESSION]}, False),
            (ROLE, {"AWS": ROLE}, True),
            (
                f"arn:aws:sts::{ACCOUNT}:federated-user/bob",
                {"AWS": f"arn:aws:sts::{ACCOUNT}:federated-user/bob"},
                False,
            ),
        ],
    )
    @pytest.mark.parametrize("limit", ["boundary", "session"])
    def test_only_a_role_that_is_named_stays_limited(
        self, principal: str, named: Any, limited: bool, limit: str
    ) -> None:
        resource = policy(PolicyKind.RESOURCE, statement("Allow", named))
        kind = PolicyKind.BOUNDARY if limit == "boundary" else PolicyKind.SESSION
        limits: dict[str, Any] = {limit: policy(kind, S3_ONLY)}
        decision = evaluate(ask(principal), resource=resource, **limits)
        assert decision.is_allowed is not limited
        assert decision.policy_kind is (kind if limited else PolicyKind.RESOURCE)

    def test_the_most_precise_of_several_statements_counts(self) -> None:
        session, role = statement("Allow", {"AWS": SESSION}), statement("Allow", {"AWS": ROLE})
        boundary = policy(PolicyKind.BOUNDARY, S3_ONLY)
        for order in ([session, role], [role, session]):
            resource = policy(PolicyKind.RESOURCE, *order)
            assert evaluate(ask(SESSION), resource=resource, boundary=boundary).is_allowed

    def test_their_explicit_denies_always_count(self) -> None:
        resource = policy(PolicyKind.RESOURCE, statement("Allow", {"AWS": USER}))
        boundary = policy(PolicyKind.BOUNDARY, statement("Deny"))
        assert evaluate(ask(USER), resource=resource, boundary=boundary).effect is Effect.EXPLICIT_DENY


class TestAssumingRoles:
    """The trust policy of a role is mandatory."""

    @staticmethod
    def decide(principal: str, trusted: Any, *identity: Policy) -> Decision:
        allow = {"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}
        trust = policy(PolicyKind.TRUST, allow)
        return evaluate(ask(principal, "sts:AssumeRole", ROLE), resource=trust, identity=identity)

    def test_a_user_who_is_named_needs_nothing_else(self) -> None:
        assert self.decide(USER, {"AWS": USER}).is_allowed

    def test_the_account_delegates_to_identity_policies(self) -> None:
        assert self.decide(USER, {"AWS": ACCOUNT}).policy_kind is PolicyKind.IDENTITY
        assert self.decide(USER, {"AWS": ACCOUNT}, ALLOW).is_allowed

    def test_an_identity_policy_alone_is_not_enough(self) -> None:
        decision = self.decide(USER, {"Service": "lambda.amazonaws.com"}, ALLOW)
        assert decision.reason == "because no role trust policy allows the sts:AssumeRole action"
        assert evaluate(ask(USER, "sts:AssumeRole", ROLE), identity=[ALLOW]).policy_kind is PolicyKind.TRUST

    def test_a_service_that_is_trusted_may(self) -> None:
        assert self.decide("lambda.amazonaws.com", {"Service": "lambda.amazonaws.com"}).is_allowed
        assert not self.decide("s3.amazonaws.com", {"Service": "lambda.amazonaws.com"}).is_allowed

    def test_everyone_means_everyone_who_is_authenticated(self) -> None:
        assert not self.decide("anonymous", "*").is_allowed
        assert self.decide(USER, "*").is_allowed

    def test_a_kms_key_is_guarded_by_its_own_policy_too(self) -> None:
        key = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/k"
        decision = evaluate(ask(USER, "kms:Decrypt", key), identity=[ALLOW])
        assert decision.policy_kind is PolicyKind.RESOURCE
        delegating = policy(PolicyKind.RESOURCE, statement("Allow", {"AWS": ACCOUNT}))
        assert evaluate(ask(USER, "kms:Decrypt", key), identity=[ALLOW], resource=delegating).is_allowed


class TestOrganisations:
    """Service and resource control policies allow at every level or not at all."""

    EVERYTHING = policy(PolicyKind.SCP, statement("Allow"))
    ONLY_S3 = policy(PolicyKind.SCP, S3_ONLY)

    def test_every_level_must_allow(self) -> None:
        assert evaluate(ask(USER), identity=[ALLOW], scps=[self.EVERYTHING, self.EVERYTHING]).is_allowed
        decision = evaluate(ask(USER), identity=[ALLOW], scps=[self.EVERYTHING, self.ONLY_S3])
        assert decision.policy_kind is PolicyKind.SCP

    def test_one_policy_of_a_level_suffices(self) -> None:
        assert evaluate(ask(USER), identity=[ALLOW], scps=[[self.ONLY_S3, self.EVERYTHING]]).is_allowed

    def test_a_level_without_policies_allows_nothing(self) -> None:
        assert not evaluate(ask(USER), identity=[ALLOW], scps=[[]]).is_allowed

    def test_service_linked_roles_are_left_alone(self) -> None:
        linked = f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSServiceRoleForX/s"
        assert evaluate(ask(linked), identity=[ALLOW], scps=[self.ONLY_S3]).is_allowed


class TestNotPrincipal:
    """Everyone except the listed; a Deny spares only who is listed under every identity."""

    @pytest.mark.parametrize(
        ("listed", "denied"),
        [([SESSION], True), ([SESSION, ROLE], True), ([SESSION, ROLE, ACCOUNT], False), ([ROLE, ACCOUNT], True)],
    )
    def test_a_deny_spares_a_session_listed_with_role_and_account(self, listed: list[str], denied: bool) -> None:
        deny = {"Effect": "Deny", "NotPrincipal": {"AWS": listed}, "Action": "*", "Resource": "*"}
        decision = evaluate(ask(SESSION), identity=[ALLOW], resource=policy(PolicyKind.RESOURCE, deny))
        assert (decision.effect is Effect.EXPLICIT_DENY) is denied

    @pytest.mark.parametrize(
        ("listed", "principal", "allowed"),
        [
            ({"AWS": USER}, USER, False),
            ({"AWS": ACCOUNT}, USER, False),
            ({"AWS": ROLE}, USER, True),
            ({"AWS": ROLE}, "anonymous", True),
            ({"Service": "s3.amazonaws.com"}, "s3.amazonaws.com", False),
            ({"AWS": "*"}, USER, False),
        ],
    )
    def test_an_allow_leaves_out_who_is_listed(self, listed: Any, principal: str, allowed: bool) -> None:
        allow = {"Effect": "Allow", "NotPrincipal": listed, "Action": "*", "Resource": "*"}
        assert evaluate(ask(principal), resource=policy(PolicyKind.RESOURCE, allow)).is_allowed is allowed


class TestWords:
    """Refusals read as AWS writes them."""

    ON = f"is not authorized to perform: lambda:InvokeFunction on resource: {FUNCTION}"

    @pytest.mark.parametrize(
        ("principal", "policies", "end"),
        [
            (USER, {}, "because no identity-based policy allows the lambda:InvokeFunction action"),
            (
                FOREIGN,
                {"identity": [ALLOW]},
                "because no resource-based policy allows the lambda:InvokeFunction action",
            ),
            (
                "s3.amazonaws.com",
                {},
                "because no resource-based policy allows the lambda:InvokeFunction action",
            ),
            ("anonymous", {}, "because no resource-based policy allows the lambda:InvokeFunction action"),
            (
                SESSION,
                {"identity": [ALLOW], "boundary": policy(PolicyKind.BOUNDARY, S3_ONLY)},
                "because no permissions boundary allows the lambda:InvokeFunction action",
            ),
            (
                SESSION,
                {"identity": [ALLOW], "session": policy(PolicyKind.SESSION, S3_ONLY)},
                "because no session policy allows the lambda:InvokeFunction action",
            ),
            (
                SESSION,
                {"identity": [ALLOW], "scps": [policy(PolicyKind.SCP, S3_ONLY)]},
                "because no service control policy allows the lambda:InvokeFunction action",
            ),
            (
                SESSION,
                {"identity": [ALLOW], "rcps": [policy(PolicyKind.RCP, statement("Allow", "*", "s3:*"))]},
                "because no resource control policy allows the lambda:InvokeFunction action",
            ),
            (
                USER,
                {"identity": [policy(PolicyKind.IDENTITY, statement("Deny"))]},
                "with an explicit deny in an identity-based policy",
            ),
            (
                USER,
                {"resource": policy(PolicyKind.RESOURCE, statement("Deny", "*"))},
                "with an explicit deny in a resource-based policy",
            ),
            (
                USER,
                {"boundary": policy(PolicyKind.BOUNDARY, statement("Deny"))},
                "with an explicit deny in a permissions boundary",
            ),
            (
                SESSION,
                {"session": policy(PolicyKind.SESSION, statement("Deny"))},
                "with an explicit deny in a session policy",
            ),
            (
                USER,
                {"scps": [policy(PolicyKind.SCP, statement("Deny"))]},
                "with an explicit deny in a service control policy",
            ),
            (
                USER,
                {"rcps": [policy(PolicyKind.RCP, statement("Deny", "*"))]},
                "with an explicit deny in a resource control policy",
            ),
        ],
    )
    def test_a_refusal_is_worded_as_on_aws(self, principal: str, policies: dict[str, Any], end: str) -> None:
        request = ask(principal)
        subject = "anonymous" if principal == "anonymous" else principal
        assert evaluate(request, **policies).message(request) == f"User: {subject} {self.ON} {end}"

    def test_an_allow_names_its_statement(self) -> None:
        named = policy(PolicyKind.RESOURCE, statement("Allow", {"Service": "s3.amazonaws.com"}, Sid="s3"))
        decision = evaluate(ask("s3.amazonaws.com"), resource=named)
        assert (decision.sid, decision.reason) == ("s3", 'allowed by statement "s3" of the resource-based policy')
        assert evaluate(ask(USER), identity=[ALLOW]).reason == "allowed by Statement[0] of the identity-based policy"
        alone = Policy.parse({"Statement": statement("Allow")})
        assert (
            evaluate(ask(USER), identity=[alone]).reason == "allowed by the only statement of the identity-based policy"
        )

    def test_an_explanation_names_every_part_that_fails(self) -> None:
        resource = policy(
            PolicyKind.RESOURCE,
            statement(
                "Allow",
                {"Service": "s3.amazonaws.com"},
                "lambda:InvokeFunction",
                Sid="s3",
                Condition={"StringEquals": {"AWS:SourceAccount": "444455556666"}},
            ),
            {"Effect": "Deny", "Principal": {"AWS": USER}, "NotAction": "lambda:*", "NotResource": FUNCTION},
        )
        request = Request(Principal.parse("s3.amazonaws.com"), "lambda:InvokeFunction", FUNCTION)
        assert evaluate(request, resource=resource).explain(request).splitlines() == [
            f"User: s3.amazonaws.com {self.ON} "
            "because no resource-based policy allows the lambda:InvokeFunction action",
            'resource-based policy, statement "s3" (Allow) does not match: '
            'condition StringEquals AWS:SourceAccount wants "444455556666", the request has no such key',
            "resource-based policy, Statement[1] (Deny) does not match: "
            f'principal s3.amazonaws.com is not in Principal AWS "{USER}"; '
            'action lambda:InvokeFunction is in NotAction "lambda:*"; '
            f'resource {FUNCTION} is in NotResource "{FUNCTION}"',
        ]

    def test_an_explanation_words_every_kind_of_condition(self) -> None:
        condition = {"Null": {"k": ["true", "false"], "l": "true"}, "StringLike": {"l": ["a*", "b"], "m": []}}
        identity = policy(PolicyKind.IDENTITY, statement("Allow", Condition=condition))
        request = Request(Principal.parse(USER), "s3:GetObject", "*", {"l": ["x", "y"]})
        assert evaluate(request, identity=[identity]).explain(request).splitlines()[1] == (
            "identity-based policy, Statement[0] (Allow) does not match: "
            'condition Null l wants absence, the request has "x" and "y"; '
            'condition StringLike l wants "a*" or "b", the request has "x" and "y"; '
            "condition StringLike m wants nothing, the request has no such key"
        )

    def test_an_explanation_says_where_the_account_only_delegates(self) -> None:
        resource = policy(PolicyKind.RESOURCE, statement("Allow", {"AWS": ACCOUNT}))
        explanation = evaluate(ask(USER), resource=resource).explain(ask(USER))
        assert "(Allow) matches, but names the account only" in explanation

    def test_an_explanation_numbers_policies_of_one_kind(self) -> None:
        explanation = evaluate(ask(USER), identity=[ALLOW, ALLOW]).explain(ask(USER))
        assert explanation.splitlines()[1:] == [
            "identity-based policy 1, Statement[0] (Allow) matches",
            "identity-based policy 2, Statement[0] (Allow) matches",
        ]

    def test_an_explanation_says_so_if_there_was_no_policy(self) -> None:
        assert evaluate(ask(USER)).explain(ask(USER)).endswith("no policy counts for this request")
