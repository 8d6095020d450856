"""Aliases: a name for one version, or for two with weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from eventbus.delivery.lane import Lane
from eventbus.delivery.targets import Source
from eventbus.errors import InvalidParameterValue, PreconditionFailed, ValidationFailed
from eventbus.functions.configuration import check_description
from eventbus.functions.invocable import Invocable
from eventbus.functions.provisioned import ProvisionedConcurrency
from eventbus.functions.version import LATEST, Latest, Version

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.functions.function import Function
    from eventbus.iam.roles import Role

_NAME = re.compile(r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)", re.ASCII)
_RANGE = "Member must have value between 0.0 and 1.0"


def checked_alias_name(name: object) -> str:
    """An alias's name: 1-128 letters, digits, `-` and `_`, not digits alone. Raises ValidationFailed in AWS's words."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        pattern = r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)"
        raise ValidationFailed(name, "name", f"Member must satisfy regular expression pattern: {pattern}")
    if len(name) > 128:
        raise ValidationFailed(name, "name", "Member must have length less than or equal to 128")
    return name


class Alias(Invocable):
    """A name of a function that can be pointed to another version; policies and settings attached to it stay."""

    def __init__(
        self,
        bus: EventBus,
        function: Function,
        name: str,
        version: Version | Latest | str | int,
        weights: Mapping[str, float] | None,
        description: str,
    ) -> None:
        label = f'{function.label}.alias("{name}")'
        super().__init__(bus, function, name, f"{function.arn}:{name}", label)
        self.alias_name = name
        self.description = check_description(description)
        self.revision = 0
        self._version, self._weights = self._checked(version, weights or {})
        self._provisioned = ProvisionedConcurrency(
            bus,
            self,
            "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
        )
        self.apply_settings()

    def __repr__(self) -> str:
        others = "".join(f", {weight:g} to {version.number}" for version, weight in self._weights.items())
        return f"<Alias {self.alias_name} of {self.function.name}: version {self._version.number}{others}>"

    @property
    def version(self) -> Version | Latest:
        """The version that it stands for; with weights the one that gets the rest."""
        return self._version

    @property
    def weights(self) -> dict[str, float]:
        """The part of the invocations that another version gets, by its number."""
        return {version.number: weight for version, weight in self._weights.items()}

    @property
    def routing(self) -> dict[Version | Latest, float]:
        """Every version that it may stand for, with its part of the invocations."""
        return {self._version: 1.0 - sum(self._weights.values()), **self._weights}

    @property
    def revision_id(self) -> str:
        """Changes whenever the alias is changed."""
        return self._bus.ids.derived(f"{self.arn} {self.revision}")

    @property
    def lane(self) -> Lane:  # type: ignore[override]  # the others have one, which their hot path reads
        """The queue and environments of one of its versions: drawn anew each time it is asked for, by the weights."""
        for version, weight in self._weights.items():
            if self._bus.ids.chance() < weight:
                return version.lane
        return self._version.lane

    @property
    def role(self) -> Role:
        return self._version.role

    @property
    def source(self) -> Source:
        return self._version.source

    def describe(self) -> dict[str, Any]:
        """The alias as AWS shows it (AliasConfiguration)."""
        shown: dict[str, Any] = {
            "AliasArn": self.arn,
            "Name": self.alias_name,
            "FunctionVersion": self._version.number,
            "Description": self.description,
            "RevisionId": self.revision_id,
        }
        if self._weights:
            shown["RoutingConfig"] = {"AdditionalVersionWeights": self.weights}
        return shown

    def update(
        self,
        version: Version | Latest | str | int | None = None,
        weights: Mapping[str, float] | None = None,
        *,
        description: str | None = None,
        revision_id: str | None = None,
    ) -> None:
        """Point it to another version, or change its weights (`{}` takes them away); what is None stays.

        Raises PreconditionFailed if `revision_id` is not the latest, and what `create_alias` raises, with nothing
        changed.
        """
        self._may("UpdateAlias")
        if revision_id is not None and revision_id != self.revision_id:
            raise PreconditionFailed(
                "The Revision Id provided does not match the latest Revision Id. "
                "Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
                mend=f"{self.label}.revision_id is {self.revision_id}",
            )
        chosen = self._checked(
            self._version if version is None else version, self.weights if weights is None else weights
        )
        if description is not None:
            check_description(description)
        self._provisioned.check_move([chosen[0], *chosen[1]])
        self._version, self._weights = chosen
        if description is not None:
            self.description = description
        self.revision += 1
        self._provisioned.move()

    def _checked(
        self, version: Version | Latest | str | int, weights: Mapping[str, Any]
    ) -> tuple[Version | Latest, dict[Version | Latest, float]]:
        chosen = self._find(version)
        if not isinstance(weights, Mapping):
            raise InvalidParameterValue(f"weights={weights!r}: a dict from a version's number to its part is needed")
        if len(weights) > 1:
            raise InvalidParameterValue("Number of items in AdditionalVersionWeights cannot be greater than 1")
        others: dict[Version | Latest, float] = {}
        for number, weight in weights.items():
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0.0 <= weight <= 1.0:
                raise ValidationFailed(weight, "routingConfig.additionalVersionWeights", _RANGE)
            if str(number) == chosen.number:
                raise InvalidParameterValue(
                    f"Invalid function version {number}. Function version {number} is already included in routing "
                    "configuration."
                )
            other = self._find(number)
            if LATEST in (chosen.number, other.number):
                raise InvalidParameterValue("$LATEST is not supported for an alias pointing to more than 1 version")
            if other.role is not chosen.role:
                raise InvalidParameterValue("Both versions of an alias with weights must have the same execution role.")
            others[other] = float(weight)
        return chosen, others

    def _find(self, version: Version | Latest | str | int) -> Version | Latest:
        if isinstance(version, Invocable):
            if version.function is not self.function:
                raise InvalidParameterValue(f"{version!r} is a version of another function than {self.function.name}")
            return version
        return self.function.version(version)

    def _may(self, action: str) -> None:
        """Permissions to change an alias are asked for with the function, as on AWS, those for its settings with it."""
        if action == "UpdateAlias":
            self.function._may(action)
        else:
            super()._may(action)

    # -- provisioned concurrency ------------------------------------------------------------------------------------

    @property
    def provisioned_concurrency(self) -> dict[str, Any]:
        """The configuration and its state as AWS shows them. Raises ProvisionedConcurrencyConfigNotFound."""
        return self._provisioned.describe()

    def put_provisioned_concurrency(self, units: int) -> dict[str, Any]:
        """Keep so many environments initialised, shared out by the weights: PutProvisionedConcurrencyConfig.

        Errors as for a version; ResourceConflict when its version has provisioned concurrency already.
        """
        self._may("PutProvisionedConcurrencyConfig")
        return self._provisioned.put(units)

    def delete_provisioned_concurrency(self) -> None:
        """Go back to environments on demand; without provisioned concurrency nothing happens."""
        self._may("DeleteProvisionedConcurrencyConfig")
        self._provisioned.delete()

    def give_back(self) -> None:
        """It is deleted: what was provisioned for it goes too."""
        self._provisioned.delete()
