"""Fixtures for tests of event flows: `bus` (with a virtual clock), `s3`, `sns`, `sqs`, `dynamodb`, `kinesis`,
`eventbridge` and `schedule`; and `aws`, inside which every boto3 and aiobotocore client talks to the bus.

An asynchronous test that uses one of them runs inside `async with bus:`, on whatever event loop runs the test (the
pytest plugins of anyio, asyncio and trio all do), so a whole put → retry → dead-letter test is this:

    @pytest.mark.anyio
    async def test_what_always_fails_ends_in_the_dead_letters(bus, s3):
        @s3.create_bucket("photos").on("s3:ObjectCreated:*")
        async def thumbnail(event, context):
            raise ValueError("not a picture")

        await s3["photos"].put_object("cat.jpg", b"meow")
        await bus.wait_idle()
        assert bus.dead_letters[0].attempts == 3

A plain test gets the same objects, not entered. Seed and further options: `@pytest.mark.eventbus(seed=7, ...)` passes
keyword arguments on to EventBus.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from eventbus import EventBus
    from triggers import S3, SNS, SQS, DynamoDB, EventBridge, Kinesis, Schedule
    from triggers.aws import AWS

_BUS: pytest.StashKey[EventBus] = pytest.StashKey()
"""The bus that our fixture made for a test; one that the test's own fixture made is its own affair."""

_AWS: pytest.StashKey[AWS] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "eventbus(**options): options of EventBus for the `bus` fixture, such as seed=7")


@pytest.fixture
def bus(request: pytest.FixtureRequest) -> EventBus:
    """An EventBus with a virtual clock and a fixed seed; an asynchronous test runs inside it."""
    from eventbus import EventBus, VirtualClock

    marker = request.node.get_closest_marker("eventbus")
    options: dict[str, Any] = {} if marker is None else marker.kwargs
    made = EventBus(**{"clock": VirtualClock(), "seed": 0, **options})
    request.node.stash[_BUS] = made
    return made


@pytest.fixture
def s3(bus: EventBus) -> S3:
    """S3 on the test's bus."""
    from triggers import S3

    return S3(bus)


@pytest.fixture
def sns(bus: EventBus) -> SNS:
    """SNS on the test's bus."""
    from triggers import SNS

    return SNS(bus)


@pytest.fixture
def sqs(bus: EventBus) -> SQS:
    """SQS on the test's bus."""
    from triggers import SQS

    return SQS(bus)


@pytest.fixture
def dynamodb(bus: EventBus) -> DynamoDB:
    """DynamoDB on the test's bus."""
    from triggers import DynamoDB

    return DynamoDB(bus)


@pytest.fixture
def kinesis(bus: EventBus) -> Kinesis:
    """Kinesis on the test's bus."""
    from triggers import Kinesis

    return Kinesis(bus)


@pytest.fixture
def eventbridge(bus: EventBus) -> EventBridge:
    """EventBridge on the test's bus."""
    from triggers import EventBridge

    return EventBridge(bus)


@pytest.fixture
def schedule(bus: EventBus) -> Schedule:
    """EventBridge Scheduler on the test's bus."""
    from triggers import Schedule

    return Schedule(bus)


@pytest.fixture
def aws(request: pytest.FixtureRequest, bus: EventBus) -> Iterator[AWS]:
    """`with AWS(bus):` around the test; needs the extra `eventbus[aws]`."""
    from triggers.aws import AWS

    with AWS(bus) as entered:
        request.node.stash[_AWS] = entered
        yield entered


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let asynchronous tests that use the bus run inside it, in their own task."""
    for item in items:
        if isinstance(item, pytest.Function) and "bus" in item.fixturenames and inspect.iscoroutinefunction(item.obj):
            item.obj = _inside_the_bus(item, item.obj)


def _inside_the_bus(item: pytest.Function, test: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(test)
    async def run(*args: Any, **kwargs: Any) -> None:
        bus = item.stash.get(_BUS, None)
        if bus is None:  # somebody else's fixture of the same name
            await test(*args, **kwargs)
            return
        aws = item.stash.get(_AWS, nullcontext())
        async with bus:
            with aws:  # once more, in the context that the test runs in
                await test(*args, **kwargs)

    return run
