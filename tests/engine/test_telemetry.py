"""What is seen of an event: logs, metrics, trace."""

from __future__ import annotations

import logging
import math
import re
import sys
import threading
from typing import Any

import anyio
import anyio.lowlevel
import attrs
import pytest

from eventbus import EventBus
from eventbus.delivery.event import Attempt, Event
from eventbus.telemetry.errors import LogGroupNotFound
from eventbus.telemetry.platform_log import RUNTIME, RUNTIME_ARN
from eventbus.testing import Recorder
from tests.engine.support import ARN, S3, Photos, make_bus, virtual

pytestmark = pytest.mark.anyio

REPORT = r"REPORT RequestId: %s\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\t"


def without_durations(text: str) -> str:
    """A log with the real durations, which differ from run to run, replaced by zeros."""
    return re.sub(r"Billed Duration: \d+", "Billed Duration: 0", re.sub(r"Duration: \d+\.\d\d", "Duration: 0.00", text))


async def test_every_attempt_says_all_that_there_is_to_say() -> None:
    """Of a first try, a retry, a throttled try, a direct call and one that was addressed to a version."""
    bus = make_bus()
    f = bus.add_function("f", Recorder(fail=1), retries=1)
    f.allow(S3)
    version = f.publish_version()
    version.allow(S3)
    async with bus:
        await bus.push(f, 1, source=S3)
        await bus.wait_idle()
        await bus.invoke(f, 2)
        await bus.push(version, 3, source=S3)
        f.update_configuration(reserved_concurrency=0)
        await bus.push(f, 4, source=S3)
        await bus.wait_idle()
    fields = [field.name for field in attrs.fields(Attempt)]
    nodes = [node for node in bus.trace if isinstance(node, Event)]
    attempts = [*bus.journal.attempts(), *(attempt for node in nodes for attempt in node.history)]
    for attempt in attempts:
        said = {name: getattr(attempt, name) for name in [*fields, "memory_used", "qualifier"]}
        assert said["number"] > 0
    assert len({id(attempt) for attempt in attempts}) == 5
    assert [attempt.environment is None for attempt in nodes[-1].history] == [True]


# -- logs --------------------------------------------------------------------------------------------------------------


async def test_the_log_of_an_invocation_that_writes() -> None:
    """START, what was printed and logged with the request id, END, REPORT: exactly AWS's lines."""
    bus = make_bus()

    @bus.function
    async def f(event: Any, context: Any) -> None:
        print("printed", event)
        print("two\nlines")
        print("on stderr", file=sys.stderr)
        sys.stdout.write("no ")
        sys.stdout.writelines(["line", " end"])
        logging.getLogger("mine").warning("logged %d", 1)
        context.log("from the context\n")

    f.allow(S3)
    async with bus:
        receipt = await bus.push(f, 7, source=S3)
        await bus.wait_idle()
        rid = receipt.request_id
        assert without_durations(bus.logs.text("f")) == (
            f"INIT_START Runtime Version: {RUNTIME}\tRuntime Version ARN: {RUNTIME_ARN}\n"
            f"START RequestId: {rid} Version: $LATEST\n"
            "printed 7\n"
            "two\n"
            "lines\n"
            "on stderr\n"
            f"[WARNING]\t2026-01-01T00:00:00.000Z\t{rid}\tlogged 1\n"
            "no line endfrom the context\n"
            f"END RequestId: {rid}\n"
            f"REPORT RequestId: {rid}\tDuration: 0.00 ms\tBilled Duration: 0 ms\tMemory Size: 128 MB\t"
            "Max Memory Used: 0 MB\tInit Duration: 0.00 ms\t\n"
        )
        assert {event.request_id for event in bus.logs.tail("f")} == {"", rid}


async def test_the_log_of_an_invocation_that_raises() -> None:
    """The error and its traceback come before END; an exception that was logged keeps its own."""
    bus = make_bus()

    @bus.function
    async def f(event: Any, context: Any) -> None:
        try:
            raise KeyError("inner")
        except KeyError:
            logging.getLogger().exception("caught")
        raise ValueError("boom")

    async with bus:
        rid = (await bus.invoke(f)).request_id
        lines = bus.logs.text("f").splitlines()
        assert lines[1] == f"START RequestId: {rid} Version: $LATEST"
        assert lines[2] == f"[ERROR]\t2026-01-01T00:00:00.000Z\t{rid}\tcaught"
        assert "KeyError: 'inner'" in lines
        error = lines.index("[ERROR] ValueError: boom")
        assert lines[error + 1] == "Traceback (most recent call last):"
        assert lines[error + 2].startswith(f'  File "{__file__}", line ')
        assert lines[-2] == f"END RequestId: {rid}"
        assert re.match(REPORT % rid, lines[-1])


@pytest.mark.parametrize(
    ("handler", "suffix"),
    [("sleep", "Status: timeout\n"), ("exit", "Status: error\tError Type: Runtime.ExitError\n")],
)
async def test_the_report_says_how_the_platform_ended_it(handler: str, suffix: str) -> None:
    """A status for what was done to the handler; nothing of the kind for what it raised."""
    bus = make_bus()

    @bus.function(timeout=0.01)
    async def f(event: str, context: Any) -> None:
        print("before")
        if event == "exit":
            raise SystemExit(1)
        await anyio.sleep_forever()

    async with bus:
        rid = (await bus.invoke(f, handler)).request_id
        text = bus.logs.text("f")
        assert "before\n" in text
        init = r"Max Memory Used: 0 MB\tInit Duration: \d+\.\d\d ms\t"
        assert re.search(REPORT % rid + init + re.escape(suffix) + "$", text)
        assert "[ERROR]" not in text


async def test_what_threads_and_child_tasks_write_is_caught_too() -> None:
    """Whatever a handler starts writes to the log of its invocation."""
    bus = make_bus()

    @bus.function
    def threaded(event: Any, context: Any) -> None:
        print("in a thread", event)
        logging.getLogger().error("logged in a thread")

    @bus.function
    async def parent(event: Any, context: Any) -> None:
        async def child() -> None:
            print("in a child task")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(child)
        await anyio.to_thread.run_sync(print, "in a worker thread")

    async with bus:
        await bus.invoke(threaded, 1)
        await bus.invoke(parent, 1)
        print("outside")
        assert "in a thread 1\n" in bus.logs.text("threaded")
        assert "logged in a thread\n" in bus.logs.text("threaded")
        assert "in a child task\nin a worker thread\n" in bus.logs.text("parent")
        assert "outside" not in bus.logs.text("threaded") + bus.logs.text("parent")


async def test_prints_of_handlers_that_run_at_the_same_time_are_kept_apart() -> None:
    """Each goes to its own invocation, in its own stream."""
    bus = make_bus()
    barrier, both = threading.Barrier(2), anyio.Event()

    @bus.function
    async def task(event: int, context: Any) -> None:
        print(f"begin {event}")
        if event:
            both.set()
        await both.wait()
        print(f"end {event}")

    @bus.function(timeout=30)
    def thread(event: int, context: Any) -> None:
        barrier.wait(20)
        print(f"begin {event}")
        barrier.wait(20)
        print(f"end {event}")

    for function in (task, thread):
        function.allow(S3)
    async with bus:
        for function in (task, thread):
            ids = [(await bus.push(function, n, source=S3)).request_id for n in range(2)]
            await bus.wait_idle()
            for number, rid in enumerate(ids):
                mine = [event for event in bus.logs.tail(function.name) if event.request_id == rid]
                assert [e.message for e in mine[1:-2]] == [f"begin {number}\n", f"end {number}\n"]
                assert len({event.stream for event in mine}) == 1
            assert len(bus.logs.streams(function.name)) == 2


async def test_prints_still_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """They are copied, not taken; and the streams are put back afterwards."""
    before = sys.stdout
    bus = make_bus()

    @bus.function
    async def f(event: Any, context: Any) -> None:
        print("hello")

    async with bus:
        assert sys.stdout is not before
        await bus.invoke(f)
    assert sys.stdout is before
    assert capsys.readouterr().out == "hello\n"


async def test_the_tail_of_the_log_has_at_most_four_kilobytes() -> None:
    """Bytes, not characters; without asking there is none."""
    bus = make_bus()

    @bus.function
    async def f(event: int, context: Any) -> None:
        print("é" * event)

    async with bus:
        assert (await bus.invoke(f, 1)).log_tail is None
        short = await bus.invoke(f, 1, log_tail=True)
        assert short.log_tail is not None
        assert short.log_tail.startswith(f"START RequestId: {short.request_id}")
        assert re.search(REPORT % short.request_id, short.log_tail)
        long = await bus.invoke(f, 5000, log_tail=True)
        assert long.log_tail is not None
        assert 4094 <= len(long.log_tail.encode()) <= 4096
        assert long.log_tail.endswith("Max Memory Used: 0 MB\t\n")


async def test_groups_streams_and_limits_of_the_log() -> None:
    """A group per function, a stream per environment, the last events on request, a bounded history."""
    bus = make_bus(history=3)
    for name in ("b", "a"):
        bus.add_function(name, Recorder()).allow(S3)
    async with bus:
        assert bus.logs.groups() == []
        assert repr(bus.logs) == "<Logs: empty>"
        for name in ("a", "b", "b"):
            await bus.invoke(name)
        assert bus.logs.groups() == ["/aws/lambda/a", "/aws/lambda/b"]
        assert repr(bus.logs) == "<Logs: /aws/lambda/a, /aws/lambda/b>"
        (stream,) = bus.logs.streams("/aws/lambda/b")
        assert re.fullmatch(r"2026/01/01/\[\$LATEST\][0-9a-f]{32}", stream)
        assert len(bus.logs.tail("b")) == 7
        assert [event.message[:6] for event in bus.logs.tail("b", 2)] == ["END Re", "REPORT"]
        with pytest.raises(LogGroupNotFound) as caught:
            bus.logs.tail("nobody")
        assert caught.value.mend == "there is no /aws/lambda/nobody; there is: /aws/lambda/a, /aws/lambda/b"
        await bus.invoke("b")
        assert bus.logs.groups() == ["/aws/lambda/b"]


# -- metrics -----------------------------------------------------------------------------------------------------------


async def test_metrics_add_up() -> None:
    """Invocations, errors, durations and ages of asynchronous and direct calls, per function and in all."""
    bus = make_bus()
    good, bad = bus.add_function("good", Recorder()), bus.add_function("bad", Recorder(fail="always"))
    for function in (good, bad):
        function.allow(S3)
    async with bus:
        for number in range(5):
            await bus.push(good, number, source=S3)
        await bus.push(bad, 1, source=S3)
        await bus.invoke(good)
        await bus.wait_idle()
        query = bus.metrics.query
        assert (query("Invocations", good).sum, query("Errors", good).sum) == (6, 0)
        assert (query("Invocations", bad.arn).sum, query("Errors", bad).sum) == (3, 3)
        assert (query("Invocations").sum, query("Errors").sum) == (9, 3)
        assert query("Errors", bad).average == 1
        assert query("Duration", good).samples == 6
        assert query("AsyncEventAge", good).samples == 5
        ages = query("AsyncEventAge", bad)
        assert (ages.samples, ages.minimum, ages.maximum, ages.sum) == (3, 0, 180_000, 240_000)
        assert query("AsyncEventsDropped", bad).sum == 1
        nothing = query("Throttles", good)
        assert (nothing.sum, nothing.samples, nothing.average, nothing.minimum) == (0, 0, None, None)
        start = bus.clock.now() - 180
        assert query("Invocations", bad, start=start, end=start + 60).sum == 1
        assert query("Invocations", bad, start=start + 60, end=start + 120).sum == 1
        assert query("Invocations", bad, start=start + 120).sum == 1
        assert bus.metrics.names(good) == [
            "AsyncEventAge", "AsyncEventsReceived", "ConcurrentExecutions", "Duration", "Errors", "Invocations",
        ]  # fmt: skip


async def test_every_attempt_is_counted_however_many_there_are() -> None:
    """Counting in batches drops nothing, and the history of the logs is no limit for it."""
    bus = make_bus(history=10)
    for name in ("a", "b"):
        bus.add_function(name, Recorder()).allow(S3)
    async with bus:
        for number in range(1300):
            await bus.push("ab"[number % 2], number, source=S3)
        await bus.wait_idle()
        assert bus.metrics.query("Invocations", bus.functions["a"]).sum == 650
        assert bus.metrics.query("Invocations").sum == 1300
        assert len(bus.trace) == 10


# -- trace -------------------------------------------------------------------------------------------------------------


async def chain(bus: EventBus) -> None:
    """A push that fails once and then causes two more, one of them denied."""

    @bus.function
    async def first(event: Any, context: Any) -> None:
        if not first_calls:
            first_calls.append(1)
            raise ValueError("not\nyet")
        await bus.push(second, 1, source=Photos())
        await bus.push(third, 1, source=Photos())

    first_calls: list[int] = []
    second = bus.add_function("second", Recorder(fail="always", name="second"), retries=1)
    third = bus.add_function("third", Recorder())
    first.allow(Photos())
    second.allow(Photos())
    async with bus:
        await bus.push(first, 1, source=Photos())
        await bus.wait_idle()
        await bus.invoke(third)


DENIED = (
    f"User: s3.amazonaws.com is not authorized to perform: lambda:InvokeFunction on resource: {ARN}third because no "
    'resource-based policy allows the lambda:InvokeFunction action; call bus.functions["third"].allow(s3["photos"])'
)

TREE = f"""\
arn:aws:s3:::photos → λ first  ✓ finished
├─ attempt 1 after 0 s: ValueError: not yet
├─ attempt 2 after 60 s: ok
├─ λ second  ✗ RetriesExhausted
│  ├─ attempt 1 after 0 s: ValueError: recorder was told to fail
│  └─ attempt 2 after 60 s: ValueError: recorder was told to fail
└─ λ third  ✗ AccessDenied  ({DENIED})
arn:aws:iam::123456789012:root → λ third  ✓ finished"""


async def test_the_tree_of_a_chain_as_text() -> None:
    """What caused what, every attempt and every end."""
    bus = make_bus()
    await chain(bus)
    assert str(bus.trace) == TREE
    assert repr(bus.trace) == "<Trace: 4 nodes>"


async def test_the_same_seed_gives_the_same_text() -> None:
    """Two runs agree, byte for byte, on tree, ids and dead letters."""

    async def run() -> tuple[Any, ...]:
        bus = make_bus()
        await chain(bus)
        letters = [(letter.request_id, letter.error, letter.dead_at) for letter in bus.dead_letters]
        return str(bus.trace), bus.trace.tree(), bus.trace.mermaid(), letters, bus.logs.streams("second")

    assert await run() == await run()


async def test_handlers_that_begin_together_begin_in_the_same_order_on_every_run() -> None:
    """Also on trio, which shuffles its tasks: who pushes first gets the same ids in every run.

    That holds for handlers that wait for nothing or for the bus's clock; what else they wait for, the loop decides.
    """

    async def run() -> tuple[Any, ...]:
        bus = make_bus()
        sink = bus.add_function("sink", Recorder(fail="always"), retries=0)
        order: list[tuple[str, int, float]] = []

        async def source(event: int, context: Any) -> None:
            for step in range(3):
                order.append((context.function_name, step, virtual(bus).elapsed))
                await bus.push(sink, [context.function_name, event, step], source=S3)
                if event:
                    await virtual(bus).sleep(event)

        sink.allow(S3)
        async with bus:
            for name in "abcd":
                bus.add_function(name, source).allow(S3)
            for name, seconds in zip("abcdabcd", (0, 0, 0, 0, 5, 7, 11, 13), strict=True):
                await bus.push(name, seconds, source=S3)
            await bus.wait_idle()
        assert len(order) == 24
        return order, [(letter.payload, letter.request_id) for letter in bus.dead_letters], str(bus.trace)

    assert [await run() for _ in range(8)] == [await run()] * 8


async def test_the_tree_as_dicts() -> None:
    """The same facts, for programs."""
    bus = make_bus()
    await chain(bus)
    first, direct = bus.trace.tree()
    assert [child["what"] for child in first["children"]] == ["second", "third"]
    assert (first["kind"], first["source"], first["outcome"]) == ("invocation", "arn:aws:s3:::photos", "finished")
    assert first["attempts"] == [
        {"after": 0.0, "outcome": "ValueError: not\nyet"},
        {"after": 60.0, "outcome": "ok"},
    ]
    assert first["children"][0]["at"] == first["at"] + 60
    assert first["children"][1]["note"] == DENIED
    assert direct["source"] == "arn:aws:iam::123456789012:root"


async def test_the_tree_as_mermaid() -> None:
    """A flowchart whose texts cannot break out of their quotes."""
    bus = make_bus()
    await chain(bus)
    lines = bus.trace.mermaid().splitlines()
    assert lines[0] == "flowchart LR"
    assert lines[1:7] == [
        '    n1["λ first ✓ finished"]',
        '    n1 --> n2["attempt 1 after 0 s: ValueError: not yet"]',
        '    n1 --> n3["attempt 2 after 60 s: ok"]',
        '    n1 --> n4["λ second ✗ RetriesExhausted"]',
        '    n4 --> n5["attempt 1 after 0 s: ValueError: recorder was told to fail"]',
        '    n4 --> n6["attempt 2 after 60 s: ValueError: recorder was told to fail"]',
    ]
    assert lines[7].startswith('    n1 --> n7["λ third ✗ AccessDenied (User: s3.amazonaws.com')
    assert all(line.count('"') == 2 for line in lines[1:])


async def test_the_trace_shows_what_is_still_going_on() -> None:
    """Queued, running and waiting events are told apart."""
    bus = make_bus()
    entered, go = anyio.Event(), anyio.Event()

    @bus.function
    async def f(event: Any, context: Any) -> None:
        entered.set()
        await go.wait()
        raise ValueError

    f.allow(S3)
    async with bus:
        await bus.push(f, 1, source=S3)
        assert str(bus.trace) == "s3.amazonaws.com → λ f  … queued"
        await entered.wait()
        assert str(bus.trace) == "s3.amazonaws.com → λ f  … running"
        go.set()
        await bus.settle()
        assert str(bus.trace).splitlines()[0] == "s3.amazonaws.com → λ f  … waiting for a retry"
        await bus.wait_idle()


async def test_a_direct_call_that_failed_reads_as_failed_with_its_error() -> None:
    """It is no dead letter, since its caller was told; nor did it finish well."""
    bus = make_bus()
    bus.add_function("f", Recorder(fail="always", error=KeyError("boom")))
    async with bus:
        await bus.invoke("f")
        assert str(bus.trace).splitlines() == [
            "arn:aws:iam::123456789012:root → λ f  ✗ failed",
            "└─ attempt 1 after 0 s: KeyError: 'boom'",
        ]
        assert bus.trace.tree()[0]["outcome"] == "failed"


async def test_the_trace_is_bounded_and_can_be_cleared() -> None:
    """The latest nodes stay; what lost its parent becomes a root."""
    bus = make_bus(history=2)

    @bus.function
    async def f(event: int, context: Any) -> None:
        if event:
            await bus.push(f, event - 1, source=S3)

    f.allow(S3)
    async with bus:
        await bus.push(f, 4, source=S3)
        await bus.wait_idle()
        assert len(bus.trace) == 2
        assert str(bus.trace) == "s3.amazonaws.com → λ f  ✓ finished\n└─ λ f  ✓ finished"
        bus.trace.clear()
        assert str(bus.trace) == ""


async def test_a_redriven_letter_hangs_below_the_event_that_died() -> None:
    """The trace answers what became of it."""
    bus = make_bus()
    bus.add_function("f", Recorder(fail=1), retries=0).allow(S3)
    async with bus:
        await bus.push("f", 1, source=S3)
        await bus.wait_idle()
        letter = bus.dead_letters[0]
        await bus.redrive(letter)
        await bus.wait_idle()
        assert str(bus.trace) == (
            "s3.amazonaws.com → λ f  ✗ RetriesExhausted\n"
            "├─ attempt 1 after 0 s: ValueError: recorder was told to fail\n"
            f"└─ redrive f/{letter.request_id}\n"
            "   └─ λ f  ✓ finished"
        )


async def test_durations_are_real() -> None:
    """Billed time is the duration with that of the initialisation, here rounded up to the millisecond."""
    bus = make_bus(billing_unit=0.001)
    bus.add_function("f", Recorder())
    async with bus:
        await bus.invoke("f")
        found = re.search(r"\tDuration: (\d+\.\d\d) ms\tBilled Duration: (\d+) ms", bus.logs.text("f"))
        assert found is not None
        assert int(found[2]) in (math.ceil(float(found[1])), math.ceil(float(found[1]) + 0.005))
        assert bus.metrics.query("Duration").sum > 0


async def test_what_a_handler_writes_is_bounded_and_the_log_says_what_was_dropped() -> None:
    """The first megabyte is kept; then a line counts the rest. The others say when they are full."""
    bus = make_bus(history=3)

    @bus.function
    async def chatty(event: int, context: Any) -> None:
        for _ in range(event):
            print("x" * 99_999)

    chatty.allow(S3)
    async with bus:
        for number in (20, 0, 0, 0):
            await bus.push(chatty, number, source=S3)
            await bus.wait_idle()
            if number:
                lines = bus.logs.tail("chatty")
    assert sum(len(line.message) for line in lines) < 1_200_000
    assert "[eventbus] 9 more lines were dropped\n" in [line.message for line in lines]
    assert repr(bus.logs) == "<Logs: /aws/lambda/chatty; 1 earlier invocations are forgotten>"
    assert repr(bus.trace) == "<Trace: 3 nodes, earlier ones are forgotten>"
