"""A bus under a virtual clock, with every client of AWS in the test talking to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from eventbus import EventBus, VirtualClock
from triggers.aws import AWS


@pytest.fixture
def bus() -> EventBus:
    return EventBus(clock=VirtualClock(), seed=7)


@pytest.fixture
def aws(bus: EventBus) -> Iterator[AWS]:
    with AWS(bus) as entered:
        yield entered


def send_policy(arn: str, *services: str, action: str = "sqs:SendMessage") -> str:
    """A resource policy that lets services send."""
    principal = {"Service": [f"{service}.amazonaws.com" for service in services]}
    return policy(Principal=principal, Action=action, Resource=arn)


def policy(**statement: Any) -> str:
    """A policy of one statement."""
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def queue_with_arn(sqs: Any, name: str, *services: str) -> tuple[str, str]:
    """A queue's URL and ARN; services may send to it."""
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    if services:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": send_policy(arn, *services)})
    return url, arn
