"""DynamoDB's and DynamoDB Streams' operations by AWS's names, for clients that speak AWS's form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from triggers.dynamodb.batches import batch_get, batch_write
from triggers.dynamodb.errors import TableNotFound, ValidationError
from triggers.dynamodb.parameters import check_request
from triggers.dynamodb.requested import (
    attribute_types,
    checked_tags,
    requested_index,
    requested_table,
    requested_throughput,
    requested_view_type,
)
from triggers.dynamodb.stream import check_limit
from triggers.dynamodb.transactions import transact_get, transact_write
from triggers.dynamodb.values import checked, checked_item

if TYPE_CHECKING:
    from triggers.dynamodb.service import DynamoDB
    from triggers.dynamodb.table import Table

Request = Mapping[str, Any]
Response = dict[str, Any]

_ITEMS = ("Item", "Key", "ExclusiveStartKey")
_IGNORED = "SSESpecification TableClass WarmThroughput OnDemandThroughput"
"""Members that are accepted and change nothing."""


def perform(service: DynamoDB, operation: str, request: Request) -> Response:
    """Do one operation. Raises ValidationError for one that is not emulated."""
    found = OPERATIONS.get(operation)
    if found is None:
        raise ValidationError(f"{operation} is not emulated; there is {', '.join(sorted(OPERATIONS))}")
    return found(service, canonical(request))


def canonical(request: Request) -> dict[str, Any]:
    """The request with canonical values: a copy, which belongs to whoever gets it."""
    made = dict(request)
    for name in _ITEMS:
        if made.get(name) is not None:
            made[name] = checked_item(made[name])
    values = made.get("ExpressionAttributeValues")
    if isinstance(values, Mapping):
        made["ExpressionAttributeValues"] = {name: checked(value) for name, value in values.items()}
    return made


# -- items ------------------------------------------------------------------------------------------------------------


def _on_table(method: str) -> Callable[[DynamoDB, Request], Response]:
    def perform_on_table(service: DynamoDB, request: Request) -> Response:
        response: Response = getattr(_table(service, request), method)(request)
        return response

    return perform_on_table


def _table(service: DynamoDB, request: Request, *, is_configuration: bool = False) -> Table:
    if request.get("TableName") is None:
        raise ValidationError(
            "1 validation error detected: Value null at 'tableName' failed to satisfy constraint: "
            "Member must not be null"
        )
    return service.table(request["TableName"], is_configuration=is_configuration)


def _batch_get(service: DynamoDB, request: Request) -> Response:
    items = request.get("RequestItems")
    if not isinstance(items, Mapping):
        return batch_get(service, request)
    made = {
        name: {**part, "Keys": [checked_item(key) for key in part.get("Keys") or ()]} for name, part in items.items()
    }
    return batch_get(service, {**request, "RequestItems": made})


def _batch_write(service: DynamoDB, request: Request) -> Response:
    items = request.get("RequestItems")
    if not isinstance(items, Mapping):
        return batch_write(service, request)
    made = {
        name: [{kind: canonical(inner) for kind, inner in write.items() if inner is not None} for write in writes]
        for name, writes in items.items()
    }
    return batch_write(service, {**request, "RequestItems": made})


def _transact_write(service: DynamoDB, request: Request) -> Response:
    return transact_write(service, _canonical_actions(request))


def _transact_get(service: DynamoDB, request: Request) -> Response:
    return transact_get(service, _canonical_actions(request))


def _canonical_actions(request: Request) -> Request:
    actions = request.get("TransactItems")
    if not isinstance(actions, list | tuple):
        return request
    made = [{kind: canonical(inner) for kind, inner in action.items() if inner is not None} for action in actions]
    return {**request, "TransactItems": made}


# -- tables -----------------------------------------------------------------------------------------------------------


def _allowed(service: DynamoDB, operation: str, arn: str, label: str) -> None:
    service.bus.authorize(f"dynamodb:{operation}", arn, None, label)


def _create_table(service: DynamoDB, request: Request) -> Response:
    check_request(
        request,
        "CreateTable",
        "TableName KeySchema AttributeDefinitions",
        "LocalSecondaryIndexes GlobalSecondaryIndexes BillingMode StreamSpecification DeletionProtectionEnabled Tags "
        "ProvisionedThroughput " + _IGNORED,
    )
    arn = service.arn.removesuffix("*") + str(request["TableName"])
    _allowed(service, "CreateTable", arn, f'"{arn}"')
    wanted, tags = requested_table(request), checked_tags(request.get("Tags") or ())
    table = service.add_table(wanted.schema, wanted.view_type)
    table.deletion_protection, table.billing_mode, table.tags = wanted.is_protected, wanted.billing_mode, tags
    table.provisioned_throughput = wanted.throughput
    return {"TableDescription": table.described()}


def _configured(service: DynamoDB, request: Request, operation: str, optional: str = "") -> Table:
    check_request(request, operation, "TableName", optional)
    table = _table(service, request, is_configuration=True)
    _allowed(service, operation, table.arn, table.label)
    return table


def _describe_table(service: DynamoDB, request: Request) -> Response:
    return {"Table": _configured(service, request, "DescribeTable").described()}


def _delete_table(service: DynamoDB, request: Request) -> Response:
    check_request(request, "DeleteTable", "TableName", "")
    table = _table(service, request, is_configuration=True)
    description = {**table.described(), "TableStatus": "DELETING"}
    service.delete_table(table)
    return {"TableDescription": description}


def _list_tables(service: DynamoDB, request: Request) -> Response:
    check_request(request, "ListTables", "", "ExclusiveStartTableName Limit")
    _allowed(service, "ListTables", service.arn, f'"{service.arn}"')
    limit = request.get("Limit", 100)
    check_limit(limit, 100)
    after = request.get("ExclusiveStartTableName") or ""
    names = sorted(table.name for table in service if table.name > after)
    response: Response = {"TableNames": names[:limit]}
    if len(names) > limit:
        response["LastEvaluatedTableName"] = names[limit - 1]
    return response


def _update_table(service: DynamoDB, request: Request) -> Response:
    table = _configured(
        service,
        request,
        "UpdateTable",
        "AttributeDefinitions BillingMode StreamSpecification GlobalSecondaryIndexUpdates DeletionProtectionEnabled "
        "ProvisionedThroughput " + _IGNORED,
    )
    throughput = table.provisioned_throughput
    if request.get("BillingMode") is not None or request.get("ProvisionedThroughput") is not None:
        throughput = requested_throughput(request, request.get("BillingMode") or table.billing_mode)
    updates = request.get("GlobalSecondaryIndexUpdates") or ()
    types = {**table.attribute_types, **attribute_types(request.get("AttributeDefinitions") or ())}
    created = [requested_index(u["Create"], types, is_local=False) for u in updates if u.get("Create")]
    specification = request.get("StreamSpecification")
    if specification is not None:
        view_type = requested_view_type(specification)
        if view_type is None:
            table.disable_stream()
        else:
            table.begin_stream(view_type)
    for index in created:
        table.add_index(index)
    for update in updates:
        if update.get("Delete"):
            table.delete_index(update["Delete"]["IndexName"])
    if request.get("DeletionProtectionEnabled") is not None:
        table.deletion_protection = bool(request["DeletionProtectionEnabled"])
    table.provisioned_throughput = throughput
    if request.get("BillingMode") is not None:
        table.billing_mode = request["BillingMode"]
    return {"TableDescription": table.described()}


def _tag_resource(service: DynamoDB, request: Request) -> Response:
    table = _tagged(service, request, "TagResource", "ResourceArn Tags")
    table.tags = checked_tags(request["Tags"], table.tags)
    return {}


def _untag_resource(service: DynamoDB, request: Request) -> Response:
    table = _tagged(service, request, "UntagResource", "ResourceArn TagKeys")
    table.tags = {key: value for key, value in table.tags.items() if key not in request["TagKeys"]}
    return {}


def _list_tags(service: DynamoDB, request: Request) -> Response:
    tags = _tagged(service, request, "ListTagsOfResource", "ResourceArn", "NextToken").tags
    return {"Tags": [{"Key": key, "Value": value} for key, value in sorted(tags.items())]}


def _tagged(service: DynamoDB, request: Request, operation: str, required: str, optional: str = "") -> Table:
    check_request(request, operation, required, optional)
    arn = request["ResourceArn"]
    found = next((table for table in service if table.arn == arn), None)
    _allowed(service, operation, arn, f'"{arn}"' if found is None else found.label)
    if found is None:
        raise TableNotFound(f"Requested resource not found: ResourcArn: {arn} not found")
    return found


def _describe_continuous_backups(service: DynamoDB, request: Request) -> Response:
    _configured(service, request, "DescribeContinuousBackups")
    recovery = {"PointInTimeRecoveryStatus": "DISABLED"}
    description = {"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": recovery}
    return {"ContinuousBackupsDescription": description}


def _update_time_to_live(service: DynamoDB, request: Request) -> Response:
    table = _configured(service, request, "UpdateTimeToLive", "TimeToLiveSpecification")
    specification = request.get("TimeToLiveSpecification") or {}
    attribute = specification.get("AttributeName")
    if not attribute:
        raise ValidationError(
            "1 validation error detected: Value null at 'timeToLiveSpecification.attributeName' failed to satisfy "
            "constraint: Member must not be null"
        )
    table.set_time_to_live(attribute if specification.get("Enabled") else None)
    return {"TimeToLiveSpecification": dict(specification)}


def _describe_time_to_live(service: DynamoDB, request: Request) -> Response:
    attribute = _configured(service, request, "DescribeTimeToLive").time_to_live
    description = {"TimeToLiveStatus": "DISABLED" if attribute is None else "ENABLED"}
    if attribute is not None:
        description["AttributeName"] = attribute
    return {"TimeToLiveDescription": description}


# -- streams ----------------------------------------------------------------------------------------------------------


def _list_streams(service: DynamoDB, request: Request) -> Response:
    check_request(request, "ListStreams", "", "TableName Limit ExclusiveStartStreamArn")
    _allowed(service, "ListStreams", "*", '"*"')
    limit = request.get("Limit", 100)
    check_limit(limit, 100)
    name, after = request.get("TableName"), request.get("ExclusiveStartStreamArn") or ""
    streams = sorted(
        (s for s in service.streams if name in (None, s.table_name) and s.arn > after), key=lambda s: s.arn
    )
    response: Response = {
        "Streams": [
            {"StreamArn": s.arn, "TableName": s.table_name, "StreamLabel": s.stream_label} for s in streams[:limit]
        ]
    }
    if len(streams) > limit:
        response["LastEvaluatedStreamArn"] = streams[limit - 1].arn
    return response


def _describe_stream(service: DynamoDB, request: Request) -> Response:
    check_request(request, "DescribeStream", "StreamArn", "Limit ExclusiveStartShardId")
    stream = service.stream(request["StreamArn"])
    start = request.get("ExclusiveStartShardId")
    return {"StreamDescription": stream.describe(limit=request.get("Limit", 100), exclusive_start_shard_id=start)}


def _get_shard_iterator(service: DynamoDB, request: Request) -> Response:
    check_request(request, "GetShardIterator", "StreamArn ShardId ShardIteratorType", "SequenceNumber Timestamp")
    timestamp: Any = request.get("Timestamp")
    iterator = service.stream(request["StreamArn"]).get_shard_iterator(
        request["ShardId"],
        request["ShardIteratorType"],
        sequence_number=request.get("SequenceNumber"),
        timestamp=timestamp.timestamp() if hasattr(timestamp, "timestamp") else timestamp,
    )
    return {"ShardIterator": iterator}


def _get_records(service: DynamoDB, request: Request) -> Response:
    check_request(request, "GetRecords", "ShardIterator", "Limit")
    token = str(request["ShardIterator"])
    if "|" not in token:
        raise ValidationError("Invalid ShardIterator")
    return service.stream(token.partition("|")[0]).get_records(token, limit=request.get("Limit", 1000))


ITEM_OPERATIONS = frozenset(
    {
        *("BatchGetItem", "BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan"),
        *("TransactGetItems", "TransactWriteItems", "UpdateItem"),
    }
)
"""Those that need a running bus, and may have to wait; all others only configure or describe."""
OPERATIONS: dict[str, Callable[[DynamoDB, Request], Response]] = {
    "BatchGetItem": _batch_get,
    "BatchWriteItem": _batch_write,
    "CreateTable": _create_table,
    "DeleteItem": _on_table("delete"),
    "DeleteTable": _delete_table,
    "DescribeContinuousBackups": _describe_continuous_backups,
    "DescribeStream": _describe_stream,
    "DescribeTable": _describe_table,
    "DescribeTimeToLive": _describe_time_to_live,
    "GetItem": _on_table("get"),
    "GetRecords": _get_records,
    "GetShardIterator": _get_shard_iterator,
    "ListStreams": _list_streams,
    "ListTables": _list_tables,
    "ListTagsOfResource": _list_tags,
    "PutItem": _on_table("put"),
    "Query": _on_table("query_request"),
    "Scan": _on_table("scan_request"),
    "TagResource": _tag_resource,
    "TransactGetItems": _transact_get,
    "TransactWriteItems": _transact_write,
    "UntagResource": _untag_resource,
    "UpdateItem": _on_table("update"),
    "UpdateTable": _update_table,
    "UpdateTimeToLive": _update_time_to_live,
}
"""What is emulated, by AWS's name."""
