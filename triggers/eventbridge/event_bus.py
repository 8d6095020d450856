"""An event bus: events are put in, and its rules send them on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from eventbus.delivery.payload import as_text, decode, encode, parse
from eventbus.delivery.targets import Message, Source
from eventbus.errors import NotJSON
from eventbus.functions.configuration import handler_name
from eventbus.iam.roles import Role
from eventbus.telemetry.trace import Action, Cause
from triggers.eventbridge import configured
from triggers.eventbridge.archive import Archive
from triggers.eventbridge.configured import ConfiguredBus
from triggers.eventbridge.errors import AlreadyExists, LimitExceeded, MalformedDetail, NotFound, NotValid
from triggers.eventbridge.events import BusEvent, PutEventsResult, envelope, whole_event, whole_seconds
from triggers.eventbridge.explain import explain
from triggers.eventbridge.rule import (
    Rule,
    RuleDelivery,
    RuleSettings,
    checked_state,
    no_decorator,
    unknown_rule,
)
from triggers.eventbridge.rule_targets import parse_target, target_document
from triggers.patterns.index import PatternIndex

if TYPE_CHECKING:
    from eventbus.functions.function import Function
    from triggers.eventbridge.keeping import Keeping
    from triggers.eventbridge.service import EventBridge

MOST_RULES: Final = 300
"""Rules of an event bus (EventBridge quotas, 2026)."""

_NOBODY: Final = Source("events.amazonaws.com", None, None, "")
"""Stands for a rule that is yet to be put."""


def _nobody(role: Role, target_id: str) -> Source:
    return _NOBODY


class EventBridgeBus(ConfiguredBus):
    """An event bus of EventBridge: the one called `default`, or one that `create_event_bus` has made.

    Putting events in needs a running bus; inside a handler it needs the permission `events:PutEvents` of the function's
    role.
    """

    def __init__(self, service: EventBridge, name: str, description: str = "") -> None:
        super().__init__(service, name, description)
        self._rules: dict[str, Rule] = {}
        self._index: PatternIndex[Rule] = PatternIndex()
        self._archives: dict[str, Archive] = {}
        self._under_way: set[str] = set()
        """Ids of the events that are being sent on: one that comes back to its own event bus goes no further."""
        self._is_asked = False
        """Whether `reaches` is under way, so that a loop of event buses ends."""

    def __repr__(self) -> str:
        return f"<EventBridgeBus {self.name}: {len(self._rules)} rules>"

    # -- putting events in --------------------------------------------------------------------------------------------

    async def put(
        self,
        detail_type: str,
        detail: Mapping[str, Any],
        source: str,
        *,
        resources: Iterable[str] = (),
        time: float | datetime | str | None = None,
    ) -> str:
        """Put one event in, and return its id.

            await event_bus.put("order paid", {"total": 300}, source="shop.orders")

        `time` (seconds since the epoch, a datetime or ISO text) is now by default. Raises NotValid with AWS's text,
        AccessDenied, or StoreUnavailable, with nothing put in. When cancelled, every rule has got it, or none.
        """
        self.bus.accepting("put")
        await self.bus.room(self.reaches)
        event_id = self.put_nowait(detail_type, detail, source, resources=resources, time=time)
        await self.bus.synced()
        return event_id

    def put_nowait(
        self,
        detail_type: str,
        detail: Mapping[str, Any],
        source: str,
        *,
        resources: Iterable[str] = (),
        time: float | datetime | str | None = None,
    ) -> str:
        """The synchronous twin of `put`: no back-pressure, and no waiting for the store."""
        if not isinstance(detail, Mapping):
            raise NotValid("Detail is malformed.", mend="the detail of an event is a mapping")
        try:
            text = as_text(encode(dict(detail)))
        except NotJSON as error:
            raise NotValid("Detail is malformed.", mend=str(error)) from None
        entry: dict[str, Any] = {"Source": source, "DetailType": detail_type, "Detail": text}
        entry |= {"Resources": list(resources)} | ({} if time is None else {"Time": time})
        [result] = self.put_events_nowait([entry]).entries
        if result.event_id is None:
            raise NotValid(f"{result.error_code}: {result.error_message}")
        return result.event_id

    async def put_events(self, entries: Iterable[Mapping[str, Any]]) -> PutEventsResult:
        """Put up to ten events in, in boto3's shape: PutEvents.

        An entry has Source, DetailType and Detail (JSON text), and may have Time, Resources and EventBusName (by
        default this event bus). Raises NotValid if the request as a whole is refused; an entry that is refused alone
        says so in the result. An entry for an unknown event bus is accepted and vanishes, as on AWS.
        """
        return await self._service.put_events(entries, event_bus=self)

    def put_events_nowait(self, entries: Iterable[Mapping[str, Any]]) -> PutEventsResult:
        """The synchronous twin of `put_events`."""
        return self._service.put_events_nowait(entries, event_bus=self)

    def accept(self, message: Message, source: Source) -> Cause:
        """Take a whole event from an AWS service, a rule or a function, which has checked the permission.

        Raises MalformedDetail for anything that is no event.
        """
        if self.is_deleted:
            raise self.unknown(self.name)
        try:
            document = whole_event(parse(message.body) if isinstance(message.body, str) else decode(message.body))
        except ValueError:
            raise MalformedDetail from None
        return self.take(BusEvent(document, self.bus.clock.now(), message.body), message.cause)

    def take(self, event: BusEvent, cause: Cause | None, only: frozenset[str] | None = None) -> Action:
        """Archive an event and send it on, in one synchronous step; to `only` these rules, where a replay says so."""
        document = event.document
        node = self.bus.note("put_events", self, str(document["detail-type"]), cause)
        if event.id in self._under_way:
            node.note = "it comes back to where it is being sent on from: a loop of event buses"
            self.bus.log.warning("event_bus_loop", event_bus=self.arn, event_id=event.id)
            return node
        self._under_way.add(event.id)
        try:
            for archive in self._archives.values():
                if archive.wants(event):
                    archive.add(event)
            rules = self._index.match(document)
            if only is not None:
                rules = [rule for rule in rules if rule.arn in only]
            node.note = f"{len(rules)} of {len(self._rules)} rules matched" if self._rules else "there are no rules"
            for rule in rules:
                self.bus.count("MatchedEvents", rule.arn)
                rule.trigger(event, node)
        finally:
            self._under_way.discard(event.id)
        return node

    def tick(self, rule: Rule, due_at: float) -> None:
        """The schedule of a rule is due: its targets, and no other rule, get the scheduled event."""
        document = envelope(
            event_id=self.bus.ids.uuid(),
            detail_type="Scheduled Event",
            source="aws.events",
            account=self.account_id,
            at=due_at,
            region=self.bus.region,
            resources=[rule.arn],
            detail={},
        )
        node = self.bus.note("schedule", rule, whole_seconds(due_at))
        rule.trigger(BusEvent(document, due_at), node)

    def deliver(self, delivery: RuleDelivery) -> None:
        """Send an event on to one target."""
        self._service.deliveries.deliver(delivery)

    def resume(self, rule: Rule, target_id: str) -> None:
        """Take up what earlier processes had on the way to a target that was declared again."""
        keeping = self._service.deliveries.keeping
        if keeping is None:
            return
        for number, head, body, attempts, due_at in keeping.left_for(rule.arn, target_id):
            _, begun_at, at, is_text = head
            event = BusEvent(decode(body), at, body.decode() if is_text else body)
            cause = self.bus.note("deliver again", rule, target_id)
            delivery = RuleDelivery(
                rule=rule, id=target_id, event=event, cause=cause, begun_at=begun_at, attempts=attempts, due_at=due_at,
                number=number,
            )  # fmt: skip
            self._service.deliveries.resume(delivery)

    def reaches(self, function_arn: str) -> bool:
        """Whether what is put in may reach this function, by itself or through a topic or another event bus."""
        if self._is_asked:
            return False
        self._is_asked = True
        try:
            return any(rule.reaches(function_arn) for rule in self._rules.values())
        finally:
            self._is_asked = False

    def explain(
        self, detail_type: str, detail: Mapping[str, Any], source: str, *, resources: Iterable[str] = ()
    ) -> str:
        """Say of every rule whether this event would match and reach its targets and, if not, why not."""
        event = envelope(
            event_id=self.bus.ids.request_id(0), detail_type=detail_type, source=source, account=self.account_id,
            at=self.bus.clock.now(), region=self.bus.region, resources=resources, detail=dict(detail),
        )  # fmt: skip
        return explain(self, event)

    # -- rules --------------------------------------------------------------------------------------------------------

    def put_rule(
        self,
        name: str,
        *,
        event_pattern: str | Mapping[str, Any] | None = None,
        schedule: str | None = None,
        state: str = "ENABLED",
        description: str = "",
    ) -> Rule:
        """Make a rule, or replace all of it but its targets: PutRule.

        It needs an `event_pattern` (a mapping or JSON text), or on the default event bus a `schedule`
        (`"rate(5 minutes)"`, `"cron(0 3 * * ? *)"`, in UTC), or both. Raises NotValid, InvalidEventPattern or
        LimitExceeded with AWS's text, with nothing changed.
        """
        if self.is_deleted:
            raise self.unknown(self.name)
        arn = self.rule_arn(configured.check_rule_name(name))
        self.bus.authorize("events:PutRule", arn, None, f'"{arn}"')
        settings = self._settings(event_pattern, schedule, state, description)
        rule = self._rules.get(name)
        if rule is None:
            if len(self._rules) >= MOST_RULES:
                raise LimitExceeded(mend=f"an event bus has at most {MOST_RULES} rules")
            rule = self._rules[name] = Rule(self, name, settings)
        self.change_rule(rule, settings)
        return rule

    def _settings(
        self, pattern: str | Mapping[str, Any] | None, schedule: str | None, state: str, description: str
    ) -> RuleSettings:
        if pattern is None and schedule is None:
            raise NotValid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
        if schedule is not None and self.name != "default":
            raise NotValid("ScheduleExpression is supported only on the default event bus.")
        return RuleSettings(
            pattern=None if pattern is None else configured.compiled(pattern),
            schedule=None if schedule is None else configured.parsed_schedule(schedule),
            schedule_expression=schedule,
            state=checked_state(state),
            description=description,
        )

    def change_rule(self, rule: Rule, settings: RuleSettings) -> None:
        """Take notice of a rule's new settings."""
        if rule in self._index:
            self._index.remove(rule)
        if settings.pattern is not None and settings.state != "DISABLED":
            self._index.add(rule, settings.pattern)
        rule.changed(settings)

    def rule(self, name: str) -> Rule:
        """Find a rule by its name. Raises NotFound."""
        if (found := self._rules.get(name)) is None:
            raise unknown_rule(name, self.name)
        return found

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules, in the order of putting."""
        return tuple(self._rules.values())

    def list_rules(self, name_prefix: str = "") -> list[dict[str, Any]]:
        """The rules in boto3's shape: ListRules."""
        return [rule.describe() for rule in self._rules.values() if rule.name.startswith(name_prefix)]

    def list_rule_names_by_target(self, target: object) -> list[str]:
        """The names of the rules that send to a target, an object or its ARN: ListRuleNamesByTarget."""
        arn = target if isinstance(target, str) else self.bus.resource(target).arn
        return [rule.name for rule in self._rules.values() if any(t.arn == arn for t in rule.targets)]

    def delete_rule(self, rule: Rule | str) -> None:
        """Delete a rule, given it or its name: DeleteRule. An unknown one is fine.

        Raises NotValid while the rule has targets.
        """
        name = rule if isinstance(rule, str) else rule.name
        arn = self.rule_arn(name)
        self.bus.authorize("events:DeleteRule", arn, None, f'"{arn}"')
        doomed = self._rules.get(name)
        if doomed is None or (isinstance(rule, Rule) and doomed is not rule):
            return
        if doomed.targets:
            raise NotValid(
                "Rule can't be deleted since it has targets.", mend="call rule.remove_targets([...]) with their ids"
            )
        self._forget(doomed)

    def _forget(self, rule: Rule) -> None:
        del self._rules[rule.name]
        if rule in self._index:
            self._index.remove(rule)
        rule.close()

    def enable_rule(self, name: str) -> None:
        """EnableRule. Raises NotFound."""
        self.rule(name).enable()

    def disable_rule(self, name: str) -> None:
        """DisableRule. Raises NotFound."""
        self.rule(name).disable()

    def describe_rule(self, name: str) -> dict[str, Any]:
        """DescribeRule, in boto3's shape. Raises NotFound."""
        return self.rule(name).describe()

    def put_targets(self, rule: str, targets: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """PutTargets, in boto3's shape; `rule.target(...)` is friendlier. Raises NotFound, NotValid, LimitExceeded."""
        return self.rule(rule).put_targets(targets)

    def remove_targets(self, rule: str, ids: Iterable[str]) -> dict[str, Any]:
        """RemoveTargets. Raises NotFound."""
        return self.rule(rule).remove_targets(ids)

    def list_targets_by_rule(self, rule: str) -> list[dict[str, Any]]:
        """ListTargetsByRule, in boto3's shape. Raises NotFound."""
        return self.rule(rule).list_targets()

    def on(
        self,
        pattern: str | Mapping[str, Any] | None = None,
        *,
        schedule: str | None = None,
        rule: str | None = None,
        input: Any = None,  # noqa: A002 - AWS's name
        input_path: str | None = None,
        input_transformer: Mapping[str, Any] | None = None,
        dead_letter: object = None,
        maximum_retry_attempts: int = 185,
        maximum_event_age: int = 86_400,
        **function_options: Any,
    ) -> Callable[[Callable[[Any, Any], Any]], Function]:
        """Make the decorated handler a function, put a rule for it, let the rule invoke it, and make it the target.

            @event_bus.on({"source": ["shop.orders"], "detail": {"total": [{"numeric": [">", 100]}]}})
            async def big_order(event, context): ...

        `rule` is the rule's name, by default the function's. `function_options` are those of `bus.function`. Raises
        what `put_rule` and `rule.target` raise, and AlreadyExists for a rule that is there; no function is made then.
        """
        if callable(pattern):
            raise no_decorator()
        self._settings(pattern, schedule, "ENABLED", "")

        def declare(handler: Callable[[Any, Any], Any]) -> Function:
            name = configured.check_rule_name(rule or function_options.get("name") or handler_name(handler))
            if name in self._rules:
                raise AlreadyExists(f"Rule {name} already exists.", mend="choose another name with rule=...")
            # Everything that can be wrong with the target is found out before the function exists.
            arn = f"arn:{self.bus.partition}:lambda:{self.bus.region}:{self.account_id}:function:{name}"
            dead_letter_arn = None if dead_letter is None else self.bus.resource(dead_letter).arn
            options: dict[str, Any] = {
                "input": input,
                "input_path": input_path,
                "input_transformer": input_transformer,
                "maximum_retry_attempts": maximum_retry_attempts,
                "maximum_event_age": maximum_event_age,
            }
            parse_target(target_document(arn, dead_letter_arn=dead_letter_arn, **options), _NOBODY, _nobody)
            function: Function = self.bus.function(**function_options)(handler)
            made = self.put_rule(name, event_pattern=pattern, schedule=schedule)
            made.target(function, grant=True, dead_letter=dead_letter, **options)
            return function

        return declare

    # -- archives -----------------------------------------------------------------------------------------------------

    def create_archive(
        self,
        name: str,
        *,
        event_pattern: str | Mapping[str, Any] | None = None,
        retention_days: int = 0,
        description: str = "",
    ) -> Archive:
        """Keep the events that match a pattern, by default all, for so many days (0: for good): CreateArchive.

        Raises NotValid, InvalidEventPattern or AlreadyExists.
        """
        if self.is_deleted:
            raise self.unknown(self.name)
        configured.check_archive(name, retention_days)
        self.bus.authorize("events:CreateArchive", self.arn, None, self.label)
        if name in self._service.archives:
            raise AlreadyExists(f"Archive {name} already exists.")
        pattern = None if event_pattern is None else configured.compiled(event_pattern)
        archive = self._archives[name] = Archive(self, name, pattern, retention_days, description)
        keeping = self._service.deliveries.keeping
        if keeping is not None:
            archive.keep(keeping)
        return archive

    @property
    def archives(self) -> Mapping[str, Archive]:
        """The archives of this event bus, by name."""
        return dict(self._archives)

    def remove_archive(self, archive: Archive) -> None:
        """Called by the archive when it is deleted. Raises NotFound for the second time."""
        if self._archives.pop(archive.name, None) is None:
            raise NotFound(f"Archive {archive.name} does not exist.")

    # -- for the service ----------------------------------------------------------------------------------------------

    def begin(self, keeping: Keeping | None) -> None:
        """The bus is entered: keep schedules, and take up what its store has."""
        for rule in self._rules.values():
            rule.arm()
        if keeping is not None:
            for archive in self._archives.values():
                archive.keep(keeping)
            for rule in self._rules.values():
                for target in rule.targets:
                    self.resume(rule, target.id)

    def close(self) -> None:
        """Called by the service when the event bus is deleted: its rules and archives go with it."""
        self.is_deleted = True
        for rule in self.rules:
            self._forget(rule)
        for archive in list(self._archives.values()):
            archive.delete()
