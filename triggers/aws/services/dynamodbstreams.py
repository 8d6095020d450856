"""DynamoDB Streams: the other part of DynamoDB's operations."""

from __future__ import annotations

from triggers.aws.services.dynamodb import STREAM_OPERATIONS, DynamoDBMap


class DynamoDBStreamsMap(DynamoDBMap):
    """Streams are found by their ARNs."""

    service = "dynamodbstreams"

    @classmethod
    def has(cls, name: str) -> bool:
        return name in STREAM_OPERATIONS
