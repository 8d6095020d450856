"""SNS: operations, topics and subscriptions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from triggers.aws.services import ServiceMap, page
from triggers.aws.services.deeds import Deed, Input, Result, deed, given
from triggers.sns import SNS, Topic
from triggers.sns.errors import InvalidParameter
from triggers.sns.settings import TopicSettings, change_topic, parse_redrive

if TYPE_CHECKING:
    from triggers.sns.subscription import Subscription

PAGE = 100
"""Topics or subscriptions of one page (SNS API reference, ListTopics)."""


class SNSMap(ServiceMap):
    """Topics and subscriptions are found by their ARNs."""

    service = "sns"
    anonymous = frozenset({"ConfirmSubscription", "Unsubscribe"})
    denied_code = "AuthorizationError"
    malformed_code = "MalformedInput"
    invalid_code = "InvalidParameter"
    codes = {"ValidationException": "ValidationError", "MalformedPolicyDocument": "InvalidParameter"}  # noqa: RUF012

    @property
    def sns(self) -> SNS:
        found = self.bus.service("SNS")
        return found if found is not None else SNS(self.bus)

    def _topic(self, arn: str, action: str | None = None) -> Topic:
        topic = self.sns.topic(arn)
        if action is not None:
            self.allow(f"sns:{action}", topic)
        return topic

    def _subscription(self, given: Input, action: str) -> Subscription:
        subscription = self.sns.subscription(given["SubscriptionArn"])
        self.allow(f"sns:{action}", self.sns.topic(subscription.topic.arn))
        return subscription

    # -- topics -------------------------------------------------------------------------------------------------------

    def create_topic(self, given: Input) -> Result:
        name, attributes = given["Name"], dict(given.get("Attributes") or {})
        is_fifo = attributes.pop("FifoTopic", "false") == "true"
        policy = attributes.pop("Policy", None)
        settings = TopicSettings()
        for attribute, text in attributes.items():
            if attribute not in _UNSEEN:
                settings = change_topic(settings, attribute, text, is_fifo=is_fifo)
        topic = self.sns.create_topic(
            name,
            fifo=is_fifo,
            content_based_deduplication=settings.content_based_deduplication,
            display_name=settings.display_name,
            maximum_message_size=settings.maximum_message_size,
            throughput_scope=settings.throughput_scope,
            signature_version=settings.signature_version,
            delivery_policy=settings.delivery_policy,
            policy=policy or None,
        )
        return {"TopicArn": topic.arn}

    def delete_topic(self, given: Input) -> Result:
        self.sns.delete_topic(given["TopicArn"])
        return {}

    def list_topics(self, given: Input) -> Result:
        self.allow("sns:ListTopics", None, self.sns.arn)
        arns, token = page((topic.arn for topic in self.sns), given.get("NextToken"), PAGE)
        return {"Topics": [{"TopicArn": arn} for arn in arns], "NextToken": token}

    def get_topic_attributes(self, given: Input) -> Result:
        return {"Attributes": self._topic(given["TopicArn"], "GetTopicAttributes").attributes}

    def set_topic_attributes(self, given: Input) -> Result:
        if given["AttributeName"] in _UNSEEN:
            self._topic(given["TopicArn"], "SetTopicAttributes")
        else:
            self._topic(given["TopicArn"]).set_attribute(given["AttributeName"], given.get("AttributeValue") or "")
        return {}

    def add_permission(self, given: Input) -> Result:
        topic = self._topic(given["TopicArn"], "AddPermission")
        if not topic.access.grant(given["Label"], given["AWSAccountId"], [f"SNS:{a}" for a in given["ActionName"]]):
            raise InvalidParameter("Statement already exists")
        return {}

    def remove_permission(self, given: Input) -> Result:
        self._topic(given["TopicArn"], "RemovePermission").access.revoke(given["Label"])
        return {}

    def list_tags_for_resource(self, given: Input) -> Result:
        self._topic(given["ResourceArn"], "ListTagsForResource")
        return {"Tags": []}

    # -- subscriptions ------------------------------------------------------------------------------------------------

    def subscribe(self, given: Input) -> Result:
        topic = self._topic(given["TopicArn"])
        endpoint = given.get("Endpoint")
        if not endpoint:
            raise InvalidParameter("Endpoint")
        attributes = dict(given.get("Attributes") or {})
        redrive = attributes.pop("RedrivePolicy", None)
        subscription = topic.subscribe(
            endpoint,
            protocol=given["Protocol"],
            filter_policy=attributes.pop("FilterPolicy", None),
            filter_policy_scope=attributes.pop("FilterPolicyScope", "MessageAttributes"),
            raw=attributes.pop("RawMessageDelivery", "false"),
            delivery_policy=attributes.pop("DeliveryPolicy", None),
            dead_letter=parse_redrive(redrive) if redrive else None,
        )
        is_shown = subscription.is_confirmed or given.get("ReturnSubscriptionArn")
        return {"SubscriptionArn": subscription.arn if is_shown else "pending confirmation"}

    def confirm_subscription(self, given: Input) -> Result:
        return {"SubscriptionArn": self._topic(given["TopicArn"]).confirm_subscription(given["Token"]).arn}

    def unsubscribe(self, given: Input) -> Result:
        self.sns.subscription(given["SubscriptionArn"]).unsubscribe()
        return {}

    def list_subscriptions(self, given: Input) -> Result:
        self.allow("sns:ListSubscriptions", None, self.sns.arn)
        return _listed(self.sns.subscriptions, given)

    def list_subscriptions_by_topic(self, given: Input) -> Result:
        return _listed(self._topic(given["TopicArn"], "ListSubscriptionsByTopic").subscriptions, given)

    def get_subscription_attributes(self, given: Input) -> Result:
        return {"Attributes": self._subscription(given, "GetSubscriptionAttributes").attributes}

    def set_subscription_attributes(self, given: Input) -> Result:
        subscription = self.sns.subscription(given["SubscriptionArn"])
        subscription.set_attribute(given["AttributeName"], given.get("AttributeValue") or "")
        return {}

    # -- messages -----------------------------------------------------------------------------------------------------

    def publish(self, given: Input) -> Deed:
        arn = given.get("TopicArn") or given.get("TargetArn")
        if arn is None:
            raise InvalidParameter(
                "TopicArn or TargetArn Reason: no value for required parameter",
                mend="only topics are served; phone numbers and mobile devices are not",
            )
        return deed(self._topic(arn).publish, given["Message"], **_publishing(given)).then(_published)

    def publish_batch(self, given: Input) -> Deed:
        entries = [
            {"id": entry["Id"], "message": entry["Message"], **_publishing(entry)}
            for entry in given["PublishBatchRequestEntries"]
        ]

        def shape(result: Any) -> Result:
            failed = [
                {"Id": f.id, "Code": f.code, "Message": f.message, "SenderFault": f.sender_fault} for f in result.failed
            ]
            done = [{"Id": entry_id, **_published(one)} for entry_id, one in result.successful.items()]
            return {"Successful": done, "Failed": failed}

        return deed(self._topic(given["TopicArn"]).publish_batch, entries).then(shape)


_UNSEEN = ("KmsMasterKeyId", "TracingConfig")
"""Attributes that are taken and make no difference here."""


def _publishing(entry: Input) -> dict[str, Any]:
    return given(
        subject=entry.get("Subject"),
        attributes=entry.get("MessageAttributes"),
        structure=entry.get("MessageStructure"),
        group_id=entry.get("MessageGroupId"),
        deduplication_id=entry.get("MessageDeduplicationId"),
    )


def _published(result: Any) -> Result:
    return {"MessageId": result.message_id, "SequenceNumber": result.sequence_number}


def _listed(subscriptions: Iterable[Subscription], given: Input) -> Result:
    shown, token = page(subscriptions, given.get("NextToken"), PAGE, key=lambda s: s.arn)
    return {"Subscriptions": [_shown(subscription) for subscription in shown], "NextToken": token}


def _shown(subscription: Subscription) -> Result:
    return {
        "SubscriptionArn": subscription.arn if subscription.is_confirmed else "PendingConfirmation",
        "Owner": subscription.topic.account_id,
        "Protocol": subscription.protocol,
        "Endpoint": subscription.endpoint,
        "TopicArn": subscription.topic.arn,
    }
