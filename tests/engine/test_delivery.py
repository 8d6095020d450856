"""An asynchronous event from `push` to its end."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from eventbus import EventBus, Reason, Receipt
from eventbus.errors import ConfigurationError, PayloadTooLarge, ResourceNotFound
from eventbus.testing import Recorder
from tests.engine.support import ARN, S3, UNDECLARED, Photos, make_bus, virtual

pytestmark = pytest.mark.anyio


def declare(bus: EventBus, recorder: Recorder, **options: Any) -> Any:
    function = bus.add_function("f", recorder, **options)
    function.allow(S3)
    return function


# -- arriving ----------------------------------------------------------------------------------------------------------


async def test_an_event_reaches_the_handler() -> None:
    """Pushed, run once, finished."""
    bus, recorder = make_bus(), Recorder()
    function = declare(bus, recorder)
    async with bus:
        receipt = await bus.push(function, {"key": "cat.jpg"}, source=S3)
        assert isinstance(receipt, Receipt)
        assert repr(receipt) == f"<Receipt {receipt.request_id}>"
        await bus.wait_idle()
        assert recorder.events == [{"key": "cat.jpg"}]
        assert recorder.request_ids == [receipt.request_id]
        assert bus.statistics().finished == 1


@pytest.mark.parametrize("how", ["object", "arn", "qualified arn", "name"])
async def test_a_function_may_be_named_in_four_ways(how: str) -> None:
    """The object, its ARN, its ARN with $LATEST, its name."""
    bus, recorder = make_bus(), Recorder()
    function = declare(bus, recorder)
    target = {"object": function, "arn": f"{ARN}f", "qualified arn": f"{ARN}f:$LATEST", "name": "f"}[how]
    async with bus:
        await bus.push(target, 1, source=S3)
        await bus.wait_idle()
        assert recorder.events == [1]


async def test_push_returns_before_the_handler_runs() -> None:
    """The publisher goes on; the handler has its turn later."""
    bus, recorder = make_bus(), Recorder()
    function = declare(bus, recorder)
    async with bus:
        await bus.push(function, 1, source=S3)
        assert recorder.events == []
        assert bus.statistics().queued == 1
        await bus.wait_idle()
        assert recorder.events == [1]


async def test_events_of_one_function_run_in_the_order_of_their_acceptance() -> None:
    """As long as nothing suspends or fails."""
    bus, recorder = make_bus(), Recorder()
    function = declare(bus, recorder)
    async with bus:
        for number in range(200):
            await bus.push(function, number, source=S3)
        await bus.wait_idle()
    assert recorder.events == list(range(200))


async def test_every_attempt_and_every_function_gets_a_copy_of_its_own() -> None:
    """What a handler does to its event is seen by nobody: not by a retry, another function, or the sender."""
    bus = make_bus()
    seen: list[tuple[str, list[int]]] = []

    async def vandal(event: Any, context: Any) -> None:
        seen.append((context.function_name, list(event["items"])))
        event["items"].append("rubbish")
        event.clear()
        raise ValueError

    functions = [bus.add_function(name, vandal, retries=1) for name in ("a", "b")]
    payload: dict[str, list[Any]] = {"items": [1, 2]}
    async with bus:
        for function in functions:
            function.allow(S3)
            await bus.push(function, payload, source=S3)
        payload["items"].append("changed by the sender")
        await bus.wait_idle()
        assert [name for name, _ in seen] == ["a", "b", "a", "b"]
        assert all(items == [1, 2] for _, items in seen)
        assert [letter.payload for letter in bus.dead_letters] == [{"items": [1, 2]}] * 2


async def test_a_slow_event_takes_the_slow_codec_and_arrives_the_same() -> None:
    """Integers beyond 64 bits and tuples, on every attempt."""
    bus, recorder = make_bus(), Recorder(fail=1)
    function = declare(bus, recorder)
    async with bus:
        await bus.push(function, {"big": 2**100, "pair": (1, 2)}, source=S3)
        await bus.wait_idle()
    assert recorder.events == [{"big": 2**100, "pair": [1, 2]}] * 2


@pytest.mark.parametrize(
    ("payload", "size"),
    [("x" * 1_048_574, None), ("x" * 1_048_575, 1_048_577), (["x" * 1_048_560, 2**70], 1_048_587)],
    ids=["at the limit", "above it", "above it in the slow codec"],
)
async def test_an_event_has_at_most_one_megabyte(payload: Any, size: int | None) -> None:
    """1,048,576 bytes of JSON pass, one more does not, and nothing was accepted."""
    bus, recorder = make_bus(), Recorder()
    function = declare(bus, recorder)
    async with bus:
        if size is None:
            await bus.push(function, payload, source=S3)
        else:
            with pytest.raises(PayloadTooLarge) as caught:
                await bus.push(function, payload, source=S3)
            assert str(caught.value) == (
                f"{size} byte payload is too large for the Event invocation type (limit 1048576 bytes)"
            )
            assert (caught.value.code, caught.value.status) == ("RequestEntityTooLargeException", 413)
        await bus.wait_idle()
    assert bus.statistics().accepted == len(recorder.events) == (1 if size is None else 0)


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ("nobody", ResourceNotFound, f"Function not found: {ARN}nobody{UNDECLARED}"),
        (f"{ARN}nobody", ResourceNotFound, f"Function not found: {ARN}nobody{UNDECLARED}"),
        ("arn:aws:sqs:us-east-1:123456789012:q", ResourceNotFound, None),
        (5, ConfigurationError, "5 is neither a function, a topic or a queue, nor an ARN of one"),
        (None, ConfigurationError, "None is neither a function, a topic or a queue, nor an ARN of one"),
    ],
)
async def test_an_unknown_target_is_refused_at_the_call(
    target: Any, error: type[Exception], message: str | None
) -> None:
    """One sentence says what was not found; nothing was accepted."""
    async with make_bus() as bus:
        with pytest.raises(error) as caught:
            await bus.push(target, 1, source=S3)
        assert str(caught.value) == (message or f"{target} does not exist on this bus")
        assert bus.statistics().accepted == 0


async def test_a_function_of_another_bus_is_refused() -> None:
    """Objects belong to one bus."""
    stranger = make_bus().add_function("f", Recorder())
    async with make_bus() as bus:
        with pytest.raises(ConfigurationError, match="belongs to another bus, or was deleted"):
            await bus.push(stranger, 1, source=S3)


@pytest.mark.parametrize("source", [None, 5, object()])
async def test_what_is_no_source_is_refused(source: Any) -> None:
    """A source has a principal and an ARN, or is a service's name."""
    bus = make_bus()
    function = declare(bus, Recorder())
    async with bus:
        with pytest.raises(ConfigurationError, match="is no source: a source has a principal and an arn"):
            await bus.push(function, 1, source=source)
        assert bus.statistics().accepted == 0


# -- retries -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("retries", "expected"), [(0, [0]), (1, [0, 60]), (2, [0, 60, 180])])
async def test_a_failing_event_is_tried_again_after_one_minute_and_after_two_more(
    retries: int, expected: list[float]
) -> None:
    """The schedule of AWS, in virtual time, under one request id."""
    bus = make_bus()
    at: list[tuple[float, str]] = []

    @bus.function(retries=retries)
    async def f(event: Any, context: Any) -> None:
        at.append((virtual(bus).elapsed, context.aws_request_id))
        raise ValueError("boom")

    f.allow(S3)
    async with bus:
        receipt = await bus.push(f, 1, source=S3)
        await bus.wait_idle()
        assert at == [(when, receipt.request_id) for when in expected]
        assert bus.dead_letters[0].attempts == retries + 1


async def test_threads_keep_the_same_schedule() -> None:
    """Handlers in threads are retried at the same instants."""
    bus = make_bus()
    at: list[float] = []

    @bus.function
    def f(event: Any, context: Any) -> None:
        at.append(virtual(bus).elapsed)
        raise ValueError("boom")

    f.allow(S3)
    async with bus:
        await bus.push(f, 1, source=S3)
        await bus.wait_idle()
    assert at == [0, 60, 180]


async def test_a_retry_that_succeeds_finishes_the_event() -> None:
    """Nothing is dead-lettered."""
    bus, recorder = make_bus(), Recorder(fail=2)
    function = declare(bus, recorder)
    async with bus:
        await bus.push(function, 1, source=S3)
        await bus.wait_idle()
        assert len(recorder.events) == 3
        assert bus.statistics().finished == 1
        assert not bus.dead_letters


@pytest.mark.parametrize(("age", "attempts"), [(60, 1), (61, 2), (90, 2), (180, 2), (181, 3)])
async def test_an_event_is_given_up_when_its_next_attempt_would_come_too_late(age: float, attempts: int) -> None:
    """The look-ahead of the age limit: recorded on AWS, 60 seconds are one attempt and 90 are two."""
    bus, recorder = make_bus(), Recorder(fail="always")
    function = declare(bus, recorder, max_event_age=age)
    async with bus:
        await bus.push(function, 1, source=S3)
        await bus.wait_idle()
        letter = bus.dead_letters[0]
        assert letter.attempts == len(recorder.events) == attempts
        assert letter.reason is (Reason.RETRIES_EXHAUSTED if attempts == 3 else Reason.EVENT_AGE_EXCEEDED)
        assert letter.error == "ValueError: recorder was told to fail"


async def test_a_function_that_always_fails_delays_no_other() -> None:
    """While one function's events wait for their retries, another's run at once."""
    bus = make_bus()
    good, bad = Recorder(), Recorder(fail="always")
    bus.add_function("good", good).allow(S3)
    bus.add_function("bad", bad).allow(S3)
    async with bus:
        for number in range(10):
            await bus.push("bad", number, source=S3)
            await bus.push("good", number, source=S3)
        await virtual(bus).advance(0)
        assert good.events == list(range(10))
        assert bus.statistics().waiting == 10
        await bus.wait_idle()
        assert len(bad.events) == 30


async def test_settings_that_change_count_from_the_next_decision_on() -> None:
    """Lowering the retries while an event waits ends it after its next attempt."""
    bus, recorder = make_bus(), Recorder(fail="always")
    function = declare(bus, recorder)
    async with bus:
        await bus.push(function, 1, source=S3)
        await virtual(bus).advance(1)
        function.update_configuration(retries=1)
        await bus.wait_idle()
        assert len(recorder.events) == 2
        assert bus.dead_letters[0].reason == "RetriesExhausted"


# -- dead letters ------------------------------------------------------------------------------------------------------


async def test_a_dead_letter_says_everything() -> None:
    """Every field, for an event whose attempts all failed."""
    bus = make_bus()

    @bus.function
    async def f(event: Any, context: Any) -> None:
        raise KeyError("nothing")

    f.allow(Photos())
    async with bus:
        await virtual(bus).advance(5)
        receipt = await bus.push(f, {"a": [1]}, source=Photos())
        accepted_at = bus.clock.now()
        await bus.wait_idle()
        (letter,) = bus.dead_letters
        assert letter.reason is Reason.RETRIES_EXHAUSTED
        assert letter.attempts == 3
        assert letter.error == "KeyError: 'nothing'"
        assert letter.error_document is not None
        assert letter.error_document["errorType"] == "KeyError"
        assert letter.error_document["requestId"] == receipt.request_id
        assert letter.source == "arn:aws:s3:::photos"
        assert letter.target == f.arn == f"{ARN}f"
        assert letter.payload == {"a": [1]}
        assert letter.request_id == receipt.request_id
        assert letter.accepted_at == accepted_at
        assert letter.dead_at == accepted_at + 180
        assert repr(letter) == f"<DeadLetter RetriesExhausted for {ARN}f: 3 attempts, \"KeyError: 'nothing'\">"
        letter.payload["a"].append("changed")
        assert letter.payload == {"a": [1]}


async def test_an_event_whose_source_may_not_invoke_ends_as_access_denied() -> None:
    """The handler never runs, nothing is retried, and the letter names the mending call."""
    bus, recorder = make_bus(), Recorder()
    function = bus.add_function("f", recorder)
    async with bus:
        await bus.push(function, 1, source=Photos())
        await bus.wait_idle()
        (letter,) = bus.dead_letters
        assert (letter.reason, letter.attempts, letter.error_document) == ("AccessDenied", 0, None)
        assert letter.error == (
            "User: s3.amazonaws.com is not authorized to perform: lambda:InvokeFunction on resource: "
            f"{ARN}f because no resource-based policy allows the lambda:InvokeFunction action; "
            'call bus.functions["f"].allow(s3["photos"])'
        )
        assert recorder.events == []


async def test_a_source_that_is_allowed_after_the_push_may_invoke() -> None:
    """The permission is asked for when the event is tried, not when it is pushed; a denied one is not tried again."""
    bus, recorder = make_bus(), Recorder()
    function = bus.add_function("f", recorder)
    async with bus:
        await bus.push(function, 1, source=Photos())
        function.allow(Photos())
        await bus.wait_idle()
        function.remove_permission(function.policy["Statement"][0]["Sid"])  # type: ignore[index]
        await bus.push(function, 2, source=Photos())
        await bus.wait_idle()
        assert recorder.events == [1]
        assert [letter.payload for letter in bus.dead_letters] == [2]


async def test_a_permission_taken_back_does_not_stop_retries() -> None:
    """Permission is checked before the first attempt; an event that was let in stays in."""
    bus, recorder = make_bus(), Recorder(fail=1)
    function = declare(bus, recorder)
    async with bus:
        await bus.push(function, 1, source=S3)
        await virtual(bus).advance(1)
        function.remove_permission(function.policy["Statement"][0]["Sid"])
        await bus.wait_idle()
        assert len(recorder.events) == 2
        assert bus.statistics().finished == 1


async def test_a_function_that_sends_needs_its_role_at_every_event() -> None:
    """What its role may do counts when the event is tried, however often it was let in before."""
    bus, recorder = make_bus(), Recorder()
    function, sender = bus.add_function("f", recorder), bus.add_function("sender", Recorder())
    async with bus:
        for number, change in enumerate((None, sender.role.allow, None, sender.role.deny, None)):
            if change is not None:
                change("lambda:InvokeFunction", function)
            await bus.push(function, number, source=sender)
            await bus.wait_idle()
        assert recorder.events == [1, 2]
        assert [letter.payload for letter in bus.dead_letters] == [0, 3, 4]
        assert bus.dead_letters[0].source == str(sender.role.session("sender"))


async def test_a_permission_for_a_time_ends_with_it() -> None:
    """A policy that looks at the clock is asked at every event."""
    bus, recorder = make_bus(), Recorder()
    function, sender = bus.add_function("f", recorder), bus.add_function("sender", Recorder())
    until = {"DateLessThan": {"aws:CurrentTime": "2026-01-01T01:00:00Z"}}
    sender.role.allow("lambda:InvokeFunction", function, condition=until)
    async with bus:
        for number in range(4):
            await bus.push(function, number, source=sender)
            await virtual(bus).advance(1500)
        assert recorder.events == [0, 1, 2]
        assert [letter.payload for letter in bus.dead_letters] == [3]


async def test_without_iam_everybody_may_invoke() -> None:
    """`enforce_iam=False` asks nobody."""
    bus, recorder = make_bus(enforce_iam=False), Recorder()
    function = bus.add_function("f", recorder)
    async with bus:
        await bus.push(function, 1, source="anything.amazonaws.com")
        await bus.wait_idle()
    assert recorder.events == [1]


async def test_the_dead_letter_list_is_a_sequence() -> None:
    """Length, index, slice, iteration in order of death, membership, clear."""
    bus = make_bus()
    function = declare(bus, Recorder(fail="always"), retries=0)
    async with bus:
        for number in range(3):
            await bus.push(function, number, source=S3)
        await bus.wait_idle()
        letters = bus.dead_letters
        assert len(letters) == 3
        assert letters[0].payload == 0
        assert letters[-1].payload == 2
        assert [letter.payload for letter in letters[1:]] == [1, 2]
        assert [letter.payload for letter in letters] == [0, 1, 2]
        assert letters[1] in letters
        assert repr(letters) == "<DeadLetters: 3>"
        letters.clear()
        assert not letters
        assert bus.statistics().dead_lettered == 3


async def test_redriving_sends_the_same_payload_of_the_same_source_as_a_new_event() -> None:
    """It leaves the list, gets a new request id and all its attempts again."""
    bus, recorder = make_bus(), Recorder(fail=3)
    function = declare(bus, recorder)
    async with bus:
        first = await bus.push(function, {"n": 1}, source=S3)
        await bus.wait_idle()
        letter = bus.dead_letters[0]
        second = await bus.redrive(letter)
        assert second.request_id != first.request_id
        assert not bus.dead_letters
        await bus.wait_idle()
        assert recorder.events == [{"n": 1}] * 4
        assert bus.statistics().finished == 1
        with pytest.raises(ValueError, match=r"is not in bus\.dead_letters"):
            await bus.redrive(letter)
        assert bus.statistics().accepted == 2


async def test_redriving_asks_for_the_permission_again() -> None:
    """A denied event that is redriven after `allow` runs."""
    bus, recorder = make_bus(), Recorder()
    function = bus.add_function("f", recorder)
    async with bus:
        await bus.push(function, 1, source=Photos())
        await bus.wait_idle()
        await bus.redrive(bus.dead_letters[0])
        await bus.wait_idle()
        assert len(bus.dead_letters) == 1
        function.allow(Photos())
        await bus.redrive(bus.dead_letters[0])
        await bus.wait_idle()
    assert recorder.events == [1]
    assert not bus.dead_letters


# -- recursion ---------------------------------------------------------------------------------------------------------


async def test_a_chain_is_stopped_after_sixteen_invocations() -> None:
    """The seventeenth is a dead letter with the reason, counted, and not tried."""
    bus = make_bus()
    seen: list[int] = []

    @bus.function
    async def loop(event: int, context: Any) -> None:
        seen.append(event)
        await bus.push(loop, event + 1, source=S3)

    loop.allow(S3)
    async with bus:
        await bus.push(loop, 1, source=S3)
        await bus.wait_idle()
        assert seen == list(range(1, 17))
        (letter,) = bus.dead_letters
        assert (letter.reason, letter.attempts, letter.payload) == ("RecursiveInvocation", 0, 17)
        assert letter.error == 'more than 16 invocations in one chain; recursive_loop="Allow" permits them'
        assert bus.metrics.query("RecursiveInvocationsDropped", loop).sum == 1
        assert bus.statistics().accepted == 17


async def test_a_chain_through_two_functions_counts_as_one() -> None:
    """Ping and pong share the sixteen."""
    bus = make_bus()
    count = 0

    async def player(event: Any, context: Any) -> None:
        nonlocal count
        count += 1
        await bus.push("pong" if context.function_name == "ping" else "ping", 1, source=S3)

    for name in ("ping", "pong"):
        bus.add_function(name, player).allow(S3)
    async with bus:
        await bus.push("ping", 1, source=S3)
        await bus.wait_idle()
    assert count == 16


async def test_a_loop_that_is_allowed_goes_on() -> None:
    """`recursive_loop="Allow"` switches the detection off."""
    bus = make_bus()
    seen: list[int] = []

    @bus.function(recursive_loop="Allow")
    async def loop(event: int, context: Any) -> None:
        seen.append(event)
        if event < 40:
            await bus.push(loop, event + 1, source=S3)

    loop.allow(S3)
    async with bus:
        await bus.push(loop, 1, source=S3)
        await bus.wait_idle()
    assert seen == list(range(1, 41))
    assert not bus.dead_letters


async def test_redriving_a_stopped_chain_gives_it_sixteen_more() -> None:
    """A person broke the chain, so it begins anew."""
    bus = make_bus()
    seen: list[int] = []

    @bus.function
    async def loop(event: int, context: Any) -> None:
        seen.append(event)
        await bus.push(loop, event + 1, source=S3)

    loop.allow(S3)
    async with bus:
        await bus.push(loop, 1, source=S3)
        await bus.wait_idle()
        await bus.redrive(bus.dead_letters[0])
        await bus.wait_idle()
    assert seen == list(range(1, 33))


async def test_retries_of_one_event_are_one_link_of_the_chain() -> None:
    """Attempts do not count as hops."""
    bus, recorder = make_bus(), Recorder(fail=2)
    function = declare(bus, recorder)

    @bus.function
    async def relay(event: int, context: Any) -> None:
        await bus.push(function if event == 15 else relay, event + 1, source=S3)

    relay.allow(S3)
    async with bus:
        await bus.push(relay, 1, source=S3)
        await bus.wait_idle()
    assert recorder.events == [16] * 3
    assert not bus.dead_letters


# -- counting ----------------------------------------------------------------------------------------------------------


async def test_statistics_add_up_at_every_moment() -> None:
    """Accepted is the sum of the parts, also while events run, wait, fail and are given up."""
    bus = make_bus()
    go = anyio.Event()
    snapshots = []

    def look() -> None:
        s = bus.statistics()
        assert s.accepted == s.finished + s.dead_lettered + s.queued + s.waiting + s.running
        assert min(s.finished, s.dead_lettered, s.queued, s.waiting, s.running) >= 0
        snapshots.append((s.accepted, s.finished, s.dead_lettered, s.queued, s.waiting, s.running))

    @bus.function(reserved_concurrency=2, retries=1)
    async def f(event: int, context: Any) -> None:
        look()
        await checkpoint()
        look()
        if event == 0:
            await go.wait()
        if event % 3 == 1:
            raise ValueError

    f.allow(S3)
    async with bus:
        look()
        for number in range(6):
            await bus.push(f, number, source=S3)
            look()
        await bus.push(f, 6, source="sns.amazonaws.com")  # not allowed
        await wait_all_tasks_blocked()
        look()
        assert snapshots[-1] == (7, 3, 1, 0, 2, 1)
        go.set()
        await bus.wait_idle()
        look()
        assert snapshots[-1] == (7, 4, 3, 0, 0, 0)
    look()
    assert repr(bus) == (
        "<EventBus closed: 1 functions, 0 queued, 0 running, 0 waiting for a retry, 4 finished, 3 dead-lettered>"
    )


async def test_direct_calls_are_no_asynchronous_events() -> None:
    """Statistics leave them out, while they run and afterwards."""
    bus = make_bus()
    go = anyio.Event()

    @bus.function
    async def f(event: Any, context: Any) -> None:
        await go.wait()

    async with bus, anyio.create_task_group() as tasks:
        tasks.start_soon(bus.invoke, f, 1)
        await wait_all_tasks_blocked()
        assert bus.statistics().accepted == bus.statistics().running == 0
        go.set()
    assert bus.statistics().accepted == 0
