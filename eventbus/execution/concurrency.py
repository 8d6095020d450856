"""How many environments may be busy at once: pools of units, taken and given back by counting.

A function with reserved concurrency has a pool of its own; all others share what is left of the account's limit. An
environment holds one unit from the moment it is chosen until it goes idle. Source: Lambda developer guide,
"Understanding Lambda function scaling" (2026).
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


class Account:
    """The account's concurrency: the shared pool and the reserved ones."""

    def __init__(self, limit: int) -> None:
        if type(limit) is not int or not 1 <= limit <= 999_999:
            raise ConfigurationError(f"concurrency={limit!r}: the account's limit is a whole number from 1 to 999,999")
        self.limit = limit
        self.shared = Pool(limit, UNRESERVED)
        self._reserved: dict[str, Pool] = {}

    def reserve(self, function: str, units: int | None) -> Pool:
        """Give a function a pool of its own with so many units; None gives it the shared one.

        Raises InvalidParameterValue, with nothing changed, if fewer than 100 units stayed unreserved.
        """
        others = sum(pool.limit for name, pool in self._reserved.items() if name != function)
        if units is not None and self.limit - others - units < min(MINIMUM_UNRESERVED, self.limit) and units > 0:
            raise InvalidParameterValue(
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
                f"below its minimum value of [{MINIMUM_UNRESERVED}].",
                mend=f"at most {max(0, self.limit - others - MINIMUM_UNRESERVED)} can be reserved; "
                "raise EventBus(concurrency=...) or reserve less",
            )
        self.shared.limit = self.limit - others - (units or 0)
        if units is None:
            self._reserved.pop(function, None)
            return self.shared
        pool = self._reserved.setdefault(function, Pool(units, RESERVED))
        pool.limit = units
        return pool
