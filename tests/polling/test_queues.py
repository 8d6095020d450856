"""Mappings of queues: deletion, visibility, partial answers, filters, scaling, throttles, FIFO groups."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from eventbus.delivery.targets import Message
from eventbus.errors import ResourceConflict
from tests.polling.support import World, raises_on

pytestmark = pytest.mark.anyio


async def settle(world: World) -> None:
    """Let everything happen that will."""
    await world.bus.wait_idle(timeout=20)


async def test_what_the_function_has_dealt_with_is_deleted() -> None:
    """Batches of at most ten."""
    world = World()
    queue = world.sqs.create_queue("q")
    world.function().poll(queue, grant=True)
    async with world.bus:
        for number in range(12):
            queue.send_nowait(str(number))
        await settle(world)
        assert queue.statistics().total == 0
    assert sorted(map(len, world.batches)) == [2, 10]


async def test_what_the_function_fails_comes_back_after_its_visibility_timeout() -> None:
    """Nothing is deleted, nothing is made visible earlier."""
    world = World()
    queue = world.sqs.create_queue("q", visibility_timeout=40)
    world.function(lambda carried: 1 / 0 if len(world.calls) == 1 else None).poll(queue, grant=True)
    async with world.bus:
        queue.send_nowait("a")
        await settle(world)
        assert queue.statistics().total == 0
    assert world.calls == [(0.0, ["a"]), (40.0, ["a"])]
    assert world.events[1]["Records"][0]["attributes"]["ApproximateReceiveCount"] == "2"


async def test_a_redrive_policy_ends_the_failures() -> None:
    """With two receives at most there are exactly two calls; then the message is in the dead-letter queue."""
    world = World()
    dead = world.sqs.create_queue("dead")
    queue = world.sqs.create_queue("q", dead_letter=dead, max_receive_count=2)
    world.function(raises_on("bad")).poll(queue, grant=True)
    async with world.bus:
        queue.send_nowait("bad")
        await settle(world)
        assert (queue.statistics().total, dead.statistics().visible) == (0, 1)
    assert world.batches == [["bad"], ["bad"]]


def reporting(world: World, *failing: str) -> Any:
    """A handler that reports these."""

    def behave(carried: list[str]) -> dict[str, Any]:
        records = world.events[-1]["Records"]
        failures = [record["messageId"] for record in records if record["body"] in failing]
        return {"batchItemFailures": [{"itemIdentifier": one} for one in failures]}

    return behave


async def test_only_the_named_messages_come_back() -> None:
    """After the visibility timeout, and the others are deleted."""
    world = World()
    dead = world.sqs.create_queue("dead")
    queue = world.sqs.create_queue("q", dead_letter=dead, max_receive_count=2)
    world.function(reporting(world, "b")).poll(queue, function_response_types=["ReportBatchItemFailures"], grant=True)
    async with world.bus:
        for text in "abc":
            queue.send_nowait(text)
        await settle(world)
        assert [message.body for message in await dead.receive(10)] == ["b"]
    assert world.calls == [(0.0, ["a", "b", "c"]), (30.0, ["b"])]


async def test_an_unknown_identifier_fails_the_whole_batch() -> None:
    """Nothing is deleted."""
    world = World()
    queue = world.sqs.create_queue("q")
    answer = {"batchItemFailures": [{"itemIdentifier": "nobody"}]}
    world.function(lambda carried: answer if len(world.calls) == 1 else None).poll(
        queue, function_response_types=["ReportBatchItemFailures"], grant=True
    )
    async with world.bus:
        queue.send_nowait("a")
        queue.send_nowait("b")
        await settle(world)
    assert world.batches == [["a", "b"], ["a", "b"]]


async def test_messages_that_no_filter_wants_are_deleted() -> None:
    """A plain body and a pattern for its fields, too, without an invocation."""
    world = World()
    queue = world.sqs.create_queue("q")
    mapping = world.function().poll(queue, filters=[{"body": {"kind": ["order"]}}], metrics=["EventCount"], grant=True)
    async with world.bus:
        for body in ("plain", '{"kind": "order"}', '{"kind": "visit"}'):
            queue.send_nowait(body)
        await settle(world)
        assert queue.statistics().total == 0
    assert world.batches == [['{"kind": "order"}']]
    assert world.bus.metrics.query("FilteredOutEventCount", mapping).sum == 2
    assert world.bus.metrics.query("DeletedEventCount", mapping).sum == 3


async def test_a_plain_pattern_is_compared_with_the_text() -> None:
    """As the whole body."""
    world = World()
    queue = world.sqs.create_queue("q")
    world.function().poll(queue, filters=[{"body": [{"prefix": "or"}]}], grant=True)
    async with world.bus:
        queue.send_nowait("order")
        queue.send_nowait("visit")
        await settle(world)
    assert world.batches == [["order"]]


async def test_a_window_gathers_what_trickles_in() -> None:
    """One batch, when the window is over."""
    world = World()
    queue = world.sqs.create_queue("q", visibility_timeout=60)
    world.function().poll(queue, batch_size=100, batch_window=20, grant=True)
    async with world.bus:
        for number in range(15):
            queue.send_nowait(str(number))
        await world.advance(10)
        queue.send_nowait("late")
        await settle(world)
    assert [(at, len(carried)) for at, carried in world.calls] == [(20.0, 16)]


async def test_a_window_that_the_visibility_is_too_short_for_makes_it_longer() -> None:
    """Window, function timeout and 30 seconds, so no message is seen twice."""
    world = World()
    queue = world.sqs.create_queue("q", visibility_timeout=5)
    world.function(takes=4.0, timeout=5).poll(queue, batch_window=20, grant=True)
    async with world.bus:
        queue.send_nowait("a")
        await settle(world)
    assert world.calls == [(20.0, ["a"])]


async def test_five_batches_run_at_first_and_more_while_messages_are_left() -> None:
    """Five at once, one more every fifth of a second."""
    world = World()
    queue = world.sqs.create_queue("q", visibility_timeout=600)
    world.function(takes=60.0, timeout=300).poll(queue, batch_size=1, grant=True)
    async with world.bus:
        for number in range(12):
            queue.send_nowait(str(number))
        await settle(world)
    assert [at for at, _ in world.calls] == [0.0] * 5 + [0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4]


async def test_the_mapping_itself_can_be_capped() -> None:
    """Two at a time, and no throttle."""
    world = World()
    queue = world.sqs.create_queue("q")
    function = world.function(takes=10.0)
    function.poll(queue, batch_size=1, maximum_concurrency=2, grant=True)
    async with world.bus:
        for number in range(5):
            queue.send_nowait(str(number))
        await settle(world)
    assert [at for at, _ in world.calls] == [0.0, 0.0, 10.0, 10.0, 20.0]
    assert world.bus.metrics.query("Throttles", function).sum == 0


async def test_throttled_messages_go_back_when_their_visibility_ends() -> None:
    """Too little concurrency and a low limit of receives send good messages to the dead-letter queue, as on AWS."""
    world = World()
    dead = world.sqs.create_queue("dead")
    queue = world.sqs.create_queue("q", dead_letter=dead, max_receive_count=1)
    function = world.function(takes=29.0, reserved_concurrency=1)
    function.poll(queue, batch_size=1, grant=True)
    async with world.bus:
        queue.send_nowait("first")
        queue.send_nowait("second")
        await settle(world)
        assert [message.body for message in await dead.receive(10)] == ["second"]
    assert world.batches == [["first"]]
    assert world.bus.metrics.query("Throttles", function).sum > 3


async def test_a_throttled_batch_is_delivered_as_soon_as_there_is_room() -> None:
    """Within its visibility timeout, without another receive."""
    world = World()
    queue = world.sqs.create_queue("q")
    world.function(takes=3.0, reserved_concurrency=1).poll(queue, batch_size=1, grant=True)
    async with world.bus:
        queue.send_nowait("first")
        queue.send_nowait("second")
        await settle(world)
    assert world.batches == [["first"], ["second"]]
    assert world.calls[1][0] < 10
    assert world.events[1]["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1"


async def test_a_failing_group_of_a_fifo_queue_blocks_only_itself() -> None:
    """The other group proceeds; the failing one keeps its order."""
    world = World()
    queue = world.sqs.create_queue("q.fifo", fifo=True, content_based_deduplication=True)
    attempts = 0

    def behave(carried: list[str]) -> None:
        nonlocal attempts
        if carried[0] == "a1":
            attempts += 1
            if attempts < 3:
                raise ValueError

    world.function(behave).poll(queue, batch_size=1, grant=True)
    async with world.bus:
        for text in ("a1", "a2", "b1", "b2"):
            queue.send_nowait(text, group_id=text[0])
        await settle(world)
    assert [at for at, carried in world.calls if carried[0][0] == "b"] == [0.0, 0.0]
    assert [text for text in world.carried if text[0] == "a"] == ["a1", "a1", "a1", "a2"]
    assert [text for text in world.carried if text[0] == "b"] == ["b1", "b2"]


async def test_groups_of_a_fifo_queue_run_side_by_side_and_each_in_order() -> None:
    """As many at once as there are groups."""
    world = World()
    queue = world.sqs.create_queue("q.fifo", fifo=True, content_based_deduplication=True)
    world.function(takes=2.0).poll(queue, batch_size=1, grant=True)
    async with world.bus:
        for number in range(3):
            for group in "abcdefgh":
                queue.send_nowait(f"{group}{number}", group_id=group)
        await settle(world)
    for group in "abcdefgh":
        assert [text for text in world.carried if text[0] == group] == [f"{group}{n}" for n in range(3)]
    assert [at for at, _ in world.calls] == [0.0] * 8 + [2.0] * 8 + [4.0] * 8


async def test_delayed_messages_are_waited_for() -> None:
    """They are work that is left."""
    world = World()
    queue = world.sqs.create_queue("q")
    world.function().poll(queue, grant=True)
    async with world.bus:
        queue.send_nowait("later", delay_seconds=300)
        queue.send_nowait("now")
        await settle(world)
    assert world.calls == [(0.0, ["now"]), (300.0, ["later"])]


async def test_a_message_that_somebody_else_deletes_is_not_waited_for() -> None:
    """Time does not move for it."""
    world = World()
    queue = world.sqs.create_queue("q", visibility_timeout=500)
    mapping = world.function().poll(queue, enabled=False, grant=True)
    async with world.bus:
        queue.send_nowait("a")
        [message] = await queue.receive()
        mapping.enable()
        await world.advance(1)
        await queue.delete(message)
        await settle(world)
        assert world.elapsed == 1
    assert world.calls == []


async def test_a_loop_through_a_queue_is_stopped() -> None:
    """After 16 invocations the batch is refused, and the redrive policy ends it."""
    world = World()
    dead = world.sqs.create_queue("dead")
    queue = world.sqs.create_queue("q", dead_letter=dead, max_receive_count=1)

    async def handler(event: dict[str, Any], context: Any) -> None:
        world.calls.append((world.elapsed, ["round"]))
        await queue.send("again")

    function = world.bus.add_function("loop", handler)
    function.poll(queue, grant=True)
    function.role.allow("sqs:SendMessage", queue)
    async with world.bus:
        queue.send_nowait("first")
        await settle(world)
        assert dead.statistics().visible == 1
    assert len(world.calls) == 16
    assert world.bus.metrics.query("RecursiveInvocationsDropped", function).sum == 1


async def test_the_longest_chain_of_a_batch_counts() -> None:
    """A message at the end of a chain of 16 invocations is refused with the fresh one beside it, which comes again."""
    world = World()
    queue = world.sqs.create_queue("q", dead_letter=world.sqs.create_queue("dead"), max_receive_count=1)
    world.function().poll(queue, grant=True)
    async with world.bus:
        queue.send_nowait("fresh")
        action = world.bus.note("test", queue)
        action.hops = 16
        queue.accept(Message("tired", action), world.bus.source_of("sns.amazonaws.com"))
        queue.send_nowait("fresh too")
        await settle(world)
        assert world.sqs["dead"].statistics().visible == 3
    assert world.calls == []


async def test_an_event_that_turns_out_too_large_is_divided() -> None:
    """Quotation marks take two bytes each in JSON: ten messages of 400,000 are delivered in two halves."""
    world = World()
    queue = world.sqs.create_queue("q")
    function = world.function()
    function.poll(queue, batch_window=1, grant=True)
    async with world.bus:
        for _ in range(10):
            queue.send_nowait('"' * 400_000)
        await settle(world)
        assert queue.statistics().total == 0
    assert [len(batch) for batch in world.batches] == [5, 5]
    assert world.bus.metrics.query("OversizedRecordCount", function).sum == 0, "no record is too large by itself"


async def test_a_batch_that_is_too_large_for_one_invocation_is_divided() -> None:
    """No message is lost, and no batch has more than 6 MB."""
    world = World()
    queue = world.sqs.create_queue("q")
    world.function().poll(queue, batch_size=100, batch_window=1, grant=True)
    async with world.bus:
        for number in range(15):
            queue.send_nowait(f"{number:02}" + "x" * 900_000)
        await settle(world)
        assert queue.statistics().total == 0
    assert sorted(text[:2] for text in world.carried) == [f"{number:02}" for number in range(15)]
    assert max(sum(map(len, batch)) for batch in world.batches) <= 6 * 2**20
    assert sorted(map(len, world.batches)) == [3, 6, 6], "two were full, none had to be divided"


async def test_a_deleted_queue_is_a_problem_and_nothing_to_wait_for() -> None:
    """The mapping stays, as on AWS."""
    world = World()
    queue = world.sqs.create_queue("q")
    mapping = world.function().poll(queue, grant=True)
    async with world.bus:
        world.sqs.delete_queue(queue)
        await settle(world)
        await world.advance(120)
    assert mapping.state == "Enabled"
    assert mapping.last_processing_result.startswith("PROBLEM: Error occurred while ReceiveMessage.")
    assert mapping.last_processing_result.endswith("The specified queue does not exist.")


async def test_a_queue_that_is_made_again_is_read_again() -> None:
    """The mapping is one with an ARN: the next queue of that is its own, and there is no room for a second mapping."""
    world = World()
    function = world.function()
    mapping = function.poll(world.sqs.create_queue("q"), grant=True)
    async with world.bus:
        world.sqs.delete_queue("q")
        await settle(world)
        queue = world.sqs.create_queue("q", visibility_timeout=50)
        assert mapping.source is queue
        assert mapping.last_processing_result == "No records processed"
        queue.send_nowait("a")
        await settle(world)
        assert queue.statistics().total == 0
        with pytest.raises(ResourceConflict):
            function.poll(queue)
    assert world.batches == [["a"]]
    assert mapping.last_processing_result == "OK"


@pytest.mark.parametrize("made_again", ["while it is disabled", "after it is enabled"])
async def test_a_mapping_that_is_disabled_finds_the_queue_that_was_made_again(made_again: str) -> None:
    """Whenever that was."""
    world = World()
    mapping = world.function().poll(world.sqs.create_queue("q"), enabled=False, grant=True)
    async with world.bus:
        world.sqs.delete_queue("q")
        if made_again == "after it is enabled":
            mapping.enable()
            await settle(world)
        queue = world.sqs.create_queue("q")
        mapping.enable()
        queue.send_nowait("a")
        await settle(world)
    assert world.batches == [["a"]]


async def test_a_mapping_that_is_deleted_waits_for_no_queue() -> None:
    """Nor does one that is disabled while its queue is gone."""
    world = World()
    doomed = world.function().poll(world.sqs.create_queue("q"), grant=True)
    disabled = world.function(name="g").poll(world.sqs["q"], grant=True)
    async with world.bus:
        world.sqs.delete_queue("q")
        await settle(world)
        doomed.delete()
        disabled.disable()
        await settle(world)
        queue = world.sqs.create_queue("q")
        queue.send_nowait("a")
        await settle(world)
        assert queue.statistics().visible == 1
    assert (doomed.state, disabled.state) == ("Gone", "Disabled")


async def test_a_batch_that_ends_after_its_queue_was_deleted_is_no_success_of_the_mapping() -> None:
    """It still says what is wrong."""
    world = World()
    mapping = world.function(takes=2.0).poll(world.sqs.create_queue("q"), grant=True)
    async with world.bus:
        world.sqs["q"].send_nowait("a")
        await world.advance(1)
        world.sqs.delete_queue("q")
        await settle(world)
    assert world.batches == [["a"]]
    assert mapping.last_processing_result.startswith("PROBLEM: Error occurred while ReceiveMessage.")


@pytest.mark.parametrize("filters", [None, [{"body": ["other"]}]])
async def test_a_role_that_may_not_delete_has_its_messages_come_back(filters: Any) -> None:
    """What the function has dealt with and what no filter wants; the mapping says why, until the role may again."""
    world = World()
    queue = world.sqs.create_queue("q")
    function = world.function()
    mapping = function.poll(queue, filters=filters, grant=True)
    deny = {"Effect": "Deny", "Action": "sqs:DeleteMessage", "Resource": queue.arn}
    async with world.bus:
        function.role.put_policy("stop", {"Version": "2012-10-17", "Statement": deny})
        queue.send_nowait("a")
        await settle(world)
        assert queue.statistics().total == 1
        assert mapping.last_processing_result.startswith("PROBLEM: User: arn:aws:sts::")
        assert "sqs:DeleteMessage" in mapping.last_processing_result
        function.role.delete_policy("stop")
        await world.advance(60)
        await settle(world)
        assert queue.statistics().total == 0
    assert len(world.batches) == (2 if filters is None else 0)


async def test_what_ends_while_the_bus_is_left_is_deleted() -> None:
    """The function gets its grace, and its batch counts; what is left stays in the queue."""
    world = World()
    queue = world.sqs.create_queue("q")
    begun = anyio.Event()

    async def handler(event: dict[str, Any], context: Any) -> None:
        begun.set()
        await anyio.sleep(0.05)

    world.bus.add_function("slow", handler, reserved_concurrency=1).poll(queue, batch_size=1, grant=True)
    async with world.bus:
        queue.send_nowait("a")
        queue.send_nowait("b")
        await begun.wait()
    assert queue.statistics().total == 1


async def test_the_bus_may_be_left_whatever_a_mapping_does() -> None:
    """While it gathers, retries, waits for hidden messages and is throttled."""
    world = World()
    stream = world.stream()
    queues = [world.sqs.create_queue(name) for name in ("gathers", "hides", "throttled")]
    world.function(raises_on("x"), name="retries").poll(stream, starting_position="TRIM_HORIZON", grant=True)
    world.function(name="gathers").poll(queues[0], batch_window=60, grant=True)
    world.function(raises_on("x"), name="hides").poll(queues[1], grant=True)
    world.function(name="throttled", reserved_concurrency=0).poll(queues[2], grant=True)
    async with world.bus:
        stream.put_record_nowait("x", "k")
        for queue in queues:
            queue.send_nowait("x")
        await world.advance(3)
    assert world.bus.statistics().running == 0
