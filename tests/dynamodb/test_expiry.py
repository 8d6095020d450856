"""Time to live, under the bus's clock."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from eventbus import EventBus, VirtualClock
from triggers.dynamodb import DynamoDB, Table, ValidationError
from triggers.dynamodb.expiring import Expirations

pytestmark = pytest.mark.anyio

YEAR = 365 * 86_400


@pytest.fixture
def sessions(dynamodb: DynamoDB) -> Table:
    return dynamodb.create_table("sessions", "id", stream="NEW_AND_OLD_IMAGES", time_to_live="until")


async def ids(table: Table) -> list[str]:
    return sorted(item["id"] for item in await table.scan())


async def test_an_item_is_deleted_when_its_time_has_passed(bus: EventBus, clock: VirtualClock, sessions: Table) -> None:
    """One second later, as a service's deletion, which the stream's record says."""
    assert sessions.stream is not None
    async with bus:
        await sessions.put_item({"id": "a", "until": int(clock.now()) + 60})
        await clock.advance(60.5)
        assert await ids(sessions) == ["a"]
        await clock.advance(0.5)
        assert await ids(sessions) == []
        [shard] = sessions.stream.shards()
        _, record = shard.after(0, 10)
        shown = sessions.stream.lambda_record(shard, record, "role")
        assert shown["eventName"] == "REMOVE"
        assert shown["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
        assert shown["dynamodb"]["OldImage"]["id"] == {"S": "a"}
        api = sessions.stream.get_records(sessions.stream.get_shard_iterator(shard.shard_id))["Records"][1]
        assert api["userIdentity"] == {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}
        assert bus.metrics.query("TimeToLiveDeletedItemCount", sessions).sum == 1
    assert "expire sessions/a" in str(bus.trace)


async def test_what_a_user_deletes_has_no_identity(bus: EventBus, sessions: Table) -> None:
    assert sessions.stream is not None
    async with bus:
        await sessions.put_item({"id": "a"})
        await sessions.delete_item({"id": "a"})
        [shard] = sessions.stream.shards()
        assert all("userIdentity" not in sessions.stream.lambda_record(shard, r, "") for r in shard.after(0, 9))


async def test_the_latest_time_counts(bus: EventBus, clock: VirtualClock, sessions: Table) -> None:
    """Put off, brought forward, taken away, written again after a deletion."""
    now = int(clock.now())
    async with bus:
        for name in ("later", "sooner", "never", "again"):
            await sessions.put_item({"id": name, "until": now + 100})
        await sessions.update_item({"id": "later"}, "SET #u = :t", names={"#u": "until"}, values={":t": now + 200})
        await sessions.update_item({"id": "sooner"}, "SET #u = :t", names={"#u": "until"}, values={":t": now + 50})
        await sessions.update_item({"id": "never"}, "REMOVE #u", names={"#u": "until"})
        await sessions.delete_item({"id": "again"})
        await sessions.put_item({"id": "again", "until": now + 150})
        await clock.advance(60)
        assert await ids(sessions) == ["again", "later", "never"]
        await clock.advance(50)
        assert await ids(sessions) == ["again", "later", "never"]
        await clock.advance(50)
        assert await ids(sessions) == ["later", "never"]
        await clock.advance(10 * YEAR)
        assert await ids(sessions) == ["never"]


@pytest.mark.parametrize("until", ["2020-01-01", None, True, {"x": 1}, Decimal("1E+100"), Decimal("-1E+100"), 1000])
async def test_what_is_no_time_or_longer_past_than_five_years_stays(
    bus: EventBus, clock: VirtualClock, sessions: Table, until: Any
) -> None:
    async with bus:
        await sessions.put_item({"id": "a", "until": until})
        await clock.advance(YEAR)
        assert await ids(sessions) == ["a"]


def test_putting_off_costs_nothing() -> None:
    """A session that is refreshed a thousand times is looked at once; bringing it forward counts."""
    expirations = Expirations()
    for due_at in range(100, 1100):
        expirations.add(("a", ""), due_at)
    expirations.add(("a", ""), 50)
    assert expirations.next_due == 50
    assert expirations.due(60) == [("a", "")]
    assert expirations.due(2000) == []


async def test_what_is_past_already_goes_at_once(bus: EventBus, clock: VirtualClock, sessions: Table) -> None:
    async with bus:
        await sessions.put_item({"id": "a", "until": int(clock.now()) - 10})
        await clock.advance(0)
        assert await ids(sessions) == []


async def test_nobody_waits_for_time_to_live(bus: EventBus, clock: VirtualClock, sessions: Table) -> None:
    """`wait_idle` ends, and does not move the clock."""
    async with bus:
        await sessions.put_item({"id": "a", "until": int(clock.now()) + 60})
        await bus.wait_idle()
        assert (clock.elapsed, await ids(sessions)) == (0, ["a"])


async def test_switching_it_on_finds_what_is_there(bus: EventBus, clock: VirtualClock, dynamodb: DynamoDB) -> None:
    """And off leaves everything."""
    table = dynamodb.create_table("late", "id")
    now = int(clock.now())
    async with bus:
        await table.put_item({"id": "a", "t": now + 10})
        await table.put_item({"id": "b", "t": now + 20})
        table.update_time_to_live("t")
        await clock.advance(12)
        assert await ids(table) == ["b"]
        table.update_time_to_live(None)
        await clock.advance(100)
        assert await ids(table) == ["b"]


def test_it_is_changed_only_to_something_else(dynamodb: DynamoDB) -> None:
    table = dynamodb.create_table("table", "id")
    with pytest.raises(ValidationError, match="TimeToLive is already disabled"):
        table.update_time_to_live(None)
    table.update_time_to_live("t")
    with pytest.raises(ValidationError, match="TimeToLive is already enabled"):
        table.update_time_to_live("t")
    with pytest.raises(ValidationError, match="TimeToLive is active on a different AttributeName"):
        table.update_time_to_live("u")
    assert table.time_to_live == "t"
