"""Who sends and who receives: the seam between the engine and everything that makes or takes events.

A source is anything with a service `principal` and an `arn`; a target is anything with an `arn` that takes messages.
One never knows the other's class: a bucket reaches a topic through its ARN, as on AWS.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import attrs

from eventbus.delivery.payload import Encoded
from eventbus.iam.policy import Policy
from eventbus.telemetry.trace import Cause

if TYPE_CHECKING:
    from eventbus.iam.roles import Role

MessageAttributes = Mapping[str, Mapping[str, Any]]
"""`{"name": {"DataType": "String" | "Number" | "Binary" | "String.Array", "StringValue" | "BinaryValue": ...}}`"""


@attrs.define(eq=False, weakref_slot=False)
class Source:
    """The sender of an event, as IAM sees it: one object, kept by the sender, so that decisions can be cached by it."""

    principal: str
    """A service (`s3.amazonaws.com`) or an IAM principal's ARN."""
    arn: str | None
    """`aws:SourceArn` of what it sends."""
    account: str | None
    """`aws:SourceAccount` of what it sends."""
    label: str
    """How code names it, for errors that name the mending call: `s3["photos"]`."""
    role: Role | None = None
    """The execution role that it acts as; None for a service."""
    actor: str | None = None
    """The name of the function whose role that is."""


class HasPolicy(Protocol):
    """A resource policy with a version that grows with every change, so that decisions can be cached by it."""

    @property
    def policy(self) -> Policy | None: ...

    @property
    def version(self) -> int: ...


@attrs.frozen
class Message:
    """What one resource hands to another."""

    body: Encoded
    """Usually JSON; a queue keeps it as its text."""
    cause: Cause | None
    subject: str | None = None
    attributes: MessageAttributes = attrs.field(factory=dict)
    key: str | None = None
    """Where a bucket is to keep it; None leaves that to the bucket."""


@runtime_checkable
class Target(Protocol):
    """Something with an ARN that takes messages: a function, a topic, a queue, a stream."""

    arn: str
    kind: str
    """`function`, `topic`, `queue`, `event bus`, `stream` or `bucket`: decides what may be wired to it."""
    send_action: str
    """The IAM action that a sender needs: `lambda:InvokeFunction`, `sns:Publish`, `sqs:SendMessage`."""
    label: str
    """How code names it: `sns["uploads"]`."""
    is_fifo: bool

    @property
    def name(self) -> str: ...

    @property
    def access(self) -> HasPolicy:
        """The resource policy that guards it."""

    def allow(self, source: Any) -> None:
        """Let a source send here."""

    def accept(self, message: Message, source: Source) -> Cause:
        """Take a message, in one synchronous step; the caller has checked the permission. Returns its trace node.

        Raises an AWSError when it cannot be taken (too large, not JSON for a function, ...); nothing has changed then.
        """
