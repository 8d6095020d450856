"""Direct calls: request and response."""

from __future__ import annotations

import contextlib
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from eventbus import InvocationResult
from eventbus.errors import (
    BusClosed,
    BusNotRunning,
    ConfigurationError,
    NotJSON,
    PayloadTooLarge,
    RecursiveInvocation,
    ResourceNotFound,
    TooManyRequests,
)
from eventbus.testing import Recorder
from tests.engine.support import ARN, S3, UNDECLARED, make_bus, virtual

pytestmark = pytest.mark.anyio

ELSEWHERE = (
    "Functions from 'us-west-2' are not reachable in this region ('us-east-1'); "
    "call the function by its name, or on a bus of that region"
)


async def test_a_call_returns_what_the_handler_returned() -> None:
    """Every field of the result of a success."""
    bus = make_bus()

    @bus.function
    async def f(event: Any, context: Any) -> Any:
        return {"got": event, "id": context.aws_request_id}

    async with bus:
        result = await bus.invoke(f, {"n": [1, None]})
        assert result == InvocationResult(
            status_code=200,
            payload={"got": {"n": [1, None]}, "id": result.request_id},
            function_error=None,
            executed_version="$LATEST",
            request_id=result.request_id,
            log_tail=None,
        )


async def test_a_call_without_payload_hands_over_none() -> None:
    """JSON's null."""
    bus, recorder = make_bus(), Recorder()
    bus.add_function("f", recorder)
    async with bus:
        await bus.invoke("f")
    assert recorder.events == [None]


async def test_a_function_error_is_a_result() -> None:
    """Status 200, `Unhandled`, and AWS's document with its four keys in order."""
    bus = make_bus()
    bus.add_function("f", Recorder(fail="always", error=ValueError("boom")))
    async with bus:
        result = await bus.invoke("f")
        assert (result.status_code, result.function_error) == (200, "Unhandled")
        assert list(result.payload) == ["errorMessage", "errorType", "requestId", "stackTrace"]
        assert (result.payload["errorMessage"], result.payload["errorType"]) == ("boom", "ValueError")
        assert result.payload["requestId"] == result.request_id
        result.payload.clear()
        assert "ValueError: boom" in bus.logs.text("f")
        assert bus.metrics.query("Errors").sum == 1


async def test_a_failing_call_is_not_retried() -> None:
    """The caller retries, not the bus."""
    bus, recorder = make_bus(), Recorder(fail="always")
    bus.add_function("f", recorder)
    async with bus:
        await bus.invoke("f")
        await bus.wait_idle()
        assert len(recorder.events) == 1
        assert virtual(bus).elapsed == 0
        assert not bus.dead_letters


async def test_both_sides_have_copies_of_their_own() -> None:
    """Neither sees what the other does to payload or result."""
    bus = make_bus()
    kept: list[Any] = []

    @bus.function
    async def f(event: Any, context: Any) -> Any:
        event.append("handler")
        kept.append(event)
        return event

    payload = [1]
    async with bus:
        result = await bus.invoke(f, payload)
        result.payload.append("caller")
    assert payload == [1]
    assert kept == [[1, "handler"]]


@pytest.mark.parametrize(("length", "fits"), [(6_291_454, True), (6_291_455, False)])
async def test_a_request_has_at_most_six_mebibytes(length: int, fits: bool) -> None:
    """6,291,456 bytes of JSON pass, one more does not."""
    bus = make_bus()

    @bus.function
    async def f(event: str, context: Any) -> int:
        return len(event)

    async with bus:
        if fits:
            assert (await bus.invoke(f, "x" * length)).payload == length
            return
        with pytest.raises(PayloadTooLarge) as caught:
            await bus.invoke(f, "x" * length)
        assert str(caught.value) == (
            "6291457 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)"
        )
        assert (caught.value.size, caught.value.limit, caught.value.status) == (6_291_457, 6_291_456, 413)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (("nobody", 1), ResourceNotFound, f"Function not found: {ARN}nobody:$LATEST{UNDECLARED}"),
        ((f"{ARN}g", 1), ResourceNotFound, f"Function not found: {ARN}g:$LATEST{UNDECLARED}"),
        (("g:prod", 1), ResourceNotFound, f"Function not found: {ARN}g:prod{UNDECLARED}"),
        (("123456789012:function:g", 1), ResourceNotFound, f"Function not found: {ARN}g:$LATEST{UNDECLARED}"),
        ((ARN.replace("us-east-1", "us-west-2") + "f", 1), ResourceNotFound, ELSEWHERE),
        (("f", {1}), NotJSON, "Object of type set is not JSON serializable"),
        ((7, 1), ConfigurationError, "7 is neither a function, a topic or a queue, nor an ARN of one"),
    ],
)
async def test_a_wrong_call_raises_and_runs_nothing(
    call: tuple[Any, Any], error: type[Exception], message: str
) -> None:
    """At the call, in one sentence."""
    bus, recorder = make_bus(), Recorder()
    bus.add_function("f", recorder)
    async with bus:
        with pytest.raises(error) as caught:
            await bus.invoke(*call)
        assert str(caught.value) == message
        await bus.wait_idle()
        assert recorder.events == []
        assert len(bus.trace) == 0


async def test_an_unknown_qualifier_is_not_found() -> None:
    """$LATEST is the function itself; version 42 does not exist."""
    bus = make_bus()
    bus.add_function("f", Recorder(result=1))
    async with bus:
        assert (await bus.invoke("f", qualifier="$LATEST")).payload == 1
        with pytest.raises(ResourceNotFound) as caught:
            await bus.invoke("f", qualifier="42")
        assert caught.value.message == f"Function not found: {ARN}f:42"


@pytest.mark.parametrize(
    ("concurrency", "reserved", "reason"),
    [
        (1, None, "ConcurrentInvocationLimitExceeded"),
        (1000, 1, "ReservedFunctionConcurrentInvocationLimitExceeded"),
        (1000, 0, "ReservedFunctionConcurrentInvocationLimitExceeded"),
    ],
)
async def test_a_call_that_finds_no_environment_is_refused_with_the_reason(
    concurrency: int, reserved: int | None, reason: str
) -> None:
    """429, `Rate Exceeded.`, at once; counted as a throttle."""
    bus = make_bus(concurrency=concurrency)
    go = anyio.Event()

    @bus.function(reserved_concurrency=reserved)
    async def f(event: Any, context: Any) -> None:
        await go.wait()

    async with bus, anyio.create_task_group() as tasks:
        if reserved != 0:
            tasks.start_soon(bus.invoke, f)
            await wait_all_tasks_blocked()
        with pytest.raises(TooManyRequests) as caught:
            await bus.invoke(f)
        assert (str(caught.value), caught.value.reason, caught.value.status) == ("Rate Exceeded.", reason, 429)
        assert caught.value.code == "TooManyRequestsException"
        assert bus.metrics.query("Throttles", f).sum == 1
        go.set()


async def test_a_cancelled_caller_leaves_the_function_running() -> None:
    """The answer is lost, the work is not, and nothing stays behind."""
    bus = make_bus()
    go, done = anyio.Event(), anyio.Event()

    @bus.function
    async def f(event: Any, context: Any) -> None:
        await go.wait()
        done.set()

    async with bus:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bus.invoke, f)
            await wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        go.set()
        await bus.wait_idle()
        assert done.is_set()
        assert bus.metrics.query("Invocations", f).sum == 1


async def test_a_caller_that_is_cancelled_before_the_call_runs_nothing() -> None:
    """As a request that was never sent."""
    bus, recorder = make_bus(), Recorder()
    bus.add_function("f", recorder)
    async with bus:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await bus.invoke("f")
        assert scope.cancelled_caught
        await bus.wait_idle()
        assert recorder.events == []


async def test_wait_idle_waits_for_direct_calls_too() -> None:
    """Running is running."""
    bus = make_bus()
    go = anyio.Event()

    @bus.function
    async def f(event: Any, context: Any) -> None:
        await go.wait()

    async with bus, anyio.create_task_group() as tasks:
        tasks.start_soon(bus.invoke, f)
        await wait_all_tasks_blocked()
        with pytest.raises(TimeoutError):
            await bus.wait_idle(timeout=0.01)
        go.set()
        await bus.wait_idle()


async def test_a_caller_whose_bus_is_left_is_told() -> None:
    """`invoke` from a task outside of the bus ends with BusClosed, never hangs."""
    bus = make_bus(grace=0)
    errors: list[str] = []

    @bus.function
    async def f(event: Any, context: Any) -> None:
        await anyio.sleep_forever()

    async def call() -> None:
        try:
            await bus.invoke(f)
        except BusClosed as error:
            errors.append(str(error))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks, bus:
            tasks.start_soon(call)
            tasks.start_soon(call)
            await wait_all_tasks_blocked()
    assert errors == ["invoke was refused: the bus is closed and accepts no more events"] * 2


async def test_calling_outside_of_the_bus_is_refused() -> None:
    """Before entering and after leaving, each with its own sentence."""
    bus = make_bus()
    bus.add_function("f", Recorder())
    with pytest.raises(BusNotRunning, match="invoke needs a running bus: call it inside `async with bus:`"):
        await bus.invoke("f")
    async with bus:
        pass
    with pytest.raises(BusClosed, match="invoke was refused: the bus is closed"):
        await bus.invoke("f")


async def test_a_function_that_calls_itself_is_stopped_after_sixteen() -> None:
    """The seventeenth call in a chain raises in its caller, with AWS's code and the way out."""
    bus = make_bus()
    errors: list[RecursiveInvocation] = []
    count = 0

    @bus.function
    async def f(event: Any, context: Any) -> None:
        nonlocal count
        count += 1
        try:
            await bus.invoke(f)
        except RecursiveInvocation as error:
            errors.append(error)

    f.role.allow("lambda:InvokeFunction", f)
    async with bus:
        await bus.invoke(f)
        assert count == 16
        (error,) = errors
        assert (error.code, error.status) == ("RecursiveInvocationException", 400)
        assert 'recursive_loop="Allow"' in str(error)
        assert bus.metrics.query("RecursiveInvocationsDropped", f).sum == 1


# -- the context -------------------------------------------------------------------------------------------------------


async def test_the_context_has_every_attribute_and_method() -> None:
    """The complete list of the Python runtime."""
    bus = make_bus()
    contexts: list[Any] = []
    left: list[int] = []

    @bus.function(memory=256, timeout=5)
    async def f(event: Any, context: Any) -> None:
        contexts.append(context)
        left.append(context.get_remaining_time_in_millis())

    async with bus:
        result = await bus.invoke(f)
        (context,) = contexts
        assert context.aws_request_id == result.request_id
        assert context.function_name == "f"
        assert context.function_version == "$LATEST"
        assert context.invoked_function_arn == f"{ARN}f"
        assert context.memory_limit_in_mb == "256"
        assert context.log_group_name == "/aws/lambda/f"
        assert [context.log_stream_name] == bus.logs.streams("f")
        assert context.tenant_id is None
        assert context.client_context is None
        assert (context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id) == (None, None)
        assert context.w3c() == {}
        assert 4000 < left[0] <= 5000
        assert repr(context) == (
            f"LambdaContext([aws_request_id={result.request_id},log_group_name=/aws/lambda/f,"
            f"log_stream_name={context.log_stream_name},function_name=f,memory_limit_in_mb=256,"
            f"function_version=$LATEST,invoked_function_arn={ARN}f,client_context=None,"
            "identity=CognitoIdentity([cognito_identity_id=None,cognito_identity_pool_id=None]),tenant_id=None])"
        )
        with pytest.raises(AttributeError, match="the Lambda context has no attribute 'nope'"):
            _ = context.nope
        assert not hasattr(context, "invocation_id")


async def test_remaining_time_never_goes_below_zero() -> None:
    """Not even long after the end."""
    bus = make_bus()
    contexts: list[Any] = []

    @bus.function(timeout=0.001)
    async def f(event: Any, context: Any) -> None:
        contexts.append(context)
        await anyio.sleep_forever()

    async with bus:
        await bus.invoke(f)
        assert contexts[0].get_remaining_time_in_millis() == 0


@pytest.mark.parametrize(("characters", "is_accepted"), [(2685, True), (2686, False)])
async def test_the_limit_of_a_client_context(characters: int, is_accepted: bool) -> None:
    """3,583 bytes of base64, which is 2,685 characters of JSON."""
    bus = make_bus()
    bus.add_function("f", Recorder())
    document = {"custom": {"a": "x" * (characters - len('{"custom":{"a":""}}'))}}
    async with bus:
        with contextlib.nullcontext() if is_accepted else pytest.raises(ConfigurationError, match="AWS accepts 3,583"):
            await bus.invoke("f", client_context=document)


async def test_a_client_context_reaches_the_handler() -> None:
    """custom, env and client as attributes; the W3C trace context through its method."""
    bus = make_bus()
    seen: list[Any] = []

    @bus.function
    async def f(event: Any, context: Any) -> None:
        seen.append(context)

    document = {
        "custom": {"a": 1},
        "env": {"locale": "de"},
        "client": {"installation_id": "i", "app_title": "t"},
        "w3c": {"traceparent": "00-1", "tracestate": 5, "other": "x"},
    }
    async with bus:
        await bus.invoke(f, client_context=document)
        client_context = seen[0].client_context
        assert (client_context.custom, client_context.env) == ({"a": 1}, {"locale": "de"})
        assert (client_context.client.installation_id, client_context.client.app_package_name) == ("i", None)
        assert seen[0].w3c() == {"traceparent": "00-1"}
        assert repr(client_context) == (
            "ClientContext([custom={'a': 1},env={'locale': 'de'},client=Client([installation_id=i,app_title=t,"
            "app_version_name=None,app_version_code=None,app_package_name=None])])"
        )
        await bus.invoke(f, client_context={})
        assert (seen[1].client_context.custom, seen[1].client_context.client) == (None, None)


@pytest.mark.parametrize("wrong", ["text", 5, ["custom"]])
async def test_a_client_context_that_is_no_object_is_refused(wrong: Any) -> None:
    """One sentence, nothing runs."""
    bus, recorder = make_bus(), Recorder()
    bus.add_function("f", recorder)
    async with bus:
        with pytest.raises(ConfigurationError, match="client_context is a dict with the keys custom, env and client"):
            await bus.invoke("f", client_context=wrong)
        assert recorder.events == []


async def test_an_asynchronous_event_has_no_client_context() -> None:
    """It is delivered for request-response only."""
    bus, recorder = make_bus(), Recorder()
    bus.add_function("f", recorder).allow(S3)
    async with bus:
        await bus.push("f", 1, source=S3)
        await bus.wait_idle()
        assert recorder.contexts[0].client_context is None


async def test_an_event_is_queued_and_answered_before_it_runs() -> None:
    """202, no version yet; the handler gets it under the request id of the answer, retries included."""
    bus, recorder = make_bus(), Recorder(fail=1)
    f = bus.add_function("f", recorder)
    async with bus:
        result = await bus.invoke(f, {"a": 1}, invocation_type="Event")
        assert (result.status_code, result.payload, result.executed_version) == (202, None, None)
        assert recorder.events == []
        await bus.wait_idle()
        assert recorder.events == [{"a": 1}] * 2
        assert set(recorder.request_ids) == {result.request_id}
        assert bus.statistics().finished == 1


async def test_a_dry_run_checks_and_runs_nothing() -> None:
    """204; parameters and permission are checked, throttling is not."""
    bus, recorder = make_bus(), Recorder()
    f = bus.add_function("f", recorder, reserved_concurrency=0)

    @bus.function
    async def caller(event: Any, context: Any) -> Any:
        return (await bus.invoke(f, invocation_type="DryRun")).status_code

    async with bus:
        assert (await bus.invoke(f, 1, invocation_type="DryRun")).status_code == 204
        assert (await bus.invoke(caller)).payload["errorType"] == "AccessDenied"
        with pytest.raises(ResourceNotFound):
            await bus.invoke("g", invocation_type="DryRun")
        with pytest.raises(ConfigurationError, match="one of RequestResponse, Event, DryRun"):
            await bus.invoke(f, invocation_type="Tail")
    assert recorder.events == []


@pytest.mark.parametrize(("kind", "limit"), [("RequestResponse", 6_291_456), ("Event", 1_048_576)])
async def test_each_kind_of_invocation_has_its_limit(kind: str, limit: int) -> None:
    """Quotes count: the text is two bytes longer than its characters."""
    bus, recorder = make_bus(), Recorder()
    f = bus.add_function("f", recorder)
    async with bus:
        await bus.invoke(f, "x" * (limit - 2), invocation_type=kind)
        with pytest.raises(PayloadTooLarge) as caught:
            await bus.invoke(f, "x" * (limit - 1), invocation_type=kind)
        assert caught.value.message == (
            f"{limit + 1} byte payload is too large for the {kind} invocation type (limit {limit} bytes)"
        )
        await bus.wait_idle()
    assert len(recorder.events) == 1
