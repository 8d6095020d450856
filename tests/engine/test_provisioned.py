"""Provisioned concurrency: environments that are there before anybody asks, and what they cost the pools."""

from __future__ import annotations

import os
from typing import Any

import anyio
import pytest

from eventbus import EventBus, Function
from eventbus.errors import (
    InvalidParameterValue,
    ProvisionedConcurrencyConfigNotFound,
    ResourceConflict,
    TooManyRequests,
)
from eventbus.functions.version import Version
from tests.engine.support import make_bus, virtual

pytestmark = pytest.mark.anyio


class Gate:
    """A handler that waits until it is told to go on, and says how it was initialised."""

    __name__ = "gate"

    def __init__(self) -> None:
        self.go = anyio.Event()
        self.kinds: list[str] = []

    async def __call__(self, event: Any, context: Any) -> str:
        self.kinds.append(os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"])
        if event == "wait":
            await self.go.wait()
        return self.kinds[-1]


def declare(bus: EventBus, **options: Any) -> tuple[Function, Version, Gate]:
    gate = Gate()
    f = bus.add_function("f", gate, **options)
    return f, f.publish_version(), gate


async def test_provisioned_environments_are_used_first_and_the_rest_spills_over() -> None:
    """Two are there; the third and fourth call get environments on demand."""
    bus = make_bus()
    _, version, gate = declare(bus)
    answer = version.put_provisioned_concurrency(2)
    assert (answer["Status"], answer["AvailableProvisionedConcurrentExecutions"]) == ("IN_PROGRESS", 0)
    async with bus, anyio.create_task_group() as tasks:
        await bus.wait_idle()
        ready = version.provisioned_concurrency
        assert {name: value for name, value in ready.items() if name != "LastModified"} == {
            "RequestedProvisionedConcurrentExecutions": 2,
            "AvailableProvisionedConcurrentExecutions": 2,
            "AllocatedProvisionedConcurrentExecutions": 2,
            "Status": "READY",
        }
        for _ in range(4):
            tasks.start_soon(bus.invoke, version, "wait")
        await anyio.wait_all_tasks_blocked()
        assert gate.kinds == ["provisioned-concurrency"] * 2 + ["on-demand"] * 2
        gate.go.set()
        await bus.wait_idle()
        await virtual(bus).advance(100_000)
        assert [e.init_type for e in version.lane.environments] == ["provisioned-concurrency"] * 2


async def test_what_is_provisioned_is_taken_off_the_account() -> None:
    """Others get what is left, and everything again when it is given back."""
    bus = make_bus(concurrency=110)
    _, version, _ = declare(bus)
    version.put_provisioned_concurrency(10)
    assert (bus.account.shared.limit, bus.account.claimed) == (100, 10)
    version.put_provisioned_concurrency(4)
    assert bus.account.shared.limit == 106
    version.delete_provisioned_concurrency()
    version.delete_provisioned_concurrency()
    assert (bus.account.shared.limit, bus.account.claimed) == (110, 0)
    with pytest.raises(ProvisionedConcurrencyConfigNotFound) as caught:
        _ = version.provisioned_concurrency
    assert caught.value.message == "No Provisioned Concurrency Config found for this function"


async def test_all_of_the_reservation_provisioned_leaves_latest_nothing() -> None:
    """AWS throttles $LATEST and the versions without."""
    bus = make_bus()
    f, version, _ = declare(bus, reserved_concurrency=2)
    version.put_provisioned_concurrency(2)
    async with bus:
        await bus.wait_idle()
        assert (await bus.invoke(version)).payload == "provisioned-concurrency"
        with pytest.raises(TooManyRequests) as caught:
            await bus.invoke(f)
        assert caught.value.reason == "ReservedFunctionConcurrentInvocationLimitExceeded"


async def test_fewer_are_kept_when_fewer_are_asked_for() -> None:
    """Idle ones end at once, busy ones after their event."""
    bus = make_bus()
    _, version, gate = declare(bus)
    version.put_provisioned_concurrency(3)
    async with bus, anyio.create_task_group() as tasks:
        await bus.wait_idle()
        for _ in range(3):
            tasks.start_soon(bus.invoke, version, "wait")
        await anyio.wait_all_tasks_blocked()
        version.put_provisioned_concurrency(1)
        gate.go.set()
        await bus.wait_idle()
        assert len(version.lane.environments) == 1
        version.delete_provisioned_concurrency()
        assert len(version.lane.environments) == 0
        version.put_provisioned_concurrency(2)
        await bus.wait_idle()
        assert version.provisioned_concurrency["Status"] == "READY"


async def test_an_alias_shares_its_units_out_by_weight_and_takes_them_along() -> None:
    """Nine and one of ten; pointed elsewhere, all go there."""
    bus = make_bus()
    f, one, _ = declare(bus)
    f.update_configuration(memory=256)
    two = f.publish_version()
    alias = f.create_alias("prod", "1", {"2": 0.1})
    alias.put_provisioned_concurrency(10)
    async with bus:
        await bus.wait_idle()
        assert [len(v.lane.environments) for v in (one, two)] == [9, 1]
        f.update_alias("prod", "2", {})
        await bus.wait_idle()
        assert [len(v.lane.environments) for v in (one, two)] == [0, 10]
        assert alias.provisioned_concurrency["AvailableProvisionedConcurrentExecutions"] == 10
        f.delete_alias("prod")
        assert [len(v.lane.environments) for v in (one, two)] == [0, 0]
        assert bus.account.claimed == 0


def test_a_version_has_one_owner_of_its_environments() -> None:
    """In the two wordings of AWS."""
    bus = make_bus()
    f, version, _ = declare(bus)
    alias = f.create_alias("prod", "1")
    version.put_provisioned_concurrency(1)
    with pytest.raises(ResourceConflict) as of_alias:
        alias.put_provisioned_concurrency(1)
    assert of_alias.value.message == (
        "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
    )
    version.delete_provisioned_concurrency()
    alias.put_provisioned_concurrency(1)
    with pytest.raises(ResourceConflict) as of_version:
        version.put_provisioned_concurrency(1)
    assert of_version.value.message == "Version is pointed by a Provisioned Concurrency alias"


REFUSALS: list[tuple[dict[str, Any], int | None, int, str]] = [
    (
        {},
        5,
        6,
        "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
    ),
    (
        {"concurrency": 110},
        None,
        111,
        "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [110].",
    ),
    (
        {"concurrency": 110},
        None,
        11,
        "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
        "minimum value of [100].",
    ),
    ({}, None, 0, "ProvisionedConcurrentExecutions=0: a whole number from 1 is needed"),
]


@pytest.mark.parametrize(("options", "reserved", "units", "message"), REFUSALS, ids=range(len(REFUSALS)))
def test_more_than_there_is_is_refused(options: dict[str, Any], reserved: int | None, units: int, message: str) -> None:
    """And nothing is taken."""
    bus = make_bus(**options)
    _, version, _ = declare(bus, reserved_concurrency=reserved)
    before = bus.account.claimed
    with pytest.raises(InvalidParameterValue) as caught:
        version.put_provisioned_concurrency(units)
    assert caught.value.message == message
    assert bus.account.claimed == before


def test_a_reservation_cannot_be_lower_than_what_is_provisioned() -> None:
    """The blanks are AWS's."""
    f, version, _ = declare(make_bus())
    version.put_provisioned_concurrency(2)
    with pytest.raises(InvalidParameterValue) as caught:
        f.update_configuration(reserved_concurrency=1)
    assert caught.value.message == (
        " ReservedConcurrentExecutions  1 should not be lower than function's total provisioned concurrency [2]."
    )
    assert f.configuration.reserved_concurrency is None


def test_latest_cannot_have_any() -> None:
    """Neither through an alias."""
    bus = make_bus()
    f, _, _ = declare(bus)
    with pytest.raises(InvalidParameterValue) as caught:
        f.create_alias("dev", "$LATEST").put_provisioned_concurrency(1)
    assert caught.value.message == (
        "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
    )


async def test_a_deleted_function_initialises_nothing_more() -> None:
    """Its provisioned environments end, busy ones after their event, and are not replaced."""
    bus = make_bus()
    f, version, gate = declare(bus)
    version.put_provisioned_concurrency(2)
    async with bus, anyio.create_task_group() as tasks:
        await bus.wait_idle()
        tasks.start_soon(bus.invoke, version, "wait")
        await anyio.wait_all_tasks_blocked()
        f.delete()
        gate.go.set()
        await bus.wait_idle()
        assert len(version.lane.environments) == 0
        assert (bus.account.claimed, bus.account.shared.busy) == (0, 0)


# -- metrics -----------------------------------------------------------------------------------------------------------


async def test_metrics_show_what_is_provisioned_and_what_spills_over() -> None:
    """Three calls at once on two environments; reserved and provisioned units are claimed, used or not."""
    bus = make_bus()
    f, version, gate = declare(bus)
    bus.add_function("other", Gate(), reserved_concurrency=50)
    version.put_provisioned_concurrency(2)
    async with bus, anyio.create_task_group() as tasks:
        await bus.wait_idle()
        for _ in range(3):
            tasks.start_soon(bus.invoke, version, "wait")
        await anyio.wait_all_tasks_blocked()
        assert bus.metrics.query("ProvisionedConcurrentExecutions", version).maximum == 2
        gate.go.set()
        await bus.wait_idle()
        await bus.invoke(f)
        metrics = bus.metrics
        assert metrics.query("ProvisionedConcurrencyInvocations", f).sum == 2
        assert metrics.query("ProvisionedConcurrencySpilloverInvocations", f).sum == 1
        assert metrics.query("ProvisionedConcurrencySpilloverInvocations", version).sum == 1
        here = {"FunctionName": "f", "Resource": "f:1"}
        utilization = metrics.query("ProvisionedConcurrencyUtilization", namespace="AWS/Lambda", dimensions=here)
        assert (utilization.maximum, utilization.unit) == (1.0, "None")
        assert metrics.query("ClaimedAccountConcurrency").maximum == 50 + 2 + 1
        await virtual(bus).advance(120)
        for _ in range(2):
            await bus.invoke(version)
        busiest = metrics.data("ProvisionedConcurrencyUtilization", version, statistic="Maximum")
        assert [point.value for point in busiest] == [1.0]
        assert [
            p.value for p in bus.metrics.data("ProvisionedConcurrencyUtilization", version, statistic="Maximum")
        ] == [
            1.0,
            0.5,
        ]


async def test_a_provisioned_alias_measures_what_its_versions_use_together() -> None:
    """Under the alias, whichever version ran."""
    bus = make_bus()
    f, _, gate = declare(bus)
    f.update_configuration(memory=256)
    f.publish_version()
    alias = f.create_alias("prod", "1", {"2": 0.5})
    alias.put_provisioned_concurrency(4)
    async with bus, anyio.create_task_group() as tasks:
        await bus.wait_idle()
        for _ in range(3):
            tasks.start_soon(bus.invoke, alias, "wait")
        await anyio.wait_all_tasks_blocked()
        busy = bus.metrics.query("ProvisionedConcurrentExecutions", alias).maximum
        spilled = 3 - gate.kinds.count("provisioned-concurrency")
        assert busy == 3 - spilled
        assert bus.metrics.query("ProvisionedConcurrencyUtilization", alias).maximum == busy / 4
        gate.go.set()
