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


def of_owner(owner: Owner) -> tuple[str, list[Dimensions]]:
    """The namespace and every set of dimensions under which CloudWatch shows what this owner counts."""
    if not owner.arn:
        return LAMBDA, [()]
    parts = owner.arn.split(":")
    service = parts[2] if len(parts) > 5 else ""
    namespace, key = _SERVICES.get(service, (f"AWS/{service}", "Resource"))
    name = parts[-1].rpartition("/")[2]
    if namespace != LAMBDA:
        return namespace, [((key, name),)]
    sets: list[Dimensions] = [(), ((key, name),)]
    if owner.version is not None:
        resource = name if owner.qualifier is None else f"{name}:{owner.qualifier}"
        sets.append(((key, name), ("Resource", resource)))
        if owner.qualifier is not None and owner.qualifier != owner.version:
            sets.append((("ExecutedVersion", owner.version), (key, name), ("Resource", resource)))
    return namespace, sets


def dimensions(given: Mapping[str, str]) -> Dimensions:
    """Dimensions in the form in which they are compared."""
    return tuple(sorted(given.items()))


def owner_of_arn(arn: str) -> Owner:
    """A resource as its ARN names it; a function's ARN may end in a version or an alias."""
    parts = arn.split(":")
    if len(parts) == 8 and parts[2] == "lambda":
        return Owner(":".join(parts[:7]), parts[7])
    return Owner(arn)
