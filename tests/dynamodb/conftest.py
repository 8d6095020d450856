"""A bus under a virtual clock, and its tables."""

from __future__ import annotations

import pytest

from eventbus.bus import EventBus
from eventbus.clock import VirtualClock
from triggers.dynamodb import DynamoDB


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def bus(clock: VirtualClock) -> EventBus:
    return EventBus(clock=clock, seed=7)


@pytest.fixture
def dynamodb(bus: EventBus) -> DynamoDB:
    return DynamoDB(bus)
