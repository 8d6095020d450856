"""Aliases: names for versions, weights, settings of their own."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from eventbus import EventBus, Function
from eventbus.errors import (
    InvalidParameterValue,
    PreconditionFailed,
    ResourceConflict,
    ResourceNotFound,
    ValidationFailed,
)
from eventbus.functions.alias import Alias
from eventbus.testing import Recorder
from tests.engine.support import ARN, S3, Box, make_bus, virtual

pytestmark = pytest.mark.anyio


def two_versions(bus: EventBus, recorder: Recorder | None = None) -> Function:
    f = bus.add_function("f", Recorder() if recorder is None else recorder)
    f.publish_version()
    f.update_configuration(memory=256)
    f.publish_version()
    return f


def test_an_alias_shows_itself_as_aws_does() -> None:
    """AliasConfiguration, with the routing if there is one."""
    f = two_versions(make_bus())
    alias = f.create_alias("prod", "1", description="for customers")
    shown = alias.describe()
    assert shown == {
        "AliasArn": f"{ARN}f:prod",
        "Name": "prod",
        "FunctionVersion": "1",
        "Description": "for customers",
        "RevisionId": alias.revision_id,
    }
    f.update_alias("prod", weights={"2": 0.1})
    assert alias.describe()["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 0.1}}
    assert alias.revision_id != shown["RevisionId"]
    assert (repr(alias), f.alias("prod"), dict(f.aliases)) == (
        "<Alias prod of f: version 1, 0.1 to 2>",
        alias,
        {"prod": alias},
    )


def test_what_is_left_out_stays_and_an_empty_map_takes_the_weights_away() -> None:
    """UpdateAlias merges."""
    f = two_versions(make_bus())
    alias = f.create_alias("prod", "1", {"2": 0.25}, description="d")
    f.update_alias("prod", description="e")
    assert (alias.version, alias.weights, alias.description) == (f.version("1"), {"2": 0.25}, "e")
    f.update_alias("prod", "2", {})
    assert (alias.version, alias.weights, alias.description) == (f.version("2"), {}, "e")


PATTERN = r"Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)"


@pytest.mark.parametrize("name", ["", "7", "123", "a b", "$LATEST", "ä", "a:b", 5])
def test_a_name_that_breaks_the_rules_is_refused(name: Any) -> None:
    """Digits alone would be a version."""
    f = two_versions(make_bus())
    with pytest.raises(ValidationFailed) as caught:
        f.create_alias(name, "1")
    assert caught.value.message.endswith(PATTERN)
    with pytest.raises(ValidationFailed, match="less than or equal to 128"):
        f.create_alias("x" * 129, "1")
    assert f.create_alias("x" * 128, "1").alias_name == "x" * 128


REFUSALS: list[tuple[str, Any, Any, type[Exception], str]] = [
    (
        "two weights",
        "1",
        {"2": 0.1, "3": 0.1},
        InvalidParameterValue,
        "Number of items in AdditionalVersionWeights cannot be greater than 1",
    ),
    (
        "the primary itself",
        "1",
        {"1": 0.5},
        InvalidParameterValue,
        "Invalid function version 1. Function version 1 is already included in routing configuration.",
    ),
    (
        "latest",
        "$LATEST",
        {"1": 0.5},
        InvalidParameterValue,
        "$LATEST is not supported for an alias pointing to more than 1 version",
    ),
    ("unknown version", "9", None, ResourceNotFound, f"Function not found: {ARN}f:9"),
    ("unknown weight", "1", {"9": 0.5}, ResourceNotFound, f"Function not found: {ARN}f:9"),
    (
        "weight",
        "1",
        {"2": 1.5},
        ValidationFailed,
        "1 validation error detected: Value '1.5' at 'routingConfig.additionalVersionWeights' failed to satisfy "
        "constraint: Member must have value between 0.0 and 1.0",
    ),
    (
        "weight no number",
        "1",
        {"2": "x"},
        ValidationFailed,
        "1 validation error detected: Value 'x' at 'routingConfig.additionalVersionWeights' failed to satisfy "
        "constraint: Member must have value between 0.0 and 1.0",
    ),
]


@pytest.mark.parametrize(
    ("version", "weights", "error", "message"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS]
)
def test_routing_that_cannot_be_is_refused(version: Any, weights: Any, error: type[Exception], message: str) -> None:
    """When it is made and when it is changed; nothing has changed then."""
    f = two_versions(make_bus())
    with pytest.raises(error) as made:
        f.create_alias("new", version, weights)
    alias = f.create_alias("prod", "1")
    before = alias.describe()
    with pytest.raises(error) as changed:
        f.update_alias("prod", version, weights)
    for caught in (made, changed):
        assert getattr(caught.value, "message") == message  # noqa: B009
    assert (alias.describe(), list(f.aliases)) == (before, ["prod"])


def test_names_that_are_taken_or_unknown() -> None:
    """In the three different wordings of AWS."""
    f = two_versions(make_bus())
    alias = f.create_alias("prod", "1")
    with pytest.raises(ResourceConflict) as taken:
        f.create_alias("prod", "2")
    assert taken.value.message == f"Alias already exists: {ARN}f:prod"
    with pytest.raises(ResourceNotFound) as got:
        f.alias("dev")
    assert got.value.message == f"Cannot find alias arn: {ARN}f:dev"
    with pytest.raises(ResourceNotFound) as updated:
        f.update_alias("dev", "1")
    assert updated.value.message == f"Alias not found: {ARN}f:dev"
    with pytest.raises(PreconditionFailed):
        f.update_alias("prod", "2", revision_id="stale")
    f.update_alias("prod", "2", revision_id=alias.revision_id)
    assert alias.version is f.version("2")


def test_two_versions_of_an_alias_have_one_role() -> None:
    """AWS demands it of weighted aliases."""
    bus = make_bus()
    f = bus.add_function("f", Recorder())
    f.publish_version()
    bus.roles.create("other")
    f.update_configuration(role="other")
    f.publish_version()
    with pytest.raises(InvalidParameterValue, match="must have the same execution role"):
        f.create_alias("prod", "1", {"2": 0.5})


async def test_an_alias_can_be_pointed_elsewhere_at_any_time() -> None:
    """Its policy and whatever is wired to its ARN stay."""
    bus, recorder = make_bus(), Recorder()
    f = two_versions(bus, recorder)
    alias = f.create_alias("prod", "1")
    alias.allow(S3)
    async with bus:
        await bus.push(f"{ARN}f:prod", 1, source=S3)
        await bus.wait_idle()
        f.update_alias("prod", "2")
        await bus.push(alias, 2, source=S3)
        await bus.wait_idle()
    assert [(c.function_version, c.invoked_function_arn) for c in recorder.contexts] == [
        ("1", f"{ARN}f:prod"),
        ("2", f"{ARN}f:prod"),
    ]


async def drawn(seed: int) -> list[str | None]:
    bus = EventBus(seed=seed)
    f = two_versions(bus)
    alias = f.create_alias("prod", "1", {"2": 0.1})
    async with bus:
        return [(await bus.invoke(alias)).executed_version for _ in range(400)]


async def test_weights_share_the_invocations_out_and_a_seed_repeats_the_draw() -> None:
    """About a tenth goes to version 2; ExecutedVersion tells which."""
    one, again, other = await drawn(1), await drawn(1), await drawn(2)
    assert one == again
    assert one != other
    assert 20 <= Counter(one)["2"] <= 65


async def test_weights_of_none_and_all() -> None:
    """0.0 never, 1.0 always."""
    bus = make_bus()
    f = two_versions(bus)
    never, always = f.create_alias("never", "1", {"2": 0.0}), f.create_alias("always", "1", {"2": 1.0})
    async with bus:
        ran = [(await bus.invoke(alias)).executed_version for alias in (never, always) * 20]
    assert ran == ["1", "2"] * 20


async def test_an_alias_has_asynchronous_settings_and_destinations_of_its_own() -> None:
    """One attempt for the alias, three for the version behind it, each to its own queue."""
    bus = make_bus()
    f = two_versions(bus, Recorder(fail="always"))
    alias, version = f.create_alias("prod", "1"), f.version("1")
    mine, theirs = Box(bus, "mine"), Box(bus, "theirs")
    alias.put_event_invoke_config(retries=0, on_failure=mine, grant=True)
    version.on_failure(theirs, grant=True)
    for each in (alias, version):
        each.allow(S3)
    async with bus:
        await bus.push(alias, "a", source=S3)
        await bus.push(version, "v", source=S3)
        await bus.wait_idle()
    (a,), (v,) = mine.documents, theirs.documents
    assert (a["requestContext"]["approximateInvokeCount"], v["requestContext"]["approximateInvokeCount"]) == (1, 3)
    assert a["requestContext"]["functionArn"] == f"{ARN}f:prod"
    assert a["responseContext"]["executedVersion"] == "1"
    assert v["requestContext"]["functionArn"] == f"{ARN}f:1"
    assert {letter.target for letter in bus.dead_letters} == {f"{ARN}f:prod", f"{ARN}f:1"}


async def test_an_alias_reports_successes_to_its_destination() -> None:
    """Also where its version has none."""
    bus = make_bus()
    f = two_versions(bus)
    alias, box = f.create_alias("prod", "1"), Box(bus)
    alias.on_success(box, grant=True)
    alias.allow(S3)
    async with bus:
        await bus.push(alias, 1, source=S3)
        await bus.wait_idle()
    assert [document["requestContext"]["condition"] for document in box.documents] == ["Success"]


async def test_the_age_limit_of_an_alias_counts() -> None:
    """60 seconds leave no room for a retry, whatever its version allows."""
    bus = make_bus()
    f = two_versions(bus, Recorder(fail="always"))
    alias = f.create_alias("prod", "1")
    alias.put_event_invoke_config(max_event_age=60)
    alias.allow(S3)
    async with bus:
        await bus.push(alias, 1, source=S3)
        await bus.wait_idle()
        (letter,) = bus.dead_letters
        assert (letter.reason, letter.attempts, virtual(bus).elapsed) == ("EventAgeExceeded", 1, 0)


async def test_retries_of_an_alias_draw_anew() -> None:
    """A version that fails does not keep the event to itself."""
    bus, recorder = make_bus(), Recorder(fail=30)
    f = two_versions(bus, recorder)
    alias = f.create_alias("prod", "1", {"2": 0.5})
    alias.allow(S3)
    async with bus:
        for number in range(10):
            await bus.push(alias, number, source=S3)
        await bus.wait_idle()
    versions = {
        tuple(c.function_version for c, e in zip(recorder.contexts, recorder.events, strict=True) if e == number)
        for number in range(10)
    }
    assert any(len(set(tried)) == 2 for tried in versions)


async def test_an_alias_that_is_gone_leaves_its_events_where_they_are() -> None:
    """A retry goes on with the version that it had."""
    bus, recorder = make_bus(), Recorder(fail=1)
    f = two_versions(bus, recorder)
    alias = f.create_alias("prod", "1")
    alias.allow(S3)
    async with bus:
        await bus.push(alias, 1, source=S3)
        await bus.settle()
        f.delete_alias("prod")
        await bus.wait_idle()
        assert bus.statistics().finished == 1
        with pytest.raises(ResourceNotFound):
            await bus.push(f"{ARN}f:prod", 1, source=S3)


async def test_the_trace_names_the_alias() -> None:
    """Who was addressed, not what ran."""
    bus = make_bus()
    alias: Alias = two_versions(bus).create_alias("prod", "1")
    alias.allow(S3)
    async with bus:
        await bus.push(alias, 1, source=S3)
        await bus.wait_idle()
        assert str(bus.trace) == "s3.amazonaws.com → λ f:prod  ✓ finished"
