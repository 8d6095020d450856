"""Topics and subscriptions: attributes, refusals, permissions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventbus.bus import EventBus
from eventbus.clock import VirtualClock
from eventbus.errors import AWSError, ConfigurationError, ResourceNotFound
from triggers.sns import SNS, InvalidParameter, NotFound
from triggers.sqs import SQS


def declared(bus: EventBus, name: str = "f") -> Any:
    return bus.add_function(name, _handler)


async def _handler(event: Any, context: Any) -> None:
    """Do nothing."""


def test_a_new_topic_has_awss_default_attributes(sns: SNS) -> None:
    topic = sns.create_topic("uploads")
    assert topic.arn == "arn:aws:sns:us-east-1:123456789012:uploads"
    shown = topic.attributes
    assert list(shown) == [
        "TopicArn",
        "Owner",
        "DisplayName",
        "Policy",
        "EffectiveDeliveryPolicy",
        "SubscriptionsConfirmed",
        "SubscriptionsDeleted",
        "SubscriptionsPending",
    ]
    assert json.loads(shown["EffectiveDeliveryPolicy"]) == {
        "http": {
            "defaultHealthyRetryPolicy": {
                "minDelayTarget": 20,
                "maxDelayTarget": 20,
                "numRetries": 3,
                "numMaxDelayRetries": 0,
                "numNoDelayRetries": 0,
                "numMinDelayRetries": 0,
                "backoffFunction": "linear",
            },
            "disableSubscriptionOverrides": False,
            "defaultRequestPolicy": {"headerContentType": "text/plain; charset=UTF-8"},
        }
    }
    policy = json.loads(shown["Policy"])
    assert (policy["Version"], policy["Id"]) == ("2008-10-17", "__default_policy_ID")
    [statement] = policy["Statement"]
    assert statement["Condition"] == {"StringEquals": {"AWS:SourceOwner": "123456789012"}}
    assert statement["Action"][-1] == "SNS:Publish"


def test_the_same_topic_again_is_the_same_and_a_different_one_is_refused(sns: SNS, bus: EventBus) -> None:
    topic = sns.create_topic("t", display_name="T")
    assert (
        sns.create_topic("t", display_name="T") is topic is sns["t"] is bus.resource(topic.arn) is sns.topic(topic.arn)
    )
    with pytest.raises(InvalidParameter) as refused:
        sns.create_topic("t")
    assert str(refused.value) == (
        "Invalid parameter: Attributes Reason: Topic already exists with different attributes"
    )
    with pytest.raises(ConfigurationError, match=r"make SNS\(bus\) once"):
        SNS(bus)
    with pytest.raises(KeyError, match=r"^Topic does not exist"):
        sns["other"]
    sns.delete_topic("other")  # as on AWS: fine
    sns.delete_topic(topic)
    assert "t" not in sns
    with pytest.raises(NotFound):
        topic.subscribe("arn:aws:sqs:us-east-1:123456789012:q")


def test_attributes_of_a_topic_can_be_set(sns: SNS) -> None:
    topic = sns.create_topic("t.fifo", fifo=True)
    topic.set_attribute("ContentBasedDeduplication", "true")
    topic.set_attribute("DisplayName", "T")
    topic.set_attribute("MaximumMessageSize", "1024")
    shown = topic.attributes
    assert (shown["ContentBasedDeduplication"], shown["DisplayName"], shown["FifoTopic"]) == ("true", "T", "true")
    for name, value in [("Nope", "1"), ("FifoTopic", "false"), ("MaximumMessageSize", "1"), ("SignatureVersion", "3")]:
        with pytest.raises(InvalidParameter):
            topic.set_attribute(name, value)
    assert topic.attributes == shown


def test_a_subscription_shows_what_aws_shows(sns: SNS, sqs: SQS, bus: EventBus) -> None:
    topic, queue, dead = sns.create_topic("t"), sqs.create_queue("q"), sqs.create_queue("d")
    plain = topic.subscribe(declared(bus), grant=True)
    assert list(plain.attributes) == [
        "SubscriptionArn",
        "TopicArn",
        "Protocol",
        "Endpoint",
        "Owner",
        "ConfirmationWasAuthenticated",
        "PendingConfirmation",
        "RawMessageDelivery",
        "SubscriptionPrincipal",
    ]
    assert plain.attributes["PendingConfirmation"] == "false"
    full = topic.subscribe(
        queue.arn, filter_policy='{"a": ["b"]}', raw=True, dead_letter=dead, grant=True, protocol="sqs"
    )
    assert full.arn.startswith(topic.arn + ":")
    assert full.attributes["FilterPolicy"] == '{"a": ["b"]}'
    assert full.attributes["FilterPolicyScope"] == "MessageAttributes"
    assert json.loads(full.attributes["RedrivePolicy"]) == {"deadLetterTargetArn": dead.arn}
    assert full.attributes["RawMessageDelivery"] == "true"
    assert sns.subscription(full.arn) is full


def test_subscribing_again_gives_the_same_or_is_refused(sns: SNS, sqs: SQS) -> None:
    topic, queue = sns.create_topic("t"), sqs.create_queue("q")
    first = topic.subscribe(queue, filter_policy={"a": ["b"]})
    assert topic.subscribe(queue.arn, filter_policy='{ "a": ["b"] }') is first
    with pytest.raises(InvalidParameter) as refused:
        topic.subscribe(queue)
    assert str(refused.value) == (
        "Invalid parameter: Attributes Reason: Subscription already exists with different attributes"
    )
    first.unsubscribe()
    first.unsubscribe()
    assert topic.subscribe(queue) is not first
    assert topic.attributes["SubscriptionsDeleted"] == "1"


def test_a_fifo_queue_cannot_be_subscribed_to_a_standard_topic(sns: SNS, sqs: SQS) -> None:
    with pytest.raises(InvalidParameter) as refused:
        sns.create_topic("t").subscribe(sqs.create_queue("q.fifo", fifo=True))
    assert str(refused.value) == (
        "Invalid parameter: Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS "
        "topics"
    )


def test_a_fifo_topic_takes_queues_only(sns: SNS, sqs: SQS, bus: EventBus) -> None:
    topic = sns.create_topic("t.fifo", fifo=True)
    with pytest.raises(InvalidParameter, match="subscribe a queue, and let the function poll that"):
        topic.subscribe(declared(bus))
    with pytest.raises(InvalidParameter, match="must use a FIFO queue as DLQ"):
        topic.subscribe(sqs.create_queue("q"), dead_letter=sqs.create_queue("d"))
    assert topic.subscriptions == ()
    topic.subscribe(sqs["q"])


@pytest.mark.parametrize(
    ("target", "protocol", "text"),
    [
        ("x", "carrier-pigeon", "Amazon SNS does not support this protocol string: carrier-pigeon"),
        ("x", "sqs", "SQS endpoint ARN"),
        ("ftp://example.com", "http", "Endpoint must match the specified protocol"),
    ],
)
def test_a_bad_endpoint_is_refused(sns: SNS, target: str, protocol: str, text: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        sns.create_topic("t").subscribe(target, protocol=protocol)
    assert str(refused.value) == f"Invalid parameter: {text}"


def test_an_endpoint_outside_of_the_bus_must_be_allowed(sns: SNS) -> None:
    topic = sns.create_topic("t")
    with pytest.raises(ConfigurationError, match=r'pass SNS\(bus, allow_http={"example.com:443"}\)$'):
        topic.subscribe("https://example.com/hook")
    with pytest.raises(ConfigurationError, match="email endpoints are not emulated"):
        topic.subscribe("a@example.com", protocol="email")
    with pytest.raises(ResourceNotFound):
        topic.subscribe("arn:aws:sqs:us-east-1:123456789012:none")
    with pytest.raises(ConfigurationError, match=r'sns\["t"\] is a topic; a topic delivers to functions'):
        topic.subscribe(topic)


def test_a_missing_permission_is_a_warning_that_names_the_mending_call(
    sns: SNS, bus: EventBus, logs: list[Any]
) -> None:
    topic, function = sns.create_topic("t"), declared(bus)
    topic.subscribe(function)
    [warning] = [entry for entry in logs if entry["event"] == "subscription_not_permitted"]
    assert warning["mend"] == f'call {function.label}.allow(sns["t"]) or subscribe with grant=True'
    topic.subscribe(function, grant=True)
    assert bus.may_send(topic.source, function).is_allowed


def test_settings_of_a_subscription_can_be_changed(sns: SNS, sqs: SQS) -> None:
    topic = sns.create_topic("t")
    subscription = topic.subscribe(sqs.create_queue("q"))
    subscription.set_attribute("FilterPolicyScope", "MessageBody")
    subscription.set_attribute("FilterPolicy", '{"a": {"b": ["c"]}}')
    assert subscription.attributes["FilterPolicyScope"] == "MessageBody"
    before = subscription.attributes
    with pytest.raises(InvalidParameter, match="does not support nested filter policy"):
        subscription.set_attribute("FilterPolicyScope", "MessageAttributes")
    with pytest.raises(InvalidParameter, match=r"^Invalid parameter: AttributeName$"):
        subscription.set_attribute("DeliveryPolicy", "{}")
    with pytest.raises(InvalidParameter, match=r"^Invalid parameter: FilterPolicy: Empty arrays are not allowed"):
        subscription.set_filter_policy({"a": []})
    assert subscription.attributes == before
    subscription.set_attribute("FilterPolicy", "")
    subscription.set_attribute("RawMessageDelivery", "true")
    assert "FilterPolicy" not in subscription.attributes
    subscription.unsubscribe()
    with pytest.raises(NotFound):
        subscription.set_filter_policy(None)


def test_the_quota_of_filter_policies_is_enforced_on_demand(bus: EventBus) -> None:
    topic, sqs = SNS(bus, filter_policies_per_topic=1).create_topic("t"), SQS(bus)
    first = topic.subscribe(sqs.create_queue("a"), filter_policy={"a": ["b"]})
    with pytest.raises(AWSError) as refused:
        topic.subscribe(sqs.create_queue("b"), filter_policy={"a": ["b"]})
    assert (refused.value.code, refused.value.status) == ("FilterPolicyLimitExceeded", 403)
    first.set_filter_policy({"a": ["c"]})
    assert len(topic.subscriptions) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=3) | st.sampled_from(["1.2.3.4/8"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", "$or", "prefix", "numeric", "exists", "anything-but", "cidr", "wildcard", ""]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
POLICIES = st.dictionaries(st.sampled_from(["a", "b", "$or", "a.b", ""]), JSON, max_size=3) | st.text(max_size=8)


@settings(max_examples=300, deadline=None)
@given(POLICIES, st.sampled_from(["MessageAttributes", "MessageBody", "Nope"]))
def test_any_filter_policy_is_taken_or_refused_with_nothing_changed(policy: Any, scope: str) -> None:
    bus = EventBus(clock=VirtualClock())
    topic, queue = SNS(bus).create_topic("t"), SQS(bus).create_queue("q")
    try:
        topic.subscribe(queue, filter_policy=policy, filter_policy_scope=scope)
    except InvalidParameter:
        assert topic.subscriptions == ()
        assert len(topic._matching) == 0
        assert queue.policy is None
        subscription = topic.subscribe(queue)
        before = subscription.attributes
        with pytest.raises(InvalidParameter):
            subscription.set_filter_policy(policy, scope)
        assert subscription.attributes == before
    else:
        assert len(topic._matching) == 1
