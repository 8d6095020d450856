"""The resource policy of a Lambda function: who may invoke it.

It is never written as a document; AddPermission generates a statement and RemovePermission takes it away. The function,
each of its versions and each alias have a policy of their own. Source: Lambda API reference, AddPermission and
RemovePermission; the texts of the errors are those that AWS answered with in November 2025.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from eventbus.errors import (
    ConfigurationError,
    InvalidParameterValue,
    PolicyLengthExceeded,
    PreconditionFailed,
    ResourceConflict,
    ResourceNotFound,
    ValidationFailed,
)
from eventbus.iam.policy import Policy, PolicyKind
from eventbus.iam.principals import Principal, PrincipalKind

SIZE_LIMIT = 20_480
"""Bytes of the whole document (Lambda quotas, "Function resource-based policy", November 2025)."""

# The patterns of the service's API model, botocore 1.44.5.
_PATTERNS = {
    "statementId": r"([a-zA-Z0-9-_]+)",
    "action": r"(lambda:[*]|lambda:[a-zA-Z]+|[*])",
    "principal": r"[^\s]+",
    "sourceArn": (
        r"arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?"
        r":(\d{12})?:(.*)"
    ),
    "sourceAccount": r"\d{12}",
    "principalOrgID": r"o-[a-z0-9]{10,32}",
    "eventSourceToken": r"[a-zA-Z0-9._\-]+",
    "functionUrlAuthType": r"NONE|AWS_IAM",
}
_LONGEST = {"statementId": 100, "principal": 2048, "sourceArn": 10_000, "eventSourceToken": 256}
_COMPILED = {member: re.compile(pattern, re.ASCII) for member, pattern in _PATTERNS.items()}
_CONSTRAINTS = {
    **{member: f"Member must satisfy regular expression pattern: {pattern}" for member, pattern in _PATTERNS.items()},
    "functionUrlAuthType": "Member must satisfy enum value set: [NONE, AWS_IAM]",
}


class FunctionPolicy:
    """The resource policy of one function, version or alias.

    `function_arn` is what it protects, with the qualifier of a version or an alias. `revision_ids` makes a new revision
    id for each change. `version` is bumped with every change, for those who keep decisions.
    """

    def __init__(self, function_arn: str, revision_ids: Callable[[], str]) -> None:
        self.function_arn = function_arn
        self.version = 0
        self.revision_id: str | None = None
        """Changes with each statement that comes or goes; None while there is no statement."""
        self._revision_ids = revision_ids
        self._statements: dict[str, dict[str, Any]] = {}
        self._policy: Policy | None = None

    def __repr__(self) -> str:
        return f"<FunctionPolicy of {self.function_arn}: statements {', '.join(self._statements) or 'none'}>"

    @property
    def document(self) -> dict[str, Any] | None:
        """The policy as GetPolicy shows it, statements in order of addition; None if there is none."""
        return _document(copy.deepcopy(self._statements)) if self._statements else None

    @property
    def policy(self) -> Policy | None:
        """The policy compiled for evaluation; None if there is no statement."""
        if self._policy is None and self._statements:
            self._policy = Policy.parse(_document(self._statements), kind=PolicyKind.RESOURCE)
        return self._policy

    def get_policy(self) -> dict[str, str]:
        """Answer GetPolicy: the document as JSON text under `Policy`, and `RevisionId`.

        Raises ResourceNotFound if there is no statement.
        """
        if self.revision_id is None:
            raise ResourceNotFound("The resource you requested does not exist.")
        return {"Policy": _text(self._statements), "RevisionId": self.revision_id}

    def add_permission(
        self,
        statement_id: str,
        principal: str,
        *,
        action: str = "lambda:InvokeFunction",
        source_arn: str | None = None,
        source_account: str | None = None,
        principal_org_id: str | None = None,
        event_source_token: str | None = None,
        function_url_auth_type: str | None = None,
        invoked_via_function_url: bool | None = None,
        revision_id: str | None = None,
    ) -> dict[str, Any]:
        """Let a principal do `action`, and return the statement that says so.

        `principal` is a service (`s3.amazonaws.com`), an account id, the ARN of a user, role or account, or `*`. The
        other parameters narrow it: `source_arn` may hold wildcards in its last part.

        Raises ValidationFailed, InvalidParameterValue, PreconditionFailed (`revision_id` is not the latest),
        ResourceConflict (the id is taken) or PolicyLengthExceeded, with nothing changed.
        """
        _validate("statementId", statement_id)
        _validate("action", action)
        _validate("principal", principal)
        condition = _condition(
            equals={
                "AWS:SourceAccount": _validate("sourceAccount", source_account),
                "lambda:FunctionUrlAuthType": _validate("functionUrlAuthType", function_url_auth_type),
                "aws:PrincipalOrgID": _validate("principalOrgID", principal_org_id),
                "lambda:EventSourceToken": _validate("eventSourceToken", event_source_token),
            },
            source_arn=_validate("sourceArn", source_arn),
            invoked_via_function_url=invoked_via_function_url,
        )
        if self.function_arn.endswith(":$LATEST"):
            raise InvalidParameterValue("We currently do not support adding policies for $LATEST.")
        self._check_revision(revision_id)
        statement: dict[str, Any] = {"Sid": statement_id, "Effect": "Allow", "Principal": _principal(principal)}
        statement |= {"Action": action, "Resource": self.function_arn} | condition
        if statement_id in self._statements:
            raise ResourceConflict(
                f"The statement id ({statement_id}) provided already exists. Please provide a new statement id, "
                "or remove the existing statement."
            )
        self._change({**self._statements, statement_id: statement})
        return copy.deepcopy(statement)

    def remove_permission(self, statement_id: str, *, revision_id: str | None = None) -> None:
        """Take a statement away; with the last one the policy itself is gone.

        Raises ResourceNotFound or PreconditionFailed, with nothing changed.
        """
        if not self._statements:
            raise ResourceNotFound("No policy is associated with the given resource.")
        if statement_id not in self._statements:
            raise ResourceNotFound(f"Statement {statement_id} is not found in resource policy.")
        self._check_revision(revision_id)
        self._change({sid: kept for sid, kept in self._statements.items() if sid != statement_id})

    def _check_revision(self, revision_id: str | None) -> None:
        if revision_id is not None and revision_id != self.revision_id:
            raise PreconditionFailed(
                "The Revision Id provided does not match the latest Revision Id. "
                "Call the GetPolicy API to retrieve the latest Revision Id"
            )

    def _change(self, statements: dict[str, dict[str, Any]]) -> None:
        size = len(_text(statements).encode(errors="surrogatepass"))
        if size > SIZE_LIMIT and len(statements) > len(self._statements):
            raise PolicyLengthExceeded(f"The final policy size ({size}) is bigger than the limit ({SIZE_LIMIT}).")
        revision_id = self._revision_ids() if statements else None
        self._statements, self._policy, self.revision_id = statements, None, revision_id
        self.version += 1


def _document(statements: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Id": "default", "Statement": list(statements.values())}


def _text(statements: dict[str, dict[str, Any]]) -> str:
    return json.dumps(_document(statements), separators=(",", ":"), ensure_ascii=False)


def _validate(member: str, value: str | None) -> str | None:
    if value is None:
        return None
    longest = _LONGEST.get(member)
    if longest is not None and len(value) > longest:
        raise ValidationFailed(value, member, f"Member must have length less than or equal to {longest}")
    if not _COMPILED[member].fullmatch(value):
        raise ValidationFailed(value, member, _CONSTRAINTS[member])
    return value


def _condition(
    *, equals: Mapping[str, str | None], source_arn: str | None, invoked_via_function_url: bool | None
) -> dict[str, Any]:
    """Make the Condition element; nothing if there is no condition."""
    operators = {
        "StringEquals": {key: value for key, value in equals.items() if value is not None},
        "ArnLike": {} if source_arn is None else {"AWS:SourceArn": source_arn},
        "Bool": {"lambda:InvokedViaFunctionUrl": "true"} if invoked_via_function_url else {},
    }
    condition = {operator: keys for operator, keys in operators.items() if keys}
    return {"Condition": condition} if condition else {}


_PRINCIPALS = (
    "a principal is a service's name that ends in .amazonaws.com, an account id, the ARN of a user or a role, or *"
)


def _principal(text: str) -> str | dict[str, str]:
    if text == "*":
        return "*"
    try:
        principal = Principal.parse(text)
    except ConfigurationError:
        principal = Principal.parse("anonymous")
    match principal.kind:
        case PrincipalKind.SERVICE:
            return {"Service": text}
        case PrincipalKind.ANONYMOUS:
            message = "The provided principal was invalid. Please check the principal and try again."
            raise InvalidParameterValue(message, mend=_PRINCIPALS) from None
    return {"AWS": str(principal)}
