"""A policy document, checked against the grammar and compiled once.

Source: IAM User Guide, "Grammar of the IAM JSON policy language".
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

import attrs

from eventbus.errors import MalformedPolicy
from eventbus.iam.grammar import parse_json, plain, read_list, read_object, read_text, shown
from eventbus.iam.principal_element import PrincipalMatch
from eventbus.iam.statement import PolicyKind, Question, Statement, parse_statement

__all__ = ["Policy", "PolicyKind", "PrincipalMatch", "Question", "Statement"]

_VERSIONS = ("2012-10-17", "2008-10-17")


@attrs.frozen
class Policy:
    """A policy document; two are equal if their kind and text are."""

    kind: PolicyKind
    text: str = attrs.field(repr=False)
    """The document as JSON text."""
    version: str
    """`2008-10-17` if the document names none: then policy variables are plain text."""
    id: str | None
    statements: tuple[Statement, ...] = attrs.field(eq=False, repr=False)

    @classmethod
    def parse(
        cls,
        document: str | Mapping[str, object],
        *,
        kind: PolicyKind = PolicyKind.IDENTITY,
        size_limit: int | None = None,
    ) -> Policy:
        """Check and compile a policy.

        `document` is JSON text or the mapping that it stands for. `kind` decides whether statements need a Principal
        and a Resource. `size_limit` is the number of characters allowed, white space not counted.

        Raises MalformedPolicy, whose sentence says where in the document the fault is.
        """
        value = parse_json(document) if isinstance(document, str) else plain(document, "the policy")
        source = read_object(value, "the policy", known=("Version", "Id", "Statement"))
        version = _read_version(source)
        id_ = read_text(source["Id"], "Id") if "Id" in source else None
        statements = _read_statements(source, kind, has_variables=version == "2012-10-17")
        policy = cls(kind, json.dumps(source), version, id_, statements)
        if size_limit is not None and policy.size > size_limit:
            raise MalformedPolicy(
                f"the policy has {policy.size} characters without white space; {size_limit} are allowed"
            )
        return policy

    @property
    def document(self) -> dict[str, Any]:
        """The plain JSON document, as a copy of its own each time."""
        return cast("dict[str, Any]", json.loads(self.text))

    @property
    def size(self) -> int:
        """The number of characters that count towards a quota: all but white space."""
        return sum(not char.isspace() for char in json.dumps(self.document, ensure_ascii=False))


def _read_version(source: Mapping[str, object]) -> str:
    version = source.get("Version", "2008-10-17")
    if not isinstance(version, str) or version not in _VERSIONS:
        raise MalformedPolicy(f'Version must be "2012-10-17" or "2008-10-17", not {shown(version)}')
    return version


def _read_statements(source: Mapping[str, object], kind: PolicyKind, *, has_variables: bool) -> tuple[Statement, ...]:
    if "Statement" not in source:
        raise MalformedPolicy("the policy must have a Statement")
    statements = tuple(
        parse_statement(value, where, kind, has_variables=has_variables)
        for where, value in read_list(source["Statement"], "Statement")
    )
    if not statements:
        raise MalformedPolicy("Statement must hold at least one statement")
    for sid, count in Counter(statement.sid for statement in statements if statement.sid).items():
        if count > 1:
            raise MalformedPolicy(f"Statement must have unique Sids, and has {shown(sid)} {count} times")
    return statements
