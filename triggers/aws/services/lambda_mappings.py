"""Lambda's event source mappings."""

from __future__ import annotations

from typing import Any

from eventbus.functions.invocable import Invocable
from triggers.aws.services.deeds import Input, Result
from triggers.aws.services.lambda_base import LambdaBase, refuse_given
from triggers.polling import EventSourceMapping, Mappings, mapped_function

_PLAIN = {
    "BatchSize": "batch_size",
    "MaximumBatchingWindowInSeconds": "batch_window",
    "ParallelizationFactor": "parallelization_factor",
    "StartingPosition": "starting_position",
    "MaximumRecordAgeInSeconds": "maximum_record_age",
    "BisectBatchOnFunctionError": "bisect_batch_on_function_error",
    "MaximumRetryAttempts": "maximum_retry_attempts",
    "TumblingWindowInSeconds": "tumbling_window",
    "FunctionResponseTypes": "function_response_types",
}
_NOT_HERE = dict.fromkeys(
    (
        "Topics",
        "Queues",
        "SourceAccessConfigurations",
        "SelfManagedEventSource",
        "AmazonManagedKafkaEventSourceConfig",
        "SelfManagedKafkaEventSourceConfig",
        "DocumentDBEventSourceConfig",
        "ProvisionedPollerConfig",
    ),
    "sources are Kinesis and DynamoDB streams and SQS queues",
) | {"KMSKeyArn": "leave it out; nothing is encrypted here"}


class EventSourceMappings(LambdaBase):
    """The five operations."""

    @property
    def mappings(self) -> Mappings:
        """Those of this bus."""
        return self.bus.shared(Mappings)

    def create_event_source_mapping(self, given: Input) -> Result:
        refuse_given(given, _NOT_HERE)
        function = self._polling(given)
        options = _options(given)
        if given.get("StartingPositionTimestamp") is not None:
            options["starting_position_timestamp"] = given["StartingPositionTimestamp"].timestamp()
        if (arn := _failures(given)) is not None:
            options["on_failure"] = arn
        source = self.bus.pollables.find(given.get("EventSourceArn") or "")
        enabled = given.get("Enabled")
        return self._mapping_shown(source.poll_into(function, enabled=enabled is not False, **options))

    def get_event_source_mapping(self, given: Input) -> Result:
        return self._mapping_shown(self._mapping(given, "GetEventSourceMapping"))

    def update_event_source_mapping(self, given: Input) -> Result:
        refuse_given(given, _NOT_HERE)
        mapping = self._mapping(given, None)
        options = _options(given)
        if given.get("DestinationConfig") is not None:
            options["on_failure"] = _failures(given)
        function = None if given.get("FunctionName") is None else self._polling(given)
        mapping.update(enabled=given.get("Enabled"), function=function, **options)
        return self._mapping_shown(mapping)

    def delete_event_source_mapping(self, given: Input) -> Result:
        mapping = self._mapping(given, None)
        shown = self._mapping_shown(mapping)
        mapping.delete()
        return {**shown, "State": "Deleting"}

    def list_event_source_mappings(self, given: Input) -> Result:
        self.allow("lambda:ListEventSourceMappings", None, "*")
        arn = None
        if given.get("FunctionName") is not None:
            arn = self.arn_of(self.named(given))
        found = self.mappings.of(function_arn=arn, source_arn=given.get("EventSourceArn"))
        return self.listed(given, "EventSourceMappings", [self._mapping_shown(one) for one in found], "UUID", 100)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _polling(self, given: Input) -> Invocable:
        """The function that is to be invoked, found without asking for a permission of its own."""
        named = self.named(given)
        return mapped_function(self.bus, self.arn_of(named, qualified=False), named.qualifier)

    def _mapping(self, given: Input, action: str | None) -> EventSourceMapping:
        """A mapping. Its own calls ask whether the caller may change it."""
        uuid = given["UUID"]
        if action is not None:
            arn = f"arn:{self.bus.partition}:lambda:{self.bus.region}:{self.bus.account_id}:event-source-mapping:{uuid}"
            self.allow(f"lambda:{action}", None, arn)
        return self.mappings[uuid]

    def _mapping_shown(self, mapping: EventSourceMapping) -> Result:
        shown = mapping.describe()
        for name in ("LastModified", "StartingPositionTimestamp"):
            if name in shown:
                shown[name] = self.instant(shown[name])
        return shown


def _options(given: Input) -> dict[str, Any]:
    """What is given of the settings, by our names."""
    options = {ours: given[name] for name, ours in _PLAIN.items() if given.get(name) is not None}
    if given.get("FilterCriteria") is not None:
        options["filters"] = given["FilterCriteria"]
    if given.get("ScalingConfig") is not None:
        options["maximum_concurrency"] = given["ScalingConfig"].get("MaximumConcurrency")
    if given.get("MetricsConfig") is not None:
        options["metrics"] = given["MetricsConfig"].get("Metrics") or ()
    return options


def _failures(given: Input) -> str | None:
    """Where records go that are given up."""
    return ((given.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination") or None
