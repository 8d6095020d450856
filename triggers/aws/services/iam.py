"""IAM: roles and their policies, and the simulators. Users, groups and managed policies of one's own are not here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from eventbus.errors import AWSError, ResourceNotFound
from eventbus.iam.evaluation import Decision, Effect, Request, evaluate
from eventbus.iam.managed_policies import MANAGED_POLICIES, MANAGED_POLICY_ARNS
from eventbus.iam.policy import Policy, PolicyKind
from eventbus.iam.principals import Principal
from eventbus.iam.roles import Role
from triggers.aws.services import ServiceMap
from triggers.aws.services.deeds import Input, Result

_DECISIONS = {
    Effect.ALLOW: "allowed",
    Effect.IMPLICIT_DENY: "implicitDeny",
    Effect.EXPLICIT_DENY: "explicitDeny",
}


class NoSuchEntity(AWSError, LookupError):
    code, status = "NoSuchEntity", 404


class EntityAlreadyExists(AWSError):
    code, status = "EntityAlreadyExists", 409


class DeleteConflict(AWSError):
    code, status = "DeleteConflict", 409


class IAMMap(ServiceMap):
    """The execution roles of functions, and the roles that were made here."""

    service = "iam"
    malformed_code = "MalformedInput"
    invalid_code = "ValidationError"
    codes = {  # noqa: RUF012
        "ValidationException": "ValidationError",
        "ResourceNotFoundException": "NoSuchEntity",
        "UnknownOperationException": "InvalidAction",
    }

    @property
    def made(self) -> dict[str, Role]:
        """The roles that were made over the wire, by name."""
        return self.identities.roles

    def _roles(self) -> Iterator[Role]:
        yield from self.bus.roles.values()

    def role(self, name: str, action: str, *, asks: bool = False) -> Role:
        """A role by its name, after the caller's permission to do this with it. Raises NoSuchEntity or AccessDenied.

        A call of it that `asks` itself is not asked for here as well.
        """
        role = self.identities.role(name)
        if role is None or not asks:
            self.allow(f"iam:{action}", role, f"arn:aws:iam::{self.bus.account_id}:role/{name}")
        if role is None:
            raise NoSuchEntity(f"The role with name {name} cannot be found.")
        return role

    # -- roles --------------------------------------------------------------------------------------------------------

    def create_role(self, given: Input) -> Result:
        name = given["RoleName"]
        self.allow("iam:CreateRole", None, f"arn:aws:iam::{self.bus.account_id}:role/{name}")
        if any(role.name == name for role in self._roles()):
            raise EntityAlreadyExists(f"Role with name {name} already exists.")
        role = Role(name, self.bus.account_id, trust_policy=given["AssumeRolePolicyDocument"])
        if boundary := given.get("PermissionsBoundary"):
            role.boundary = _managed(boundary)
        with self.bus.as_owner():
            self.identities.add_role(role)
        return {"Role": self._shown(role)}

    def get_role(self, given: Input) -> Result:
        return {"Role": self._shown(self.role(given["RoleName"], "GetRole"))}

    def list_roles(self, given: Input) -> Result:
        self.allow("iam:ListRoles", None, f"arn:aws:iam::{self.bus.account_id}:role/")
        roles = sorted(self._roles(), key=lambda role: role.name)
        return {"Roles": [self._shown(role) for role in roles], "IsTruncated": False}

    def delete_role(self, given: Input) -> Result:
        role = self.role(given["RoleName"], "DeleteRole")
        if role.name not in self.made:
            raise DeleteConflict(f"Cannot delete entity, the role {role.name} was made by this program.")
        if role.attached_policies:
            raise DeleteConflict("Cannot delete entity, must detach all policies first.")
        if role.inline_policies:
            raise DeleteConflict("Cannot delete entity, must delete policies first.")
        with self.bus.as_owner():
            self.identities.drop_role(role)
        return {}

    def update_assume_role_policy(self, given: Input) -> Result:
        self.role(given["RoleName"], "UpdateAssumeRolePolicy", asks=True).trust_policy = given["PolicyDocument"]
        return {}

    def put_role_permissions_boundary(self, given: Input) -> Result:
        self.role(given["RoleName"], "PutRolePermissionsBoundary", asks=True).boundary = _managed(
            given["PermissionsBoundary"]
        )
        return {}

    def delete_role_permissions_boundary(self, given: Input) -> Result:
        self.role(given["RoleName"], "DeleteRolePermissionsBoundary", asks=True).boundary = None
        return {}

    # -- policies -----------------------------------------------------------------------------------------------------

    def put_role_policy(self, given: Input) -> Result:
        self.role(given["RoleName"], "PutRolePolicy", asks=True).put_policy(
            given["PolicyName"], given["PolicyDocument"]
        )
        return {}

    def get_role_policy(self, given: Input) -> Result:
        role, name = self.role(given["RoleName"], "GetRolePolicy"), given["PolicyName"]
        if name not in role.inline_policies:
            raise NoSuchEntity(f"The role policy with name {name} cannot be found.")
        return {"RoleName": role.name, "PolicyName": name, "PolicyDocument": _text(role.inline_policies[name])}

    def delete_role_policy(self, given: Input) -> Result:
        self.role(given["RoleName"], "DeleteRolePolicy", asks=True).delete_policy(given["PolicyName"])
        return {}

    def list_role_policies(self, given: Input) -> Result:
        role = self.role(given["RoleName"], "ListRolePolicies")
        return {"PolicyNames": list(role.inline_policies), "IsTruncated": False}

    def attach_role_policy(self, given: Input) -> Result:
        self.role(given["RoleName"], "AttachRolePolicy", asks=True).attach(given["PolicyArn"])
        return {}

    def detach_role_policy(self, given: Input) -> Result:
        self.role(given["RoleName"], "DetachRolePolicy", asks=True).detach(given["PolicyArn"])
        return {}

    def list_attached_role_policies(self, given: Input) -> Result:
        role = self.role(given["RoleName"], "ListAttachedRolePolicies")
        attached = [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in role.attached_policies]
        return {"AttachedPolicies": attached, "IsTruncated": False}

    def get_policy(self, given: Input) -> Result:
        arn = given["PolicyArn"]
        self.allow("iam:GetPolicy", None, arn)
        _managed(arn)
        shown = {"PolicyName": arn.rpartition("/")[2], "Arn": arn, "Path": "/", "DefaultVersionId": "v1"}
        return {"Policy": {**shown, "IsAttachable": True}}

    def get_policy_version(self, given: Input) -> Result:
        arn = given["PolicyArn"]
        self.allow("iam:GetPolicyVersion", None, arn)
        version = {"Document": _text(_managed(arn)), "VersionId": "v1", "IsDefaultVersion": True}
        return {"PolicyVersion": version}

    # -- what would be allowed ----------------------------------------------------------------------------------------

    def simulate_principal_policy(self, given: Input) -> Result:
        arn = given["PolicySourceArn"]
        role = next((role for role in self._roles() if role.arn == arn), None)
        self.allow("iam:SimulatePrincipalPolicy", None, arn)
        if role is None:
            raise NoSuchEntity(f"The policy source with ARN {arn} cannot be found; it is the ARN of a role.")
        return self._simulated(given, Principal.parse(arn), role.policies, role.boundary)

    def simulate_custom_policy(self, given: Input) -> Result:
        self.allow("iam:SimulateCustomPolicy", None, "*")
        boundaries = given.get("PermissionsBoundaryPolicyInputList") or []
        boundary = Policy.parse(boundaries[0], kind=PolicyKind.BOUNDARY) if boundaries else None
        caller = Principal.parse(given.get("CallerArn") or f"arn:aws:iam::{self.bus.account_id}:user/simulated")
        return self._simulated(given, caller, (), boundary)

    def _simulated(
        self, given: Input, principal: Principal, policies: tuple[Policy, ...], boundary: Policy | None
    ) -> Result:
        policies += tuple(Policy.parse(text) for text in given.get("PolicyInputList") or ())
        context = {
            entry["ContextKeyName"]: entry.get("ContextKeyValues", [])
            for entry in given.get("ContextEntries") or ()
            if "ContextKeyName" in entry
        }
        resource = given.get("ResourcePolicy")
        guard = Policy.parse(resource, kind=PolicyKind.RESOURCE) if resource else None
        results = []
        for action in given["ActionNames"]:
            for arn in given.get("ResourceArns") or ["*"]:
                request = Request(principal, action, arn, context, given.get("ResourceOwner") or self.bus.account_id)
                decision = evaluate(request, identity=policies, resource=guard, boundary=boundary)
                results.append(_result(action, arn, decision))
        return {"EvaluationResults": results, "IsTruncated": False}

    def _shown(self, role: Role) -> Result:
        boundary = role.boundary
        return {
            "Path": "/",
            "RoleName": role.name,
            "RoleId": Principal.parse(role.arn).context()["aws:userid"],
            "Arn": role.arn,
            "CreateDate": datetime.fromtimestamp(self.identities.began_at, UTC),
            "AssumeRolePolicyDocument": _text(role.trust_policy),
            "MaxSessionDuration": 3600,
            "PermissionsBoundary": None if boundary is None else {"PermissionsBoundaryType": "Policy"},
        }


def _managed(arn: str) -> Policy:
    """A managed policy of AWS. Raises ResourceNotFound."""
    found = MANAGED_POLICY_ARNS.get(arn)
    if found is None:
        raise ResourceNotFound(f"Policy {arn} does not exist or is not attachable.")
    return MANAGED_POLICIES[found]


def _text(policy: Policy) -> str:
    """A document as IAM answers it: percent-encoded JSON."""
    document: Mapping[str, Any] = policy.document
    return quote(json.dumps(document, separators=(",", ":")), safe="")


def _result(action: str, arn: str, decision: Decision) -> Result:
    matched = [{"SourcePolicyId": decision.sid}] if decision.sid is not None else []
    return {
        "EvalActionName": action,
        "EvalResourceName": arn,
        "EvalDecision": _DECISIONS[decision.effect],
        "MatchedStatements": matched,
        "MissingContextValues": [],
    }
