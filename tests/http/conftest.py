"""A bus under a virtual clock, and its APIs."""

from __future__ import annotations

import pytest

from eventbus.bus import EventBus
from eventbus.clock import VirtualClock
from triggers.http import HttpApi, RestApi


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def bus(clock: VirtualClock) -> EventBus:
    return EventBus(clock=clock, seed=7)


@pytest.fixture
def api(bus: EventBus) -> HttpApi:
    return HttpApi(bus, "shop")


@pytest.fixture
def rest(bus: EventBus) -> RestApi:
    return RestApi(bus, "shop")
