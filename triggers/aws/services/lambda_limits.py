"""Lambda's settings of concurrency and of asynchronous events."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from eventbus.errors import InvalidParameterValue, ProvisionedConcurrencyConfigNotFound, ValidationFailed
from eventbus.functions.alias import Alias
from eventbus.functions.function import Function
from eventbus.functions.invocable import Invocable
from eventbus.functions.package import Packaged
from eventbus.functions.version import Version
from triggers.aws.services.deeds import Input, Result
from triggers.aws.services.deeds import given as chosen
from triggers.aws.services.lambda_base import LambdaBase
from triggers.aws.services.lambda_packages import LARGEST

_CODE = 80_530_636_800
"""Bytes of all packages of an account (Lambda quotas)."""
_UNZIPPED = 262_144_000


class Limits(LambdaBase):
    """Reserved and provisioned concurrency, event invoke configurations, the account's settings."""

    def put_function_concurrency(self, given: Input) -> Result:
        function = self._unqualified(given, "PutFunctionConcurrency")
        units = given["ReservedConcurrentExecutions"]
        if units < 0:
            raise ValidationFailed(
                units, "reservedConcurrentExecutions", "Member must have value greater than or equal to 0"
            )
        function.update_configuration(reserved_concurrency=units)
        return {"ReservedConcurrentExecutions": units}

    def get_function_concurrency(self, given: Input) -> Result:
        function = self.function(given, "GetFunctionConcurrency")
        return {"ReservedConcurrentExecutions": function.configuration.reserved_concurrency}

    def delete_function_concurrency(self, given: Input) -> Result:
        self._unqualified(given, "DeleteFunctionConcurrency").update_configuration(reserved_concurrency=None)
        return {}

    def _unqualified(self, given: Input, action: str) -> Function:
        function = self.function(given, action, asks=True)
        if self.named(given).qualifier is not None:
            raise InvalidParameterValue(
                "This operation is permitted on Lambda functions only. Aliases and versions do not support this "
                "operation. Please specify either a function name or an unqualified function ARN."
            )
        return function

    # -- provisioned concurrency --------------------------------------------------------------------------------------

    def put_provisioned_concurrency_config(self, given: Input) -> Result:
        target = self._provisionable(given, "PutProvisionedConcurrencyConfig")
        units = given["ProvisionedConcurrentExecutions"]
        if units < 1:
            raise ValidationFailed(
                units, "provisionedConcurrentExecutions", "Member must have value greater than or equal to 1"
            )
        return _provisioned(target.put_provisioned_concurrency(units))

    def get_provisioned_concurrency_config(self, given: Input) -> Result:
        unpublished = "The function resource provided must be an alias or a published version."
        target = self._provisionable(given, "GetProvisionedConcurrencyConfig", unpublished)
        return _provisioned(target.provisioned_concurrency)

    def delete_provisioned_concurrency_config(self, given: Input) -> Result:
        self._provisionable(given, "DeleteProvisionedConcurrencyConfig").delete_provisioned_concurrency()
        return {}

    def list_provisioned_concurrency_configs(self, given: Input) -> Result:
        function = self.function(given, "ListProvisionedConcurrencyConfigs")
        found = []
        targets: list[Version | Alias] = [*function.versions.values(), *function.aliases.values()]
        for target in targets:
            try:
                found.append({"FunctionArn": target.arn, **_provisioned(target.provisioned_concurrency)})
            except ProvisionedConcurrencyConfigNotFound:
                continue
        return self.listed(given, "ProvisionedConcurrencyConfigs", found, "FunctionArn")

    def _provisionable(
        self,
        given: Input,
        action: str,
        unpublished: str = "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
    ) -> Version | Alias:
        target = self.invocable(given, action)
        if not isinstance(target, Version | Alias):
            raise InvalidParameterValue(unpublished)
        return target

    # -- asynchronous events ------------------------------------------------------------------------------------------

    def put_function_event_invoke_config(self, given: Input) -> Result:
        target = self.invocable(given, "PutFunctionEventInvokeConfig", asks=True)
        return self._events_shown(target.put_event_invoke_config(**_events(given)))

    def update_function_event_invoke_config(self, given: Input) -> Result:
        target = self.invocable(given, "UpdateFunctionEventInvokeConfig", asks=True)
        return self._events_shown(target.update_event_invoke_config(**_events(given)))

    def get_function_event_invoke_config(self, given: Input) -> Result:
        return self._events_shown(self.invocable(given, "GetFunctionEventInvokeConfig").event_invoke_config)

    def delete_function_event_invoke_config(self, given: Input) -> Result:
        self.invocable(given, "DeleteFunctionEventInvokeConfig", asks=True).delete_event_invoke_config()
        return {}

    def list_function_event_invoke_configs(self, given: Input) -> Result:
        function = self.function(given, "ListFunctionEventInvokeConfigs")
        targets: list[Invocable] = [function, *function.versions.values(), *function.aliases.values()]
        found = [self._events_shown(one.event_invoke_config) for one in targets if one.has_event_invoke_config]
        return self.listed(given, "FunctionEventInvokeConfigs", found, "FunctionArn")

    def _events_shown(self, config: dict[str, Any]) -> Result:
        return {**config, "LastModified": self.instant(config["LastModified"])}

    # -- the account --------------------------------------------------------------------------------------------------

    def get_account_settings(self, given: Input) -> Result:
        self.allow("lambda:GetAccountSettings", None, "*")
        functions = self.bus.functions.values()
        handlers = [one.handler for function in functions for one in function.editions]
        sizes = [handler.code.size for handler in handlers if isinstance(handler, Packaged)]
        account = self.bus.account
        return {
            "AccountLimit": {
                "TotalCodeSize": _CODE,
                "CodeSizeUnzipped": _UNZIPPED,
                "CodeSizeZipped": LARGEST,
                "ConcurrentExecutions": account.limit,
                "UnreservedConcurrentExecutions": account.unreserved,
            },
            "AccountUsage": {"TotalCodeSize": sum(sizes), "FunctionCount": len(functions)},
        }


def _provisioned(config: dict[str, Any]) -> Result:
    """The configuration with the time in the form that this one operation has it in."""
    at = datetime.fromisoformat(config["LastModified"])
    return {**config, "LastModified": at.isoformat(timespec="seconds").replace("+00:00", "+0000")}


def _events(given: Input) -> dict[str, Any]:
    for name, low, high in (("MaximumRetryAttempts", 0, 2), ("MaximumEventAgeInSeconds", 60, 21_600)):
        value, member = given.get(name), name[0].lower() + name[1:]
        if value is not None and value < low:
            raise ValidationFailed(value, member, f"Member must have value greater than or equal to {low}")
        if value is not None and value > high:
            raise ValidationFailed(value, member, f"Member must have value less than or equal to {high}")
    options = chosen(retries=given.get("MaximumRetryAttempts"), max_event_age=given.get("MaximumEventAgeInSeconds"))
    destinations = given.get("DestinationConfig") or {}
    for name, ours in (("OnSuccess", "on_success"), ("OnFailure", "on_failure")):
        if name in destinations:
            options[ours] = destinations[name].get("Destination") or None
    return options
