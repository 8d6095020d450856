"""A function: the handler, its configuration, its role, its versions and aliases.

`$LATEST` is what the function itself runs, and alone can be changed. Publishing makes a version of it that stays as it
is; an alias is a name for one version, or for two with weights. Source: Lambda developer guide, "Manage Lambda function
versions" and "Create an alias for a Lambda function" (2026), and recorded answers.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs

from eventbus.delivery.lane import Lane
from eventbus.delivery.retry import AsyncSettings
from eventbus.delivery.targets import Source
from eventbus.errors import (
    ConfigurationError,
    InvalidParameterValue,
    PreconditionFailed,
    ResourceConflict,
    ResourceNotFound,
)
from eventbus.functions.alias import Alias, checked_alias_name
from eventbus.functions.code import code_sha256
from eventbus.functions.configuration import FUNCTION_WIDE, Configuration
from eventbus.functions.invocable import Invocable
from eventbus.functions.package import Packaged, prepared
from eventbus.functions.tags import merged
from eventbus.functions.version import LATEST, Latest, Version
from eventbus.iam.roles import Role

if TYPE_CHECKING:
    from pathlib import Path

    from eventbus.bus import EventBus

_DEAD_LETTER = ("queue", "topic")
_ACTIONS = {
    "reserved_concurrency": "PutFunctionConcurrency",
    "recursive_loop": "PutFunctionRecursionConfig",
    "retries": "PutFunctionEventInvokeConfig",
    "max_event_age": "PutFunctionEventInvokeConfig",
}


class Function(Invocable):
    """One Lambda function on the bus. Made by `bus.function` or `bus.add_function`.

    Calling it calls the plain handler, so that unit tests stay unit tests.
    """

    def __init__(
        self,
        bus: EventBus,
        name: str,
        handler: Callable[[Any, Any], Any],
        configuration: Configuration,
        role: Role | str | None = None,
    ) -> None:
        arn = f"arn:{bus.partition}:lambda:{bus.region}:{bus.account_id}:function:{name}"
        super().__init__(bus, self, None, arn, f'bus.functions["{name}"]')
        self.handler: Callable[[Any, Any], Any] = handler
        self.configuration: Configuration = configuration
        self.settings = _settings_of(configuration)
        self._assume(bus.roles.basic(_role_name(name)) if role is None else bus.roles.passed(role))
        self.revision = 0
        """How often `$LATEST` was changed or published."""
        self.modified_at = bus.clock.now()
        """When `$LATEST` was changed last."""
        self.tags: Mapping[str, str] = MappingProxyType({})
        """Its tags; `tag` and `untag` change them."""
        self.number = LATEST
        self._versions: dict[str, Version] = {}
        self._aliases: dict[str, Alias] = {}
        self.lane = Lane(self, bus)
        self._latest = Latest(bus, self)
        self._latest.apply_settings()
        self.__name__ = name
        self.__doc__ = getattr(handler, "__doc__", None)
        self.__wrapped__ = handler

    def __repr__(self) -> str:
        lane = self.lane
        return f"<Function {self.name}: {lane.kind.summary}, {len(lane.queue)} queued, {lane.inside} running>"

    def __call__(self, event: Any, context: Any) -> Any:
        """Call the plain handler: no queue, no permission, no copy."""
        return self.handler(event, context)

    @property
    def lanes(self) -> Iterator[Lane]:
        """Those of `$LATEST` and of every version."""
        yield self.lane
        for version in self._versions.values():
            yield version.lane

    @property
    def editions(self) -> Iterator[Function | Version]:
        """What has code and a configuration of its own: `$LATEST`, and every version."""
        yield self
        yield from self._versions.values()

    @property
    def invocables(self) -> Iterator[Invocable]:
        """The function, its versions and its aliases."""
        yield self
        yield self._latest
        yield from self._versions.values()
        yield from self._aliases.values()

    @property
    def role(self) -> Role:
        """The execution role: what the code of `$LATEST` may do."""
        return self._role

    @role.setter
    def role(self, role: Role) -> None:
        self._may("UpdateFunctionConfiguration")
        self._assume(self._bus.roles.passed(role))

    def _assume(self, role: Role) -> None:
        if not role.can_be_assumed_by("lambda.amazonaws.com"):
            raise InvalidParameterValue(
                "The role defined for the function cannot be assumed by Lambda.",
                mend=f"its trust policy must let lambda.amazonaws.com do sts:AssumeRole; {role.name} has another",
            )
        self._role = role
        self._source = Source(str(role.session(self.name)), None, None, self.label, role, self.name)

    @property
    def source(self) -> Source:
        """The sender that the code of `$LATEST` is, acting as the execution role."""
        return self._source

    @property
    def revision_id(self) -> str:
        """Changes whenever `$LATEST` is changed or published."""
        return self._bus.ids.derived(f"{self.arn} {self.revision}")

    @property
    def code_sha256(self) -> str:
        """What tells the code of one version from that of another, base64."""
        return code_sha256(self.handler)

    def dead_letter(self, target: Any, *, grant: bool = False) -> None:
        """Send the original of every asynchronous event that is given up to a standard queue or topic.

        The message carries the attributes RequestID, ErrorCode and ErrorMessage. It holds for all versions. Arguments
        and errors as for `on_success`.
        """
        self._may("UpdateFunctionConfiguration")
        self.destinations.dead_letter = self._destination(target, "dead_letter", _DEAD_LETTER, grant)
        self._has_changed()

    def tag(self, tags: Mapping[str, str]) -> None:
        """Add tags, or replace their values: TagResource. Raises InvalidParameterValue for what AWS does not take."""
        self._may("TagResource")
        self.tags = MappingProxyType(merged(self.tags, tags))

    def untag(self, keys: Iterable[str]) -> None:
        """Take tags away; those that it hasn't are no matter: UntagResource."""
        self._may("UntagResource")
        gone = set(() if isinstance(keys, str) else keys)
        if isinstance(keys, str) or not all(isinstance(key, str) for key in gone):
            raise ConfigurationError(f"keys={keys!r}: a list of texts is needed")
        self.tags = MappingProxyType({key: value for key, value in self.tags.items() if key not in gone})

    # -- changing $LATEST -------------------------------------------------------------------------------------------

    def update_configuration(self, *, revision_id: str | None = None, **changes: Any) -> None:
        """Change settings of `$LATEST` (`timeout`, `memory`, `environment`, `role`, …) or of the whole function
        (`retries`, `max_event_age`, `reserved_concurrency`, `recursive_loop`). `handler="module.function"` and
        `runtime` are for what came as a directory or an archive.

        Events that run go on under the old ones; new environments are started for what a version freezes. Raises
        ConfigurationError or InvalidParameterValue, with nothing changed, for a bad value, and PreconditionFailed if
        `revision_id` is not the latest.
        """
        for action in _actions(changes):
            self._may(action)
        self.check_revision(revision_id)
        role, handler, runtime = changes.pop("role", None), changes.pop("handler", None), changes.pop("runtime", None)
        renamed = None
        if handler is not None or runtime is not None:
            if not isinstance(self.handler, Packaged):
                raise ConfigurationError(f"{self.name} has its handler from this program: call update_code(<another>)")
            renamed = self.handler.renamed(handler, runtime)
        unknown = sorted(set(changes) - set(attrs.fields_dict(Configuration)) | (set(changes) & {"isolation"}))
        if unknown:
            raise ConfigurationError(f"{', '.join(unknown)} cannot be changed; settings are {_settings()}")
        configuration = attrs.evolve(self.configuration, **changes)
        chosen = self.role if role is None else self._bus.roles.passed(role)
        self._bus.account.reserve(self.name, configuration.reserved_concurrency)  # the last that may be refused
        try:
            self._assume(chosen)
        except InvalidParameterValue:
            self._bus.account.reserve(self.name, self.configuration.reserved_concurrency)
            raise
        self.configuration = configuration
        for invocable in self.invocables:
            invocable.apply_settings()
        for lane in self.lanes:
            lane.apply_limits()
        if role is not None or renamed is not None or not set(changes) <= FUNCTION_WIDE:
            if renamed is not None:
                self.handler = self.__wrapped__ = renamed
            self._has_changed()
            self.lane.renew()

    def update_code(
        self,
        handler: Callable[[Any, Any], Any] | str,
        code: str | Path | bytes | None = None,
        *,
        runtime: str = "python",
        architecture: str | None = None,
        publish: bool = False,
        revision_id: str | None = None,
    ) -> Function | Version:
        """Give `$LATEST` another handler; events that run end under the old one, all others run the new one.

        `code` and `runtime` are for processes, as for `bus.add_function`; a function that runs in processes goes on to
        do so. With `publish=True` a version is published and returned. Raises ConfigurationError for what is no
        handler, PreconditionFailed if `revision_id` is not the latest.
        """
        self._may("UpdateFunctionCode")
        self.check_revision(revision_id)
        called, isolation = prepared(handler, code, runtime, "process" if isinstance(self.handler, Packaged) else None)
        configuration = attrs.evolve(
            self.configuration,
            isolation=isolation,
            architecture=self.configuration.architecture if architecture is None else architecture,
        )
        self.handler = called
        self.__wrapped__ = called
        self.configuration = configuration
        self._has_changed()
        self.lane.renew()
        return self._publish(None) if publish else self

    def _has_changed(self) -> None:
        self.revision += 1
        self.modified_at = self._bus.clock.now()

    def check_revision(self, revision_id: str | None) -> None:
        """Raise PreconditionFailed if a revision id is given and is not the latest."""
        if revision_id is not None and revision_id != self.revision_id:
            raise PreconditionFailed(
                "The Revision Id provided does not match the latest Revision Id. "
                "Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
                mend=f"{self.label}.revision_id is {self.revision_id}",
            )

    def _set_retries(self, retries: int, max_event_age: float) -> None:
        self.configuration = attrs.evolve(self.configuration, retries=retries, max_event_age=max_event_age)

    def apply_settings(self) -> None:
        self.settings = _settings_of(self.configuration)
        self._latest.apply_settings()
        self.lane.apply_settings()

    # -- versions ---------------------------------------------------------------------------------------------------

    @property
    def versions(self) -> Mapping[str, Version]:
        """The published versions by number, oldest first."""
        return MappingProxyType(self._versions)

    def publish_version(
        self, description: str | None = None, *, code_sha256: str | None = None, revision_id: str | None = None
    ) -> Version:
        """Freeze `$LATEST` as the next version: its handler, configuration and role, whatever happens to it later.

        If nothing has changed since the last version was published, that version is returned and none is made.
        `description` is the version's own, by default that of `$LATEST`. Raises InvalidParameterValue if `code_sha256`
        is not that of `$LATEST`, PreconditionFailed if `revision_id` is not the latest.
        """
        self._may("PublishVersion")
        if code_sha256 is not None and code_sha256 != self.code_sha256:
            raise InvalidParameterValue(
                f"CodeSHA256 ({code_sha256}) is different from current CodeSHA256 in $LATEST ({self.code_sha256}). "
                "Please try again with the CodeSHA256 in $LATEST."
            )
        self.check_revision(revision_id)
        return self._publish(description)

    def _publish(self, description: str | None) -> Version:
        newest = next(reversed(self._versions.values()), None)
        configuration = self.configuration
        if description is not None:
            configuration = attrs.evolve(configuration, description=description)
        if newest is not None and newest.is_same(self, self.destinations.dead_letter):
            return newest
        handler = self.handler.frozen() if isinstance(self.handler, Packaged) else self.handler
        number = str(self._bus.next_version(self.name))
        version = Version(self._bus, self, number, configuration, handler)
        self._bus.register(version)
        self._versions[number] = version
        self.revision += 1
        self._bus.declared(version)
        return version

    def version(self, number: str | int) -> Version | Latest:
        """A published version, or `$LATEST`, as something to invoke, wire and grant to.

        Raises ResourceNotFound if there is none with this number.
        """
        if str(number) == LATEST:
            return self._latest
        version = self._versions.get(str(number))
        if version is None:
            raise ResourceNotFound(
                f"Function not found: {self.arn}:{number}",
                mend=f"published are {', '.join(self._versions) or 'none'}; call {self.label}.publish_version()",
            )
        return version

    # -- aliases ----------------------------------------------------------------------------------------------------

    @property
    def aliases(self) -> Mapping[str, Alias]:
        """The aliases by name."""
        return MappingProxyType(self._aliases)

    def create_alias(
        self,
        name: str,
        version: Version | Latest | str | int,
        weights: Mapping[str, float] | None = None,
        *,
        description: str = "",
    ) -> Alias:
        """Give a version a name that can be pointed to another one later: CreateAlias.

        `weights` sends a part of the invocations to one more version: `{"2": 0.1}`. Raises ValidationFailed for a name
        that cannot be, ResourceConflict for one that is taken, ResourceNotFound for a version that does not exist,
        InvalidParameterValue for weights that cannot be.
        """
        self._may("CreateAlias")
        if checked_alias_name(name) in self._aliases:
            raise ResourceConflict(
                f"Alias already exists: {self.arn}:{name}", mend=f'call {self.label}.update_alias("{name}", ...)'
            )
        alias = Alias(self._bus, self, name, version, weights, description)
        self._bus.register(alias)
        self._aliases[name] = alias
        self._bus.declared(alias)
        return alias

    def update_alias(
        self,
        name: str,
        version: Version | Latest | str | int | None = None,
        weights: Mapping[str, float] | None = None,
        *,
        description: str | None = None,
        revision_id: str | None = None,
    ) -> Alias:
        """Point an alias to another version, or change its weights (`{}` takes them away): UpdateAlias.

        What is None stays. Raises ResourceNotFound if there is no such alias, and what `create_alias` raises.
        """
        self._may("UpdateAlias")
        alias = self._aliases.get(name)
        if alias is None:
            raise ResourceNotFound(f"Alias not found: {self.arn}:{name}")
        alias.update(version, weights, description=description, revision_id=revision_id)
        return alias

    def alias(self, name: str) -> Alias:
        """An alias by its name. Raises ResourceNotFound if there is none."""
        alias = self._aliases.get(name)
        if alias is None:
            raise ResourceNotFound(
                f"Cannot find alias arn: {self.arn}:{name}",
                mend=f'it has {", ".join(self._aliases) or "none"}; call {self.label}.create_alias("{name}", version)',
            )
        return alias

    def qualified(self, qualifier: str | None) -> Invocable:
        """What a qualifier stands for: the function itself, a version or an alias. Raises ResourceNotFound."""
        if qualifier is None:
            return self
        if qualifier in self._aliases:
            return self._aliases[qualifier]
        return self.version(qualifier)

    # -- the end ----------------------------------------------------------------------------------------------------

    def delete(self, qualifier: str | None = None) -> None:
        """Delete the function with all of its versions and aliases, or one version: DeleteFunction.

        Environments that run finish; events that are queued end in `bus.dead_letters`. Raises InvalidParameterValue
        for `$LATEST` or an alias, ResourceNotFound for a version that does not exist, ResourceConflict for one that an
        alias points to.
        """
        self._may("DeleteFunction")
        if qualifier is None:
            self._bus.forget(self)
            return
        if qualifier == LATEST:
            raise InvalidParameterValue(
                "$LATEST version cannot be deleted without deleting the function.", mend=f"call {self.label}.delete()"
            )
        if qualifier in self._aliases:
            raise InvalidParameterValue(
                "Deletion of aliases is not currently supported.",
                mend=f'call {self.label}.delete_alias("{qualifier}")',
            )
        version = self._versions.get(qualifier)
        if version is None:
            raise ResourceNotFound(f"Function not found: {self.arn}")
        users = [alias.qualifier for alias in self._aliases.values() if version in alias.routing]
        if users:
            raise ResourceConflict(
                f"Version {qualifier} is used by an alias, delete or re-point it first: {', '.join(map(str, users))}"
            )
        version.give_back()
        del self._versions[qualifier]
        self._bus.unregister(version)
        self._bus.retire(version.lane)

    def delete_alias(self, name: str) -> None:
        """Delete an alias; that it does not exist is fine, as on AWS: DeleteAlias."""
        self._may("DeleteAlias")
        alias = self._aliases.pop(name, None)
        if alias is not None:
            alias.give_back()
            self._bus.unregister(alias)


def _role_name(function: str) -> str:
    """A role's name has 64 characters at most, as a function's has; what is cut off stays in a checksum."""
    return f"{function}-role" if len(function) <= 59 else f"{function[:50]}-{zlib.crc32(function.encode()):08x}-role"


def _actions(changes: Mapping[str, Any]) -> set[str]:
    """What a change of settings takes the permission for: each part of it has a call of its own on AWS."""
    found = {_ACTIONS.get(name, "UpdateFunctionConfiguration") for name in changes}
    if "reserved_concurrency" in changes and changes["reserved_concurrency"] is None:
        found = found - {"PutFunctionConcurrency"} | {"DeleteFunctionConcurrency"}
    return found or {"UpdateFunctionConfiguration"}


def _settings_of(how: Configuration) -> AsyncSettings:
    return AsyncSettings(how.retries, how.max_event_age, how.reserved_concurrency == 0)


def _settings() -> str:
    return ", ".join([*(name for name in attrs.fields_dict(Configuration) if name != "isolation"), "role"])
