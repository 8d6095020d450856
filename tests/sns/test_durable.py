"""Topics on a bus with a store: what had not arrived arrives after a restart, and what was never published doesn't."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from eventbus import EventBus, VirtualClock
from eventbus.storage.errors import StoreUnavailable
from eventbus.storage.memory import MemoryStore
from tests.sns.doubles import Moody
from tests.sns.endpoint import Endpoint
from triggers.sns import SNS, InvalidParameter, Topic
from triggers.sqs import SQS

pytestmark = pytest.mark.anyio

START = 1_767_225_600.0
FULL = OSError(28, "No space left on device")


class Wired:
    """A topic of each kind; who subscribes is up to the test."""

    def __init__(self, store: MemoryStore, now: float, *places: str, failures: int = 0) -> None:
        self.clock = VirtualClock(start=now)
        self.bus = EventBus(clock=self.clock, seed=1, store=store)
        capture = LogCapture()
        self.bus.log = structlog.wrap_logger(None, processors=[capture])
        self.logs: list[Any] = capture.entries
        self.sns, self.sqs = SNS(self.bus, allow_http=places), SQS(self.bus)
        self.topic = self.sns.create_topic("t")
        self.ordered = self.sns.create_topic("t.fifo", fifo=True, content_based_deduplication=True)
        self.queue = self.sqs.create_queue("q.fifo", fifo=True)
        self.dead = self.sqs.create_queue("dead")
        self.dead_fifo = self.sqs.create_queue("dead.fifo", fifo=True)
        self.moody = Moody(self.queue, failures)
        self.bus.register(self.moody)

    def subscribe(self, topic: Topic | None = None) -> None:
        (topic or self.ordered).subscribe(self.moody, raw=True, dead_letter=self.dead_fifo, grant=True)


@asynccontextmanager
async def running(
    store: MemoryStore, now: float = START, *places: str, failures: int = 0, subscribe: bool = True
) -> AsyncGenerator[Wired, None]:
    wired = Wired(store, now, *places, failures=failures)
    if subscribe:
        wired.subscribe()
    async with wired.bus:
        yield wired


def left(store: MemoryStore) -> int:
    """Deliveries that the store holds."""
    assert store._rows["sns_attempts"].keys() <= store._rows["sns_deliveries"].keys()
    return len(store._rows["sns_deliveries"])


@pytest.mark.parametrize("ends", ["restart", "crash"])
async def test_retries_go_on_at_their_time_and_a_group_keeps_its_order(ends: str) -> None:
    store = MemoryStore()
    async with running(store, failures=10**9) as w:
        for body in ("1", "2", "3"):
            await w.ordered.publish(body, group_id="g", attributes={"b": b"\xff"})
        await w.ordered.publish("other", group_id="h")
        await w.clock.advance(2.5)
        assert w.queue.statistics().total == 0
        now = w.clock.now()
        await w.bus.synced()
        assert left(store) == 4
        if ends == "crash":
            store.crash()
    async with running(store, now, failures=1) as w:
        await w.ordered.publish("4", group_id="g")
        assert w.queue.statistics().total == 0
        await w.bus.wait_idle()
        assert w.moody.attempts[0] == 3  # after 0, 0, 0, 0, 1 and 2
        messages = await w.queue.receive(10)
        assert [m.body for m in messages if m.attributes["MessageGroupId"] == "g"] == ["1", "2", "3", "4"]
        assert len(messages) == 5
        assert next(m for m in messages if m.body == "1").message_attributes["b"]["BinaryValue"] == b"\xff"
        assert w.bus.metrics.query("NumberOfNotificationsDelivered", w.ordered.arn).sum == 5
        assert left(store) == 0
    assert left(store) == 0


async def test_how_often_was_tried_is_remembered() -> None:
    """The schedule goes on where it was, and what failed too often goes to the dead-letter queue at last."""
    store = MemoryStore()
    now = START
    times: list[float] = []
    for _ in range(4):
        async with running(store, now, failures=10**9) as w:
            if now == START:
                await w.ordered.publish("m", group_id="g")
            await w.clock.advance(10)
            times += w.moody.attempts
            now = w.clock.now()
    async with running(MemoryStore(), failures=10**9) as w:
        await w.ordered.publish("m", group_id="g")
        await w.clock.advance(40)
        assert times == w.moody.attempts


async def test_deliveries_wait_for_their_subscription() -> None:
    """They are counted, warned about once, and taken up when the same endpoint is subscribed to the same topic."""
    store = MemoryStore()
    async with running(store, failures=10**9) as w:
        await w.ordered.publish("m", group_id="g")
        await w.ordered.publish("n", group_id="g")
    async with running(store, subscribe=False) as w:
        await w.bus.wait_idle()
        assert w.sns.waiting_deliveries == {("t.fifo", w.moody.arn): 2}
        [warning] = [entry for entry in w.logs if entry["event"] == "deliveries_wait_for_subscription"]
        assert (warning["topic"], warning["endpoint"], warning["count"]) == ("t.fifo", w.moody.arn, 2)
        assert warning["mend"] == f'call sns["t.fifo"].subscribe("{w.moody.arn}")'
        w.ordered.subscribe(w.dead_fifo, grant=True)
        assert left(store) == 2
        w.subscribe()
        assert w.sns.waiting_deliveries == {}
        await w.bus.wait_idle()
        assert [m.body for m in await w.queue.receive(10)] == ["m", "n"]
    assert left(store) == 0


async def test_deleting_a_topic_gives_up_what_waits() -> None:
    store = MemoryStore()
    async with running(store, failures=10**9) as w:
        await w.ordered.publish("m", group_id="g")
    async with running(store, subscribe=False) as w:
        w.sns.delete_topic("t.fifo")
        assert w.sns.waiting_deliveries == {}
    assert left(store) == 0


@pytest.mark.parametrize("is_safe", [True, False])
async def test_arriving_and_being_struck_off_are_one_transaction(is_safe: bool) -> None:
    store = MemoryStore()
    async with running(store, failures=4) as w:
        await w.ordered.publish("m", group_id="g")
        store.failing = None if is_safe else FULL
        await w.bus.wait_idle()
        assert w.queue.statistics().total == 1
        assert w.moody.failures == 0
        if is_safe:
            await w.bus.synced()
        store.failing = None
        store.crash()
    async with running(store) as w:
        assert (left(store), w.queue.statistics().total) == ((0, 1) if is_safe else (1, 0))
        await w.bus.wait_idle()
        assert w.queue.statistics().total == 1


async def test_what_arrived_is_a_fact_and_carried_over() -> None:
    store = MemoryStore()
    async with running(store, failures=4) as w:
        await w.ordered.publish("m", group_id="g")
        store.failing = FULL
        await w.bus.wait_idle()
        with pytest.raises(StoreUnavailable):
            await w.bus.synced()
        assert w.queue.statistics().total == 1
        store.failing = None
        await w.bus.synced()
        assert left(store) == 0
        store.crash()
    async with running(store) as w:
        assert w.queue.statistics().total == 1


async def test_a_publication_that_cannot_be_written_is_not_tried_again() -> None:
    store = MemoryStore()
    async with running(store, failures=10) as w:
        store.failing = FULL
        for body in ("1", "2"):
            with pytest.raises(StoreUnavailable):
                await w.ordered.publish(body, group_id="g")
        await w.bus.wait_idle()
        assert len(w.moody.attempts) <= 2  # one each, unless the second still stood behind the first
        store.failing = None
        w.moody.failures = 1
        await w.ordered.publish("1", group_id="g")  # no duplicate: the first was never accepted
        await w.bus.wait_idle()
        assert [m.body for m in await w.queue.receive(10)] == ["1"]
    assert left(store) == 0


# -- URLs -------------------------------------------------------------------------------------------------------------


async def test_a_url_has_confirmed_once_and_for_all() -> None:
    store = MemoryStore()
    async with Endpoint(VirtualClock()).serving() as endpoint:
        for start in range(3):
            async with running(store, START, endpoint.place) as w:
                subscription = w.topic.subscribe(endpoint.url)
                await w.bus.wait_idle()
                if not start:
                    w.topic.confirm_subscription(json.loads(endpoint.requests[0][2])["Token"])
                    arn = subscription.arn
                assert (subscription.is_confirmed, subscription.arn) == (True, arn)
                await w.topic.publish(str(start))
                await w.bus.wait_idle()
        kinds = [headers["x-amz-sns-message-type"] for _, headers, _ in endpoint.requests]
        assert kinds == ["SubscriptionConfirmation"] + ["Notification"] * 3
        async with running(store, START, endpoint.place) as w:
            w.topic.subscribe(endpoint.url).unsubscribe()
            await w.bus.wait_idle()
        async with running(store, START, endpoint.place) as w:
            assert not w.topic.subscribe(endpoint.url).is_confirmed


async def test_a_confirmation_that_is_pending_is_asked_for_again_with_the_same_token() -> None:
    store = MemoryStore()
    async with Endpoint(VirtualClock()).serving() as endpoint:
        tokens = []
        for now in (START, START + 100, START + 3 * 24 * 3600):
            async with running(store, now, endpoint.place) as w:
                subscription = w.topic.subscribe(endpoint.url)
                await w.bus.wait_idle()
                tokens.append(json.loads(endpoint.requests[-1][2])["Token"])
        assert tokens[0] == tokens[1] != tokens[2]  # good for two days
        async with running(store, START + 3 * 24 * 3600, endpoint.place) as w:
            subscription = w.topic.subscribe(endpoint.url)
            with pytest.raises(InvalidParameter):
                w.topic.confirm_subscription(tokens[0])
            w.topic.confirm_subscription(tokens[2])
            assert subscription.is_confirmed
            await w.bus.wait_idle()


async def test_a_post_that_was_interrupted_is_made_again() -> None:
    """With the attempts that are left, at the time at which the next one was due."""
    store = MemoryStore()
    clock = VirtualClock()
    async with Endpoint(clock).serving() as endpoint:
        async with running(store, START, endpoint.place) as w:
            w.topic.subscribe(endpoint.url, dead_letter=w.dead, grant=True)
            await w.bus.wait_idle()
            w.topic.confirm_subscription(json.loads(endpoint.requests[0][2])["Token"])
            endpoint.answers = [500] * 9
            endpoint.clock = w.clock
            endpoint.requests.clear()
            await w.topic.publish("m", subject="s")
            await w.clock.advance(25)
            await w.bus.synced()
            assert [at for at, _, _ in endpoint.requests] == [0, 20]
            now = w.clock.now()
            store.crash()
        assert left(store) == 1
        async with running(store, now, endpoint.place) as w:
            assert w.sns.waiting_deliveries == {("t", endpoint.url): 1}
            endpoint.clock = w.clock
            endpoint.requests.clear()
            w.topic.subscribe(endpoint.url, dead_letter=w.dead, grant=True)
            await w.bus.wait_idle()
            assert [at for at, _, _ in endpoint.requests] == [15, 35]  # four in all, twenty seconds apart
            assert json.loads(endpoint.requests[0][2])["Subject"] == "s"
            assert w.dead.statistics().total == 1
            assert w.bus.metrics.query("NumberOfNotificationsFailed", w.topic.arn).sum == 1
    assert left(store) == 0


async def test_nothing_is_posted_before_it_is_safe() -> None:
    store = MemoryStore()
    clock = VirtualClock()
    async with Endpoint(clock).serving() as endpoint, running(store, START, endpoint.place) as w:
        w.topic.subscribe(endpoint.url)
        await w.bus.wait_idle()
        w.topic.confirm_subscription(json.loads(endpoint.requests[0][2])["Token"])
        endpoint.requests.clear()
        store.failing = FULL
        w.topic.publish_nowait("m")
        with pytest.raises(StoreUnavailable):
            await w.bus.synced()
        await w.bus.wait_idle()
        assert endpoint.requests == []
        store.failing = None
        with w.bus.facts():  # as when a function's destination is the topic
            w.topic.publish_nowait("a fact")
        store.failing = FULL
        with pytest.raises(StoreUnavailable):
            await w.bus.synced()
        assert endpoint.requests == []
        store.failing = None
        await w.bus.wait_idle()
        assert [json.loads(body)["Message"] for _, _, body in endpoint.requests] == ["a fact"]


async def test_what_a_url_refuses_is_dead_lettered_as_a_fact() -> None:
    store = MemoryStore()
    async with Endpoint(VirtualClock(), 200, 404).serving() as endpoint:
        async with running(store, START, endpoint.place) as w:
            w.topic.subscribe(endpoint.url, dead_letter=w.dead, grant=True)
            await w.bus.wait_idle()
            w.topic.confirm_subscription(json.loads(endpoint.requests[0][2])["Token"])
            await w.topic.publish("m")
            store.failing = FULL
            await w.bus.wait_idle()
            with pytest.raises(StoreUnavailable):
                await w.bus.synced()
            assert w.dead.statistics().total == 1
            store.failing = None
            await w.bus.synced()
            store.crash()
        async with running(store, START, endpoint.place) as w:
            assert w.dead.statistics().total == 1
    assert left(store) == 0
