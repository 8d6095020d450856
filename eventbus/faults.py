"""Faults on demand: what AWS, the network and the machine may do to an event, done on purpose, and repeatably.

    bus = EventBus(clock=VirtualClock(), seed=7, faults=Faults(duplicate=1.0))

runs every event twice, and shows whether a handler is idempotent. Chances are drawn from the seed and the event itself,
not from a running generator, so that one more event elsewhere changes nothing for the others: the same seed gives the
same faults, and under a virtual clock the same trace.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs

from eventbus.errors import ConfigurationError
from eventbus.execution.outcome import Failed, Outcome, Struck, crashed, timed_out

if TYPE_CHECKING:
    from eventbus.delivery.event import Event

POINTS: Final = ("accepted", "before handler", "after handler", "before commit", "after commit")
"""Where `exit_at` can end the process."""


def _chance(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise ConfigurationError(f"{attribute.name}={value!r}: a chance is a number from 0 (never) to 1 (always)")


def _points(_: Any, __: Any, value: Mapping[str, float]) -> None:
    unknown = sorted(set(value) - set(POINTS))
    if unknown:
        raise ConfigurationError(f"exit_at has no point {', '.join(unknown)}; points are {', '.join(POINTS)}")
    for point, chance in value.items():
        if isinstance(chance, str | bool) or not 0 <= chance <= 1:
            raise ConfigurationError(
                f"exit_at[{point!r}]={chance!r}: a chance is a number from 0 (never) to 1 (always)"
            )


def _seconds(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < float("inf"):
        raise ConfigurationError(f"{attribute.name}={value!r}: seconds, 0 or more")


@attrs.frozen(kw_only=True)
class Faults:
    """What may go wrong, each with its chance per event or attempt, from 0 (never) to 1 (always).

    `only` narrows it to functions, by name or object. `seed` overrides the bus's.
    """

    duplicate: float = attrs.field(default=0.0, validator=_chance)
    """The event is delivered a second time, although nothing failed."""
    delay: float = attrs.field(default=0.0, validator=_chance)
    """The event waits up to `max_delay` seconds of the bus's clock before its first attempt; later ones overtake it."""
    max_delay: float = attrs.field(default=30.0, validator=_seconds)
    throttle: float = attrs.field(default=0.0, validator=_chance)
    """No environment for this attempt: the event backs off, and uses up no attempt."""
    crash: float = attrs.field(default=0.0, validator=_chance)
    """The environment dies: in half of the cases before the handler runs, in the other half when it is done."""
    timeout: float = attrs.field(default=0.0, validator=_chance)
    """The attempt is reported as timed out, although the handler did all its work."""
    drop_ack: float = attrs.field(default=0.0, validator=_chance)
    """The handler succeeded, and nobody hears of it: the event is tried again."""
    store_error: float = attrs.field(default=0.0, validator=_chance)
    """A batch cannot be written: its publishers get StoreUnavailable, and nothing of it has happened."""
    exit_at: Mapping[str, float] = attrs.field(factory=dict, validator=_points)
    """The process ends at once, as by `kill -9`, with a chance each time it comes by one of these points: "accepted",
    "before handler", "after handler", "before commit", "after commit"."""
    only: Collection[Any] | None = None
    seed: int | None = None
    exit: Callable[[str], None] = attrs.field(default=lambda point: os._exit(137), repr=False, eq=False)
    """What ending the process means; a simulation puts its own crash here."""

    def __attrs_post_init__(self) -> None:
        if isinstance(self.only, str):
            raise ConfigurationError(f"only={self.only!r}: give a collection of functions or names, {{{self.only!r}}}")


class FaultPlan:
    """The faults of one bus: decides, by seed and event, what happens to whom."""

    def __init__(self, faults: Faults, seed: int | None) -> None:
        self._faults = faults
        chosen = faults.seed if faults.seed is not None else seed
        self._seed = random.Random(chosen).getrandbits(64)
        self._passed: dict[str, int] = {}
        self._only = None if faults.only is None else {getattr(f, "name", f) for f in faults.only}

    def concerns(self, event: Event) -> bool:
        """Whether this event may be hit; direct calls never are."""
        return event.reply is None and (self._only is None or event.lane.function.name in self._only)

    def is_duplicated(self, event: Event) -> bool:
        return self._hits("duplicate", event.number, 0)

    def delay_of(self, event: Event) -> float:
        """Seconds that the event waits before its first attempt."""
        if not self._hits("delay", event.number, 0):
            return 0.0
        return self._draw("length", event.number, 0) * self._faults.max_delay

    def is_throttled(self, event: Event) -> bool:
        return self._hits("throttle", event.number, event.attempts + 1000 * event.throttles)

    def before(self, event: Event) -> None:
        """Hit the attempt before its handler is called. Raises Struck if it is."""
        self.pass_by("before handler")
        if self._hits("crash", event.number, event.attempts) and self._draw("half", event.number, event.attempts) < 0.5:
            raise Struck(crashed(event.request_id))

    def after(self, event: Event, outcome: Outcome) -> Outcome:
        """What the handler's outcome becomes."""
        self.pass_by("after handler")
        if self._hits("crash", event.number, event.attempts):
            return crashed(event.request_id)
        if self._hits("timeout", event.number, event.attempts):
            return timed_out(event.lane.timeout, event.request_id)
        if not isinstance(outcome, Failed) and self._hits("drop_ack", event.number, event.attempts):
            return Failed({"errorType": "Sandbox.Failure", "errorMessage": "the acknowledgement was lost"}, "error")
        return outcome

    def store_error(self) -> OSError | None:
        """What the next batch of the store fails with."""
        number = self._passed["store"] = self._passed.get("store", 0) + 1
        if self._hits("store_error", number, 0):
            return OSError(5, "Input/output error (on demand)")
        return None

    def pass_by(self, point: str) -> None:
        """Come by a point at which the process may end."""
        chance = self._faults.exit_at.get(point, 0.0)
        if chance:
            number = self._passed[point] = self._passed.get(point, 0) + 1
            if self._draw(point, number, 0) < chance:
                self._faults.exit(point)

    def _hits(self, name: str, number: int, turn: int) -> bool:
        chance: float = getattr(self._faults, name)
        return chance > 0 and self._draw(name, number, turn) < chance

    def _draw(self, name: str, number: int, turn: int) -> float:
        """A number from 0 to 1, always the same for the same seed and question."""
        question = f"{self._seed}:{name}:{number}:{turn}".encode()
        return int.from_bytes(hashlib.blake2b(question, digest_size=8).digest()) / 2**64
