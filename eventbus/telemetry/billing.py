"""What the functions would have cost: requests, GB-seconds and money, per function and version.

Usage is added up by the month; no attempt is kept for it. By default a running function is billed in units of 100 ms,
as AWS did until December 2020; `EventBus(billing_unit=0.001)` bills by the millisecond, as AWS does now.
Prices: AWS Lambda pricing, us-east-1 (2026).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from eventbus.errors import ConfigurationError
from eventbus.options import check_flag
from eventbus.telemetry.prices import Prices, Usage, UsageKey, configured_seconds, request_units, shares
from eventbus.timestamps import iso_time

if TYPE_CHECKING:
    from eventbus.delivery.event import Attempt
    from eventbus.telemetry.journal import Group, Groups

_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])", re.ASCII)
UNITS = (0.001, 0.1)
"""Seconds that AWS has billed in: now, and until December 2020."""


def billed_milliseconds(seconds: float, unit: float) -> int:
    """A duration rounded up to whole units, at least one."""
    size = round(unit * 1000)
    return max(1, math.ceil(round(seconds * 1000, 6) / size)) * size


@attrs.frozen
class BillingRow:
    """What one version of a function used, and what that costs in dollars."""

    function: str
    version: str
    memory: int
    """Megabytes."""
    requests: int
    gb_seconds: float
    cost: float


@attrs.frozen
class _Configured:
    """Provisioned environments of one version that are kept since an instant."""

    key: UsageKey
    units: int
    since: float

    def seconds(self, until: float) -> int:
        return configured_seconds(self.units, until - self.since)


@attrs.frozen
class BillingTotal:
    """All rows together."""

    requests: int
    gb_seconds: float
    cost: float


class Billing:
    """`bus.billing`: usage and cost. `prices` and `free_tier` can be set at any time."""

    def __init__(self, unit: float) -> None:
        if unit not in UNITS:
            raise ConfigurationError(
                f"billing_unit={unit!r}: seconds; AWS bills in units of 0.001, and once did in 0.1"
            )
        self.unit = unit
        """Seconds: what a duration is rounded up to."""
        self._prices = Prices()
        self._free_tier = False
        self._usage: dict[UsageKey, Usage] = {}
        self._configured: dict[str, _Configured] = {}
        """What is provisioned now, by the version's ARN."""
        self._until = 0.0

    @property
    def prices(self) -> Prices:
        """Dollars, by AWS's list unless you set others."""
        return self._prices

    @prices.setter
    def prices(self, prices: Prices) -> None:
        if not isinstance(prices, Prices):
            raise ConfigurationError(f"prices={prices!r}: a Prices(...) is needed")
        self._prices = prices

    @property
    def free_tier(self) -> bool:
        """Whether the monthly free tier is taken off."""
        return self._free_tier

    @free_tier.setter
    def free_tier(self, free_tier: bool) -> None:
        check_flag("free_tier", free_tier)
        self._free_tier = free_tier

    def __repr__(self) -> str:
        total = self.total
        return f"<Billing: {total.requests} requests, {total.gb_seconds:.3f} GB-s, ${total.cost:.6f}>"

    def __str__(self) -> str:
        """The bill as a table."""
        return "\n".join(_table(self.rows(), self.total))

    def rows(self, month: str | None = None) -> list[BillingRow]:
        """One row for every function, version and memory size, of one month such as `"2026-01"` or of all.

        Raises ConfigurationError for what is no month.
        """
        if month is not None and not _MONTH.fullmatch(str(month)):
            raise ConfigurationError(f'month={month!r}: a month reads like "2026-01"')
        rows: dict[tuple[str, str, int], BillingRow] = {}
        for key, cost in self._costs(month).items():
            usage, place = self._usage.get(key, Usage()), (key.function, key.version, key.memory)
            before = rows.get(place, BillingRow(*place, 0, 0.0, 0.0))
            rows[place] = BillingRow(
                *place, before.requests + usage.requests, before.gb_seconds + usage.gb_seconds(key), before.cost + cost
            )
        return [rows[place] for place in sorted(rows)]

    @property
    def total(self) -> BillingTotal:
        """Requests, GB-seconds and cost of everything."""
        rows = self.rows()
        return BillingTotal(
            sum(row.requests for row in rows), sum(row.gb_seconds for row in rows), sum(row.cost for row in rows)
        )

    def invoked(self, groups: Groups) -> None:
        """Add a batch of invocations; called by the engine."""
        for group in groups:
            settings, lane = group.configuration, group.lane
            key = UsageKey(
                iso_time(group.minute * 60)[:7], lane.function.name, lane.version, settings.memory,
                getattr(settings, "architecture", "x86_64"), getattr(settings, "tmp", 512),
                group.init_type == "provisioned-concurrency",
            )  # fmt: skip
            usage = self._usage.setdefault(key, Usage())
            usage.requests += len(group.attempts)
            usage.milliseconds += self._milliseconds(group)

    def large_event(self, function: str, version: str, memory: int, at: float, size: int) -> None:
        """Add what an asynchronous event of more than 256 KB costs beyond its first request."""
        key = UsageKey(iso_time(at)[:7], function, version, memory)
        self._usage.setdefault(key, Usage()).requests += request_units(size) - 1

    def provisioned(self, arn: str, function: str, version: str, memory: int, units: int, at: float) -> None:
        """A version has so many provisioned environments from now on; it counts in the month in which that begins."""
        before = self._configured.pop(arn, None)
        if before is not None:
            self._usage.setdefault(before.key, Usage()).configured += before.seconds(at)
        if units:
            key = UsageKey(iso_time(at)[:7], function, version, memory, is_provisioned=True)
            self._configured[arn] = _Configured(key, units, at)

    def run_until(self, now: float) -> None:
        """What is provisioned still is billed until this instant."""
        self._until = now

    def _milliseconds(self, group: Group) -> int:
        """What these are billed: most batches have nothing that ran for longer than one unit."""
        size, cold = round(self.unit * 1000), [attempt for attempt in group.attempts if attempt.is_cold]
        if max(group.durations) <= self.unit:
            billed = size * len(group.durations)
        else:
            billed = sum([billed_milliseconds(seconds, self.unit) for seconds in group.durations])
        for attempt in cold:
            whole = billed_milliseconds(_billed_seconds(attempt), self.unit)
            billed += whole - billed_milliseconds(attempt.duration, self.unit)
        return billed

    def _costs(self, month: str | None) -> dict[UsageKey, float]:
        usage = {key: attrs.evolve(used) for key, used in self._usage.items()}
        for running in self._configured.values():
            usage.setdefault(running.key, Usage()).configured += running.seconds(self._until)
        usage = {key: used for key, used in usage.items() if month in (None, key.month)}
        return shares(usage, self.prices, free_tier=self.free_tier)


def _billed_seconds(attempt: Attempt) -> float:
    """The duration; on a cold start on demand the initialisation as well (AWS, since August 2025)."""
    environment = attempt.environment
    assert environment is not None
    is_billed = attempt.is_cold and environment.init_failure is None and environment.init_type == "on-demand"
    return attempt.duration + environment.init_duration if is_billed else attempt.duration


_TITLES = ("function", "version", "memory", "requests", "GB-seconds", "cost")


def _table(rows: list[BillingRow], total: BillingTotal) -> list[str]:
    cells = [
        (
            row.function,
            row.version,
            f"{row.memory} MB",
            f"{row.requests:,}",
            f"{row.gb_seconds:,.3f}",
            f"${row.cost:.8f}",
        )
        for row in rows
    ]
    cells.append(("total", "", "", f"{total.requests:,}", f"{total.gb_seconds:,.3f}", f"${total.cost:.8f}"))
    widths = [max(len(line[column]) for line in (_TITLES, *cells)) for column in range(len(_TITLES))]
    lines = [_line(line, widths) for line in (_TITLES, *cells)]
    rule = "─" * len(lines[0])
    return [lines[0], rule, *lines[1:-1], *([rule] if rows else []), lines[-1]]


def _line(cells: Iterable[str], widths: list[int]) -> str:
    first, second, *others = cells
    left = f"{first:<{widths[0]}}  {second:<{widths[1]}}"
    return left + "".join(f"  {cell:>{width}}" for cell, width in zip(others, widths[2:], strict=True))
