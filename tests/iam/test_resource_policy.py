"""The resource policy of a function: the statements that AWS generates, and its refusals word for word."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest

from eventbus.errors import (
    AWSError,
    InvalidParameterValue,
    PolicyLengthExceeded,
    PreconditionFailed,
    ResourceConflict,
    ResourceNotFound,
    ValidationFailed,
)
from eventbus.iam.evaluation import Request, evaluate
from eventbus.iam.principals import Principal
from eventbus.iam.resource_policy import FunctionPolicy

ARN = "arn:aws:lambda:us-east-1:111122223333:function:orders"
BUCKET = "arn:aws:s3:::in-bucket"


@pytest.fixture
def policy() -> FunctionPolicy:
    numbers = count(1)
    return FunctionPolicy(ARN, lambda: f"revision-{next(numbers)}")


def test_a_statement_reads_as_the_recorded_one(policy: FunctionPolicy) -> None:
    returned = policy.add_permission("s3", "s3.amazonaws.com", source_arn=BUCKET, source_account="111122223333")
    recorded = (
        '{"Sid":"s3","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction",'
        '"Resource":"arn:aws:lambda:us-east-1:111122223333:function:orders",'
        '"Condition":{"StringEquals":{"AWS:SourceAccount":"111122223333"},'
        '"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::in-bucket"}}}'
    )
    assert json.dumps(returned, separators=(",", ":")) == recorded
    text = f'{{"Version":"2012-10-17","Id":"default","Statement":[{recorded}]}}'
    assert policy.get_policy() == {"Policy": text, "RevisionId": "revision-1"}
    assert policy.document == json.loads(text)


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        ("sns.amazonaws.com", {"Service": "sns.amazonaws.com"}),
        ("alexa-appkit.amazon.com", {"Service": "alexa-appkit.amazon.com"}),
        ("444455556666", {"AWS": "arn:aws:iam::444455556666:root"}),
        ("arn:aws:iam::444455556666:root", {"AWS": "arn:aws:iam::444455556666:root"}),
        ("arn:aws:iam::444455556666:user/x/dev", {"AWS": "arn:aws:iam::444455556666:user/x/dev"}),
        ("arn:aws:iam::444455556666:role/x/app", {"AWS": "arn:aws:iam::444455556666:role/x/app"}),
        ("*", "*"),
    ],
)
def test_a_principal_becomes_what_aws_makes_of_it(policy: FunctionPolicy, principal: str, expected: Any) -> None:
    statement = policy.add_permission("s", principal)
    assert statement["Principal"] == expected
    assert "Condition" not in statement


@pytest.mark.parametrize(
    ("parameters", "condition"),
    [
        ({"source_arn": BUCKET}, {"ArnLike": {"AWS:SourceArn": BUCKET}}),
        ({"source_account": "111122223333"}, {"StringEquals": {"AWS:SourceAccount": "111122223333"}}),
        ({"principal_org_id": "o-abcdefghij"}, {"StringEquals": {"aws:PrincipalOrgID": "o-abcdefghij"}}),
        ({"event_source_token": "amzn1.ask"}, {"StringEquals": {"lambda:EventSourceToken": "amzn1.ask"}}),
        ({"function_url_auth_type": "NONE"}, {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}),
        ({"invoked_via_function_url": True}, {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}),
        ({"invoked_via_function_url": False}, None),
    ],
)
def test_a_parameter_becomes_a_condition(policy: FunctionPolicy, parameters: Any, condition: Any) -> None:
    assert policy.add_permission("s", "*", **parameters).get("Condition") == condition


def test_conditions_stand_in_the_recorded_order(policy: FunctionPolicy) -> None:
    statement = policy.add_permission(
        "s",
        "*",
        principal_org_id="o-abcdefghij",
        source_arn=BUCKET,
        function_url_auth_type="AWS_IAM",
        source_account="111122223333",
    )
    assert list(statement["Condition"]) == ["StringEquals", "ArnLike"]
    keys = ["AWS:SourceAccount", "lambda:FunctionUrlAuthType", "aws:PrincipalOrgID"]
    assert list(statement["Condition"]["StringEquals"]) == keys


def test_the_policy_of_an_alias_protects_the_alias() -> None:
    policy = FunctionPolicy(f"{ARN}:prod", lambda: "r")
    assert policy.add_permission("s", "*")["Resource"] == f"{ARN}:prod"


def test_the_compiled_policy_decides(policy: FunctionPolicy) -> None:
    policy.add_permission("s3", "s3.amazonaws.com", source_arn=BUCKET, source_account="111122223333")

    def may_invoke(bucket: str) -> bool:
        context = {"aws:SourceArn": bucket, "aws:SourceAccount": "111122223333"}
        request = Request(Principal.parse("s3.amazonaws.com"), "lambda:InvokeFunction", ARN, context)
        return evaluate(request, resource=policy.policy).is_allowed

    assert may_invoke(BUCKET)
    assert not may_invoke("arn:aws:s3:::evil")
    policy.remove_permission("s3")
    assert not may_invoke(BUCKET)


def test_statements_keep_their_order_and_each_change_has_a_revision(policy: FunctionPolicy) -> None:
    assert (policy.version, policy.revision_id, policy.document, policy.policy) == (0, None, None, None)
    policy.add_permission("b", "*")
    policy.add_permission("a", "*", revision_id="revision-1")
    document = policy.document
    assert document is not None
    assert [statement["Sid"] for statement in document["Statement"]] == ["b", "a"]
    assert (policy.version, policy.revision_id) == (2, "revision-2")
    assert policy.policy is policy.policy
    assert repr(policy) == f"<FunctionPolicy of {ARN}: statements b, a>"
    policy.remove_permission("b", revision_id="revision-2")
    policy.remove_permission("a")
    assert (policy.version, policy.revision_id, policy.document, policy.policy) == (4, None, None, None)


def test_what_is_returned_is_a_copy(policy: FunctionPolicy) -> None:
    policy.add_permission("s", "s3.amazonaws.com")["Principal"]["Service"] = "evil.amazonaws.com"
    document = policy.document
    assert document is not None
    document["Statement"][0]["Principal"]["Service"] = "evil.amazonaws.com"
    assert policy.get_policy()["Policy"].count("evil") == 0


def refusal(policy: FunctionPolicy, call: str, *args: Any, **parameters: Any) -> tuple[type[AWSError], str]:
    """Make a call that is refused, and check that it changed nothing."""
    before = (policy.document, policy.version, policy.revision_id, policy.policy)
    with pytest.raises(AWSError) as caught:
        getattr(policy, call)(*args, **parameters)
    assert (policy.document, policy.version, policy.revision_id, policy.policy) == before
    return type(caught.value), caught.value.message


PATTERN = "Member must satisfy regular expression pattern: "


@pytest.mark.parametrize(
    ("parameters", "value", "member", "constraint"),
    [
        ({"statement_id": "example.com"}, "example.com", "statementId", PATTERN + "([a-zA-Z0-9-_]+)"),
        ({"statement_id": "s\n"}, "s\n", "statementId", PATTERN + "([a-zA-Z0-9-_]+)"),
        (
            {"statement_id": "s" * 101},
            "s" * 101,
            "statementId",
            "Member must have length less than or equal to 100",
        ),
        ({"action": "s3:Get"}, "s3:Get", "action", PATTERN + "(lambda:[*]|lambda:[a-zA-Z]+|[*])"),
        ({"principal": "a b"}, "a b", "principal", PATTERN + r"[^\s]+"),
        ({"source_account": "1"}, "1", "sourceAccount", PATTERN + r"\d{12}"),
        ({"principal_org_id": "o-1"}, "o-1", "principalOrgID", PATTERN + "o-[a-z0-9]{10,32}"),
        ({"event_source_token": "?"}, "?", "eventSourceToken", PATTERN + r"[a-zA-Z0-9._\-]+"),
        (
            {"event_source_token": "x" * 257},
            "x" * 257,
            "eventSourceToken",
            "Member must have length less than or equal to 256",
        ),
        (
            {"function_url_auth_type": "none"},
            "none",
            "functionUrlAuthType",
            "Member must satisfy enum value set: [NONE, AWS_IAM]",
        ),
        (
            {"source_arn": "bucket"},
            "bucket",
            "sourceArn",
            PATTERN + r"arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:"
            r"((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)",
        ),
    ],
)
def test_a_parameter_against_the_service_model_is_refused(
    policy: FunctionPolicy, parameters: dict[str, Any], value: str, member: str, constraint: str
) -> None:
    arguments = {"statement_id": "s", "principal": "*"} | parameters
    message = f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
    assert refusal(policy, "add_permission", **arguments) == (ValidationFailed, message)


@pytest.mark.parametrize("principal", ["invalid.nonaws.com", "bob", "1", "anonymous", "arn:aws:s3:::bucket"])
def test_an_unknown_principal_is_refused(policy: FunctionPolicy, principal: str) -> None:
    message = "The provided principal was invalid. Please check the principal and try again."
    assert refusal(policy, "add_permission", "s", principal) == (InvalidParameterValue, message)


def test_a_statement_id_is_given_once(policy: FunctionPolicy) -> None:
    policy.add_permission("s3", "*")
    message = (
        "The statement id (s3) provided already exists. Please provide a new statement id, "
        "or remove the existing statement."
    )
    assert refusal(policy, "add_permission", "s3", "*") == (ResourceConflict, message)


def test_latest_has_no_policy_under_its_own_name() -> None:
    policy = FunctionPolicy(f"{ARN}:$LATEST", lambda: "r")
    message = "We currently do not support adding policies for $LATEST."
    assert refusal(policy, "add_permission", "s", "*") == (InvalidParameterValue, message)


def test_an_old_revision_is_refused(policy: FunctionPolicy) -> None:
    message = (
        "The Revision Id provided does not match the latest Revision Id. "
        "Call the GetPolicy API to retrieve the latest Revision Id"
    )
    assert refusal(policy, "add_permission", "s", "*", revision_id="x") == (PreconditionFailed, message)
    policy.add_permission("s", "*")
    assert refusal(policy, "remove_permission", "s", revision_id="x") == (PreconditionFailed, message)


def test_what_is_not_there_cannot_be_shown_or_removed(policy: FunctionPolicy) -> None:
    missing = (ResourceNotFound, "The resource you requested does not exist.")
    assert refusal(policy, "get_policy") == missing
    nothing = (ResourceNotFound, "No policy is associated with the given resource.")
    assert refusal(policy, "remove_permission", "s") == nothing
    policy.add_permission("s", "*")
    assert refusal(policy, "remove_permission", "X") == (
        ResourceNotFound,
        "Statement X is not found in resource policy.",
    )


def test_a_policy_holds_twenty_kilobytes(policy: FunctionPolicy) -> None:
    sizes: list[int] = []
    for number in range(2):
        policy.add_permission(f"s{number:03}", "*")
        sizes.append(len(policy.get_policy()["Policy"]))
    each = sizes[1] - sizes[0]
    most = 1 + (20_480 - sizes[0]) // each
    for number in range(2, most):
        policy.add_permission(f"s{number:03}", "*")
    size = sizes[0] + most * each
    message = f"The final policy size ({size}) is bigger than the limit (20480)."
    assert refusal(policy, "add_permission", f"s{most:03}", "*") == (PolicyLengthExceeded, message)
