"""What can be subscribed to a topic, and which protocol that is."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

import attrs

from eventbus.arn import is_arn
from eventbus.delivery.targets import Target
from eventbus.errors import ConfigurationError
from triggers.sns.errors import InvalidParameter
from triggers.sns.http import check_url
from triggers.sns.validation import PROTOCOLS

if TYPE_CHECKING:
    from eventbus.bus import EventBus

_BY_KIND: Final = {"function": "lambda", "queue": "sqs"}
_NAMES: Final = {"lambda": "Lambda endpoint ARN", "sqs": "SQS endpoint ARN"}


@attrs.frozen
class Endpoint:
    """A subscriber: its protocol, its ARN or URL, and the resource behind an ARN."""

    protocol: str
    address: str
    target: Target | None


def resolve(bus: EventBus, target: object, protocol: str | None, allow_http: Collection[str]) -> Endpoint:
    """Find out what is to be subscribed.

    `target` is a function, a queue, the ARN of one or a URL; `protocol` may say what it must be. Raises
    InvalidParameter with AWS's text for a protocol that is unknown or doesn't fit, ResourceNotFound for an unknown ARN,
    ConfigurationError for what isn't emulated.
    """
    if protocol is not None:
        _check_protocol(protocol)
    if isinstance(target, str) and not is_arn(target) and (protocol in ("http", "https") or "://" in target):
        chosen = protocol or target.partition("://")[0].lower()
        _check_protocol(chosen)
        check_url(target, chosen, allow_http)
        return Endpoint(chosen, target, None)
    if isinstance(target, str) and not is_arn(target) and protocol in _NAMES:
        raise InvalidParameter(_NAMES[protocol])
    resource = bus.resource(target)
    chosen = _BY_KIND.get(resource.kind, "")
    if not chosen:
        raise ConfigurationError(
            f"{resource.label} is a {resource.kind}; a topic delivers to functions, queues and http or https URLs"
        )
    if protocol is not None and protocol != chosen:
        raise InvalidParameter(_NAMES.get(protocol, "Endpoint must match the specified protocol"))
    return Endpoint(chosen, resource.arn, resource)


def _check_protocol(protocol: str) -> None:
    if protocol not in PROTOCOLS:
        raise InvalidParameter(f"Amazon SNS does not support this protocol string: {protocol}")
    if protocol not in ("http", "https", "sqs", "lambda"):
        raise ConfigurationError(f"{protocol} endpoints are not emulated; subscribe a function, a queue or an http URL")
