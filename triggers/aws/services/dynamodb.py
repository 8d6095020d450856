"""DynamoDB: its room has the operations by AWS's names already."""

from __future__ import annotations

from functools import partial
from typing import Any

from eventbus.errors import EventBusError
from triggers.aws.services import JSONServiceMap
from triggers.aws.services.deeds import Deed, Input, Result, as_it_is, deed
from triggers.dynamodb import ConditionalCheckFailed, DynamoDB, TransactionCanceled
from triggers.dynamodb.operations import ITEM_OPERATIONS, OPERATIONS

STREAM_OPERATIONS = frozenset({"DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"})
"""Those of DynamoDB Streams, which are a service of their own for clients."""


class DynamoDBMap(JSONServiceMap):
    """Tables are found by their names or ARNs."""

    service = "dynamodb"

    @classmethod
    def has(cls, name: str) -> bool:
        return name in OPERATIONS and name not in STREAM_OPERATIONS

    def operation(self, name: str) -> Any:
        return partial(self._perform, name) if self.has(name) else None

    def _perform(self, name: str, given: Input) -> Deed | Result:
        found = self.bus.service("DynamoDB")
        tables: DynamoDB = found if found is not None else DynamoDB(self.bus)
        if name in ITEM_OPERATIONS:
            return deed(tables.call, name, given).then(as_it_is)
        return tables.call_nowait(name, given)

    def refusal(self, error: EventBusError) -> tuple[str, int, dict[str, Any]]:
        code, status, fields = super().refusal(error)
        if isinstance(error, ConditionalCheckFailed) and error.item is not None:
            fields["Item"] = error.item
        elif isinstance(error, TransactionCanceled):
            fields["CancellationReasons"] = error.reasons
        return code, status, fields
