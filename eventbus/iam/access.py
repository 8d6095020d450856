"""The resource policy of a bucket, a topic or a queue: a document that its owner sets, or grows with `allow`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from eventbus.errors import ConfigurationError
from eventbus.iam.policy import Policy, PolicyKind


class AccessPolicy:
    """A resource policy that can be replaced and extended; `version` grows with every change.

    `resources` are the ARNs that its generated statements protect: one for a queue, the bucket and its objects for a
    bucket.
    """

    def __init__(self, *resources: str, default: Mapping[str, Any] | None = None) -> None:
        self._resources = resources
        self._default = default
        self.version = 0
        self.policy: Policy | None = None
        if default is not None:
            self.policy = Policy.parse(default, kind=PolicyKind.RESOURCE)

    @property
    def document(self) -> dict[str, Any] | None:
        """The policy as a plain document, or None where there is none."""
        return None if self.policy is None else dict(self.policy.document)

    def set(self, document: str | Mapping[str, Any] | None) -> None:
        """Replace the whole policy; None goes back to the service's default.

        Raises MalformedPolicy, with nothing changed, if the document breaks the grammar.
        """
        chosen = self._default if document is None else document
        self.policy = None if chosen is None else Policy.parse(chosen, kind=PolicyKind.RESOURCE)
        self.version += 1

    def allow(self, source: Any, actions: str | Iterable[str]) -> None:
        """Add a statement that lets a source do these actions; nothing happens if the same statement is there.

        `source` is anything with `principal` and `arn` (a bucket, a topic), a role or anything with a `role` (a
        function), or the ARN of an IAM principal.
        """
        statement = self._statement(source, [actions] if isinstance(actions, str) else list(actions))
        document = self.document or {"Version": "2012-10-17", "Statement": []}
        statements = document["Statement"]
        statements = [statements] if isinstance(statements, Mapping) else list(statements)
        known = [{k: v for k, v in s.items() if k != "Sid"} for s in statements]
        if {k: v for k, v in statement.items() if k != "Sid"} in known:
            return
        taken = {s.get("Sid") for s in statements}
        sid = next(f"allow{n}" for n in range(len(statements) + 1) if f"allow{n}" not in taken)
        self.set({**document, "Statement": [*statements, {"Sid": sid, **statement}]})

    def grant(self, sid: str, accounts: Iterable[str], actions: Iterable[str]) -> bool:
        """Add a statement that lets other accounts do these actions: AddPermission of queues and topics.

        Answers False, with nothing changed, if there is a statement with this Sid.
        """
        document = self.document or {"Version": "2012-10-17", "Statement": []}
        if any(statement.get("Sid") == sid for statement in _statements(document)):
            return False
        statement = {
            "Sid": sid,
            "Effect": "Allow",
            "Principal": {"AWS": [f"arn:aws:iam::{account}:root" for account in accounts]},
            "Action": list(actions),
            "Resource": self._resources[0],
        }
        self.set({**document, "Statement": [*_statements(document), statement]})
        return True

    def revoke(self, sid: str) -> bool:
        """Take a statement away: RemovePermission. Answers False if there is none with this Sid."""
        document = self.document or {}
        left = [statement for statement in _statements(document) if statement.get("Sid") != sid]
        if len(left) == len(_statements(document)):
            return False
        self.set({**document, "Statement": left} if left else None)
        return True

    def _statement(self, source: Any, actions: list[str]) -> dict[str, Any]:
        resource: str | list[str] = self._resources[0] if len(self._resources) == 1 else list(self._resources)
        statement: dict[str, Any] = {"Effect": "Allow", **grantee(source)}
        condition = statement.pop("Condition", None)
        statement |= {"Action": actions[0] if len(actions) == 1 else actions, "Resource": resource}
        if condition is not None:
            statement["Condition"] = condition
        return statement


def _statements(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    statements = document.get("Statement", [])
    return [statements] if isinstance(statements, Mapping) else list(statements)


def grantee(source: Any) -> dict[str, Any]:
    """The Principal and Condition of a statement that is to let exactly this source in."""
    role = getattr(source, "role", source)
    if isinstance(source, str):
        if source.endswith((".amazonaws.com", ".amazon.com")):
            return {"Principal": {"Service": source}}
        return {"Principal": "*" if source == "*" else {"AWS": source}}
    if hasattr(source, "principal") and getattr(source, "arn", None):
        condition: dict[str, Any] = {"ArnLike": {"aws:SourceArn": source.arn}}
        if account := getattr(source, "account_id", None):
            condition = {"StringEquals": {"aws:SourceAccount": account}, **condition}
        return {"Principal": {"Service": source.principal}, "Condition": condition}
    if hasattr(role, "session") and hasattr(role, "arn"):
        return {"Principal": {"AWS": role.arn}}
    raise ConfigurationError(
        f"{source!r} cannot be allowed: give a bucket, a topic, a function, a role, or the name or ARN of a principal"
    )
