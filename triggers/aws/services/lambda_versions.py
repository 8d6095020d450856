"""Lambda's versions, aliases and resource policies."""

from __future__ import annotations

import json

from eventbus.errors import ValidationFailed
from eventbus.functions.alias import Alias
from triggers.aws.services import lambda_shapes as shapes
from triggers.aws.services.deeds import Input, Result
from triggers.aws.services.deeds import given as chosen
from triggers.aws.services.lambda_base import LambdaBase


class Versions(LambdaBase):
    """PublishVersion, the five operations of aliases, and permissions."""

    def publish_version(self, given: Input) -> Result:
        function = self.function(given, "PublishVersion", asks=True)
        before = len(function.versions)
        version = function.publish_version(
            given.get("Description"), code_sha256=given.get("CodeSha256"), revision_id=given.get("RevisionId")
        )
        is_new = len(function.versions) > before
        return shapes.configuration(version, shapes.CREATING if is_new else shapes.READY)

    def list_versions_by_function(self, given: Input) -> Result:
        function = self.function(given, "ListVersionsByFunction")
        found = [function.version("$LATEST"), *function.versions.values()]
        return self.listed(given, "Versions", [shapes.configuration(one) for one in found], "Version")

    # -- aliases ------------------------------------------------------------------------------------------------------

    def create_alias(self, given: Input) -> Result:
        function = self.function(given, "CreateAlias", asks=True)
        weights = (given.get("RoutingConfig") or {}).get("AdditionalVersionWeights")
        description = given.get("Description") or ""
        alias = function.create_alias(given["Name"], given["FunctionVersion"], weights, description=description)
        return alias.describe()

    def get_alias(self, given: Input) -> Result:
        return self._alias(given, "GetAlias").describe()

    def update_alias(self, given: Input) -> Result:
        function = self.function(given, "UpdateAlias", asks=True)
        weights = None
        if given.get("RoutingConfig") is not None:
            weights = given["RoutingConfig"].get("AdditionalVersionWeights") or {}
        alias = function.update_alias(
            given["Name"],
            given.get("FunctionVersion"),
            weights,
            description=given.get("Description"),
            revision_id=given.get("RevisionId"),
        )
        return alias.describe()

    def delete_alias(self, given: Input) -> Result:
        self.function(given, "DeleteAlias", asks=True).delete_alias(given["Name"])
        return {}

    def list_aliases(self, given: Input) -> Result:
        function = self.function(given, "ListAliases")
        version = given.get("FunctionVersion")
        found = [alias for alias in function.aliases.values() if version in (None, *(v.number for v in alias.routing))]
        return self.listed(given, "Aliases", [alias.describe() for alias in found], "Name")

    def _alias(self, given: Input, action: str) -> Alias:
        return self.function(given, action).alias(given["Name"])

    # -- permissions --------------------------------------------------------------------------------------------------

    def add_permission(self, given: Input) -> Result:
        target = self.invocable(given, "AddPermission", asks=True)
        statement = target.add_permission(
            given["StatementId"],
            given["Principal"],
            action=given["Action"],
            **chosen(
                source_arn=given.get("SourceArn"),
                source_account=given.get("SourceAccount"),
                principal_org_id=given.get("PrincipalOrgID"),
                event_source_token=given.get("EventSourceToken"),
                function_url_auth_type=given.get("FunctionUrlAuthType"),
                invoked_via_function_url=given.get("InvokedViaFunctionUrl"),
                revision_id=given.get("RevisionId"),
            ),
        )
        return {"Statement": json.dumps(statement, separators=(",", ":"))}

    def remove_permission(self, given: Input) -> Result:
        target = self.invocable(given, "RemovePermission", asks=True)
        target.remove_permission(given["StatementId"], revision_id=given.get("RevisionId"))
        return {}

    def get_policy(self, given: Input) -> Result:
        return dict(self.invocable(given, "GetPolicy").access.get_policy())

    # -- what is always the same --------------------------------------------------------------------------------------

    def get_function_code_signing_config(self, given: Input) -> Result:
        return {"FunctionName": self.function(given, "GetFunctionCodeSigningConfig").name}

    def get_runtime_management_config(self, given: Input) -> Result:
        target = self.invocable(given, "GetRuntimeManagementConfig")
        return {"UpdateRuntimeOn": "Auto", "FunctionArn": target.arn}

    # -- recursion ----------------------------------------------------------------------------------------------------

    def get_function_recursion_config(self, given: Input) -> Result:
        function = self.function(given, "GetFunctionRecursionConfig")
        return {"RecursiveLoop": function.configuration.recursive_loop}

    def put_function_recursion_config(self, given: Input) -> Result:
        function = self.function(given, "PutFunctionRecursionConfig", asks=True)
        wanted = given["RecursiveLoop"]
        if wanted not in ("Allow", "Terminate"):
            raise ValidationFailed(wanted, "recursiveLoop", "Member must satisfy enum value set: [Terminate, Allow]")
        function.update_configuration(recursive_loop=wanted)
        return {"RecursiveLoop": wanted}
