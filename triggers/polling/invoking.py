"""Running the function with a batch, on behalf of a mapping: what came of it, as a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from eventbus.answers import InvocationResult
from eventbus.errors import AWSError, BusClosed, PayloadTooLarge, TooManyRequests

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.delivery.targets import Target
    from eventbus.telemetry.trace import Cause

FUNCTION_CALL_FAILED = "PROBLEM: Function call failed"


@attrs.frozen
class Answered:
    """The function ran; it may have failed."""

    result: InvocationResult


@attrs.frozen
class Throttled:
    """No environment may be had now."""


@attrs.frozen
class Oversized:
    """The event is too large for one invocation."""


@attrs.frozen
class Refused:
    """The function cannot be invoked with this at all: a chain that is too long, a function that is gone."""

    error: AWSError


@attrs.frozen
class Closed:
    """The bus is being left."""


Attempted: TypeAlias = Answered | Throttled | Oversized | Refused | Closed


async def invoke(bus: EventBus, function: Target, event: dict[str, Any], cause: Cause | None) -> Attempted:
    """Invoke the function and wait for its answer. What goes wrong is a value."""
    try:
        return Answered(await bus.request(function.arn, event, cause=cause))
    except TooManyRequests:
        return Throttled()
    except PayloadTooLarge:
        return Oversized()
    except BusClosed:
        return Closed()
    except AWSError as error:
        return Refused(error)
