"""What there is on a bus: its services, and its resources by their ARNs and names."""

from __future__ import annotations

from typing import Any

from eventbus.arn import is_arn
from eventbus.core.pressure import Pressure
from eventbus.delivery.targets import Target
from eventbus.errors import ConfigurationError, EventBusError, InvalidParameterValue, ResourceNotFound
from eventbus.functions.function import Function
from eventbus.functions.invocable import Invocable
from eventbus.functions.names import check_qualifier, part_of_arn, read_name

_UNDECLARED = "declare it with @bus.function first; buckets, topics and queues are given as objects or ARNs"


class Resources(Pressure):
    """Finding what an object, an ARN or a name stands for."""

    _services: dict[str, Any]

    def claim(self, service: str, instance: Any = None) -> None:
        """Be the one service of this name on the bus. Raises ConfigurationError for the second."""
        if service in self._services:
            raise ConfigurationError(
                f"this bus has its {service} already: make {service}(bus) once and use it everywhere"
            )
        self._services[service] = instance

    def service(self, name: str) -> Any:
        """The one service of this name, such as "S3"; None if it hasn't been made."""
        return self._services.get(name)

    def register(self, resource: Target) -> None:
        """Make a resource reachable by its ARN. Raises ConfigurationError if the ARN is taken."""
        if resource.arn in self._resources:
            raise ConfigurationError(f"{resource.arn} exists on this bus already")
        self._resources[resource.arn] = resource

    def unregister(self, resource: Target) -> None:
        """Take a resource off the bus."""
        self._resources.pop(resource.arn, None)

    def find(self, arn: str) -> Target | None:
        """The resource with this ARN, or None."""
        return self._resources.get(arn)

    def resource(self, target: object) -> Target:
        """Find what an object, an ARN or a function's name stands for.

        Raises ResourceNotFound if nothing on this bus has that ARN, or if the object was deleted, and
        ConfigurationError for what is none of these.
        """
        if isinstance(target, str):
            found = self._resources.get(target) or self.named(target)
            if found is not None:
                return found
            if is_arn(target) and ":lambda:" not in target:
                raise ResourceNotFound(f"{target} does not exist on this bus")
            raise ResourceNotFound(f"Function not found: {self._function_arn(target)}", mend=_UNDECLARED)
        known = self._resources.get(getattr(target, "arn", ""))
        if known is not None and known is target:
            return known  # asking whether it is a Target takes longer than all the rest of a direct call
        if isinstance(target, Target):
            if self._resources.get(target.arn) is not target:
                raise self._not_here(target)
            return target
        raise ConfigurationError(f"{target!r} is neither a function, a topic or a queue, nor an ARN of one")

    def _not_here(self, target: Target) -> EventBusError:
        """Why an object cannot be used: it was deleted, or it is one of another bus."""
        if getattr(target, "bus", None) is not self:
            return ConfigurationError(f"{target!r} belongs to another bus, or was deleted")
        again = "; there is another of this name now, give its ARN or name" if self.find(target.arn) else ""
        what = "Function not found: " if target.kind == "function" else ""
        return ResourceNotFound(
            f"{what}{target.arn}{'' if what else ' does not exist on this bus'}",
            mend=f"this {target.kind} was deleted{again}",
        )

    def _function_arn(self, target: str) -> str:
        """The ARN that a name or a part of an ARN stands for, with the qualifier if there is one."""
        if is_arn(target):
            return target
        name = target.removeprefix(f"{self.account_id}:").removeprefix("function:")
        return f"arn:{self.partition}:lambda:{self.region}:{self.account_id}:function:{name}"

    def named(self, name: str) -> Invocable | None:
        """The function of this name, or the version or alias if a qualifier follows it: `f`, `f:7`, `f:prod`.

        What an ARN has before the name may stand there, or a part of it: `function:f`, `123456789012:function:f:prod`.
        """
        function = self._functions.get(name)
        if function is None and ":" in name:
            whole = name
            account, _, rest = name.partition(":function:")
            name, _, qualifier = (rest if account == self.account_id else name).partition(":")
            function = self._functions.get(name)
            if function is None and not is_arn(whole) and (parts := part_of_arn(whole)) is not None:
                function = self._functions.get(parts.name) if parts.account in (None, self.account_id) else None
                qualifier = parts.qualifier or ""
            return None if function is None else self._qualified(function, qualifier or None)
        return function

    def _qualified(self, function: Function, qualifier: str | None) -> Invocable | None:
        found = function if qualifier is None else self._resources.get(f"{function.arn}:{qualifier}")
        return found if isinstance(found, Invocable) else None

    def qualified(self, function: object, qualifier: str | int | None) -> Invocable:
        """The function, version or alias that a target and a qualifier beside it stand for.

        Raises ResourceNotFound if there is none, in the words of Invoke, ValidationFailed for what can be no name,
        InvalidParameterValue if the target has another qualifier itself.
        """
        if isinstance(function, str) and function not in self._resources and self.named(function) is None:
            if not is_arn(function):
                read_name(function, _text(qualifier), self.region)
            self._refuse_unknown(self._function_arn(function), _text(qualifier))
        target = self._function(function)
        wanted = _text(qualifier)
        if wanted is None or wanted == target.qualifier:
            return target
        if target.qualifier is not None:
            raise InvalidParameterValue(
                "The derived qualifier from the function name does not match the specified qualifier."
            )
        check_qualifier(wanted)
        found = self._qualified(target.function, wanted)
        if found is None:
            raise ResourceNotFound(f"Function not found: {target.arn}:{wanted}")
        return found

    def _refuse_unknown(self, arn: str, qualifier: str | None) -> None:
        """Raise what Invoke says of a function that isn't there: it always names a qualifier."""
        region, qualifiers = arn.split(":")[3], arn.count(":") - 6
        if ":lambda:" not in arn:
            return
        if region != self.region:
            raise ResourceNotFound(
                f"Functions from '{region}' are not reachable in this region ('{self.region}')",
                mend="call the function by its name, or on a bus of that region",
            )
        wanted = arn if qualifiers > 0 else f"{arn}:{qualifier or '$LATEST'}"
        raise ResourceNotFound(f"Function not found: {wanted}", mend=_UNDECLARED)

    def _function(self, target: object) -> Invocable:
        function = self.resource(target)
        if not isinstance(function, Invocable):
            raise ConfigurationError(f"{function!r} is not a function")
        return function


def _text(qualifier: str | int | None) -> str | None:
    """A version's number may be given as one."""
    return str(qualifier) if isinstance(qualifier, int) else qualifier
