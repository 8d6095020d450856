"""Batches and transactions."""

from __future__ import annotations

from typing import Any

import pytest

from eventbus import EventBus, VirtualClock
from triggers.dynamodb import (
    ConditionCheck,
    Delete,
    DynamoDB,
    Get,
    Put,
    Table,
    TransactionCanceled,
    Update,
    ValidationError,
)
from triggers.dynamodb.errors import IdempotentParameterMismatch

pytestmark = pytest.mark.anyio


@pytest.fixture
def one(dynamodb: DynamoDB) -> Table:
    return dynamodb.create_table("one", "id", stream="KEYS_ONLY")


@pytest.fixture
def two(dynamodb: DynamoDB) -> Table:
    return dynamodb.create_table("two", {"id": "N"})


# -- batches -----------------------------------------------------------------------------------------------------------


async def test_a_batch_writes_and_reads_several_tables(
    bus: EventBus, dynamodb: DynamoDB, one: Table, two: Table
) -> None:
    async with bus:
        await dynamodb.batch_write_item([Put(one, {"id": "a", "n": 1}), Put(one, {"id": "b"}), Put(two, {"id": 1})])
        await dynamodb.batch_write_item([Delete(one, {"id": "b"}), Delete(one, {"id": "zz"})])
        found = await dynamodb.batch_get_item([Get(one, {"id": "a"}), Get(one, {"id": "b"}), Get(two, {"id": 1})])
    assert found.items == {"one": [{"id": "a", "n": 1}], "two": [{"id": 1}]}
    assert found.unprocessed == []


async def test_a_refused_write_of_a_batch_lets_none_be_done(bus: EventBus, dynamodb: DynamoDB, one: Table) -> None:
    async with bus:
        with pytest.raises(ValidationError):
            await dynamodb.batch_write_item([Put(one, {"id": "a"}), Put(one, {"id": 5})])
        assert (await one.scan()).items == []


async def test_a_batch_names_each_item_once(bus: EventBus, dynamodb: DynamoDB, one: Table) -> None:
    async with bus:
        with pytest.raises(ValidationError, match="Provided list of item keys contains duplicates"):
            await dynamodb.batch_write_item([Put(one, {"id": "a"}), Delete(one, {"id": "a"})])
        with pytest.raises(ValidationError, match="Provided list of item keys contains duplicates"):
            await dynamodb.batch_get_item([Get(one, {"id": "a"}), Get(one, {"id": "a"})])


async def test_batches_have_limits(bus: EventBus, dynamodb: DynamoDB, one: Table) -> None:
    """25 writes, 100 reads; conditions belong into transactions."""
    async with bus:
        with pytest.raises(ValidationError, match="less than or equal to 25"):
            await dynamodb.batch_write_item([Put(one, {"id": str(n)}) for n in range(26)])
        with pytest.raises(ValidationError, match="Too many items requested for the BatchGetItem call"):
            await dynamodb.batch_get_item([Get(one, {"id": str(n)}) for n in range(101)])
        with pytest.raises(ValidationError, match="requestItems"):
            await dynamodb.batch_write_item([])
        with pytest.raises(ValidationError, match="call transact_write_items"):
            await dynamodb.batch_write_item([Put(one, {"id": "a"}, condition="attribute_exists(id)")])


async def test_what_does_not_fit_into_16_mb_is_left_over(bus: EventBus, dynamodb: DynamoDB, one: Table) -> None:
    async with bus:
        for n in range(45):
            await one.put_item({"id": str(n), "x": "x" * 400_000})
        gets = [Get(one, {"id": str(n)}) for n in range(45)]
        found = await dynamodb.batch_get_item(gets)
        rest = await dynamodb.batch_get_item(found.unprocessed)
    assert (len(found.items["one"]), len(rest.items["one"]), rest.unprocessed) == (42, 3, [])


# -- transactions ------------------------------------------------------------------------------------------------------


async def test_a_transaction_does_all(bus: EventBus, dynamodb: DynamoDB, one: Table, two: Table) -> None:
    async with bus:
        await one.put_item({"id": "gone"})
        await dynamodb.transact_write_items(
            [
                Put(one, {"id": "a", "n": 1}, condition="attribute_not_exists(id)"),
                Update(two, {"id": 1}, "SET n = :n", values={":n": 2}),
                Delete(one, {"id": "gone"}),
                ConditionCheck(two, {"id": 9}, "attribute_not_exists(id)"),
            ]
        )
        gets = [Get(one, {"id": "a"}), Get(two, {"id": 1}, projection="n"), Get(one, {"id": "gone"})]
        assert await dynamodb.transact_get_items(gets) == [{"id": "a", "n": 1}, {"n": 2}, None]


async def test_a_cancelled_transaction_does_nothing(bus: EventBus, dynamodb: DynamoDB, one: Table, two: Table) -> None:
    """One reason for each action, with the item that was found if that was asked for."""
    async with bus:
        await one.put_item({"id": "there", "n": 1})
        with pytest.raises(TransactionCanceled) as caught:
            await dynamodb.transact_write_items(
                [
                    Put(one, {"id": "a"}),
                    ConditionCheck(
                        one,
                        {"id": "there"},
                        "n > :n",
                        values={":n": 1},
                        return_values_on_condition_check_failure="ALL_OLD",
                    ),
                    Update(two, {"id": 1}, "SET n = x + :n", values={":n": 1}),
                ]
            )
        assert caught.value.message == (
            "Transaction cancelled, please refer cancellation reasons for specific reasons "
            "[None, ConditionalCheckFailed, ValidationError]"
        )
        assert caught.value.reasons == [
            {"Code": "None"},
            {
                "Code": "ConditionalCheckFailed",
                "Message": "The conditional request failed",
                "Item": {"id": "there", "n": 1},
            },
            {
                "Code": "ValidationError",
                "Message": "The provided expression refers to an attribute that does not exist in the item",
            },
        ]
        assert (await one.scan()).items == [{"id": "there", "n": 1}]
        assert (await two.scan()).items == []


async def test_a_wrong_expression_refuses_the_whole_transaction(bus: EventBus, dynamodb: DynamoDB, one: Table) -> None:
    async with bus:
        with pytest.raises(ValidationError, match="Syntax error"):
            await dynamodb.transact_write_items([Put(one, {"id": "a"}, condition="id =")])


async def test_a_transaction_touches_each_item_once(bus: EventBus, dynamodb: DynamoDB, one: Table) -> None:
    async with bus:
        with pytest.raises(ValidationError, match="Transaction request cannot include multiple operations on one item"):
            await dynamodb.transact_write_items(
                [Put(one, {"id": "a"}), ConditionCheck(one, {"id": "a"}, "attribute_exists(id)")]
            )
        with pytest.raises(ValidationError, match="less than or equal to 100"):
            await dynamodb.transact_write_items([Put(one, {"id": str(n)}) for n in range(101)])


async def test_a_token_makes_a_transaction_idempotent_for_ten_minutes(
    bus: EventBus, dynamodb: DynamoDB, clock: VirtualClock, two: Table
) -> None:
    """The same token with another transaction is refused."""
    add = [Update(two, {"id": 1}, "ADD n :n", values={":n": 1})]

    async def count() -> Any:
        item = await two.get_item({"id": 1})
        return item and item["n"]

    async with bus:
        for _ in range(2):
            await dynamodb.transact_write_items(add, client_request_token="t")
        assert await count() == 1
        with pytest.raises(IdempotentParameterMismatch):
            await dynamodb.transact_write_items([Put(two, {"id": 5})], client_request_token="t")
        await clock.advance(601)
        await dynamodb.transact_write_items(add, client_request_token="t")
        assert await count() == 2


async def test_a_handler_needs_the_permission_of_each_action(bus: EventBus, dynamodb: DynamoDB, one: Table) -> None:
    @bus.function
    async def writer(event: Any, context: Any) -> None:
        await dynamodb.transact_write_items([ConditionCheck(one, {"id": "a"}, "attribute_not_exists(id)")])

    async with bus:
        writer.role.allow("dynamodb:PutItem", one)
        denied = await bus.invoke(writer)
        assert 'role.allow("dynamodb:ConditionCheckItem"' in denied.payload["errorMessage"]
        writer.role.allow("dynamodb:ConditionCheckItem", one)
        assert (await bus.invoke(writer)).function_error is None
