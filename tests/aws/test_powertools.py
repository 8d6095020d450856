"""aws-lambda-powertools against its real stores: what it keeps is in a table of this bus, with boto3 unchanged."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyPersistenceLayerError
from aws_lambda_powertools.utilities.parameters import DynamoDBProvider

from eventbus import EventBus
from triggers import SNS, DynamoDB
from triggers.aws import AWS


class World:
    """A function that powertools makes idempotent, and its table."""

    def __init__(self, bus: EventBus) -> None:
        self.bus = bus
        self.table = DynamoDB(bus).create_table("idempotency", "id", time_to_live="expiration")
        self.runs: list[Any] = []
        layer = DynamoDBPersistenceLayer(table_name="idempotency", boto3_client=boto3.client("dynamodb"))

        @idempotent(persistence_store=layer, config=IdempotencyConfig(event_key_jmespath="order"))
        def charge(event: Any, context: Any) -> Any:
            self.runs.append(event["order"])
            if event.get("fails"):
                raise ValueError("no money")
            return {"charged": event["order"], "run": len(self.runs)}

        self.function = bus.add_function("charge", charge, retries=2)
        self.actions = ["dynamodb:PutItem", "dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]

    def may(self) -> None:
        self.function.role.allow(self.actions, self.table)


@pytest.fixture
def world(bus: EventBus, aws: AWS) -> World:
    return World(bus)


@pytest.mark.anyio
class TestIdempotency:
    async def test_the_second_call_gets_the_first_ones_answer(self, world: World) -> None:
        world.may()
        async with world.bus:
            answers = [await world.bus.invoke(world.function, {"order": order}) for order in ("1", "1", "2")]
        assert [answer.payload["run"] for answer in answers] == [1, 1, 2]
        assert world.runs == ["1", "2"]

    async def test_a_failure_is_forgotten_so_that_the_retry_runs(self, world: World) -> None:
        world.may()
        topic = SNS(world.bus).create_topic("orders")
        world.function.allow(topic)
        async with world.bus:
            await world.bus.push(world.function, {"order": "1", "fails": True}, source=topic)
            await world.bus.wait_idle()
        assert world.runs == ["1", "1", "1"]
        assert world.bus.dead_letters[0].attempts == 3

    async def test_without_permission_nothing_runs(self, world: World) -> None:
        async with world.bus:
            answer = await world.bus.invoke(world.function, {"order": "1"})
        assert answer.payload["errorType"] == IdempotencyPersistenceLayerError.__name__
        assert "dynamodb:PutItem" in answer.payload["errorMessage"]
        assert world.runs == []


def test_parameters_come_from_a_table(aws: AWS) -> None:
    resource = boto3.resource("dynamodb")
    resource.create_table(
        TableName="parameters",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("id", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    for key in ("a", "b"):
        resource.Table("parameters").put_item(Item={"id": "app", "sk": key, "value": key.upper()})
    provider = DynamoDBProvider(table_name="parameters", boto3_client=resource)
    assert provider.get_multiple("app") == {"a": "A", "b": "B"}
