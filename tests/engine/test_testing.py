"""The doubles that users get."""

from __future__ import annotations

import anyio
import pytest

from eventbus.testing import Recorder
from tests.engine.support import S3, make_bus

pytestmark = pytest.mark.anyio


async def test_a_recorder_keeps_events_and_request_ids_and_fails_as_often_as_told() -> None:
    """Two failures, then the result; one request id for all attempts."""
    recorder = Recorder(fail=2, error=KeyError("k"), result={"done": True}, name="thumbnail")
    bus = make_bus()
    function = bus.add_function(None, recorder)
    box: list[object] = []

    @bus.function
    async def done(event: dict[str, object], context: object) -> None:
        box.append(event["responsePayload"])

    function.on_success(done, grant=True)
    function.allow(S3)
    async with bus:
        receipt = await bus.push(function, {"n": 1}, source=S3)
        await bus.wait_idle()
    assert function.name == "thumbnail"
    assert recorder.events == [{"n": 1}] * 3
    assert recorder.request_ids == [receipt.request_id] * 3
    assert [context.function_name for context in recorder.contexts] == ["thumbnail"] * 3
    assert box == [{"done": True}]
    assert repr(recorder) == "<Recorder thumbnail: 3 calls>"


async def test_a_recorder_can_fail_always() -> None:
    """`fail="always"` never gets better."""
    recorder = Recorder(fail="always")
    bus = make_bus()
    bus.add_function("f", recorder).allow(S3)
    async with bus:
        await bus.push("f", 1, source=S3)
        await bus.wait_idle()
        assert [letter.error for letter in bus.dead_letters] == ["ValueError: recorder was told to fail"]


async def test_waiting_for_calls_ends_with_the_last_of_them() -> None:
    """`wait_for(n)` returns when the handler was called n times, and at once if it was already."""
    recorder = Recorder()
    bus = make_bus()
    bus.add_function("f", recorder).allow(S3)
    async with bus, anyio.create_task_group() as tasks:

        async def publish() -> None:
            for number in range(3):
                await bus.push("f", number, source=S3)
                await bus.wait_idle()

        tasks.start_soon(publish)
        await recorder.wait_for(3)
        assert recorder.events == [0, 1, 2]
        await recorder.wait_for(2)
