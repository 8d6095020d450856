"""Mappings of streams: order, retries, bisecting, partial answers, ages, windows, resharding."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

from tests.polling.support import World, put, raises_on
from triggers.s3 import S3

pytestmark = pytest.mark.anyio


async def settle(world: World) -> None:
    """Let everything happen that will."""
    await world.bus.wait_idle(timeout=20)


async def test_records_arrive_in_batches_in_their_order() -> None:
    """As many as there are, at most the batch size."""
    world = World()
    stream = world.stream()
    world.function().poll(stream, starting_position="TRIM_HORIZON", batch_size=2, grant=True)
    async with world.bus:
        put(stream, "a", "b", "c", "d", "e")
        await settle(world)
    assert world.batches == [["a", "b"], ["c", "d"], ["e"]]


async def test_a_poisoned_record_blocks_its_shard_until_it_is_given_up() -> None:
    """Two calls for the first record, its metadata to the destination, then the others."""
    world = World()
    stream, failed = world.stream(), world.sqs.create_queue("failed")
    world.function(raises_on("1")).poll(
        stream,
        starting_position="TRIM_HORIZON",
        batch_size=1,
        maximum_retry_attempts=1,
        on_failure=failed,
        grant=True,
    )
    async with world.bus:
        sequence = put(stream, "1", "2", "3")[0]
        await settle(world)
        [letter] = await failed.receive()
    assert world.batches == [["1"], ["1"], ["2"], ["3"]]
    record = letter.json()
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
    }
    info = record["KinesisBatchInfo"]
    assert (info["startSequenceNumber"], info["endSequenceNumber"], info["batchSize"]) == (sequence, sequence, 1)
    assert info["approximateArrivalOfFirstRecord"] == "2026-01-01T00:00:00.000Z"
    assert set(record) == {"requestContext", "responseContext", "version", "timestamp", "KinesisBatchInfo"}


async def test_only_the_poisoned_shard_is_blocked() -> None:
    """Another shard goes on."""
    world = World()
    stream = world.stream(shards=2)
    world.function(raises_on("bad")).poll(stream, starting_position="TRIM_HORIZON", batch_size=1, grant=True)
    async with world.bus:
        stream.put_record_nowait("bad", "k", explicit_hash_key=0)
        stream.put_record_nowait("good", "k", explicit_hash_key=2**127)
        await world.advance(10)
        assert "good" in world.carried
        stream.put_record_nowait("better", "k", explicit_hash_key=2**127)
        stream.put_record_nowait("behind", "k", explicit_hash_key=0)
        await world.advance(10)
    assert "better" in world.carried
    assert "behind" not in world.carried


async def test_bisecting_narrows_a_failure_down() -> None:
    """Four records, the third is poison: order is kept, and it alone is given up."""
    world = World()
    stream, failed = world.stream(), world.sqs.create_queue("failed")
    world.function(raises_on("3")).poll(
        stream,
        starting_position="TRIM_HORIZON",
        batch_size=4,
        bisect_batch_on_function_error=True,
        maximum_retry_attempts=0,
        on_failure=failed,
        grant=True,
    )
    async with world.bus:
        put(stream, "1", "2", "3", "4")
        await settle(world)
        [letter] = await failed.receive(10)
    assert world.batches == [["1", "2", "3", "4"], ["1", "2"], ["3", "4"], ["3"], ["4"]]
    assert letter.json()["KinesisBatchInfo"]["batchSize"] == 1


def reporting(world: World, *failing: str) -> Any:
    """A handler that reports these, whatever else it got."""

    def behave(carried: list[str]) -> dict[str, Any]:
        records = world.events[-1]["Records"]
        numbers = [record["kinesis"]["sequenceNumber"] for record in records]
        named = [number for number, text in zip(numbers, carried, strict=True) if text in failing]
        return {"batchItemFailures": [{"itemIdentifier": number} for number in reversed(named)]}

    return behave


async def test_a_partial_answer_moves_the_checkpoint_before_the_lowest_failure() -> None:
    """Of five, the fourth and the second are reported: the second is next."""
    world = World()
    stream = world.stream()
    calls = 0

    def behave(carried: list[str]) -> Any:
        nonlocal calls
        calls += 1
        return reporting(world, "2", "4")(carried) if calls == 1 else None

    world.function(behave).poll(
        stream,
        starting_position="TRIM_HORIZON",
        function_response_types=["ReportBatchItemFailures"],
        grant=True,
    )
    async with world.bus:
        put(stream, "1", "2", "3", "4", "5")
        await settle(world)
    assert world.batches == [["1", "2", "3", "4", "5"], ["2", "3", "4", "5"]]


async def test_what_a_partial_answer_leaves_is_a_fresh_batch() -> None:
    """Three records, three retries, the last is always reported: it is delivered five times, as recorded."""
    world = World()
    stream, failed = world.stream(), world.sqs.create_queue("failed")
    world.function(reporting(world, "3")).poll(
        stream,
        starting_position="TRIM_HORIZON",
        batch_size=3,
        maximum_retry_attempts=3,
        function_response_types=["ReportBatchItemFailures"],
        on_failure=failed,
        grant=True,
    )
    async with world.bus:
        put(stream, "1", "2", "3")
        await settle(world)
        [letter] = await failed.receive(10)
    assert world.carried.count("3") == 5
    record = letter.json()
    assert record["requestContext"]["approximateInvokeCount"] == 4
    assert record["KinesisBatchInfo"]["batchSize"] == 1
    assert record["responseContext"]["functionError"] is None


async def test_without_the_setting_the_answer_is_ignored() -> None:
    """Any normal return is success."""
    world = World()
    stream = world.stream()
    world.function(reporting(world, "1")).poll(stream, starting_position="TRIM_HORIZON", grant=True)
    async with world.bus:
        put(stream, "1", "2")
        await settle(world)
    assert world.batches == [["1", "2"]]


async def test_records_that_are_too_old_are_cut_off_the_front() -> None:
    """Only they are reported, without a response; the younger rest is delivered."""
    world = World()
    stream, failed = world.stream(), world.sqs.create_queue("failed")
    function = world.function()
    mapping = function.poll(
        stream,
        starting_position="TRIM_HORIZON",
        maximum_record_age=60,
        on_failure=failed,
        enabled=False,
        grant=True,
    )
    async with world.bus:
        put(stream, "old", "older")
        await world.advance(50)
        put(stream, "young")
        await world.advance(20)
        mapping.enable()
        await settle(world)
        [letter] = await failed.receive(10)
    assert world.batches == [["young"]]
    record = letter.json()
    assert "responseContext" not in record
    assert record["requestContext"]["condition"] == "RecordAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == 1
    assert record["KinesisBatchInfo"]["batchSize"] == 2


async def test_the_age_ends_retries() -> None:
    """Eight attempts in the first minute, as recorded; then the shard is free."""
    world = World()
    stream = world.stream()
    world.function(raises_on("bad")).poll(
        stream, starting_position="TRIM_HORIZON", batch_size=1, maximum_record_age=60, grant=True
    )
    async with world.bus:
        put(stream, "bad", "bad")
        await world.advance(30)
        put(stream, "good")
        await settle(world)
    assert world.batches == [["bad"]] * 8 + [["good"]]
    assert world.calls[-1][0] == 60


async def test_without_limits_a_record_blocks_until_the_stream_drops_it() -> None:
    """For a day; what came later is delivered then."""
    world = World()
    stream = world.stream()
    world.function(raises_on("bad")).poll(stream, starting_position="TRIM_HORIZON", batch_size=1, grant=True)
    async with world.bus:
        put(stream, "bad")
        await world.advance(3600)
        put(stream, "good")
        await settle(world)
    assert world.carried[-1] == "good"
    assert world.calls[-1][0] == 24 * 3600


async def test_throttles_cost_no_attempt() -> None:
    """With one retry left, a function without concurrency is waited for."""
    world = World()
    stream = world.stream()
    function = world.function(reserved_concurrency=0)
    function.poll(stream, starting_position="TRIM_HORIZON", maximum_retry_attempts=0, grant=True)
    async with world.bus:
        put(stream, "a")
        await world.advance(100)
        assert world.batches == []
        function.update_configuration(reserved_concurrency=1)
        await settle(world)
    assert world.batches == [["a"]]


async def test_lanes_of_a_shard_keep_the_order_of_each_key() -> None:
    """Ten lanes: a key that is blocked blocks neither all others nor loses its own order."""
    world = World()
    stream = world.stream()
    world.function(raises_on("a1"), takes=1.0).poll(
        stream,
        starting_position="TRIM_HORIZON",
        batch_size=1,
        parallelization_factor=10,
        maximum_retry_attempts=2,
        grant=True,
    )
    async with world.bus:
        for number in range(3):
            for key in "abcdefgh":
                stream.put_record_nowait(f"{key}{number}", key)
        await settle(world)
    for key in "bcdefgh":
        assert [text for text in world.carried if text[0] == key] == [f"{key}0", f"{key}1", f"{key}2"]
    assert [text for text in world.carried if text[0] == "a"] == ["a0", "a1", "a1", "a1", "a2"]
    assert len({at for at, _ in world.calls}) < len(world.calls), "nothing ran at the same time"


async def test_a_batching_window_gathers() -> None:
    """A batch is delivered when the window is over, or as soon as it is full."""
    world = World()
    stream = world.stream()
    world.function().poll(stream, starting_position="LATEST", batch_size=3, batch_window=10, grant=True)
    async with world.bus:
        put(stream, "a")
        await world.advance(4)
        put(stream, "b")
        await settle(world)
        put(stream, "c", "d", "e", "f")
        await settle(world)
    assert world.calls == [(10.0, ["a", "b"]), (10.0, ["c", "d", "e"]), (20.0, ["f"])]


async def test_starting_positions() -> None:
    """From the oldest, from now on, and from an instant."""
    world = World()
    stream = world.stream()
    async with world.bus:
        put(stream, "a")
        await world.advance(10)
        put(stream, "b")
        at = world.bus.clock.now()
        world.function(name="all").poll(stream, starting_position="TRIM_HORIZON", grant=True)
        world.function(name="new").poll(stream, starting_position="LATEST", grant=True)
        world.function(name="some").poll(
            stream, starting_position="AT_TIMESTAMP", starting_position_timestamp=at, grant=True
        )
        put(stream, "c")
        await settle(world)
    assert sorted(world.batches) == [["a", "b", "c"], ["b", "c"], ["c"]]


async def test_children_are_read_when_their_parents_are_drained() -> None:
    """Whatever splits and merges, a key's records keep their order."""
    world = World()
    stream = world.stream()
    world.function(takes=5.0).poll(stream, starting_position="TRIM_HORIZON", batch_size=1, grant=True)
    async with world.bus:
        put(stream, "1", "2")
        stream.split_shard("shardId-000000000000", 2**127)
        put(stream, "3")
        stream.merge_shards("shardId-000000000001", "shardId-000000000002")
        put(stream, "4", "5")
        await settle(world)
    assert world.carried == ["1", "2", "3", "4", "5"]


async def test_a_shard_that_never_held_a_record_does_not_let_its_children_overtake() -> None:
    """They wait for its own parent as well."""
    world = World()
    stream = world.stream()
    world.function(takes=5.0).poll(stream, starting_position="TRIM_HORIZON", batch_size=1, grant=True)
    async with world.bus:
        put(stream, "1", "2")
        stream.split_shard("shardId-000000000000", 2**127)
        stream.split_shard("shardId-000000000001", 2**126)
        stream.split_shard("shardId-000000000002", 2**127 + 2**126)
        put(stream, "3", "4")
        await settle(world)
    assert world.carried == ["1", "2", "3", "4"]


async def test_filtered_records_are_passed_over() -> None:
    """Without an invocation, and the checkpoint moves."""
    world = World()
    stream = world.stream()
    mapping = world.function().poll(
        stream,
        starting_position="TRIM_HORIZON",
        filters=[{"data": {"level": ["high"]}}],
        metrics=["EventCount"],
        grant=True,
    )
    async with world.bus:
        put(stream, '{"level": "low"}', "no json", '{"level": "high"}', '{"level": "low"}')
        await settle(world)
        mapping.disable()
        await settle(world)
        mapping.enable()
        await settle(world)
    assert world.batches == [['{"level": "high"}']]
    counted = {name: world.bus.metrics.query(name, mapping).sum for name in world.bus.metrics.names(mapping)}
    assert counted == {"PolledEventCount": 4, "FilteredOutEventCount": 3, "InvokedEventCount": 1}


async def test_data_that_is_no_json_passes_no_pattern_for_its_fields() -> None:
    """Also one that asks for a field to be absent; a pattern for what stands around the data is another thing."""
    world = World()
    stream = world.stream()
    absent = {"data": {"level": [{"exists": False}]}}
    world.function(name="f").poll(stream, starting_position="TRIM_HORIZON", filters=[absent], grant=True)
    around = {"eventName": ["aws:kinesis:record"]}
    world.function(name="g").poll(stream, starting_position="TRIM_HORIZON", filters=[around], grant=True)
    async with world.bus:
        put(stream, "no json", '{"level": 1}', '{"other": 1}')
        await settle(world)
    assert sorted(world.batches) == [["no json", '{"level": 1}', '{"other": 1}'], ['{"other": 1}']]


async def test_tumbling_windows_carry_their_state() -> None:
    """The state goes from call to call; the last one of a window says so, and the next window begins empty."""
    world = World()
    stream = world.stream()

    def behave(carried: list[str]) -> Any:
        event = world.events[-1]
        return {"state": {"sum": event["state"].get("sum", 0) + sum(map(int, carried))}}

    world.function(behave).poll(stream, starting_position="TRIM_HORIZON", batch_size=2, tumbling_window=60, grant=True)
    async with world.bus:
        put(stream, "1", "2", "3")
        await world.advance(70)
        put(stream, "10")
        await settle(world)
    told = [
        (event["window"]["start"][11:], event["state"], event["isFinalInvokeForWindow"], len(event["Records"]))
        for event in world.events
    ]
    assert told == [
        ("00:00:00Z", {}, False, 2),
        ("00:00:00Z", {"sum": 3}, False, 1),
        ("00:00:00Z", {"sum": 6}, True, 0),
        ("00:01:00Z", {}, False, 1),
        ("00:01:00Z", {"sum": 10}, True, 0),
    ]
    assert [at for at, _ in world.calls] == [0, 0, 60, 70, 120]
    assert world.events[0]["shardId"] == "shardId-000000000000"
    assert world.events[0]["eventSourceARN"] == stream.arn


async def test_a_window_that_is_read_late_ends_with_its_last_batch() -> None:
    """Which carries the records that are left; the one before is not the last."""
    world = World()
    stream = world.stream()
    mapping = world.function(lambda carried: {"state": {"seen": len(world.calls)}}).poll(
        stream, starting_position="TRIM_HORIZON", batch_size=2, tumbling_window=60, enabled=False, grant=True
    )
    async with world.bus:
        put(stream, "1", "2", "3")
        await world.advance(100)
        put(stream, "4")
        mapping.enable()
        await settle(world)
    told = [(len(event["Records"]), event["isFinalInvokeForWindow"], event["state"]) for event in world.events]
    assert told == [(2, False, {}), (1, True, {"seen": 1}), (1, False, {}), (0, True, {"seen": 3})]


async def test_an_answer_without_state_fails_the_batch_of_a_window() -> None:
    """It is retried, as after any failure."""
    world = World()
    stream = world.stream()
    world.function(lambda carried: {"state": {}} if len(world.calls) > 1 else {}).poll(
        stream, starting_position="TRIM_HORIZON", tumbling_window=60, grant=True
    )
    async with world.bus:
        put(stream, "1")
        await settle(world)
    assert world.batches == [["1"], ["1"], []]


async def test_too_large_a_state_ends_the_window_early() -> None:
    """The next call is the window's last, with the state before."""
    world = World()
    stream = world.stream()
    world.function(lambda carried: {"state": {"x": "y" * 2**20} if carried else {}}).poll(
        stream, starting_position="TRIM_HORIZON", tumbling_window=60, grant=True
    )
    async with world.bus:
        put(stream, "1")
        await settle(world)
    assert [event["isWindowTerminatedEarly"] for event in world.events] == [False, True]
    assert world.events[1]["isFinalInvokeForWindow"] is True
    assert world.events[1]["state"] == {}


async def test_a_bucket_gets_the_batch_as_well() -> None:
    """Under the key of the mapping and the shard."""
    world = World()
    stream, bucket = world.stream(), S3(world.bus).create_bucket("failed")
    mapping = world.function(raises_on("bad")).poll(
        stream, starting_position="TRIM_HORIZON", maximum_retry_attempts=0, on_failure=bucket, grant=True
    )
    async with world.bus:
        put(stream, "bad")
        await settle(world)
        [key] = [entry.key for entry in (await bucket.list_objects()).contents]
        record = json.loads((await bucket.get_object(key)).body)
    assert key.startswith(f"aws/lambda/{mapping.uuid}/shardId-000000000000/2026/01/01/2026-01-01T00.00.00-")
    assert json.loads(record["payload"])["Records"][0]["kinesis"]["partitionKey"] == "k"


async def test_a_destination_that_is_denied_later_is_counted_and_logged() -> None:
    """The shard goes on."""
    world = World()
    stream, failed = world.stream(), world.sqs.create_queue("failed")
    function = world.function(raises_on("bad"))
    function.poll(
        stream, starting_position="TRIM_HORIZON", batch_size=1, maximum_retry_attempts=0, on_failure=failed, grant=True
    )
    function.role.deny("sqs:SendMessage", failed)
    async with world.bus:
        put(stream, "bad", "good")
        await settle(world)
    assert world.batches == [["bad"], ["good"]]
    assert world.bus.metrics.query("DestinationDeliveryFailures", function).sum == 1


async def test_the_age_of_what_is_read_is_measured() -> None:
    """IteratorAge, in milliseconds, of the last record of each batch."""
    world = World()
    stream = world.stream()
    function = world.function()
    function.poll(stream, starting_position="TRIM_HORIZON", batch_window=2, grant=True)
    async with world.bus:
        put(stream, "a")
        await settle(world)
    assert world.bus.metrics.query("IteratorAge", function).maximum == 2000


async def test_a_role_that_may_not_read_any_more_is_a_problem_that_can_be_mended() -> None:
    """Nobody waits for it, and it goes on when it may again."""
    world = World()
    stream = world.stream()
    function = world.function()
    mapping = function.poll(stream, starting_position="TRIM_HORIZON", grant=True)
    deny = {"Effect": "Deny", "Action": "kinesis:GetRecords", "Resource": stream.arn}
    async with world.bus:
        function.role.put_policy("stop", {"Version": "2012-10-17", "Statement": deny})
        put(stream, "a")
        await settle(world)
        assert world.batches == []
        assert mapping.last_processing_result.startswith("PROBLEM: User: arn:aws:sts::")
        assert mapping.state == "Enabled"
        function.role.delete_policy("stop")
        await world.advance(60)
        await settle(world)
    assert world.batches == [["a"]]


async def test_records_of_a_deleted_stream_are_not_tried_again() -> None:
    """The mapping says what is wrong, and there is nothing to wait for."""
    world = World()
    mapping = world.function(raises_on("a")).poll(world.stream(), starting_position="TRIM_HORIZON", grant=True)
    async with world.bus:
        put(world.kinesis["s"], "a")
        await world.advance(1)
        before = len(world.calls)
        world.kinesis.delete_stream("s")
        await settle(world)
        assert (world.elapsed, len(world.calls)) == (1, before)
    assert mapping.state == "Enabled"
    assert mapping.last_processing_result == f"PROBLEM: Stream not found: {mapping.source.arn}"


@pytest.mark.parametrize("position", ["TRIM_HORIZON", "LATEST"])
async def test_a_stream_that_is_made_again_is_read_from_its_beginning(position: str) -> None:
    """Whatever the starting position, for all of it came after the mapping was made; a batch that was with the function
    when the first one was deleted is not tried again."""
    world = World()
    function = world.function(lambda carried: {"state": {}} if "old" not in carried else 1 / 0, takes=2.0)
    mapping = function.poll(world.stream(), starting_position=position, tumbling_window=60, grant=True)
    async with world.bus:
        await settle(world)
        put(world.kinesis["s"], "old")
        await world.advance(1)
        world.kinesis.delete_stream("s")
        stream = world.stream()
        put(stream, "new")
        await settle(world)
        assert mapping.source is stream
    assert [batch for batch in world.batches if batch] == [["old"], ["new"]]


async def test_a_chain_through_a_stream_is_not_followed() -> None:
    """Lambda detects loops through SQS, SNS and S3 only: this one ends by itself. The trace doesn't keep all of it."""
    world = World()
    stream = world.stream()

    def behave(carried: list[str]) -> None:
        number = int(carried[0]) + 1
        if number < 300:
            stream.put_record_nowait(str(number), "k")

    function = world.function(behave)
    function.poll(stream, starting_position="TRIM_HORIZON", grant=True)
    function.role.allow("kinesis:PutRecord", stream)
    async with world.bus:
        put(stream, "0")
        await settle(world)
    assert world.carried == [str(number) for number in range(300)]
    node, length = list(world.bus.trace)[-1].cause, 0
    while node is not None:
        node, length = node.cause, length + 1
    assert length < 200


async def test_real_time_works_too() -> None:
    """On the system clock records are delivered at once."""
    from eventbus import SystemClock

    world = World(clock=SystemClock())
    stream = world.stream()
    world.function().poll(stream, starting_position="LATEST", grant=True)
    async with world.bus:
        with anyio.fail_after(10):
            for text in "abc":
                await stream.put_record(text, "k")
            await world.bus.wait_idle()
    assert world.carried == ["a", "b", "c"]
