"""How many environments may be busy at once: pools of units, taken and given back by counting.

A function with reserved concurrency has a pool of its own, for all of its versions; all others share what is left of
the account's limit. An environment holds one unit from the moment it is chosen until it goes idle. Provisioned
environments hold theirs for as long as they exist: what is provisioned is taken off the pool that it comes from.

New environments come at a limited rate: a thousand at once, and a hundred more every second. Source: Lambda developer
guide, "Understanding Lambda function scaling" and "Configuring provisioned concurrency" (2026).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import attrs

from eventbus.errors import ConfigurationError, InvalidParameterValue

if TYPE_CHECKING:
    from eventbus.delivery.lane import Lane

MINIMUM_UNRESERVED = 100
"""This much of the account's concurrency can never be reserved."""
UNRESERVED = "ConcurrentInvocationLimitExceeded"
RESERVED = "ReservedFunctionConcurrentInvocationLimitExceeded"
SCALING_STEP = 1000
"""Environments that a function may add at once, ..."""
SCALING_PERIOD = 10.0
"""... and the seconds in which it may add as many again."""


@attrs.define(eq=False)
class Pool:
    """Units of concurrency; `busy` of `limit` are taken."""

    limit: int
    reason: str
    """What TooManyRequestsException says when nothing is left."""
    busy: int = 0
    waiting: deque[Lane] = attrs.field(factory=deque, repr=False)
    """Functions that were throttled for want of a unit, in order."""

    @property
    def has_room(self) -> bool:
        return self.busy < self.limit

    def give_back(self) -> None:
        """Return one unit, and let the function that has waited longest try again at once."""
        self.busy -= 1
        self.let_in()

    def let_in(self) -> None:
        """Let functions that wait try again while there is room."""
        while self.waiting and self.busy < self.limit:
            lane = self.waiting.popleft()
            if lane.is_held:
                lane.release()
                lane.attend()


class Scaling:
    """How many more environments a function may start now: a bucket that fills at a constant rate."""

    def __init__(self, step: int | None) -> None:
        self._step = step
        self._left = 0.0 if step is None else float(step)
        self._at = float("-inf")

    def has_room(self, now: float) -> bool:
        """Whether one more may be started at this instant."""
        if self._step is None:
            return True
        if now > self._at:
            if self._left < self._step:
                self._left = min(self._step, self._left + (now - self._at) * self._step / SCALING_PERIOD)
            self._at = now
        return self._left >= 1

    def take(self) -> None:
        """One was started; the caller has seen that it may."""
        self._left -= 1


class Account:
    """The account's concurrency: the shared pool, the reserved ones and what is provisioned of either."""

    def __init__(self, limit: int, scaling_step: int | None = SCALING_STEP) -> None:
        if type(limit) is not int or not 1 <= limit <= 999_999:
            raise ConfigurationError(f"concurrency={limit!r}: the account's limit is a whole number from 1 to 999,999")
        if scaling_step is not None and (type(scaling_step) is not int or scaling_step < 1):
            raise ConfigurationError(
                f"scaling={scaling_step!r}: environments that a function may add in 10 seconds, a whole number from 1, "
                "or None for no limit"
            )
        self.limit = limit
        self.shared = Pool(limit, UNRESERVED)
        self._scaling_step = scaling_step
        self._reserved: dict[str, int] = {}
        self._pools: dict[str, Pool] = {}
        self._provisioned: dict[str, dict[object, int]] = {}
        """Units that are provisioned, by function and by what they are provisioned for."""

    def scaling(self) -> Scaling:
        """The bucket of one more function."""
        return Scaling(self._scaling_step)

    @property
    def minimum_unreserved(self) -> int:
        """What must stay unreserved: 100, or all of a smaller limit."""
        return min(MINIMUM_UNRESERVED, self.limit)

    def reserved(self, function: str) -> int | None:
        """The reserved concurrency of a function, or None."""
        return self._reserved.get(function)

    def provisioned(self, function: str) -> int:
        """All that is provisioned for a function's versions and aliases."""
        return sum(self._provisioned.get(function, {}).values())

    def pool(self, function: str) -> Pool:
        """The pool that a function's environments on demand take their units from."""
        return self._pools.get(function, self.shared)

    @property
    def unreserved(self) -> int:
        """What no function has reserved (UnreservedConcurrentExecutions)."""
        return self.limit - sum(self._reserved.values())

    @property
    def claimed(self) -> int:
        """Units in use or spoken for (ClaimedAccountConcurrency)."""
        return self.shared.busy + self.limit - self.shared.limit

    def reserve(self, function: str, units: int | None) -> None:
        """Give a function a pool of its own with so many units; None gives it the shared one.

        Raises InvalidParameterValue, with nothing changed, if fewer than 100 units stayed unreserved or fewer were
        reserved than are provisioned.
        """
        if units is not None:
            self._check_reservation(function, units)
            self._reserved[function] = units
            self._pools.setdefault(function, Pool(units, RESERVED))
        else:
            self._reserved.pop(function, None)
            self._pools.pop(function, None)
        self._share_out()

    def _check_reservation(self, function: str, units: int) -> None:
        provisioned = self.provisioned(function)
        if units < provisioned:
            raise InvalidParameterValue(
                f" ReservedConcurrentExecutions  {units} should not be lower than function's total provisioned "
                f"concurrency [{provisioned}]."
            )
        free = self._unreserved_without(function)
        if units > 0 and free - units < self.minimum_unreserved:
            raise InvalidParameterValue(
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
                f"below its minimum value of [{MINIMUM_UNRESERVED}].",
                mend=f"at most {max(0, free - self.minimum_unreserved)} can be reserved; "
                "raise EventBus(concurrency=...) or reserve less",
            )

    def _unreserved_without(self, function: str) -> int:
        """What nobody else than this function has reserved or provisioned."""
        others = sum(units for name, units in self._reserved.items() if name != function)
        return (
            self.limit
            - others
            - sum(
                self.provisioned(name) for name in self._provisioned if name != function and name not in self._reserved
            )
        )

    def provision(self, function: str, owner: object, units: int) -> None:
        """Take so many units off for environments that are kept initialised; 0 gives them back.

        Raises InvalidParameterValue, with nothing changed, if there are not as many.
        """
        others = self.provisioned(function) - self._provisioned.get(function, {}).get(owner, 0)
        reserved = self._reserved.get(function)
        if reserved is not None and others + units > reserved:
            raise InvalidParameterValue(
                "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for "
                "function"
            )
        if reserved is None and units:
            free = self._unreserved_without(function) - others
            if units > free:
                raise InvalidParameterValue(
                    "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency "
                    f"[{free}]."
                )
            if free - units < self.minimum_unreserved:
                raise InvalidParameterValue(
                    "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
                    f"below its minimum value of [{self.minimum_unreserved}]."
                )
        owners = self._provisioned.setdefault(function, {})
        owners[owner] = units
        if not units:
            del owners[owner]
        self._share_out()

    def release(self, function: str) -> None:
        """A function is gone, with all that it had reserved."""
        self._provisioned.pop(function, None)
        self.reserve(function, None)

    def _share_out(self) -> None:
        """Set every pool's limit: what is reserved or left, less what is provisioned."""
        for name, pool in self._pools.items():
            pool.limit = self._reserved[name] - self.provisioned(name)
        provisioned = sum(self.provisioned(name) for name in self._provisioned if name not in self._reserved)
        self.shared.limit = self.limit - sum(self._reserved.values()) - provisioned
