"""Who asks: reading principals, and the condition keys that follow from them."""

from __future__ import annotations

from typing import Any

import pytest

from eventbus.errors import ConfigurationError
from eventbus.iam.principals import Principal, PrincipalKind

ACCOUNT = "111122223333"
IAM = f"arn:aws:iam::{ACCOUNT}:"
STS = f"arn:aws:sts::{ACCOUNT}:"


@pytest.mark.parametrize(
    ("text", "kind", "subject", "account", "role_arn"),
    [
        (f"{IAM}user/team/dev", PrincipalKind.USER, f"{IAM}user/team/dev", ACCOUNT, None),
        (f"{IAM}role/path/app", PrincipalKind.ROLE, f"{IAM}role/path/app", ACCOUNT, f"{IAM}role/app"),
        (f"{STS}assumed-role/app/s", PrincipalKind.SESSION, f"{STS}assumed-role/app/s", ACCOUNT, f"{IAM}role/app"),
        (f"{STS}federated-user/bob", PrincipalKind.FEDERATED_USER, f"{STS}federated-user/bob", ACCOUNT, None),
        (f"{IAM}root", PrincipalKind.ROOT, f"{IAM}root", ACCOUNT, None),
        (ACCOUNT, PrincipalKind.ROOT, f"{IAM}root", ACCOUNT, None),
        ("s3.amazonaws.com", PrincipalKind.SERVICE, "s3.amazonaws.com", None, None),
        ("alexa-appkit.amazon.com", PrincipalKind.SERVICE, "alexa-appkit.amazon.com", None, None),
        ("anonymous", PrincipalKind.ANONYMOUS, "anonymous", None, None),
        ("*", PrincipalKind.ANONYMOUS, "anonymous", None, None),
    ],
)
def test_a_principal_is_read(text: str, kind: PrincipalKind, subject: str, account: str | None, role_arn: str) -> None:
    principal = Principal.parse(text)
    assert (principal.kind, str(principal), principal.account, principal.role_arn) == (kind, subject, account, role_arn)
    assert principal == Principal.parse(text)
    assert hash(principal) == hash(Principal.parse(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dev",
        "1111",
        "s3.example.com",
        ".amazonaws.com",
        "arn:aws:s3:::bucket",
        f"{IAM}user/",
        f"{IAM}user",
        f"{IAM}user/*",
        f"{IAM}user/a b",
        f"{IAM}group/g",
        f"{STS}assumed-role/app",
        f"{STS}assumed-role/app/a/b",
        "arn:aws:iam::1111:root",
        "arn:aws:iam:us-east-1:111122223333:root",
        "١١١١٢٢٢٢٣٣٣٣",
    ],
)
def test_anything_else_is_no_principal(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no principal; a principal is the ARN of a user, role"):
        Principal.parse(text)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (
            f"{IAM}user/dev",
            {
                "aws:PrincipalType": "User",
                "aws:PrincipalAccount": ACCOUNT,
                "aws:PrincipalArn": f"{IAM}user/dev",
                "aws:PrincipalIsAWSService": "false",
                "aws:userid": "AIDA...",
                "aws:username": "dev",
            },
        ),
        (
            f"{STS}assumed-role/app/worker",
            {
                "aws:PrincipalType": "AssumedRole",
                "aws:PrincipalAccount": ACCOUNT,
                "aws:PrincipalArn": f"{IAM}role/app",
                "aws:PrincipalIsAWSService": "false",
                "aws:userid": "AROA...:worker",
            },
        ),
        (
            ACCOUNT,
            {
                "aws:PrincipalType": "Account",
                "aws:PrincipalAccount": ACCOUNT,
                "aws:PrincipalArn": f"{IAM}root",
                "aws:PrincipalIsAWSService": "false",
                "aws:userid": ACCOUNT,
            },
        ),
        ("s3.amazonaws.com", {"aws:PrincipalIsAWSService": "true", "aws:PrincipalServiceName": "s3.amazonaws.com"}),
        (
            "anonymous",
            {"aws:PrincipalType": "Anonymous", "aws:PrincipalAccount": "anonymous", "aws:userid": "anonymous"},
        ),
    ],
)
def test_condition_keys_follow_from_the_principal(text: str, keys: dict[str, Any]) -> None:
    found = Principal.parse(text).context()
    user_id = found.get("aws:userid", "")
    if user_id.startswith(("AIDA", "AROA")):
        found["aws:userid"] = user_id[:4] + "..." + user_id[21:]
    assert found == keys


def test_the_unique_id_of_a_role_is_that_of_its_sessions() -> None:
    role, session = Principal.parse(f"{IAM}role/x/app"), Principal.parse(f"{STS}assumed-role/app/worker")
    assert session.context()["aws:userid"] == f"{role.context()['aws:userid']}:worker"
