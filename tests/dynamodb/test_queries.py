"""Query and Scan: pages, order, indexes and filters, against plain lists."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventbus import EventBus, VirtualClock
from triggers.dynamodb import DynamoDB, Index, Page, Table, ValidationError

pytestmark = pytest.mark.anyio

KINDS: dict[str, st.SearchStrategy[Any]] = {
    "S": st.text(st.characters(codec="utf-8"), min_size=1, max_size=3),
    "N": st.one_of(st.integers(-20, 20), st.decimals(-2, 2, places=1)),
    "B": st.binary(min_size=1, max_size=3),
}
OPERATORS = ["=", "<", "<=", ">", ">=", "BETWEEN", "begins_with"]


def sort_order(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


def expected(operator: str, value: Any, other: Any, key: Any) -> bool:
    left, right = sort_order(key), sort_order(value)
    match operator:
        case "=":
            return bool(left == right)
        case "<":
            return bool(left < right)
        case "<=":
            return bool(left <= right)
        case ">":
            return bool(left > right)
        case ">=":
            return bool(left >= right)
        case "BETWEEN":
            return bool(right <= left <= sort_order(other))
        case _:
            return bool(key.startswith(value))


async def pages(read: Any, **options: Any) -> list[Page]:
    """All pages, to the last."""
    found = [await read(**options)]
    while found[-1].last_evaluated_key is not None:
        found.append(await read(**options, exclusive_start_key=found[-1].last_evaluated_key))
    return found


@settings(max_examples=60, deadline=None)
@given(
    st.data(), st.sampled_from(list(KINDS)), st.sampled_from(OPERATORS), st.booleans(), st.sampled_from([None, 1, 2, 3])
)
def test_a_query_reads_its_range_in_order(
    data: st.DataObject, kind: str, operator: str, is_forward: bool, limit: int | None
) -> None:
    """Whatever the type of the sort key and the size of the pages, and in both directions."""
    if operator == "begins_with" and kind == "N":
        operator = "="
    keys = data.draw(st.sets(KINDS[kind], max_size=8))
    one, two = sorted([data.draw(KINDS[kind]), data.draw(KINDS[kind])], key=sort_order)
    condition = {"BETWEEN": "sk BETWEEN :a AND :b", "begins_with": "begins_with(sk, :a)"}.get(
        operator, f"sk {operator} :a"
    )
    values = {":p": "p", ":a": one, **({":b": two} if operator == "BETWEEN" else {})}

    async def run() -> list[Page]:
        bus = EventBus(clock=VirtualClock(), seed=1)
        table = DynamoDB(bus).create_table("table", {"pk": "S", "sk": kind})
        async with bus:
            for key in keys:
                await table.put_item({"pk": "p", "sk": key})
                await table.put_item({"pk": "q", "sk": key})

            async def read(**more: Any) -> Page:
                return await table.query(
                    f"pk = :p AND {condition}", values=values, limit=limit, scan_index_forward=is_forward, **more
                )

            return await pages(read)

    found = anyio.run(run)
    wanted = sorted((k for k in keys if expected(operator, one, two, k)), key=sort_order, reverse=not is_forward)
    assert [item["sk"] for page in found for item in page] == wanted
    assert all(limit is None or len(page) <= limit for page in found)


@settings(max_examples=40, deadline=None)
@given(
    st.sets(st.tuples(st.text("abcdef", min_size=1, max_size=2), st.integers(0, 3)), max_size=20),
    st.sampled_from([None, 1, 2, 5]),
    st.integers(1, 5),
)
def test_scans_read_everything_once(keys: set[tuple[str, int]], limit: int | None, segments: int) -> None:
    """In pages and in parallel segments, of the table and of an index; what is without the index's key is not in it."""

    async def run() -> tuple[list[Any], ...]:
        bus = EventBus(clock=VirtualClock(), seed=1)
        table = DynamoDB(bus).create_table("table", {"pk": "S", "sk": "N"}, indexes={"by-n": {"n": "N"}})
        async with bus:
            for pk, sk in keys:
                await table.put_item({"pk": pk, "sk": sk, **({"n": sk % 2} if sk else {})})
            whole = [i for page in await pages(table.scan, limit=limit) for i in page]
            again = [i for page in await pages(table.scan) for i in page]
            parts = [
                item
                for segment in range(segments)
                for page in await pages(table.scan, limit=limit, segment=segment, total_segments=segments)
                for item in page
            ]
            index = [i for page in await pages(table.scan, limit=limit, index="by-n") for i in page]
        return whole, again, parts, index

    whole, again, parts, index = anyio.run(run)
    assert sorted((item["pk"], item["sk"]) for item in whole) == sorted(keys)
    assert whole == again == parts
    assert sorted((item["pk"], item["sk"]) for item in index) == sorted(key for key in keys if key[1])


@pytest.fixture
def people(dynamodb: DynamoDB) -> Table:
    return dynamodb.create_table(
        "people",
        ("country", "name"),
        indexes={
            "by-city": Index({"city": "S", "age": "N"}, projection=["job"]),
            "keys-only": Index("city", projection="KEYS_ONLY"),
            "everything": "city",
        },
        local_indexes={"by-age": Index({"age": "N"}, projection="KEYS_ONLY")},
    )


async def fill(table: Table) -> None:
    for name, city, age in (("Ada", "Oslo", 36), ("Bo", "Bergen", 20), ("Cy", "Oslo", 20), ("Di", "Oslo", 36)):
        await table.put_item(
            {"country": "no", "name": name, "city": city, "age": age, "job": "smith", "motto": "so what"}
        )
    await table.put_item({"country": "no", "name": "Eve"})


async def test_an_index_shows_what_it_projects(bus: EventBus, people: Table) -> None:
    """Its keys and the table's are always there; equal index keys do not hide each other."""
    async with bus:
        await fill(people)
        page = await people.query("city = :c", values={":c": "Oslo"}, index="by-city")
        assert [(p["age"], p["name"]) for p in page] == [(20, "Cy"), (36, "Ada"), (36, "Di")]
        assert page.items[0] == {"country": "no", "name": "Cy", "city": "Oslo", "age": 20, "job": "smith"}
        keys = await people.query("city = :c", values={":c": "Bergen"}, index="keys-only")
        assert keys.items == [{"country": "no", "name": "Bo", "city": "Bergen"}]
        whole = await people.query("city = :c", values={":c": "Bergen"}, index="everything")
        assert whole.items[0]["motto"] == "so what"


async def test_an_index_follows_its_items(bus: EventBus, people: Table) -> None:
    """When they move, when they lose its key, when they go."""

    async def names(city: str) -> list[str]:
        return [p["name"] for p in await people.query("city = :c", values={":c": city}, index="by-city")]

    key = {"country": "no", "name": "Cy"}
    async with bus:
        await fill(people)
        await people.update_item(key, "SET city = :c", values={":c": "Bergen"})
        assert (await names("Oslo"), await names("Bergen")) == (["Ada", "Di"], ["Bo", "Cy"])
        await people.update_item(key, "REMOVE age")
        assert await names("Bergen") == ["Bo"]
        await people.delete_item({"country": "no", "name": "Bo"})
        assert await names("Bergen") == []


async def test_a_local_index_sorts_one_partition_otherwise(bus: EventBus, people: Table) -> None:
    """It fetches from the table what it does not hold, if asked by a projection or with ALL_ATTRIBUTES."""
    async with bus:
        await fill(people)
        page = await people.query(
            "country = :c AND age > :a",
            values={":c": "no", ":a": 10},
            index="by-age",
            scan_index_forward=False,
            limit=2,
        )
        assert page.items == [
            {"country": "no", "name": "Di", "age": 36},
            {"country": "no", "name": "Ada", "age": 36},
        ]
        assert page.last_evaluated_key == {"country": "no", "name": "Ada", "age": 36}
        options: dict[str, Any] = {"values": {":c": "no"}, "index": "by-age", "limit": 1}
        assert (await people.query("country = :c", projection="motto", **options)).items == [{"motto": "so what"}]
        [everything] = await people.query("country = :c", select="ALL_ATTRIBUTES", **options)
        assert everything["job"] == "smith"


async def test_an_index_made_later_holds_what_is_there(bus: EventBus, people: Table) -> None:
    """And is gone when it is deleted."""
    async with bus:
        await fill(people)
        people.create_index("by-job", ("job", "name"))
        page = await people.query("job = :j", values={":j": "smith"}, index="by-job")
        assert [p["name"] for p in page] == ["Ada", "Bo", "Cy", "Di"]
        people.delete_index("by-job")
        with pytest.raises(ValidationError, match="The table does not have the specified index: by-job"):
            await people.query("job = :j", values={":j": "smith"}, index="by-job")


async def test_a_filter_comes_after_reading(bus: EventBus, people: Table) -> None:
    """A page counts what it reads, not what it shows."""
    async with bus:
        await fill(people)
        page = await people.scan(filter="age = :a", values={":a": 20}, limit=3)
        assert (page.scanned_count, page.last_evaluated_key is None) == (3, False)
        counted = await people.query("country = :c", values={":c": "no", ":a": 20}, filter="age = :a", select="COUNT")
        assert (counted.count, counted.scanned_count, counted.items) == (2, 5, [])


async def test_a_page_ends_at_one_megabyte(bus: EventBus, dynamodb: DynamoDB) -> None:
    table = dynamodb.create_table("large", {"pk": "S", "sk": "N"})
    async with bus:
        for n in range(5):
            await table.put_item({"pk": "p", "sk": n, "x": "x" * 390_000})
        found = await pages(table.scan)
        assert [len(page) for page in found] == [3, 2]


async def test_a_limit_that_is_reached_leaves_a_key(bus: EventBus, dynamodb: DynamoDB) -> None:
    """Even when nothing follows, as on AWS."""
    table = dynamodb.create_table("few", {"pk": "S", "sk": "N"})
    async with bus:
        await table.put_item({"pk": "p", "sk": 1})
        page = await table.query("pk = :p", values={":p": "p"}, limit=1)
        assert page.last_evaluated_key == {"pk": "p", "sk": 1}
        rest = await table.query("pk = :p", values={":p": "p"}, exclusive_start_key=page.last_evaluated_key)
        assert (rest.items, rest.last_evaluated_key) == ([], None)


async def test_reading_goes_on_behind_an_item_that_is_gone(bus: EventBus, dynamodb: DynamoDB) -> None:
    table = dynamodb.create_table("few", {"pk": "S", "sk": "N"})
    async with bus:
        for n in range(4):
            await table.put_item({"pk": "p", "sk": n})
        reads: list[Callable[..., Awaitable[Page]]] = [partial(table.query, "pk = :p", values={":p": "p"}), table.scan]
        for read in reads:
            page = await read(limit=2)
            assert page.last_evaluated_key is not None
            await table.delete_item(page.last_evaluated_key)
            assert [i["sk"] for i in await read(exclusive_start_key=page.last_evaluated_key)] == [2, 3]
            await table.put_item({"pk": "p", "sk": Decimal(1)})


PK = {":p": "no"}


@pytest.mark.parametrize(
    ("condition", "options", "complaint"),
    [
        ("#n = :p", {"names": {"#n": "name"}}, "Query condition missed key schema element: country"),
        ("country > :p", {}, "Query key condition not supported"),
        ("country = :p AND age = :a", {"values": {**PK, ":a": 1}}, "Query condition missed key schema element: name"),
        ("country = :p AND country = :p", {}, "KeyConditionExpressions must only contain one condition per key"),
        ("country = :p OR country = :p", {}, "Invalid operator used in KeyConditionExpression: OR"),
        ("country = :p AND contains(#n, :p)", {"names": {"#n": "name"}},
         "Invalid operator used in KeyConditionExpression: contains"),
        ("country = :a", {"values": {":a": 1}},
         "One or more parameter values were invalid: Condition parameter type does not match schema type"),
        ("country = :p", {"filter": "#n = :p", "names": {"#n": "name"}},
         "Filter Expression can only contain non-primary key attributes: Primary key attribute: name"),
        ("country = :p", {"index": "nope"}, "The table does not have the specified index: nope"),
        ("city = :p", {"index": "by-city", "consistent_read": True},
         "Consistent reads are not supported on global secondary indexes"),
        ("city = :p", {"index": "keys-only", "select": "ALL_ATTRIBUTES"}, "One or more parameter values were invalid: "
         "Select type ALL_ATTRIBUTES is not supported for global secondary index keys-only because its projection type "
         "is not ALL"),
        ("country = :p", {"limit": 0},
         "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have "
          "value greater "
         "than or equal to 1"),
        ("country = :p", {"exclusive_start_key": {"country": "no"}},
         "The provided starting key is invalid: The provided key element does not match the schema"),
        ("country = :p", {"exclusive_start_key": {"country": "se", "name": "x"}},
         "The provided starting key is outside query boundaries based on provided conditions"),
        ("country = :p", {"select": "SOME"}, "1 validation error detected: Value 'SOME' at 'select' failed to satisfy "
         "constraint: Member must satisfy enum value set: [SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, "
         "ALL_PROJECTED_ATTRIBUTES]"),
    ],
)  # fmt: skip
async def test_a_wrong_query_is_refused(
    bus: EventBus, people: Table, condition: str, options: dict[str, Any], complaint: str
) -> None:
    """In DynamoDB's words."""
    async with bus:
        with pytest.raises(ValidationError) as caught:
            await people.query(condition, **{"values": PK, **options})
        assert caught.value.message == complaint


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"segment": 0}, "The TotalSegments parameter is required"),
        ({"total_segments": 2}, "The Segment parameter is required"),
        ({"segment": 2, "total_segments": 2}, "Segment: 2 is not less than TotalSegments: 2"),
        ({"segment": -1, "total_segments": 2}, "Member must have value greater than or equal to 0"),
        ({"segment": 0, "total_segments": 0}, "Member must have value between 1 and 1000000"),
    ],
)
async def test_a_wrong_segment_is_refused(bus: EventBus, people: Table, options: Any, complaint: str) -> None:
    async with bus:
        with pytest.raises(ValidationError, match=complaint):
            await people.scan(**options)


async def test_an_item_must_fit_its_indexes(bus: EventBus, people: Table) -> None:
    """An attribute of another type than an index has it is refused, for the item would be missing there."""
    item = {"country": "no", "name": "Fay", "city": 5}
    async with bus:
        with pytest.raises(ValidationError) as caught:
            await people.put_item(item)
        assert caught.value.message == (
            "One or more parameter values were invalid: Type mismatch for Index Key city Expected: S Actual: N "
            "IndexName: by-city"
        )
        with pytest.raises(ValidationError, match="IndexName: by-city, IndexKey: city"):
            await people.put_item({**item, "city": ""})
