"""What can be invoked under an ARN of its own: a function, a version of it, an alias.

Each has its own resource policy and its own settings for asynchronous events, as on AWS: what is granted to an alias is
not granted to the function, and the other way round.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from eventbus.delivery.destinations import checked_destination
from eventbus.delivery.payload import encode, parse
from eventbus.delivery.retry import AsyncSettings
from eventbus.delivery.targets import Message, Source, Target
from eventbus.errors import (
    ConfigurationError,
    InvalidParameterValue,
    InvalidRequestContent,
    NotJSON,
    ResourceNotFound,
)
from eventbus.functions.configuration import Configuration
from eventbus.iam.resource_policy import FunctionPolicy
from eventbus.iam.roles import Role

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.delivery.event import Event
    from eventbus.delivery.lane import Lane
    from eventbus.functions.function import Function

_STATEMENT_ID_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
_ON_SUCCESS = ("function", "queue", "topic", "event bus")
_ON_FAILURE = (*_ON_SUCCESS, "bucket")
_KEEP = object()
"""What an update leaves as it is."""


@attrs.define(eq=False)
class Destinations:
    """Where ended asynchronous events go."""

    on_success: Target | None = None
    on_failure: Target | None = None
    dead_letter: Target | None = None
    """Of the function alone; its versions and aliases use the same."""


class Invocable:
    """A function, a version or an alias: whatever takes one takes all three, by object or by ARN."""

    kind = "function"
    send_action = "lambda:InvokeFunction"
    is_fifo = False

    lane: Lane
    """The queue and the environments that the next event goes to; for the engine."""

    def __init__(self, bus: EventBus, function: Function, qualifier: str | None, arn: str, label: str) -> None:
        self._bus = bus
        self.home: EventBus | None = bus
        """The bus that it is on; None once it was deleted."""
        self.function = function
        """The function itself, of which this is a version or an alias."""
        self.qualifier = qualifier
        """What follows the name in its ARN: a version's number, an alias's name, `$LATEST`; None for the function."""
        self.name = arn.rpartition(":function:")[2]
        """As the trace shows it: `f`, `f:7`, `f:prod`."""
        self.arn = arn
        self.resource_arn = arn
        """The ARN that policies know it by."""
        self.label = label
        self.account_id = bus.account_id
        self.access = FunctionPolicy(self.arn, bus.ids.uuid)
        self.destinations = Destinations()
        self.settings = AsyncSettings()
        """How its asynchronous events are treated."""
        self._configured_at: float | None = None

    @property
    def bus(self) -> EventBus:
        """The bus that it is on, or was until it was deleted."""
        return self._bus

    @property
    def role(self) -> Role:
        """The execution role."""
        raise NotImplementedError

    @property
    def source(self) -> Source:
        """The sender that its code is, acting as the execution role."""
        raise NotImplementedError

    # -- who may invoke it ------------------------------------------------------------------------------------------

    @property
    def policy(self) -> dict[str, Any] | None:
        """The resource policy as a document, or None while it has no statement."""
        return self.access.document

    def add_permission(self, statement_id: str, principal: str, **conditions: Any) -> dict[str, Any]:
        """Let a principal invoke the function, as AWS's AddPermission does; returns the statement.

        `conditions` are `action`, `source_arn`, `source_account`, `principal_org_id`, `event_source_token`,
        `function_url_auth_type`, `invoked_via_function_url` and `revision_id`. Raises ResourceConflict for a statement
        id that is taken, InvalidParameterValue for an unknown form of principal, PolicyLengthExceeded above 20 KB.
        """
        self._may("AddPermission")
        return self.access.add_permission(statement_id, principal, **conditions)

    def remove_permission(self, statement_id: str, *, revision_id: str | None = None) -> None:
        """Take a statement back. Raises ResourceNotFound if there is none with this id, PreconditionFailed if
        `revision_id` is not that of the policy.
        """
        self._may("RemovePermission")
        self.access.remove_permission(statement_id, revision_id=revision_id)

    def _may(self, action: str) -> None:
        """Refuse a handler whose role may not do this with it."""
        self._bus.authorize(f"lambda:{action}", self.resource_arn, self.access, self.label)

    def allow(self, source: Any, statement_id: str | None = None) -> None:
        """Let a source trigger the function: a bucket or a topic, another function or role, a principal's name or ARN.

        Short for `add_permission` with the source's own principal, ARN and account. Allowing the same source twice
        changes nothing.
        """
        permission = _permission(source)
        for statement in (self.policy or {}).get("Statement", ()):
            if _says(statement, permission):
                return
        self.add_permission(statement_id or self._new_statement_id(source), **permission)

    def _new_statement_id(self, source: Any) -> str:
        name = source if isinstance(source, str) else str(getattr(source, "label", getattr(source, "name", "source")))
        stem = "".join(c if c in _STATEMENT_ID_CHARACTERS else "-" for c in name).strip("-")[:90] or "source"
        taken = {statement["Sid"] for statement in (self.policy or {}).get("Statement", ())}
        return stem if stem not in taken else next(s for n in range(2, 10_000) if (s := f"{stem}-{n}") not in taken)

    def explain(self, source: Any) -> str:
        """Whether a source may invoke the function, and for every statement that counts why it matches or doesn't.

        `source` is a bucket, a topic, another function or a principal's name, as for `allow`.
        """
        sender = self._bus.source_of(source)
        request = self._bus.authority.send_request(sender, self)
        return self._bus.authority.may_send(sender, self).explain(request)

    # -- how its asynchronous events are treated, and where they end -------------------------------------------------

    def on_success(self, target: Any, *, grant: bool = False) -> None:
        """Send a record of every asynchronous event that succeeds to a queue, topic, function or event bus.

        `target` is the object or its ARN.

        The execution role must be allowed to send there, else InvalidParameterValue names the mending call; with
        `grant=True` the permission is added. None removes the destination.
        """
        self._may("PutFunctionEventInvokeConfig")
        self.destinations.on_success = self._destination(target, "on_success", _ON_SUCCESS, grant)
        self._has_configured()

    def on_failure(self, target: Any, *, grant: bool = False) -> None:
        """Send a record of every event that is given up to a queue, topic, function, event bus or bucket.

        Arguments and errors as for `on_success`.
        """
        self._may("PutFunctionEventInvokeConfig")
        self.destinations.on_failure = self._destination(target, "on_failure", _ON_FAILURE, grant)
        self._has_configured()

    def put_event_invoke_config(
        self,
        *,
        retries: int | None = None,
        max_event_age: float | None = None,
        on_success: Any = None,
        on_failure: Any = None,
        grant: bool = False,
    ) -> dict[str, Any]:
        """Set how asynchronous events are treated, as AWS's PutFunctionEventInvokeConfig does; returns its answer.

        What is left out is reset: 2 retries, 21,600 seconds, no destinations. Raises InvalidParameterValue when
        nothing is given, and what `on_failure` raises, with nothing changed.
        """
        self._may("PutFunctionEventInvokeConfig")
        if (retries, max_event_age, on_success, on_failure) == (None, None, None, None):
            raise InvalidParameterValue("You must specify at least one of error handling or destination setting.")
        return self._configure_events(retries, max_event_age, on_success, on_failure, grant=grant)

    def update_event_invoke_config(
        self,
        *,
        retries: int | None = None,
        max_event_age: float | None = None,
        on_success: Any = _KEEP,
        on_failure: Any = _KEEP,
        grant: bool = False,
    ) -> dict[str, Any]:
        """Change some of these settings, as AWS's UpdateFunctionEventInvokeConfig does.

        Raises ResourceNotFound if there are none yet.
        """
        self._may("UpdateFunctionEventInvokeConfig")
        self._check_configured()
        return self._configure_events(
            self.settings.retries if retries is None else retries,
            self.settings.max_event_age if max_event_age is None else max_event_age,
            self.destinations.on_success if on_success is _KEEP else on_success,
            self.destinations.on_failure if on_failure is _KEEP else on_failure,
            grant=grant,
        )

    def delete_event_invoke_config(self) -> None:
        """Go back to the defaults. Raises ResourceNotFound if nothing was set."""
        self._may("DeleteFunctionEventInvokeConfig")
        self._check_configured()
        self._configure_events(None, None, None, None, grant=False)
        self._configured_at = None

    @property
    def event_invoke_config(self) -> dict[str, Any]:
        """The settings as AWS shows them; `LastModified` is in seconds since the epoch.

        Raises ResourceNotFound if nothing was set.
        """
        self._check_configured()
        chosen = (("OnSuccess", self.destinations.on_success), ("OnFailure", self.destinations.on_failure))
        return {
            "FunctionArn": self.arn if self.qualifier is not None else f"{self.arn}:$LATEST",
            "LastModified": self._configured_at,
            "MaximumRetryAttempts": self.settings.retries,
            "MaximumEventAgeInSeconds": int(self.settings.max_event_age),
            "DestinationConfig": {
                name: {} if target is None else {"Destination": target.arn} for name, target in chosen
            },
        }

    @property
    def has_event_invoke_config(self) -> bool:
        """Whether anything was set."""
        return self._configured_at is not None

    def _configure_events(
        self, retries: int | None, max_event_age: float | None, on_success: Any, on_failure: Any, *, grant: bool
    ) -> dict[str, Any]:
        checked = Configuration(
            retries=2 if retries is None else retries, max_event_age=21_600 if max_event_age is None else max_event_age
        )
        with self.role.all_or_nothing():
            succeeded = self._destination(on_success, "on_success", _ON_SUCCESS, grant)
            failed = self._destination(on_failure, "on_failure", _ON_FAILURE, grant)
        self._set_retries(checked.retries, checked.max_event_age)
        self.destinations.on_success, self.destinations.on_failure = succeeded, failed
        self._has_configured()
        return self.event_invoke_config

    def _set_retries(self, retries: int, max_event_age: float) -> None:
        checked = Configuration(retries=retries, max_event_age=max_event_age)
        self.settings = attrs.evolve(self.settings, retries=checked.retries, max_event_age=checked.max_event_age)

    def _has_configured(self) -> None:
        self._configured_at = self._bus.clock.now()
        self.apply_settings()

    def _check_configured(self) -> None:
        if self._configured_at is None:
            arn = self.arn if self.qualifier is not None else f"{self.arn}:$LATEST"
            raise ResourceNotFound(f"The function {arn} doesn't have an EventInvokeConfig")

    def apply_settings(self) -> None:
        """Take over what the function says for all of its versions and aliases."""
        is_off = self.function.configuration.reserved_concurrency == 0
        self.settings = attrs.evolve(self.settings, is_switched_off=is_off)

    def _destination(self, target: Any, call: str, kinds: tuple[str, ...], grant: bool) -> Target | None:
        if target is None:
            return None
        chosen = self._bus.resource(target)
        if isinstance(chosen, Invocable) and chosen.function is self.function:
            if call == "dead_letter":
                raise InvalidParameterValue(
                    f"The destination ARN {chosen.arn} is invalid.", mend="dead_letter takes a standard queue or topic"
                )
            raise InvalidParameterValue("You can't specify the function as a destination for itself.")
        what = [f"standard {kind}" if kind in ("queue", "topic") else kind for kind in kinds]
        accepted = f"{call} takes a {', '.join(what[:-1])} or {what[-1]}"
        return checked_destination(self._bus, self, chosen, kinds, accepted, grant=grant)

    # -- what it reads ----------------------------------------------------------------------------------------------

    def poll(self, source: Any, **options: Any) -> Any:
        """Have the bus read a stream or a queue and invoke the function with batches: CreateEventSourceMapping.

        `source` is a Kinesis stream or its consumer, a DynamoDB table or its stream, an SQS queue, or the ARN of one.
        Options, by AWS's names: `batch_size`, `batch_window` (seconds), `filters`, `function_response_types`,
        `enabled`, `metrics`; for streams `starting_position`, `starting_position_timestamp`, `parallelization_factor`,
        `maximum_retry_attempts`, `maximum_record_age` (seconds), `bisect_batch_on_function_error`, `tumbling_window`
        (seconds), `on_failure`; for queues `maximum_concurrency`. The execution role must be allowed to read the
        source, else InvalidParameterValue names the mending call; `grant=True` adds the permission.

        Returns the `EventSourceMapping`. Raises InvalidParameterValue, ValidationFailed or ResourceConflict, with
        nothing made.
        """
        return self._bus.pollables.find(source).poll_into(self, **options)

    # -- taking messages --------------------------------------------------------------------------------------------

    def accept(self, message: Message, source: Source) -> Event:
        """Queue what another resource sends: its body must be JSON. Raises InvalidRequestContent otherwise."""
        body = message.body
        if isinstance(body, str):
            try:
                body = encode(parse(body))
            except (ValueError, NotJSON) as error:
                raise InvalidRequestContent(
                    f"Could not parse request body into json: Could not parse payload into json: {error}"
                ) from None
        return self._bus.enqueue(self, body, source, message.cause)


def _permission(source: Any) -> dict[str, Any]:
    """What `allow` grants: the parameters of AddPermission that say who the source is."""
    if isinstance(source, str):
        return {"principal": source}
    role = getattr(source, "role", source)
    if hasattr(source, "principal") and getattr(source, "arn", None):
        permission = {"principal": source.principal, "source_arn": source.arn}
        if account := getattr(source, "account_id", None):
            permission["source_account"] = account
        return permission
    if isinstance(role, Role):
        return {"principal": role.arn}
    raise ConfigurationError(
        f"{source!r} cannot be allowed: give a bucket, a topic, a function, a role, or the name or ARN of a principal"
    )


def _says(statement: Mapping[str, Any], permission: Mapping[str, Any]) -> bool:
    """Whether a statement already grants exactly this permission."""
    principal, wanted = statement.get("Principal"), permission["principal"]
    named = set(principal.values()) if isinstance(principal, dict) else {principal}
    condition = {}
    if "source_account" in permission:
        condition["StringEquals"] = {"AWS:SourceAccount": permission["source_account"]}
    if "source_arn" in permission:
        condition["ArnLike"] = {"AWS:SourceArn": permission["source_arn"]}
    return (
        statement.get("Action") == "lambda:InvokeFunction"
        and not named.isdisjoint({wanted, f"arn:aws:iam::{wanted}:root"})
        and statement.get("Condition", {}) == condition
    )
