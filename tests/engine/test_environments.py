"""Environments: their life, what they keep, when they end; variables and /tmp."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from eventbus import EventBus
from eventbus.errors import ConfigurationError, InvalidParameterValue
from eventbus.execution.environment import MOVES, Environment, Phase, diagram
from eventbus.testing import Recorder
from tests.docs.pages import ROOT
from tests.engine.support import S3, make_bus, virtual

pytestmark = pytest.mark.anyio


async def echo(event: Any, context: Any) -> Any:
    return event


def streams(bus: EventBus) -> int:
    """How many environments there have been."""
    return len(bus.logs.streams("f"))


# -- the table --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", Phase)
@pytest.mark.parametrize("phase", Phase)
async def test_a_move_that_the_table_does_not_have_is_refused(phase: Phase, to: Phase) -> None:
    """It names the environment and the move, and changes nothing."""
    environment = Environment(make_bus().add_function("f", echo).lane, 1)
    environment.phase = phase
    if to in MOVES[phase]:
        environment.move(to)
        assert environment.phase is to
    else:
        with pytest.raises(
            RuntimeError,
            match=f"Environment 1 of f: {phase.value}, task without a memory limit> cannot become {to.value}",
        ):
            environment.move(to)
        assert environment.phase is phase


def test_the_picture_in_the_documentation_is_drawn_from_the_table() -> None:
    """Word for word."""
    assert f"```mermaid\n{diagram()}\n```" in (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")


# -- keeping and ending -----------------------------------------------------------------------------------------------


async def test_an_idle_environment_is_ended_after_its_time() -> None:
    """Ten minutes by the bus's clock; the next event starts a new one."""
    bus = make_bus()
    f = bus.add_function("f", echo)
    async with bus:
        await bus.invoke(f)
        await virtual(bus).advance(599)
        await bus.invoke(f)
        assert (streams(bus), len(f.lane.environments)) == (1, 1)
        await virtual(bus).advance(600)
        assert len(f.lane.environments) == 0
        await bus.invoke(f)
        assert streams(bus) == 2


async def test_of_several_idle_environments_each_has_its_own_time() -> None:
    """The one that is used stays."""
    bus = make_bus(idle_timeout=100)
    go = anyio.Event()

    @bus.function
    async def f(event: Any, context: Any) -> None:
        if event == "wait":
            await go.wait()

    async with bus, anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(bus.invoke, f, "wait")
        await anyio.wait_all_tasks_blocked()
        go.set()
        await anyio.wait_all_tasks_blocked()
        for _ in range(4):
            await virtual(bus).advance(30)
            await bus.invoke(f, None)
        assert len(f.lane.environments) == 1


async def test_without_an_idle_timeout_environments_stay() -> None:
    """None keeps all."""
    bus = make_bus(idle_timeout=None)
    f = bus.add_function("f", echo)
    async with bus:
        await bus.invoke(f)
        await virtual(bus).advance(1_000_000)
        assert len(f.lane.environments) == 1


@pytest.mark.parametrize("value", [0, -1, "x", True])
def test_an_idle_timeout_that_cannot_be_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="seconds, more than 0, or None to keep environments"):
        EventBus(idle_timeout=value)


async def test_a_change_of_configuration_starts_new_environments() -> None:
    """What is idle ends, and what is running ends after its event; nothing queued is lost."""
    bus = make_bus()
    go, done = anyio.Event(), list[tuple[Any, str]]()

    @bus.function(reserved_concurrency=1)
    async def f(event: Any, context: Any) -> None:
        if event == 0:
            await go.wait()
        done.append((event, context.memory_limit_in_mb))

    f.allow(S3)
    async with bus:
        for number in range(3):
            await bus.push(f, number, source=S3)
        await anyio.wait_all_tasks_blocked()
        f.update_configuration(memory=256)
        go.set()
        await bus.wait_idle()
        assert [event for event, _ in done] == [0, 1, 2]
        assert [memory for event, memory in done if event] == ["256", "256"]
        assert streams(bus) == 2
        assert len(f.lane.environments) == 1
        f.update_configuration(retries=1)
        await bus.invoke(f, 4)
        assert streams(bus) == 2


async def test_new_code_is_run_by_new_environments() -> None:
    """A running handler ends under the old code, and events queued meanwhile run the new one."""
    bus = make_bus()
    go, ran = anyio.Event(), list[str]()

    @bus.function(reserved_concurrency=1)
    async def f(event: Any, context: Any) -> None:
        await go.wait()
        ran.append("old")

    async def new(event: Any, context: Any) -> None:
        await checkpoint()
        ran.append("new")

    def threaded(event: Any, context: Any) -> None:
        ran.append("thread")

    f.allow(S3)
    async with bus:
        await bus.push(f, 1, source=S3)
        await anyio.wait_all_tasks_blocked()
        f.update_code(new)
        await bus.push(f, 2, source=S3)
        go.set()
        await bus.wait_idle()
        f.update_code(threaded)
        await bus.push(f, 3, source=S3)
        await bus.wait_idle()
    assert ran == ["old", "new", "thread"]


# -- variables --------------------------------------------------------------------------------------------------------


async def test_os_environ_shows_a_handler_the_variables_of_its_function() -> None:
    """In tasks and in threads, beside the process's own; outside of handlers nothing has changed."""
    bus = make_bus()
    os.environ["EVENTBUS_TEST_OUTSIDE"] = "outside"
    names = ("STAGE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_REGION", "EVENTBUS_TEST_OUTSIDE")

    def read() -> list[str | None]:
        return [os.environ.get(name) for name in names]

    @bus.function(environment={"STAGE": "a"})
    async def in_task(event: Any, context: Any) -> Any:
        return read()

    @bus.function(environment={"STAGE": "b"})
    def in_thread(event: Any, context: Any) -> Any:
        return [os.getenv(name) for name in names]

    try:
        async with bus:
            assert (await bus.invoke(in_task)).payload == ["a", "in_task", "$LATEST", "us-east-1", "outside"]
            assert (await bus.invoke(in_thread)).payload == ["b", "in_thread", "$LATEST", "us-east-1", "outside"]
            version = in_task.publish_version()
            assert (await bus.invoke(version)).payload == ["a", "in_task", "1", "us-east-1", "outside"]
            assert (os.environ.get("STAGE"), "STAGE" in os.environ) == (None, False)
    finally:
        del os.environ["EVENTBUS_TEST_OUTSIDE"]
    assert type(os.environ).__name__ == "_Environ"


async def test_what_a_handler_sets_stays_in_its_environment() -> None:
    """There again on a warm start, gone on a cold one, and never outside."""
    bus = make_bus()
    home = os.environ["HOME"]

    @bus.function
    async def f(event: Any, context: Any) -> Any:
        count = os.environ["COUNT"] = str(int(os.environ.get("COUNT", "0")) + 1)
        if event == "delete":
            del os.environ["HOME"]
        return [count, "HOME" in os.environ, "COUNT" in list(os.environ), dict(os.environ).get("COUNT")]

    async with bus:
        assert (await bus.invoke(f)).payload == ["1", True, True, "1"]
        assert (await bus.invoke(f, "delete")).payload == ["2", False, True, "2"]
        assert ("COUNT" in os.environ, os.environ["HOME"]) == (False, home)
        f.update_configuration(memory=256)
        assert (await bus.invoke(f)).payload == ["1", True, True, "1"]


VARIABLES: list[tuple[Any, type[Exception], str]] = [
    (
        {"AWS_REGION": "x", "AWS_LAMBDA_FUNCTION_NAME": "y"},
        InvalidParameterValue,
        "Reserved keys used in this request: AWS_REGION, AWS_LAMBDA_FUNCTION_NAME",
    ),
    ({"_HANDLER": "x"}, ConfigurationError, "begins with a letter"),
    ({"1A": "x"}, ConfigurationError, "begins with a letter"),
    ({"A": "x"}, ConfigurationError, "two or more of"),
    ({"AB": 1}, ConfigurationError, "environment has AB=1: a text is needed"),
    ({"AB": "\0"}, ConfigurationError, "a text is needed"),
    ({"AB": "half of a \ud83d"}, ConfigurationError, "a text is needed, which UTF-8 can carry"),
    ([("AB", "x")], ConfigurationError, "a dict of texts is needed"),
    ({"AB": "x" * 4088}, InvalidParameterValue, "exceeded the 4KB limit. String measured: "),
    ({"AB": "ä" * 2044}, InvalidParameterValue, "exceeded the 4KB limit. String measured: "),
]


@pytest.mark.parametrize(("variables", "error", "message"), VARIABLES, ids=range(len(VARIABLES)))
def test_variables_that_cannot_be_are_refused(variables: Any, error: type[Exception], message: str) -> None:
    """When the function is declared and when it is changed."""
    bus = make_bus()
    with pytest.raises(error) as caught:
        bus.add_function("f", echo, environment=variables)
    assert message in str(caught.value)
    f = bus.add_function("f", echo)
    with pytest.raises(error):
        f.update_configuration(environment=variables)
    assert dict(f.configuration.environment) == {}


@pytest.mark.parametrize("variables", [{"AB": "x" * 4087}, {"AB": "ä" * 2043}])
def test_four_kilobytes_of_variables_are_accepted(variables: dict[str, str]) -> None:
    """Measured as compact JSON: {"AB":"…"} has 9 bytes of its own."""
    f = make_bus().add_function("f", echo, environment=variables)
    assert dict(f.configuration.environment) == variables


# -- /tmp -------------------------------------------------------------------------------------------------------------


async def test_each_environment_has_a_directory_of_its_own() -> None:
    """There again on a warm start, never shared, removed when the bus is left."""
    bus = make_bus()
    seen: list[Path] = []
    both = anyio.Event()

    @bus.function
    async def f(event: Any, context: Any) -> Any:
        directory = Path(os.environ["TMPDIR"])
        seen.append(directory)
        if event == "meet":
            if len(seen) == 3:
                both.set()
            await both.wait()
        file = directory / "count"
        count = int(file.read_text()) + 1 if file.exists() else 1
        file.write_text(str(count))
        return count

    async with bus:
        assert [(await bus.invoke(f)).payload for _ in range(2)] == [1, 2]
        del seen[1:]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bus.invoke, f, "meet")
            tasks.start_soon(bus.invoke, f, "meet")
        assert len(set(seen)) == 2
        f.update_configuration(memory=256)
        assert (await bus.invoke(f)).payload == 1
        kept = [directory for directory in set(seen) if directory.exists()]
        assert len(kept) == 1
    assert not any(directory.exists() for directory in seen)
    assert not seen[0].parent.exists()


async def test_after_a_time_out_the_files_are_still_there() -> None:
    """The environment is reset, as on AWS, and not replaced."""
    bus = make_bus()

    @bus.function(timeout=0.05)
    async def f(event: Any, context: Any) -> Any:
        file = Path(os.environ["TMPDIR"]) / "file"
        if event == "hang":
            file.write_text("still here")
            await anyio.sleep_forever()
        return file.read_text()

    async with bus:
        assert (await bus.invoke(f, "hang")).payload["errorType"] == "Sandbox.Timedout"
        assert (await bus.invoke(f)).payload == "still here"


@pytest.mark.parametrize("tmp", [511, 10_241, 512.5, "512"])
def test_the_size_of_the_directory_has_the_limits_of_aws(tmp: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"AWS accepts 512 to 10,240 MB|a whole number is needed"):
        make_bus().add_function("f", echo, tmp=tmp)


@pytest.mark.parametrize(("memory", "share"), [(128, 128 / 1769), (1769, 1.0), (10_240, 10_240 / 1769)])
def test_the_share_of_cpus_goes_with_the_memory(memory: int, share: float) -> None:
    """One at 1,769 MB."""
    assert make_bus().add_function("f", echo, memory=memory).configuration.cpu_share == share


# -- the rate of new ones ---------------------------------------------------------------------------------------------


async def test_new_environments_come_at_a_limited_rate() -> None:
    """Ten at once, one more each second; what comes too soon backs off and is not lost."""
    bus = make_bus(scaling=10, idle_timeout=None)
    waiting, go = [0], anyio.Event()

    @bus.function(timeout=60)
    async def f(event: Any, context: Any) -> None:
        waiting[0] += 1
        await go.wait()

    f.allow(S3)
    async with bus:
        for number in range(15):
            await bus.push(f, number, source=S3)
        await anyio.wait_all_tasks_blocked()
        assert waiting == [10]
        go.set()
        await bus.wait_idle()
        assert bus.statistics().finished == 15


async def test_a_direct_call_that_would_need_one_more_is_throttled() -> None:
    """With the reason of the account's limit; an idle environment may be used again."""
    bus = make_bus(scaling=1)
    f, g = bus.add_function("f", echo), bus.add_function("g", Recorder())
    async with bus:
        await bus.invoke(f)
        await bus.invoke(f)
        f.update_configuration(memory=256)
        with pytest.raises(Exception, match="Rate Exceeded") as caught:
            await bus.invoke(f)
        assert getattr(caught.value, "reason") == "ConcurrentInvocationLimitExceeded"  # noqa: B009
        await bus.invoke(g)  # every function has its own rate
        await virtual(bus).advance(10)
        await bus.invoke(f)


@pytest.mark.parametrize("value", [0, 1.5, "x", True])
def test_a_rate_that_cannot_be_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="a whole number from 1, or None for no limit"):
        EventBus(scaling=value)
