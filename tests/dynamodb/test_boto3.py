"""boto3 itself as the user: its resource, its condition builder and its paginators on our operations.

Its requests are taken where it would send them, after it has built and checked them; its own code reads the answers.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import boto3
import pytest
from boto3.dynamodb.conditions import Attr, Key
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError

from eventbus import EventBus
from eventbus.errors import AWSError
from triggers.dynamodb import DynamoDB
from triggers.dynamodb.errors import ConditionalCheckFailed, TransactionCanceled

pytestmark = pytest.mark.anyio


def connected(dynamodb: DynamoDB, resource: Any) -> Any:
    """A boto3 resource or client whose calls are ours."""
    events = resource.meta.events if hasattr(resource.meta, "events") else resource.meta.client.meta.events
    asked: dict[str, Any] = {}

    def take(params: dict[str, Any], **_: Any) -> None:
        asked.clear()
        asked.update(params)

    def answer(model: Any, **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        try:
            return AWSResponse("", 200, HTTPHeaders(), None), dynamodb.call_nowait(model.name, asked)
        except AWSError as error:
            parsed: dict[str, Any] = {"Error": {"Code": error.code, "Message": error.message}}
            if isinstance(error, TransactionCanceled):
                parsed["CancellationReasons"] = error.reasons
            if isinstance(error, ConditionalCheckFailed) and error.item is not None:
                parsed["Item"] = error.item
            return AWSResponse("", error.status, HTTPHeaders(), None), parsed

    events.register_last("before-parameter-build.dynamodb", take)
    events.register("before-call.dynamodb", answer)
    return resource


CREDENTIALS = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}


@pytest.fixture
def resource(dynamodb: DynamoDB) -> Any:
    return connected(dynamodb, boto3.resource("dynamodb", **CREDENTIALS))


@pytest.fixture
def table(resource: Any) -> Any:
    return resource.Table("films")


@pytest.fixture(autouse=True)
def films(dynamodb: DynamoDB) -> None:
    dynamodb.create_table("films", {"year": "N", "title": "S"}, indexes={"by-rating": {"genre": "S", "rating": "N"}})


async def test_items_go_and_come_as_boto3_has_them(bus: EventBus, table: Any) -> None:
    """Every type of attribute."""
    item = {
        "year": 1999,
        "title": "a",
        "n": None,
        "b": True,
        "l": [Decimal("1.5"), {"x": {1, 2}}],
        "s": {"p"},
        "bin": b"\xff",
    }
    async with bus:
        table.put_item(Item=item)
        found = table.get_item(Key={"year": 1999, "title": "a"})["Item"]
    assert found == item


async def test_conditions_that_boto3_builds_mean_what_they_say(bus: EventBus, table: Any) -> None:
    """Its condition objects for filters, keys and conditions."""
    async with bus:
        with table.batch_writer() as batch:
            for n in range(30):
                batch.put_item(
                    Item={
                        "year": 2000 + n % 3,
                        "title": f"{n:02}",
                        "genre": "x",
                        "rating": n,
                        "code": f"{n:02}",
                        "tags": [f"t{n}"],
                    }
                )
        found = table.query(
            KeyConditionExpression=Key("year").eq(2001) & Key("title").between("05", "20"),
            FilterExpression=(Attr("rating").gt(10) | Attr("tags").contains("t7")) & ~Attr("code").is_in(["13", "16"]),
        )
        assert [item["title"] for item in found["Items"]] == ["07", "19"]
        best = table.query(
            IndexName="by-rating",
            KeyConditionExpression=Key("genre").eq("x") & Key("rating").gte(27),
            ScanIndexForward=False,
            ProjectionExpression="title, #y",
            ExpressionAttributeNames={"#y": "year"},
        )
        assert best["Items"] == [{"title": str(n), "year": 2000 + n % 3} for n in (29, 28, 27)]
        scanned = table.scan(FilterExpression=Attr("title").begins_with("2") & Attr("x").not_exists())
        assert scanned["Count"] == 10
        with pytest.raises(ClientError) as caught:
            table.put_item(Item={"year": 2000, "title": "00"}, ConditionExpression=Attr("rating").size().lt(3))
        assert caught.value.response["Error"]["Code"] == "ConditionalCheckFailedException"


async def test_updates_answer_what_boto3_expects(bus: EventBus, table: Any) -> None:
    async with bus:
        answer = table.update_item(
            Key={"year": 1, "title": "t"},
            UpdateExpression="SET info = :i ADD votes :one",
            ExpressionAttributeValues={":i": {"r": Decimal("4.5")}, ":one": 1},
            ReturnValues="ALL_NEW",
            ReturnConsumedCapacity="TOTAL",
        )
    assert answer["Attributes"] == {"year": 1, "title": "t", "info": {"r": Decimal("4.5")}, "votes": 1}
    assert answer["ConsumedCapacity"]["CapacityUnits"] == 1


async def test_paginators_turn_every_page(bus: EventBus, dynamodb: DynamoDB) -> None:
    """With the low-level client, in DynamoDB's own form."""
    client = connected(dynamodb, boto3.client("dynamodb", **CREDENTIALS))
    async with bus:
        for n in range(7):
            client.put_item(TableName="films", Item={"year": {"N": str(n)}, "title": {"S": "t"}})
        pages = list(client.get_paginator("scan").paginate(TableName="films", PaginationConfig={"PageSize": 3}))
    assert [page["Count"] for page in pages] == [3, 3, 1]
    assert {item["year"]["N"] for page in pages for item in page["Items"]} == set("0123456")


async def test_errors_are_boto3s_exceptions(bus: EventBus, resource: Any) -> None:
    """Each with its class, reasons included."""
    client = resource.meta.client
    async with bus:
        with pytest.raises(client.exceptions.ResourceNotFoundException, match="Requested resource not found"):
            resource.Table("nope").get_item(Key={"id": "1"})
        with pytest.raises(client.exceptions.ResourceInUseException, match="Table already exists: films"):
            resource.create_table(
                TableName="films",
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        check = {
            "TableName": "films",
            "Key": {"year": 1, "title": "x"},
            "ConditionExpression": "attribute_exists(title)",
        }
        with pytest.raises(client.exceptions.TransactionCanceledException) as caught:
            client.transact_write_items(TransactItems=[{"ConditionCheck": check}])
        assert caught.value.response["CancellationReasons"][0]["Code"] == "ConditionalCheckFailed"
