"""All event source mappings of a bus, and how one is made: what AWS checks when it is created, checked here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from eventbus.errors import InvalidParameterValue, ResourceConflict, ResourceNotFound
from triggers.polling.errors import unsupported
from triggers.polling.failure_records import failure_destination
from triggers.polling.filters import Filters
from triggers.polling.mapping import EventSourceMapping, Poller
from triggers.polling.permission import QUEUE_ACTIONS, check_may_read
from triggers.polling.queues import QueuePoller
from triggers.polling.settings import AT_TIMESTAMP, MappingSettings, check_enabled, check_visibility, settings_of
from triggers.polling.source import QueueSource, StreamSource
from triggers.polling.streams import StreamPoller

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.delivery.targets import Target


class Mappings:
    """The event source mappings of one bus: `bus.shared(Mappings)`.

    `mappings[uuid]` finds one (ResourceNotFound), iteration and `of` list them.
    """

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self._by_uuid: dict[str, EventSourceMapping] = {}

    def __getitem__(self, uuid: str) -> EventSourceMapping:
        try:
            return self._by_uuid[uuid]
        except KeyError:
            raise ResourceNotFound("The resource you requested does not exist.") from None

    def __iter__(self) -> Iterator[EventSourceMapping]:
        return iter(list(self._by_uuid.values()))

    def __len__(self) -> int:
        return len(self._by_uuid)

    def of(self, *, function_arn: str | None = None, source_arn: str | None = None) -> list[EventSourceMapping]:
        """The mappings of a function, of a source, or of both: ListEventSourceMappings."""
        return [
            mapping
            for mapping in self
            if function_arn in (None, mapping.function.arn) and source_arn in (None, mapping.source.arn)
        ]

    def check_is_new(self, function: Any, source: Any, kind: str) -> None:
        """Refuse a second mapping of the same function with the same source."""
        for known in self.of(function_arn=function.arn, source_arn=source.arn):
            mend = f"Please update or delete the existing mapping with UUID {known.uuid}"
            pair = f'arn (" {source.arn} ") and function (" {function.name} ")'
            if kind == "sqs":
                raise ResourceConflict(f"An event source mapping with SQS {pair} already exists. {mend}")
            raise ResourceConflict(f"The event source {pair} provided mapping already exists. {mend}")

    def make(
        self,
        function: Any,
        source: Any,
        kind: str,
        settings: MappingSettings,
        on_failure: Target | None,
        make_poller: Callable[[EventSourceMapping], Poller],
        *,
        enabled: bool,
    ) -> EventSourceMapping:
        """Make a mapping of which everything has been checked."""
        mapping = EventSourceMapping(self._bus, function, source, kind, settings, on_failure, make_poller, self)
        self._by_uuid[mapping.uuid] = mapping
        mapping.begin(enabled=enabled)
        return mapping

    def _remove(self, mapping: EventSourceMapping) -> None:
        """A mapping is gone: it says so itself."""
        self._by_uuid.pop(mapping.uuid, None)


def poll_stream(
    bus: EventBus,
    source: StreamSource,
    function: Any,
    *,
    on_failure: object = None,
    enabled: bool = True,
    grant: bool = False,
    **options: Any,
) -> EventSourceMapping:
    """Map a stream to a function: what a stream's `poll_into` calls. Options and errors as for `Function.poll`."""
    bus.authorize("lambda:CreateEventSourceMapping", _any_mapping(bus), None, '"*"')
    check_enabled(enabled)
    kind = source.stream_kind
    if kind == "dynamodb" and options.get("starting_position") == AT_TIMESTAMP:
        raise InvalidParameterValue(f"Unsupported starting position for arn type: {source.arn}")
    settings = settings_of(kind, False, options)
    Filters(kind, settings.filters)
    mappings = bus.shared(Mappings)
    mappings.check_is_new(function, source, kind)
    with function.role.all_or_nothing():
        if grant:
            function.role.allow(list(source.poll_actions()), source)
        check_may_read(bus, function, source, kind)
        target = None if on_failure is None else failure_destination(bus, function, on_failure, grant=grant)
    return mappings.make(
        function, source, kind, settings, target, lambda mapping: StreamPoller(mapping, source), enabled=enabled
    )


def poll_queue(
    bus: EventBus,
    source: QueueSource,
    function: Any,
    *,
    on_failure: object = None,
    enabled: bool = True,
    grant: bool = False,
    **options: Any,
) -> EventSourceMapping:
    """Map a queue to a function: what a queue's `poll_into` calls. Options and errors as for `Function.poll`."""
    bus.authorize("lambda:CreateEventSourceMapping", _any_mapping(bus), None, '"*"')
    check_enabled(enabled)
    if on_failure is not None:
        raise unsupported("DestinationConfig", mend="give the queue a dead_letter queue instead")
    settings = settings_of("sqs", source.is_fifo, options)
    Filters("sqs", settings.filters)
    check_visibility(source, function)
    mappings = bus.shared(Mappings)
    mappings.check_is_new(function, source, "sqs")
    with function.role.all_or_nothing():
        if grant:
            function.role.allow(list(QUEUE_ACTIONS), source)
        check_may_read(bus, function, source, "sqs")
    return mappings.make(
        function, source, "sqs", settings, None, lambda mapping: QueuePoller(mapping, source), enabled=enabled
    )


def _any_mapping(bus: EventBus) -> str:
    return f"arn:{bus.partition}:lambda:{bus.region}:{bus.account_id}:event-source-mapping:*"
