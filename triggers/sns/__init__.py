"""SNS: topics that publish to functions, queues and URLs, each by its own filter."""

from triggers.batches import BatchFailure
from triggers.sns.batches import PublishBatchResult
from triggers.sns.errors import InvalidParameter, NotFound, ParameterValueInvalid, SNSError
from triggers.sns.schedule import delivery_delays
from triggers.sns.service import SNS
from triggers.sns.subscription import Subscription
from triggers.sns.topic import PublishResult, Topic

__all__ = [
    "SNS",
    "BatchFailure",
    "InvalidParameter",
    "NotFound",
    "ParameterValueInvalid",
    "PublishBatchResult",
    "PublishResult",
    "SNSError",
    "Subscription",
    "Topic",
    "delivery_delays",
]
