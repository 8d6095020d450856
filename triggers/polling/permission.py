"""Whether a function's role may read a source: asked when a mapping is made, or given to another function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventbus.errors import AccessDenied, InvalidParameterValue
from triggers.polling.settings import STREAMS

if TYPE_CHECKING:
    from eventbus.bus import EventBus

_STREAM_DENIED = {
    "dynamodb": "GetRecords, GetShardIterator, DescribeStream, and ListStreams",
    "kinesis": "GetRecords, GetShardIterator, DescribeStream, ListShards, and ListStreams",
}
QUEUE_ACTIONS = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")


def check_may_read(bus: EventBus, function: Any, source: Any, kind: str) -> None:
    """Raise InvalidParameterValue in Lambda's words, and with the mending call, unless the function's role may read."""
    actions = source.poll_actions() if kind in STREAMS else QUEUE_ACTIONS
    for action in actions:
        try:
            bus.authority.authorize(function.source, action, source.arn, getattr(source, "access", None), lambda: None)
        except AccessDenied:
            listed = ", ".join(f'"{one}"' for one in actions)
            raise InvalidParameterValue(
                _stream_denied(source) if kind in STREAMS else _queue_denied(action),
                mend=f"call {function.label}.role.allow([{listed}], {source.label}) or pass grant=True",
            ) from None


def _stream_denied(source: Any) -> str:
    return (
        f"Cannot access stream {source.arn}. Please ensure the role can perform the "
        f"{_STREAM_DENIED[source.stream_kind]} Actions on your stream in IAM."
    )


def _queue_denied(action: str) -> str:
    return f"The function execution role does not have permissions to call {action.partition(':')[2]} on SQS"
