"""EventBridge on one bus: its event buses by name, archives and replays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from eventbus.arn import is_arn
from eventbus.delivery.payload import parse
from triggers.eventbridge import configured
from triggers.eventbridge.archive import Archive, Replay, time_range
from triggers.eventbridge.delivery import Deliveries, MetricNames
from triggers.eventbridge.errors import AlreadyExists, LimitExceeded, NotFound, NotValid
from triggers.eventbridge.event_bus import EventBridgeBus
from triggers.eventbridge.events import (
    MALFORMED,
    BusEvent,
    PutEventsEntryResult,
    PutEventsResult,
    check_request,
    detail_of,
    envelope,
    instant,
    refusal,
)
from triggers.eventbridge.keeping import Keeping
from triggers.looking_up import named

if TYPE_CHECKING:
    from eventbus.authority import Facts
    from eventbus.bus import EventBus
    from triggers.eventbridge.rule import Rule

MOST_BUSES: Final = 100
"""Event buses of an account (EventBridge quotas, 2026)."""
_ENVELOPE: Final = ("id", "account", "source", "time", "region", "resources", "detail-type")

# CloudWatch metrics of rules: User Guide, "Monitoring Amazon EventBridge" (2026).
METRICS: Final = MetricNames(
    attempts="InvocationAttempts",
    succeeded="SuccessfulInvocationAttempts",
    retried="RetryInvocationAttempts",
    ended="Invocations",
    failed="FailedInvocations",
    dead_lettered="InvocationsSentToDlq",
    not_dead_lettered="InvocationsFailedToBeSentToDlq",
)


class EventBridge:
    """The event buses of a bus; make it once. The event bus `default` is always there.

    On a bus with a store archives survive, and deliveries that wait for a retry; event buses, rules, targets and
    archives are declared again at start, and what the store has of those that aren't waits there until they are.

    `eb["default"]` looks an event bus up (NotFound, a KeyError, if there is none); `in`, iteration over the event buses
    and `len` work as for a mapping.
    """

    name = "eventbridge"

    def __init__(self, bus: EventBus) -> None:
        bus.claim("EventBridge", self)
        self.bus = bus
        self.deliveries = Deliveries(bus, METRICS, "RULE_ARN")
        self._buses: dict[str, EventBridgeBus] = {}
        self._replays: dict[str, Replay] = {}
        self._add("default", "")
        bus.when_started(self._take_up)

    def __repr__(self) -> str:
        return f"<EventBridge: {len(self._buses)} event buses>"

    def __getitem__(self, name: str) -> EventBridgeBus:
        try:
            return self._buses[name]
        except KeyError:
            raise named(EventBridgeBus.unknown(name), "event bus", name, self._buses) from None

    def __contains__(self, name: object) -> bool:
        return name in self._buses

    def __iter__(self) -> Iterator[EventBridgeBus]:
        return iter(list(self._buses.values()))

    def __len__(self) -> int:
        return len(self._buses)

    @property
    def default(self) -> EventBridgeBus:
        """The event bus that AWS's services send to."""
        return self._buses["default"]

    def create_event_bus(self, name: str, *, description: str = "") -> EventBridgeBus:
        """Make an event bus: CreateEventBus. Raises NotValid, AlreadyExists, or LimitExceeded for the 101st."""
        arn = self.default.arn.removesuffix("default") + str(name)
        self.bus.authorize("events:CreateEventBus", arn, None, f'"{arn}"')
        configured.check_bus_name(name)
        configured.check_description(description)
        if name in self._buses:
            raise AlreadyExists(f"Event bus {name} already exists.")
        if len(self._buses) >= MOST_BUSES:
            raise LimitExceeded(mend=f"an account has at most {MOST_BUSES} event buses")
        return self._add(name, description)

    def delete_event_bus(self, event_bus: EventBridgeBus | str) -> None:
        """Delete an event bus, given it or its name, with its rules: DeleteEventBus. An unknown one is fine.

        Raises NotValid for the default one.
        """
        name = event_bus if isinstance(event_bus, str) else event_bus.name
        if name == "default":
            raise NotValid("Cannot delete event bus default.")
        doomed = self._buses.get(name)
        if doomed is None or (isinstance(event_bus, EventBridgeBus) and doomed is not event_bus):
            return
        doomed.may("events:DeleteEventBus")
        del self._buses[name]
        self.bus.unregister(doomed)
        doomed.close()

    async def put_events(
        self, entries: Iterable[Mapping[str, Any]], *, event_bus: EventBridgeBus | None = None
    ) -> PutEventsResult:
        """Put up to ten events in, each where its EventBusName says: see `EventBridgeBus.put_events`."""
        self.bus.accepting("put_events")
        batch = check_request(entries)
        buses = {self._bus_of(entry, event_bus or self.default) for entry in batch} - {None}
        await self.bus.room(lambda arn: any(one is not None and one.reaches(arn) for one in buses))
        result = self.put_events_nowait(batch, event_bus=event_bus)
        await self.bus.synced()
        return result

    def put_events_nowait(
        self, entries: Iterable[Mapping[str, Any]], *, event_bus: EventBridgeBus | None = None
    ) -> PutEventsResult:
        """The synchronous twin of `put_events`."""
        self.bus.accepting("put_events")
        batch = check_request(entries)
        default = event_bus or self.default
        if default.is_deleted:
            raise EventBridgeBus.unknown(default.name)
        chosen = [(entry, self._bus_of(entry, default)) for entry in batch]
        for one, facts in dict.fromkeys((one, _facts(entry)) for entry, one in chosen if one is not None):
            # without a policy there is nothing to look at, and the owner's call costs next to nothing
            access = None if one.access.policy is None else one.access
            self.bus.authorize("events:PutEvents", one.arn, access, one.label, facts)
        return PutEventsResult(tuple(self._put(entry, one) for entry, one in chosen))

    def _put(self, entry: Mapping[str, Any], event_bus: EventBridgeBus | None) -> PutEventsEntryResult:
        if event_bus is not None:
            self.bus.count("PutEventsEntriesCount", event_bus.arn)
        refused, detail = refusal(entry), None
        if refused is None and (detail := detail_of(entry)) is None:
            refused = MALFORMED
        if refused is not None:
            if event_bus is not None:
                self.bus.count("PutEventsFailedEntriesCount", event_bus.arn)
            return refused
        now = self.bus.clock.now()
        at = instant(entry.get("Time"))
        event_id = self.bus.ids.uuid()
        if event_bus is None:
            self.bus.log.warning("event_bus_missing", event_bus=entry["EventBusName"], event_id=event_id)
            return PutEventsEntryResult(event_id)
        document = envelope(
            event_id=event_id,
            detail_type=entry["DetailType"],
            source=entry["Source"],
            account=self.bus.account_id,
            at=now if at is None else at,
            region=self.bus.region,
            resources=entry.get("Resources") or (),
            detail=detail,
        )
        event_bus.take(BusEvent(document, now), None)
        return PutEventsEntryResult(event_id)

    def test_event_pattern(self, event_pattern: str | Mapping[str, Any], event: str | Mapping[str, Any]) -> bool:
        """Whether a pattern matches an event, each a mapping or JSON text: TestEventPattern.

        The event has to be whole, with id, account, source, time, region, resources and detail-type. Raises
        InvalidEventPattern or NotValid.
        """
        pattern = configured.compiled(event_pattern)
        try:
            document = parse(event) if isinstance(event, str) else dict(event)
        except (TypeError, ValueError):
            document = None
        if not isinstance(document, dict) or not all(key in document for key in _ENVELOPE):
            raise NotValid("Parameter Event is not valid.", mend=f"an event has {', '.join(_ENVELOPE)}")
        return pattern.matches(document)

    # -- archives and replays -----------------------------------------------------------------------------------------

    @property
    def archives(self) -> Mapping[str, Archive]:
        """The archives of all event buses, by name."""
        return {name: archive for event_bus in self._buses.values() for name, archive in event_bus.archives.items()}

    @property
    def replays(self) -> Mapping[str, Replay]:
        """The replays, by name."""
        return dict(self._replays)

    def start_replay(
        self,
        name: str,
        archive: Archive | str,
        start: float | datetime | str,
        end: float | datetime | str,
        *,
        rules: Iterable[Rule | str] = (),
        destination: EventBridgeBus | str | None = None,
    ) -> Replay:
        """Put the archived events of a time in again, on the event bus that they came from: StartReplay.

        `start` and `end` are seconds since the epoch, datetimes or ISO texts, and are compared with the time that the
        events carry; both ends are included. `rules` (objects or ARNs) limits it to these. The replay runs in the
        background. Raises NotValid, NotFound or AlreadyExists.
        """
        self.bus.accepting("start_replay")
        first, last = time_range(start, end)
        chosen = self.archive(archive)
        arn = f"arn:{self.bus.partition}:events:{self.bus.region}:{self.bus.account_id}:replay/{name}"
        self.bus.authorize("events:StartReplay", arn, None, f'"{arn}"')
        if configured.check_replay_name(name) in self._replays:
            raise AlreadyExists(f"Replay {name} already exists.")
        to = destination if destination is None or isinstance(destination, str) else destination.arn
        if to not in (None, chosen.event_bus.arn):
            raise NotValid("Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted.")
        arns = _filter_arns(rules, chosen.event_bus)
        replay = Replay(name, arn, chosen, first, last, arns, self.bus.clock.now())
        replay.cause = self.bus.note("start_replay", chosen, name)
        self._replays[name] = replay
        self.bus.start_background(replay.run)
        return replay

    def replay(self, name: str) -> Replay:
        """Find a replay by its name. Raises NotFound."""
        if name not in self._replays:
            raise NotFound(f"Replay {name} does not exist.")
        return self._replays[name]

    def archive(self, archive: Archive | str) -> Archive:
        """Find an archive by its name or ARN. Raises NotFound."""
        name = archive.rpartition("/")[2] if isinstance(archive, str) else archive.name
        found = self.archives.get(name)
        if found is None:
            raise NotFound(f"Archive {name} does not exist.")
        return found

    # -- inside -------------------------------------------------------------------------------------------------------

    def _add(self, name: str, description: str) -> EventBridgeBus:
        event_bus = EventBridgeBus(self, name, description)
        self.bus.register(event_bus)
        self._buses[name] = event_bus
        return event_bus

    def _bus_of(self, entry: Mapping[str, Any], default: EventBridgeBus) -> EventBridgeBus | None:
        """Where an entry goes; None for an event bus that does not exist."""
        name = entry.get("EventBusName")
        if name is None:
            return default
        found = self._buses.get(name.rpartition("/")[2] if is_arn(name) else name)
        return found if found is None or not is_arn(name) or found.arn == name else None

    def _take_up(self) -> None:
        """The bus is entered: keep the schedules of rules, and load what its store has."""
        keeping = None
        if self.bus.store is not None:
            keeping = self.deliveries.keeping = Keeping(self.bus, self.bus.store, "eventbridge")
        for event_bus in self._buses.values():
            event_bus.begin(keeping)
        if keeping is not None:
            keeping.warn()


def _filter_arns(rules: Iterable[Rule | str], event_bus: EventBridgeBus) -> frozenset[str]:
    """The ARNs of the rules that a replay is limited to, which the event bus has."""
    given: object = rules
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise NotValid("Parameter Destination.FilterArns is not valid.", mend=f"give a list of rules, not {given!r}")
    arns = frozenset(rule if isinstance(rule, str) else rule.arn for rule in rules)
    if unknown := sorted(arns - {rule.arn for rule in event_bus.rules}):
        raise NotValid(
            f"Parameter Destination.FilterArns is not valid. Reason: Rule {unknown[0]} does not exist on EventBus "
            f"{event_bus.name}.",
            mend="give rules, or their ARNs",
        )
    return arns


def _facts(entry: Mapping[str, Any]) -> Facts:
    """What conditions may ask about an entry."""
    given = (("events:source", entry.get("Source")), ("events:detail-type", entry.get("DetailType")))
    return tuple((key, value) for key, value in given if isinstance(value, str))
