"""A bus under a virtual clock, and its queues."""

from __future__ import annotations

import pytest

from eventbus.bus import EventBus
from eventbus.clock import VirtualClock
from triggers.sqs import SQS


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def bus(clock: VirtualClock) -> EventBus:
    return EventBus(clock=clock, seed=7)


@pytest.fixture
def sqs(bus: EventBus) -> SQS:
    return SQS(bus)
