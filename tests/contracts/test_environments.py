"""Task, thread and process keep the same promises."""

from __future__ import annotations

import sys
from typing import Any

import anyio
import pytest

from eventbus import Function
from tests.contracts import handlers
from tests.contracts.environments import CANNOT, ERRORS, KINDS, declare, handler, make_bus

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("kind", KINDS),
    pytest.mark.skipif(sys.platform != "linux", reason="processes need procfs"),
]
S3 = "s3.amazonaws.com"


@pytest.mark.parametrize("event", [None, True, 0, 1.5, "ä\U0001f600", [], {"a": [{"b": None}]}, 10**20])
async def test_what_goes_in_comes_out(kind: str, event: Any) -> None:
    """Every JSON value, unchanged."""
    bus = make_bus()
    f = declare(bus, kind, handlers.echo)
    async with bus:
        assert (await bus.invoke(f, event)).payload == event


async def test_half_a_surrogate_pair_comes_out_where_the_runtime_escapes_text(kind: str) -> None:
    """AWS's runtime does so up to Python 3.11; later ones cannot write it. Tasks and threads have no such limit."""
    bus = make_bus()
    f = declare(bus, kind, handlers.echo)
    async with bus:
        payload = (await bus.invoke(f, "\ud800")).payload
    if kind == "process" and sys.version_info >= (3, 12):
        assert payload["errorType"] == "Runtime.MarshalError"
    else:
        assert payload == "\ud800"


async def test_lambda_s_own_variables_are_the_same(kind: str) -> None:
    """Format and level of the logs only where they are JSON."""
    bus = make_bus()
    f = declare(bus, kind, handlers.variables)
    async with bus:
        everything = (await bus.invoke(f)).payload
        f.update_configuration(log_format="JSON", application_log_level="ERROR", memory=512)
        as_json = (await bus.invoke(f)).payload
    everything.pop("AWS_LAMBDA_RUNTIME_API", None)
    text = {name: everything[name] for name in everything if name.startswith(("AWS_LAMBDA_", "AWS_REGION"))}
    assert text.pop("AWS_LAMBDA_LOG_STREAM_NAME").startswith("2026/01/01/[$LATEST]")
    assert text == {
        "AWS_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
    }
    assert (as_json["AWS_LAMBDA_LOG_FORMAT"], as_json["AWS_LAMBDA_LOG_LEVEL"]) == ("JSON", "ERROR")
    assert as_json["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "512"


@pytest.mark.parametrize("name", handlers.SHAPES)
async def test_results_have_the_shapes_that_the_runtime_s_client_gives_them(kind: str, name: str) -> None:
    """Decimals are numbers, named tuples objects, bytes the response itself."""
    bus = make_bus()
    f = declare(bus, kind, handlers.shapes)
    async with bus:
        assert (await bus.invoke(f, name)).payload == handlers.SHAPES[name][1]


async def test_every_delivery_is_a_copy(kind: str) -> None:
    """What a handler does to its event, nobody else sees."""
    bus, event = make_bus(), {"a": 1}
    f = declare(bus, kind, handlers.change)
    async with bus:
        assert (await bus.invoke(f, event)).payload == {"a": 1, "changed": True}
    assert event == {"a": 1}


@pytest.mark.parametrize(("name", "event", "expected", "by_runtime"), ERRORS)
async def test_error_documents_are_the_same(
    kind: str, name: str, event: Any, expected: dict[str, Any], by_runtime: str
) -> None:
    """Member by member, in the same order; and the next invocation works."""
    bus = make_bus()
    f = declare(bus, kind, handler(name))
    async with bus:
        for _ in range(2):
            result = await bus.invoke(f, event)
            assert result.function_error == "Unhandled"
            document = dict(result.payload)
            if by_runtime:
                assert list(document) == ["errorMessage", "errorType", "requestId", "stackTrace"]
                assert document.pop("requestId") == result.request_id
                stack = document.pop("stackTrace")
                assert stack == [] or stack[-1].endswith(f', in {name}\n    raise ValueError("boom")\n')
            elif document["errorType"] == "Runtime.ExitError":
                prefix = f"RequestId: {result.request_id} Error: "
                document["errorMessage"] = document["errorMessage"].removeprefix(prefix)
            assert list(document.items()) == list(expected.items())


async def test_what_a_handler_writes_is_logged_under_its_invocation(kind: str) -> None:
    """Line by line, between START and END."""
    bus = make_bus()
    f = declare(bus, kind, handlers.writes)
    async with bus:
        result = await bus.invoke(f, 1)
    initialised, *events = bus.logs.tail("f")
    log = [event.message for event in events]
    assert initialised.message.startswith("INIT_START Runtime Version: python:")
    assert log[0] == f"START RequestId: {result.request_id} Version: $LATEST\n"
    assert log[1:5] == ["one\n", "two\n", "three\n", "four"]
    assert log[5] == f"END RequestId: {result.request_id}\n"
    assert log[6].startswith("REPORT ")
    assert {event.request_id for event in events} == {result.request_id}


async def test_an_error_is_logged_once(kind: str) -> None:
    """As the runtime writes it."""
    bus = make_bus()
    f = declare(bus, kind, handlers.raises)
    async with bus:
        await bus.invoke(f, 1)
    errors = [event.message for event in bus.logs.tail("f") if event.message.startswith("[ERROR]")]
    assert len(errors) == 1
    assert errors[0].startswith("[ERROR] ValueError: boom\nTraceback (most recent call last):\n")


async def test_the_context_is_the_same(kind: str) -> None:
    """Every attribute."""
    bus = make_bus()
    f = declare(bus, kind, handlers.sees, memory=256)
    async with bus:
        result = await bus.invoke(f, 1, client_context={"custom": {"k": "v"}})
        [stream] = {event.stream for event in bus.logs.tail("f")}
        assert result.payload == {
            "id": result.request_id,
            "name": "f",
            "version": "$LATEST",
            "arn": f.arn,
            "memory": "256",
            "group": "/aws/lambda/f",
            "stream": stream,
            "time": True,
            "client": {"k": "v"},
        }


async def test_a_handler_that_overruns_is_ended(kind: str) -> None:
    """After the seconds that are configured, and the next invocation works."""
    if "an end of a handler that blocks" in CANNOT[kind]:
        pytest.skip("a task that blocks cannot be ended: it holds the event loop")
    bus = make_bus()
    f = declare(bus, kind, handlers.hangs, timeout=1)
    async with bus:
        result = await bus.invoke(f, "hang")
        assert result.payload == {
            "errorType": "Sandbox.Timedout",
            "errorMessage": f"RequestId: {result.request_id} Error: Task timed out after 1.00 seconds",
        }
        assert (await bus.invoke(f, 1)).payload is None
    assert "\tStatus: timeout\n" in bus.logs.text("f")


async def test_an_event_is_retried_until_it_is_a_dead_letter(kind: str) -> None:
    """Virtual time waits for real handlers, and for nothing else."""
    bus = make_bus()
    f = declare(bus, kind, handlers.raises, retries=2)
    f.allow(S3)
    async with bus:
        await bus.push(f, {"n": 1}, source=S3)
        await bus.wait_idle()
        [letter] = bus.dead_letters
        assert letter.attempts == 3
        assert str(letter.error) == "ValueError: boom"


async def test_warm_invocations_share_globals(kind: str) -> None:
    """One environment serves one invocation after another."""
    bus = make_bus()
    f = declare(bus, kind, handlers.counts)
    handlers.memory.clear()
    async with bus:
        assert [(await bus.invoke(f, 1)).payload for _ in range(3)] == [1, 2, 3]


async def test_environments_do_not_share_globals(kind: str) -> None:
    """Nor with the program that the bus is part of."""
    bus = make_bus()
    f = declare(bus, kind, handlers.counts)
    handlers.memory["calls"] = 100
    async with bus:
        first = (await bus.invoke(f, 1)).payload
    assert first == (101 if "globals of its own" in CANNOT[kind] else 1)


async def test_a_function_has_its_own_environment_variables(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside those of Lambda; a process has none of the program's."""
    monkeypatch.setenv("OF_THE_PROGRAM", "1")
    bus = make_bus()
    f = declare(bus, kind, handlers.variables, environment={"OF_THE_FUNCTION": "2"})
    async with bus:
        seen = (await bus.invoke(f, 1)).payload
    assert ("OF_THE_PROGRAM" in seen) == ("a clean environment" in CANNOT[kind])
    assert {name: seen[name] for name in ("OF_THE_FUNCTION", "AWS_LAMBDA_FUNCTION_NAME", "AWS_REGION")} == {
        "OF_THE_FUNCTION": "2",
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_REGION": "us-east-1",
    }


async def test_tmp_belongs_to_the_environment(kind: str) -> None:
    """It is there again after the process has ended, in no other environment, and gone at the end."""
    if "a private /tmp" in CANNOT[kind]:
        pytest.skip("tasks and threads see the machine's own /tmp")
    bus = make_bus()
    f = declare(bus, kind, handlers.keeps)
    async with bus:
        assert (await bus.invoke(f, {"write": "contract-1"})).payload == []
        assert (await bus.invoke(f, {"write": "contract-2", "exit": True})).function_error == "Unhandled"
        assert (await bus.invoke(f, {"write": ""})).payload == ["contract-1", "contract-2"]


async def test_parallel_events_have_environments_of_their_own(kind: str) -> None:
    """As many as there are events at once; each answers its own."""
    bus = make_bus()
    f = declare(bus, kind, handlers.echo)
    found: dict[int, Any] = {}

    async def call(function: Function, number: int) -> None:
        found[number] = (await bus.invoke(function, number)).payload

    async with bus, anyio.create_task_group() as tasks:
        for number in range(4):
            tasks.start_soon(call, f, number)
    assert found == {number: number for number in range(4)}
