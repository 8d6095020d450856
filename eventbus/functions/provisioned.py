"""Provisioned concurrency: environments that are initialised before anybody asks for them, and kept.

A version has its own; an alias shares its units out over its versions by their weights. What is asked for beyond them
spills over to environments on demand. Source: Lambda developer guide, "Configuring provisioned concurrency for a
function" (2026), and recorded answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventbus.errors import InvalidParameterValue, ProvisionedConcurrencyConfigNotFound, ResourceConflict
from eventbus.timestamps import iso_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventbus.bus import EventBus
    from eventbus.delivery.lane import Lane
    from eventbus.functions.alias import Alias
    from eventbus.functions.version import Latest, Version

ON_LATEST = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."


class ProvisionedConcurrency:
    """What is provisioned for one version or alias."""

    def __init__(self, bus: EventBus, owner: Version | Alias, conflict: str) -> None:
        self._bus = bus
        self._owner = owner
        self._conflict = conflict
        """What AWS says when a version has provisioned environments of somebody else's."""
        self._units = 0
        self._modified_at = 0.0
        self._lanes: dict[Lane, int] = {}

    @property
    def units(self) -> int:
        """How many environments are asked for."""
        return self._units

    @property
    def function_arn(self) -> str:
        return self._owner.function.arn

    @property
    def qualifier(self) -> str | None:
        """The version or the alias that it is for."""
        return self._owner.qualifier

    def put(self, units: Any) -> dict[str, Any]:
        """Provision so many environments; returns the state as AWS shows it."""
        if isinstance(units, bool) or not isinstance(units, int) or units < 1:
            raise InvalidParameterValue(f"ProvisionedConcurrentExecutions={units!r}: a whole number from 1 is needed")
        versions = list(self._owner.routing)
        if any(version.number == "$LATEST" for version in versions):
            raise InvalidParameterValue(ON_LATEST, mend=f"publish a version of {self._owner.function.label} first")
        self._check_free(versions)
        self._bus.account.provision(self._owner.function.name, self._owner, units)
        self._units = units
        self._modified_at = self._bus.clock.now()
        self.move()
        return self.describe()

    def delete(self) -> None:
        """Give everything back."""
        if self._units:
            self._units = 0
            self._bus.account.provision(self._owner.function.name, self._owner, 0)
            self.move()

    def check_move(self, versions: Iterable[Version | Latest]) -> None:
        """Refuse versions that an alias with provisioned concurrency cannot be pointed to."""
        if self._units:
            self._check_free(versions)

    def _check_free(self, versions: Iterable[Version | Latest]) -> None:
        if any(version.lane.provisioner not in (None, self) for version in versions):
            raise ResourceConflict(self._conflict)

    def move(self) -> None:
        """Share the units out over the versions as they are now."""
        shares = self._shares() if self._units else {}
        for lane in {*self._lanes, *shares}:
            lane.provision(shares.get(lane, 0), self if lane in shares else None)
        self._lanes = shares
        for lane in self._owner.function.lanes:
            lane.apply_limits()

    def _shares(self) -> dict[Lane, int]:
        """The first version gets what rounding leaves of the others."""
        (first, _), *others = self._owner.routing.items()
        shares = {version.lane: round(self._units * weight) for version, weight in others}
        return {first.lane: self._units - sum(shares.values()), **shares}

    def describe(self) -> dict[str, Any]:
        """The state as AWS shows it. Raises ProvisionedConcurrencyConfigNotFound when nothing is provisioned."""
        if not self._units:
            raise ProvisionedConcurrencyConfigNotFound
        ready = sum(lane.provisioned_ready for lane in self._lanes)
        failure = next((lane.provisioning_failure for lane in self._lanes if lane.provisioning_failure), None)
        shown: dict[str, Any] = {
            "RequestedProvisionedConcurrentExecutions": self._units,
            "AvailableProvisionedConcurrentExecutions": ready,
            "AllocatedProvisionedConcurrentExecutions": ready,
            "Status": "READY" if ready >= self._units else "IN_PROGRESS",
            "LastModified": iso_time(self._modified_at),
        }
        if failure is not None:
            shown |= {"Status": "FAILED", "StatusReason": failure}
        return shown
