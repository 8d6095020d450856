"""Everything that makes events: one public class per service, each made with the bus it belongs to.

    from eventbus import EventBus
    from triggers import S3, SNS, SQS

    bus = EventBus()
    s3, sns, sqs = S3(bus), SNS(bus), SQS(bus)

A service is imported when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from triggers.dynamodb import DynamoDB as DynamoDB
    from triggers.eventbridge import EventBridge as EventBridge
    from triggers.eventbridge import Schedule as Schedule
    from triggers.http import FunctionUrl as FunctionUrl
    from triggers.http import HttpApi as HttpApi
    from triggers.http import RestApi as RestApi
    from triggers.kinesis import Kinesis as Kinesis
    from triggers.s3 import S3 as S3
    from triggers.sns import SNS as SNS
    from triggers.sqs import SQS as SQS

_ROOMS = {
    "DynamoDB": "triggers.dynamodb",
    "EventBridge": "triggers.eventbridge",
    "FunctionUrl": "triggers.http",
    "HttpApi": "triggers.http",
    "Kinesis": "triggers.kinesis",
    "RestApi": "triggers.http",
    "S3": "triggers.s3",
    "SNS": "triggers.sns",
    "SQS": "triggers.sqs",
    "Schedule": "triggers.eventbridge",
}

__all__ = ["S3", "SNS", "SQS", "DynamoDB", "EventBridge", "FunctionUrl", "HttpApi", "Kinesis", "RestApi", "Schedule"]


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
