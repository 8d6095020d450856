"""Posts to a real HTTP server on loopback, with retries in virtual time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eventbus.bus import EventBus
from eventbus.clock import VirtualClock
from eventbus.errors import BusNotRunning
from tests.sns.endpoint import Endpoint
from triggers.sns import SNS, InvalidParameter
from triggers.sqs import SQS

pytestmark = pytest.mark.anyio


def confirmed(topic: Any, endpoint: Endpoint) -> str:
    """Do what an endpoint does with the confirmation request; returns the token."""
    token: str = json.loads(endpoint.requests[-1][2])["Token"]
    topic.confirm_subscription(token)
    return token


async def test_an_endpoint_confirms_and_is_notified(clock: VirtualClock) -> None:
    bus = EventBus(clock=clock, seed=1)
    async with Endpoint(clock).serving() as endpoint, bus:
        topic = SNS(bus, allow_http={endpoint.place}).create_topic("t")
        subscription = topic.subscribe(endpoint.url)
        assert subscription.attributes["PendingConfirmation"] == "true"
        await bus.wait_idle()
        [(_, headers, body)] = endpoint.requests
        assert headers["x-amz-sns-message-type"] == "SubscriptionConfirmation"
        assert "x-amz-sns-subscription-arn" not in headers
        assert json.loads(body)["Type"] == "SubscriptionConfirmation"

        await topic.publish("too early")
        await bus.wait_idle()
        assert len(endpoint.requests) == 1
        with pytest.raises(InvalidParameter, match=r"^Invalid parameter: Token$"):
            topic.confirm_subscription("wrong")
        confirmed(topic, endpoint)
        assert subscription.attributes["PendingConfirmation"] == "false"

        result = await topic.publish("hello")
        await bus.wait_idle()
        _, headers, body = endpoint.requests[-1]
        expected = {
            "x-amz-sns-message-type": "Notification",
            "x-amz-sns-message-id": result.message_id,
            "x-amz-sns-topic-arn": topic.arn,
            "x-amz-sns-subscription-arn": subscription.arn,
            "content-type": "text/plain; charset=UTF-8",
            "user-agent": "Amazon Simple Notification Service Agent",
            "accept-encoding": "gzip,deflate",
        }
        assert {name: headers[name] for name in expected} == expected
        assert json.loads(body)["Message"] == "hello"
        assert bus.metrics.query("NumberOfNotificationsDelivered", topic.arn).sum == 1

        subscription.unsubscribe()
        await bus.wait_idle()
        assert endpoint.requests[-1][1]["x-amz-sns-message-type"] == "UnsubscribeConfirmation"


async def test_raw_delivery_posts_the_bare_message(clock: VirtualClock) -> None:
    bus = EventBus(clock=clock, seed=1)
    async with Endpoint(clock).serving() as endpoint, bus:
        topic = SNS(bus, allow_http={endpoint.place}).create_topic("t")
        topic.subscribe(endpoint.url, raw=True)
        await bus.wait_idle()
        confirmed(topic, endpoint)
        await topic.publish("bäre", attributes={"a": "b"})
        await bus.wait_idle()
        _, headers, body = endpoint.requests[-1]
        assert (headers["x-amz-sns-rawdelivery"], body) == ("true", "bäre")


@pytest.mark.parametrize(
    ("answers", "times", "is_dead"),
    [
        ([500, 429, 200], [0, 20, 40], False),
        ([500, 500, 500, 500], [0, 20, 40, 60], True),
        ([404], [0], True),
        ([302], [0], True),
    ],
)
async def test_server_faults_are_retried_and_client_faults_are_not(
    clock: VirtualClock, answers: list[int], times: list[float], is_dead: bool
) -> None:
    bus = EventBus(clock=clock, seed=1)
    async with Endpoint(clock).serving() as endpoint, bus:
        topic, dead = SNS(bus, allow_http={endpoint.place}).create_topic("t"), SQS(bus).create_queue("dead")
        topic.subscribe(endpoint.url, dead_letter=dead, grant=True)
        await bus.wait_idle()
        confirmed(topic, endpoint)
        endpoint.requests.clear()
        endpoint.answers = list(answers)
        await topic.publish("m")
        await bus.wait_idle()
        assert [at for at, _, _ in endpoint.requests] == times
        assert dead.statistics().visible == is_dead
        assert bus.metrics.query("NumberOfNotificationsFailed", topic.arn).sum == is_dead


async def test_a_subscription_has_retries_of_its_own_unless_the_topic_forbids_it(clock: VirtualClock) -> None:
    bus = EventBus(clock=clock, seed=1)
    async with Endpoint(clock).serving() as endpoint, bus:
        topic = SNS(bus, allow_http={endpoint.place}).create_topic("t")
        topic.subscribe(
            endpoint.url,
            delivery_policy={"healthyRetryPolicy": {"minDelayTarget": 1, "maxDelayTarget": 1, "numRetries": 1}},
        )
        await bus.wait_idle()
        confirmed(topic, endpoint)
        for policy, tries in (("", 2), ('{"http": {"disableSubscriptionOverrides": true}}', 4)):
            topic.set_attribute("DeliveryPolicy", policy)
            endpoint.requests.clear()
            endpoint.answers = [500] * 9
            await topic.publish("m")
            await bus.wait_idle()
            assert len(endpoint.requests) == tries


async def test_nobody_there_is_a_fault_that_is_retried(clock: VirtualClock) -> None:
    bus = EventBus(clock=clock, seed=1)
    endpoint = Endpoint(clock)
    async with endpoint.serving(), bus:
        topic = SNS(bus, allow_http={endpoint.place}).create_topic("t")
        topic.subscribe(endpoint.url)
        await bus.wait_idle()
        confirmed(topic, endpoint)
        topic.subscriptions[0].endpoint = "http://127.0.0.1:1/"
        started = clock.elapsed
        await topic.publish("m")
        await bus.wait_idle()
        assert clock.elapsed - started == 60


async def test_a_token_is_good_for_two_days(clock: VirtualClock) -> None:
    bus = EventBus(clock=clock, seed=1)
    async with Endpoint(clock).serving() as endpoint, bus:
        topic = SNS(bus, allow_http={endpoint.place}).create_topic("t")
        subscription = topic.subscribe(endpoint.url)
        await bus.wait_idle()
        await clock.advance(2 * 24 * 3600)
        with pytest.raises(InvalidParameter):
            confirmed(topic, endpoint)
        assert not subscription.is_confirmed


async def test_subscribing_a_url_needs_a_running_bus(clock: VirtualClock) -> None:
    topic = SNS(EventBus(clock=clock), allow_http={"127.0.0.1:80"}).create_topic("t")
    with pytest.raises(BusNotRunning):
        topic.subscribe("http://127.0.0.1/")
    assert topic.subscriptions == ()
