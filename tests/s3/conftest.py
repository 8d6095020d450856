from __future__ import annotations

import pytest

from eventbus import EventBus, VirtualClock
from tests.s3.doubles import Recorder
from triggers.s3 import S3, Bucket


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def bus(clock: VirtualClock) -> EventBus:
    return EventBus(clock=clock, seed=7)


@pytest.fixture
def s3(bus: EventBus) -> S3:
    return S3(bus)


@pytest.fixture
def photos(s3: S3) -> Bucket:
    return s3.create_bucket("photos")


@pytest.fixture
def queue(bus: EventBus, photos: Bucket) -> Recorder:
    """A queue that the bucket may send to."""
    queue = Recorder(bus, "queue", "uploads")
    queue.allow(photos)
    return queue
