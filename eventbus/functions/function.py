"""A function: the handler, its configuration, its role, its resource policy and its wiring."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from eventbus.delivery.lane import Lane
from eventbus.delivery.payload import encode, parse
from eventbus.delivery.targets import Message, Source, Target
from eventbus.errors import ConfigurationError, InvalidParameterValue, InvalidRequestContent, NotJSON
from eventbus.functions.code import Code
from eventbus.functions.configuration import Configuration
from eventbus.iam.resource_policy import FunctionPolicy
from eventbus.iam.roles import Role

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.delivery.event import Event

_STATEMENT_ID_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
_ON_SUCCESS = ("function", "queue", "topic", "event bus")
_ON_FAILURE = (*_ON_SUCCESS, "bucket")
_DEAD_LETTER = ("queue", "topic")


class Function:
    """One Lambda function on the bus. Made by `bus.function` or `bus.add_function`.

    Calling it calls the plain handler, so that unit tests stay unit tests.
    """

    kind = "function"
    send_action = "lambda:InvokeFunction"
    is_fifo = False

    def __init__(
        self,
        bus: EventBus,
        name: str,
        handler: Callable[[Any, Any], Any] | str,
        configuration: Configuration,
        code: Code | None = None,
    ) -> None:
        self._bus = bus
        self.name = name
        self.code = code
        """What its processes run; None for a task or a thread."""
        self.handler: Callable[[Any, Any], Any] = _elsewhere(name, handler) if isinstance(handler, str) else handler
        self.configuration = configuration
        self.account_id = bus.account_id
        self.arn = f"arn:{bus.partition}:lambda:{bus.region}:{bus.account_id}:function:{name}"
        self.label = f'bus.functions["{name}"]'
        self.access = FunctionPolicy(self.arn, bus.ids.uuid)
        self.role = Role.basic(_role_name(name), bus.account_id)
        self.source = Source(str(self.role.session(name)), None, None, self.label, self.role, name)
        self.lane = Lane(self, bus)
        self.__name__ = name
        self.__doc__ = getattr(handler, "__doc__", None)
        self.__wrapped__ = self.handler

    def __repr__(self) -> str:
        lane = self.lane
        return (
            f"<Function {self.name}: {lane.configuration.isolation}, {len(lane.queue)} queued, {lane.inside} running>"
        )

    def __call__(self, event: Any, context: Any) -> Any:
        """Call the plain handler: no queue, no permission, no copy."""
        return self.handler(event, context)

    def forget_code(self) -> None:
        """Remove what was unpacked of a zip archive: no process will be started any more."""
        if self.code is not None:
            self.code.remove()

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
        return self.access.add_permission(statement_id, principal, **conditions)

    def remove_permission(self, statement_id: str) -> None:
        """Take a statement back. Raises ResourceNotFound if there is none with this id."""
        self.access.remove_permission(statement_id)

    def allow(self, source: Any, statement_id: str | None = None) -> None:
        """Let a source trigger the function: a bucket or a topic, another function or role, a principal's name or ARN.

        Short for `add_permission` with the source's own principal, ARN and account. Allowing the same source twice
        changes nothing.
        """
        permission = self._permission(source)
        for statement in (self.policy or {}).get("Statement", ()):
            if _says(statement, permission):
                return
        self.add_permission(statement_id or self._new_statement_id(source), **permission)

    def _permission(self, source: Any) -> dict[str, Any]:
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
            f"{source!r} cannot be allowed: give a bucket, a topic, a function, a role, "
            "or the name or ARN of a principal"
        )

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

    # -- where its events end ---------------------------------------------------------------------------------------

    def on_success(self, target: Any, *, grant: bool = False) -> None:
        """Send a record of every asynchronous event that succeeds to a queue, topic or function (object or ARN).

        The execution role must be allowed to send there, else InvalidParameterValue names the mending call; with
        `grant=True` the permission is added. None removes the destination.
        """
        self.lane.on_success = self._destination(target, "on_success", _ON_SUCCESS, grant)
        self.lane.must_settle = True

    def on_failure(self, target: Any, *, grant: bool = False) -> None:
        """Send a record of every asynchronous event that is given up to a queue, topic, function or bucket.

        Arguments and errors as for `on_success`.
        """
        self.lane.on_failure = self._destination(target, "on_failure", _ON_FAILURE, grant)

    def dead_letter(self, target: Any, *, grant: bool = False) -> None:
        """Send the original of every asynchronous event that is given up to a standard queue or topic.

        The message carries the attributes RequestID, ErrorCode and ErrorMessage. Arguments and errors as for
        `on_success`.
        """
        self.lane.dead_letter = self._destination(target, "dead_letter", _DEAD_LETTER, grant)

    def _destination(self, target: Any, call: str, kinds: tuple[str, ...], grant: bool) -> Target | None:
        if target is None:
            return None
        chosen = self._bus.resource(target)
        if chosen is self:
            raise InvalidParameterValue("You can't specify the function as a destination for itself.")
        if chosen.kind not in kinds or chosen.is_fifo:
            fifo = " standard" if chosen.is_fifo else ""
            raise InvalidParameterValue(
                f"The destination ARN {chosen.arn} is invalid.",
                mend=f"{call} takes a{fifo} {', '.join(kinds)}",
            )
        if grant:
            self.role.allow(chosen.send_action, chosen)
        decision = self._bus.authority.may_send(self.source, chosen)
        if not decision.is_allowed:
            action, service = chosen.send_action.split(":")[1], chosen.send_action.split(":")[0].upper()
            raise InvalidParameterValue(
                f"The provided execution role does not have permissions to call {action} on {service}",
                mend=f'call {self.label}.role.allow("{chosen.send_action}", {chosen.label}) or pass grant=True',
            )
        return chosen

    # -- configuration ----------------------------------------------------------------------------------------------

    def update_configuration(self, **changes: Any) -> None:
        """Change settings (`timeout`, `memory`, `retries`, `max_event_age`, `reserved_concurrency`, …).

        Events that run go on under the old ones. Raises ConfigurationError, with nothing changed, for a bad value.
        """
        unknown = sorted(set(changes) - set(attrs.fields_dict(Configuration)) | (set(changes) & {"isolation"}))
        if unknown:
            raise ConfigurationError(f"{', '.join(unknown)} cannot be changed; settings are {_settings()}")
        before = self.configuration
        self.configuration = attrs.evolve(before, **changes)
        try:
            self.lane.apply_configuration()
        except InvalidParameterValue:
            self.configuration = before
            self.lane.apply_configuration()
            raise

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


def _elsewhere(name: str, handler: str) -> Callable[[Any, Any], Any]:
    """What stands in for a handler that only its processes know."""

    def call(event: Any, context: Any) -> Any:
        raise ConfigurationError(f"{handler} runs in processes of its own: await bus.invoke({name!r}, event)")

    return call


def _role_name(function: str) -> str:
    """A role's name has 64 characters at most, as a function's has; what is cut off stays in a checksum."""
    return f"{function}-role" if len(function) <= 59 else f"{function[:50]}-{zlib.crc32(function.encode()):08x}-role"


def _settings() -> str:
    return ", ".join(name for name in attrs.fields_dict(Configuration) if name != "isolation")


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
