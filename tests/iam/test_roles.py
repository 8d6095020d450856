"""Execution roles: what they may do, who may assume them, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from eventbus.errors import ConfigurationError, EventBusError, MalformedPolicy, ResourceNotFound
from eventbus.iam.evaluation import Request, evaluate
from eventbus.iam.policy import Policy, PolicyKind
from eventbus.iam.roles import MANAGED_POLICIES, Role

ACCOUNT = "111122223333"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:failed"
PREFIX = "arn:aws:iam::aws:policy/service-role/"


@attrs.frozen
class Queue:
    """A resource that has an ARN."""

    arn: str = QUEUE


@attrs.frozen
class Bucket:
    """A resource that means itself and what is in it."""

    name: str

    @property
    def arn(self) -> str:
        return f"arn:aws:s3:::{self.name}"

    @property
    def iam_resources(self) -> tuple[str, ...]:
        return (self.arn, f"{self.arn}/*")


@pytest.fixture
def role() -> Role:
    return Role("app", ACCOUNT)


def may(role: Role, action: str, resource: str, **context: str) -> bool:
    request = Request(role.session("orders"), action, resource, context, ACCOUNT)
    return evaluate(request, identity=role.policies, boundary=role.boundary).is_allowed


def test_a_new_role_may_nothing(role: Role) -> None:
    assert role.policies == ()
    assert not may(role, "sqs:SendMessage", QUEUE)
    assert (role.arn, repr(role)) == (
        f"arn:aws:iam::{ACCOUNT}:role/app",
        f"<Role arn:aws:iam::{ACCOUNT}:role/app: 0 policies>",
    )


def test_a_session_is_a_principal_of_the_role(role: Role) -> None:
    session = role.session("orders")
    assert (str(session), session.role_arn) == (f"arn:aws:sts::{ACCOUNT}:assumed-role/app/orders", role.arn)


def test_a_role_may_what_it_is_allowed(role: Role) -> None:
    role.allow("sqs:SendMessage", Queue())
    role.allow(["s3:PutObject", "s3:ListBucket"], Bucket("thumbs"), "arn:aws:s3:::logs/*", sid="thumbs")
    assert may(role, "sqs:SendMessage", QUEUE)
    assert may(role, "s3:PutObject", "arn:aws:s3:::thumbs/cat.jpg")
    assert may(role, "s3:ListBucket", "arn:aws:s3:::thumbs")
    assert may(role, "s3:PutObject", "arn:aws:s3:::logs/1")
    assert not may(role, "s3:PutObject", "arn:aws:s3:::thumbs-too/cat.jpg")
    assert not may(role, "sqs:ReceiveMessage", QUEUE)


def test_a_deny_wins(role: Role) -> None:
    role.allow("s3:*", "*")
    role.deny("s3:DeleteObject", Bucket("thumbs"))
    assert may(role, "s3:PutObject", "arn:aws:s3:::thumbs/cat.jpg")
    assert not may(role, "s3:DeleteObject", "arn:aws:s3:::thumbs/cat.jpg")


def test_a_condition_narrows(role: Role) -> None:
    role.allow("sqs:SendMessage", QUEUE, condition={"StringEquals": {"k": "yes"}})
    assert may(role, "sqs:SendMessage", QUEUE, k="yes")
    assert not may(role, "sqs:SendMessage", QUEUE)


def test_a_boundary_limits(role: Role) -> None:
    role.allow("*", "*")
    role.boundary = Policy.parse({"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}})
    assert may(role, "s3:GetObject", "arn:aws:s3:::b/k")
    assert not may(role, "sqs:SendMessage", QUEUE)
    role.boundary = None
    assert may(role, "sqs:SendMessage", QUEUE)


def test_inline_policies_are_put_and_deleted_by_name(role: Role) -> None:
    role.put_policy("send", {"Statement": {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}})
    assert may(role, "sqs:SendMessage", QUEUE)
    role.put_policy("send", '{"Statement": {"Effect": "Allow", "Action": "sns:*", "Resource": "*"}}')
    assert not may(role, "sqs:SendMessage", QUEUE)
    role.delete_policy("send")
    assert role.policies == ()


@pytest.mark.parametrize("name", ["AWSLambdaSQSQueueExecutionRole", PREFIX + "AWSLambdaSQSQueueExecutionRole"])
def test_managed_policies_are_attached_by_name_or_arn(role: Role, name: str) -> None:
    role.attach(name)
    assert role.policies == (MANAGED_POLICIES[name],)
    assert may(role, "sqs:ReceiveMessage", QUEUE)
    assert not may(role, "sqs:SendMessage", QUEUE)
    role.detach("AWSLambdaSQSQueueExecutionRole")
    assert not may(role, "sqs:ReceiveMessage", QUEUE)


def test_a_basic_role_may_write_logs_and_nothing_else() -> None:
    role = Role.basic("app", ACCOUNT)
    logs = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/lambda/orders:*"
    assert all(may(role, f"logs:{name}", logs) for name in ("CreateLogGroup", "CreateLogStream", "PutLogEvents"))
    assert not may(role, "logs:DeleteLogGroup", logs)


def test_lambda_alone_may_assume_a_role_by_default(role: Role) -> None:
    assert role.can_be_assumed_by("lambda.amazonaws.com")
    assert not role.can_be_assumed_by("s3.amazonaws.com")


def test_a_trust_policy_says_who_may_assume_the_role(role: Role) -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role.trust_policy = Policy.parse({"Statement": trust}, kind=PolicyKind.TRUST)
    assert role.can_be_assumed_by("scheduler.amazonaws.com")
    assert not role.can_be_assumed_by("lambda.amazonaws.com")
    assert Role("b", ACCOUNT, trust_policy={"Statement": trust}).can_be_assumed_by("scheduler.amazonaws.com")


CHANGES: list[Callable[[Role], None]] = [
    lambda role: role.allow("s3:*", "*"),
    lambda role: role.deny("s3:*", "*"),
    lambda role: role.put_policy("p", {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}),
    lambda role: role.delete_policy("old"),
    lambda role: role.attach("AWSLambdaRole"),
    lambda role: role.detach("AWSLambdaBasicExecutionRole"),
    lambda role: setattr(role, "boundary", None),
    lambda role: setattr(role, "trust_policy", role.trust_policy),
]


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_bumps_the_version_and_renews_the_policies(change: Callable[[Role], None]) -> None:
    role = Role.basic("app", ACCOUNT)
    role.put_policy("old", {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
    version, policies = role.version, role.policies
    assert role.policies is policies
    change(role)
    assert role.version == version + 1
    assert role.policies is not policies


def test_allowing_the_same_twice_changes_nothing(role: Role) -> None:
    role.allow("s3:*", "*")
    policies = role.policies
    role.allow("s3:*", "*")
    role.attach("AWSLambdaRole")
    role.attach(PREFIX + "AWSLambdaRole")
    assert role.version == 2
    assert role.policies[0] is policies[0]


REFUSED: list[tuple[Callable[[Role], None], type[EventBusError], str]] = [
    (
        lambda role: role.allow("s3:GetObject"),
        ConfigurationError,
        'allow of app needs a resource; say "*" to mean every resource',
    ),
    (
        lambda role: role.deny("s3:GetObject"),
        ConfigurationError,
        'deny of app needs a resource; say "*" to mean every resource',
    ),
    (
        lambda role: role.allow("s3:GetObject", 5),
        ConfigurationError,
        "5 is no resource; a resource is an ARN or an object that has one",
    ),
    (
        lambda role: role.allow("GetObject", "*"),
        MalformedPolicy,
        'Statement[1].Action[0] must be "*" or read service:Name, with wildcards in the name only, not "GetObject"',
    ),
    (
        lambda role: role.allow("s3:GetObject", "*", sid="first"),
        MalformedPolicy,
        'Statement must have unique Sids, and has "first" 2 times',
    ),
    (
        lambda role: role.put_policy("p", {"Statement": {}}),
        MalformedPolicy,
        'Statement.Effect must be "Allow" or "Deny", and is missing',
    ),
    (
        lambda role: role.put_policy(
            "p", {"Statement": {"Effect": "Allow", "Action": ["s3:" + "x" * 11_000], "Resource": "*"}}
        ),
        MalformedPolicy,
        "the policy has 11064 characters without white space; 10240 are allowed",
    ),
    (
        lambda role: role.delete_policy("p"),
        ResourceNotFound,
        "The role policy with name p cannot be found.",
    ),
    (
        lambda role: role.detach("AWSLambdaRole"),
        ResourceNotFound,
        "Policy AWSLambdaRole was not found.",
    ),
    (
        lambda role: role.attach("Everything"),
        ResourceNotFound,
        "Policy Everything does not exist or is not attachable; known are AdministratorAccess, AWSXRayDaemon",
    ),
    (
        lambda role: setattr(role, "trust_policy", {"Statement": {"Effect": "Allow"}}),
        MalformedPolicy,
        "Statement must have either Action or NotAction, and has neither",
    ),
]


@pytest.mark.parametrize(("call", "error", "sentence"), REFUSED)
def test_a_refused_change_changes_nothing(
    role: Role, call: Callable[[Role], None], error: type[EventBusError], sentence: str
) -> None:
    role.allow("sqs:SendMessage", QUEUE, sid="first")
    before = (role.version, role.policies, role.boundary, role.trust_policy)
    with pytest.raises(error) as caught:
        call(role)
    assert str(caught.value).startswith(sentence)
    assert (role.version, role.policies, role.boundary, role.trust_policy) == before


@pytest.mark.parametrize(
    ("name", "account", "sentence"),
    [
        ("", ACCOUNT, "'' is no name for a role; a name has 1 to 64 characters out of"),
        ("a/b", ACCOUNT, "'a/b' is no name for a role"),
        ("app", "12", "'12' is no account id; an account id has twelve digits"),
    ],
)
def test_a_role_needs_a_name_and_an_account(name: str, account: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        Role(name, account)


@pytest.mark.parametrize("name", [name for name in MANAGED_POLICIES if ":" not in name])
def test_a_managed_policy_is_known_by_name_and_by_arn(name: str) -> None:
    same = [key for key, policy in MANAGED_POLICIES.items() if policy is MANAGED_POLICIES[name]]
    assert len(same) == 2
    assert all(key.rpartition("/")[2] == name for key in same)
