"""What the map of a service answers: a result that is there at once, or a deed that has two ways of being done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
from anyio.lowlevel import checkpoint

from eventbus.errors import ConfigurationError
from triggers.aws.raw import NO_WAITING

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from triggers.aws.streaming import Events

Input = dict[str, Any]
"""An operation's input, as boto3's caller gave it."""
Result = dict[str, Any]
"""An operation's output, as boto3's caller gets it."""


def _nothing(outcome: Any) -> Result:
    return {}


def as_it_is(outcome: Any) -> Result:
    """For a room that answers in AWS's form."""
    result: Result = outcome
    return result


@attrs.frozen
class Deed:
    """A call of a room, with the twin that does the same in one synchronous step.

    Whoever can wait awaits `call`, which waits for room in the queues and for the store; a synchronous client on the
    event loop's own thread cannot, and gets `nowait`.
    """

    call: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: Mapping[str, Any]
    patience: Mapping[str, Any]
    """Options that only `call` has, such as how long to wait for a message."""
    waits: bool = True
    """Whether `call` may wait for anything but room in the queues and the store."""
    shape: Callable[[Any], Result] = _nothing

    def then(self, shape: Callable[[Any], Result]) -> Deed:
        """The same deed; `shape` makes the operation's output of what the room answers."""
        return attrs.evolve(self, shape=shape)

    async def do(self) -> Result:
        """Do it, with all the waiting that the room does."""
        return self.shape(await self.call(*self.arguments, **self.options, **self.patience))

    def do_nowait(self) -> Result:
        """Do it at once."""
        twin = getattr(self.call.__self__, f"{self.call.__name__}_nowait")  # type: ignore[attr-defined]
        return self.shape(twin(*self.arguments, **self.options))


def deed(call: Callable[..., Any], *arguments: Any, patience: Mapping[str, Any] | None = None, **options: Any) -> Deed:
    """A deed of a method that has a twin ending in `_nowait`; options that are None are left to their defaults."""
    patient = given(**patience or {})
    return Deed(call, arguments, given(**options), patient, bool(patient))


@attrs.frozen
class Opening:
    """The opening of a stream of events, which a synchronous client on the event loop's own thread cannot read."""

    bus: EventBus
    call: Callable[[], Events]
    mend: str
    """How the room is asked for the same in code that can wait."""

    async def open(self) -> Events:
        """Open it."""
        await checkpoint()
        return self.call()

    def open_nowait(self) -> Events:
        """Say that nobody could wait for what comes. Raises ConfigurationError."""
        self.bus.accepting("a stream of events")
        raise ConfigurationError(f"{NO_WAITING}, or {self.mend}")


def opening(bus: EventBus, call: Callable[[], Events], mend: str) -> Deed:
    """A deed that opens a stream of events with a call of a room."""
    return Deed(Opening(bus, call, mend).open, (), {}, {})


def given(**options: Any) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def member(given: Input, name: str, arguments: Mapping[str, str]) -> dict[str, Any]:
    """Some members of a structure of the input, under the names that the room has for them."""
    values = given.get(name) or {}
    return {ours: values[theirs] for theirs, ours in arguments.items() if values.get(theirs) is not None}
