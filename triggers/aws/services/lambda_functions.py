"""Lambda's functions: making, changing, showing and deleting them."""

from __future__ import annotations

from typing import Any

from eventbus.errors import ConfigurationError, InvalidParameterValue, ValidationFailed
from eventbus.functions.function import Function
from eventbus.functions.invocable import Invocable
from eventbus.functions.layers import Layers
from eventbus.functions.package import Packaged, runtime_of
from eventbus.functions.tags import merged
from eventbus.functions.version import Version
from triggers.aws.services import lambda_shapes as shapes
from triggers.aws.services.deeds import Input, Result
from triggers.aws.services.lambda_base import LambdaBase, refuse_given
from triggers.aws.services.lambda_packages import archive_of, code_location, declared_handler

_WITHOUT_EFFECT = {
    "ImageConfig": "eventbus runs zip archives",
    "FileSystemConfigs": "a function's files are in its package, its layers and /tmp",
    "CodeSigningConfigArn": "leave it out; code is not signed here",
    "KMSKeyArn": "leave it out; nothing is encrypted here",
    "TenancyConfig": "leave it out",
    "CapacityProviderConfig": "leave it out",
    "DurableConfig": "leave it out",
    "RuntimeConfig": "leave it out",
    "AcceleratorConfig": "leave it out",
    "PublishTo": "leave it out; Publish makes a version",
}
_RANGES = {"Timeout": (1, 900), "MemorySize": (128, 10_240)}


class Functions(LambdaBase):
    """CreateFunction and what follows from it."""

    def create_function(self, given: Input) -> Result:
        named = self.named({"FunctionName": given["FunctionName"]})
        self.allow("lambda:CreateFunction", None, self.arn_of(named, qualified=False))
        self._check_effect(given)
        role = self.bus.roles.passed(given["Role"])
        options = self._settings(given)
        tags = merged({}, given.get("Tags") or {})
        handler, code, runtime = self._code(given, options)
        with self.bus.as_owner():  # all that follows is part of the one call
            function = self.bus.add_function(named.name, handler, code, runtime=runtime, role=role, **options)
            try:
                self._set_dead_letter(function, given)
            except Exception:
                function.delete()
                raise
            function.tag(tags)
            shown = shapes.configuration(function, shapes.CREATING)
            if given.get("Publish"):
                shown["Version"] = function.publish_version().number
        return shown

    def update_function_code(self, given: Input) -> Result:
        function = self.function(given, "UpdateFunctionCode")
        function.check_revision(given.get("RevisionId"))
        refuse_given(given, _WITHOUT_EFFECT)
        archive = archive_of(self.bus, given)
        if archive is None:
            raise InvalidParameterValue(
                "Please provide a source for function code.", mend="give ZipFile, or S3Bucket and S3Key"
            )
        name, runtime = shapes.handler_name(function.handler), shapes.runtime(function.handler)
        if given.get("DryRun"):
            return shapes.configuration(function)
        architecture = (given.get("Architectures") or [None])[0]
        with self.bus.as_owner():  # it is allowed, as is publishing with it
            made = function.update_code(
                name, archive, runtime=runtime, architecture=architecture, publish=bool(given.get("Publish"))
            )
        if made is function:
            return shapes.configuration(function, {"State": "Active", **shapes.UPDATING})
        return shapes.configuration(made, shapes.CREATING)

    def update_function_configuration(self, given: Input) -> Result:
        function = self.function(given, "UpdateFunctionConfiguration")
        function.check_revision(given.get("RevisionId"))
        self._check_effect(given)
        changes = self._settings(given, function)
        if given.get("Role"):
            changes["role"] = given["Role"]
        for name, ours in (("Handler", "handler"), ("Runtime", "runtime")):
            now = shapes.handler_name(function.handler) if ours == "handler" else shapes.runtime(function.handler)
            if given.get(name) not in (None, now):
                changes[ours] = given[name]
        if "runtime" in changes:
            _check_runtime(changes["runtime"])
        before = function.destinations.dead_letter
        self._set_dead_letter(function, given)
        try:
            function.update_configuration(**changes)
        except Exception:
            function.destinations.dead_letter = before
            raise
        return shapes.configuration(function, {"State": "Active", **shapes.UPDATING})

    def get_function(self, given: Input) -> Result:
        target = self.invocable(given, "GetFunction")
        function, version = target.function, shapes.version_of(target)
        reserved = function.configuration.reserved_concurrency
        return {
            "Configuration": shapes.configuration(target),
            "Code": self._code_shown(version),
            "Tags": dict(function.tags) or None,
            "Concurrency": None if reserved is None else {"ReservedConcurrentExecutions": reserved},
        }

    def get_function_configuration(self, given: Input) -> Result:
        return shapes.configuration(self.invocable(given, "GetFunctionConfiguration"))

    def list_functions(self, given: Input) -> Result:
        self.allow("lambda:ListFunctions", None, "*")
        found: list[Invocable] = []
        for name in sorted(self.bus.functions):
            function = self.bus.functions[name]
            if given.get("FunctionVersion") == "ALL":
                found += [function.version("$LATEST"), *function.versions.values()]
            else:
                found.append(function)
        return self.listed(given, "Functions", [shapes.configuration(one) for one in found], "FunctionArn")

    def delete_function(self, given: Input) -> Result:
        named = self.named(given)
        function = self.function({"FunctionName": named.name}, "DeleteFunction", asks=True)
        function.delete(named.qualifier)
        return {"StatusCode": 204}

    # -- tags ---------------------------------------------------------------------------------------------------------

    def tag_resource(self, given: Input) -> Result:
        self._tagged(given, "TagResource", asks=True).tag(given["Tags"])
        return {}

    def untag_resource(self, given: Input) -> Result:
        self._tagged(given, "UntagResource", asks=True).untag(given["TagKeys"])
        return {}

    def list_tags(self, given: Input) -> Result:
        return {"Tags": dict(self._tagged(given, "ListTags").tags)}

    def _tagged(self, given: Input, action: str, *, asks: bool = False) -> Function:
        named = self.named({"FunctionName": given["Resource"]})
        if named.qualifier is not None:
            raise InvalidParameterValue(
                "Tags on function aliases and versions are not supported. Please specify a function ARN."
            )
        return self.function({"FunctionName": given["Resource"]}, action, asks=asks)

    # -- what is made of a request ------------------------------------------------------------------------------------

    def _check_effect(self, given: Input) -> None:
        refuse_given(given, _WITHOUT_EFFECT)
        if given.get("PackageType", "Zip") != "Zip":
            raise InvalidParameterValue("eventbus runs no container images.", mend="leave PackageType at Zip")
        if (given.get("VpcConfig") or {}).get("SubnetIds"):
            raise InvalidParameterValue("eventbus has no VPCs.", mend="leave VpcConfig out")
        if (given.get("SnapStart") or {}).get("ApplyOn", "None") != "None":
            raise InvalidParameterValue("eventbus has no SnapStart.", mend="leave SnapStart out")

    def _code(self, given: Input, options: dict[str, Any]) -> tuple[Any, bytes | None, str]:
        archive = archive_of(self.bus, given["Code"])
        if archive is None:
            handler, options["isolation"] = declared_handler(self.bus, given.get("Handler") or "")
            return handler, None, "python"
        if not (given.get("Handler") and given.get("Runtime")):
            raise InvalidParameterValue(
                "Runtime and Handler are mandatory parameters for functions created with deployment packages."
            )
        _check_runtime(given["Runtime"])
        return given["Handler"], archive, given["Runtime"]

    def _settings(self, given: Input, function: Function | None = None) -> dict[str, Any]:
        """The settings that a request has, by our names."""
        for name, (low, high) in _RANGES.items():
            _within(given.get(name), name[0].lower() + name[1:], low, high)
        size = (given.get("EphemeralStorage") or {}).get("Size")
        _within(size, "ephemeralStorage.size", 512, 10_240)
        found = {
            "description": given.get("Description"),
            "timeout": given.get("Timeout"),
            "memory": given.get("MemorySize"),
            "tmp": size,
            "tracing": (given.get("TracingConfig") or {}).get("Mode"),
            "architecture": (given.get("Architectures") or [None])[0],
        }
        settings = {name: value for name, value in found.items() if value is not None}
        if given.get("Environment") is not None:
            settings["environment"] = given["Environment"].get("Variables") or {}
        if given.get("Layers") is not None:
            settings["layers"] = self._layers(given["Layers"])
        if given.get("LoggingConfig") is not None:
            settings |= _logging(given["LoggingConfig"], function)
        return settings

    def _layers(self, arns: list[str]) -> tuple[Any, ...]:
        layers = self.bus.shared(Layers).chosen(arns)
        for layer in layers:
            self.allow("lambda:GetLayerVersion", None, layer.arn)
        return layers

    def _set_dead_letter(self, function: Function, given: Input) -> None:
        wanted = given.get("DeadLetterConfig")
        if wanted is None:
            return
        arn = wanted.get("TargetArn") or None
        now = function.destinations.dead_letter
        if arn != (None if now is None else now.arn):
            function.dead_letter(arn)

    def _code_shown(self, version: Function | Version) -> Result:
        if not isinstance(version.handler, Packaged) or version.handler.code.archive is None:
            return {}
        return {"RepositoryType": "S3", "Location": code_location(self.bus, self.identities.endpoint, version)}


def _logging(given: dict[str, Any], function: Function | None) -> dict[str, Any]:
    format_now = "Text" if function is None else function.configuration.log_format
    chosen = {"log_format": given.get("LogFormat") or format_now}
    is_json = chosen["log_format"] == "JSON"
    for name, ours in (("ApplicationLogLevel", "application_log_level"), ("SystemLogLevel", "system_log_level")):
        if given.get(name) is not None:
            chosen[ours] = given[name]
        elif not is_json:
            chosen[ours] = "INFO"
    if given.get("LogGroup"):
        chosen["log_group"] = given["LogGroup"]
    return chosen


def _within(value: int | None, member: str, low: int, high: int) -> None:
    if value is not None and value < low:
        raise ValidationFailed(value, member, f"Member must have value greater than or equal to {low}")
    if value is not None and value > high:
        raise ValidationFailed(value, member, f"Member must have value less than or equal to {high}")


def _check_runtime(name: str) -> None:
    try:
        runtime_of(name)
    except ConfigurationError:
        raise InvalidParameterValue(
            f"Value {name} at 'runtime' failed to satisfy constraint: eventbus runs python3.x and provided.al2023.",
            mend="an executable called bootstrap runs any other language in provided.al2023",
        ) from None
