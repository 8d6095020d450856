"""DynamoDB: tables with items, and streams of what changes in them."""

from triggers.dynamodb.actions import ConditionCheck, Delete, Get, Put, Update
from triggers.dynamodb.errors import (
    ConditionalCheckFailed,
    DynamoDBError,
    NotSerializable,
    ResourceInUse,
    StreamNotFound,
    TableNotFound,
    TransactionCanceled,
    ValidationError,
)
from triggers.dynamodb.results import BatchItems, Page
from triggers.dynamodb.schema import Index
from triggers.dynamodb.service import DynamoDB
from triggers.dynamodb.stream import Stream
from triggers.dynamodb.table import Table

__all__ = [
    "BatchItems",
    "ConditionCheck",
    "ConditionalCheckFailed",
    "Delete",
    "DynamoDB",
    "DynamoDBError",
    "Get",
    "Index",
    "NotSerializable",
    "Page",
    "Put",
    "ResourceInUse",
    "Stream",
    "StreamNotFound",
    "Table",
    "TableNotFound",
    "TransactionCanceled",
    "Update",
    "ValidationError",
]
