"""Where a metric belongs: CloudWatch's namespaces, dimensions and units for the resources of a bus.

The engine counts per resource, by ARN, and per qualifier and executed version of a function. CloudWatch's coarser
series are sums of those and are made when somebody asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import attrs

Dimensions: TypeAlias = tuple[tuple[str, str], ...]

LAMBDA = "AWS/Lambda"
ACCOUNT_WIDE = frozenset({"ConcurrentExecutions", "UnreservedConcurrentExecutions", "ClaimedAccountConcurrency"})
"""Without a dimension these are levels of the account, and not the sum of the functions' levels."""
LEVELS = ACCOUNT_WIDE | {"ProvisionedConcurrentExecutions", "ProvisionedConcurrencyUtilization"}
"""What goes up and down: sums of these say nothing."""
LAMBDA_METRICS = LEVELS | {
    *("Invocations", "Errors", "Throttles", "Duration", "PostRuntimeExtensionsDuration", "OversizedRecordCount"),
    *("ProvisionedConcurrencyInvocations", "ProvisionedConcurrencySpilloverInvocations"),
    *("AsyncEventsReceived", "AsyncEventAge", "AsyncEventsDropped", "DeadLetterErrors", "DestinationDeliveryFailures"),
    *("RecursiveInvocationsDropped", "IteratorAge", "UrlRequestCount", "UrlRequestLatency", "Url4xxCount"),
    *("Url5xxCount", "PolledEventCount", "FilteredOutEventCount", "InvokedEventCount", "FailedInvokeEventCount"),
    *("DroppedEventCount", "DeletedEventCount", "OnFailureDestinationDeliveredEventCount", "ProvisionedPollers"),
    *("OffsetLag", "SignatureValidationErrors"),
}
"""What Lambda counts (Lambda developer guide, "Types of metrics for Lambda functions", 2026)."""
_SERVICES = {
    "lambda": (LAMBDA, "FunctionName"),
    "sqs": ("AWS/SQS", "QueueName"),
    "sns": ("AWS/SNS", "TopicName"),
    "s3": ("AWS/S3", "BucketName"),
    "dynamodb": ("AWS/DynamoDB", "TableName"),
    "kinesis": ("AWS/Kinesis", "StreamName"),
    "events": ("AWS/Events", "EventBusName"),
    "scheduler": ("AWS/Scheduler", "ScheduleGroup"),
    "apigateway": ("AWS/ApiGateway", "ApiId"),
    "execute-api": ("AWS/ApiGateway", "ApiId"),
}
_MILLISECONDS = frozenset({"Duration", "AsyncEventAge", "IteratorAge", "PostRuntimeExtensionsDuration"})


@attrs.frozen
class Owner:
    """Whom a count belongs to: a resource's ARN ("" is the account), and what was addressed and run of a function."""

    arn: str
    qualifier: str | None = None
    version: str | None = None


def unit_of(name: str) -> str:
    """The unit of one of AWS's own metrics."""
    if name == "ProvisionedConcurrencyUtilization":
        return "None"
    return "Milliseconds" if name in _MILLISECONDS else "Count"


def identity(owner: Owner) -> tuple[str, Dimensions]:
    """The namespace of what this owner counts, and all that CloudWatch's dimensions could tell it from others by."""
    parts = owner.arn.split(":", 5)
    service, resource = (parts[2], parts[5]) if len(parts) == 6 else ("", parts[-1])
    namespace, key = _SERVICES.get(service, (f"AWS/{service}", "Resource"))
    kind, *path = resource.replace(":", "/").split("/")
    match service, kind, path:
        case "lambda", "event-source-mapping", [uuid]:
            return namespace, (("EventSourceMappingUUID", uuid),)
        case "events", "rule", [name]:
            return namespace, (("EventBusName", "default"), ("RuleName", name))
        case "events", "rule", [event_bus, name]:
            return namespace, (("EventBusName", event_bus), ("RuleName", name))
        case "scheduler", "schedule", [group, name]:
            return namespace, ((key, group), ("ScheduleName", name))
        case "dynamodb", "table", [table, "stream", *label]:
            return namespace, (("StreamLabel", ":".join(label)), (key, table))
        case "execute-api", _, _:
            return namespace, ((key, kind),)
        case _:
            return namespace, ((key, path[-1] if path else kind),)


def of_owner(owner: Owner) -> tuple[str, list[Dimensions]]:
    """The namespace and every set of dimensions under which CloudWatch shows what this owner counts."""
    if not owner.arn:
        return LAMBDA, [()]
    namespace, named = identity(owner)
    match named:
        case (("EventBusName", "default"), rule):
            return namespace, [(rule,)]
        case (("ScheduleGroup", _) as group, _):
            return namespace, [(group,)]
        case (("FunctionName", name) as function,):
            return namespace, _of_function(owner, name, function)
        case _:
            return namespace, [named]


def _of_function(owner: Owner, name: str, function: tuple[str, str]) -> list[Dimensions]:
    sets: list[Dimensions] = [(), (function,)]
    if owner.version is not None or owner.qualifier is not None:
        resource = name if owner.qualifier is None else f"{name}:{owner.qualifier}"
        sets.append((function, ("Resource", resource)))
        if None not in (owner.qualifier, owner.version) and owner.qualifier != owner.version:
            sets.append((("ExecutedVersion", str(owner.version)), function, ("Resource", resource)))
    return sets


def dimensions(given: Mapping[str, str]) -> Dimensions:
    """Dimensions in the form in which they are compared."""
    return tuple(sorted(given.items()))


def owner_of_arn(arn: str) -> Owner:
    """A resource as its ARN names it; a function's ARN may end in a version or an alias."""
    parts = arn.split(":")
    if len(parts) == 8 and parts[2] == "lambda":
        return Owner(":".join(parts[:7]), parts[7])
    return Owner(arn)
