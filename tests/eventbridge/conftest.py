"""A bus under a virtual clock, its event buses and queues, and what it logs."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from eventbus import EventBus, VirtualClock
from triggers import SNS, SQS, EventBridge, Schedule


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def bus(clock: VirtualClock) -> EventBus:
    return EventBus(clock=clock, seed=7)


@pytest.fixture
def logs(bus: EventBus) -> list[Any]:
    """What the bus logs, as facts."""
    capture = LogCapture()
    bus.log = structlog.wrap_logger(None, processors=[capture])
    return capture.entries


@pytest.fixture
def eb(bus: EventBus) -> EventBridge:
    return EventBridge(bus)


@pytest.fixture
def schedule(bus: EventBus) -> Schedule:
    return Schedule(bus)


@pytest.fixture
def sns(bus: EventBus) -> SNS:
    return SNS(bus)


@pytest.fixture
def sqs(bus: EventBus) -> SQS:
    return SQS(bus)
