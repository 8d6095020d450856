"""The services that are served. A map is imported with the first request for it, which halves the time to start."""

from __future__ import annotations

from importlib import import_module
from keyword import iskeyword

from triggers.aws.models import protocol_of, routes
from triggers.aws.services import ServiceMap

_MAPS = {
    "s3": "S3Map",
    "sns": "SNSMap",
    "sqs": "SQSMap",
    "dynamodb": "DynamoDBMap",
    "dynamodbstreams": "DynamoDBStreamsMap",
    "kinesis": "KinesisMap",
    "events": "EventsMap",
    "scheduler": "SchedulerMap",
    "logs": "LogsMap",
    "cloudwatch": "CloudWatchMap",
    "lambda": "LambdaMap",
    "iam": "IAMMap",
    "sts": "STSMap",
    "apigateway": "APIGatewayMap",
    "apigatewayv2": "APIGatewayV2Map",
}


def map_of(service: str) -> type[ServiceMap]:
    """The map of a service."""
    module = f"{service}_" if iskeyword(service) else service
    found: type[ServiceMap] = getattr(import_module(f"triggers.aws.services.{module}"), _MAPS[service])
    return found


def prepare(service: str) -> None:
    """Import and load what a service is served with: some tenths of a second that an event loop would stand still."""
    map_of(service)
    if protocol_of(service).startswith("rest"):
        routes(service)


def maps() -> tuple[type[ServiceMap], ...]:
    """The maps of all services."""
    return tuple(map_of(service) for service in _MAPS)
