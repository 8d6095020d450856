"""Deployment packages for tests."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


def zipped(**files: str) -> bytes:
    """An archive of modules by their names; `__` in a name is a slash."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(f"{name.replace('__', '/')}.py", (2026, 1, 1, 0, 0, 0)), text)
    return target.getvalue()


def made_role(iam: Any, name: str = "role", **statement: Any) -> str:
    """The ARN of a new role that Lambda may assume, and that may do what a statement allows."""
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    if statement:
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(document))
    return arn
