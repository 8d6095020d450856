"""Versions: `$LATEST` under its own ARN, and what was published of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from eventbus.delivery.lane import Lane
from eventbus.delivery.targets import Source, Target
from eventbus.errors import InvalidParameterValue
from eventbus.functions.code import code_sha256
from eventbus.functions.invocable import Invocable
from eventbus.functions.package import Packaged
from eventbus.functions.provisioned import ON_LATEST, ProvisionedConcurrency

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.functions.configuration import Configuration
    from eventbus.functions.function import Function
    from eventbus.iam.roles import Role

LATEST = "$LATEST"
_NOT_PUBLISHED = "The function resource provided must be an alias or a published version."


class Latest(Invocable):
    """`$LATEST` with its qualifier: the function itself, addressed under another ARN."""

    number = LATEST

    def __init__(self, bus: EventBus, function: Function) -> None:
        super().__init__(bus, function, LATEST, f"{function.arn}:{LATEST}", f'{function.label}.version("{LATEST}")')
        self.resource_arn = function.arn  # AWS takes no policy for $LATEST: that of the function counts
        self.lane = function.lane
        self.access = function.access
        self.destinations = function.destinations

    def __repr__(self) -> str:
        return f"<Latest of {self.function.name}>"

    @property
    def role(self) -> Role:
        return self.function.role

    @property
    def source(self) -> Source:
        return self.function.source

    def add_permission(self, statement_id: str, principal: str, **conditions: Any) -> dict[str, Any]:
        """Refused, as on AWS: the policy of the function itself is what counts."""
        raise InvalidParameterValue(
            "We currently do not support adding policies for $LATEST.",
            mend=f"grant it to {self.function.label}, without a qualifier",
        )

    def on_success(self, target: Any, *, grant: bool = False) -> None:
        self.function.on_success(target, grant=grant)

    def on_failure(self, target: Any, *, grant: bool = False) -> None:
        self.function.on_failure(target, grant=grant)

    @property
    def provisioned_concurrency(self) -> dict[str, Any]:
        """Refused, as on AWS: what can be changed at any time has no environments that are kept."""
        raise InvalidParameterValue(_NOT_PUBLISHED, mend=f"publish a version of {self.function.label} first")

    def put_provisioned_concurrency(self, units: int) -> dict[str, Any]:
        """Refused, as on AWS."""
        raise InvalidParameterValue(ON_LATEST, mend=f"publish a version of {self.function.label} first")

    def delete_provisioned_concurrency(self) -> None:
        """Refused, as on AWS."""
        raise InvalidParameterValue(_NOT_PUBLISHED, mend=f"publish a version of {self.function.label} first")

    def _configure_events(self, *settings: Any, grant: bool) -> dict[str, Any]:
        return self.function._configure_events(*settings, grant=grant)

    def _check_configured(self) -> None:
        self.function._check_configured()

    @property
    def event_invoke_config(self) -> dict[str, Any]:
        return self.function.event_invoke_config

    def delete_event_invoke_config(self) -> None:
        self.function.delete_event_invoke_config()

    def apply_settings(self) -> None:
        self.settings = self.function.settings


class Version(Invocable):
    """A published version: handler, configuration and role as they were, with environments of its own."""

    def __init__(
        self,
        bus: EventBus,
        function: Function,
        number: str,
        configuration: Configuration,
        handler: Callable[[Any, Any], Any],
    ) -> None:
        label = f'{function.label}.version("{number}")'
        super().__init__(bus, function, number, f"{function.arn}:{number}", label)
        self.number = number
        self.handler: Callable[[Any, Any], Any] = handler
        self.configuration: Configuration = configuration
        self.code_sha256 = code_sha256(handler)
        self.published_at = bus.clock.now()
        self._role = function.role
        self._source = function.source
        self._dead_letter = function.destinations.dead_letter
        self._latest = function.configuration.of_version
        self._provisioned = ProvisionedConcurrency(bus, self, "Version is pointed by a Provisioned Concurrency alias")
        self.lane = Lane(self, bus)
        self.apply_settings()

    def __repr__(self) -> str:
        return f"<Version {self.number} of {self.function.name}: {self.lane.inside} running>"

    def __call__(self, event: Any, context: Any) -> Any:
        """Call the plain handler of this version."""
        return self.handler(event, context)

    @property
    def role(self) -> Role:
        return self._role

    @property
    def source(self) -> Source:
        return self._source

    @property
    def revision_id(self) -> str:
        """Stays as it is, as the version does."""
        return self._bus.ids.derived(f"{self.arn} published")

    @property
    def routing(self) -> dict[Version | Latest, float]:
        """Itself: what an alias shares out over its versions."""
        return {self: 1.0}

    @property
    def description(self) -> str:
        return self.configuration.description

    def is_same(self, function: Function, dead_letter: Target | None) -> bool:
        """Whether the function has not been changed since this was published."""
        return (
            self._has_code_of(function.handler)
            and self._role is function.role
            and self._dead_letter is dead_letter
            and self._latest == function.configuration.of_version
        )

    def _has_code_of(self, handler: object) -> bool:
        return self.handler is handler or (isinstance(self.handler, Packaged) and self.handler.is_same(handler))

    def apply_settings(self) -> None:
        super().apply_settings()
        self.lane.apply_settings()

    # -- provisioned concurrency ------------------------------------------------------------------------------------

    @property
    def provisioned_concurrency(self) -> dict[str, Any]:
        """The configuration and its state as AWS shows them. Raises ProvisionedConcurrencyConfigNotFound."""
        return self._provisioned.describe()

    def put_provisioned_concurrency(self, units: int) -> dict[str, Any]:
        """Keep so many environments initialised, for this version alone: PutProvisionedConcurrencyConfig.

        Raises InvalidParameterValue when the account or the function's reserved concurrency does not give as many,
        ResourceConflict when an alias of this version has provisioned concurrency.
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
