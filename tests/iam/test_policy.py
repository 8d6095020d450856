"""The policy grammar: what is a policy, and what is refused with which sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from eventbus.errors import MalformedPolicy
from eventbus.iam.policy import Policy, PolicyKind

ALLOW: dict[str, Any] = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
EVERYONE: dict[str, Any] = {**ALLOW, "Principal": "*"}
TRUST: dict[str, Any] = {
    "Effect": "Allow",
    "Principal": {"Service": "lambda.amazonaws.com"},
    "Action": "sts:AssumeRole",
}


def without(statement: dict[str, Any], *elements: str) -> dict[str, Any]:
    return {name: value for name, value in statement.items() if name not in elements}


def refusal(document: Any, kind: PolicyKind = PolicyKind.IDENTITY) -> str:
    with pytest.raises(MalformedPolicy) as caught:
        Policy.parse(document, kind=kind)
    return caught.value.message


@pytest.mark.parametrize("as_given", [dict, json.dumps])
def test_a_policy_gives_its_document_back(as_given: Callable[[dict[str, Any]], Any]) -> None:
    condition = {"NumericLessThan": {"k": [1, 2.5, "3"]}, "Bool": {"l": True}}
    document = {"Version": "2012-10-17", "Id": "p", "Statement": [{**ALLOW, "Sid": "a", "Condition": condition}]}
    policy = Policy.parse(as_given(document))
    assert policy.document == document
    assert (policy.version, policy.id, policy.statements[0].sid) == ("2012-10-17", "p", "a")


def test_a_document_is_a_copy_of_its_own() -> None:
    document = {"Statement": {**ALLOW, "Action": ["s3:GetObject"]}}
    policy = Policy.parse(document)
    document["Statement"]["Action"] = "s3:*"
    policy.document["Statement"]["Action"].append("s3:*")
    assert policy.document == {"Statement": {**ALLOW, "Action": ["s3:GetObject"]}}


def test_policies_are_equal_and_hash_by_kind_and_text() -> None:
    first, second = Policy.parse({"Statement": ALLOW}), Policy.parse({"Statement": ALLOW})
    assert first == second
    assert hash(first) == hash(second)
    assert first != Policy.parse({"Statement": ALLOW}, kind=PolicyKind.SCP)
    assert first != Policy.parse({"Statement": {**ALLOW, "Effect": "Deny"}})


def test_an_old_version_is_meant_where_none_is_given() -> None:
    assert Policy.parse({"Statement": ALLOW}).version == "2008-10-17"


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"Statement": [ALLOW, without(ALLOW, "Sid")]}, PolicyKind.IDENTITY),
        (
            {"Statement": {**without(ALLOW, "Action", "Resource"), "NotAction": "a:b", "NotResource": "*"}},
            PolicyKind.SCP,
        ),
        ({"Statement": {**ALLOW, "Sid": ""}}, PolicyKind.IDENTITY),
        ({"Statement": [{**ALLOW, "Sid": ""}, {**ALLOW, "Sid": ""}]}, PolicyKind.BOUNDARY),
        ({"Statement": {**ALLOW, "Action": ["S3:get*", "lambda:Invoke?unction", "*"]}}, PolicyKind.SESSION),
        (
            {"Statement": {**ALLOW, "Resource": ["arn:*:s3:::b/*", "arn:aws:lambda:*:*:function:f"]}},
            PolicyKind.IDENTITY,
        ),
        ({"Statement": {**EVERYONE, "Sid": "s3-to_fn"}}, PolicyKind.RESOURCE),
        ({"Statement": {**EVERYONE, "Principal": {"AWS": "111122223333"}}}, PolicyKind.RESOURCE),
        ({"Statement": {**EVERYONE, "Principal": {"AWS": ["*", "AIDACKCEVSQ6C2EXAMPLE"]}}}, PolicyKind.RESOURCE),
        ({"Statement": {**EVERYONE, "Principal": {"CanonicalUser": "79a5", "Federated": "x"}}}, PolicyKind.RESOURCE),
        ({"Statement": {**without(EVERYONE, "Principal"), "NotPrincipal": {"AWS": "*"}}}, PolicyKind.RESOURCE),
        ({"Statement": TRUST}, PolicyKind.TRUST),
        ({"Statement": EVERYONE}, PolicyKind.RCP),
        ({"Statement": {**ALLOW, "Condition": {}}}, PolicyKind.IDENTITY),
        ({"Statement": {**ALLOW, "Resource": "arn:aws:s3:::${"}}, PolicyKind.IDENTITY),
    ],
)
def test_what_the_grammar_allows_is_taken(document: dict[str, Any], kind: PolicyKind) -> None:
    assert Policy.parse(document, kind=kind).kind is kind


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("{", "the policy is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("[]", "the policy must be an object, not a list"),
        ('"Allow"', 'the policy must be an object, not "Allow"'),
        ('{"Version": "2012-10-17", "Version": "x"}', 'the policy holds the key "Version" twice in one object'),
        ('{"Statement": NaN}', "the policy holds NaN, which is no JSON"),
        ("[" * 100_000, "the policy is nested too deeply"),
        ({}, "the policy must have a Statement"),
        ({"Statement": []}, "Statement must hold at least one statement"),
        ({"Statement": "Allow"}, 'Statement must be an object, not "Allow"'),
        ({"Statement": [ALLOW, 1]}, "Statement[1] must be an object, not a number"),
        (
            {"Statement": ALLOW, "Comment": ""},
            'the policy has the unknown element "Comment"; it may have Version, Id, Statement',
        ),
        ({"Statement": ALLOW, "Id": 1}, "Id must be a text, not a number"),
        (
            {"Statement": ALLOW, "Version": "2012-10-18"},
            'Version must be "2012-10-17" or "2008-10-17", not "2012-10-18"',
        ),
        ({"Statement": ALLOW, "Version": ["2012-10-17"]}, 'Version must be "2012-10-17" or "2008-10-17", not a list'),
        (
            {"Statement": [{**ALLOW, "Sid": "a"}, {**ALLOW, "Sid": "a"}]},
            'Statement must have unique Sids, and has "a" 2 times',
        ),
        ({"Id": [[[[[[[[[[[]]]]]]]]]]]}, "the policy is nested too deeply"),
        ({1: 2}, "the policy must have texts as keys, not a number"),
        (
            {"Statement": [{"Action": object()}]},
            "the policy.Statement[0].Action must be what JSON can carry, not a Python",
        ),
    ],
)
def test_a_document_that_is_no_policy_is_refused(document: Any, sentence: str) -> None:
    assert refusal(document).startswith(sentence)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"Effect": "allow"}, 'Statement[0].Effect must be "Allow" or "Deny", not "allow"'),
        ({"Effect": None}, 'Statement[0].Effect must be "Allow" or "Deny", not null'),
        ({"effect": "Allow"}, 'Statement[0] has the unknown element "effect"; it may have Sid, Effect, Principal,'),
        ({"Sid": "a-b"}, 'Statement[0].Sid must consist of A-Z, a-z and 0-9, not "a-b"'),
        ({"Sid": 1}, "Statement[0].Sid must be a text, not a number"),
        ({"Principal": "*"}, "Statement[0] must not have Principal in an identity-based policy"),
        ({"NotPrincipal": "*"}, "Statement[0] must not have NotPrincipal in an identity-based policy"),
        ({"Action": []}, "Statement[0].Action must hold at least one entry"),
        ({"Action": "GetObject"}, 'Statement[0].Action must be "*" or read service:Name, with wildcards in the name'),
        ({"Action": ["s3:GetObject", "s*:GetObject"]}, 'Statement[0].Action[1] must be "*" or read service:Name'),
        ({"Action": "s3:Get Object"}, 'Statement[0].Action must be "*" or read service:Name'),
        ({"Action": "s3:"}, 'Statement[0].Action must be "*" or read service:Name'),
        ({"Action": 1}, "Statement[0].Action must be a text, not a number"),
        ({"Action": [["s3:GetObject"]]}, "Statement[0].Action[0] must be a text, not a list"),
        ({"NotAction": "s3:*"}, "Statement[0] must have either Action or NotAction, and has both"),
        ({"NotResource": "*"}, "Statement[0] must have either Resource or NotResource, and has both"),
        ({"Resource": "bucket"}, 'Statement[0].Resource must be "*" or an ARN, which reads arn:aws:service:region:'),
        ({"Resource": "arn:aws:s3:bucket"}, 'Statement[0].Resource must be "*" or an ARN'),
        ({"Resource": "arn:aws:*:::bucket"}, "Statement[0].Resource must name the service without wildcards, not"),
        (
            {"Resource": "arn:aws:s3:${r}::b"},
            "Statement[0].Resource may hold policy variables only after the fifth colon",
        ),
        ({"Resource": "arn:aws:s3:::${"}, "Statement[0].Resource holds a ${ without its }"),
        ({"Resource": []}, "Statement[0].Resource must hold at least one entry"),
        ({"Condition": []}, "Statement[0].Condition must be an object, not a list"),
        ({"Condition": {"X": {"k": "v"}}}, 'Statement[0].Condition has the unknown operator "X"'),
    ],
)
def test_a_malformed_statement_is_refused_with_its_place(change: dict[str, Any], sentence: str) -> None:
    assert refusal({"Version": "2012-10-17", "Statement": [{**ALLOW, **change}]}).startswith(sentence)


@pytest.mark.parametrize("element", ["Effect", "Action", "Resource"])
def test_no_element_may_be_missing(element: str) -> None:
    assert refusal({"Statement": without(ALLOW, element)}) in (
        'Statement.Effect must be "Allow" or "Deny", and is missing',
        f"Statement must have either {element} or Not{element}, and has neither",
    )


@pytest.mark.parametrize(
    ("principal", "sentence"),
    [
        ("111122223333", 'Statement.Principal must be "*" or an object such as {"Service": "..."}, not "111122223333"'),
        ({}, "Statement.Principal must name somebody"),
        ({"aws": "*"}, 'Statement.Principal has the unknown element "aws"; it may have AWS, Federated, Service,'),
        ({"AWS": []}, "Statement.Principal.AWS must hold at least one entry"),
        (
            {"AWS": "arn:aws:iam::111122223333:user/*"},
            "Statement.Principal.AWS must name a principal without wildcards",
        ),
        (
            {"AWS": ["*", "bob"]},
            'Statement.Principal.AWS[1] must be "*", an account id or an IAM or STS ARN, not "bob"',
        ),
        ({"AWS": "anonymous"}, 'Statement.Principal.AWS must be "*", an account id or an IAM or STS ARN'),
        ({"AWS": "s3.amazonaws.com"}, 'Statement.Principal.AWS must be "*", an account id'),
        ({"AWS": "arn:aws:s3:::bucket"}, 'Statement.Principal.AWS must be "*", an account id'),
        ({"Service": "s3"}, 'Statement.Principal.Service must be a service such as s3.amazonaws.com, not "s3"'),
        ({"Service": "111122223333"}, "Statement.Principal.Service must be a service such as s3.amazonaws.com"),
        ({"Service": "*"}, "Statement.Principal.Service must name a principal without wildcards"),
    ],
)
def test_a_malformed_principal_is_refused(principal: Any, sentence: str) -> None:
    assert refusal({"Statement": {**EVERYONE, "Principal": principal}}, PolicyKind.RESOURCE).startswith(sentence)


@pytest.mark.parametrize("kind", [PolicyKind.RESOURCE, PolicyKind.TRUST, PolicyKind.RCP])
def test_policies_of_resources_must_say_whom_they_mean(kind: PolicyKind) -> None:
    statement = without(TRUST if kind is PolicyKind.TRUST else EVERYONE, "Principal")
    assert "Principal" in refusal({"Statement": statement}, kind)


@pytest.mark.parametrize("kind", [PolicyKind.IDENTITY, PolicyKind.BOUNDARY, PolicyKind.SESSION, PolicyKind.SCP])
def test_policies_of_principals_must_not_say_whom_they_mean(kind: PolicyKind) -> None:
    assert refusal({"Statement": EVERYONE}, kind) == f"Statement must not have Principal in {kind.with_article}"


def test_a_trust_policy_names_no_resource() -> None:
    message = refusal({"Statement": {**TRUST, "Resource": "*"}}, PolicyKind.TRUST)
    assert message == "Statement must not have Resource in the role trust policy"


def test_a_resource_control_policy_speaks_to_everyone() -> None:
    document = {"Statement": {**EVERYONE, "Principal": {"AWS": "111122223333"}}}
    assert refusal(document, PolicyKind.RCP) == 'Statement.Principal must be "*" in a resource control policy'


def test_white_space_does_not_count_towards_the_size() -> None:
    document = json.dumps({"Statement": ALLOW}, indent=8)
    size = len('{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}')
    assert Policy.parse(document, size_limit=size).size == size
    with pytest.raises(MalformedPolicy, match=f"has {size} characters without white space; {size - 1} are allowed"):
        Policy.parse(document, size_limit=size - 1)
