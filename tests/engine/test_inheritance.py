"""Whose role the code of a handler acts as, in whatever task or thread it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import anyio.to_thread
import pytest

from eventbus.execution.current import current_environment
from tests.engine.support import make_bus

pytestmark = pytest.mark.anyio

shared = ThreadPoolExecutor(1)


def acting() -> str | None:
    """The function as whose role this code acts."""
    environment = current_environment.get()
    return None if environment is None else environment.lane.source.actor


def in_a_thread() -> list[str | None]:
    found: list[str | None] = []
    thread = threading.Thread(target=lambda: found.append(acting()))
    thread.start()
    thread.join()
    return found


def in_a_pool() -> list[str | None]:
    with ThreadPoolExecutor(2) as pool:
        return [pool.submit(acting).result(), *pool.map(lambda _: acting(), range(2))]


def in_a_shared_pool() -> list[str | None]:
    return [shared.submit(acting).result()]


def in_a_thread_of_a_thread() -> list[str | None]:
    found: list[str | None] = []
    thread = threading.Thread(target=lambda: found.extend(in_a_thread()))
    thread.start()
    thread.join()
    return found


@pytest.mark.parametrize("how", [in_a_thread, in_a_pool, in_a_shared_pool, in_a_thread_of_a_thread])
async def test_threads_act_as_the_handler_that_uses_them(how: Callable[[], list[str | None]]) -> None:
    """Two functions one after the other, and what runs outside of them acts as nobody's role."""
    bus = make_bus()

    def handler(event: Any, context: Any) -> Any:
        return how()

    async def in_task(event: Any, context: Any) -> Any:
        return await anyio.to_thread.run_sync(how)

    functions = [bus.add_function("a", handler), bus.add_function("b", handler), bus.add_function("c", in_task)]
    async with bus:
        for function in functions:
            assert set((await bus.invoke(function)).payload) == {function.name}
        assert set(await anyio.to_thread.run_sync(how)) == {None}
    assert set(how()) == {None}
    assert threading.Thread.start.__qualname__ == "Thread.start"


async def test_a_thread_that_a_handler_leaves_behind_still_acts_as_its_role() -> None:
    """A call that the role does not permit is refused there too, with the mending call."""
    bus = make_bus()
    done, errors = threading.Event(), list[BaseException]()

    @bus.function
    async def other(event: Any, context: Any) -> None:
        pass

    @bus.function
    def f(event: Any, context: Any) -> None:
        def later() -> None:
            try:
                bus.from_thread(bus.invoke, other)
            except Exception as error:
                errors.append(error)
            done.set()

        threading.Thread(target=later).start()

    async with bus:
        await bus.invoke(f)
        await anyio.to_thread.run_sync(done.wait)
    assert str(errors[0]).endswith(
        'call bus.functions["f"].role.allow("lambda:InvokeFunction", bus.functions["other"])'
    )
