"""A bus under a virtual clock, and its streams."""

from __future__ import annotations

import pytest

from eventbus import EventBus, VirtualClock
from triggers.kinesis import Kinesis, Stream


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def bus(clock: VirtualClock) -> EventBus:
    return EventBus(clock=clock, seed=7)


@pytest.fixture
def kinesis(bus: EventBus) -> Kinesis:
    return Kinesis(bus)


@pytest.fixture
def stream(kinesis: Kinesis) -> Stream:
    return kinesis.create_stream("orders")
