"""Operations by AWS's names: botocore's models judge what is asked and what is answered."""

from __future__ import annotations

from typing import Any

import botocore.session
import botocore.validate
import pytest

from eventbus import EventBus
from triggers.dynamodb import DynamoDB, DynamoDBError, ValidationError, errors
from triggers.dynamodb.operations import OPERATIONS

pytestmark = pytest.mark.anyio

SESSION = botocore.session.get_session()
MODEL = SESSION.get_service_model("dynamodb")
STREAMS = SESSION.get_service_model("dynamodbstreams")
KEY = {"pk": {"S": "a"}, "sk": {"N": "1"}}
CREATE: dict[str, Any] = {
    "TableName": "Music",
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "sk", "AttributeType": "N"},
        {"AttributeName": "g", "AttributeType": "B"},
    ],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by-g",
            "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["n"]},
        }
    ],
    "LocalSecondaryIndexes": [
        {
            "IndexName": "by-l",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "g", "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ],
    "BillingMode": "PAY_PER_REQUEST",
    "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
}
COUNTED = {"ReturnConsumedCapacity": "INDEXES"}
VALUES = {"ExpressionAttributeValues": {":v": {"N": "1"}}}
ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/Music"
STEPS: list[tuple[str, dict[str, Any]]] = [
    ("CreateTable", CREATE),
    ("DescribeTable", {"TableName": "Music"}),
    ("DescribeContinuousBackups", {"TableName": "Music"}),
    ("TagResource", {"ResourceArn": ARN, "Tags": [{"Key": "team", "Value": "blue"}]}),
    ("ListTagsOfResource", {"ResourceArn": ARN}),
    ("UntagResource", {"ResourceArn": ARN, "TagKeys": ["team"]}),
    ("ListTables", {"Limit": 10}),
    ("UpdateTimeToLive", {"TableName": "Music", "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "t"}}),
    ("DescribeTimeToLive", {"TableName": "Music"}),
    ("PutItem", {"TableName": "Music", "Item": {**KEY, "g": {"B": b"x"}, "n": {"N": "1"}}, **COUNTED}),
    ("PutItem", {"TableName": "Music", "Item": {**KEY, "g": {"B": b"y"}}, "ReturnValues": "ALL_OLD"}),
    (
        "UpdateItem",
        {
            "TableName": "Music",
            "Key": KEY,
            "UpdateExpression": "SET n = if_not_exists(n, :v) + :v",
            "ReturnValues": "UPDATED_NEW",
            **VALUES,
            **COUNTED,
        },
    ),
    ("GetItem", {"TableName": "Music", "Key": KEY, "ConsistentRead": True, **COUNTED}),
    (
        "Query",
        {
            "TableName": "Music",
            "KeyConditionExpression": "g = :g",
            "IndexName": "by-g",
            "ExpressionAttributeValues": {":g": {"B": b"y"}},
            "Limit": 1,
            **COUNTED,
        },
    ),
    ("Scan", {"TableName": "Music", "IndexName": "by-l", "TotalSegments": 1, "Segment": 0, **COUNTED}),
    ("BatchGetItem", {"RequestItems": {"Music": {"Keys": [KEY]}}, **COUNTED}),
    (
        "BatchWriteItem",
        {
            "RequestItems": {
                "Music": [{"PutRequest": {"Item": {**KEY, "sk": {"N": "2"}}}}, {"DeleteRequest": {"Key": KEY}}]
            }
        },
    ),
    (
        "TransactWriteItems",
        {
            "TransactItems": [
                {"Put": {"TableName": "Music", "Item": KEY}},
                {
                    "Update": {
                        "TableName": "Music",
                        "Key": {**KEY, "sk": {"N": "2"}},
                        "UpdateExpression": "SET n = :v",
                        **VALUES,
                    }
                },
            ],
            "ClientRequestToken": "t",
            **COUNTED,
        },
    ),
    ("TransactGetItems", {"TransactItems": [{"Get": {"TableName": "Music", "Key": KEY}}], **COUNTED}),
    ("DeleteItem", {"TableName": "Music", "Key": KEY, "ReturnValues": "ALL_OLD", **COUNTED}),
    (
        "UpdateTable",
        {
            "TableName": "Music",
            "AttributeDefinitions": [{"AttributeName": "z", "AttributeType": "S"}],
            "GlobalSecondaryIndexUpdates": [
                {
                    "Create": {
                        "IndexName": "by-z",
                        "KeySchema": [{"AttributeName": "z", "KeyType": "HASH"}],
                        "Projection": {"ProjectionType": "ALL"},
                    }
                },
                {"Delete": {"IndexName": "by-g"}},
            ],
            "StreamSpecification": {"StreamEnabled": False},
        },
    ),
    ("DeleteTable", {"TableName": "Music"}),
]  # fmt: skip


async def test_requests_and_responses_have_the_shapes_of_botocores_model(bus: EventBus, dynamodb: DynamoDB) -> None:
    """In the order of a table's life; every operation on tables and items is among them."""
    validator = botocore.validate.ParamValidator()
    async with bus:
        for operation, request in STEPS:
            model = MODEL.operation_model(operation)
            assert model.input_shape is not None
            assert not validator.validate(request, model.input_shape).has_errors(), operation
            response = await dynamodb.call(operation, request)
            if model.output_shape is None:
                assert response == {}
                continue
            complaints = validator.validate(response, model.output_shape).generate_report().splitlines()
            # AWS answers 0 there, which the model does not allow
            assert [each for each in complaints if "NumberOfDecreasesToday, value: 0" not in each] == [], operation
            assert response.keys() <= model.output_shape.members.keys()
    assert {operation for operation, _ in STEPS} == OPERATIONS.keys() & set(MODEL.operation_names)
    assert OPERATIONS.keys() <= {*MODEL.operation_names, *STREAMS.operation_names}
    assert set(STREAMS.operation_names) <= OPERATIONS.keys()


async def test_answers_are_what_aws_answers(bus: EventBus, dynamodb: DynamoDB) -> None:
    """A few of them, in full."""
    async with bus:
        answers = {operation: await dynamodb.call(operation, request) for operation, request in STEPS}
    assert answers["UpdateItem"] == {
        "Attributes": {"n": {"N": "2"}},
        "ConsumedCapacity": {"TableName": "Music", "CapacityUnits": 1.0, "Table": {"CapacityUnits": 1.0}},
    }
    assert answers["Query"] == {
        "Count": 1,
        "ScannedCount": 1,
        "Items": [{"pk": {"S": "a"}, "sk": {"N": "1"}, "g": {"B": b"y"}, "n": {"N": "2"}}],
        "LastEvaluatedKey": {"g": {"B": b"y"}, "pk": {"S": "a"}, "sk": {"N": "1"}},
        "ConsumedCapacity": {
            "TableName": "Music",
            "CapacityUnits": 0.5,
            "Table": {"CapacityUnits": 0.0},
            "GlobalSecondaryIndexes": {"by-g": {"CapacityUnits": 0.5}},
        },
    }
    assert answers["TransactGetItems"]["Responses"] == [{"Item": KEY}]
    assert answers["DescribeTimeToLive"] == {
        "TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": "t"}
    }


def test_error_codes_are_those_of_the_models() -> None:
    """But for ValidationException, which every service has and no model names."""
    known = {
        shape.metadata.get("error", {}).get("code", name)
        for model in (MODEL, STREAMS)
        for name in model.shape_names
        if (shape := model.shape_for(name)).metadata.get("exception")
    }
    codes = {
        value.code for value in vars(errors).values() if isinstance(value, type) and issubclass(value, DynamoDBError)
    }
    assert codes - known == {"ValidationException"}


@pytest.mark.parametrize(
    ("operation", "request_", "complaint"),
    [
        ("PutItem", {"TableName": "Music", "Item": KEY, "Expected": {}},
         "Expected is a legacy parameter of PutItem, which is not emulated; use ConditionExpression"),
        ("UpdateItem", {"TableName": "Music", "Key": KEY, "AttributeUpdates": {}}, "use UpdateExpression"),
        ("Query", {"TableName": "Music", "KeyConditions": {}}, "use KeyConditionExpression"),
        ("Scan", {"TableName": "Music", "ScanFilter": {}}, "use FilterExpression"),
        ("PutItem", {"TableName": "Music"}, "Value null at 'item' failed to satisfy constraint: Member must not "
         "be null"),
        ("PutItem", {"Item": KEY}, "Value null at 'tableName' failed"),
        ("PutItem", {"TableName": "Music", "Item": KEY, "Colour": 1}, "PutItem has no parameter Colour"),
        ("ExecuteStatement", {}, "ExecuteStatement is not emulated; there is BatchGetItem, "),
        ("PutItem", {"TableName": "Music", "Item": {"pk": {"X": "a"}}}, "must contain exactly one of the "
         "supported datatypes"),
        ("BatchWriteItem", {"RequestItems": {"Music": [{"Other": {}}]}}, "a PutRequest with an Item or a "
         "DeleteRequest"),
        ("TransactWriteItems", {"TransactItems": [{}]}, "TransactItems can only contain one of"),
        ("TransactWriteItems", {"TransactItems": []}, "Value at 'transactItems' failed"),
        ("TransactGetItems", {"TransactItems": [{"Put": {}}]}, "an action of TransactGetItems is a Get"),
        ("BatchGetItem", {"RequestItems": {}}, "Member must have length greater than or equal to 1"),
        ("Query", {"TableName": "Music"}, "Either the KeyConditions or KeyConditionExpression parameter must be "
         "specified"),
        ("ListTables", {"Limit": 101}, "Member must have value less than or equal to 100"),
        ("UpdateTimeToLive", {"TableName": "Music", "TimeToLiveSpecification": {"Enabled": True}}, "attributeName"),
        ("UpdateTable", {"TableName": "Music", "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "X"}},
         "Value 'X' at 'streamViewType'"),
    ],
)  # fmt: skip
async def test_a_wrong_request_is_refused(
    bus: EventBus, dynamodb: DynamoDB, operation: str, request_: Any, complaint: str
) -> None:
    """Missing, unknown and legacy parameters, and operations that there are not."""
    async with bus:
        await dynamodb.call("CreateTable", CREATE)
        with pytest.raises(ValidationError) as caught:
            await dynamodb.call(operation, request_)
        assert complaint in str(caught.value)


async def test_a_table_is_named_by_its_arn_too(bus: EventBus, dynamodb: DynamoDB) -> None:
    async with bus:
        arn = (await dynamodb.call("CreateTable", CREATE))["TableDescription"]["TableArn"]
        assert await dynamodb.call("GetItem", {"TableName": arn, "Key": KEY}) == {}


async def test_lists_of_tables_and_streams_have_pages(bus: EventBus, dynamodb: DynamoDB) -> None:
    for n in range(3):
        dynamodb.create_table(f"table-{n}", "id", stream="KEYS_ONLY")
    async with bus:
        first = await dynamodb.call("ListTables", {"Limit": 2})
        rest = await dynamodb.call("ListTables", {"ExclusiveStartTableName": first["LastEvaluatedTableName"]})
        assert (first["TableNames"], rest) == (["table-0", "table-1"], {"TableNames": ["table-2"]})
        first = await dynamodb.call("ListStreams", {"Limit": 2})
        rest = await dynamodb.call("ListStreams", {"ExclusiveStartStreamArn": first["LastEvaluatedStreamArn"]})
        assert [s["TableName"] for s in first["Streams"] + rest["Streams"]] == ["table-0", "table-1", "table-2"]


WRONG_TABLES: list[dict[str, Any]] = [
    {"KeySchema": [{"AttributeName": "pk", "KeyType": "RANGE"}]},
    {"KeySchema": [{"AttributeName": "nope", "KeyType": "HASH"}]},
    {"AttributeDefinitions": [*CREATE["AttributeDefinitions"], {"AttributeName": "more", "AttributeType": "S"}]},
    {"StreamSpecification": {"StreamEnabled": True}},
    {"TableName": "x"},
]


@pytest.mark.parametrize("wrong", WRONG_TABLES)
async def test_a_wrong_table_is_not_made(bus: EventBus, dynamodb: DynamoDB, wrong: dict[str, Any]) -> None:
    async with bus:
        with pytest.raises(ValidationError):
            await dynamodb.call("CreateTable", {**CREATE, **wrong})
        assert len(dynamodb) == 0


async def test_a_handler_needs_permissions_for_tables_too(bus: EventBus, dynamodb: DynamoDB) -> None:
    @bus.function
    async def maker(event: Any, context: Any) -> None:
        await dynamodb.call("CreateTable", CREATE)

    async with bus:
        assert "dynamodb:CreateTable" in (await bus.invoke(maker)).payload["errorMessage"]
        maker.role.allow("dynamodb:CreateTable", "*")
        assert (await bus.invoke(maker)).function_error is None
