"""Notifications of a bucket: who gets its events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from eventbus.delivery.payload import encode
from eventbus.delivery.targets import Message, Target
from eventbus.errors import AWSError, ConfigurationError, ResourceNotFound
from triggers.s3.configuration import Configuration, kind_of, make_rule, parse, refused_destinations, unencoded
from triggers.s3.core import BucketCore
from triggers.s3.notifications import Rule
from triggers.s3.records import SUBJECT, s3_test_event

if TYPE_CHECKING:
    from eventbus.functions.function import Function

_NOUNS = {"Topic": "topic", "Queue": "queue"}


class Wiring(BucketCore):
    """The calls that configure notifications."""

    def notify(
        self,
        target: object,
        events: str | Iterable[str],
        *,
        prefix: str = "",
        suffix: str = "",
        id: str | None = None,  # noqa: A002 - AWS's name
        grant: bool = False,
    ) -> None:
        """Send these events, of keys with this prefix and suffix, to a function, topic or queue.

        `target` is the object or its ARN; `events` are names such as `"s3:ObjectCreated:*"`. Adds one configuration to
        those that are there; `id` becomes the record's `configurationId`. A topic or queue gets `s3:TestEvent` first.

        The target's policy must let the bucket send, else InvalidArgument names the mending call; with `grant=True` the
        permission is added. Raises InvalidArgument too for an unknown event and for a configuration that overlaps
        another one, with nothing changed.
        """
        self._allowed("s3:PutBucketNotification")
        arn = target if isinstance(target, str) else self._bus.resource(target).arn
        rule = self._rule(arn, kind_of(arn), events, prefix, suffix, id)
        configuration = self._extended(rule)
        if grant:
            self._grant(arn)
        self._validate((rule,))
        self._install(configuration, (rule,))

    def on(
        self,
        events: str | Iterable[str],
        *,
        prefix: str = "",
        suffix: str = "",
        id: str | None = None,  # noqa: A002 - AWS's name
        **function_options: Any,
    ) -> Callable[[Callable[[Any, Any], Any]], Function]:
        """Decorate a handler: make it a function, let the bucket invoke it, and notify it.

        `function_options` are those of `bus.function` (`name`, `memory`, `timeout`, `retries`, ...). Raises what
        `notify` and `bus.function` raise; no function is made then.
        """

        if callable(events):
            raise ConfigurationError('on() takes the events first: write @bucket.on("s3:ObjectCreated:*")')

        def decorate(handler: Callable[[Any, Any], Any]) -> Function:
            # Everything that can be wrong with the notification is found out before the function exists.
            arn = f"arn:{self._bus.partition}:lambda:{self.region}:{self.account_id}:function:-"
            self._extended(self._rule(arn, "CloudFunction", events, prefix, suffix, id))
            function = self._bus.function(**function_options)(handler)
            self.notify(function, events, prefix=prefix, suffix=suffix, id=id, grant=True)
            return function

        return decorate

    def put_notification_configuration(
        self, configuration: Mapping[str, Any], *, skip_destination_validation: bool = False
    ) -> None:
        """Replace the whole configuration, in boto3's shape; `{}` switches everything off.

        The parts are LambdaFunctionConfigurations, TopicConfigurations, QueueConfigurations and
        EventBridgeConfiguration. All or nothing: one bad destination refuses the document, unless
        `skip_destination_validation` says otherwise (its ARN must be well-formed even then); topics and queues get
        `s3:TestEvent`. Raises MalformedXML or InvalidArgument.
        """
        self._allowed("s3:PutBucketNotification")
        parsed = parse(configuration, self.region, self._bus.ids.uuid, self._service.max_notifications)
        if skip_destination_validation:
            self._install(parsed, ())
        else:
            self._validate(parsed.rules)
            self._install(parsed, parsed.rules)

    def get_notification_configuration(self) -> dict[str, Any]:
        """The configuration in boto3's shape, with the Ids that were made up; `{}` when there is none."""
        self._allowed("s3:GetBucketNotification")
        return self._configuration.document()

    def _rule(
        self, arn: str, kind: str, events: str | Iterable[str], prefix: str, suffix: str, identifier: str | None
    ) -> Rule:
        wanted: object = events
        if not isinstance(wanted, str | Iterable):
            raise ConfigurationError(f'events={wanted!r}: names of events are needed, such as "s3:ObjectCreated:*"')
        options: dict[str, object] = {"prefix": prefix, "suffix": suffix, "id": identifier or ""}
        for option, given in options.items():
            if not isinstance(given, str):
                raise ConfigurationError(f"{option}={given!r}: a text is needed")
        names = (events,) if isinstance(events, str) else tuple(events)
        if not names:
            raise ConfigurationError('events names at least one event, such as "s3:ObjectCreated:*"')
        filters = tuple((name, value) for name, value in (("Prefix", prefix), ("Suffix", suffix)) if value)
        return make_rule(identifier or self._bus.ids.uuid(), kind, arn, names, filters, self.region)

    def _extended(self, rule: Rule) -> Configuration:
        present = self._configuration
        return Configuration.of((*present.rules, rule), present.has_event_bridge, self._service.max_notifications)

    def _grant(self, arn: str) -> None:
        try:
            target = self._bus.resource(arn)
        except ResourceNotFound:
            return  # the validation says so in S3's words
        if not self._bus.may_send(self.source, target).is_allowed:
            target.allow(self)

    def _validate(self, rules: tuple[Rule, ...]) -> None:
        """Raise InvalidArgument unless every destination exists and lets the bucket send."""
        bad: dict[tuple[str, str], str] = {}
        for rule in rules:
            target = self._target(rule.arn)
            is_permitted = target is not None and self._bus.may_send(self.source, target).is_allowed
            if not is_permitted:
                bad[_complaint(rule, is_missing=target is None)] = (
                    f"nothing on this bus has the ARN {rule.arn}"
                    if target is None
                    else f"call {target.label}.allow({self.label}) or pass grant=True to notify"
                )
        if bad:
            raise refused_destinations(list(bad), list(bad.values()))

    def _target(self, arn: str) -> Target | None:
        try:
            return self._bus.resource(arn)
        except ResourceNotFound:
            return None

    def _install(self, configuration: Configuration, validated: tuple[Rule, ...]) -> None:
        for rule in validated:
            for name, value in rule.filter_rules:
                if encoded := unencoded(value):
                    # matches here, where S3 compares the URL-encoded key and never would
                    self._bus.log.warning(
                        "filter_not_encoded", bucket=self.name, filter=name, value=value, mend=encoded
                    )
        for arn in dict.fromkeys(rule.arn for rule in validated if rule.kind != "CloudFunction"):
            target = self._bus.resource(arn)
            if not self._service.after_start(partial(self._send_first_test_event, target)):
                self._send_test_event(target)
        self._configuration = configuration
        self._match = configuration.index.match

    def _send_first_test_event(self, target: Target) -> None:
        """Wiring is declared at every start, but a destination of earlier starts has had its test event."""
        if (
            self._kept is None
            or self._is_deleted
            or not any(rule.arn == target.arn for rule in self._configuration.rules)
        ):
            return
        self._kept.forget_destinations({rule.arn for rule in self._configuration.rules})
        if not self._kept.is_tested(target.arn):
            try:
                self._send_test_event(target)
            except AWSError as error:
                self._bus.log.warning("test_event_refused", bucket=self.name, destination=target.arn, reason=str(error))

    def _send_test_event(self, target: Target) -> None:
        body = encode(s3_test_event(self._origin, self._bus.clock.now(), self._bus.ids.hex(16)))
        action = self._bus.note("s3:TestEvent", self, target.name)
        try:
            with self._bus.facts():  # nobody waits for configuration, so nobody could be told that it was taken back
                target.accept(Message(body, action, SUBJECT), self.source)
        except AWSError as error:
            action.note = f"refused: {error}"
            raise refused_destinations([(target.arn, error.message)], [error.mend] if error.mend else []) from error
        if self._kept is not None:
            self._kept.tested(target.arn)


def _complaint(rule: Rule, *, is_missing: bool) -> tuple[str, str]:
    """ArgumentName and ArgumentValue of a destination that cannot be used."""
    if rule.kind == "CloudFunction":
        return f"{rule.arn}, null", f"Not authorized to invoke function [{rule.arn}]"
    noun = _NOUNS[rule.kind]
    if is_missing:
        return rule.arn, f"The destination {noun} does not exist"
    return (
        rule.arn,
        f"Permissions on the destination {noun} do not allow S3 to publish notifications from this bucket",
    )
