"""An event bus: events are put in, and its rules send them on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from eventbus.delivery.payload import as_text, decode, encode, parse
from eventbus.delivery.targets import Message, Source
from eventbus.errors import NotJSON
from eventbus.telemetry.trace import Action, Cause
from triggers.eventbridge import configured
from triggers.eventbridge.archive import Archive
from triggers.eventbridge.errors import AlreadyExists, MalformedDetail, NotFound, NotValid
from triggers.eventbridge.events import BusEvent, PutEventsResult, envelope, whole_event, whole_seconds
from triggers.eventbridge.explain import explain
from triggers.eventbridge.rule import Rule, RuleDelivery
from triggers.eventbridge.ruled import RuledBus

if TYPE_CHECKING:
    from triggers.eventbridge.keeping import Keeping
    from triggers.eventbridge.service import EventBridge


class EventBridgeBus(RuledBus):
    """An event bus of EventBridge: the one called `default`, or one that `create_event_bus` has made.

    Putting events in needs a running bus; inside a handler it needs the permission `events:PutEvents` of the function's
    role.
    """

    def __init__(self, service: EventBridge, name: str, description: str = "") -> None:
        super().__init__(service, name, description)
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
        given: object = resources
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise NotValid(f"Resources is {given!r}, and not a list of texts.")
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
        configured.check_description(description)
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
