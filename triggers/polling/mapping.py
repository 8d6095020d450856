"""An event source mapping: what reads a source and invokes a function with what it finds.

    Creating ──► Enabled ──► Disabling ──► Disabled ──► Enabling ──► Enabled
                 Enabled ──► Updating ──► Enabled
                 any ──► Deleting ──► gone

A batch that is with the function ends before a state that lies between gives way to the next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from anyio.lowlevel import checkpoint

from eventbus.errors import InvalidParameterValue, ResourceNotFound
from triggers.polling.errors import ResourceInUse, unsupported
from triggers.polling.failure_records import failure_destination
from triggers.polling.filters import Filters, as_criteria
from triggers.polling.permission import QUEUE_ACTIONS, check_may_read
from triggers.polling.settings import STREAMS, MappingSettings, changed, check_enabled, check_visibility

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.delivery.targets import Target
    from eventbus.functions.invocable import Invocable
    from triggers.polling.mappings import Mappings

NOTHING_YET = "No records processed"
CREATING, ENABLED, DISABLED = "Creating", "Enabled", "Disabled"
DELETING, DELETED, GONE = "Deleting", "Deleted", "Gone"


class Poller(Protocol):
    """What reads the source while the mapping is enabled."""

    @property
    def is_at_rest(self) -> bool:
        """Whether it was stopped and its last batch has ended; it calls `mapping.arrive()` when that becomes true."""

    def open(self) -> None:
        """The bus runs: find out where to begin."""

    def start(self) -> None:
        """Read."""

    def stop(self) -> None:
        """Begin nothing more."""

    def forget(self) -> None:
        """The mapping is deleted: what was remembered for it goes too."""


def mapped_function(bus: EventBus, function: object, qualifier: str | None = None) -> Invocable:
    """The function, version or alias that a mapping is to invoke. Raises InvalidParameterValue if there is none."""
    try:
        return bus.qualified(function, qualifier)
    except ResourceNotFound as error:
        raise InvalidParameterValue("Function does not exist", mend=error.mend) from None


class EventSourceMapping:
    """A function reads a stream or a queue. Made by `Function.poll`.

    `uuid` and `arn` name it, `function` and `source` are its ends, `settings` is how it is set, as a frozen value.
    `state` is AWS's (`Creating`, `Enabled`, `Disabled`, ...), `last_processing_result` what the latest batch came to.
    """

    def __init__(
        self,
        bus: EventBus,
        function: Any,
        source: Any,
        kind: str,
        settings: MappingSettings,
        on_failure: Target | None,
        make_poller: Callable[[EventSourceMapping], Poller],
        mappings: Mappings,
    ) -> None:
        self.bus = bus
        self._function = function
        self.go_on_with(source)
        self.kind = kind
        self.settings = settings
        self.on_failure = on_failure
        self.filters = Filters(kind, settings.filters)
        self.uuid = bus.ids.uuid()
        self.arn = f"arn:{bus.partition}:lambda:{bus.region}:{bus.account_id}:event-source-mapping:{self.uuid}"
        self.name = f"{function.name} ← {source.name}"
        self.state = CREATING
        self.state_transition_reason = "USER_INITIATED" if kind == "sqs" else "User action"
        self.last_modified = bus.clock.now()
        self._mappings = mappings
        self._poller = make_poller(self)
        self._wanted = ENABLED

    def __repr__(self) -> str:
        return f"<EventSourceMapping {self.name}: {self.state}, {self.last_processing_result}>"

    @property
    def function(self) -> Any:
        """What it invokes: whatever has that ARN now, or the function that had it when there is none."""
        return self.bus.find(self._function.arn) or self._function

    # -- what users do ------------------------------------------------------------------------------------------------

    def update(
        self,
        *,
        on_failure: Any = ...,
        enabled: bool | None = None,
        function: Any = None,
        grant: bool = False,
        **changes: Any,
    ) -> None:
        """Change settings, by the names that `Function.poll` takes: UpdateEventSourceMapping.

        They hold from the next batch on; a batch that is being retried begins anew. `on_failure=None` removes the
        destination; `function` is another one to invoke. Raises what `poll` raises, ResourceInUse or ResourceNotFound,
        with nothing changed.
        """
        self._may("lambda:UpdateEventSourceMapping")
        if enabled is not None:
            check_enabled(enabled)
        is_fifo = getattr(self.polled, "is_fifo", False)
        settings = changed(self.kind, is_fifo, self.settings, changes)
        filters = Filters(self.kind, settings.filters)
        chosen: Any = self.function if function is None else mapped_function(self.bus, function)
        if chosen is not self.function:
            self._mappings.check_is_new(chosen, self.source, self.kind)
        with chosen.role.all_or_nothing():
            target = self._checked(chosen, on_failure, grant=grant)
        self._function = chosen
        self.settings, self.filters, self.on_failure = settings, filters, target
        if enabled is not None:
            self._wanted = ENABLED if enabled else DISABLED
        self._change("Updating" if self._wanted == ENABLED else "Disabling")

    def _checked(self, chosen: Any, on_failure: Any, *, grant: bool) -> Target | None:
        """The destination, once it is certain that a function may be invoked with what is read, and send there."""
        if self.kind not in STREAMS:
            check_visibility(self.polled, chosen)
            if on_failure is not ...:
                raise unsupported("DestinationConfig")
        if chosen is not self.function:
            if grant:
                actions = self.polled.poll_actions() if self.kind in STREAMS else QUEUE_ACTIONS
                chosen.role.allow(list(actions), self.polled)
            check_may_read(self.bus, chosen, self.polled, self.kind)
        if on_failure is ...:
            return self.on_failure
        return None if on_failure is None else failure_destination(self.bus, chosen, on_failure, grant=grant)

    def disable(self) -> None:
        """Stop reading, after the batch that is with the function. A stream's position is kept."""
        self._may("lambda:UpdateEventSourceMapping")
        self._wanted = DISABLED
        self._change("Disabling")

    def enable(self) -> None:
        """Go on where it was disabled."""
        self._may("lambda:UpdateEventSourceMapping")
        self._wanted = ENABLED
        self._change("Enabling")

    def delete(self) -> None:
        """Stop reading and forget the position: DeleteEventSourceMapping."""
        self._may("lambda:DeleteEventSourceMapping")
        self._wanted = DELETED
        self._change(DELETING)
        if not self.bus.is_running:
            self.arrive()

    def describe(self) -> dict[str, Any]:
        """AWS's answer about it (GetEventSourceMapping); `LastModified` is in seconds since the epoch."""
        settings = self.settings
        answer: dict[str, Any] = {
            "UUID": self.uuid,
            "EventSourceMappingArn": self.arn,
            "EventSourceArn": self.source.arn,
            "FunctionArn": self.function.arn,
            "BatchSize": settings.batch_size,
            "MaximumBatchingWindowInSeconds": settings.batch_window,
            "FunctionResponseTypes": list(settings.function_response_types),
            "LastModified": self.last_modified,
            "State": self.state,
            "StateTransitionReason": self.state_transition_reason,
        }
        if settings.filters:
            answer["FilterCriteria"] = as_criteria(settings.filters)
        if settings.metrics:
            answer["MetricsConfig"] = {"Metrics": list(settings.metrics)}
        return answer | (self._described_stream() if self.kind in STREAMS else self._described_queue())

    def _described_stream(self) -> dict[str, Any]:
        settings = self.settings
        answer: dict[str, Any] = {
            "StartingPosition": settings.starting_position,
            "ParallelizationFactor": settings.parallelization_factor,
            "MaximumRecordAgeInSeconds": settings.maximum_record_age,
            "MaximumRetryAttempts": settings.maximum_retry_attempts,
            "BisectBatchOnFunctionError": settings.bisect_batch_on_function_error,
            "TumblingWindowInSeconds": settings.tumbling_window,
            "DestinationConfig": {"OnFailure": {} if self.on_failure is None else {"Destination": self.on_failure.arn}},
            "LastProcessingResult": self.last_processing_result,
        }
        if settings.starting_position_timestamp is not None:
            answer["StartingPositionTimestamp"] = settings.starting_position_timestamp
        return answer

    def _described_queue(self) -> dict[str, Any]:
        most = self.settings.maximum_concurrency
        return {} if most is None else {"ScalingConfig": {"MaximumConcurrency": most}}

    # -- its life -----------------------------------------------------------------------------------------------------

    def begin(self, *, enabled: bool) -> None:
        """Called once, by who made it: go to work as soon as the bus runs."""
        self._wanted = ENABLED if enabled else DISABLED
        self.bus.when_started(self._begin)

    def _begin(self) -> None:
        if self.state != GONE:
            self._poller.open()
            self.bus.start_background(self._settle)

    def _change(self, state: str) -> None:
        self.last_modified = self.bus.clock.now()
        if self.state != CREATING or state == DELETING:
            self.state = state
        if self.bus.is_running:
            self._poller.stop()
            self.bus.start_background(self._settle)

    async def _settle(self) -> None:
        await checkpoint()
        self.arrive()

    def arrive(self) -> None:
        """Be what is wanted, unless a batch has to end first: the poller calls again then."""
        if not self._poller.is_at_rest:
            return
        if self._wanted == DELETED:
            if self.state != GONE:
                self.state = GONE
                self._poller.forget()
                self._mappings._remove(self)
        elif self._wanted == DISABLED:
            self.state = DISABLED
        elif self.state != ENABLED:
            self.state = ENABLED
            self._poller.start()

    def _may(self, action: str) -> None:
        """Refuse a handler whose role may not, and everybody when the mapping is on its way out."""
        self.bus.authorize(action, self.arn, None, f'"{self.arn}"')
        if self.state == DELETING:
            raise ResourceInUse(self.uuid, self.state)
        if self.state == GONE:
            raise ResourceNotFound("The resource you requested does not exist.")

    # -- what pollers tell it -----------------------------------------------------------------------------------------

    def go_on_with(self, source: Any) -> None:
        """Read this source, which has the mapping's ARN: the first, or one that was made when that was gone."""
        self.source: Any = getattr(source, "origin", source)
        self.polled: Any = source
        """The source as pollers see it."""
        self.last_processing_result = NOTHING_YET

    def count(self, metric: str, n: int) -> None:
        """Add to one of the mapping's own metrics, if they are asked for."""
        if n and "EventCount" in self.settings.metrics:
            self.bus.count(metric, self.arn, n)
