"""Tables and their items, through the calls that users make."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from eventbus import EventBus
from eventbus.errors import BusNotRunning, ConfigurationError
from eventbus.testing import Recorder
from triggers.dynamodb import (
    ConditionalCheckFailed,
    DynamoDB,
    Index,
    Put,
    ResourceInUse,
    Table,
    TableNotFound,
    ValidationError,
)

pytestmark = pytest.mark.anyio

MISSING_KEY = "One or more parameter values were invalid: Missing the key sk in the item"
NO_KEY = "The provided key element does not match the schema"


@pytest.fixture
def table(dynamodb: DynamoDB) -> Table:
    return dynamodb.create_table("things", {"pk": "S", "sk": "N"})


async def test_an_item_comes_back_as_plain_values(bus: EventBus, table: Table) -> None:
    """Numbers as Decimal, sets as sets, bytes as bytes."""
    item = {"pk": "a", "sk": 1, "b": b"\x00", "l": [None, True, {"x": "y"}], "s": {"p"}, "n": {1, 2}}
    async with bus:
        await table.put_item(item)
        found = await table.get_item({"pk": "a", "sk": 1})
    assert found == item
    assert found is not None
    assert type(found["sk"]) is Decimal


async def test_what_callers_hold_is_not_what_the_table_holds(bus: EventBus, dynamodb: DynamoDB, table: Table) -> None:
    """Neither what was put nor what was got, in whichever form."""
    typed: dict[str, Any] = {"pk": {"S": "a"}, "sk": {"N": "1"}, "l": {"L": [{"S": "x"}]}}
    async with bus:
        await dynamodb.call("PutItem", {"TableName": "things", "Item": typed})
        typed["l"]["L"].append({"S": "y"})
        request = {"TableName": "things", "Key": {"pk": {"S": "a"}, "sk": {"N": "1"}}}
        got = await dynamodb.call("GetItem", request)
        got["Item"]["l"]["L"].clear()
        assert await table.get_item({"pk": "a", "sk": 1}) == {"pk": "a", "sk": 1, "l": ["x"]}


async def test_items_may_be_given_in_dynamodbs_form(bus: EventBus, table: Table) -> None:
    """Told by the key, in which no mapping can be; their values then are too."""
    async with bus:
        await table.put_item({"pk": {"S": "a"}, "sk": {"N": "1.0"}, "m": {"M": {"S": {"S": "x"}}}})
        key = {"pk": {"S": "a"}, "sk": {"N": "1"}}
        await table.update_item(key, "SET n = :v", values={":v": {"N": "5"}})
        assert await table.get_item(key) == {"pk": "a", "sk": 1, "m": {"S": "x"}, "n": 5}
        assert (await table.query("pk = :p", values={":p": {"S": "a"}})).count == 1


async def test_return_values_are_what_was_asked_for(bus: EventBus, table: Table) -> None:
    """Of a put and a deletion the old item, of an update the old or new one, or of that only what it names."""
    key = {"pk": "a", "sk": 1}
    async with bus:
        assert await table.put_item({**key, "n": 1}, return_values="ALL_OLD") is None
        assert await table.put_item({**key, "n": 2, "m": {"x": 1, "y": 1}}, return_values="ALL_OLD") == {**key, "n": 1}
        update = "SET n = n + :one, m.x = :nine"
        values = {":one": 1, ":nine": 9}
        assert await table.update_item(key, update, values=values, return_values="UPDATED_OLD") == {
            "n": 2,
            "m": {"x": 1},
        }
        assert await table.update_item(key, update, values=values, return_values="UPDATED_NEW") == {
            "n": 4,
            "m": {"x": 9},
        }
        assert await table.update_item(key, "REMOVE m", return_values="ALL_NEW") == {**key, "n": 4}
        assert await table.update_item(key, "SET n = n", return_values="ALL_OLD") == {**key, "n": 4}
        assert await table.update_item(key, "SET n = n") is None
        assert await table.delete_item(key, return_values="ALL_OLD") == {**key, "n": 4}
        assert await table.delete_item(key, return_values="ALL_OLD") is None
        with pytest.raises(ValidationError, match="ReturnValues can only be ALL_OLD or NONE"):
            await table.put_item(key, return_values="ALL_NEW")


async def test_a_condition_that_fails_changes_nothing(bus: EventBus, table: Table) -> None:
    """The item that was found rides along on request."""
    key = {"pk": "a", "sk": 1}
    async with bus:
        await table.put_item({**key, "n": 1}, condition="attribute_not_exists(pk)")
        for operation in (
            table.put_item({**key, "n": 2}, condition="attribute_not_exists(pk)"),
            table.update_item(key, "SET n = :n", condition="n > :n", values={":n": 2}),
            table.delete_item(key, condition="n = :n", values={":n": 2}),
        ):
            with pytest.raises(ConditionalCheckFailed) as caught:
                await operation
            assert (caught.value.message, caught.value.item) == ("The conditional request failed", None)
        with pytest.raises(ConditionalCheckFailed) as caught:
            await table.delete_item(
                key,
                condition="n = :n",
                values={":n": 2},
                return_values_on_condition_check_failure="ALL_OLD",
            )
        assert caught.value.item == {**key, "n": 1}
        assert await table.get_item(key) == {**key, "n": 1}
        assert bus.metrics.query("ConditionalCheckFailedRequests", table).sum == 4


async def test_an_update_makes_what_is_not_there(bus: EventBus, table: Table) -> None:
    """With or without an expression."""
    async with bus:
        await table.update_item({"pk": "a", "sk": 1})
        await table.update_item({"pk": "a", "sk": 2}, "ADD n :v", values={":v": 1})
        assert (await table.scan()).items == [{"pk": "a", "sk": 1}, {"pk": "a", "sk": 2, "n": 1}]


@pytest.mark.parametrize(
    ("item", "complaint"),
    [
        ({"pk": "a"}, MISSING_KEY),
        ({"pk": "a", "sk": "1"}, "One or more parameter values were invalid: Type mismatch for key sk expected: "
         "N actual: S"),
        ({"pk": "", "sk": 1}, "One or more parameter values are not valid. The AttributeValue for a key "
         "attribute cannot "
         "contain an empty string value. Key: pk"),
        ({"pk": "a" * 2049, "sk": 1},
         "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes"),
        ({"pk": "a", "sk": 1, "x": "y" * 400 * 1024}, "Item size has exceeded the maximum allowed size"),
    ],
)  # fmt: skip
async def test_an_item_that_cannot_be_is_refused(bus: EventBus, table: Table, item: Any, complaint: str) -> None:
    """Keys of the right types and sizes, and 400 KB in all."""
    async with bus:
        with pytest.raises(ValidationError) as caught:
            await table.put_item(item)
        assert caught.value.message == complaint
        assert (await table.scan()).items == []


@pytest.mark.parametrize("key", [{"pk": "a"}, {"pk": "a", "sk": "1"}, {"pk": "a", "sk": 1, "x": 1}, {"sk": 1}, {}])
async def test_a_key_is_the_key_and_nothing_else(bus: EventBus, table: Table, key: Any) -> None:
    async with bus:
        for operation in (table.get_item, table.delete_item, table.update_item):
            with pytest.raises(ValidationError) as caught:
                await operation(key)
            assert caught.value.message == NO_KEY


async def test_sort_keys_have_1024_bytes(bus: EventBus, dynamodb: DynamoDB) -> None:
    table = dynamodb.create_table("texts", ("pk", "sk"))
    async with bus:
        await table.put_item({"pk": "a", "sk": "é" * 512})
        with pytest.raises(
            ValidationError, match="Aggregated size of all range keys has exceeded the size limit of 1024"
        ):
            await table.put_item({"pk": "a", "sk": "é" * 512 + "x"})


async def test_an_item_of_exactly_400_kb_fits(bus: EventBus, table: Table) -> None:
    async with bus:
        await table.put_item({"pk": "a", "sk": 1, "x": "y" * (400 * 1024 - 3 - 2 - 2 - 1)})
        with pytest.raises(ValidationError, match="Item size to update has exceeded the maximum allowed size"):
            await table.update_item({"pk": "a", "sk": 1}, "SET y = :v", values={":v": ""})


async def test_a_key_cannot_be_updated(bus: EventBus, table: Table) -> None:
    async with bus:
        with pytest.raises(ValidationError) as caught:
            await table.update_item({"pk": "a", "sk": 1}, "SET sk = :v", values={":v": 2})
        assert caught.value.message == (
            "One or more parameter values were invalid: Cannot update attribute sk. This attribute is part of the key"
        )


async def test_an_update_cannot_nest_deeper_than_a_put(bus: EventBus, table: Table) -> None:
    key = {"pk": "a", "sk": 1}
    deep: Any = "x"
    for _ in range(32):
        deep = {"a": deep}
    async with bus:
        await table.put_item({**key, "m": {"a": {}}})
        with pytest.raises(ValidationError, match="Nesting Levels have exceeded supported limits"):
            await table.update_item(key, "SET m.a.b = :v", values={":v": deep})


async def test_equal_numbers_are_one_key(bus: EventBus, table: Table) -> None:
    """Whatever their spelling."""
    async with bus:
        await table.put_item({"pk": "a", "sk": Decimal("1.00"), "n": 1})
        await table.put_item({"pk": {"S": "a"}, "sk": {"N": "1e0"}, "n": {"N": "2"}})
        assert (await table.scan()).items == [{"pk": "a", "sk": 1, "n": 2}]


async def test_get_item_projects(bus: EventBus, table: Table) -> None:
    async with bus:
        await table.put_item({"pk": "a", "sk": 1, "m": {"x": 1, "y": 2}, "name": "n"})
        found = await table.get_item({"pk": "a", "sk": 1}, projection="m.y, #n", names={"#n": "name"})
        assert found == {"m": {"y": 2}, "name": "n"}
        assert await table.get_item({"pk": "b", "sk": 1}, projection="x") is None


# -- tables ------------------------------------------------------------------------------------------------------------


async def test_data_needs_a_running_bus(table: Table) -> None:
    with pytest.raises(BusNotRunning):
        await table.put_item({"pk": "a", "sk": 1})


def test_a_name_is_taken_once(dynamodb: DynamoDB, table: Table) -> None:
    with pytest.raises(ResourceInUse, match="Table already exists: things"):
        dynamodb.create_table("things", "id")
    assert [t.name for t in dynamodb] == ["things"]
    assert ("things" in dynamodb, len(dynamodb), dynamodb["things"]) == (True, 1, table)


def test_looking_up_what_is_not_there_says_what_is(dynamodb: DynamoDB, table: Table) -> None:
    with pytest.raises(KeyError, match="Requested resource not found") as caught:
        dynamodb["other"]
    assert caught.value.__notes__ == ["there is no table 'other' on this bus; there is: things"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "x"},
        {"name": "no blanks"},
        {"key": ()},
        {"key": ("a", "b", "c")},
        {"key": {"a": "BOOL"}},
        {"key": ("a", "a")},
        {"key": ""},
        {"stream": "EVERYTHING"},
        {"stream": "KEYS_ONLY", "stream_shards": 0},
        {"indexes": {"by-pk": {"pk": "N"}}},
        {"indexes": {"x": "city"}},
        {"indexes": {"by-city": Index("city", projection="SOME")}},
        {"indexes": {"by-city": Index("city", projection=[])}},
        {"indexes": {f"index-{n}": "city" for n in range(21)}},
        {"local_indexes": {f"index-{n}": "city" for n in range(6)}},
        {"local_indexes": {"by-city": ("pk", "city")}},
        {"key": "pk", "local_indexes": {"by-city": "city"}},
        {"time_to_live": ""},
    ],
)
def test_a_table_that_cannot_be_is_not_made(dynamodb: DynamoDB, wrong: dict[str, Any]) -> None:
    options: dict[str, Any] = {"name": "table", "key": ("pk", "sk"), **wrong}
    with pytest.raises(ValidationError):
        dynamodb.create_table(**options)
    assert len(dynamodb) == 0
    assert dynamodb.streams == []


async def test_a_deleted_table_is_gone(bus: EventBus, dynamodb: DynamoDB, table: Table) -> None:
    async with bus:
        await table.put_item({"pk": "a", "sk": 1})
        dynamodb.delete_table(table)
        with pytest.raises(TableNotFound):
            await table.get_item({"pk": "a", "sk": 1})
        again = dynamodb.create_table("things", {"pk": "S", "sk": "N"})
        assert (await again.scan()).items == []
        with pytest.raises(TableNotFound):
            dynamodb.delete_table(table)


async def test_a_table_counts_its_items_and_their_bytes(bus: EventBus, dynamodb: DynamoDB) -> None:
    """Also of its indexes, and after every kind of change."""
    table = dynamodb.create_table("sized", "id", indexes={"by-n": {"n": "N"}})
    async with bus:
        await table.put_item({"id": "a", "n": 1})
        await table.put_item({"id": "a", "n": 1, "x": "12345"})
        await table.put_item({"id": "b"})
        shown = table.describe()
        assert (shown["ItemCount"], shown["TableSizeBytes"]) == (2, (3 + 3 + 6) + 3)
        [index] = shown["GlobalSecondaryIndexes"]
        assert (index["ItemCount"], index["IndexSizeBytes"]) == (1, 12)
        await table.delete_item({"id": "a"})
        assert (table.describe()["ItemCount"], table.describe()["TableSizeBytes"]) == (1, 3)
        assert table.describe()["GlobalSecondaryIndexes"][0]["IndexSizeBytes"] == 0


def test_deletion_protection_protects(dynamodb: DynamoDB, table: Table) -> None:
    table.deletion_protection = True
    with pytest.raises(ValidationError, match="protected against deletion"):
        dynamodb.delete_table("things")
    assert "things" in dynamodb


def test_the_status_is_one_line(bus: EventBus, dynamodb: DynamoDB, table: Table) -> None:
    table.enable_stream("KEYS_ONLY")
    assert repr(dynamodb) == "<DynamoDB: 1 tables>"
    assert repr(table) == "<Table things: 0 items, stream KEYS_ONLY>"
    assert repr(table.stream) == "<Stream of things: ENABLED, KEYS_ONLY, 1 shards>"


# -- who may -----------------------------------------------------------------------------------------------------------


async def test_a_handler_needs_its_roles_permission(bus: EventBus, table: Table) -> None:
    """The error names the call that gives it, and that call is enough."""

    @bus.function
    async def writer(event: Any, context: Any) -> Any:
        await table.put_item({"pk": "a", "sk": event})
        return (await table.query("pk = :p", values={":p": "a"})).count

    async with bus:
        denied = await bus.invoke(writer, 1)
        assert denied.payload["errorType"] == "AccessDenied"
        assert denied.payload["errorMessage"].endswith(
            'call bus.functions["writer"].role.allow("dynamodb:PutItem", dynamodb["things"])'
        )
        writer.role.allow(["dynamodb:PutItem", "dynamodb:Query"], table)
        assert (await bus.invoke(writer, 1)).payload == 1


async def test_an_index_is_a_resource_of_its_own(bus: EventBus, dynamodb: DynamoDB) -> None:
    """The table's ARN alone does not open it; `role.allow` with the table does."""
    table = dynamodb.create_table("people", "id", indexes={"by-city": "city"})

    @bus.function
    async def reader(event: Any, context: Any) -> Any:
        return (await table.query("city = :c", index="by-city", values={":c": "Oslo"})).count

    async with bus:
        reader.role.allow("dynamodb:Query", table.arn)
        denied = await bus.invoke(reader)
        assert "table/people/index/by-city" in denied.payload["errorMessage"]
        reader.role.allow("dynamodb:Query", table)
        assert (await bus.invoke(reader)).payload == 0


async def test_writes_of_a_handler_are_in_its_trace(bus: EventBus, table: Table) -> None:
    @bus.function
    async def writer(event: Any, context: Any) -> None:
        table.put_item_nowait({"pk": "a", "sk": 1})

    writer.role.allow("dynamodb:PutItem", table)
    async with bus:
        await bus.invoke(writer)
    assert "put_item things/a/1" in str(bus.trace)


async def test_a_table_is_no_target_and_no_source(bus: EventBus, table: Table) -> None:
    """Only its stream is read; without one, polling says how to get one."""
    recorder = Recorder()
    function = bus.add_function("f", recorder)
    with pytest.raises(ConfigurationError):
        function.on_failure(table)
    with pytest.raises(ConfigurationError) as caught:
        table.poll_into(function)
    assert 'call dynamodb["things"].enable_stream("NEW_AND_OLD_IMAGES")' in str(caught.value)


async def test_unenforced_iam_lets_every_handler() -> None:
    """Access is the bus's affair, not the table's."""
    other = EventBus(enforce_iam=False)
    free = DynamoDB(other).create_table("free", "id")

    @other.function
    async def writer(event: Any, context: Any) -> None:
        free.put_item_nowait({"id": "1"})

    async with other:
        assert (await other.invoke(writer)).function_error is None


@pytest.mark.parametrize(
    ("call", "arguments", "complaint"),
    [
        ("get_item", ["tom"], r"'tom': items and keys are mappings, as in \{'"),
        ("put_item", [["tom"]], "items and keys are mappings"),
        ("delete_item", [5], "items and keys are mappings"),
    ],
)
async def test_what_is_no_mapping_is_refused_as_such(
    bus: EventBus, table: Table, call: str, arguments: list[Any], complaint: str
) -> None:
    """In one sentence that shows what was given."""
    async with bus:
        with pytest.raises(ConfigurationError, match=complaint):
            await getattr(table, call)(*arguments)


async def test_batches_and_transactions_are_made_of_parts(bus: EventBus, dynamodb: DynamoDB, table: Table) -> None:
    """Plain items, and tables by their names, are refused before anything is done."""
    wrong: list[Any] = [{"id": "1"}, "tom", Put("cats", {"id": "1"})]  # type: ignore[arg-type]
    async with bus:
        for part in wrong:
            for call in ("batch_get_item", "batch_write_item", "transact_write_items", "transact_get_items"):
                with pytest.raises(ConfigurationError, match=r"each part is one of .*, made of a Table"):
                    await getattr(dynamodb, call)([part])
