"""`bus.billing`: AWS's published examples, as tables, and a bill from end to end."""

from __future__ import annotations

from typing import Any

import pytest

from eventbus.errors import ConfigurationError
from eventbus.telemetry.billing import Billing, BillingRow, BillingTotal, billed_milliseconds
from eventbus.telemetry.prices import (
    Prices,
    Usage,
    UsageKey,
    configured_seconds,
    duration_cost,
    request_units,
    shares,
)
from eventbus.testing import Recorder
from tests.engine.support import S3, make_bus, virtual
from tests.telemetry.support import attempt_of, groups_of

PRICES = Prices()


def cost(memory: int, requests: int, seconds: float, *, free_tier: bool = False, **options: Any) -> float:
    key = UsageKey("2026-01", "f", "$LATEST", memory, **options)
    return sum(shares({key: Usage(requests, round(seconds * 1000))}, PRICES, free_tier=free_tier).values())


@pytest.mark.parametrize(
    ("seconds", "unit", "billed"),
    [
        (0.0, 0.001, 1), (0.0, 0.1, 100), (0.00151, 0.001, 2), (0.11311, 0.001, 114), (0.21361, 0.001, 214),
        (0.1, 0.1, 100), (0.1000001, 0.1, 200), (1.1, 0.1, 1100), (0.3, 0.1, 300), (2.9, 0.001, 2900), (0.05, 0.1, 100),
    ],
)  # fmt: skip
def test_a_duration_is_rounded_up_to_whole_units(seconds: float, unit: float, billed: int) -> None:
    """At least one, and what is a whole number already stays."""
    assert billed_milliseconds(seconds, unit) == billed


def test_the_published_example() -> None:
    """512 MB, three million requests of a second: $18.33 for duration, $0.40 for requests, after the free tier."""
    assert cost(512, 3_000_000, 3_000_000, free_tier=True) == pytest.approx(18.33337 + 0.40)
    assert round(cost(512, 3_000_000, 3_000_000, free_tier=True), 2) == 18.73


def test_usage_within_the_free_tier_costs_nothing() -> None:
    assert cost(1024, 1_000_000, 400_000, free_tier=True) == 0


@pytest.mark.parametrize(
    ("gb_seconds", "dollars"),
    [
        (0, 0),
        (6e9, 6e9 * 0.0000166667),
        (7e9, 6e9 * 0.0000166667 + 1e9 * 0.000015),
        (20e9, 6e9 * 0.0000166667 + 9e9 * 0.000015 + 5e9 * 0.0000133334),
    ],
)
def test_the_tiers_of_duration(gb_seconds: float, dollars: float) -> None:
    """Ten per cent less beyond six billion GB-seconds, twenty beyond fifteen."""
    assert duration_cost(gb_seconds, PRICES.x86_64) == pytest.approx(dollars)


@pytest.mark.parametrize(
    ("size", "units"), [(0, 1), (262_144, 1), (262_145, 2), (327_680, 2), (327_681, 3), (1_048_576, 13)]
)
def test_a_large_asynchronous_event_is_several_requests(size: int, units: int) -> None:
    """One more for each 64 KB begun: 1 MB is 1 + 12."""
    assert request_units(size) == units


def test_other_prices() -> None:
    """arm64 costs less, provisioned duration has its own price, storage beyond 512 MB is added."""
    x86 = cost(1024, 0, 1000)
    assert cost(1024, 0, 1000, architecture="arm64") == pytest.approx(1000 * 0.0000133334)
    assert cost(1024, 0, 1000, is_provisioned=True) == pytest.approx(1000 * 0.0000097222)
    assert cost(1024, 0, 1000, storage=1536) == pytest.approx(x86 + 1000 * 0.0000000309)
    key = UsageKey("2026-01", "f", "1", 2048, is_provisioned=True)
    configured = shares({key: Usage(configured=configured_seconds(3, 301))}, PRICES, free_tier=True)
    assert configured[key] == pytest.approx(2 * 3 * 600 * 0.0000041667)


def test_the_free_tier_is_shared_out_by_usage_and_not_given_to_provisioned_concurrency() -> None:
    """Two functions that use the same pay the same."""
    keys = [UsageKey("2026-01", name, "1", 1024) for name in "ab"]
    keys.append(UsageKey("2026-01", "c", "1", 1024, is_provisioned=True))
    costs = shares({key: Usage(0, 400_000_000) for key in keys}, PRICES, free_tier=True)
    first, second, third = costs.values()
    assert first == second == pytest.approx(200_000 * 0.0000166667)
    assert third == pytest.approx(400_000 * 0.0000097222)


def test_the_free_tier_is_that_of_each_month() -> None:
    usage = {UsageKey(f"2026-0{n}", "f", "1", 1024): Usage(1_000_000, 400_000_000) for n in (1, 2)}
    assert sum(shares(usage, PRICES, free_tier=True).values()) == 0


@pytest.mark.anyio
async def test_a_cold_start_bills_the_initialisation_and_provisioned_concurrency_does_not() -> None:
    """Nor does an initialisation that failed, whose time is part of the duration."""
    bus, billing = make_bus(), Billing(0.001)
    billing.invoked(groups_of(attempt_of(bus, duration=0.13361, init=0.080)))
    assert billing.total.gb_seconds == pytest.approx(0.214 * 128 / 1024)
    warm = attempt_of(bus, duration=0.1, init=0.5)
    assert warm.environment is not None
    warm.environment.init_type = "provisioned-concurrency"
    billing.invoked(groups_of(warm))
    assert billing.total.gb_seconds == pytest.approx(0.314 * 128 / 1024)


@pytest.mark.anyio
async def test_a_bill_from_end_to_end() -> None:
    """Retries are requests, throttled tries are not; in units of 100 ms unless set otherwise."""
    bus = make_bus()
    f = bus.add_function("f", Recorder(fail="always"), memory=1024)
    g = bus.add_function("g", Recorder())
    off = bus.add_function("off", Recorder(), reserved_concurrency=0)
    for function in (f, g, off):
        function.allow(S3)
    async with bus:
        await bus.push(f, 1, source=S3)
        await bus.push(g, "x" * 300_000, source=S3)
        await bus.push(off, 1, source=S3)
        await bus.wait_idle()
        about: Any = pytest.approx
        price = 0.0000166667
        assert bus.billing.rows() == [
            BillingRow("f", "$LATEST", 1024, 3, about(0.3), about(3 * 2e-7 + 0.3 * price)),
            BillingRow("g", "$LATEST", 128, 2, about(0.0125), about(2 * 2e-7 + 0.0125 * price)),
        ]
        assert bus.billing.total == BillingTotal(5, about(0.3125), about(5 * 2e-7 + 0.3125 * price))
        assert str(bus.billing).splitlines() == [
            "function  version   memory  requests  GB-seconds         cost",
            "─" * 61,
            "f         $LATEST  1024 MB         3       0.300  $0.00000560",
            "g         $LATEST   128 MB         2       0.013  $0.00000061",
            "─" * 61,
            "total                              5       0.312  $0.00000621",
        ]
        bus.billing.free_tier = True
        assert bus.billing.total.cost == 0
        bus.billing.free_tier, bus.billing.prices = False, Prices(request=1, x86_64=((float("inf"), 0),))
        assert bus.billing.total.cost == 5


@pytest.mark.anyio
async def test_usage_is_added_up_by_the_month() -> None:
    """And old usage keeps the memory that the function had then."""
    bus = make_bus()
    f = bus.add_function("f", Recorder())
    async with bus:
        await bus.invoke(f)
        f.update_configuration(memory=256)
        await virtual(bus).advance(31 * 86_400)
        await bus.invoke(f)
        assert [(row.memory, row.requests) for row in bus.billing.rows()] == [(128, 1), (256, 1)]
        assert [row.memory for row in bus.billing.rows("2026-02")] == [256]


def test_a_unit_is_one_of_aws() -> None:
    """A tenth or a thousandth of a second."""
    with pytest.raises(ConfigurationError, match=r"billing_unit=1: seconds; AWS bills in units of 0\.001"):
        make_bus(billing_unit=1)


@pytest.mark.anyio
async def test_provisioned_concurrency_is_billed_while_it_is_configured() -> None:
    """By five minutes begun, from entering the bus until it is deleted; what runs on it has a price of its own."""
    bus = make_bus()
    version = bus.add_function("f", Recorder(), memory=1024).publish_version()
    version.put_provisioned_concurrency(2)
    async with bus:
        await bus.wait_idle()
        five_minutes = 300 * PRICES.provisioned
        assert bus.billing.total.cost == pytest.approx(2 * five_minutes)
        await virtual(bus).advance(301)
        assert bus.billing.total.cost == pytest.approx(4 * five_minutes)
        version.put_provisioned_concurrency(1)
        await virtual(bus).advance(300)
        version.delete_provisioned_concurrency()
        await virtual(bus).advance(86_400)
        await bus.invoke(version)
    (row,) = bus.billing.rows("2026-01")
    assert (row.version, row.requests) == ("1", 1)
    assert row.cost == pytest.approx(5 * five_minutes + PRICES.request + 0.1 * PRICES.x86_64[0][1])


@pytest.mark.anyio
async def test_a_bus_that_was_left_keeps_nothing_provisioned() -> None:
    """The bill ends with it."""
    bus = make_bus()
    bus.add_function("f", Recorder(), memory=1024).publish_version().put_provisioned_concurrency(1)
    async with bus:
        await virtual(bus).advance(600)
    cost = bus.billing.total.cost
    await virtual(bus).advance(6000)
    assert bus.billing.total.cost == cost == pytest.approx(600 * PRICES.provisioned)
