"""What handlers do wrong, and what becomes of it: a value, never a crash."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from eventbus import EventBus, Function, SystemClock
from tests.engine.support import S3, Box, make_bus

pytestmark = pytest.mark.anyio

EXIT_1 = "Runtime exited with error: exit status 1"
EXIT_0 = "Runtime exited without providing a reason"


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def group() -> BaseException:
    return ExceptionGroup("several", [ValueError("a"), KeyError("b")])


def base_group() -> BaseException:
    return BaseExceptionGroup("several", [KeyboardInterrupt()])


RAISED: list[tuple[Callable[[], BaseException], str, str]] = [
    (lambda: ValueError("boom"), "ValueError", "boom"),
    (lambda: ValueError(), "ValueError", ""),
    (lambda: ValueError("\ud800"), "ValueError", "\ud800"),
    (lambda: KeyError("k"), "KeyError", "'k'"),
    (Unprintable, "Unprintable", "<Unprintable whose text cannot be made>"),
    (group, "ExceptionGroup", "several (2 sub-exceptions)"),
    (lambda: TimeoutError("mine"), "TimeoutError", "mine"),
    (lambda: StopAsyncIteration("end"), "StopAsyncIteration", "end"),
    (lambda: StopIteration("end"), "StopIteration", "end"),
    (lambda: RecursionError("deep"), "RecursionError", "deep"),
    (lambda: MemoryError(), "MemoryError", ""),
    (lambda: SystemExit(), "Runtime.ExitError", EXIT_0),
    (lambda: SystemExit(0), "Runtime.ExitError", EXIT_0),
    (lambda: SystemExit(3), "Runtime.ExitError", "Runtime exited with error: exit status 3"),
    (lambda: SystemExit(259), "Runtime.ExitError", "Runtime exited with error: exit status 3"),
    (lambda: SystemExit("bye"), "Runtime.ExitError", EXIT_1),
    (KeyboardInterrupt, "Runtime.ExitError", EXIT_1),
    (GeneratorExit, "Runtime.ExitError", EXIT_1),
    (BaseException, "Runtime.ExitError", EXIT_1),
    (base_group, "Runtime.ExitError", EXIT_1),
    (asyncio.CancelledError, "Runtime.ExitError", EXIT_1),
]


@pytest.mark.parametrize("isolation", ["task", "thread"])
@pytest.mark.parametrize(("make", "error_type", "message"), RAISED, ids=lambda value: getattr(value, "__name__", None))
async def test_whatever_a_handler_raises_is_a_function_error(
    isolation: str, make: Callable[[], BaseException], error_type: str, message: str
) -> None:
    """Async or in a thread, Exception or not: the event fails, the bus and the next event live on."""
    bus = make_bus()

    async def task(event: bool, context: Any) -> bool:
        if event:
            raise make()
        return True

    def thread(event: bool, context: Any) -> bool:
        if event:
            raise make()
        return True

    bus.add_function("f", task if isolation == "task" else thread, retries=0).allow(S3)
    async with bus:
        result = await bus.invoke("f", True)
        assert (result.status_code, result.function_error) == (200, "Unhandled")
        assert result.payload["errorType"] == error_type
        if error_type == "Runtime.ExitError":
            message = f"RequestId: {result.request_id} Error: {message}"
            assert list(result.payload) == ["errorType", "errorMessage"]
        else:
            assert list(result.payload) == ["errorMessage", "errorType", "requestId", "stackTrace"]
            assert result.payload["requestId"] == result.request_id
        assert result.payload["errorMessage"] == message
        await bus.push("f", True, source=S3)
        await bus.wait_idle()
        assert bus.dead_letters[0].error.startswith(error_type)
        assert (await bus.invoke("f", False)).payload is True


async def test_the_stack_trace_shows_the_handlers_frames_only() -> None:
    """In the form of traceback.format_list; the bus's own frames are left out."""
    bus = make_bus()

    def helper() -> None:
        raise ValueError("deep")

    @bus.function
    async def task(event: Any, context: Any) -> None:
        helper()

    @bus.function
    def thread(event: Any, context: Any) -> None:
        helper()

    async with bus:
        for function, name in ((task, "task"), (thread, "thread")):
            stack = (await bus.invoke(function, 1)).payload["stackTrace"]
            assert len(stack) == 2
            assert stack[0].startswith(f'  File "{__file__}", line ')
            assert f"in {name}\n    helper()\n" in stack[0]
            assert 'in helper\n    raise ValueError("deep")\n' in stack[1]


UNSERIALISABLE: list[tuple[Callable[[], Any], str]] = [
    (lambda: {1, 2}, "Object of type set is not JSON serializable"),
    (lambda: {"a": b"\xff"}, "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    (object, "Object of type object is not JSON serializable"),
    (lambda: {"a": [{1}]}, "Object of type set is not JSON serializable"),
    (lambda: {(1, 2): 3}, "keys must be str, int, float, bool or None, not tuple"),
    (lambda: iter([]), "Object of type list_iterator is not JSON serializable"),
]


@pytest.mark.parametrize(("make", "problem"), UNSERIALISABLE)
async def test_a_result_that_json_cannot_carry_is_a_marshal_error(make: Callable[[], Any], problem: str) -> None:
    """The exact document of the Python runtime."""
    bus = make_bus()

    @bus.function
    async def f(event: Any, context: Any) -> Any:
        return make()

    async with bus:
        result = await bus.invoke(f, 1)
        assert result.function_error == "Unhandled"
        assert result.payload == {
            "errorMessage": f"Unable to marshal response: {problem}",
            "errorType": "Runtime.MarshalError",
            "requestId": result.request_id,
            "stackTrace": [],
        }


@pytest.mark.parametrize(
    ("result", "arrives"),
    [(None, None), ((1, 2), [1, 2]), ({1: 2}, {"1": 2}), ("é", "é"), (2**70, 2**70), (False, False), ([], [])],
)
async def test_results_are_json(result: Any, arrives: Any) -> None:
    """What comes back is what JSON makes of it."""
    bus = make_bus()

    @bus.function
    async def f(event: Any, context: Any) -> Any:
        return result

    async with bus:
        answer = await bus.invoke(f)
        assert (answer.payload, answer.function_error) == (arrives, None)


@pytest.mark.parametrize(("size", "fits"), [(6_291_556, True), (6_291_557, False)])
async def test_a_response_has_at_most_six_mebibytes_and_a_hundred_bytes(size: int, fits: bool) -> None:
    """One byte more is Function.ResponseSizeTooLarge."""
    bus = make_bus()

    @bus.function
    async def f(event: Any, context: Any) -> str:
        return "x" * (size - 2)

    async with bus:
        result = await bus.invoke(f)
        if fits:
            assert len(result.payload) == size - 2
        else:
            assert result.payload == {
                "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
                "errorType": "Function.ResponseSizeTooLarge",
            }


# -- time-outs ---------------------------------------------------------------------------------------------------------


async def in_a_task(event: Any, context: Any) -> None:
    await anyio.sleep_forever()


async def swallowing(event: Any, context: Any) -> str:
    try:
        await anyio.sleep_forever()
    except BaseException:
        pass
    return "too late"


async def raising_instead(event: Any, context: Any) -> None:
    try:
        await anyio.sleep_forever()
    finally:
        raise ValueError("while being cancelled")


async def lingering(event: Any, context: Any) -> str:
    with anyio.CancelScope(shield=True):
        await anyio.sleep(0.05)
    return "too late"


@pytest.mark.parametrize("handler", [in_a_task, swallowing, raising_instead, lingering])
async def test_an_async_handler_that_overruns_is_cancelled_and_reported(handler: Any) -> None:
    """Whatever it makes of being cancelled: one time-out, no late result, the next event runs."""
    bus = make_bus()
    function = bus.add_function("f", handler, timeout=0.01, retries=0)
    function.allow(S3)
    async with bus:
        with anyio.fail_after(10):
            result = await bus.invoke(function, 1)
            assert result.payload == {
                "errorType": "Sandbox.Timedout",
                "errorMessage": f"RequestId: {result.request_id} Error: Task timed out after 0.01 seconds",
            }
            for number in range(3):
                await bus.push(function, number, source=S3)
            await bus.wait_idle()
        assert len(bus.dead_letters) == 3
        assert all(letter.error.startswith("Sandbox.Timedout: RequestId: ") for letter in bus.dead_letters)
        assert bus.statistics().finished == 0


async def test_the_first_event_of_a_fresh_bus_can_time_out() -> None:
    """Also when nothing had a turn between entering and pushing."""
    bus = make_bus()
    function = bus.add_function("f", in_a_task, timeout=0.01, retries=0)
    function.allow(S3)
    async with bus:
        await bus.push(function, 1, source=S3)
        with anyio.fail_after(10):
            await bus.wait_idle()
        assert bus.dead_letters[0].error.endswith("Task timed out after 0.01 seconds")


async def test_a_time_out_is_retried_like_any_function_error() -> None:
    """Three attempts, each with a new environment."""
    bus = make_bus()
    streams = set()

    @bus.function(timeout=0.01)
    async def f(event: Any, context: Any) -> None:
        streams.add(context.log_stream_name)
        await anyio.sleep_forever()

    f.allow(S3)
    async with bus:
        await bus.push(f, 1, source=S3)
        with anyio.fail_after(10):
            await bus.wait_idle()
        assert bus.dead_letters[0].attempts == len(streams) == 3


async def test_a_shorter_time_limit_holds_from_the_next_event_on() -> None:
    """Also for an environment that never went idle in between."""
    bus = make_bus()
    first, second = anyio.Event(), anyio.Event()

    @bus.function(timeout=900, retries=0, reserved_concurrency=1)
    async def f(event: int, context: Any) -> None:
        if event == 1:
            first.set()
            await second.wait()
        else:
            await anyio.sleep_forever()

    f.allow(S3)
    async with bus:
        await bus.push(f, 1, source=S3)
        await bus.push(f, 2, source=S3)
        await first.wait()
        f.update_configuration(timeout=0.01)
        second.set()
        with anyio.fail_after(10):
            await bus.wait_idle()
        assert [letter.payload for letter in bus.dead_letters] == [2]


@pytest.mark.parametrize("ends", ["returns", "raises"])
async def test_an_async_handler_that_keeps_the_event_loop_to_itself_for_too_long_has_overrun(ends: str) -> None:
    """Nobody could end it in time; what it came to is discarded, and the next event has a new environment."""
    bus = make_bus()

    @bus.function(timeout=0.01)
    async def f(event: Any, context: Any) -> str:
        until = anyio.current_time() + 0.02
        while event == "block" and anyio.current_time() < until:
            pass
        if event == "block" and ends == "raises":
            raise ValueError("late")
        return str(context.log_stream_name)

    async with bus:
        first = (await bus.invoke(f, "before")).payload
        result = await bus.invoke(f, "block")
        assert result.payload == {
            "errorType": "Sandbox.Timedout",
            "errorMessage": f"RequestId: {result.request_id} Error: Task timed out after 0.01 seconds",
        }
        assert (await bus.invoke(f, "after")).payload != first
        assert bus.statistics().running == 0
        await bus.wait_idle()
    assert "Status: timeout" in bus.logs.text("f")
    assert bus.metrics.query("Errors", f).sum == 1


async def test_a_threaded_handler_that_overruns_is_reported_at_once_and_its_result_discarded() -> None:
    """The bus doesn't wait for the thread; what it returns or prints later counts for nothing."""
    bus = make_bus()
    release, ended = threading.Event(), threading.Event()

    @bus.function(timeout=0.02, retries=0)
    def f(event: Any, context: Any) -> str:
        if event == "hang":
            release.wait(10)
            print("late")
            ended.set()
            return "late"
        return "fine"

    f.allow(S3)
    async with bus:
        with anyio.fail_after(5):
            await bus.push(f, "hang", source=S3)
            await bus.wait_idle()
        assert [letter.reason for letter in bus.dead_letters] == ["RetriesExhausted"]
        f.update_configuration(timeout=3)
        assert (await bus.invoke(f, "go on")).payload == "fine"
        release.set()
        await anyio.to_thread.run_sync(ended.wait)
        assert (await bus.invoke(f, "go on")).payload == "fine"
        assert "late" not in bus.logs.text("f")
        s = bus.statistics()
        assert (s.finished, s.dead_lettered, s.running) == (0, 1, 0)


async def test_a_cancellation_of_the_handlers_own_making_is_its_own_business() -> None:
    """A handler may cancel scopes of its own and go on."""
    bus = make_bus()

    @bus.function
    async def f(event: Any, context: Any) -> str:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anyio.sleep_forever()
        with anyio.move_on_after(0):
            await anyio.sleep_forever()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)
            await checkpoint()
            tasks.cancel_scope.cancel()
        return "still here"

    async with bus:
        assert (await bus.invoke(f)).payload == "still here"


# -- our own mistakes --------------------------------------------------------------------------------------------------


def with_destination(bus: EventBus, handler: Any) -> tuple[Function, Box]:
    box = Box(bus)
    function = bus.add_function("f", handler)
    function.allow(S3)
    function.on_success(box, grant=True)
    return function, box


async def test_a_fault_of_a_target_ends_the_bus_loudly_and_nothing_hangs() -> None:
    """What is no user error is raised out of `async with bus`; running handlers are cancelled, callers told."""
    bus = make_bus(grace=1000, clock=SystemClock())

    async def quick(event: Any, context: Any) -> None:
        pass

    function, box = with_destination(bus, quick)
    box.refusal = RuntimeError("a fault")

    @bus.function(timeout=900)
    async def stuck(event: Any, context: Any) -> None:
        await anyio.sleep_forever()

    stuck.allow(S3)

    async def live() -> None:
        async with bus:
            await bus.push(stuck, 1, source=S3)
            await bus.push(function, 1, source=S3)
            await anyio.sleep_forever()

    with anyio.fail_after(10), pytest.raises(ExceptionGroup) as caught:
        await live()
    assert [str(error) for error in caught.value.exceptions] == ["a fault"]
    assert [letter.reason for letter in bus.dead_letters] == ["BusClosed"]
